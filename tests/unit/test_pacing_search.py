"""The search for the server's limit, rule by rule; how well it does as a whole is in the property tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.core.model import Limit, Reply, Throttled, Why
from bulk.core.pacing import Accepted, Event, Pacing, Refused, auto, step

REPLY = Reply(http=400, code="EndPoint.0022")
TRIP_S = 0.1
MINUTE = Limit(requests=60, window_s=60.0, policy="user")


def refusal(granted_at: float, *, retry_after_s: float | None = None, limit: Limit | None = None) -> Refused:
    """Give the event of one refusal."""
    return Refused(
        granted_at=granted_at, throttled=Throttled(reply=REPLY, retry_after_s=retry_after_s, limit=limit)
    )


def told(state: Pacing, *events: Event) -> Pacing:
    """Give the state after events, each of which became known one round trip after its grant."""
    for event in events:
        after = step(state, event, event.granted_at + TRIP_S)
        assert isinstance(after, Pacing)
        state = after
    return state


def taken(state: Pacing, *, since: float, seconds: float) -> Pacing:
    """Give the state after a stretch in which the whole rate was accepted."""
    now, end = since, since + seconds
    while now < end:
        state = told(state, Accepted(granted_at=now))
        now += 1 / state.rate_per_s
    return state


def test_it_doubles_each_second_until_it_is_refused() -> None:
    """10, 20, 40, 80 a second: a limit of 1,000/s is reached within seven seconds."""
    assert taken(auto(), since=0.0, seconds=0.9).rate_per_s == 10.0
    assert taken(auto(), since=0.0, seconds=1.2).rate_per_s == 20.0
    assert taken(auto(), since=0.0, seconds=3.5).rate_per_s == 80.0


def test_one_burst_of_refusals_is_one_cut() -> None:
    """Requests that left before the cut was known change the rate no more."""
    state = taken(auto(), since=0.0, seconds=2.5)
    cut = told(state, refusal(2.5))
    again = told(cut, refusal(2.55), refusal(2.59))
    assert cut.rate_per_s < state.rate_per_s
    assert again.rate_per_s == cut.rate_per_s
    assert again.refusals == 1


def test_an_echo_makes_the_next_probe_wait_longer() -> None:
    """Each refusal is paid for with accepted requests, also one that cuts nothing."""
    state = taken(auto(), since=0.0, seconds=2.5)._replace(growth=0.01)
    cut = told(state, refusal(2.5))
    assert told(cut, refusal(2.55)).owed > cut.owed > 0


def test_a_request_that_overtook_another_is_an_echo_too() -> None:
    """Within a quarter of the round trip after a cut, requests may still arrive among the older ones."""
    cut = told(taken(auto(), since=0.0, seconds=2.5), refusal(2.5))
    assert told(cut, refusal(2.61)).refusals == 1
    assert told(cut, refusal(2.63)).refusals == 2


def test_a_cut_goes_to_what_was_accepted_in_the_cycle() -> None:
    """From refusal to refusal 100 were accepted in one second: that is the limit, less one percent."""
    state = Pacing(
        rate_per_s=110.0, growth=0.01, cycle_at=10.0, cycle_accepted=99, cut_at=10.0, why=Why.FOUND
    )
    assert told(state, refusal(11.0)).rate_per_s == pytest.approx(99, rel=0.02)


def test_a_cut_never_goes_below_what_the_probe_started_from() -> None:
    """A rate that was sustained and paid for is come back to."""
    state = Pacing(
        rate_per_s=110.0, growth=0.01, cycle_at=0.0, cycle_accepted=10, cut_at=0.0, sustained_per_s=100.0
    )
    assert 100.0 <= told(state, refusal(11.0)).rate_per_s < 110.0


def test_the_first_answer_may_be_a_refusal() -> None:
    """With nothing accepted, the rate still goes down, and nothing is divided by zero."""
    state = told(auto(), refusal(5.0))
    assert 0 < state.rate_per_s <= 10.0


def test_a_stated_limit_is_believed_at_once() -> None:
    """60 a minute, stated while 20/s were sent, is paced at 0.99 of one a second."""
    state = told(taken(auto(), since=0.0, seconds=1.5), refusal(1.5, limit=MINUTE))
    assert state.rate_per_s == pytest.approx(0.99)
    assert (state.limit, state.why) == (MINUTE, Why.STATED)


def test_a_stated_limit_is_an_upper_bound() -> None:
    """Who is refused far below it shares it with somebody, and goes by what was accepted."""
    state = Pacing(rate_per_s=20.0, growth=0.01, cycle_at=0.0, cycle_accepted=100, cut_at=0.0)
    stated = Limit(requests=200, window_s=1.0, policy="api")
    assert told(state, refusal(10.0, limit=stated)).rate_per_s < 20.0


@pytest.mark.parametrize("limit", [Limit(requests=0, window_s=60.0), Limit(requests=60, window_s=0.0)])
def test_a_stated_limit_without_sense_is_not_believed(limit: Limit) -> None:
    """A limit of nothing, or per nothing, is as good as none."""
    assert told(auto(), refusal(5.0, limit=limit)).limit is None


def test_a_second_refusal_in_a_row_holds_until_a_knock() -> None:
    """Nothing accepted between two cuts: single requests, ever further apart, find the opening."""
    state = told(taken(auto(), since=0.0, seconds=1.5), refusal(1.5), refusal(1.7))
    waits = []
    for _ in range(4):
        now = state.hold.until_s
        assert state.spacing_s == pytest.approx(2 * TRIP_S)
        state = told(state, refusal(now))
        waits.append(state.hold.until_s - now)
    assert waits[0] < waits[-1]
    assert min(waits) > 2.0


def test_the_opening_of_a_window_tells_its_length() -> None:
    """20 accepted, then nothing until 5.1 s after the first: 20 in 5 s, paced at 0.99 of 4/s."""
    state = taken(auto(), since=0.0, seconds=1.45)
    state = told(state, refusal(1.5), refusal(1.7), refusal(2.6), refusal(4.5))
    opened = told(state, Accepted(granted_at=5.1))
    assert opened.limit == Limit(requests=state.cycle_accepted, window_s=5.0)
    assert opened.why is Why.FOUND
    assert opened.rate_per_s == pytest.approx(0.99 * state.cycle_accepted / 5)
    assert opened.spacing_s == 0.0
    assert opened.owed >= 4 * state.cycle_accepted


def test_a_short_silence_changes_nothing() -> None:
    """A window that opens again within a tenth of the cycle leaves the rate as it was cut."""
    state = Pacing(rate_per_s=200.0, growth=0.01, cycle_at=0.0, cycle_accepted=1900, window_at=0.0)
    shut = told(state, refusal(9.9), refusal(10.1))
    opened = told(shut, Accepted(granted_at=10.3))
    assert opened.rate_per_s == shut.rate_per_s


def test_a_known_window_is_knocked_at_when_it_opens() -> None:
    """The next turn of a window of 10 s that opened at 100 s is at 110 s, and a tenth of a second."""
    known = Limit(requests=1000, window_s=10.0)
    state = Pacing(
        rate_per_s=100.0, growth=0.01, limit=known, cycle_at=100.0, window_at=100.0, cycle_accepted=900,
        refusals=1, cut_at=107.0, shut_at=106.0,
    )  # fmt: skip
    assert told(state, refusal(107.9)).hold.until_s == pytest.approx(110.1)


def test_a_window_that_took_more_than_believed_allows_more() -> None:
    """At the end of a window the belief in a found limit rises to what was accepted without a refusal."""
    known = Limit(requests=50, window_s=10.0)
    state = Pacing(
        rate_per_s=7.0, growth=0.01, limit=known, cycle_at=100.0, window_at=100.0, cycle_accepted=70, owed=99
    )
    rolled = told(state, Accepted(granted_at=121.0))
    assert rolled.limit == Limit(requests=70, window_s=10.0)
    assert (rolled.window_at, rolled.cycle_accepted) == (120.0, 1)
    stated = told(state._replace(why=Why.STATED), Accepted(granted_at=121.0))
    assert stated.limit == known


def test_retry_after_is_honoured() -> None:
    """Nothing leaves before it is over, and its end opens a window like a knock."""
    state = told(taken(auto(), since=0.0, seconds=1.45), refusal(1.5, retry_after_s=58.5))
    assert state.hold.until_s == pytest.approx(1.6 + 58.5)
    opened = told(state, Accepted(granted_at=60.2))
    assert opened.limit is not None
    assert opened.limit.window_s == 60.0


def test_retry_after_is_believed_once() -> None:
    """A server that always says `1` and goes on refusing is knocked at ever more rarely."""
    state = told(taken(auto(), since=0.0, seconds=1.45), refusal(1.5, retry_after_s=1.0))
    for _ in range(8):
        now = state.hold.until_s
        state = told(state, refusal(now, retry_after_s=1.0))
    assert state.hold.until_s - now > 10.0


def test_an_early_refusal_pauses_without_a_cut() -> None:
    """In a window that has only just begun, a refusal is about other requests than these."""
    known = Limit(requests=600, window_s=60.0)
    state = Pacing(rate_per_s=9.9, growth=0.01, limit=known, cycle_at=60.0, window_at=60.0, cycle_accepted=5)
    paused = told(state, refusal(61.0))
    assert paused.rate_per_s == 9.9
    assert paused.hold.until_s == pytest.approx(61.1 + 3.0)
    assert told(paused, Accepted(granted_at=64.2)).limit == known


def test_mixed_answers_end_the_belief_in_a_found_window() -> None:
    """A window is shut or open; what refuses some and accepts others is a rate."""
    known = Limit(requests=600, window_s=60.0)
    state = Pacing(
        rate_per_s=9.9, growth=0.01, limit=known, cycle_at=60.0, window_at=60.0, cycle_accepted=300
    )
    mixed = told(state, refusal(90.0), Accepted(granted_at=90.2))
    assert mixed.limit is None
    stated = told(state._replace(why=Why.STATED), refusal(90.0), Accepted(granted_at=90.2))
    assert stated.limit == known


def test_a_probe_ends_a_window_at_most_ten_seconds_early() -> None:
    """Above a window of a minute the rate grows by a sixth at most, above one of five seconds to twice."""
    for known, most in (
        (Limit(requests=600, window_s=60.0), 70 / 6),
        (Limit(requests=50, window_s=5.0), 20.0),
    ):
        state = Pacing(rate_per_s=9.9, growth=0.25, limit=known, cycle_at=0.0, window_at=0.0, round_at=0.0)
        assert taken(state, since=0.0, seconds=known.window_s - 0.1).rate_per_s == pytest.approx(most)


def test_a_learned_limit_only_makes_the_start_slower() -> None:
    """A slow one is where it starts; a fast one is where the doubling ends."""
    slow, fast = Limit(requests=60, window_s=60.0), Limit(requests=50, window_s=1.0)
    assert auto(slow).rate_per_s == pytest.approx(0.99)
    assert auto(fast).rate_per_s == 10.0
    assert taken(auto(fast), since=0.0, seconds=4.2).rate_per_s == pytest.approx(49.5)
    later = taken(auto(fast), since=0.0, seconds=10.0)
    assert later.rate_per_s > 49.5
    assert later.limit is None


def test_a_slow_answer_from_before_the_cut_still_counts() -> None:
    """What was accepted in the cycle is complete only when its last answer is in."""
    state = told(taken(auto(), since=0.0, seconds=1.45), refusal(1.5))
    late = step(state, Accepted(granted_at=1.4), 1.7)
    assert isinstance(late, Pacing)
    assert late.cycle_accepted == state.cycle_accepted + 1
    shut = told(state, refusal(1.7))
    assert step(shut, Accepted(granted_at=1.4), 1.9) is shut


EVENTS = st.tuples(
    st.floats(0, 3), st.booleans(), st.none() | st.floats(0, 100), st.none() | st.integers(0, 5000)
)


@given(st.lists(EVENTS, max_size=60), st.floats(0, 1))
def test_no_answer_leads_to_a_senseless_rate(
    events: list[tuple[float, bool, float | None, int | None]], trip_s: float
) -> None:
    """Whatever the server answers, the rate is positive and bounded, and every hold ends."""
    state, now = auto(), 0.0
    for wait_s, accepted, retry_after_s, requests in events:
        now += wait_s
        limit = Limit(requests=requests, window_s=60.0) if requests is not None else None
        event = (
            Accepted(granted_at=now) if accepted else refusal(now, retry_after_s=retry_after_s, limit=limit)
        )
        after = step(state, event, now + trip_s)
        assert isinstance(after, Pacing)
        state = after
        assert 0 < state.rate_per_s <= 100_000
        assert state.hold.until_s < now + 200_000
        assert state.owed >= 0
