"""Runs a job in child processes that kill themselves: `python -m tests.crash.driver FOLDER`.

For each point n = 1, 2, 3 … until a run passes whole: one process is killed by SIGKILL at the n-th effect, a
second one during its resume, a third one ends the job. Prints the number of runs that kept the promises.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from bulk.model import ModifyBody, ServiceId, ServiceState, Verdict
from tests.crash.plug import Plug
from tests.crash.worlds import NEVER, Job, World, every_trouble
from tests.fakes import FakeFleet


@dataclass
class FileFleet(FakeFleet):
    """A fleet whose story is a file, so that it outlives whoever asks it."""

    story: Path = Path()

    def remember(self, job: Job) -> "FileFleet":
        """Live the story so far again."""
        bodies = {change.service_id: change.body for change in job.changes}
        for line in self.story.read_text().splitlines():
            what, name = line.split()
            wanted = ServiceId(name)
            if what == "landed":
                super().land(wanted, bodies[wanted])
            else:
                self.asked.append(wanted)
                if self.answers.get(wanted):
                    self.answers[wanted].pop(0)
        return self

    async def modify(self, service_id: ServiceId, body: ModifyBody) -> Verdict:
        """Take a PUT; that it arrived is remembered first."""
        self._tell("asked", service_id)
        return await super().modify(service_id, body)

    def land(self, service_id: ServiceId, body: ModifyBody) -> ServiceState:
        """Remember that it took effect."""
        self._tell("landed", service_id)
        return super().land(service_id, body)

    def _tell(self, what: str, service_id: ServiceId) -> None:
        with self.story.open("a") as story:
            story.write(f"{what} {service_id}\n")


def world_of(job: Job) -> World:
    """Return the world as the last process left it, its ledger committing by its own thread."""
    path = job.folder / "run.ledger.jsonl"
    fresh = job.fleet()
    fleet = FileFleet(services=fresh.services, answers=fresh.answers, story=job.folder / "story.txt")
    return World(path=path, fleet=fleet.remember(job), workers=job.workers, committing=lambda ledger: ledger)


def child(work: Coroutine[Any, Any, bool]) -> bool:
    """Do the work in a process of its own; say whether it survived."""
    pid = os.fork()
    if not pid:
        os._exit(0 if asyncio.run(work) else 1)
    work.close()
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return not os.WIFSIGNALED(status)


def main(folder: Path) -> None:
    """Kill at every point."""
    job = asyncio.run(every_trouble(folder).written())

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    for point in count(1):
        job.world()
        (folder / "story.txt").write_text("")
        whole = child(world_of(job).session(Plug(point, kill)))
        child(world_of(job).session(Plug(1 + point * 7 % 60, kill)))
        assert child(world_of(job).session(Plug(NEVER)))
        job.holds(world_of(job))
        if whole:
            print(point)  # noqa: T201 - the answer
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
