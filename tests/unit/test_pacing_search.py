"""The search for the server's limit, rule by rule; how well it does as a whole is in the property tests."""

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.model import Limit, Reply, Throttled, Why
from bulk.pacing import Accepted, Event, Pacing, Throttling, auto, fixed, noise, step
from bulk.pacing.states import RAMP, Trial

REPLY = Reply(http=400, code="EndPoint.0022")
TRIP_S = 0.1
MINUTE = Limit(requests=60, window_s=60.0, policy="user")


def refusal(
    granted_at: float, *, retry_after_s: float | None = None, limit: Limit | None = None
) -> Throttling:
    """Return the event of one refusal."""
    return Throttling(
        granted_at=granted_at, throttled=Throttled(reply=REPLY, retry_after_s=retry_after_s, limit=limit)
    )


def stepped(state: Pacing, *events: Event) -> Pacing:
    """Return the state after events, each of which became known one round trip after its grant."""
    for event in events:
        after = step(state, event, event.granted_at + TRIP_S)
        assert isinstance(after, Pacing)
        state = after
    return state


def taken(state: Pacing, *, since: float, seconds: float) -> Pacing:
    """Return the state after a stretch in which the whole rate was accepted."""
    now, end = since, since + seconds
    while now < end:
        state = stepped(state, Accepted(granted_at=now))
        now += 1 / state.rate_per_s
    return state


def answered(state: Pacing, pattern: str, *, since: float, every_s: float = 0.01) -> Pacing:
    """Return the state after answers in a row: `.` for an acceptance, `x` for a refusal."""
    for number, answer in enumerate(pattern):
        at = since + number * every_s
        state = stepped(state, Accepted(granted_at=at) if answer == "." else refusal(at))
    return state


def opened(state: Pacing, since: float) -> Pacing:
    """Return the state after the first probe that finds it open, where everything is refused until then."""
    while state.held_until_s < since:
        state = stepped(state, refusal(state.held_until_s))
    return stepped(state, Accepted(granted_at=state.held_until_s))


def tried() -> Pacing:
    """Return the state right after a quarter of 200/s was refused: a slower rate is being tried."""
    state = answered(fixed(200.0), "x..." * 6, since=0.0)
    assert state.trial is not None
    return state


def test_it_doubles_each_second_until_it_is_refused() -> None:
    """10, 20, 40, 80 a second: a limit of 1,000/s is reached within seven seconds."""
    assert taken(auto(), since=0.0, seconds=0.9).rate_per_s == 10.0
    assert taken(auto(), since=0.0, seconds=1.2).rate_per_s == 20.0
    assert taken(auto(), since=0.0, seconds=3.5).rate_per_s == 80.0


def test_refusals_within_the_tolerance_change_nothing() -> None:
    """Up to two or three in a hundred are no reason to go slower, also where three come together."""
    assert answered(fixed(200.0), ("." * 49 + "x") * 20, since=0.0).rate_per_s == 200.0
    assert answered(fixed(200.0), "." * 50 + "xx.x" + "." * 50, since=0.0).rate_per_s == 200.0


def test_too_many_refusals_are_a_cut_below_what_was_accepted() -> None:
    """A quarter of 200/s is refused: 150/s would be the limit, and a rate below that is tried."""
    assert 120.0 < tried().rate_per_s < 150.0


def test_one_burst_of_refusals_is_one_cut() -> None:
    """Requests that left before the cut was known change the rate no more; they have to be made good."""
    cut = tried()
    again = answered(cut, "xxxx", since=0.3)
    assert (again.rate_per_s, again.trial) == (cut.rate_per_s, cut.trial)
    assert again.owed > cut.owed


def test_a_slower_rate_that_is_refused_less_was_a_limit() -> None:
    """Nothing is refused of it: the rate becomes what was accepted before, and there is no noise."""
    after = answered(tried(), "." * 120, since=2.0)
    assert 140.0 < after.rate_per_s <= 160.0
    assert (after.trial, after.noise) == (None, 0.0)


