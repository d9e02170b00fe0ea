"""One service's story, its issues' listing, and the timeline of a run."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    Held,
    Intent,
    Note,
    OutcomeRecord,
    Ruling,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, ModifyBody, Outcome, Reply, RequestKind
from bulk.reports.as_json import row_json
from bulk.reports.as_table import lines
from bulk.reports.history import story
from bulk.reports.run_status import run_status
from bulk.reports.status import lines as status_lines
from bulk.reports.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulk.model import Change, ServiceState
    from tests.unit.reports.conftest import Written


def story_lines(written: "Written", row: int) -> list[str]:
    """Return the story of a row's service without time stamps, but for the seconds passed."""
    service_id = written.changes[row].service_id
    return [
        plain(line).partition("UTC  ")[2].strip() or plain(line)
        for line in story(written.records, service_id, advice=lambda code: f"what to do about {code}")
    ]


def test_a_story_has_the_encoded_reason_of_a_denial_and_how_to_decode_it(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """The table has no room for it and names the story instead."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session()
    no = Reply(http=403, code="PAP5.0001", message="denied", ms=9, encoded_authorization_message="HY0L+/=")
    written.put(Intent(row=1, attempt=1), OutcomeRecord(row=1, outcome=Outcome.FAILED, reply=no, attempts=1))
    written.end()
    decoding = "STS decodes the reason, POST /v5/decode-authorization-message with encoded_message HY0L+/="
    assert f"403 PAP5.0001 denied (9 ms, {decoding});" in story_lines(written, 1)[-1]
    [row] = written.report().rows
    assert row.why == "denied; `bulk why` says how to decode the reason"
    assert row_json(row)["encoded_authorization_message"] == "HY0L+/="


def test_a_row_that_was_refused_without_a_word_has_the_status_as_its_reason(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """What stands between the API and here may answer with nothing else; where there is a word, it counts.

    The advice for such a row is that of its status, and rows of two statuses stay two groups.
    """
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in range(1, 5))).session()
    bare, other, right = (Reply(http=http) for http in (413, 503, 200))
    failed = Outcome.FAILED
    ends = ((failed, bare), (failed, replace(bare, code="X.1")), (Outcome.APPLIED, right), (failed, other))
    for row, (outcome, reply) in enumerate(ends, 1):
        written.put(
            Intent(row=row, attempt=1), OutcomeRecord(row=row, outcome=outcome, reply=reply, attempts=1)
        )
    written.end()
    report = written.report()
    bare_texts = [f"http {http} without code and message" for http in (413, 503)]
    assert [row.why for row in report.rows] == [bare_texts[0], "", "", bare_texts[1]]
    assert report.progress.codes == {"http 413": 1, "X.1": 1, "http 503": 1} == report.totals.codes
    assert [each.text for each in report.overview.troubles()] == [bare_texts[0], "", bare_texts[1]]
    shown = [plain(line).strip() for line in lines(report, width=80)]
    for row, http in ((1, 413), (4, 503)):
        advice = f"what to do about http {http}"
        assert (shown.count(advice), advice in story_lines(written, row)[-1]) == (1, True)


def test_what_the_last_look_puts_right_counts_no_more_as_failed(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Not even as a code of no row, in whatever shows codes."""
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2))).session()
    for row, reply in enumerate((Reply(http=413), Reply(http=400, code="X.1")), 1):
        right = OutcomeRecord(row=row, outcome=Outcome.APPLIED, reply=reply, attempts=1)
        written.put(Intent(row=row, attempt=1), replace(right, outcome=Outcome.FAILED), right)
    shown = [plain(line) for line in status_lines(written.progress, alive=False, ledger="L")]
    assert not any(line.startswith("!") for line in shown)
    assert run_status(written.progress, None, now=written.now, alive=False).codes == {}
    assert written.report().totals.codes == {}


