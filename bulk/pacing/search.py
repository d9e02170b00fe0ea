"""The search for the server's limit: the rules by which `Pacing` slows down, waits and grows again.

A server refuses and does not queue, so latency says nothing; the share that it refuses says it all:

* As much as the *tolerance* is no reason to go slower: a limit is used best where it refuses a little.
* More than that is tried (`noise`): a rate that was too fast is refused less once it is slower.
* A refusal of a request that left before the last cut could tell is an *echo* and cuts nothing.
* More refusals in a row than noise explains mean that nothing is accepted at all (`pushback`): single
  *probes*, ever further apart, find when it is again, and how long that took tells the window.
* Growing again is a *climb*, in *rounds*. It begins when the refusals that the last one cost have been made
  good by acceptances, slowly at first, and ever faster while nothing is refused. A climb that is refused
  goes back one step, and if that is refused as well, to where it began.
"""

from dataclasses import replace
from math import inf

from bulk.model import Limit, Why
from bulk.pacing import noise
from bulk.pacing.pushback import BELIEVED, EARLY, PAUSE, lifted, reopened, shut
from bulk.pacing.states import (
    GROWTH_MIN,
    RAMP,
    START_PER_S,
    WINDOW_S_MIN,
    Accepted,
    Pacing,
    Throttling,
)

RATE_PER_S_MAX = 100_000.0
OVER_S = 10.0
"""A climb may exhaust a window at most this long before its end."""
ECHO = 0.25
"""Share of the round trip by which a request may overtake another."""
EARNED = 0.02
"""Share of refusals that acceptances make good, beyond the noise."""
OWED_MAX = 14.0
"""The most refusals that have to be made good before the next climb."""

ROUND_S, RAMP_ROUND_S, ROUND_REQUESTS, ROUND_TRIPS = 0.5, 1.0, 10, 4
"""Least length of a round, so that its end has seen what its beginning caused."""
ROUND_S_MAX = 10.0
"""Seconds at most that a slow rate gets in a round for its `ROUND_REQUESTS`."""
USED = 0.75
"""Share of the rate that must have been used for the round to prove anything."""
IDLE = 2.0
"""How many times its least length a round lasts only where requests did not leave steadily."""
GROWTH_CAP, GROWTH_FACTOR = 0.25, 1.7
"""The most that the growth of a climb becomes, and its own growth a round."""
DISPROVED = 1.1
"""Share of a found window that is accepted only where it was none."""


def auto(learned: Limit | None = None) -> Pacing:
    """Return the state that searches; a limit learned earlier only ever makes it start slower.

    A window that was learned is found again by one spell, and would take hours to outgrow if it is none any
    more: the search begins without it.
    """
    if learned is None or learned.window_s >= WINDOW_S_MIN:
        return Pacing(below_per_s=START_PER_S / 2)
    return Pacing(rate_per_s=min(START_PER_S, learned.per_s), limit=learned, why=Why.LEARNED)


def accepted(state: Pacing, event: Accepted, now: float) -> Pacing:
    """Return the state after an acceptance: it ends a push-back, counts, and may end a trial or a round."""
    granted_at = event.granted_at
    if granted_at <= state.cut_at:
        state = state._replace(cycle_accepted=state.cycle_accepted + (granted_at >= state.cycle_at))
        if not state.is_shut:
            return state
        state = _heard(state, is_refused=False)
        if granted_at <= state.shut_at + ECHO * (now - granted_at):
            return state
        return _judged(lifted(state, granted_at), granted_at, now)
    if state.is_shut:
        return _judged(reopened(state, granted_at), granted_at, now)
    state = _rolled(_begun(state, granted_at), granted_at)
    state = state._replace(
        cycle_accepted=state.cycle_accepted + event.count,
        round_answers=state.round_answers + event.count,
        refusals=0,
        owed=max(0.0, state.owed - event.count * _earned(state)),
    )
    state = noise.counted(state, is_refused=False)
    if state.trial:
        return noise.tried(state, state.trial, now)
    if (slower := _judged(state, granted_at, now)) is not state:
        return slower
    if now > state.noise_until_s:
        state = state._replace(noise=0.0, noise_until_s=inf)
    round_s = _round_s(state, now - granted_at)
    return _next_round(state, granted_at, round_s) if granted_at - state.round_at >= round_s else state


def refused(state: Pacing, event: Throttling, now: float) -> Pacing:
    """Return the state after a refusal: one to be tolerated, a cut, or a probe that found nobody."""
    granted_at = event.granted_at
    state = state._replace(owed=max(state.owed, min(OWED_MAX, state.owed + 1)))
    if granted_at <= state.cut_at:
        return _heard(state, is_refused=True) if state.is_shut else state
    state = _begun(state, granted_at)
    state = state._replace(
        round_answers=state.round_answers + 1,
        refusals=state.refusals + 1,
        shut_at=state.shut_at if state.refusals else granted_at,
    )
    has_to_wait = event.throttled.retry_after_s is not None and not state.noise
    if state.is_shut or has_to_wait or noise.is_run(state):
        return shut(_cut(_heard(state, is_refused=True), granted_at, now), event, now)
    state = noise.counted(state._replace(stated=event.throttled.limit or state.stated), is_refused=True)
    return noise.tried(state, state.trial, now) if state.trial else state


def _heard(state: Pacing, *, is_refused: bool) -> Pacing:
    """Return the state that has counted an answer from when it shut, which says nothing to a trial."""
    return state if state.trial else noise.counted(state, is_refused=is_refused)


