"""The ticket of a run: a text of one line, which every session may bring anew."""

import pytest

from bulk.ledger.folding import take_in
from bulk.ledger.progress import Progress
from bulk.ledger.records import record_json
from bulk.model import Issue
from bulk.reports.report import session_summaries
from bulk.settings import forms
from tests.values import run_record, session_record


def run_with(*tickets: str | None, planned: str | None = None) -> Progress:
    """Return a run that was planned under a ticket, and had a session under each of these; None for none."""
    options = {"rows": "r.csv"} | ({} if planned is None else {"ticket": planned})
    progress = Progress(run={**record_json(run_record()), "options": options}, planned={"digest": ""})
    for n, ticket in enumerate(tickets, 1):
        settings = {} if ticket is None else {"ticket": ticket}
        record = {**record_json(session_record()), "settings": settings}
        take_in(progress, {"n": n, "at": "2026-01-15T08:30:00.000Z", "type": "session", **record}, 0)
    return progress


@pytest.mark.parametrize(
    ("tickets", "planned", "in_force"),
    [
        ((), None, ""),
        ((), "CHG1", "CHG1"),
        (("CHG2",), "CHG1", "CHG2"),
        (("CHG2", "CHG3"), "CHG1", "CHG3"),
        (("CHG2", ""), "CHG1", ""),
        ((None,), None, ""),
    ],
)
def test_the_ticket_of_the_last_session_is_in_force(
    tickets: tuple[str | None, ...], planned: str | None, in_force: str
) -> None:
    """Before any session that of the plan; a ledger of a version that knew none has none."""
    assert run_with(*tickets, planned=planned).ticket == in_force


def test_each_session_keeps_its_ticket_on_record() -> None:
    """Of the other settings only those of the last session stay in memory."""
    progress = run_with("CHG1", "CHG2", None)
    assert [each.ticket for each in session_summaries(progress)] == ["CHG1", "CHG2", ""]


@pytest.mark.parametrize("text", ["CHG0012345", "", "变更 42/3", "x" * forms.TICKET_CHARS_MAX])
def test_a_ticket_is_any_printable_line(text: str) -> None:
    """It comes back as it is written, without the blanks around it."""
    assert forms.TICKET.read(text) == text == forms.TICKET.read(f" {text} ".strip(" "))


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2J", "a\u202eb", "a\u2028b", "x" * 101, 12345])
def test_what_would_steer_a_terminal_or_fill_it_is_no_ticket(text: object) -> None:
    """Nor is a number, which TOML and a person may write in different ways."""
    issue = forms.TICKET.read(text)
    assert isinstance(issue, Issue)
    assert "is not a line of at most 100 printable characters" in issue.message
