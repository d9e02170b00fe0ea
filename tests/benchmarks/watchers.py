"""What fifty people who look on cost a run: `bulk apply` with them and without, in turns.

A run of 5,000 rows at 200/s writes 400 records a second. `bulk watch --serve` follows its ledger on the same
machine, and fifty connections take every event.
"""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from threading import Thread
from typing import NamedTuple

from tests.benchmarks.bars import Row, at_least
from tests.benchmarks.fleet import write_job
from tests.benchmarks.measure import ChildFailed, Server, environment, python, serving, start

ROWS, RATE, VIEWERS, ROUNDS = 5_000, "200/s", 50, 2
_WAIT_S = 60.0


def measured(home: Path) -> Iterator[Row]:
    """Return the rate with viewers beside the one without, and what they were sent."""
    job = write_job(home / "watched.csv", ROWS, services_per_project=ROWS)
    with serving(python("tests.benchmarks.server", str(ROWS)), home=home) as server:
        pairs = [(_lap(server, home, job, 0), _lap(server, home, job, VIEWERS)) for _ in range(ROUNDS)]
    yield Row(
        section="watch",
        name=f"apply at {RATE}, {VIEWERS} viewers of its page",
        figures={
            "alone_per_s": median(alone.per_s for alone, _ in pairs),
            "watched_per_s": median(watched.per_s for _, watched in pairs),
            "cpu_ratio": median(watched.cpu_s / alone.cpu_s for alone, watched in pairs),
            "events": median(watched.events for _, watched in pairs),
            "ratio": median(watched.per_s / alone.per_s for alone, watched in pairs),
        },
        bars=(at_least("ratio", 0.95),),
    )


class Lap(NamedTuple):
    """One run: PUTs a second as the server saw them, processor time, and the events of all viewers."""

    per_s: float
    cpu_s: float
    events: int


def _lap(server: Server, home: Path, job: Path, viewers: int) -> Lap:
    server.reset()
    known = set(home.glob("runs/*.ledger.jsonl"))
    flags = ("--endpoint", server.url, "--rate", RATE, "--yes", "-q", "--new-run")
    with ExitStack() as stack:
        said = stack.enter_context(TemporaryFile())
        run = stack.enter_context(start(python("bulk", "apply", str(job), *flags), home=home, out=said))
        watching = stack.enter_context(_viewers(home, known, viewers)) if viewers else None
        spent = run.wait(said)
    if spent.code:
        raise ChildFailed(f"apply ended with {spent.code}: {spent.said[-2000:]}")
    counts = server.counts()
    rate = (counts["puts"] - 1) / (counts["last_put_at"] - counts["first_put_at"])
    return Lap(rate, spent.cpu_s, watching.events if watching else 0)


class Viewers(Thread):
    """So many connections that take each event as it comes."""

    def __init__(self, port: int, count: int) -> None:
        super().__init__(daemon=True)
        self.events = 0
        self._port, self._count = port, count

    def run(self) -> None:
        """Take events until the server ends."""
        asyncio.run(self._all())

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._one())

    async def _one(self) -> None:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1_000_000)
            writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while line := await reader.readline():
                self.events += line.startswith(b"data:")


@contextmanager
def _viewers(home: Path, known: set[Path], count: int) -> Iterator[Viewers]:
    """Serve the page of the run that has just begun to so many viewers while the block runs."""
    until = time.monotonic() + _WAIT_S
    while not (begun := set(home.glob("runs/*.ledger.jsonl")) - known):
        if time.monotonic() > until:
            raise ChildFailed("the run did not begin")
        time.sleep(0.05)
    [ledger] = begun
    argv = python("bulk", "watch", str(ledger), "--serve", "0")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment(home), text=True) as page:
        assert page.stdout is not None
        viewers = Viewers(int(page.stdout.readline().strip().rstrip("/").rpartition(":")[2]), count)
        viewers.start()
        try:
            yield viewers
        finally:
            page.terminate()
