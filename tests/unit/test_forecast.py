"""What a plan comes to, by its ledger alone."""

from dataclasses import replace
from datetime import datetime

import pytest

from bulk.app.environment import system
from bulk.app.forecast import forecast
from bulk.clock import SystemClock
from bulk.ledger.folding import take_in
from bulk.ledger.progress import Progress
from bulk.ledger.records import Planned, Run, record_json, record_type, target_json
from bulk.model import Action
from bulk.operations.windows import read_blackout, read_window
from bulk.settings import Job, PaceSettings, Rate, WhenSettings
from tests.values import PROJECT, change, planned, run_record

OTHER = PROJECT._replace(project_id="b" * 32)


def progress_of(pages: list[int]) -> Progress:
    """Return the progress of a ledger that changes one service and keeps one of another project.

    Without pages, its `planned` record is one of a version that did not know them.
    """
    changes = (change(1), replace(change(2, action=Action.KEEP), target=OTHER))
    run: Run = replace(run_record(), targets=[target_json(PROJECT), target_json(OTHER)])
    plan: Planned = replace(planned(*changes), pages=pages)
    progress = Progress()
    for number, record in enumerate((run, *changes, plan)):
        head = {"n": number, "at": "2026-01-15T08:30:00.000Z", "type": record_type(record)}
        members = {name: value for name, value in record_json(record).items() if name != "pages" or value}
        take_in(progress, head | members, number)
    return progress


@pytest.mark.parametrize(("pages", "requests"), [([3, 2], 3 + 2 + 1 + 3), ([], 1 + 1 + 1 + 1)])
def test_the_estimate_counts_the_pages_of_each_look(pages: list[int], requests: int) -> None:
    """A target with changes is listed twice, one without once; pages that are not known count one."""
    assert forecast(progress_of(pages), Job(rows="x"), system().local_time).estimate.requests == requests


def job_in(window: str) -> Job:
    """Return a job with a window."""
    return Job(rows="x", when=WhenSettings(window=read_window(window)))


class StoppedClock(SystemClock):
    """A wall clock that shows one moment."""

    def __init__(self, moment: str) -> None:
        self._now = datetime.fromisoformat(moment).timestamp()

    def now(self) -> float:
        """Return the moment."""
        return self._now


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2026-03-29T01:30+01:00", 90 * 60),  # the clocks go from 02:00 to 03:00
        ("2026-10-25T01:30+02:00", 210 * 60),  # and back from 03:00 to 02:00
        ("2026-03-30T01:30+02:00", 150 * 60),
        ("2026-03-30T04:00+02:00", 180 * 60),  # it is shut: the next one is as long as its times say
    ],
)
def test_what_is_left_of_the_window_is_counted_by_the_clocks_of_the_zone(moment: str, seconds: float) -> None:
    """A window until 04:00, in the nights in which the clocks are changed and in another."""
    environment = replace(system(), env={"TZ": "Europe/Berlin"}, clock=StoppedClock(moment))
    job = job_in("01:00-04:00")
    estimate = forecast(progress_of([]), job, environment.local_time).estimate
    assert estimate.window_s == seconds
    assert estimate.closes_at
    if estimate.opens_at:
        assert estimate.opens_at == "2026-03-30T23:00:00.000Z"


def test_a_deadline_that_has_passed_leaves_no_time() -> None:
    """It is over, and does not fit."""
    passed = job_in("2020-01-01T00:00+00:00")
    estimate = forecast(progress_of([]), passed, system().local_time).estimate
    assert (estimate.window_s, estimate.fits, estimate.window) == (0, False, "2020-01-01T00:00:00+00:00")
    assert (estimate.opens_at, estimate.closes_at) == ("", "")


def test_each_account_and_region_is_a_lane_of_its_own() -> None:
    """What is not known to share a rate limit is one lane; what is parked counts for the busiest."""
    progress = progress_of([])
    assert progress.planned is not None
    assert forecast(progress, Job(rows="x"), system().local_time).estimate.lanes == 1
    progress.planned["owners"] = [{"account": "a"}, {"account": "b"}]
    progress.planned["footprint"]["parked"] = 2
    assert forecast(progress, Job(rows="x"), system().local_time).estimate.duration_s == pytest.approx(0.5)


def test_days_that_are_left_out_bound_no_run_once_they_are_over() -> None:
    """A blackout without a window, and behind us: there is no end that the run has to fit."""
    job = Job(rows="x", when=WhenSettings(blackout=read_blackout("2020-01-01")))
    estimate = forecast(progress_of([]), job, system().local_time).estimate
    assert (estimate.window_s, estimate.fits, estimate.window) == (None, True, "not 2020-01-01")
    assert (estimate.opens_at, estimate.closes_at) == ("", "")
    assert estimate.zone.startswith("UTC")


def test_a_rate_that_is_to_be_found_begins_with_what_an_earlier_run_learned() -> None:
    """One that a person gave does not."""
    progress, now = progress_of([]), system().local_time
    assert forecast(progress, Job(rows="x"), now, begins_per_s=8.5).estimate.rate_per_s == 8.5
    fixed = Job(rows="x", pace=PaceSettings(rate=Rate(requests=3, period_s=1)))
    assert forecast(progress, fixed, now, begins_per_s=8.5).estimate.rate_per_s == 3
