"""A ceiling that a person sets during a run: kept at once, and never taken for the limit of the server."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.model import Limit, Reply, Throttled, Why
from bulk.pacing import Accepted, Capped, Pacing, Throttling, auto, believed, fixed, step
from bulk.pacing.states import Trial
from tests.limiters import Bucket, Path, run, steady

REFUSED = Throttled(reply=Reply(http=429, code="APIGW.0308"))
NEAR = Path(latency_s=0.005, jitter_s=0.001)


def capped(state: Pacing, most_per_s: float, now: float = 0.0) -> Pacing:
    """Return the state under a ceiling."""
    return step(state, Capped(most_per_s=most_per_s), now)


def test_it_is_kept_at_once_and_so_is_the_rate_of_the_job() -> None:
    """The lower of the two is in force, and is named as what a person gave."""
    state = capped(fixed(20.0), 5.0)
    assert state.rate_per_s == 5.0
    assert believed(state) == (Limit(requests=300, window_s=60.0), Why.GIVEN)
    assert capped(fixed(20.0), 50.0).rate_per_s == 20.0


def test_without_it_the_rate_is_what_it_was() -> None:
    """Also where it was raised and lowered meanwhile."""
    state = capped(capped(capped(fixed(20.0), 5.0), 2.0), 8.0)
    assert state.rate_per_s == 8.0
    assert capped(state, inf) == fixed(20.0)._replace(round_at=0.0, cut_at=0.0)


def test_a_search_comes_back_to_what_it_had_found() -> None:
    """A rate under a ceiling proves nothing of the server, however long it lasts."""
    answers, before = run(auto(), Bucket(rate=steady(60.0), burst=5), seconds=60, path=NEAR)
    assert any(not answer.taken for answer in answers)
    state = capped(before, 5.0, now=60.0)
    for second in range(60, 600):
        for tenth in range(5):
            state = step(state, Accepted(granted_at=second + tenth / 5), second + tenth / 5 + 0.01)
        assert state.rate_per_s == 5.0
    assert state.limit == before.limit
    after = capped(state, inf, now=600.0)
    assert after.rate_per_s == (before.trial or before).rate_per_s
    assert after.cap_per_s == inf


def test_a_trial_under_way_ends_with_the_rate_before_it() -> None:
    """What it would have found was about another rate."""
    trial = Pacing(rate_per_s=30.0, trial=Trial(rate_per_s=40.0, growth=0.1, answers=0, refused=0))
    state = capped(trial, 10.0)
    assert state.trial is None
    assert capped(state, inf).rate_per_s == 40.0


def test_what_the_server_takes_less_meanwhile_is_still_believed_without_it() -> None:
    """The rate found under the ceiling is where the search goes on."""
    answers, state = run(capped(auto(), 50.0), Bucket(rate=steady(20.0), burst=4), seconds=60, path=NEAR)
    assert max(answer.at for answer in answers) > 50
    assert state.rate_per_s < 40.0
    assert capped(state, inf).rate_per_s == (state.trial or state).rate_per_s


def test_a_request_that_left_before_it_says_nothing_of_the_rate_under_it() -> None:
    """Twenty refusals of the rate before cost the new one nothing, unless nothing is accepted at all."""
    state = capped(fixed(200.0), 5.0, now=10.0)
    for number in range(3):
        state = step(state, Throttling(granted_at=9.9 + number / 100, throttled=REFUSED), 10.1)
    assert state.rate_per_s == 5.0
    assert not state.is_shut
    shut = Pacing(rate_per_s=10.0, spacing_s=0.1, cut_at=3.0)
    assert capped(shut, 5.0, now=10.0).cut_at == 3.0


@given(
    st.lists(st.tuples(st.floats(0, 2), st.sampled_from(["taken", "refused", "cap", "lift"])), max_size=60)
)
def test_it_is_never_exceeded(events: list[tuple[float, str]]) -> None:
    """Whatever the server answers, and whatever was said before."""
    state, now, most_per_s = auto(), 0.0, inf
    for wait_s, what in events:
        now += wait_s
        if what in {"cap", "lift"}:
            most_per_s = 3.0 + wait_s if what == "cap" else inf
            state = capped(state, most_per_s, now)
        elif what == "taken":
            state = step(state, Accepted(granted_at=now), now + 0.01)
        else:
            state = step(state, Throttling(granted_at=now, throttled=REFUSED), now + 0.01)
        assert 0 < state.rate_per_s <= most_per_s


@pytest.mark.parametrize("most_per_s", [0.1, 5.0])
def test_a_higher_ceiling_is_used_at_once(most_per_s: float) -> None:
    """As far as the rate before reached."""
    assert capped(capped(fixed(20.0), most_per_s), 10.0).rate_per_s == 10.0
