"""What is killed in the crash tests: jobs with troubles, and the world that outlives the process."""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bulk.ledger.file import LedgerFile, fold, records
from bulk.model import Action, Change, Outcome
from bulk.run.brake import Brake
from bulk.run.interfaces import LaneClient, LaneName, Limits
from bulk.run.patience import Patience
from bulk.run.pump import Pump, RunContext
from tests.crash.plug import Crash, Plug, Plugged, PluggedDisk, until_dead
from tests.fakes import (
    Answer,
    FakeClock,
    FakeFleet,
    FakePace,
    FixedDice,
    fleet_of,
    inline,
    is_lost,
    is_throttled,
    is_unreached,
    lands_unheard,
    lands_with_a_wrong_echo,
    planned_ledger,
)
from tests.values import PROJECT, change, ring, session_record

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
    committing: Callable[[LedgerFile], LedgerFile] = inline
    """How the ledger commits: at once, so that points keep their order, or as it does."""

    async def session(self, plug: Plug, survival: Survival = SURVIVALS["kill -9"]) -> bool:
        """Work on the ledger as one process does; say whether it came to its end."""
        disk = PluggedDisk(self.path, plug)
        with suppress(Crash):
            ledger = LedgerFile.open(self.path, now=self.clock.now, disk=disk)
            await until_dead(self._run(self.committing(ledger), plug), plug)
            os.close(ledger._fd)
        if plug.out.is_set():
            os.truncate(self.path, survival(disk.synced_bytes, self.path.stat().st_size))
        return not plug.out.is_set()

    async def _run(self, ledger: LedgerFile, plug: Plug) -> None:
        await ledger.commit(session_record())
        pace = Plugged(FakePace(), plug)
        lane = LaneClient(
            lane=LaneName("h", "cn-north-4", "a"), fleet=Plugged(self.fleet, plug), reads=pace, writes=pace
        )
        patience = Patience(clock=Plugged(self.clock, plug), dice=FixedDice())
        limits = Limits(workers=self.workers)
        tools = RunContext(
            ledger=ledger, clients={PROJECT: lane}, brake=Brake(), patience=patience, limits=limits
        )
        await Pump(tools)()


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
        """Return a world in which nothing has happened yet."""
        path = self.folder / "run.ledger.jsonl"
        path.write_bytes(self.plan)
        return World(path=path, fleet=self.fleet(), workers=self.workers)

    def fleet(self) -> FakeFleet:
        """Return the fleet as the plan saw it."""
        fleet = fleet_of(self.changes, self.answers)
        fleet.shares_ports = any(change.parking for change in self.changes)
        return fleet

    def holds(self, world: World) -> None:
        """Check what must be so after the last resume."""
        progress = fold(world.path)
        updates = [c for c in self.changes if c.action is Action.UPDATE]
        assert {c.row: progress.outcome(c.row) for c in updates} == {c.row: Outcome.APPLIED for c in updates}
        assert progress.ended == progress.rows == sum(progress.counts().values())
        assert all(world.fleet.services[c.service_id].ports == c.body.ports for c in updates)
        landed = {c.service_id: 2 if c.parking else 1 for c in updates}
        assert Counter(world.fleet.landed) == landed, "a PUT that landed was repeated"
        intents = Counter(r["row"] for _, r in records(world.path) if r["type"] == "intent")
        asked = Counter(int(asked[-12:], 16) for asked in world.fleet.asked)
        assert asked <= intents, "a PUT left without an intent"


def every_trouble(folder: Path) -> Job:
    """Return a job whose seven rows meet every kind of answer."""
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


def one_ring(folder: Path) -> Job:
    """Return a swap of ports, broken by parking one service, on a backend that lets nobody clash."""
    return Job(folder=folder, changes=ring(2), answers={1: [lands_unheard], 2: [is_lost]}, workers=3)


def two_rows(folder: Path) -> Job:
    """Return a small job: an answer lost after landing, then a request lost, one waiting for the other."""
    changes = [change(1), change(2, after=(1,))]
    return Job(folder=folder, changes=changes, answers={1: [lands_unheard], 2: [is_lost]}, workers=1)


NEVER = 10**9
"""A point that no run has."""
