"""What a pacing state believes and waits for, and the words for it."""

import pytest

from bulk.model import Hold, Limit, Reply, Throttled, Wait, Why
from bulk.pacing import Pacing, Throttling, auto, believed, fixed, reason, step
from bulk.pacing.describe import limit_text, noise_text, wait_text
from bulk.pacing.states import RAMP, Trial

RATE = Wait(hold=Hold.RATE)
USER = Limit(requests=60, window_s=60.0, policy="user")


def test_a_given_rate_is_believed_because_it_was_given() -> None:
    """Slow rates read by the minute, fast ones by the second."""
    assert believed(fixed(20.0)) == (Limit(requests=20, window_s=1.0), Why.GIVEN)
    assert believed(fixed(0.5)) == (Limit(requests=30, window_s=60.0), Why.GIVEN)


def test_a_search_believes_nothing_until_it_was_refused() -> None:
    """While it doubles, nothing is known."""
    assert believed(auto()) is None


def test_a_search_believes_what_it_found_was_told_or_had_learned() -> None:
    """A rate, found or learned, is a limit by the second; a window that was stated is described as one."""
    assert believed(Pacing(rate_per_s=197.4, growth=0.01)) == (Limit(requests=197, window_s=1.0), Why.FOUND)
    probing = Pacing(rate_per_s=250.0, growth=0.1, ground_per_s=197.4)
    assert believed(probing) == (Limit(requests=197, window_s=1.0), Why.FOUND)
    assert believed(Pacing(limit=USER, why=Why.STATED)) == (USER, Why.STATED)
    learned = Limit(requests=50, window_s=1.0)
    assert believed(auto(learned)) == (learned, Why.LEARNED)


def test_a_trial_changes_no_belief() -> None:
    """While a slower rate is tried, what was believed of the faster one stands."""
    trial = Trial(rate_per_s=200.0, growth=RAMP, answers=20, refused=2)
    assert believed(fixed(200.0)._replace(rate_per_s=160.0, trial=trial)) == believed(fixed(200.0))
    assert believed(auto()._replace(rate_per_s=160.0, trial=trial)) is None


def test_a_given_rate_that_is_come_back_to_is_given_again() -> None:
    """A server that takes all of it has no limit to speak of."""
    assert believed(fixed(20.0)._replace(growth=0.01)) == believed(fixed(20.0))
    assert believed(fixed(20.0)._replace(growth=0.01, rate_per_s=15.0)) == (
        Limit(requests=15, window_s=1.0),
        Why.FOUND,
    )


@pytest.mark.parametrize(("noise", "words"), [(0.063, "6 %"), (0.2, "20 %"), (0.004, "1 %")])
def test_noise_is_put_into_words(noise: float, words: str) -> None:
    """In whole percent, and never as nothing."""
    assert noise_text(noise) == f"{words} throttled whatever the rate"


def test_the_reason_is_the_rate_unless_the_server_pushed_back() -> None:
    """A hold names the limit and how long it still lasts."""
    assert reason(fixed(20.0), 100.0) == RATE
    refusal = Throttling(
        granted_at=100.0, throttled=Throttled(reply=Reply(http=429), retry_after_s=12.0, limit=USER)
    )
    held = step(fixed(20.0), refusal, 100.0)
    assert reason(held, 100.0) == Wait(hold=Hold.PUSH_BACK, left_s=12.0, limit=USER)
    assert reason(held, 112.0) == RATE
    assert reason(Pacing(pushed_back_until_s=5.0), 0.0).left_s == 5.0


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (RATE, "its turn"),
        (
            Wait(hold=Hold.PUSH_BACK, left_s=12.0, limit=USER),
            "the server's push-back: limit 60 per minute (user), 12 s left",
        ),
        (Wait(hold=Hold.PREDECESSOR, row=7), "a predecessor: row 7"),
        (Wait(hold=Hold.PARKING, row=7), "the parking of a predecessor: row 7"),
        (Wait(hold=Hold.SETTLE), "the settle time and a read"),
        (Wait(hold=Hold.BACKOFF), "the backoff after a failed attempt"),
        (Wait(hold=Hold.KEY), "a PUT of the same key that is accepted"),
        (Wait(hold=Hold.WORKER, detail="cn-north-4"), "a worker: cn-north-4"),
        (
            Wait(hold=Hold.BUDGET, detail="at most 2 in flight (1 failed, max_failures allows 3)"),
            "the failure budget: at most 2 in flight (1 failed, max_failures allows 3)",
        ),
    ],
)
def test_a_wait_is_put_into_words(wait: Wait, words: str) -> None:
    """What is waited for, and then whatever is known about it."""
    assert wait_text(wait) == words


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(requests=200, window_s=1.0), "200 per second"),
        (Limit(requests=60, window_s=60.0, policy="user"), "60 per minute (user)"),
        (Limit(requests=10, window_s=3600.0, policy="api"), "10 per hour (api)"),
        (Limit(requests=9, window_s=86_400.0), "9 per day"),
        (Limit(requests=5, window_s=5.0, policy="ip"), "5 per 5 s (ip)"),
    ],
)
def test_a_limit_is_put_into_words(limit: Limit, words: str) -> None:
    """Windows have the names that people use."""
    assert limit_text(limit) == words


def test_a_wait_says_for_how_long_it_has_lasted_where_that_says_more() -> None:
    """Behind what is waited for."""
    asked = Wait(hold=Hold.JUDGE, detail="asked about wave 2", lasts_s=12.3)
    assert wait_text(asked) == "the judge: asked about wave 2 for 12 s"
