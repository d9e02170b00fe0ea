"""A rate that a person gave: held exactly while the server takes it, never exceeded, and come back to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.model import Limit, Reply, Throttled, Why
from bulk.pacing import Accepted, Throttling, believed, fixed, step
from tests.limiters import Bucket, Path, run, steady, stepped

REPLY = Reply(http=429, code="APIGW.0308")
NEAR = Path(latency_s=0.005, jitter_s=0.001)


def refusal(
    granted_at: float, *, retry_after_s: float | None = None, limit: Limit | None = None
) -> Throttling:
    """Return the event of one refusal."""
    return Throttling(
        granted_at=granted_at, throttled=Throttled(reply=REPLY, retry_after_s=retry_after_s, limit=limit)
    )


@given(st.lists(st.floats(0, 2), max_size=60), st.sampled_from([1 / 60, 7.5, 2000.0]))
def test_without_a_refusal_nothing_changes_it(waits: list[float], rate_per_s: float) -> None:
    """Whatever the pauses between requests: it neither grows nor shrinks, and says it was given."""
    state, now = fixed(rate_per_s), 0.0
    for wait_s in waits:
        now += wait_s
        state = step(state, Accepted(granted_at=now), now + 0.01)
    known = believed(state)
    assert state.rate_per_s == rate_per_s
    assert known is not None
    assert known[1] is Why.GIVEN


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.none() | st.floats(0, 90)), max_size=40))
def test_no_event_makes_it_faster(events: list[tuple[float, bool, float | None]]) -> None:
    """Whatever the server answers, the rate that was given is never exceeded."""
    state, now = fixed(7.5), 0.0
    for wait_s, taken, retry_after_s in events:
        now += wait_s
        event = Accepted(granted_at=now) if taken else refusal(now, retry_after_s=retry_after_s)
        state = step(state, event, now)
        assert 0 < state.rate_per_s <= 7.5


@pytest.mark.parametrize("burst", [4, 40])
def test_a_server_that_takes_less_is_used_all_the_same(burst: int) -> None:
    """200/s were given, 40/s are allowed: nine tenths of that are used, and few requests refused."""
    answers, _ = run(fixed(200.0), Bucket(rate=steady(40.0), burst=burst), seconds=60, path=NEAR)
    late = [answer for answer in answers if answer.at >= 10]
    assert sum(answer.taken for answer in late) >= 0.9 * 40 * 50
    assert sum(not answer.taken for answer in late) <= 0.03 * len(late)


def test_what_was_given_is_come_back_to() -> None:
    """The server takes less for a while, then all of it again."""
    answers, pacing = run(
        fixed(50.0), Bucket(rate=stepped((0, 20.0), (20, 500.0)), burst=5), seconds=60, path=NEAR
    )
    assert pacing.rate_per_s == 50.0
    assert sum(answer.taken for answer in answers if answer.at >= 50) >= 0.98 * 50 * 10