def test_a_slower_rate_that_is_refused_all_the_same_was_not_to_blame() -> None:
    """The rate comes back at once, and the share that is refused anyway is known."""
    after = answered(tried(), "..x." * 30, since=2.0)
    assert after.rate_per_s == 200.0
    assert after.noise == pytest.approx(0.25, abs=0.05)
    assert answered(after, "..x." * 100, since=10.0).rate_per_s == 200.0


def test_a_slower_rate_that_is_refused_more_is_cut_again() -> None:
    """More than before, or more than can be noise: the limit lies further below."""
    again = answered(tried(), "x." * 60, since=2.0)
    assert again.trial is not None
    assert again.rate_per_s < 0.55 * tried().rate_per_s
    assert again.noise == 0.0


def test_what_exceeds_the_known_noise_is_a_limit_again() -> None:
    """With a twentieth refused anyway, a share of a half is tried like any other."""
    noisy = fixed(200.0)._replace(noise=0.05)
    assert answered(noisy, ("." * 19 + "x") * 20, since=0.0).rate_per_s == 200.0
    assert answered(noisy, "x." * 30, since=0.0).rate_per_s < 110.0


def test_noise_is_forgotten() -> None:
    """It may have ended: it is found anew if it has not."""
    noisy = fixed(200.0)._replace(noise=0.05, noise_until_s=30.0)
    assert stepped(noisy, Accepted(granted_at=29.0)).noise == 0.05
    assert stepped(noisy, Accepted(granted_at=31.0)).noise == 0.0


def test_a_trial_in_a_search_that_finds_noise_lets_it_go_on() -> None:
    """The doubling was interrupted, not ended."""
    trying = answered(auto(), "xx.." * 20, since=0.0)
    assert trying.trial is not None
    found = answered(trying, "..x." * 30, since=2.0)
    assert (found.rate_per_s, found.growth) == (10.0, RAMP)


def doubled(*, most_per_s: float, seconds: float, every: int) -> Pacing:
    """Return the state of a search of which at most this rate leaves, and each `every`-th is refused."""
    state, now, number = auto(), 0.0, 0
    while now < seconds:
        number += 1
        state = stepped(state, refusal(now) if number % every == 0 else Accepted(granted_at=now))
        now += 1 / min(state.rate_per_s, most_per_s)
    return state


def test_doubling_goes_on_through_a_share_of_refusals_that_may_be_noise() -> None:
    """A quarter is refused of each rate alike: no limit does that, so the search need not stop to try."""
    state = doubled(most_per_s=inf, seconds=5.0, every=4)
    assert (state.rate_per_s, state.trial) == (160.0, None)


def test_refusals_of_a_rate_that_is_not_used_are_about_what_left() -> None:
    """40/s of 80/s leave, and a quarter is refused: no next doubling tells, and less than 40/s is tried."""
    state = doubled(most_per_s=40.0, seconds=6.0, every=4)
    assert state.trial is not None
    assert state.trial.rate_per_s == pytest.approx(40.0, abs=2.0)
    assert state.rate_per_s < 32.0


def test_a_minute_without_requests_says_nothing_of_the_rate_at_which_they_leave() -> None:
    """After a pause of the run half of 80/s is refused: about 40/s is tried, and not what the pause used."""
    before = taken(auto(), since=0.0, seconds=3.5)
    assert before.rate_per_s == 80.0
    paused = stepped(before, Accepted(granted_at=64.0))
    after = answered(paused, ".x" * 12, since=64.1, every_s=0.0125)
    assert after.trial is not None
    assert after.trial.rate_per_s == 80.0


def test_a_limit_that_ends_the_doubling_is_no_noise() -> None:
    """Half is refused, and of a slower rate hardly anything: the doubling is over."""
    trying = answered(auto(), "x." * 20, since=0.0)
    assert trying.trial is not None
    found = answered(trying, "xx" + "." * 120, since=2.0)
    assert found.rate_per_s < 10.0
    assert found.growth < RAMP


def test_the_rate_that_a_person_set_ends_the_doubling() -> None:
    """No next doubling can tell a limit from noise there, so a quarter refused is tried at once."""
    arrived = fixed(200.0)._replace(below_per_s=135.0)
    assert answered(arrived, "x..." * 6, since=0.0).trial is not None


