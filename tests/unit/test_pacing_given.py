"""A rate that a person gave: it pauses when refused, and never changes."""

from hypothesis import given
from hypothesis import strategies as st

from bulk.core.model import Limit, Reply, Throttled
from bulk.core.pacing import Accepted, Fixed, Hold, Refused, fixed, step

REPLY = Reply(http=429, code="APIGW.0308")


def refusal(granted_at: float, *, retry_after_s: float | None = None, limit: Limit | None = None) -> Refused:
    """Give the event of one refusal."""
    return Refused(
        granted_at=granted_at, throttled=Throttled(reply=REPLY, retry_after_s=retry_after_s, limit=limit)
    )


def test_it_pauses_for_as_long_as_the_server_says() -> None:
    """`Retry-After` counts from when the refusal became known, and its limit is remembered."""
    limit = Limit(requests=60, window_s=60.0, policy="user")
    state = step(fixed(20.0), refusal(1.0, retry_after_s=12.0, limit=limit), 1.5)
    assert state == Fixed(rate_per_s=20.0, hold=Hold(until_s=13.5, refusals=1), limit=limit)


def test_a_pause_without_a_word_from_the_server_grows_while_nothing_is_accepted() -> None:
    """1, 2, 4, 8, 16 and then always 30 seconds: it never gives up, and never hammers."""
    state, now, pauses = fixed(20.0), 0.0, []
    for _ in range(8):
        state = step(state, refusal(now), now)
        pauses.append(state.hold.until_s - now)
        now = state.hold.until_s
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_retry_after_of_nothing_is_no_word() -> None:
    """`Retry-After: 0` from a server that just refused does not make the client hammer."""
    assert step(fixed(20.0), refusal(1.0, retry_after_s=0.0), 1.0).hold.until_s == 2.0


def test_one_burst_of_refusals_is_one_pause() -> None:
    """Requests that left before the pause do not lengthen it."""
    once = step(fixed(20.0), refusal(1.0), 1.1)
    assert step(once, refusal(1.05), 1.2) is once


def test_an_answer_to_an_earlier_request_does_not_end_the_pause() -> None:
    """Only a request that left after the pause shows that the server takes requests again."""
    held = step(fixed(20.0), refusal(1.0, retry_after_s=10.0), 1.1)
    assert step(held, Accepted(granted_at=0.9), 1.2) is held
    assert step(held, Accepted(granted_at=11.2), 11.3) == fixed(20.0)


def test_an_acceptance_without_a_pause_changes_nothing() -> None:
    """The common case costs no new state."""
    state = fixed(20.0)
    assert step(state, Accepted(granted_at=1.0), 1.1) is state


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.none() | st.floats(0, 90)), max_size=40))
def test_no_event_changes_the_rate(events: list[tuple[float, bool, float | None]]) -> None:
    """Whatever the server answers, the rate is exactly what was given."""
    state, now = fixed(7.5), 0.0
    for wait_s, taken, retry_after_s in events:
        now += wait_s
        event = Accepted(granted_at=now) if taken else refusal(now, retry_after_s=retry_after_s)
        state = step(state, event, now)
    assert state.rate_per_s == 7.5
