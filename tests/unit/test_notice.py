"""When a person is needed, and in which words somebody is notified."""

from typing import Any

import pytest

from bulk.errors import ExitCode
from bulk.ledger.progress import Progress
from bulk.model import Outcome
from bulk.reports.notice import (
    command_after,
    end_parts,
    idle_sessions,
    needs_person,
    next_command,
    notice,
)

LEDGER = "/runs/a b.ledger.jsonl"


def progress(*sessions: tuple[int, int, str], **more: Any) -> Progress:
    """Return the state of a run of nine rows: of each session the rows done at both ends, and its reason."""
    made = Progress(**more)
    for number, (before, after, reason) in enumerate(sessions):
        counts = [{"applied": done, "not_attempted": 9 - done} for done in (before, after)]
        made.sessions.append({"n": 10 * number, "at": "", "counts": counts[0], "settings": {}})
        if reason:
            end = {"n": 10 * number + 5, "at": "", "reason": reason, "reasons": [reason], "counts": counts[1]}
            made.ends.append(end)
    return made


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 7])
def test_what_the_same_command_cannot_overcome_needs_a_person(code: int) -> None:
    """Whatever the sessions did."""
    assert needs_person(ExitCode(code), progress((0, 9, "finished")))


@pytest.mark.parametrize("code", [0, 8, 130, 143])
def test_success_another_run_at_work_and_a_signal_need_nobody(code: int) -> None:
    """Who sent the signal knows."""
    assert not needs_person(ExitCode(code), progress((0, 0, "interrupted")))


def test_three_nights_that_get_on_need_nobody() -> None:
    """Each window does some rows."""
    nights = [(0, 3, "window"), (3, 6, "window"), (6, 8, "window")]
    for night in range(1, 4):
        assert not needs_person(ExitCode.WINDOW_ENDED, progress(*nights[:night]))


@pytest.mark.parametrize(
    ("reason", "code"), [("pushed_back", 5), ("window", 10), ("budget", 11), ("unreadable", 5)]
)
def test_the_third_session_in_a_row_that_does_nothing_needs_a_person(reason: str, code: int) -> None:
    """The first and the second do not, nor the fourth and fifth: the sixth says it again."""
    needed = [needs_person(ExitCode(code), progress(*[(3, 3, reason)] * count)) for count in range(1, 7)]
    assert needed == [False, False, True, False, False, True]


def test_sessions_in_a_row_are_counted_from_the_last() -> None:
    """One that did a row, that ended otherwise or that died begins the count anew."""
    idle = (3, 3, "window")
    for other in ((2, 3, "window"), (3, 3, "interrupted"), (3, 3, "")):
        assert idle_sessions(progress(idle, idle, other)) == 0
        assert idle_sessions(progress(idle, other, idle)) == 1
    assert idle_sessions(progress()) == 0


def test_rows_in_doubt_are_not_done() -> None:
    """Nor are those that were not attempted."""
    run = progress((3, 3, "finished"))
    run.ends[0]["counts"] = {"applied": 3, "in_doubt": 6}
    assert idle_sessions(run) == 1


def test_a_message_is_one_line_and_the_command() -> None:
    """Job, ticket, host, what, figures; nothing in it steers a terminal or adds a line."""
    text = notice(
        "stopped\nhere\x1b[2J", "", "3 failed", command="bulk status x", job="j", ticket="CHG1", host="b"
    )
    assert text == "bulk: j (CHG1) on b: stopped here[2J; 3 failed\nbulk status x"
    assert (
        notice("x", command="c", job="j", host="b", at="08:30:00 UTC") == "bulk: j on b at 08:30:00 UTC: x\nc"
    )
    assert notice("a" * 5_000, command="c", job="j").index("\n") == 1_000


def test_the_end_is_said_with_its_exit_code_and_figures() -> None:
    """Why it stopped where it did, and that sessions get nowhere."""
    run = progress(*[(3, 3, "window")] * 3)
    assert end_parts(ExitCode.OK, progress(), "") == ("finished, every row is as asked (exit code 0)", "", "")
    assert end_parts(ExitCode.WINDOW_ENDED, run, "the window ended")[:2] == (
        "stopped: the window ended (exit code 10)",
        "the last 3 sessions have done no row",
    )
    assert end_parts(ExitCode.STOPPED_EARLY, progress(), "")[0] == "stopped early (exit code 5)"


def ended(*outcomes: Outcome, decisions: tuple[dict[str, Any], ...] = ()) -> Progress:
    """Return the state of a run whose rows ended so."""
    from bulk.ledger.row_life import STAGE_OF  # noqa: PLC0415 - only here

    run = Progress(decisions=list(decisions))
    for outcome in outcomes:
        run.tally[STAGE_OF[outcome]] += 1
        run.order.append(len(run.order) + 1)
    return run


STOP = {
    "n": 1, "at": "2026-01-15T08:30:00.000Z", "type": "decision", "by": "operator", "what": "stop",
    "reason": "call", "id": "c7f2", "cause": "operator", "user": "ann", "host": "b1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "run", "command"),
    [
        (0, ended(Outcome.APPLIED), "bulk report '/runs/a b.ledger.jsonl'"),
        (4, ended(Outcome.FAILED), "bulk report '/runs/a b.ledger.jsonl' --only failed --output csv"),
        (7, ended(Outcome.ALREADY), "bulk report '/runs/a b.ledger.jsonl'"),
        (10, ended(Outcome.FAILED), "RESUME"),
        (1, ended(Outcome.APPLIED), "RESUME"),
        (6, ended(decisions=(STOP,)), "bulk apply '/runs/a b.ledger.jsonl' --despite c7f2:REASON"),
    ],
)
def test_the_command_to_type_next_is_the_one_that_helps(code: int, run: Progress, command: str) -> None:
    """Rows that are wrong first, then what lifts a stop, else the run goes on."""
    assert next_command(ExitCode(code), run, LEDGER, flag="", resume="RESUME") == command


@pytest.mark.parametrize(
    ("code", "verb", "command"),
    [
        (3, "apply", "bulk check 'my job'"),
        (7, "apply", "bulk plan 'my job'"),
        (7, "rollback", "bulk rollback 'my job'"),
        (6, "apply", "bulk status 'my job'"),
        (2, "apply", "bulk apply --help"),
        (1, "apply", "bulk apply 'my job'"),
    ],
)
def test_without_a_session_the_command_shows_what_is_wrong(code: int, verb: str, command: str) -> None:
    """Or tries again."""
    assert command_after(ExitCode(code), verb, "my job") == command