def test_much_less_of_a_slower_rate_was_a_limit_though_some_is_still_refused() -> None:
    """Most of 200/s was refused and a third of a slower rate is: no noise differs so much."""
    before = Trial(rate_per_s=200.0, growth=RAMP, answers=35, refused=29)
    trying = fixed(32.0)._replace(trial=before)
    after = answered(trying, "x.." * 40, since=2.0)
    assert after.noise == 0.0
    assert after.rate_per_s < 32.0


def test_a_trial_of_which_no_share_was_refused_ends_as_any_other() -> None:
    """What called for it was a wait, and much noise is known: a little more of it is no limit to go by."""
    before = Trial(rate_per_s=100.0, growth=0.1, answers=60, refused=0)
    trying = fixed(100.0)._replace(rate_per_s=93.0, cycle_at=0.0, noise=0.34, trial=before)
    after = answered(trying, "x.." * 34 + "x." * 8 + "x", since=10.0)
    assert after.trial is not None
    ended = answered(after, ".", since=12.0)
    assert (ended.trial, ended.rate_per_s) == (None, 93.0 / 0.93)


def test_what_may_be_noise_is_tried_once_the_doubling_has_stopped() -> None:
    """The sender goes no faster: what is refused now is not answered by the next doubling any more."""
    state = answered(auto(), "..x." * 30, since=0.0, every_s=0.2)
    assert state.trial is not None


CLIMBING = Pacing(rate_per_s=120.0, growth=0.05, ground_per_s=100.0, cycle_at=0.0)


def test_a_climb_that_is_refused_goes_back_to_what_was_accepted() -> None:
    """A tenth of 120/s is refused: 108/s, and no trial, as it is known that slower helps."""
    after = answered(CLIMBING, ("x" + "." * 8) * 8, since=1.0)
    assert after.trial is None
    assert 100.0 <= after.rate_per_s < 115.0


def test_a_climb_never_goes_back_below_where_it_began() -> None:
    """Half is refused: not that rate, which was accepted for long, but the last step was too much."""
    assert answered(CLIMBING, "x." * 10, since=1.0).rate_per_s >= 100.0


def test_a_climb_goes_back_one_step_and_then_to_where_it_began() -> None:
    """Half of 120/s is refused, as of a bucket without burst: 114/s was taken, so it may be the limit."""
    once = answered(CLIMBING._replace(below_per_s=114.0, round_at=1.0), "x." * 10, since=1.0)
    assert once.rate_per_s == 114.0
    assert answered(once, "x." * 10, since=2.0).rate_per_s == 100.0


def test_a_climb_begins_once_refusals_have_been_made_good() -> None:
    """Each refusal costs fifty acceptances, twice as many where the limit is stated."""
    held = Pacing(rate_per_s=100.0, growth=0.01, owed=2.0, cycle_at=0.0, round_at=0.0)
    stated = held._replace(limit=MINUTE, why=Why.STATED)
    assert taken(held, since=0.0, seconds=0.4).rate_per_s == 100.0
    assert taken(held, since=0.0, seconds=1.2).rate_per_s > 100.0
    assert taken(stated, since=0.0, seconds=0.8).owed > 1.0


def test_a_stated_limit_is_believed_once_its_refusals_are_a_cut() -> None:
    """20 a second, stated while a quarter of 30/s was refused, is the pace."""
    limit = Limit(requests=20, window_s=1.0, policy="api")
    state = fixed(30.0)
    for number in range(24):
        at = number / 30
        state = stepped(state, refusal(at, limit=limit) if number % 3 == 0 else Accepted(granted_at=at))
    assert (state.rate_per_s, state.limit, state.why) == (20.0, limit, Why.STATED)


def test_a_stated_limit_is_an_upper_bound() -> None:
    """Who is refused below it shares it with somebody, and tries a slower rate."""
    limit = Limit(requests=40, window_s=1.0, policy="api")
    state = answered(fixed(30.0)._replace(stated=limit), "x..." * 6, since=0.0)
    assert (state.limit, state.why) == (limit, Why.STATED)
    assert state.rate_per_s < 30.0