def _judged(state: Pacing, granted_at: float, now: float) -> Pacing:
    """Return the state, slower where more is refused than noise and tolerance explain."""
    if state.trial or not noise.is_too_much(state, now - granted_at):
        return state
    return _too_fast(_cut(state, granted_at, now), now)


def _cut(state: Pacing, granted_at: float, now: float) -> Pacing:
    """Return the state in which requests that have already left say nothing new."""
    return state._replace(cut_at=now + ECHO * (now - granted_at))


def _too_fast(state: Pacing, now: float) -> Pacing:
    """Return the state that is slower: as stated, as earlier in the climb, or as a trial.

    What was refused is about the rate at which requests left, where the rate was not used.
    """
    if (known := state.window) and state.cycle_accepted < EARLY * known.requests:
        return state._replace(pushed_back_until_s=now + PAUSE * known.window_s, excess=0.0)
    state = state._replace(rate_per_s=min(state.rate_per_s, state.used_per_s))
    limit_per_s, ground_per_s, before = noise.limit_per_s(state, state.noise), state.ground_per_s, state.limit
    if state.stated and limit_per_s < BELIEVED * state.stated.per_s:
        state = state._replace(limit=state.stated, why=Why.STATED)
    elif state.why is not Why.STATED and state.window is None:
        state = state._replace(limit=None, why=Why.FOUND)
    most_per_s = state.limit.per_s if state.limit and state.why is Why.STATED else inf
    fresh = state.settled(state.cut_at)._replace(growth=GROWTH_MIN)
    if most_per_s < state.rate_per_s and (state.limit != before or not ground_per_s):
        return fresh._replace(rate_per_s=most_per_s)
    if not ground_per_s:
        return noise.begin(state, now)
    return fresh._replace(
        rate_per_s=max(ground_per_s, min(most_per_s, max(limit_per_s, state.below_per_s))),
        ground_per_s=ground_per_s if state.below_per_s > ground_per_s else 0.0,
        below_per_s=ground_per_s,
    )


def _begun(state: Pacing, granted_at: float) -> Pacing:
    """Let the first cycle, window and round start with the first answer."""
    if state.cycle_at > -inf:
        return state
    return state._replace(cycle_at=granted_at, round_at=granted_at)


def _rolled(state: Pacing, granted_at: float) -> Pacing:
    """Start the next window where the believed one has ended; what it took without refusing, it allows.

    A found one that took much more is none.
    """
    known = state.window
    if known is None or granted_at < state.cycle_at + known.window_s:
        return state
    if state.why is Why.FOUND and state.cycle_accepted > DISPROVED * known.requests:
        return state._replace(limit=None, ground_per_s=state.rate_per_s, growth=GROWTH_MIN)
    gone = (granted_at - state.cycle_at) // known.window_s
    if state.why is not Why.STATED:
        known = replace(known, requests=max(known.requests, state.cycle_accepted))
    return state._replace(cycle_at=state.cycle_at + gone * known.window_s, cycle_accepted=0, limit=known)


def _earned(state: Pacing) -> float:
    """Return what an acceptance makes good; a stated limit gives less reason to try it."""
    earned = EARNED + state.noise
    return earned / 2 if state.why is Why.STATED else earned


def _round_s(state: Pacing, trip_s: float) -> float:
    """Return the least length of a round."""
    requests_s = min(ROUND_S_MAX, ROUND_REQUESTS / state.rate_per_s)
    least_s = RAMP_ROUND_S if state.growth == RAMP else ROUND_S
    return max(least_s, requests_s, ROUND_TRIPS * trip_s)


def _next_round(state: Pacing, granted_at: float, round_s: float) -> Pacing:
    """Start a round, faster than the last one if that one used its rate and the past is made good.

    One that was held, or has lasted far too long since there was nothing to send, tells no rate of its own.
    """
    span_s = granted_at - state.round_at
    took_per_s = state.round_answers / span_s
    has_waited = state.held_until_s > state.round_at or span_s > IDLE * round_s
    used_per_s = inf if has_waited else max(START_PER_S, took_per_s)
    state = state._replace(round_at=granted_at, round_answers=0, used_per_s=inf)
    if took_per_s < USED * state.rate_per_s:
        return state._replace(below_per_s=0.0, used_per_s=used_per_s)
    if state.owed >= 1 and not (noise.is_doubling(state) and state.excess < noise.PATIENCE):
        return state
    if state.rate_per_s == state.cap_per_s:
        return state._replace(ground_per_s=0.0)  # it got there: the climb is over
    most_per_s = min(RATE_PER_S_MAX, state.cap_per_s, _ceiling_per_s(state))
    rate_per_s = min(most_per_s, state.rate_per_s * (1 + state.growth))
    faster = state._replace(rate_per_s=rate_per_s, below_per_s=state.rate_per_s, excess=0.0)
    if state.growth == RAMP:
        has_arrived = state.limit is not None and rate_per_s <= state.rate_per_s
        return faster._replace(growth=GROWTH_MIN, limit=None) if has_arrived else faster
    is_new = state.growth <= GROWTH_MIN or not state.ground_per_s
    return faster._replace(
        growth=min(GROWTH_CAP, state.growth * GROWTH_FACTOR),
        ground_per_s=state.rate_per_s if is_new else state.ground_per_s,
    )


def _ceiling_per_s(state: Pacing) -> float:
    """Return how fast a climb may become: up to a learned limit, or a little over a known window."""
    if state.why is Why.LEARNED and state.limit:
        return max(state.rate_per_s, state.limit.per_s)
    if (known := state.window) is None:
        return inf
    return (1 + min(1.0, OVER_S / known.window_s)) * known.per_s
