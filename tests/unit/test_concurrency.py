"""How many workers a rate needs."""

from hypothesis import given
from hypothesis import strategies as st

from bulk.core.concurrency import Answered, Event, Failed, Sizing, sizing, step, workers

FAST = Answered(latency_s=0.05)


def after(state: Sizing, *events: Event) -> Sizing:
    """Give the state after some requests."""
    for event in events:
        state = step(state, event)
    return state


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
    slower = after(sizing(64), FAST, *[Answered(latency_s=0.1)] * 40)
    assert workers(slower, 200.0) == 32


def test_a_burst_of_failures_halves_once() -> None:
    """Requests that fail together are one sign; those that fail after the halving are the next."""
    state = after(sizing(16), *[FAST] * 3, *[Failed()] * 10)
    assert state.allowed == 8
    assert after(state, *[Failed()] * 7).allowed == 4


def test_a_server_that_fails_is_left_with_one_worker_and_never_with_none() -> None:
    """Somebody has to find out when it is well again."""
    assert workers(after(sizing(64), FAST, *[Failed()] * 1000), 2000.0) == 1


def test_a_server_that_becomes_slow_is_given_fewer() -> None:
    """Answers of ten times the usual latency shrink what is allowed instead of calling for more."""
    state = after(sizing(64), *[FAST] * 100, *[Answered(latency_s=0.5)] * 30)
    assert state.allowed < 64 * 0.5


def test_what_was_taken_comes_back() -> None:
    """A server that answers as usual again gets all its workers back."""
    state = after(sizing(8), FAST, Failed())
    assert state.allowed == 4
    assert after(state, *[FAST] * 60).allowed == 8


EVENTS = st.lists(st.builds(Answered, latency_s=st.floats(0.0001, 60)) | st.builds(Failed), max_size=80)


@given(st.integers(1, 500), EVENTS, st.floats(0.01, 100_000))
def test_there_is_always_a_worker_and_never_more_than_the_cap(
    cap: int, events: list[Event], rate_per_s: float
) -> None:
    """Whatever happens, between one and the cap."""
    assert 1 <= workers(after(sizing(cap), *events), rate_per_s) <= cap
