"""The wave under way: what holds the rows of later ones, and when it is judged."""

from array import array
from types import SimpleNamespace
from typing import Any

from bulk.ledger.records import DecidedBy, Decision, Ruling
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, LaneName
from bulk.run.stages import AskJudge, Place, Stop, WaitFor
from bulk.run.wave_gate import ASK_AGAIN_S, WaveGate

HERE, GONE = LaneName("h", "r0", "a"), LaneName("h", "r1", "a")
CUT = Stop(BrakeReason.UNREACHED, "nobody answers")


def gate(
    places: dict[int, Place],
    *,
    soak_s: float = 0.0,
    cut: Stop | None = None,
    judge_within_s: float | None = None,
) -> WaveGate:
    """Return the gate of rows 1 and 2, then 3; the second row is in a lane of its own, which may be cut."""
    board: Any = SimpleNamespace(place=places.__getitem__, lane_number=lambda row: int(row == 2))
    lanes: Any = {HERE: SimpleNamespace(number=0, cut=None), GONE: SimpleNamespace(number=1, cut=cut)}
    made = WaveGate(board, lanes, (), soak_s, judge_within_s)
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
    assert waves.ruling() == WaitFor(-1, 9.0)
    assert waves.ruling() is None
    assert (hold := waves.hold()) is not None
    assert hold.hold is Hold.SOAK
    waves.due(2)  # of another wave
    assert waves.ruling() is None
    waves.due(1)
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


def judged_gate(places: dict[int, Place]) -> WaveGate:
    """Return a gate whose judge has let the run begin, and is asked about the first wave."""
    waves = gate(places, judge_within_s=60.0)
    assert waves.ruling() == AskJudge(0, [])
    waves.begin_next()
    places.update(dict.fromkeys((1, 2), Place.DONE))
    waves.leave((1, 2))
    assert waves.ruling() == AskJudge(1, [1, 2])
    return waves


def test_a_judge_is_asked_before_the_first_row_and_after_each_wave_once() -> None:
    """All rows wait for its word on wave 0, which does not soak; those of wave 2 for that on wave 1."""
    places = dict.fromkeys((1, 2, 3), Place.READY)
    waves = gate(places, soak_s=9.0, judge_within_s=60.0)
    assert waves.ruling() == AskJudge(0, [])
    assert waves.ruling() is None
    assert [waves.holds(row) for row in (1, 2, 3)] == [True, True, True]
    assert (hold := waves.hold()) is not None
    assert (hold.hold, hold.detail) == (Hold.JUDGE, "asked about wave 0")
    waves.begin_next()
    assert [waves.holds(row) for row in (1, 2, 3)] == [False, False, True]


def test_what_a_judge_says_of_a_wave_that_nobody_asks_about_does_no_harm() -> None:
    """Neither of another wave nor once the run is stopped."""
    waves = judged_gate(dict.fromkeys((1, 2, 3), Place.READY))
    assert [waves.is_asked_about(wave) for wave in (0, 1, 2)] == [False, True, False]
    waves.end()
    assert not waves.is_asked_about(1)


def test_an_unsure_judge_is_asked_again_for_a_while_and_then_a_person_has_to_say_go() -> None:
    """The same words are written down once; the next wave knows nothing of them."""
    waves = judged_gate(dict.fromkeys((1, 2, 3), Place.READY))
    record, wait = waves.doubt("no route", asked_at=0.0, now=2.0)
    assert record is not None
    assert (record.by, record.ruling, record.wave, record.reason) == (
        DecidedBy.JUDGE,
        Ruling.UNSURE,
        1,
        "no route",
    )
    assert wait == WaitFor(-1, ASK_AGAIN_S)
    assert waves.awaits_go == 1
    assert waves.nobody_said_go() is None
    waves.due(1)
    assert waves.ruling() == AskJudge(1, [1, 2])
    assert (hold := waves.hold()) is not None
    assert hold.detail == "unsure about wave 1 (no route)"
    assert waves.doubt("no route", asked_at=17.0, now=45.0) == (None, WaitFor(-1, ASK_AGAIN_S))
    waves.due(1)
    waves.ruling()
    record, wait = waves.doubt("", asked_at=50.0, now=50.0)
    assert (record is not None, wait) == (True, None)
    assert waves.ruling() is None
    assert (hold := waves.hold()) is not None
    assert hold.detail == "unsure about wave 1"
    assert (stop := waves.nobody_said_go()) is not None
    assert (stop.reason, stop.wave, stop.ruling) == (BrakeReason.JUDGE, 1, Ruling.UNSURE)
    assert stop.message == "the judge is unsure after wave 1, and nobody said go"
    waves.begin_next()
    assert (waves.awaits_go, waves.nobody_said_go()) == (None, None)


def test_the_stop_of_a_judge_names_the_wave_and_its_last_words() -> None:
    """Before the first PUT there is none that it could name."""
    waves = gate(dict.fromkeys((1, 2, 3), Place.READY), judge_within_s=60.0)
    waves.ruling()
    assert waves.stop("frozen").message == "the judge says stop before the first PUT: frozen"
    later = judged_gate(dict.fromkeys((1, 2, 3), Place.READY))
    assert later.stop("").message == "the judge says stop after wave 1"


def test_where_nothing_is_sent_no_judge_is_asked() -> None:
    """Not even about wave 0."""
    board: Any = SimpleNamespace(place=lambda _: Place.DONE, lane_number=lambda _: 0)
    waves = WaveGate(board, {}, (), 0.0, 60.0)
    waves.begin(array("H", [0, 0]))
    assert (waves.ruling(), waves.hold()) == (None, None)
