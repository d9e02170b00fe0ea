"""The end of a window, as a run meets it: by the wall clock, with a spare, and with parked services."""

from collections.abc import Callable
from pathlib import Path

from bulk.ledger.file import records
from bulk.ledger.stops import BrakeReason
from bulk.model import Outcome
from bulk.run.deadlines import Hours
from bulk.run.interfaces import Limits
from tests.fakes import FakeClock, fleet_of, planned_ledger
from tests.sessions import Session, prepared, rows
from tests.values import ring

APPLIED, LEFT = Outcome.APPLIED, Outcome.NOT_ATTEMPTED


def hours(clock: FakeClock, end_s: float, spare_s: float = 0.0, *, opens_s: float = 0.0) -> Hours:
    """Return the hours of a window that opens and ends so many seconds from now."""
    now = clock.now()
    return Hours(
        opens_at=now + opens_s,
        stops_at=now + end_s - spare_s,
        closes_at=now + end_s,
        spared="the window ends",
        ended="the window ended",
    )


def step_to(session: Session, elapsed_s: float) -> Callable[[object], object]:
    """Return what lets the clocks show another time."""
    return lambda _: setattr(session.clock, "elapsed_s", elapsed_s)


async def test_in_the_spare_nothing_begins_and_the_last_look_is_made(tmp_path: Path) -> None:
    """What was sent is looked at once more inside the window; the rest is left for the next opening."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    session.hours = hours(session.clock, 100.0, 70.0)
    session.fleet.on_put = step_to(session, 40.0)
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([APPLIED, LEFT], (BrakeReason.WINDOW,))
    assert session.brake.message == "the window ends"
    assert len(session.fleet.pages) == 2, "before the first PUT, and after the last"


async def test_after_the_end_nothing_is_looked_at(tmp_path: Path) -> None:
    """A machine that slept through the end says so, and reads nothing more."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    session.hours = hours(session.clock, 100.0, 70.0)
    session.fleet.on_put = step_to(session, 100.0)
    await session.run()
    assert session.brake.message == "the window ended"
    assert len(session.fleet.pages) == 1


async def test_a_run_that_had_sent_its_last_row_ends_as_one_that_finished(tmp_path: Path) -> None:
    """Its last look is made in the spare, and shows every row as asked: nothing was stopped."""
    session = await prepared(tmp_path, rows(1))
    session.hours = hours(session.clock, 100.0, 70.0)
    session.fleet.on_put = step_to(session, 40.0)
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([APPLIED], ())


async def test_a_run_whose_last_look_was_not_made_has_not_finished(tmp_path: Path) -> None:
    """Every row was sent, but nobody has looked at them since."""
    session = await prepared(tmp_path, rows(1))
    session.hours = hours(session.clock, 100.0, 70.0)
    session.fleet.on_put = step_to(session, 100.0)
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([APPLIED], (BrakeReason.WINDOW,))


async def test_a_clock_that_is_set_back_before_the_opening_stops_the_run(tmp_path: Path) -> None:
    """By the wall clock the window is not open yet."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    session.hours = hours(session.clock, 100.0)
    session.fleet.on_put = step_to(session, -10.0)
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([APPLIED, LEFT], (BrakeReason.WINDOW,))
    assert session.brake.message == "the clock was set back to before the opening of the window"


async def parked(folder: Path) -> Session:
    """Return a session on a ring of two, whose first PUT parks a service."""
    changes = ring(2)
    session = Session(await planned_ledger(folder, changes), fleet_of(changes, {}), limits=Limits(workers=1))
    session.fleet.shares_ports = True
    return session


def late(session: Session) -> list[int]:
    """Return the rows of the PUTs that were noted as late."""
    told = (record for _, record in records(session.ledger.path))
    return [each["row"] for each in told if each["type"] == "note" and each["about"] == "window"]


async def test_a_put_that_a_parked_service_waits_for_is_sent_after_the_end_and_noted(tmp_path: Path) -> None:
    """The service would be without its ports until the next opening."""
    session = await parked(tmp_path)
    session.hours = hours(session.clock, 100.0)
    session.fleet.on_put = step_to(session, 100.0)
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]
    assert late(session) == [2, 1]
    assert session.brake.reasons == (BrakeReason.WINDOW,)


async def test_a_ring_begins_only_if_it_can_end_in_time(tmp_path: Path) -> None:
    """Three PUTs, each a second and its turn; nothing is parked where that is too long."""
    for end_s, outcomes in ((2.9, [LEFT, LEFT]), (3.1, [APPLIED, APPLIED])):
        session = await parked(tmp_path / str(end_s))
        session.hours = hours(session.clock, end_s)
        await session.run()
        assert session.outcomes == outcomes
        assert late(session) == []
        if not session.fleet.asked:
            assert session.brake.reasons == (BrakeReason.WINDOW,)
            assert session.brake.message == (
                "rows 1, 2: a swap of 3 PUTs would not end before the window is over"
            )