def test_a_stated_limit_that_cannot_be_is_not_believed() -> None:
    """60 a minute, stated while most of 200 a second is accepted, is not the limit that refuses."""
    state = fixed(200.0)
    for number in range(200):
        at = number / 200
        state = stepped(state, refusal(at, limit=MINUTE) if number % 10 == 0 else Accepted(granted_at=at))
    assert state.rate_per_s > 150.0
    assert state.why is not Why.STATED


def shut_at(state: Pacing, at: float, **how: Any) -> Pacing:
    """Return the state after so many refusals in a row that it can be no noise."""
    return stepped(state, *(refusal(at + number / 100, **how) for number in range(9)))


def test_many_refusals_in_a_row_hold_until_a_probe() -> None:
    """Nothing is accepted any more: single requests, ever further apart, find when it is again."""
    state = shut_at(fixed(200.0)._replace(cycle_at=0.0, cycle_accepted=4000), 20.0)
    waits = []
    while state.pushed_back_until_s < 30:
        now = state.pushed_back_until_s
        assert state.is_shut
        assert state.spacing_s == pytest.approx(2 * TRIP_S)
        state = stepped(state, refusal(now))
        waits.append(state.pushed_back_until_s - now - TRIP_S)
    assert len(waits) < 20
    assert waits[0] < 0.2 < waits[-1]
    assert max(waits) < 5.0


def test_probes_leave_at_round_times() -> None:
    """That is when windows open: a shut one that began at 0 s is asked at 5, 10, 30 and 60 s, and between."""
    state = shut_at(fixed(200.0)._replace(cycle_at=0.0, cycle_accepted=4000), 1.0)
    probes = []
    while (now := state.pushed_back_until_s) < 61:
        probes.append(round(now, 1))
        state = stepped(state, refusal(now))
    assert {5.1, 10.1, 30.1, 60.1} < set(probes)
    assert len(probes) < 30


def test_a_later_request_that_is_accepted_ends_the_hold() -> None:
    """It was in flight when the others were refused, and left after them: there is no shut window."""
    state = shut_at(taken(auto(), since=0.0, seconds=1.5), 1.5)
    assert step(state, Accepted(granted_at=1.54), 1.66).pushed_back_until_s == -inf
    assert step(state, Accepted(granted_at=1.45), 1.66).is_shut


def test_a_round_begins_anew_where_a_hold_ends() -> None:
    """The time in which nothing could leave would make the rate look as if it had not been used."""
    state = shut_at(taken(auto(), since=0.0, seconds=1.45), 1.5)
    lifted = step(state, Accepted(granted_at=1.54), 1.66)
    assert (lifted.round_at, lifted.round_answers) == (1.54, 0)
    after = opened(state, since=5.0)
    assert (after.round_at, after.round_answers) == (after.cycle_at, 0)


def test_the_opening_of_a_window_tells_its_length() -> None:
    """20 accepted, then nothing until 5.1 s after the first: 20 in 5 s, paced at 4/s."""
    state = shut_at(taken(auto(), since=0.0, seconds=1.45), 1.5)
    after = opened(state, since=5.0)
    assert after.limit == Limit(requests=state.cycle_accepted, window_s=5.0)
    assert after.why is Why.FOUND
    assert after.rate_per_s == pytest.approx(state.cycle_accepted / 5)
    assert after.spacing_s == 0.0


def test_the_first_shut_spell_of_a_search_is_a_window_though_its_last_doubling_was_not_used() -> None:
    """1,200 left in 34 s, as late timers let them, and none more are accepted before a minute is over."""
    searching = auto()._replace(rate_per_s=80.0, below_per_s=0.0, cycle_at=0.0, cycle_accepted=1200)
    after = opened(shut_at(searching, 34.0), since=60.0)
    assert after.limit == Limit(requests=1200, window_s=60.0)


