"""How many workers a rate needs."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.pacing.pool import Answered, Sizing, sizing, step, workers

FAST = Answered(latency_s=0.05)
SLOW = Answered(latency_s=0.5)
FAILED = Answered(latency_s=0.05, is_failure=True)


def after(state: Sizing, *events: Answered) -> Sizing:
    """Return the state after some requests."""
    for event in events:
        state = step(state, event)
    return state


def fewest(share: float, bad: Answered, *, seed: int) -> int:
    """Return the fewest workers at 200/s while a share of 2,000 answers is bad, at random."""
    dice, state, least = Random(seed), after(sizing(64), FAST), 64
    for _ in range(2000):
        state = step(state, bad if dice.random() < share else FAST)
        least = min(least, workers(state, 200.0))
    return least


def test_before_the_first_answer_a_few_workers_are_enough() -> None:
    """Nothing is known about the latency, so nothing calls for more."""
    assert workers(sizing(64), 20.0) == 2


def test_the_need_is_rate_times_latency_with_some_room() -> None:
    """200/s at 50 ms keep ten requests in flight; half as many again and two are ready."""
    assert workers(after(sizing(64), FAST), 200.0) == 17
    assert workers(after(sizing(64), FAST), 20.0) == 4


def test_the_cap_is_never_exceeded() -> None:
    """A rate that would need thousands gets what is allowed."""
    assert workers(after(sizing(64), FAST), 100_000.0) == 64


def test_the_need_follows_the_latency() -> None:
    """An answer that takes twice as long for good needs twice the workers."""
    slower = after(sizing(64), FAST, *[Answered(latency_s=0.1)] * 80)
    assert workers(slower, 200.0) == 32


@pytest.mark.parametrize("bad", [FAILED, SLOW], ids=["failed", "slow"])
@pytest.mark.parametrize("share", [0.02, 0.11, 0.2, 0.3])
def test_trouble_at_random_leaves_what_the_rate_needs(share: float, bad: Answered) -> None:
    """Failures and slow answers that do not come from the load leave rate times latency in flight."""
    for seed in range(5):
        assert fewest(share, bad, seed=seed) >= 200 * 0.05


def test_a_share_of_failures_that_is_usual_is_no_trouble() -> None:
    """Where half of the requests fail all the time, that they do is known after some hundred of them."""
    dice, state = Random(1), after(sizing(64), *[FAST, FAILED] * 200)
    for _ in range(2000):
        state = step(state, FAILED if dice.random() < 0.5 else FAST)
        assert state.allowed > 32


def test_failures_that_take_long_are_provided_for() -> None:
    """A twentieth of the requests hangs for ten seconds: in flight is what that comes to on average."""
    hangs = Answered(latency_s=10.0, is_failure=True)
    state = after(sizing(64), FAST, *([hangs] + [FAST] * 19) * 20)
    assert workers(state, 20.0) >= 20 * 0.5


@pytest.mark.parametrize("bad", [FAILED, SLOW], ids=["failed", "slow"])
def test_a_server_that_gets_into_trouble_is_given_fewer(bad: Answered) -> None:
    """Where most answers fail, or take ten times the usual, what is allowed shrinks within one round."""
    assert after(sizing(64), *[FAST] * 300, *[bad] * 30).allowed <= 32


def test_one_burst_is_one_cut() -> None:
    """Requests that were in flight at a cut say nothing of it; those that fail after them are the next."""
    cut = after(sizing(32), *[FAST] * 9, *[FAILED] * 20)
    assert cut.allowed == 16
    assert after(cut, *[FAILED] * 20).allowed == 16
    assert after(cut, *[FAILED] * 32).allowed == 8


def test_a_server_that_fails_for_good_is_left_with_one_worker_and_never_with_none() -> None:
    """That failures have become usual is no reason to send more; somebody still has to find out."""
    assert workers(after(sizing(500), FAST, *[FAILED] * 3000), 2000.0) == 1


def test_slowness_that_lasts_becomes_usual() -> None:
    """A server that takes ten times as long from now on gets what its rate needs again."""
    state = after(sizing(64), *[FAST] * 300, *[SLOW] * 2000)
    assert state.allowed == 64


def test_what_was_taken_comes_back() -> None:
    """A server that answers as usual again gets all its workers back."""
    state = after(sizing(8), FAST, *[FAILED] * 20)
    assert state.allowed < 8
    assert after(state, *[FAST] * 100).allowed == 8


EVENTS = st.lists(st.builds(Answered, latency_s=st.floats(0, 60), is_failure=st.booleans()), max_size=80)


@given(st.integers(1, 500), EVENTS, st.floats(0.01, 100_000))
def test_there_is_always_a_worker_and_never_more_than_the_cap(
    cap: int, events: list[Answered], rate_per_s: float
) -> None:
    """Whatever happens, between one and the cap."""
    assert 1 <= workers(after(sizing(cap), *events), rate_per_s) <= cap
