"""Cycles broken by an intermediate PUT: nobody clashes, and no service is left parked."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bulk.ledger.file import LedgerFile, fold, records
from bulk.ledger.stops import BrakeReason
from bulk.model import Change, ModifyBody, Outcome, Reject, ServiceId
from bulk.plan.waves import WavePlan
from bulk.run.brake import Brake
from bulk.run.interfaces import LaneClient, LaneName, Limits
from bulk.run.lane import SILENCE_S
from bulk.run.patience import Patience
from bulk.run.pump import Pump, RunContext
from tests.fakes import (
    NO,
    Answer,
    FakeClock,
    FakePace,
    FastDisk,
    FixedDice,
    fleet_of,
    inline,
    is_aborted,
    is_busy,
    is_lost,
    is_rejected,
    is_throttled,
    is_unreached,
    lands,
    lands_unheard,
    meets_another_writer,
    planned_ledger,
)
from tests.values import PROJECT, change, ports, ring, service_id, state


class Parking:
    """One ledger and fleet, worked on by as many sessions as it takes."""

    def __init__(self, ledger: LedgerFile, changes: list[Change], answers: dict[int, list[Answer]]) -> None:
        self.ledger, self.changes = ledger, changes
        self.fleet = fleet_of(changes, answers)
        self.fleet.shares_ports = True
        self.clock, self.brake = FakeClock(), Brake()
        self.writes = FakePace()

    async def session(
        self, *, workers: int = 3, waves: WavePlan | None = None, strict: bool = False
    ) -> "Parking":
        """Run once and close the ledger."""
        if self.ledger._fd < 0:
            self.ledger = inline(LedgerFile.open(self.ledger.path, now=self.clock.now, disk=FastDisk()))
            self.brake, self.writes = Brake(), FakePace()
        lanes = {
            PROJECT: LaneClient(
                lane=LaneName("h", "cn-north-4", "a"), fleet=self.fleet, reads=FakePace(), writes=self.writes
            )
        }
        tools = RunContext(
            ledger=self.ledger,
            clients=lanes,
            brake=self.brake,
            patience=Patience(clock=self.clock, dice=FixedDice()),
            limits=Limits(workers=workers, waves=waves, strict=strict),
        )
        try:
            async with self.ledger, asyncio.timeout(10):
                await Pump(tools)()
        finally:
            self.ledger._fd = -1
        return self

    @property
    def outcomes(self) -> list[Outcome]:
        """Return the outcomes by row."""
        progress = fold(self.ledger.path)
        return [progress.outcome(row) for row in sorted(progress.order)]

    def puts(self) -> list[tuple[int, str]]:
        """Return row and purpose of every PUT, in the order of their intents."""
        told = (record for _, record in records(self.ledger.path))
        return [(r["row"], r.get("purpose", "change")) for r in told if r["type"] == "intent"]

    def as_asked(self) -> bool:
        """Return whether every service has the map that its row wants."""
        return all(self.fleet.services[c.service_id].ports == c.body.ports for c in self.changes)

    def as_before(self) -> bool:
        """Return whether every service has the map that it had."""
        return all(c.before == self.fleet.services[c.service_id] for c in self.changes)


def stranger(row: int) -> Change:
    """Return a change that has nothing to do with any ring."""
    return replace(change(row), before=state(row, row), body=ModifyBody(ports=ports(row + 100)))


async def parking(
    folder: Path, changes: list[Change], answers: dict[int, list[Answer]] | None = None
) -> Parking:
    """Return a fleet of rings, before the first session."""
    return Parking(await planned_ledger(folder, changes), changes, answers or {})


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [2, 3, 5])
async def test_a_ring_is_turned_without_a_clash(tmp_path: Path, size: int, workers: int) -> None:
    """Park, let the others have what they want in order, then the parked one: size + 1 PUTs."""
    turned = await (await parking(tmp_path, ring(size))).session(workers=workers)
    assert turned.outcomes == [Outcome.APPLIED] * size
    assert turned.as_asked()
    assert turned.puts() == [(1, "park"), *((row, "change") for row in range(size, 0, -1))]


@pytest.mark.parametrize("workers", [1, 4, 16])
async def test_many_rings_turn_at_once(tmp_path: Path, workers: int) -> None:
    """With losses and refusals in each."""
    changes = [row for first in range(1, 30, 3) for row in ring(3, first)]
    troubles: list[list[Answer]] = [[is_lost], [lands_unheard], [is_throttled, is_unreached], []]
    answers = {row.row: list(troubles[row.row % 4]) for row in changes}
    turned = await (await parking(tmp_path, changes, answers)).session(workers=workers)
    assert turned.outcomes == [Outcome.APPLIED] * 30
    assert turned.as_asked()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("moment", [1, 2, 3])
async def test_the_brake_lets_a_parked_ring_finish(tmp_path: Path, workers: int, moment: int) -> None:
    """Pulled at any PUT of the ring: no service stays parked; what has not begun does not begin."""
    turned = await parking(tmp_path, [*ring(2), *map(stranger, range(10, 20))])

    def pull(_: ServiceId) -> None:
        if len(turned.fleet.asked) == moment - 1:
            turned.brake.pull(BrakeReason.INTERRUPTED, "INT")

    turned.fleet.on_put = pull
    await turned.session(workers=workers)
    assert turned.outcomes[:2] == [Outcome.APPLIED] * 2
    assert turned.outcomes.count(Outcome.NOT_ATTEMPTED) >= 10 - workers


async def test_what_must_be_finished_keeps_its_patience_after_a_stop(tmp_path: Path) -> None:
    """A server out of reach for a moment must not use up the tries of a parked ring at once."""
    turned = await parking(tmp_path, ring(2), {2: [is_unreached, is_unreached]})
    turned.fleet.on_put = lambda _: turned.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await turned.session(workers=1)
    assert turned.outcomes == [Outcome.APPLIED] * 2
    assert len([wait_s for wait_s in turned.clock.slept_s if wait_s > 0]) == 2


async def test_a_ring_whose_second_row_fails_is_turned_back(tmp_path: Path) -> None:
    """The parked service gets back what it had; nothing is out of service."""
    turned = await (await parking(tmp_path, ring(2), {2: [is_rejected]})).session()
    assert turned.outcomes == [Outcome.BLOCKED, Outcome.FAILED]
    assert turned.as_before()
    assert turned.puts() == [(1, "park"), (2, "change"), (1, "restore")]


@pytest.mark.parametrize("answers", [[lands, is_rejected], [lands, *[is_busy] * 5], [lands, *[is_lost] * 5]])
async def test_a_last_put_that_fails_brings_back_the_state_before(
    tmp_path: Path, answers: list[Answer]
) -> None:
    """Rejected, or out of tries: restored if its port is still free, and failed of its own."""
    alone = replace(ring(2)[0], after=())
    turned = await (await parking(tmp_path, [alone], {1: answers})).session()
    assert turned.outcomes == [Outcome.FAILED]
    assert turned.as_before()


async def test_a_restoring_that_was_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    """That the last PUT was rejected stays known: the next session restores at once."""
    alone = replace(ring(2)[0], after=())
    turned = await parking(tmp_path, [alone], {1: [lands, is_rejected, is_aborted]})
    await turned.session()
    assert not turned.as_before()
    await turned.session()
    assert turned.outcomes == [Outcome.FAILED]
    assert turned.as_before()
    assert [purpose for _, purpose in turned.puts()] == ["park", "change", "restore", "restore"]


async def test_a_parking_that_fails_harms_nobody(tmp_path: Path) -> None:
    """The one is failed, the others blocked, every service as before."""
    turned = await (await parking(tmp_path, ring(3), {1: [is_rejected]})).session()
    assert turned.outcomes == [Outcome.FAILED, Outcome.BLOCKED, Outcome.BLOCKED]
    assert turned.as_before()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("row", [1, 2])
async def test_an_abort_in_a_ring_is_finished_by_the_next_session(
    tmp_path: Path, row: int, workers: int
) -> None:
    """Credentials that fail in the middle leave a parked service, and resuming ends it."""
    answers: dict[int, list[Answer]] = {1: [lands, is_aborted], 2: []} if row == 1 else {2: [is_aborted]}
    turned = await (await parking(tmp_path, ring(2), answers)).session(workers=workers)
    assert turned.brake.reasons == (BrakeReason.ABORTED,)
    await turned.session(workers=workers)
    assert turned.outcomes == [Outcome.APPLIED] * 2
    assert turned.as_asked()


@pytest.mark.parametrize("workers", [1, 3])
async def test_a_canary_takes_its_whole_ring_along(tmp_path: Path, workers: int) -> None:
    """A cycle is begun and ended in one go; the others come after it."""
    turned = await parking(tmp_path, [*ring(2), stranger(10)])
    await turned.session(workers=workers, waves=WavePlan(sizes=(1,)))
    assert turned.outcomes == [Outcome.APPLIED] * 3
    assert turned.puts()[-1] == (10, "change")


@pytest.mark.parametrize("doubt", [False, True])
async def test_a_service_parked_by_an_earlier_session_is_finished_whatever_stops_this_one(
    tmp_path: Path,
    doubt: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The parking was known, or in doubt until now: a brake lets the ring finish first."""
    answers: dict[int, list[Answer]] = {1: [lands_unheard], 2: []} if doubt else {2: [is_aborted]}
    turned = await parking(tmp_path, [*ring(2), stranger(10)], answers)
    if doubt:
        turned.fleet.reads = {service_id(1): [Reject(reply=NO)]}
        turned.fleet.on_put = lambda _: turned.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await turned.session(workers=1)
    assert turned.fleet.landed == [service_id(1)]
    turned.fleet.on_put = lambda _: turned.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await turned.session(workers=1)
    assert turned.outcomes == [Outcome.APPLIED, Outcome.APPLIED, Outcome.NOT_ATTEMPTED]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("lost", [1, 2])