def test_a_second_shut_spell_like_the_first_is_a_window() -> None:
    """400 accepted in 23 s at a steady rate, then none: one spell may be an outage, two alike are not."""
    state, opened_at = fixed(50.0)._replace(cycle_at=0.0, cycle_accepted=400), 0.0
    for number in (1, 2):
        state = shut_at(state._replace(cycle_accepted=400), opened_at + 8.0)
        state = opened(state, since=23.0 * number)
        opened_at = state.cycle_at
        assert (state.limit is None) == (number == 1)
    assert state.limit is not None
    assert state.limit.requests == 400
    assert state.limit.window_s == pytest.approx(23.0, abs=2.0)


def test_a_second_shut_spell_unlike_the_first_is_an_outage_again() -> None:
    """Another number of requests, or another time, is not that of a window."""
    for accepted, opened_at in ((300, 23.0), (400, 12.0)):
        suspecting = fixed(50.0)._replace(
            cycle_at=0.0, cycle_accepted=accepted, suspected=Limit(requests=400, window_s=23.0)
        )
        after = stepped(shut_at(suspecting, 6.0), Accepted(granted_at=opened_at))
        assert (after.limit, after.rate_per_s) == (None, 50.0)


def test_a_window_that_stays_shut_beyond_its_end_is_longer() -> None:
    """It was thought to have 40 s and opened at 60 s: probes found it shut at 40 s, 45 s and 50 s."""
    state = Pacing(
        rate_per_s=1.5, growth=0.01, limit=Limit(requests=60, window_s=40.0), cycle_at=0.0, cycle_accepted=60
    )
    state = opened(stepped(state, refusal(39.0), refusal(39.1)), since=60.0)
    assert state.limit == Limit(requests=60, window_s=60.0)
    assert state.rate_per_s == pytest.approx(1.0)


def test_a_window_that_shuts_again_as_soon_as_it_should_have_ended_is_longer() -> None:
    """It was thought to have 40 s, but after ten requests of the next one all are refused until 60 s."""
    state = Pacing(
        rate_per_s=5.0, growth=0.01, limit=Limit(requests=200, window_s=40.0), cycle_at=40.0, cycle_accepted=9
    )
    state = opened(stepped(state, refusal(42.0), refusal(42.1)), since=60.0)
    assert state.limit == Limit(requests=200, window_s=60.0)
    assert state.rate_per_s == pytest.approx(200 / 60)


def test_an_outage_leaves_no_trace() -> None:
    """Everything is refused for five seconds that fit no window: the same rate after it."""
    state = shut_at(fixed(200.0)._replace(cycle_at=0.0, cycle_accepted=4000), 20.0)
    after = opened(state, since=25.0)
    assert (after.rate_per_s, after.limit, after.owed) == (200.0, None, 0.0)


def test_an_outage_in_a_trial_does_not_end_it() -> None:
    """What the trial is to show is still to be shown."""
    trying = tried()
    after = stepped(shut_at(trying, 20.0), Accepted(granted_at=26.0))
    assert after.rate_per_s == trying.rate_per_s
    assert after.trial is not None


def test_a_short_shut_time_in_a_trial_counts_nothing_from_before_it() -> None:
    """300 were accepted of the faster rate since the last opening: they would make noise of a limit."""
    trying = tried()._replace(cycle_at=1.0, cycle_accepted=300)
    shut = shut_at(trying, 3.0)
    after = stepped(shut, Accepted(granted_at=3.3))
    assert (after.is_shut, after.trial, after.answers, after.refused) == (
        False,
        trying.trial,
        shut.answers,
        shut.refused,
    )


def test_a_short_shut_time_is_a_rate_that_was_too_fast() -> None:
    """60 accepted in the 0.7 s from opening to opening: a limit of about 85/s."""
    state = Pacing(rate_per_s=150.0, growth=0.01, cycle_at=10.0, cycle_accepted=60)
    assert stepped(shut_at(state, 10.4), Accepted(granted_at=10.7)).rate_per_s < 85.0


def test_a_short_shut_time_after_a_long_cycle_changes_nothing() -> None:
    """Most of the cycle lay before the window that has shut: the next opening tells more."""
    state = Pacing(rate_per_s=200.0, growth=0.01, cycle_at=0.0, cycle_accepted=1900)
    opened = stepped(shut_at(state, 9.9), Accepted(granted_at=10.3))
    assert (opened.rate_per_s, opened.trial) == (200.0, None)


