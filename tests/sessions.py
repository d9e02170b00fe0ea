"""Sessions of a run over a ledger of its own, with a fleet, a pace and a clock that are told what to do."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bulk.ledger.file import LedgerFile, fold, records
from bulk.ledger.records import Json, Ruling
from bulk.model import Change, Outcome, Target
from bulk.plan.waves import WavePlan
from bulk.run.brake import Brake
from bulk.run.deadlines import ANY_TIME, Hours
from bulk.run.interfaces import LaneClient, LaneName, Limits, WaveJudge
from bulk.run.patience import Patience
from bulk.run.pump import Pump, RunContext
from tests.fakes import (
    Answer,
    FakeClock,
    FakeFleet,
    FakePace,
    FastDisk,
    FixedDice,
    fleet_of,
    inline,
    planned_ledger,
)
from tests.values import PROJECT, change


@dataclass
class Session:
    """One run over a ledger and what it met."""

    ledger: LedgerFile
    fleet: FakeFleet
    clock: FakeClock = field(default_factory=FakeClock)
    writes: FakePace = field(default_factory=FakePace)
    reads: FakePace = field(default_factory=FakePace)
    brake: Brake = field(default_factory=Brake)
    limits: Limits = field(default_factory=lambda: Limits(workers=3))
    roll: float = 0.5
    hours: Hours = ANY_TIME
    more_lanes: dict[Target, LaneClient] = field(default_factory=dict)
    each_tick: Callable[[], object] = lambda: None
    judge: WaveJudge | None = None

    def pump(self) -> Pump:
        """Return the run, which has not begun."""
        lanes = {
            PROJECT: LaneClient(
                lane=LaneName("h", "cn-north-4", "a"), fleet=self.fleet, reads=self.reads, writes=self.writes
            ),
            **self.more_lanes,
        }
        patience = Patience(clock=self.clock, dice=FixedDice(self.roll))
        context = RunContext(
            ledger=self.ledger,
            clients=lanes,
            brake=self.brake,
            patience=patience,
            limits=self.limits,
            hours=self.hours,
            judge=self.judge,
        )
        self.run_at_work = Pump(context)
        self.run_at_work.on_tick(self.each_tick)
        return self.run_at_work

    async def run(self) -> "Session":
        """Run to the end and close the ledger."""
        async with self.ledger, asyncio.timeout(10):
            await self.pump()()
        return self

    @property
    def outcomes(self) -> list[Outcome]:
        """Return the outcomes by row, as the file tells them."""
        progress = fold(self.ledger.path)
        assert sum(progress.counts().values()) == progress.rows
        return [progress.outcome(row) for row in sorted(progress.order)]

    def told(self, row: int, kind: str = "outcome") -> list[Json]:
        """Return the records of one type about a row."""
        return [r for _, r in records(self.ledger.path) if r["type"] == kind and r.get("row") == row]

    def order(self) -> list[int]:
        """Return the rows in the order in which their PUTs arrived."""
        return [int(asked[-12:], 16) for asked in self.fleet.asked]


async def prepared(
    folder: Path,
    changes: Iterable[Change],
    answers: Mapping[int, list[Answer]] | None = None,
    **settings: Any,
) -> Session:
    """Return a session that has not begun, over a fleet as the plan saw it."""
    changes = list(changes)
    clock = FakeClock()
    ledger = await planned_ledger(folder, changes, clock=clock)
    limits = Limits(**{"workers": 3, **settings})
    return Session(ledger=ledger, fleet=fleet_of(changes, answers), clock=clock, limits=limits)


async def ran(
    folder: Path,
    changes: Iterable[Change],
    answers: Mapping[int, list[Answer]] | None = None,
    **settings: Any,
) -> Session:
    """Return a session that has run."""
    return await (await prepared(folder, changes, answers, **settings)).run()


def again(session: Session, **changed: Any) -> Session:
    """Return the next session over the same ledger and fleet."""
    ledger = inline(LedgerFile.open(session.ledger.path, now=session.clock.now, disk=FastDisk()))
    fresh = Session(ledger=ledger, fleet=session.fleet, clock=session.clock, limits=session.limits)
    return replace(fresh, **changed)


def rows(*numbers: int) -> list[Change]:
    """Return plain updates."""
    return [change(number) for number in numbers]


def lane_of(fleet: FakeFleet, region: str, account: str = "a") -> LaneClient:
    """Return what reaches a target in a lane of its own."""
    return LaneClient(fleet=fleet, lane=LaneName("h", region, account), reads=FakePace(), writes=FakePace())


async def three_lanes(folder: Path, **settings: Any) -> tuple[Session, list[FakeFleet]]:
    """Return a session over four rows in each of three lanes, of which the last has another key."""
    targets = [PROJECT, *(Target(region=region, project_id="f" * 32) for region in ("r2", "r3"))]
    changes = [replace(change(row), target=targets[(row - 1) // 4]) for row in range(1, 13)]
    session = await prepared(folder, changes, **settings)
    fleets = [session.fleet, fleet_of(changes[4:8]), fleet_of(changes[8:])]
    session.more_lanes = {
        targets[1]: lane_of(fleets[1], "r2"),
        targets[2]: lane_of(fleets[2], "r3", account="b"),
    }
    return session, fleets


class FakeJudge:
    """Says what it is told to, one ruling after the other, the last one for ever; None hangs."""

    def __init__(self, *rulings: Ruling | None) -> None:
        self.rulings = list(rulings)
        self.asked: list[tuple[int, list[int]]] = []
        self.outcomes: list[list[Outcome]] = []
        self.cancelled = 0
        self.session: Session | None = None

    async def ask(self, wave: int, rows: Sequence[int]) -> tuple[Ruling, str]:
        """Return the next ruling."""
        self.asked.append((wave, list(rows)))
        if self.session:
            self.outcomes.append([self.session.ledger.progress.outcome(row) for row in rows])
        ruling = self.rulings.pop(0) if len(self.rulings) > 1 else self.rulings[0]
        if ruling is None:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        return ruling or Ruling.UNSURE, "probe"


async def judged(folder: Path, *rulings: Ruling | None, **settings: Any) -> tuple[Session, FakeJudge]:
    """Return a session over five rows in waves of two and two, and its judge."""
    known = {"waves": WavePlan(sizes=(2, 2)), "judge_within_s": 60.0}
    session = await prepared(folder, rows(1, 2, 3, 4, 5), **known | settings)
    session.judge = judge = FakeJudge(*rulings)
    judge.session = session
    return session, judge
