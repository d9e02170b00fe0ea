"""What becomes of settings that are edited while a run is open."""

from typing import Any

import pytest

from bulk.ledger.edits import WHERE, Edits, edits
from bulk.plan.footprint import Footprint
from bulk.settings import SETTINGS, Job, PaceSettings, WhileOpen, read_settings, settings_of, with_values

FOOTPRINT = Footprint(rows=60, changes=40, mappings=80)


def job_of(**stored: Any) -> Job:
    """Return a job with these settings, as job.toml has them."""
    job = read_settings(Job, {"rows": "x.csv"} | stored, flags={})
    assert isinstance(job, Job), job
    return job


def edited(began: Job, asked: Job, **more: Any) -> Edits:
    """Return what becomes of the edits of a run; all that says where leads elsewhere."""
    facts: dict[str, Any] = {"elsewhere": WHERE, "may_fail_more": False}
    return edits(asked, began, began, FOOTPRINT, **facts | more)


def test_the_pace_is_what_is_taken() -> None:
    """How fast, how long and by which way, how a window ends, why, and who is notified; all else is not."""
    taken = {name for name, setting in SETTINGS.items() if setting.while_open is WhileOpen.TAKEN}
    assert taken == {*settings_of(PaceSettings), "spare", "must_fit", "ticket", "notify", "metrics", "via"}


@pytest.mark.parametrize(
    ("name", "was", "now", "text"),
    [
        ("rate", "auto", "20/s", "rate: 20/s, was auto"),
        ("drain_s", 20, 0.5, "drain_s: 0.5, was 20"),
        ("max_failures", "10%", "5%", "max_failures: 5%, was 10%"),
        ("max_failures", "10%", 5, "max_failures: 5, was 10%"),
        ("max_removed", 40, "52%", "max_removed: 52%, was 40"),
        ("max_consumers", 0, 1, "max_consumers: 1, was 0"),
        ("strict", False, True, "strict: true, was false"),
        ("region", "cn-north-4", "", "region: not set, was cn-north-4"),
        ("window", "01:00-02:00", "01:00-02:00 UTC", "window: 01:00-02:00 UTC, was 01:00-02:00"),
        ("simulator", {"fleet": "a"}, {"fleet": "b"}, "simulator: b, was a"),
    ],
)
def test_an_edit_names_both_values(name: str, was: object, now: object, text: str) -> None:
    """As a person would write them."""
    found = edited(job_of(**{name: was}), job_of(**{name: now}))
    assert [str(edit) for edit in (*found.taken, *found.refused)] == [text]


@pytest.mark.parametrize(
    ("name", "was", "now"),
    [
        ("max_failures", "10%", 4),
        ("max_failures", "1%", 1),
        ("max_changes", "50%", 30),
        ("max_removed", "50%", 40),
        ("canary", 0, None),
    ],
)
def test_one_figure_is_one_guard(name: str, was: object, now: object) -> None:
    """However it is written: what the plan may do, or how many rows may fail, is the same."""
    began, asked = (job_of(**{name: value} if value is not None else {}) for value in (was, now))
    assert edited(began, asked).kept == edited(asked, began).kept == frozenset()


@pytest.mark.parametrize(
    ("was", "now", "is_allowed"),
    [(0, 1, True), (None, 9, True), (2, 1, False), (1, None, False), ("10%", "9%", False), ("5%", 3, True)],
)
def test_only_more_failures_are_allowed_beside_a_word(was: object, now: object, is_allowed: bool) -> None:  # noqa: FBT001
    """In rows, not as they are written; the next session has them."""
    began, asked = (job_of(**{"max_failures": value} if value is not None else {}) for value in (was, now))
    found = edited(began, asked, may_fail_more=True)
    assert found.refused == () if is_allowed else [edit.setting for edit in found.refused] == ["max_failures"]
    assert found.job == (asked if is_allowed else began)
    assert edited(began, asked).refused != ()


def test_what_the_first_session_had_is_no_edit_and_what_is_in_force_stays() -> None:
    """A unit that names the limit of the beginning does not take back what a person allowed since."""
    began, in_force = job_of(max_failures=1), job_of(max_failures=7)
    facts: dict[str, Any] = {"elsewhere": (), "may_fail_more": False}
    found = edits(began, in_force, began, FOOTPRINT, **facts)
    assert (found.refused, found.job) == ((), in_force)


def test_what_leads_nowhere_else_is_not_refused_and_known() -> None:
    """So that a command that names the ledger alone leaves its variable out."""
    found = edited(job_of(), with_values(job_of(), {"region": "cn-south-1"}), elsewhere=())
    assert (found.refused, found.kept) == ((), {"region"})