def test_a_story_tells_every_wait_with_its_reason(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Predecessors, the pace, push-back and backoff: each PUT says what it had waited for."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"), change(2, "81:81/TCP", "80:80/TCP", after=(1,)))
    written.session().paced(10).paced(9, kind=RequestKind.READS).applied(1).throttled(2, hold_s=12)
    retry = Reply(code="connect_failed", message="refused")
    written.put(Intent(row=2, attempt=2), Attempt(row=2, attempt=2, verdict=AttemptResult.RETRY, reply=retry))
    written.put(Intent(row=2, attempt=3))
    written.put(
        OutcomeRecord(row=2, outcome=Outcome.APPLIED, reply=Reply(http=200, request_id="r", ms=9), attempts=3)
    )
    written.end()
    assert story_lines(written, 2) == [
        (
            "~ 00000000-0000-0000-0000-000000000002  web-2             -81:81/TCP +80:80/TCP after row 1"
            " note: 2 consumers lose 81  (services.csv:3, cn-north-4/6e9dfd51d1124e8d8498dce894923a0d)"
        ),
        "+0.0 s  planned from services.csv:3: update, after row 1",
        "+2.0 s  a session began: process 123 of ops on bastion",
        "+4.0 s  row 1, which must go first, ended as: applied",
        "+1.0 s  PUT 1 is sent after waiting for a predecessor: row 1; its turn (10/s)",
        (
            "+1.0 s  429 APIGW.0308 too fast (3 ms, request req-t): throttled; costs the row no attempt;"
            " the server asks to wait 12 s"
        ),
        "+1.0 s  PUT 2 is sent after waiting for the server's push-back; its turn (10/s)",
        "+1.0 s  connect_failed refused: surely not applied; to be sent again",
        "+1.0 s  PUT 3 is sent after waiting for the backoff after a failed attempt; its turn (10/s)",
        "+1.0 s  + applied after 2 PUTs; 200 (9 ms, request r)",
    ]


def test_a_story_shows_a_clock_that_was_set_back(written: "Written", change: "Callable[..., Change]") -> None:
    """As time that went back, so that nobody takes the order of its lines for a mistake."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session()
    written.now -= timedelta(minutes=10)
    written.session()
    assert story_lines(written, 1)[2:4] == [
        "+2.0 s  a session began: process 123 of ops on bastion",
        "-9 min 59 s  a session began: process 123 of ops on bastion",
    ]


def test_a_row_that_waits_for_a_parked_one_says_so(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """In a broken cycle the intermediate PUT of another service is what the row waits for."""
    parked = change(1, "80:80/TCP", "81:81/TCP", parking=ModifyBody(ports=()), after=(2,))
    written.planned(parked, change(2, "81:81/TCP", "80:80/TCP", after_parked=(1,))).session()
    written.throttled(1).put(Intent(row=1, attempt=2))
    written.put(Attempt(row=1, attempt=2, verdict=AttemptResult.PARKED, reply=Reply(http=200, ms=9))).applied(
        2
    )
    lines = story_lines(written, 2)
    assert lines[1].endswith("planned from services.csv:3: update, after row 1 is parked")
    assert lines[3] == "+4.0 s  row 1 has been parked"
    assert lines[4] == "+1.0 s  PUT 1 is sent after waiting for the parking of a predecessor: row 1; its turn"


def test_a_failed_row_tells_what_to_do(written: "Written", change: "Callable[..., Change]") -> None:
    """The code's advice ends the story."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP", reason="watch out")).session()
    written.noted("doubt", "cannot be read", row=1).noted("torn", "cut 3 bytes").failed(
        1, "EndPoint.3044", "clash"
    )
    lines = story_lines(written, 1)
    assert lines[1] == "+0.0 s  planned from services.csv:2: update: watch out"
    assert lines[3] == "+1.0 s  doubt: cannot be read"
    assert lines[4] == "+2.0 s  PUT 1 is sent after waiting for its turn"
    assert lines[5].endswith(
        "! failed after 1 PUT; 400 EndPoint.3044 clash (12 ms, request req-1); what to do about EndPoint.3044"
    )


