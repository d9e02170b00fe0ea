"""Which promise a ledger breaks, and at which line; and that a true one breaks none."""

from dataclasses import replace
from typing import Any

import pytest

from bulk.ledger.promises import Promise
from bulk.ledger.proof import Audit, Breach
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    Intent,
    Note,
    OutcomeRecord,
    PaceRecord,
    Planned,
    Purpose,
    Record,
    record_json,
    record_type,
)
from bulk.model import Action, LaneName, Outcome, Reply, RequestKind
from tests.values import change, digest_of, end_record, planned, ring, run_record, session_record

UNREADABLE = (
    "line 1 has settings that cannot be read: settings: rows: 7 is not the name of a file; "
    'write, for example, "services.csv"'
)
OK = Reply(http=200, request_id="r", ms=5)
NO_ANSWER = Reply(code="timeout")
KEPT = change(3, action=Action.KEEP)
DIGEST = digest_of(change(1), change(2), KEPT)
STRICT = digest_of(
    change(1), change(2), KEPT, run=replace(run_record(), options=run_record().options | {"strict": True})
)
PLAN: tuple[Record, ...] = (
    run_record(),
    change(1),
    change(2),
    KEPT,
    planned(change(1), change(2), KEPT),
    session_record(not_attempted=3),
)
"""Lines 1 to 6."""
INTENT = Intent(row=1, attempt=1)
THROTTLED = Attempt(row=1, attempt=1, verdict=AttemptResult.THROTTLED, reply=Reply(http=429))
APPLIED = OutcomeRecord(row=1, outcome=Outcome.APPLIED, reply=OK, attempts=1)
PACE = PaceRecord(lane=LaneName(host="h", region="r", account="a"), kind=RequestKind.READS, rate_per_s=1.0)
DECISION = Decision(by=DecidedBy.OPERATOR, what="pause", reason="bridge call")


def line(number: int, record: Record) -> dict[str, Any]:
    """Return a record as the line of that number has it."""
    head = {"n": number - 1, "at": "2026-01-15T08:30:00.000Z", "type": record_type(record)}
    return head | record_json(record)


def audited(*records: Record) -> tuple[Audit, Breach | None]:
    """Return the audit of these records and the first promise that they break."""
    audit, digest = Audit(), next((one.digest for one in records if isinstance(one, Planned)), "")
    for number, record in enumerate(records, start=1):
        json = line(number, record)
        if json.get("digest") == "sha256:ab":  # what the nouns have who do not know the plan
            json["digest"] = digest
        if breach := audit.step(json, number * 100):
            return audit, breach
    return audit, audit.breach_at_end()


def test_rows_may_stand_in_any_order_of_their_numbers() -> None:
    """A plan goes in the order in which a port is released before it is taken."""
    audit, breach = audited(
        run_record(), change(2), change(1), KEPT, planned(change(2), change(1), KEPT), *PLAN[5:]
    )
    assert breach is None
    assert audit.proofs()


def test_a_true_story_proves_every_promise_with_its_figures() -> None:
    """Throttling, a doubt, a resume after a death, a conflict found later: all of it is legal."""
    audit, breach = audited(
        *PLAN,
        OutcomeRecord(row=3, outcome=Outcome.ALREADY),
        INTENT,
        THROTTLED,
        Intent(row=1, attempt=2),
        Attempt(row=1, attempt=2, verdict=AttemptResult.DOUBT, reply=NO_ANSWER),
        session_record(pid=2, in_doubt=1, already=1, not_attempted=1),
        Attempt(row=1, attempt=2, verdict=AttemptResult.UNAPPLIED, reply=OK),
        Intent(row=1, attempt=3),
        replace(APPLIED, attempts=3),
        Intent(row=2, attempt=1),
        OutcomeRecord(row=2, outcome=Outcome.FAILED, reply=Reply(http=400, code="EndPoint.3044"), attempts=1),
        OutcomeRecord(row=1, outcome=Outcome.CONFLICT),
        end_record(conflict=1, failed=1, already=1),
    )
    assert breach is None
    assert {proof.promise: proof.fact for proof in audit.proofs()} == {
        Promise.CHAIN: "19 lines, none missing, edited or out of order",
        Promise.PLAN: f"3 rows, recorded before anything was sent, with the digest {DIGEST}",
        Promise.INTENT: "4 PUTs sent, each recorded before it left",
        Promise.ALONE: "no row had two PUTs in flight at once",
        Promise.NUMBER: "the PUTs of each row are numbered 1, 2, 3 …, and so are answers and outcomes",
        Promise.OUTCOME: "the outcomes add up to 3 rows: 1 already right, 1 failed, 1 in conflict",
        Promise.PAUSE: "nobody paused the run",
        Promise.STOP: "nothing stopped the run for good",
        Promise.BUDGET: "the run has no limit of failures",
        Promise.WAVE: "the run has no waves",
        Promise.WINDOW: "the run has no window",
        Promise.SESSION: (
            "2 sessions: 1 ended with the right counts, 1 without an end (died, or still at work)"
        ),
    }