KNOWN = Limit(requests=600, window_s=60.0)
BELIEVING = Pacing(rate_per_s=9.9, growth=0.01, limit=KNOWN, cycle_at=60.0)


def test_a_known_window_that_shuts_late_ends_the_climb() -> None:
    """It was exhausted shortly before its end: back to where the climb began."""
    state = BELIEVING._replace(rate_per_s=11.0, ground_per_s=9.9, cycle_accepted=600)
    opened = stepped(stepped(state, refusal(116.0), refusal(116.1)), Accepted(granted_at=120.1))
    assert (opened.rate_per_s, opened.limit) == (9.9, KNOWN)


def test_a_known_window_that_shuts_is_used_as_fast_as_it_allows() -> None:
    """10.5/s was where the climb began, and ten a second is all that it takes."""
    state = BELIEVING._replace(rate_per_s=11.0, ground_per_s=10.5, cycle_accepted=600)
    opened = stepped(stepped(state, refusal(116.0), refusal(116.1)), Accepted(granted_at=120.1))
    assert (opened.rate_per_s, opened.limit) == (10.0, KNOWN)


def test_a_known_window_is_probed_when_it_opens() -> None:
    """The next turn of a window of 60 s that opened at 60 s is at 120 s, and a tenth of a second."""
    state = stepped(BELIEVING._replace(cycle_accepted=550), refusal(110.0), refusal(110.1))
    while state.pushed_back_until_s < 119:
        state = stepped(state, refusal(state.pushed_back_until_s))
    assert state.pushed_back_until_s == pytest.approx(120.1)


def test_a_window_that_took_more_than_believed_allows_more() -> None:
    """At the end of a window the belief in a found limit rises to what was accepted without a refusal."""
    state = BELIEVING._replace(cycle_accepted=630, owed=9.0)
    rolled = stepped(state, Accepted(granted_at=181.0))
    assert rolled.limit == Limit(requests=630, window_s=60.0)
    assert (rolled.cycle_at, rolled.cycle_accepted) == (180.0, 1)
    assert stepped(state._replace(why=Why.STATED), Accepted(granted_at=181.0)).limit == KNOWN


def test_a_found_window_that_took_much_more_was_none() -> None:
    """800 were accepted in a minute that was thought to allow 600: only a rate is known."""
    rolled = stepped(BELIEVING._replace(cycle_accepted=800, growth=0.25), Accepted(granted_at=121.0))
    assert (rolled.limit, rolled.ground_per_s, rolled.growth) == (None, 9.9, 0.01)
    assert (
        stepped(BELIEVING._replace(cycle_accepted=800, why=Why.STATED), Accepted(granted_at=121.0)).limit
        == KNOWN
    )


def test_mixed_answers_to_a_climb_leave_the_found_window() -> None:
    """A sliding window that is used evenly refuses some of what is beyond it; it allows as much as before."""
    climbing = BELIEVING._replace(rate_per_s=11.0, ground_per_s=9.9, cycle_accepted=300)
    assert answered(climbing, "x.." * 7, since=90.0).limit == KNOWN


def test_a_known_window_that_is_spent_is_not_probed_before_it_opens() -> None:
    """590 of 600 were accepted: nothing but the next window can be waited for."""
    state = stepped(BELIEVING._replace(cycle_accepted=590), refusal(100.0), refusal(100.1))
    assert state.pushed_back_until_s == pytest.approx(120.1)


def test_a_wait_that_a_refusal_asked_for_counts_as_refused() -> None:
    """One refusal a second costs a second each time: as much as if half had been refused."""
    state = CLIMBING._replace(cycle_at=-9.0, cycle_accepted=1200)
    opened = stepped(stepped(state, refusal(1.0, retry_after_s=1.0)), Accepted(granted_at=2.2))
    assert opened.limit is None
    assert 100.0 <= opened.rate_per_s < 110.0


