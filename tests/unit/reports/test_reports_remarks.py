"""What a ledger holds for a person to read, in one line each, wherever it is shown."""

from typing import TYPE_CHECKING

import orjson
import pytest

from bulk.ledger.records import DecidedBy, Decision, Json, Ruling, record_json
from bulk.model import Hold, Limit, Why
from bulk.reports import as_html, as_json, as_markdown, as_table
from bulk.reports.remarks import remark
from bulk.reports.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulk.model import Change
    from tests.unit.reports.conftest import Written

PAUSED = Decision(
    by=DecidedBy.OPERATOR, what="pause", reason="bridge call", user="ann", host="bastion1", id="c7f2"
)
PASSED = Decision(by=DecidedBy.LIMIT, what="wave", wave=1, ruling=Ruling.GO, reason="probe: 3 of 3 connect")
STOPPED = Decision(by=DecidedBy.LIMIT, what="stop", reason="4 services failed, max_failures allows 3")


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (PAUSED, "decision of operator ann on bastion1: pause (bridge call) [c7f2]"),
        (PASSED, "decision of limit: wave 1, go (probe: 3 of 3 connect)"),
        (STOPPED, "decision of limit: stop (4 services failed, max_failures allows 3)"),
    ],
)
def test_a_decision_is_one_line(decision: Decision, words: str) -> None:
    """By whom, what, why, and the id by which a command may name it."""
    assert remark({"type": "decision", **record_json(decision)}) == words


def test_a_pace_is_one_line(written: "Written") -> None:
    """Whose it is, the rate, the limit and its source, what holds it and for how long."""
    written.planned().paced(
        1.98,
        Limit(requests=4, window_s=2.0, policy="user"),
        why=Why.STATED,
        noise=0.06,
        hold=Hold.PUSH_BACK,
        left_s=2.0,
    )
    assert remark(written.records[-1]) == (
        "pace of writes (cn-north-4 at simulator, account ops): "
        "1.98/s; limit 4 per 2 s (user), stated; 6 % throttled whatever the rate; "
        "the server's push-back: 2 s left"
    )
    assert remark(written.noted("torn", "cut 3 bytes").records[-1]) == "torn: cut 3 bytes"


def test_decisions_are_in_every_report_that_has_room_for_them(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Terminal, Markdown and page in a line, JSON as data; however many notes came since."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP")).session().put(PAUSED).noted("torn", "cut").applied(1)
    report, words = written.report(), "operator ann on bastion1: pause (bridge call) [c7f2]"
    assert any(words in plain(line) for line in as_table.lines(report, width=200))
    assert as_markdown.escaped(words) in "".join(as_markdown.render(report))
    written.put(PASSED)  # which is no news
    assert not any("wave 1" in plain(line) for line in as_table.lines(written.report(), width=200))
    written.records.pop()
    written.progress.decisions.pop()
    assert words in "".join(as_html.render(report))
    (decision,) = orjson.loads("".join(as_json.render(report)))["decisions"]
    members: Json = {"at": "2026-01-15T08:30:05.000Z", **record_json(PAUSED)}
    assert decision == members