def test_a_drifted_row_shows_both_states(
    written: "Written", change: "Callable[..., Change]", service: "Callable[..., ServiceState]"
) -> None:
    """What was found stands beside what the plan saw."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session()
    written.unsent(1, Outcome.DRIFTED, "moved since the plan: ports", observed=service(1, "9:9/TCP"))
    assert story_lines(written, 1)[-1].endswith(
        '! drifted; drifted moved since the plan: ports; found ports "9:9/TCP", expected "80:80/TCP"'
    )


@pytest.mark.parametrize(
    ("verdict", "end"),
    [
        (AttemptResult.DOUBT, "? in doubt: a PUT was sent"),
        (AttemptResult.ABORT, "- not ended: no PUT is in flight"),
    ],
)
def test_a_story_without_an_end_says_where_the_row_stands(
    written: "Written", change: "Callable[..., Change]", verdict: AttemptResult, end: str
) -> None:
    """A doubt stays one until it is read; other answers leave nothing under way."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"), change(2, "1:1/TCP", "2:2/TCP")).session()
    written.put(Intent(row=1, attempt=1), Attempt(row=1, attempt=1, verdict=verdict, reply=Reply(http=502)))
    written.applied(2).end(BrakeReason.ABORTED)
    assert story_lines(written, 1)[-1].startswith(end)
    assert story_lines(written, 1)[-2].endswith("the session stopped: the API would have rejected every row")


def test_after_the_row_ended_other_sessions_are_not_its_story(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Sessions that come later have nothing to do with the row."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"), change(2, "1:1/TCP", "2:2/TCP")).session()
    written.applied(1)
    before = story_lines(written, 1)
    written.end(BrakeReason.INTERRUPTED).session().applied(2).end()
    assert story_lines(written, 1) == before


def test_a_service_that_no_row_names_has_no_story(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """The caller says that it is unknown."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"))
    assert list(story(written.records, "another", advice=str)) == []


def test_every_stop_and_every_decision_before_the_end_is_part_of_the_history(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """All reasons of a stop are named; what is decided after the row ended is not about it."""
    pause = Decision(by=DecidedBy.OPERATOR, what="pause", reason="bridge call", user="ann", host="bastion1")
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session().put(pause)
    written.end(BrakeReason.FAILURE_LIMIT, BrakeReason.WINDOW).session().applied(1).put(pause)
    lines = story_lines(written, 1)
    assert lines[3].endswith("decision of operator ann on bastion1: pause (bridge call)")
    assert lines[4].endswith("the session stopped: too many rows failed; the window ended")
    assert lines[-1].endswith("+ applied after 1 PUT; 200 (30 ms, request req-1)")


def test_a_story_has_what_held_all_rows_once_and_the_rulings_on_its_wave(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A hold is noted again and again; behind the row's end come its own wave's rulings, and no other's."""

    def ruled(wave: int, ruling: Ruling) -> Decision:
        return Decision(by=DecidedBy.JUDGE, what="wave", wave=wave, ruling=ruling, reason="probe")

    def held(hold: Hold, *, who: str = "rows", row: int | None = None, is_over: bool = False) -> Note:
        known = Held(hold=hold, who=who, since="2026-01-15T08:30:00.000Z", is_over=is_over)
        return Note(about="hold", message=f"{who} wait for {hold}", row=row, held=known)

    written.planned(change(1, "80:80/TCP", "81:81/TCP"), change(2, "80:80/TCP", "81:81/TCP")).session()
    written.put(held(Hold.WAVE), held(Hold.WAVE), held(Hold.RATE, who="reads"), held(Hold.SETTLE, row=2))
    written.put(held(Hold.WAVE, is_over=True)).applied(1)
    written.put(held(Hold.SOAK), ruled(1, Ruling.UNSURE), ruled(1, Ruling.GO), ruled(2, Ruling.GO))
    lines = [line.partition("  ")[2] for line in story_lines(written, 1)]
    assert lines[3:] == [
        "hold: rows wait for wave",
        "hold: rows wait for wave",
        "PUT 1 is sent after waiting for the rows of an earlier wave; its turn",
        lines[6],
        "decision of judge: wave 1, unsure (probe)",
        "decision of judge: wave 1, go (probe)",
    ]