def test_a_window_that_has_only_just_begun_pauses_without_a_cut() -> None:
    """Refusals there are about other requests than these."""
    paused = answered(BELIEVING._replace(cycle_accepted=5), "x.." * 7, since=61.0)
    assert (paused.rate_per_s, paused.limit, paused.trial) == (9.9, KNOWN, None)
    assert paused.pushed_back_until_s > 63.0


@pytest.mark.parametrize("why", [Why.FOUND, Why.STATED])
def test_a_limit_within_a_known_window_slows_the_rate_and_the_window_stays(why: Why) -> None:
    """A third was refused, and nothing of a slower rate: what a sliding window took before may do that."""
    state = answered(BELIEVING._replace(cycle_accepted=300, why=why), "x.." * 7, since=90.0)
    assert (state.limit, state.trial is None) == (KNOWN, False)
    after = answered(state, "." * 120, since=92.0)
    assert (after.limit, after.trial) == (KNOWN, None)
    assert after.rate_per_s < 0.75 * BELIEVING.rate_per_s


def test_a_climb_ends_a_window_at_most_ten_seconds_early() -> None:
    """Above a window of a minute the rate grows by a sixth at most, above one of five seconds to twice."""
    for known, most in (
        (Limit(requests=600, window_s=60.0), 70 / 6),
        (Limit(requests=50, window_s=5.0), 20.0),
    ):
        state = Pacing(rate_per_s=9.9, growth=0.25, limit=known, cycle_at=0.0, round_at=0.0)
        assert taken(state, since=0.0, seconds=known.window_s - 0.1).rate_per_s == pytest.approx(most)


def test_retry_after_is_honoured() -> None:
    """Nothing leaves before it is over, and its end opens a window like a probe."""
    state = stepped(taken(auto(), since=0.0, seconds=1.45), refusal(1.5, retry_after_s=58.5))
    assert state.pushed_back_until_s == pytest.approx(1.6 + 58.5)
    opened = stepped(state, Accepted(granted_at=60.2))
    assert opened.limit is not None
    assert opened.limit.window_s == 60.0


def test_retry_after_is_believed_once() -> None:
    """A server that always says `1` and goes on refusing is probed ever more rarely."""
    state = stepped(taken(auto(), since=0.0, seconds=1.45), refusal(1.5, retry_after_s=1.0))
    waits = []
    while state.pushed_back_until_s < 120:
        now = state.pushed_back_until_s
        state = stepped(state, refusal(now, retry_after_s=1.0))
        waits.append(state.pushed_back_until_s - now)
    assert max(waits) >= 20.0


def test_answers_to_what_had_left_before_a_wait_was_asked_for_count_in_full() -> None:
    """A sliding window takes one soon after it refused three: the wait is over, and all four are known."""
    state = stepped(fixed(200.0), *(refusal(number / 100, retry_after_s=1.0) for number in range(3)))
    assert state.is_shut
    state = stepped(state, Accepted(granted_at=0.03))
    assert (state.is_shut, state.pushed_back_until_s) == (False, -inf)
    assert (state.refused + 1, state.answers + 1) == (3, 4)  # the first has only marked the beginning


def test_retry_after_of_noise_holds_nobody() -> None:
    """Where a twentieth is refused anyway, one more refusal is no reason for all to wait."""
    noisy = fixed(200.0)._replace(noise=0.05, cycle_at=0.0)
    assert stepped(noisy, refusal(1.0, retry_after_s=30.0)).pushed_back_until_s == -inf


def test_a_slow_answer_from_before_a_cut_still_counts() -> None:
    """What was accepted in the cycle is complete only when its last answer is in."""
    state = shut_at(taken(auto(), since=0.0, seconds=1.45), 1.5)
    late = step(state, Accepted(granted_at=1.4), 1.7)
    assert late.cycle_accepted == state.cycle_accepted + 1
    assert late.is_shut


