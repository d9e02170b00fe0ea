"""The opening that a run works in: long enough for its spare, whatever a blackout leaves of it."""

from datetime import UTC, datetime, timedelta

import pytest

from bulk.errors import JobInvalid
from bulk.operations.windows import read_blackout, read_window
from bulk.plan.openings import next_shift
from bulk.settings import Job
from bulk.settings.job import WhenSettings
from bulk.settings.quantities import Duration

EVE = datetime(2026, 11, 27, tzinfo=UTC)


def job(window: str, *, blackout: str, spare_s: int) -> Job:
    """Return a job with a window."""
    when = WhenSettings(
        window=read_window(window), blackout=read_blackout(blackout), spare=Duration(seconds=spare_s)
    )
    return Job(rows="x", when=when)


def test_an_opening_that_a_blackout_leaves_too_short_is_passed_over() -> None:
    """Two of its four hours are left on the 27th, and three are for finishing: it is the next that counts."""
    found = next_shift(
        job("22:00-02:00 UTC", blackout="2026-11-28", spare_s=3 * 3600), lambda: EVE + timedelta(hours=12)
    )
    assert found
    assert found.opening.opens_at == (EVE + timedelta(days=2, hours=22)).timestamp()


def test_a_window_of_which_only_too_short_openings_are_left_is_refused() -> None:
    """The message has the longest of them and the spare."""
    window = "2026-11-27T22:00Z..2026-11-28T02:00Z"
    with pytest.raises(JobInvalid) as refused:
        next_shift(job(window, blackout="2026-11-28", spare_s=3 * 3600), lambda: EVE)
    (issue,) = refused.value.issues
    assert (issue.field, "the last 3 h" in issue.message, "2 h at most" in issue.message) == (
        "spare",
        True,
        True,
    )
