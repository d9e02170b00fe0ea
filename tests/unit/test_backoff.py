"""Waits between attempts: full jitter under a cap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.pacing.backoff import BASE_S, CAP_S, backoff_s


@pytest.mark.parametrize(
    ("tries", "most_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (50, 30.0)]
)
def test_the_longest_wait_doubles_up_to_the_cap(tries: int, most_s: float) -> None:
    """Half a second after the first attempt, then twice as long each time, thirty seconds at most."""
    assert backoff_s(tries, 1.0) == most_s


def test_late_waits_still_differ() -> None:
    """The cap comes before the jitter: clients that failed together do not come back together."""
    assert backoff_s(9, 0.25) != backoff_s(9, 0.75)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_negative_and_never_beyond_the_cap(tries: int, roll: float) -> None:
    """However often it was tried, whatever the dice show."""
    assert 0 <= backoff_s(tries, roll) <= min(CAP_S, BASE_S * 2 ** min(tries, 10))
