"""No window of time ever holds more grants than the rate allows, whatever happens to clock and rate."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.pacing import fixed
from bulk.pacing.limiter import Limiter
from tests.limiters import StillClock

SECONDS = 30.0


def most(grants: list[float], window_s: float) -> int:
    """Return the most grants in any window of that length, its end not included."""
    return max((bisect_left(grants, at + window_s) - number for number, at in enumerate(grants)), default=0)


def granted(limiter: Limiter, clock: StillClock, looks: Iterable[float]) -> list[float]:
    """Return when a queue that never ends is served, if the limiter looks up after each of these waits."""
    grants = []
    for wait_s in looks:
        clock.time_s += wait_s
        while limiter._next_at() <= clock.time_s:
            grants.append(limiter._grant(clock.time_s, scheduled_s=clock.time_s - limiter._credit_s()))
    return grants


@pytest.mark.parametrize("rate", [1 / 60, 0.5, 1, 7, 20, 100, 500, 2000])
@pytest.mark.parametrize("late_s", [0.0, 0.0005, 0.0011], ids=["exact", "0.5 ms", "1.1 ms"])
def test_a_fixed_rate_is_held(rate: float, late_s: float) -> None:
    """0.99 to 1.00 in the long run; at most the rate in any second, a tenth and one in any 100 ms."""
    clock = StillClock()
    limiter = Limiter(fixed(rate), clock=clock)
    seconds = max(SECONDS / 3, 40 / rate)
    grants: list[float] = []
    while clock.time_s < seconds:
        grants += granted(limiter, clock, [max(0.0, limiter._next_at() - clock.time_s) + late_s])
    assert 0.99 * rate <= (len(grants) - 1) / (grants[-1] - grants[0]) <= rate
    assert most(grants, max(1.0, 1 / rate)) <= max(1, rate)
    assert most(grants, 0.1) <= rate / 10 + 1


WAITS = st.lists(
    st.floats(0.0, 0.02) | st.floats(0.0, 0.3) | st.sampled_from([5.0, 60.0, 3600.0]),
    min_size=1,
    max_size=300,
)


@given(st.sampled_from([1.0, 7.0, 20.0, 99.5, 500.0, 2000.0]), WAITS)
def test_no_lateness_idleness_or_jump_releases_a_burst(rate: float, waits: list[float]) -> None:
    """A process that is late, idle or suspended at random keeps both windows."""
    clock = StillClock()
    grants = granted(Limiter(fixed(rate), clock=clock), clock, waits)
    assert most(grants, 1.0) <= ceil(rate)
    assert most(grants, 0.1) <= rate / 10 + 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time at one rate."""

    rate: float
    waits: tuple[float, ...]


STRETCHES = st.lists(
    st.builds(
        Stretch,
        st.sampled_from([2.0, 10.0, 40.0, 200.0, 1000.0]),
        st.lists(st.floats(0.0, 0.1), min_size=1, max_size=40).map(tuple),
    ),
    min_size=2,
    max_size=8,
)


@given(STRETCHES)
def test_after_a_change_of_rate_the_new_rate_counts_at_once(stretches: list[Stretch]) -> None:
    """Each grant is the last of no window, reaching back over the change, with more than its own rate."""
    clock = StillClock()
    limiter = Limiter(fixed(1.0), clock=clock)
    grants: list[float] = []
    for stretch in stretches:
        limiter.pacing = fixed(stretch.rate)
        before = len(grants)
        grants += granted(limiter, clock, stretch.waits)
        for number in range(before, len(grants)):
            upto = grants[: number + 1]
            assert sum(at > grants[number] - 1.0 for at in upto) <= ceil(stretch.rate)
            assert sum(at > grants[number] - 0.1 for at in upto) <= stretch.rate / 10 + 1
