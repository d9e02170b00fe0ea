"""The wave under way: what holds the rows of later ones, and when it is judged."""

from array import array
from types import SimpleNamespace
from typing import Any

from bulk.ledger.records import Decision
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, LaneName
from bulk.run.stages import THE_WAVE, Place, Stop, WaitFor
from bulk.run.wave_gate import WaveGate

HERE, GONE = LaneName("h", "r0", "a"), LaneName("h", "r1", "a")
CUT = Stop(BrakeReason.UNREACHED, "nobody answers")


def gate(places: dict[int, Place], *, soak_s: float = 0.0, cut: Stop | None = None) -> WaveGate:
    """Return the gate of rows 1 and 2, then 3; the second row is in a lane of its own, which may be cut."""
    board: Any = SimpleNamespace(place=places.__getitem__, lane_number=lambda row: int(row == 2))
    lanes: Any = {HERE: SimpleNamespace(number=0, cut=None), GONE: SimpleNamespace(number=1, cut=cut)}
    made = WaveGate(board, lanes, (), soak_s)
    made.begin(array("H", [0, 1, 1, 2]))
    return made


def test_rows_of_a_later_wave_are_held_until_the_one_before_has_passed() -> None:
    """And it is said what they wait for."""
    places = dict.fromkeys((1, 2, 3), Place.READY)
    waves = gate(places, soak_s=9.0)
    assert [waves.holds(row) for row in (1, 2, 3)] == [False, False, True]
    assert (hold := waves.hold()) is not None
    assert (hold.hold, hold.detail) == (Hold.WAVE, "wave 1")
    assert waves.ruling() is None
    places[1] = places[2] = Place.DONE
    waves.leave((1, 2))
    assert waves.ruling() == WaitFor(THE_WAVE, 9.0)
    assert waves.ruling() is None
    assert (hold := waves.hold()) is not None
    assert hold.hold is Hold.SOAK
    waves.soaked()
    assert isinstance(waves.ruling(), Decision)
    waves.begin_next()
    assert (waves.holds(3), waves.hold(), waves.ruling()) == (False, None, None)


def test_a_wave_is_not_judged_while_the_last_look_is_not_sure_of_a_row() -> None:
    """It may have become a conflict: of a region that is done while another is at work."""
    places = {1: Place.DONE, 2: Place.DONE, 3: Place.READY}
    waves = gate(places)
    places[2] = Place.SUSPECT
    assert waves.ruling() is None
    places[2] = Place.ENDED
    found = waves.ruling()
    assert isinstance(found, Stop)
    assert (found.reason, found.wave) == (BrakeReason.WAVE, 1)
    assert found.message == "1 of the 2 services of wave 1 did not end as asked"


def test_rows_of_a_lane_that_was_cut_before_are_not_waited_for_and_let_nothing_pass() -> None:
    """The others of the wave are."""
    places = dict.fromkeys((1, 2, 3), Place.READY)
    waves = gate(places, cut=CUT)
    assert waves.ruling() is None
    places[1] = Place.DONE
    waves.leave((1,))
    assert waves.ruling() == CUT
