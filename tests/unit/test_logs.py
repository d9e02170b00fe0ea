"""Log lines on stderr, one for each ledger record that is not one of many."""

from dataclasses import replace

import orjson
import pytest

from bulk.cli.logs import configure
from bulk.cli.options import LogForm
from bulk.ledger.records import (
    DecidedBy,
    Decision,
    End,
    Intent,
    Json,
    Note,
    PaceRecord,
    Record,
    Session,
    record_json,
    record_type,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import LaneName, RequestKind
from tests.values import change

LANE = LaneName(host="simulator", region="cn-north-4", account="ops")
PACE = PaceRecord(lane=LANE, kind=RequestKind.WRITES, rate_per_s=10.0)
DECISION = Decision(by=DecidedBy.OPERATOR, what="pause", reason="bridge call")


def logged(
    record: Record,
    capsys: pytest.CaptureFixture[str],
    *,
    form: LogForm = LogForm.TEXT,
    verbose: bool = False,
    quiet: bool = False,
) -> str:
    """Return what stderr has of a record."""
    json: Json = {
        "n": 7,
        "at": "2026-01-15T08:30:00.000Z",
        "type": record_type(record),
        **record_json(record),
    }
    configure(form=form, verbose=verbose, quiet=quiet)(json, change)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (PACE, "pace of writes (cn-north-4 at simulator, account ops): 10/s"),
        (DECISION, "decision of operator: pause (bridge call)"),
        (Note(about="torn", message="cut 3 bytes"), " UTC  torn: cut 3 bytes"),
        (
            End(
                reason=BrakeReason.FINISHED,
                reasons=["finished"],
                digest="",
                counts={"applied": 3, "failed": 1},
            ),
            "it finished: 3 applied, 1 failed",
        ),
    ],
)
def test_what_a_person_reads_as_a_sentence_is_logged_as_one(
    record: Record, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; for machines it has its fields instead."""
    text = logged(record, capsys)
    assert text.count("\n") == 1
    assert words in text
    machine = orjson.loads(logged(record, capsys, form=LogForm.JSON))
    assert {name: machine[name] for name in record_json(record)} == record_json(record)


def test_a_record_of_a_single_row_is_logged_only_where_that_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And nothing is where it is to be quiet."""
    intent = Intent(row=1, attempt=1)
    assert logged(intent, capsys) == ""
    assert "row=1" in logged(intent, capsys, verbose=True)
    assert f"service_id={change(1).service_id}" in logged(intent, capsys, verbose=True)
    assert logged(DECISION, capsys, quiet=True) == ""


def test_text_in_a_log_line_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither of a field nor within a list; for machines it is there, escaped, as it was."""
    told, forged = "a\x1b[2J\x9b31m\u202e", "a\r\nlevel=error"
    for record, evil in (
        (Note(about="test", message=told), told),
        (Note(about="test", message=forged), forged),
        (replace(DECISION, reason=told), told),
    ):
        text = logged(record, capsys)
        assert not [char for char in text[:-1] if not char.isprintable()]
        line = logged(record, capsys, form=LogForm.JSON)
        assert line.isascii()
        assert evil in orjson.loads(line).values()
    session = Session(host=told, pid=1, user=told, settings={}, digest="", counts={})
    assert logged(session, capsys)[:-1].isprintable()