async def test_a_ring_with_a_doubt_left_open_goes_on_in_the_next_session(
    tmp_path: Path, workers: int, lost: int
) -> None:
    """The doubt about the parking, or about the other row, could not be read."""
    turned = await parking(tmp_path, ring(2), {lost: [lands_unheard]})
    turned.fleet.reads = {service_id(lost): [Reject(reply=NO)]}
    await turned.session(workers=workers)
    assert not turned.as_asked()
    await turned.session(workers=workers)
    assert turned.outcomes == [Outcome.APPLIED] * 2
    assert turned.as_asked()
    assert len(turned.fleet.landed) == 3


@pytest.mark.parametrize("before", [[], [lands, is_lost, is_lost, is_lost, is_lost]], ids=["park", "last"])
async def test_a_third_state_of_a_parked_service_is_a_conflict_and_is_left_alone(
    tmp_path: Path, before: list[Answer]
) -> None:
    """After its intermediate PUT or at the last try of its last one: nothing more is sent to it."""
    alone = replace(ring(2)[0], after=())
    third = meets_another_writer(state(1, 7777))
    turned = await (await parking(tmp_path, [alone], {1: [*before, third]})).session()
    assert turned.outcomes == [Outcome.CONFLICT]
    assert len(turned.puts()) == len(before) + 1
    assert turned.fleet.services[service_id(1)] == state(1, 7777)


