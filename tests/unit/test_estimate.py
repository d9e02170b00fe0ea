"""What a plan is expected to take."""

import pytest

from bulk.plan import Estimate, estimate_of, list_requests
from bulk.plan.estimate import Load


@pytest.mark.parametrize(("services", "pages"), [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (5_000, 5)])
def test_a_page_holds_a_thousand_services_and_an_empty_list_is_a_page(services: int, pages: int) -> None:
    """ceil(N/1000) requests list N services."""
    assert list_requests(services) == pages


def test_a_run_at_a_slow_rate_takes_as_long_as_the_rate_makes_it() -> None:
    """900 PUTs and two looks of one page, at 10/s."""
    assert estimate_of(
        lanes=[Load(puts=900, lists=2)], rate_per_s=10, workers=50, latency_s=0.05
    ) == Estimate(requests=902, duration_s=pytest.approx(90.2), rate_per_s=10)


def test_a_run_at_a_high_rate_takes_as_long_as_its_workers_wait() -> None:
    """Two workers with replies after half a second send 4 PUTs a second; pages come one by one."""
    estimate = estimate_of(
        lanes=[Load(puts=100, lists=4)], rate_per_s=1000, workers=2, latency_s=0.5, window_s=30
    )
    assert (estimate.requests, estimate.duration_s) == (104, pytest.approx(27))
    assert estimate.fits


def test_lanes_are_worked_on_side_by_side() -> None:
    """The longest one counts; one that sends nothing is none."""
    lanes = [Load(puts=300, lists=2), Load(puts=100, lists=2), Load(puts=0, lists=1)]
    estimate = estimate_of(lanes=lanes, rate_per_s=10, workers=64, latency_s=0.1)
    assert (estimate.requests, estimate.duration_s, estimate.lanes) == (405, pytest.approx(30.2), 2)
    assert estimate_of(lanes=[], rate_per_s=10, workers=64, latency_s=0.1).duration_s == 0


def test_a_plan_without_changes_takes_its_looks() -> None:
    """Nothing to send is not nothing to read."""
    assert estimate_of(lanes=[Load(puts=0, lists=6)], rate_per_s=10, workers=8, latency_s=0.2).requests == 6


@pytest.mark.parametrize(("failures_max", "duration_s"), [(None, 10.0), (199, 10.0), (4, 20.0), (0, 100.0)])
def test_a_limit_of_failures_bounds_what_is_in_flight(failures_max: int | None, duration_s: float) -> None:
    """One more than may fail are under way at a time; where that is slower than the rate, it is said."""
    estimate = estimate_of(
        lanes=[Load(puts=1000, lists=0)], rate_per_s=100, workers=64, latency_s=0.1, failures_max=failures_max
    )
    assert estimate.duration_s == pytest.approx(duration_s)
    assert estimate.is_paced_by_failures is (duration_s > 10)


def test_waves_go_one_after_the_other_each_with_its_slowest_answer_and_its_soak() -> None:
    """By its longest lane; nothing soaks behind the last one, and a wave that has ended takes nothing."""
    lanes = [Load(puts=100, lists=2), Load(puts=40, lists=2)]
    known = {"lanes": lanes, "rate_per_s": 10, "workers": 64, "latency_s": 0.5, "soak_s": 60.0}
    estimate = estimate_of(**known, waves=[[10, 30], [90, 10]])  # type: ignore[arg-type]
    look_s, put_s = 0.5, 0.1
    first_s = look_s + 30 * put_s + 0.5
    second_s = first_s + 60 + 90 * put_s + 0.5
    assert estimate.wave_ends_s == pytest.approx((first_s, second_s))
    assert estimate.duration_s == pytest.approx(second_s + look_s)
    assert estimate.soak_s == 60
    left = estimate_of(**known, waves=[[0, 0], [90, 10]])  # type: ignore[arg-type]
    assert left.wave_ends_s == pytest.approx((0, look_s + 90 * put_s + 0.5))
    assert left.soak_s == 0
