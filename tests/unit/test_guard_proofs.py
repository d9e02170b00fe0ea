"""What a ledger alone shows of stops, failures, waves and the window; a forged one is found by its line."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bulk.ledger.promises import Promise
from bulk.ledger.proof import Audit, Breach
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    Intent,
    Json,
    Note,
    OutcomeRecord,
    Purpose,
    Record,
    Ruling,
    Run,
    Session,
    record_json,
    record_type,
)
from bulk.ledger.stated_opening import opening_json
from bulk.ledger.stops import BrakeReason
from bulk.model import Change, Outcome, Reply
from bulk.operations.windows import Opening
from bulk.plan.openings import Shift
from tests.values import change, digest_of, planned, ring, run_record, session_record

OK = Reply(http=200, request_id="r", ms=5)
NO = Reply(http=400, code="EndPoint.3044")
OPEN, SPARE, AFTER = (f"2026-01-15T{clock}:00.000Z" for clock in ("01:30", "03:50", "04:10"))
WINDOW = "01:00-04:00 UTC"
OPENING = {
    "opens_at": "2026-01-15T01:00:00.000Z",
    "stops_at": "2026-01-15T03:45:00.000Z",
    "closes_at": "2026-01-15T04:00:00.000Z",
    "zone": "",
}
IN_WINDOW = {"window": WINDOW, "spare": "15m"}
DESPITE = Decision(by=DecidedBy.OPERATOR, what="despite", reason="fixed", user="ann", host="h", id="c0ffee")
FAILURES = Decision(
    by=DecidedBy.LIMIT,
    what="stop",
    cause=BrakeReason.FAILURE_LIMIT,
    reason="1 service failed, max_failures allows none",
    id="c0ffee",
    failures_max=0,
)


def run_with(**settings: Any) -> Run:
    """Return the first record of a run with these settings."""
    return replace(run_record(), options=run_record().options | settings)


def session(settings: Json | None = None, *, opening: Json | None = None, **counts: int) -> Session:
    """Return a session with these settings."""
    return replace(session_record(**counts), settings=settings or {}, opening=opening)


def go(wave: int, by: DecidedBy = DecidedBy.LIMIT) -> Decision:
    """Return the ruling that a wave has passed."""
    return Decision(by=by, what="wave", wave=wave, ruling=Ruling.GO, reason="as asked")


def sent(row: int, outcome: Outcome = Outcome.APPLIED, attempts: int = 1) -> list[Record]:
    """Return a PUT of a row, and what it came to."""
    reply = NO if outcome is Outcome.FAILED else OK
    return [
        Intent(row=row, attempt=attempts),
        OutcomeRecord(row=row, outcome=outcome, reply=reply, attempts=attempts),
    ]


def audited(
    run: Run, changes: Iterable[Change], *records: Record | tuple[str, Record]
) -> tuple[Audit, Breach | None]:
    """Return the audit of a run with these records behind its plan; one may have a time of its own."""
    audit, changes = Audit(), tuple(changes)
    plan = replace(planned(*changes), digest=digest_of(*changes, run=run))
    for number, given in enumerate((run, *changes, plan, *records)):
        at, record = given if isinstance(given, tuple) and isinstance(given[0], str) else (OPEN, given)
        assert not isinstance(record, tuple)
        json = {"n": number, "at": at, "type": record_type(record), **record_json(record)}
        if json.get("digest") == "sha256:ab":
            json["digest"] = plan.digest
        if breach := audit.step(json, number * 100):
            return audit, breach
    return audit, audit.breach_at_end()


def proved(
    promise: Promise, run: Run, changes: Iterable[Change], *records: Record | tuple[str, Record]
) -> str:
    """Return what a ledger proves of a promise, which it keeps."""
    audit, breach = audited(run, changes, *records)
    assert breach is None, breach
    return {proof.promise: proof.fact for proof in audit.proofs()}[promise]


def broken(run: Run, changes: Iterable[Change], *records: Record | tuple[str, Record]) -> tuple[Promise, str]:
    """Return the promise that a ledger breaks, and how."""
    _, breach = audited(run, changes, *records)
    assert breach
    return breach.promise, breach.message


PLAIN = tuple(map(change, range(1, 5)))


# Stops


def test_nothing_new_is_sent_after_a_stop_that_stands() -> None:
    """Until a person lifts it."""
    first = (session(not_attempted=4), *sent(1, Outcome.FAILED), FAILURES)
    assert broken(run_record(), PLAIN, *first, *sent(2)) == (
        Promise.STOP,
        "line 11 sends row 2, although stop c0ffee stands",
    )
    again = session(failed=1, not_attempted=3)
    assert proved(Promise.STOP, run_record(), PLAIN, *first) == (
        "1 stop, 1 not lifted; nothing new was sent after one that stood"
    )
    assert proved(Promise.STOP, run_record(), PLAIN, *first, DESPITE, again, *sent(2)) == (
        "1 stop, all lifted by a person; nothing new was sent after one that stood"
    )


def test_a_parked_service_is_brought_back_after_a_stop() -> None:
    """Its ring is free of stops, failures, waves and windows."""
    first, second = ring(2)
    parked = Attempt(row=1, attempt=1, verdict=AttemptResult.PARKED, reply=OK)
    other = change(3)
    found = proved(
        Promise.BUDGET,
        run_with(max_failures="0"),
        (first, second, other),
        session({"max_failures": "0"}, not_attempted=3),
        Intent(row=1, attempt=1, purpose=Purpose.PARK),
        parked,
        FAILURES,
        *sent(2),
        *sent(1, attempts=2),
    )
    assert found == "no PUT left while more than 0 had failed or might have"


# The budget of failures


def test_no_put_leaves_while_as_many_may_fail_as_are_allowed() -> None:
    """What failed, is in conflict, or is in flight counts."""
    run, begun = run_with(max_failures="1"), session({"max_failures": "1"}, not_attempted=4)
    two = (Intent(row=1, attempt=1), Intent(row=2, attempt=1))
    assert proved(Promise.BUDGET, run, PLAIN, begun, *two)
    assert broken(run, PLAIN, begun, *two, Intent(row=3, attempt=1)) == (
        Promise.BUDGET,
        "line 10 sends row 3 while 2 rows had failed or might, and 1 may",
    )
    none = run_with(max_failures="0")
    assert broken(none, PLAIN, session({"max_failures": "0"}, not_attempted=4), *two) == (
        Promise.BUDGET,
        "line 9 sends row 2 while 1 row had failed or might, and none may",
    )


@pytest.mark.parametrize(("written", "most"), [("3", 3), ("100%", 4)])
def test_a_larger_limit_needs_a_person_who_lifts_a_stop(written: str, most: int) -> None:
    """Nobody raises it by editing the settings of a session."""
    run, begun = run_with(max_failures="1"), session({"max_failures": "1"}, not_attempted=4)
    more = {"max_failures": written}
    found = broken(run, PLAIN, begun, session(more, not_attempted=4))
    assert found == (
        Promise.BUDGET,
        f"line 8 works with max_failures {most}, where max_failures 1 was in force and no person raised it",
    )
    stop = replace(FAILURES, failures_max=1)
    raised = (stop, replace(DESPITE, failures_max=most), session(more, not_attempted=4))
    assert proved(Promise.BUDGET, run, PLAIN, begun, *raised)
    assert broken(run, PLAIN, begun, stop, DESPITE, session(more, not_attempted=4))[0] is Promise.BUDGET


def test_a_limit_that_is_gone_was_not_lifted_by_a_person() -> None:
    """A run whose plan has none may have one in a session, and not lose it."""
    begun = session({"max_failures": "1"}, not_attempted=4)
    assert broken(run_record(), PLAIN, begun, session(not_attempted=4)) == (
        Promise.BUDGET,
        "line 8 works with no limit of failures, where max_failures 1 was in force and no person raised it",
    )


# Waves


def test_no_row_goes_before_the_wave_in_front_has_passed() -> None:
    """By the ruling on record, whoever made it."""
    run, begun = run_with(waves="1,1"), session({"waves": "1,1"}, not_attempted=4)
    story = (begun, *sent(1), go(1), *sent(2), go(2, DecidedBy.OPERATOR), *sent(3))
    assert proved(Promise.WAVE, run, PLAIN, *story) == (
        "2 rulings that let the next wave go; no row of it was sent before"
    )
    assert broken(run, PLAIN, begun, *sent(1), *sent(2)) == (
        Promise.WAVE,
        "line 10 sends row 2 of wave 2 before wave 1 has passed",
    )
    assert broken(run, PLAIN, begun, *sent(1), go(1), *sent(3))[1].endswith(
        "sends row 3 of wave 3 before wave 2 has passed"
    )


def test_where_there_is_a_judge_no_row_goes_before_it_rules_on_wave_0() -> None:
    """Nor after each wave before it rules on that; without one there is no wave 0."""
    settings = {"waves": "1", "judge": "./probe.sh"}
    run, begun = run_with(**settings), session(settings, not_attempted=4)
    unsure = replace(go(0, DecidedBy.JUDGE), ruling=Ruling.UNSURE)
    for first in ((), (unsure,)):
        assert broken(run, PLAIN, begun, *first, *sent(1)) == (
            Promise.WAVE,
            f"line {8 + len(first)} sends row 1 of wave 1 before wave 0 has passed",
        )
    by_judge = (begun, go(0, DecidedBy.JUDGE), *sent(1), go(1, DecidedBy.JUDGE), *sent(2))
    assert proved(Promise.WAVE, run, PLAIN, *by_judge).startswith("2 rulings")
    assert broken(run, PLAIN, *by_judge[:-3], *sent(2))[1].endswith(
        "row 2 of wave 2 before wave 1 has passed"
    )
    alone = {"judge": "./probe.sh"}
    run, begun = run_with(**alone), session(alone, not_attempted=4)
    assert broken(run, PLAIN, begun, *sent(1))[0] is Promise.WAVE
    assert proved(Promise.WAVE, run, PLAIN, begun, go(0, DecidedBy.OPERATOR), *sent(1), *sent(2))


def test_a_wave_does_not_pass_by_itself_before_its_rows_have_ended_as_asked() -> None:
    """A ruling that was moved to the front is found."""
    run, begun = run_with(waves="2"), session({"waves": "2"}, not_attempted=4)
    assert broken(run, PLAIN, begun, *sent(1), go(1)) == (
        Promise.WAVE,
        "line 10 lets wave 1 pass, of which 1 row had not ended as asked",
    )
    assert broken(run, PLAIN, begun, *sent(1), *sent(2, Outcome.FAILED), go(1))[0] is Promise.WAVE
    drifted = OutcomeRecord(row=1, outcome=Outcome.DRIFTED)
    assert proved(Promise.WAVE, run, PLAIN, begun, drifted, *sent(2), *sent(3), go(1), *sent(4))


def test_a_wave_whose_stop_was_lifted_lets_the_next_one_go() -> None:
    """Though no ruling says so."""
    run, begun = run_with(waves="1"), session({"waves": "1"}, not_attempted=4)
    stop = replace(FAILURES, cause=BrakeReason.WAVE, wave=1, failures_max=None)
    again = session({"waves": "1"}, failed=1, not_attempted=3)
    first = (begun, *sent(1, Outcome.FAILED), stop)
    assert proved(Promise.WAVE, run, PLAIN, *first, DESPITE, again, *sent(2))
    assert broken(run, PLAIN, *first, again, *sent(2))[0] is Promise.STOP


def test_a_ruling_before_the_first_put_of_a_session_is_taken_as_it_is() -> None:
    """The rows of the wave ended in an earlier session, and are on record there."""
    run, begun = run_with(waves="1"), session({"waves": "1"}, not_attempted=4)
    again = session({"waves": "1"}, applied=1, not_attempted=3)
    assert proved(Promise.WAVE, run, PLAIN, begun, *sent(1), again, go(1), *sent(2))


def test_waves_by_column_are_those_that_the_plan_names() -> None:
    """And what a row waits for is in its wave."""
    named = [
        replace(one, update=replace(one.update, wave=wave), after=after)
        for one, wave, after in zip(PLAIN[:3], (2, 2, 1), ((), (), (1,)), strict=True)
    ]
    run, begun = run_with(waves="column"), session({"waves": "column"}, not_attempted=3)
    assert proved(Promise.WAVE, run, named, begun, *sent(1), *sent(3), go(1), *sent(2))
    assert broken(run, named, begun, *sent(2)) == (
        Promise.WAVE,
        "line 7 sends row 2 of wave 2 before wave 1 has passed",
    )


# The window


def test_no_put_leaves_outside_the_opening() -> None:
    """Its answer shows that it left; one that did not leave, or did not take effect, breaks nothing."""
    run, begun = run_with(**IN_WINDOW), session(IN_WINDOW, opening=OPENING, not_attempted=4)
    intent = (AFTER, Intent(row=1, attempt=1))
    assert proved(Promise.WINDOW, run, PLAIN, begun, *sent(1)) == (
        "no PUT left outside the openings of the window"
    )
    assert broken(run, PLAIN, begun, intent, sent(1)[1]) == (
        Promise.WINDOW,
        f"line 9 shows that row 1 was sent by line 8 at {AFTER}, outside its window",
    )
    assert broken(run, PLAIN, begun, (SPARE, Intent(row=1, attempt=1)), sent(1)[1])[1].endswith(
        f"at {SPARE}, in the spare of its window"
    )
    early = ("2026-01-15T00:59:59.999Z", Intent(row=1, attempt=1))
    lost = Attempt(row=1, attempt=1, verdict=AttemptResult.DOUBT, reply=Reply(code="timeout"))
    assert broken(run, PLAIN, begun, early, lost)[0] is Promise.WINDOW
    for verdict in (AttemptResult.NOT_SENT, AttemptResult.UNAPPLIED):
        assert proved(Promise.WINDOW, run, PLAIN, begun, intent, replace(lost, verdict=verdict))
    read = OutcomeRecord(row=1, outcome=Outcome.CONFLICT)
    again = session(IN_WINDOW, opening=OPENING, in_doubt=1, not_attempted=3)
    assert proved(Promise.WINDOW, run, PLAIN, begun, intent, again, read)
    assert proved(Promise.WINDOW, run, PLAIN, begun, intent) == (
        "no PUT left outside the openings of the window; 1 PUT whose end is not known"
    )


def test_what_a_parked_service_waits_for_goes_late_and_is_noted() -> None:
    """In the spare it need not be; nor can a process that was killed have noted it."""
    run, changes = run_with(**IN_WINDOW, allow_parking=True), ring(2)
    settings = {**IN_WINDOW, "allow_parking": True}
    begun = session(settings, opening=OPENING, not_attempted=2)
    parked = (
        Intent(row=1, attempt=1, purpose=Purpose.PARK),
        Attempt(row=1, attempt=1, verdict=AttemptResult.PARKED, reply=OK),
    )
    late, answer = (AFTER, Intent(row=2, attempt=1)), sent(2)[1]
    note, unnoted = Note(about="window", message="late", row=2), "and no note calls it late"
    assert proved(Promise.WINDOW, run, changes, begun, *parked, late, note, answer) == (
        "no PUT left outside the openings of the window, but 1 that a parked service waited for"
    )
    assert broken(run, changes, begun, *parked, late, replace(note, about="other"), answer) == (
        Promise.WINDOW,
        f"line 10 shows that row 2 was sent by line 8 at {AFTER}, outside its window, {unnoted}",
    )
    assert proved(Promise.WINDOW, run, changes, begun, *parked, (SPARE, late[1]), answer)
    again = session(settings, opening=OPENING, in_doubt=1, not_attempted=1)
    assert proved(Promise.WINDOW, run, changes, begun, *parked, late, again, answer)


@pytest.mark.parametrize(
    ("member", "forged"),
    [
        ("opens_at", "2026-01-15T00:00:00.000Z"),
        ("opens_at", None),
        ("closes_at", "2026-01-15T05:00:00.000Z"),
        ("stops_at", "2026-01-15T04:00:00.000Z"),
        ("zone", "Moon/Base"),
    ],
)
def test_an_opening_that_the_window_does_not_have_is_found(member: str, forged: str | None) -> None:
    """A session may state no other hours than those that were approved."""
    begun = session(IN_WINDOW, opening={**OPENING, member: forged}, not_attempted=4)
    assert broken(run_with(**IN_WINDOW), PLAIN, begun) == (
        Promise.WINDOW,
        "line 7 states an opening that the window 01:00-04:00 UTC does not have",
    )


def test_a_window_in_the_zone_of_the_machine_is_judged_where_that_is_known() -> None:
    """Else the proof says what it could not judge; the hours that were stated hold all the same."""
    settings = {"window": "09:00-12:00", "spare": "15m"}
    run = run_with(**settings)
    known = session(settings, opening={**OPENING, "zone": "Asia/Shanghai"}, not_attempted=4)
    assert proved(Promise.WINDOW, run, PLAIN, known, *sent(1)).endswith("openings of the window")
    unknown = session(settings, opening=OPENING, not_attempted=4)
    assert proved(Promise.WINDOW, run, PLAIN, unknown, *sent(1)).endswith(
        "; not judged: session 1 does not name the zone of its machine"
    )
    assert broken(run, PLAIN, unknown, (AFTER, sent(1)[0]), sent(1)[1])[0] is Promise.WINDOW


def test_what_a_session_of_before_does_not_state_is_not_judged() -> None:
    """A ledger that was written by an earlier version is audited, and what cannot be judged is said."""
    run = run_with(**IN_WINDOW)
    older = session(IN_WINDOW, not_attempted=4)
    assert proved(Promise.WINDOW, run, PLAIN, older, (AFTER, sent(1)[0]), sent(1)[1]) == (
        "no PUT left outside the openings of the window; not judged: session 1 does not state its opening"
    )
    former = replace(session({"max_failures": "0"}, not_attempted=4), format=2)
    assert proved(Promise.BUDGET, run_record(), PLAIN, former, *sent(1, Outcome.FAILED), *sent(2)) == (
        "the run has no limit of failures; not judged: 1 session of format 2"
    )


def test_a_window_without_a_beginning_or_an_end_states_so() -> None:
    """`until then` has always been open, and a blackout of days that are over never closes."""
    settings = {"window": "2026-02-01T00:00Z", "spare": "15m"}
    opening = {
        "opens_at": None,
        "stops_at": "2026-01-31T23:45:00.000Z",
        "closes_at": "2026-02-01T00:00:00.000Z",
        "zone": "",
    }
    begun = session(settings, opening=opening, not_attempted=4)
    assert proved(Promise.WINDOW, run_with(**settings), PLAIN, begun, *sent(1))
    forever = Opening(opens_at=float("-inf"), closes_at=float("inf"), zone=UTC)
    stated = opening_json(Shift(opening=forever, spare_s=60), ZoneInfo("Asia/Shanghai"))
    assert stated == {"opens_at": None, "stops_at": None, "closes_at": None, "zone": "Asia/Shanghai"}
    dark = {"blackout": "2025-12-24..2026-01-03"}
    begun = session(dark, opening={**stated, "opens_at": "2026-01-03T16:00:00.000Z"}, not_attempted=4)
    assert proved(Promise.WINDOW, run_with(**dark), PLAIN, begun, *sent(1))


def test_settings_that_cannot_be_read_are_found() -> None:
    """By them alone it is known which guards a session worked under."""
    found = broken(run_record(), PLAIN, session({"waves": "many"}, not_attempted=4))
    assert found[0] is Promise.SESSION
    assert found[1].startswith("line 7 has settings that cannot be read: ")