async def test_a_strict_run_sends_nothing_though_a_service_is_parked(tmp_path: Path) -> None:
    """A service that moved stops everything, and what must be finished too: it would be overwritten."""
    turned = await parking(tmp_path, ring(2), {2: [is_aborted]})
    await turned.session(workers=1)
    puts = turned.puts()
    turned.fleet.services[service_id(2)] = moved = state(2, 2, 5555)
    await turned.session(workers=1, strict=True)
    assert turned.brake.reasons == (BrakeReason.STRICT,)
    assert turned.puts() == puts
    assert turned.fleet.services[service_id(2)] == moved


async def test_a_stop_with_a_parked_service_ends_though_nobody_is_there_any_more(tmp_path: Path) -> None:
    """What must be finished cannot be: it is left to the next session, which finds it as it is."""
    away: list[Answer] = [is_unreached] * 1000
    turned = await parking(tmp_path, ring(2), {1: [lands, *away], 2: list(away)})
    turned.fleet.on_put = lambda _: turned.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await turned.session(workers=1)
    assert turned.clock.elapsed_s < 10 * SILENCE_S
    assert turned.brake.reasons == (BrakeReason.INTERRUPTED, BrakeReason.UNREACHED)
    turned.fleet.answers.clear()
    turned.fleet.on_put = lambda _: None
    assert (await turned.session(workers=1)).outcomes == [Outcome.APPLIED] * 2


async def test_a_service_is_not_parked_for_one_that_is_known_to_have_moved(tmp_path: Path) -> None:
    """It would be out of service for a while, only to be brought back."""
    turned = await parking(tmp_path, ring(2))
    turned.fleet.services[service_id(2)] = state(2, 2, 5555)
    await turned.session(workers=1)
    assert (turned.puts(), turned.outcomes) == ([], [Outcome.BLOCKED, Outcome.DRIFTED])


@pytest.mark.parametrize("again", [[], [is_rejected]])
async def test_where_the_way_back_is_taken_the_last_put_is_tried_once_more(
    again: list[Answer], tmp_path: Path
) -> None:
    """The other row has its ports by then: either it gets its new ones, or it is left parked and named."""
    changes = ring(2)
    parking = Parking(await planned_ledger(tmp_path, changes), changes, {1: [lands, is_rejected, *again]})
    await parking.session()
    ended = fold(parking.ledger.path).outcome(1)
    assert ended is (Outcome.FAILED if again else Outcome.APPLIED)
    told = [record for _, record in records(parking.ledger.path) if record.get("row") == 1]
    assert [record.get("purpose", "change") for record in told if record["type"] == "intent"] == [
        "park", "change", "restore", "change",
    ]  # fmt: skip
    assert told[-1].get("left") == ("parked" if again else None)