def test_a_learned_limit_only_makes_the_start_slower() -> None:
    """A slow one is where it starts; a fast one is where the doubling ends."""
    slow, fast = Limit(requests=2, window_s=1.0), Limit(requests=50, window_s=1.0)
    assert auto(slow).rate_per_s == pytest.approx(2.0)
    assert auto(fast).rate_per_s == 10.0
    assert taken(auto(fast), since=0.0, seconds=4.2).rate_per_s == pytest.approx(50.0)
    later = taken(auto(fast), since=0.0, seconds=10.0)
    assert later.rate_per_s > 50.0
    assert later.limit is None


def test_a_window_that_is_none_any_more_does_not_slow_a_later_run() -> None:
    """12 in 120 s, learned by an earlier run: without a limit the rate doubles each second all the same."""
    assert taken(auto(Limit(requests=12, window_s=120.0)), since=0.0, seconds=3.5).rate_per_s == 80.0


EVENTS = st.tuples(
    st.floats(0, 3), st.booleans(), st.none() | st.floats(0, 100), st.none() | st.integers(1, 5000)
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
        assert state.pushed_back_until_s < now + 200_000
        assert state.owed >= 0


@given(
    start=st.sampled_from([auto(), fixed(200.0), answered(fixed(200.0), "..x" + "." * 300, since=0.0)]),
    gaps=st.lists(st.floats(0.0, 0.002), min_size=1, max_size=20),
)
def test_acceptances_in_a_calm_state_may_be_learned_as_one(start: Pacing, gaps: list[float]) -> None:
    """As one by one they only count, as long as no round ends between them."""
    state = stepped(start, Accepted(granted_at=10.0))
    assert state.is_calm
    grants = [10.0 + sum(gaps[: number + 1]) for number in range(len(gaps))]
    now = grants[-1] + TRIP_S
    singly = state
    for granted_at in grants:
        singly = step(singly, Accepted(granted_at=granted_at), now)
    together = step(state, Accepted(granted_at=grants[-1], count=len(grants)), now)
    assert together.rate_per_s == singly.rate_per_s
    assert together.round_answers == singly.round_answers
    assert together.cycle_accepted == singly.cycle_accepted
    assert together.owed == pytest.approx(singly.owed)


@pytest.mark.parametrize("pattern", ["x", "..x", "x..." * 6], ids=str)
def test_an_acceptance_after_refusals_does_not_only_count(pattern: str) -> None:
    """While refusals are weighed, or a slower rate is tried, each answer is learned by itself."""
    assert not answered(fixed(200.0), pattern, since=0.0).is_calm


@pytest.mark.parametrize("retry_after_s", [None, 1.0])
@pytest.mark.parametrize("start", [auto(), fixed(20.0)])
def test_a_time_in_which_nobody_probed_says_nothing_of_the_server(
    start: Pacing, retry_after_s: float | None
) -> None:
    """A run that was paused or asleep while nothing was accepted finds no window as long as its sleep."""
    state, since = start, 0.0
    for _ in range(2):
        state = taken(state, since=since, seconds=2.5)
        for number in range(20):
            state = stepped(state, refusal(since + 2.6 + number / 100, retry_after_s=retry_after_s))
        assert state.is_shut
        rate_per_s, since = state.rate_per_s, since + 143.0
        state = stepped(state, Accepted(granted_at=since))
        assert not state.is_shut
        assert (state.limit, state.suspected, state.rate_per_s) == (None, None, rate_per_s)


def test_a_stretch_shorter_than_a_round_trip_tells_no_share() -> None:
    """What left evenly may have arrived in a bunch: the same refusals are too many where the way is short."""
    state = Pacing(rate_per_s=200.0, excess=5.0, answers=30, refused=6)
    assert noise.is_too_much(state, 0.1)
    assert not noise.is_too_much(state, 0.2)


@pytest.mark.parametrize(("answers", "kept"), [(20, 0.05), (40, 0.0)])
def test_known_noise_is_forgotten_only_where_a_trial_would_have_seen_it(answers: int, kept: float) -> None:
    """Nothing refused of 20 is no news where one is expected; nothing of 40 is."""
    trial = Trial(rate_per_s=200.0, growth=0.1, answers=40, refused=20)
    state = Pacing(rate_per_s=100.0, noise=0.05, trial=trial, answers=answers)
    assert noise.tried(state, trial, 1.0).noise == kept