def test_a_parked_row_counts_its_puts_on() -> None:
    """The intermediate PUT of a broken cycle is the row's first, the last one its second."""
    parked = Attempt(row=1, attempt=1, verdict=AttemptResult.PARKED, reply=OK)
    _, breach = audited(
        *PLAN,
        Intent(row=1, attempt=1, purpose=Purpose.PARK),
        parked,
        Intent(row=1, attempt=2),
        replace(APPLIED, attempts=2),
    )
    assert breach is None


def test_a_row_that_moved_after_it_was_throttled_needs_no_count() -> None:
    """An outcome for which nothing was sent says 0 PUTs, whatever was refused before."""
    _, breach = audited(*PLAN, INTENT, THROTTLED, OutcomeRecord(row=1, outcome=Outcome.DRIFTED))
    assert breach is None


@pytest.mark.parametrize("attempts", [0, 1])
def test_an_applied_row_that_was_found_otherwise_afterwards_breaks_no_promise(attempts: int) -> None:
    """The verify sweep ends it once more, and says how often it had been sent, or not."""
    conflict = OutcomeRecord(
        row=1, outcome=Outcome.CONFLICT, reply=Reply(code="unverified"), attempts=attempts
    )
    _, breach = audited(*PLAN, INTENT, APPLIED, conflict)
    assert breach is None


def test_a_saved_plan_is_sound_and_a_plan_of_nothing_too() -> None:
    """Nothing sent is nothing broken."""
    audit, breach = audited(run_record(), planned())
    assert breach is None
    assert [proof.fact for proof in audit.proofs() if proof.promise is Promise.OUTCOME] == [
        "the outcomes add up to 0 rows: none"
    ]


