"""Everything that ends a command has its exit code, its words and its way out."""

import pytest

from bulk import errors
from bulk.errors import BulkError, ExitCode, JobInvalid, LedgerBusy, Refused, UsageError
from bulk.model import Issue

ISSUE = Issue(place="a.csv:2", field="", message="m", hint="h")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UsageError("x"), 2),
        (errors.JobInvalid((ISSUE,)), 3),
        (errors.CannotRun("x"), 1),
        (errors.CredentialsError("x"), 1),
        (errors.FleetUnreadable("x"), 1),
        (errors.LedgerFailed("x"), 1),
        (errors.LedgerDamaged("x"), 1),
        (errors.Refused("x"), 7),
        (errors.LedgerBusy("x"), 8),
        (errors.WindowClosed("x"), 10),
    ],
)
def test_each_error_has_the_documented_exit_code(error: BulkError, status: int) -> None:
    """The tree at the top of `errors.py`, written out."""
    assert error.exit_code == status


def test_the_tree_at_the_top_names_every_error() -> None:
    """A new error is entered in the module's docstring."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BulkError)]
    assert [kind.__name__ for kind in kinds if f" {kind.__name__}" not in (errors.__doc__ or "")] == []


def test_an_error_says_what_happened_and_what_to_do() -> None:
    """The message is the exception's text, the hint stands apart."""
    error = Refused("3 services moved", hint="plan again")
    assert (str(error), error.message, error.hint) == ("3 services moved", "3 services moved", "plan again")
    assert (UsageError("x").hint, LedgerBusy("x").hint) == ("", "")


def test_an_invalid_job_counts_its_issues() -> None:
    """One is not `1 issues`, and that nothing was sent is said."""
    assert str(JobInvalid((ISSUE,))) == "the job is invalid: 1 issue; nothing was sent"
    assert str(JobInvalid((ISSUE, ISSUE))) == "the job is invalid: 2 issues; nothing was sent"
    assert JobInvalid((ISSUE,)).issues == (ISSUE,)


def test_exit_codes_are_distinct_and_leave_room_for_the_shell() -> None:
    """A closed set; 126 and 127 belong to the shell."""
    assert {code.value for code in ExitCode} == {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 130, 143}
