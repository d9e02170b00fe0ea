"""Kill a run at every effect, and its resume at every effect again: the promises hold.

The kill is in-process: at the n-th point everything stops, for n = 1, 2, 3 … until a run passes whole. The
ledger keeps what was written: all of it (kill -9), what was synced (a power cut), or half of the rest.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from bulk.adapters.ledger import PARTIAL, LedgerFile, fold, records
from bulk.core.model import Action, Change, Outcome
from bulk.engine.brake import Brake
from bulk.engine.read import Patience
from bulk.engine.run import Lane, Limits, Run
from tests.crash.plug import Crash, Plug, Plugged, PluggedDisk
from tests.fakes import (
    Answer,
    FakeClock,
    FakeFleet,
    FakePace,
    FastDisk,
    FixedDice,
    fleet_of,
    inline,
    is_lost,
    is_throttled,
    is_unreached,
    lands_unheard,
    lands_with_a_wrong_echo,
    planned_ledger,
    write_plan,
)
from tests.nouns import PROJECT, change, ports, service_id, session_record

Survival = Callable[[int, int], int]
"""How many of the bytes written remain, by the bytes synced and written."""

SURVIVALS: dict[str, Survival] = {
    "kill -9": lambda _, written: written,
    "power cut": min,
    "torn line": lambda synced, written: min(written, (synced + written + 1) // 2),
}


@dataclass
class World:
    """What outlives a process: the fleet, the time, the ledger's file."""

    path: Path
    fleet: FakeFleet
    workers: int
    clock: FakeClock = field(default_factory=FakeClock)

    async def session(self, plug: Plug, survival: Survival = SURVIVALS["kill -9"]) -> bool:
        """Work on the ledger as one process does; say whether it came to its end."""
        disk = PluggedDisk(self.path, plug)
        with suppress(Crash):
            ledger = LedgerFile.open(self.path, now=self.clock.now, disk=disk)
            running = asyncio.create_task(self._run(inline(ledger), plug))
            dying = asyncio.create_task(plug.out.wait())
            await asyncio.wait({running, dying}, return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            dying.cancel()
            ends = await asyncio.gather(running, dying, return_exceptions=True)
            os.close(ledger._fd)
            if not plug.out.is_set() and isinstance(ends[0], BaseException):
                raise ends[0]
        if plug.out.is_set():
            os.truncate(self.path, survival(disk.synced_bytes, self.path.stat().st_size))
        return not plug.out.is_set()

    async def _run(self, ledger: LedgerFile, plug: Plug) -> None:
        await ledger.write(session_record())
        pace = Plugged(FakePace(), plug)
        lane = Lane(fleet=Plugged(self.fleet, plug), reads=pace, writes=pace)
        patience = Patience(clock=Plugged(self.clock, plug), dice=FixedDice())
        await Run(ledger, {PROJECT: lane}, Brake(), patience, Limits(workers=self.workers))()


@dataclass
class Job:
    """A plan as bytes, with the troubles that its fleet makes."""

    folder: Path
    changes: list[Change]
    answers: dict[int, list[Answer]]
    workers: int
    plan: bytes = b""

    async def written(self) -> "Job":
        """Write the plan once."""
        ledger = await planned_ledger(self.folder, self.changes)
        async with ledger:
            pass
        self.plan = ledger.path.read_bytes()
        return self

    def world(self) -> World:
        """Give a world in which nothing has happened yet."""
        path = self.folder / "run.ledger.jsonl"
        path.write_bytes(self.plan)
        return World(path=path, fleet=fleet_of(self.changes, self.answers), workers=self.workers)

    def holds(self, world: World) -> None:
        """Check what must be so after the last resume."""
        progress = fold(world.path)
        updates = [c for c in self.changes if c.action is Action.UPDATE]
        assert {c.row: progress.outcome(c.row) for c in updates} == {c.row: Outcome.APPLIED for c in updates}
        assert progress.ended == progress.rows == sum(progress.counts().values())
        assert all(world.fleet.services[c.service_id].ports == ports(2) for c in updates)
        assert Counter(world.fleet.landed) == {c.service_id: 1 for c in updates}, (
            "a PUT that landed was repeated"
        )
        intents = Counter(r["row"] for _, r in records(world.path) if r["type"] == "intent")
        asked = Counter(int(asked[-12:], 16) for asked in world.fleet.asked)
        assert asked <= intents, "a PUT left without an intent"


def every_trouble(folder: Path) -> Job:
    """Give a job whose seven rows meet every kind of answer."""
    changes = [
        change(1),
        change(2),
        change(3),
        change(4),
        change(5, after=(1, 2)),
        change(6, action=Action.KEEP),
        change(7, action=Action.REFUSE),
    ]
    answers: dict[int, list[Answer]] = {
        1: [is_throttled, lands_unheard],
        2: [is_lost],
        3: [lands_with_a_wrong_echo],
        4: [is_unreached],
    }
    return Job(folder=folder, changes=changes, answers=answers, workers=2)


def two_rows(folder: Path) -> Job:
    """Give a small job: an answer lost after landing, then a request lost, one waiting for the other."""
    changes = [change(1), change(2, after=(1,))]
    return Job(folder=folder, changes=changes, answers={1: [lands_unheard], 2: [is_lost]}, workers=1)


NEVER = 10**9


@pytest.mark.parametrize("survival", SURVIVALS)
async def test_a_run_killed_at_any_effect_is_ended_by_the_next(tmp_path: Path, survival: str) -> None:
    """P1, P2, P3, P5: at every point of a run with every trouble."""
    job = await every_trouble(tmp_path).written()
    for point in count(1):
        world = job.world()
        whole = await world.session(Plug(point), SURVIVALS[survival])
        assert await world.session(Plug(NEVER))
        job.holds(world)
        if whole:
            break
    assert point > 80


@pytest.mark.parametrize("survival", ["kill -9", "torn line"])
async def test_a_resume_killed_at_any_effect_is_ended_by_the_next(tmp_path: Path, survival: str) -> None:
    """Every point of the run with every point of its resume."""
    job = await two_rows(tmp_path).written()
    points = 0
    for first in count(1):
        for second in count(1):
            points += 1
            world = job.world()
            whole = await world.session(Plug(first), SURVIVALS[survival])
            resumed = await world.session(Plug(second), SURVIVALS[survival])
            assert await world.session(Plug(NEVER))
            job.holds(world)
            if resumed:
                break
        if whole:
            break
    assert points > 500


async def test_a_process_killed_again_and_again_at_the_same_point_gets_on_at_last(tmp_path: Path) -> None:
    """Kills cost no row its tries: after ten at each point the next run still ends as asked."""
    job = await two_rows(tmp_path).written()
    for point in range(1, 60, 2):
        world = job.world()
        for _ in range(10):
            await world.session(Plug(point))
        assert await world.session(Plug(NEVER))
        job.holds(world)


async def test_a_plan_killed_at_any_effect_is_whole_or_not_there(tmp_path: Path) -> None:
    """A name is given to complete plans only; planning again succeeds, whatever was left."""
    path = tmp_path / "run.ledger.jsonl"
    partial = path.with_name(path.name + PARTIAL)
    for point in count(1):
        partial.touch()
        ledger = LedgerFile.create(path, now=FakeClock().now, disk=PluggedDisk(partial, Plug(point)))
        try:
            await write_plan(inline(ledger), [change(1), change(2)])
            whole = True
        except Crash:
            whole = False
        os.close(ledger._fd)
        assert path.exists() == whole
        if whole:
            break
        async with LedgerFile.create(path, now=FakeClock().now, disk=FastDisk()) as ledger:
            await write_plan(ledger, [change(1), change(2)])
        assert fold(path).rows == 2
        path.unlink()
    assert service_id(1) == fold_first_change(path)


def fold_first_change(path: Path) -> str:
    """Give the service of the first change in a file."""
    return next(str(r["service_id"]) for _, r in records(path) if r["type"] == "change")