BROKEN: dict[str, tuple[Promise, str, tuple[Record, ...]]] = {
    "a second run": (Promise.CHAIN, "line 7 is a second `run`", (*PLAN, run_record())),
    "a newer format": (
        Promise.CHAIN,
        "line 1 states format 4; this version of bulk reads formats 2 and 3",
        (replace(run_record(), format=4),),
    ),
    "a note first": (
        Promise.CHAIN,
        "line 1 stands before the `run`",
        (Note(about="torn", message="cut"),),
    ),
    "a change after the plan": (Promise.PLAN, "line 7 adds a change to a fixed plan", (*PLAN, change(4))),
    "a plan that miscounts its changes": (
        Promise.PLAN,
        "line 5 does not count the changes before it",
        (*PLAN[:4], planned(rows=2)),
    ),
    "a plan that miscounts its actions": (
        Promise.PLAN,
        "line 5 counts 3 update, but the lines before it have 2 update, 1 keep",
        (*PLAN[:4], replace(planned(change(1), change(2), KEPT), counts={"update": 3})),
    ),
    "a plan that misstates what it reaches": (
        Promise.PLAN,
        (
            "line 5 counts 3 rows, 9 changes, 2 mappings, 2 added, 2 removed, "
            "but the lines before it have 3 rows, 2 changes, 2 mappings, 2 added, 2 removed"
        ),
        (
            *PLAN[:4],
            replace(PLAN[4], footprint=planned(change(1), change(2), KEPT).footprint | {"changes": 9}),
        ),
    ),
    "a PUT before the plan": (
        Promise.PLAN,
        "line 5 stands before the plan is complete",
        (*PLAN[:4], INTENT),
    ),
    "a session before the plan": (
        Promise.PLAN,
        "line 5 stands before the plan is complete",
        (*PLAN[:4], session_record()),
    ),
    "a PUT of a row that is not planned": (
        Promise.PLAN,
        "line 7 names row 4, which is not in the plan",
        (*PLAN, Intent(row=4, attempt=1)),
    ),
    "a PUT of a row that was right": (
        Promise.PLAN,
        "line 7 sends row 3, which the plan does not change",
        (*PLAN, Intent(row=3, attempt=1)),
    ),
    "no plan": (Promise.PLAN, "the ledger ends after 4 lines, before its plan is complete", PLAN[:4]),
    "an answer without an intent": (
        Promise.INTENT,
        "line 7 answers row 1, for which no PUT was in flight",
        (*PLAN, THROTTLED),
    ),
    "two answers to one intent": (
        Promise.INTENT,
        "line 9 answers row 1, for which no PUT was in flight",
        (*PLAN, INTENT, THROTTLED, THROTTLED),
    ),
    "applied without an intent": (
        Promise.INTENT,
        "line 7 takes row 1 from WAITING to APPLIED",
        (*PLAN, APPLIED),
    ),
    "applied after an intent whose PUT did not leave": (
        Promise.INTENT,
        "line 9 calls row 1 applied, of which no PUT has left",
        (*PLAN, INTENT, replace(THROTTLED, verdict=AttemptResult.NOT_SENT), APPLIED),
    ),
    "failed with a reply to no intent": (
        Promise.INTENT,
        "line 7 reports a PUT of row 1 that was never recorded",
        (*PLAN, OutcomeRecord(row=1, outcome=Outcome.FAILED, reply=Reply(http=400))),
    ),
    "blocked after PUTs that were not written down": (
        Promise.INTENT,
        "line 7 reports a PUT of row 1 that was never recorded",
        (*PLAN, OutcomeRecord(row=1, outcome=Outcome.BLOCKED, attempts=1)),
    ),
    "two PUTs alive": (
        Promise.ALONE,
        "line 8 sends row 1 while an earlier PUT of it is in doubt",
        (*PLAN, INTENT, Intent(row=1, attempt=2)),
    ),
    "a PUT that skips a number": (
        Promise.NUMBER,
        "line 9 is PUT 3 of row 1, not 2",
        (*PLAN, INTENT, THROTTLED, Intent(row=1, attempt=3)),
    ),
    "an answer to another PUT": (
        Promise.NUMBER,
        "line 8 answers PUT 2 of row 1, not 1",
        (*PLAN, INTENT, replace(THROTTLED, attempt=2)),
    ),
    "an outcome that miscounts the PUTs": (
        Promise.NUMBER,
        "line 8 states 2 PUTs of row 1, not 1",
        (*PLAN, INTENT, replace(APPLIED, attempts=2)),
    ),
    "sent again after its end": (
        Promise.OUTCOME,
        "line 9 takes row 1 from APPLIED to IN_FLIGHT",
        (*PLAN, INTENT, APPLIED, Intent(row=1, attempt=2)),
    ),
    "ended twice": (
        Promise.OUTCOME,
        "line 9 takes row 1 from APPLIED to APPLIED",
        (*PLAN, INTENT, APPLIED, APPLIED),
    ),
    "given up while in doubt": (
        Promise.OUTCOME,
        "line 8 takes row 1 from IN_FLIGHT to DRIFTED",
        (*PLAN, INTENT, OutcomeRecord(row=1, outcome=Outcome.DRIFTED, attempts=1)),
    ),
    "a PUT before the session": (
        Promise.SESSION,
        "line 6 holds a record `intent` outside a session",
        (*PLAN[:5], INTENT),
    ),
    "a PUT after the session": (
        Promise.SESSION,
        "line 8 holds a record `intent` outside a session",
        (*PLAN, end_record(not_attempted=3), INTENT),
    ),
    "counts that are not those of the lines": (
        Promise.SESSION,
        "line 9 counts 2 applied, 1 not_attempted, but the lines before it have 1 applied, 2 not_attempted",
        (*PLAN, INTENT, APPLIED, end_record(applied=2, not_attempted=1)),
    ),
    "no counts at all": (
        Promise.SESSION,
        "line 7 counts nothing, but the lines before it have 3 not_attempted",
        (*PLAN, end_record()),
    ),
    "a session that misstates where the run stands": (
        Promise.SESSION,
        "line 6 counts 3 applied, but the lines before it have 3 not_attempted",
        (*PLAN[:5], session_record(applied=3)),
    ),
    "a plan that states another digest than it has": (
        Promise.PLAN,
        f"line 5 states the digest sha256:cd, but the plan before it has {DIGEST}",
        (*PLAN[:4], replace(planned(change(1), change(2), KEPT), digest="sha256:cd")),
    ),
    "a plan that was made under other guards than its settings say": (
        Promise.PLAN,
        f"line 5 states the digest {DIGEST}, but the plan before it has {STRICT}",
        (replace(run_record(), options=run_record().options | {"strict": True}), *PLAN[1:5]),
    ),
    "settings that cannot be read": (
        Promise.PLAN,
        UNREADABLE,
        (replace(run_record(), options=run_record().options | {"rows": 7}), *PLAN[1:5]),
    ),
    "a session on another plan": (
        Promise.SESSION,
        f"line 6 names the plan sha256:cd, not {DIGEST}",
        (*PLAN[:5], replace(PLAN[5], digest="sha256:cd")),
    ),
    "the end of a session on another plan": (
        Promise.SESSION,
        f"line 7 names the plan sha256:cd, not {DIGEST}",
        (*PLAN, replace(end_record(not_attempted=3), digest="sha256:cd")),
    ),
    "a session of a newer format": (
        Promise.PLAN,
        "line 6 states format 4; this version of bulk reads formats 2 and 3",
        (*PLAN[:5], replace(PLAN[5], format=4)),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_promise_is_told_by_name_and_line(case: str) -> None:
    """The first one that shows, at the line where it shows."""
    promise, message, records = BROKEN[case]
    _, breach = audited(*records)
    assert breach == Breach(promise=promise, line=len(records), message=message)


@pytest.mark.parametrize(
    ("record", "spoilt"),
    [
        (INTENT, {"row": "1"}),
        (INTENT, {"row": [1]}),
        (INTENT, {"attempt": "x"}),
        (THROTTLED, {"verdict": "maybe"}),
        (APPLIED, {"outcome": "fine"}),
        (Note(about="", message=""), {"type": "rumour"}),
        (end_record(), {"counts": 7}),
    ],
)
def test_what_is_no_record_breaks_the_chain(record: Record, spoilt: dict[str, object]) -> None:
    """A forger who recomputes the sums gets no traceback either."""
    audit, _ = audited(*PLAN, *([INTENT] if record in (THROTTLED, APPLIED) else []))
    breach = audit.step({**line(9, record), **spoilt}, 900)
    assert breach
    assert breach.promise is (Promise.NUMBER if "attempt" in spoilt else Promise.CHAIN)


def test_an_empty_ledger_breaks_the_promise_of_a_plan_at_its_first_line() -> None:
    """There is nothing to prove anything with."""
    _, breach = audited()
    assert breach
    assert (breach.promise, breach.line) == (Promise.PLAN, 1)


def test_rows_may_have_gaps() -> None:
    """A plan made for some rows of a file keeps their numbers."""
    _, breach = audited(
        run_record(),
        change(7),
        planned(change(7)),
        session_record(not_attempted=1),
        Intent(row=7, attempt=1),
        replace(APPLIED, row=7),
        end_record(applied=1),
    )
    assert breach is None


UNPAUSE = replace(DECISION, what="unpause")


def test_nothing_begins_in_a_pause() -> None:
    """Its line is named; what began before may be answered, and all goes on after it."""
    _, breach = audited(*PLAN, INTENT, DECISION, DECISION, APPLIED, Intent(row=2, attempt=1))
    assert breach == Breach(
        promise=Promise.PAUSE, line=11, message="line 11 sends row 2 while a person has paused the run"
    )
    audit, breach = audited(*PLAN, INTENT, DECISION, DECISION, APPLIED, UNPAUSE, Intent(row=2, attempt=1))
    assert breach is None
    assert "1 pause, in which nothing else began" in {proof.fact for proof in audit.proofs()}


@pytest.mark.parametrize("is_known", [True, False])
def test_what_a_parked_service_waits_for_is_finished_in_a_pause(is_known: bool) -> None:  # noqa: FBT001 - a case
    """Parked, or perhaps so; another row does not go even then."""
    changes = (*ring(2), change(3))
    plan = (run_record(), *changes, planned(*changes), session_record(not_attempted=3))
    parked = (Attempt(row=1, attempt=1, verdict=AttemptResult.PARKED, reply=OK),) if is_known else ()
    begun = (*plan, Intent(row=1, attempt=1, purpose=Purpose.PARK), *parked, DECISION)
    assert audited(*begun, Intent(row=2, attempt=1))[1] is None
    breach = audited(*begun, Intent(row=3, attempt=1))[1]
    assert breach is not None
    assert breach.promise is Promise.PAUSE
