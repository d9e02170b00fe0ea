"""The search for the server's limit: the rules by which `Pacing` slows down, waits and grows again.

All of it rests on figures that survive any latency, since a server refuses and does not queue:

* What was accepted from one moment at which the server had nothing left to give (a refusal, the opening
  of a window) to the next such moment is its limit. That stretch is the *cycle*; a cut goes to its mean.
* A refusal of a request that left before the last cut could tell is an *echo* and cuts nothing.
* Refusals mixed with acceptances mean too fast. Two in a row mean that a window is shut: single *knocks*,
  ever further apart, find when it opens, and how long the cycle took tells the window.
* Growing again is a *probe*, in *rounds*. It begins when the refusals that the last one cost have been paid
  for with accepted requests, slowly where the limit is well known, and ever faster while nothing is refused.
"""

from dataclasses import replace
from math import inf

from bulk.core.model import Limit, Why
from bulk.core.pacing.pushback import GROWTH_MIN, cut, reopened, shut
from bulk.core.pacing.quota import early, quota_per_s, window
from bulk.core.pacing.states import OWED_MAX, RAMP, START_PER_S, Accepted, Pacing, PushBack, Refused

RATE_PER_S_MAX = 100_000.0
OVER_S = 10.0
"""A probe may exhaust a window at most this long before its end."""
ECHO = 0.25
"""Share of the round trip by which a request may overtake another."""

ROUND_S, RAMP_ROUND_S, ROUND_REQUESTS, ROUND_TRIPS = 0.5, 1.0, 10, 4
"""Least length of a round, so that its end has seen what its beginning caused."""
ROUND_S_MAX = 10.0
"""As much as slow rates get for their `ROUND_REQUESTS`."""
USED = 0.75
"""Share of the rate that must have been used for the round to prove anything."""
GROWTH_CAP, GROWTH_FACTOR = 0.25, 1.7
"""The most that the growth of a probe becomes, and its own growth a round."""


def begin(learned: Limit | None) -> Pacing:
    """Return the state to start from; a learned limit only ever makes it start slower."""
    if learned is None:
        return Pacing()
    return Pacing(rate_per_s=min(START_PER_S, quota_per_s(learned)), limit=learned, why=Why.LEARNED)


def accepted(state: Pacing, event: Accepted, now: float) -> Pacing:
    """Return the state after an acceptance: it ends a push-back, counts, and may end a round."""
    granted_at = event.granted_at
    if granted_at <= state.cut_at:
        counts = state.refusals <= 1 and granted_at >= state.cycle_at
        return state._replace(cycle_accepted=state.cycle_accepted + 1) if counts else state
    if state.refusals > 1:
        return reopened(state, granted_at)
    if state.refusals == 1:
        state = _mixed(state, granted_at)
    state = _rolled(_begun(state, granted_at), granted_at)
    state = state._replace(
        cycle_accepted=state.cycle_accepted + 1,
        round_accepted=state.round_accepted + 1,
        owed=max(0, state.owed - 1),
    )
    requests_s = min(ROUND_S_MAX, ROUND_REQUESTS / state.rate_per_s)
    least_s = max(ROUND_S, requests_s, ROUND_TRIPS * (now - granted_at))
    if granted_at - state.round_at < (max(RAMP_ROUND_S, least_s) if state.growth == RAMP else least_s):
        return state
    return _next_round(state, granted_at)


def refused(state: Pacing, event: Refused, now: float) -> Pacing:
    """Return the state after a refusal: an echo, a cut, or a knock at a window that is still shut."""
    if event.granted_at <= state.cut_at:
        return state._replace(owed=min(OWED_MAX, state.owed + state.charge))
    state = _begun(state, event.granted_at)
    wait_s = event.throttled.retry_after_s or 0.0
    fresh = state._replace(
        cut_at=now + ECHO * (now - event.granted_at),
        refusals=state.refusals + 1,
        hold=PushBack(until_s=now + wait_s, refusals=state.refusals + 1),
    )
    if state.refusals == 0:
        fresh = cut(fresh._replace(shut_at=event.granted_at), event, now)
        if wait_s <= (event.granted_at - state.cycle_at) / 2:
            return fresh
    return shut(fresh._replace(refusals=max(2, fresh.refusals)), event, now)


def _begun(state: Pacing, granted_at: float) -> Pacing:
    """Let the first cycle, window and round start with the first answer."""
    if state.cycle_at > -inf:
        return state
    return state._replace(cycle_at=granted_at, window_at=granted_at, round_at=granted_at)


def _rolled(state: Pacing, granted_at: float) -> Pacing:
    """Start the next window where the believed one has ended; what it took without refusing, it allows."""
    known = window(state)
    if known is None or granted_at < state.window_at + known.window_s:
        return state
    gone = (granted_at - state.window_at) // known.window_s
    window_at = state.window_at + gone * known.window_s
    if state.why is not Why.STATED:
        known = replace(known, requests=max(known.requests, state.cycle_accepted))
    return state._replace(window_at=window_at, cycle_at=window_at, cycle_accepted=0, limit=known)


def _next_round(state: Pacing, granted_at: float) -> Pacing:
    """Start a round, faster than the last one if that one used its rate and the past is paid for."""
    used = state.round_accepted >= USED * state.rate_per_s * (granted_at - state.round_at)
    state = state._replace(round_at=granted_at, round_accepted=0)
    if not used or state.owed:
        return state
    rate_per_s = min(
        RATE_PER_S_MAX, state.cap_per_s, state.rate_per_s * (1 + state.growth), _ceiling_per_s(state)
    )
    if state.growth == RAMP:
        arrived = state.limit is not None and rate_per_s <= state.rate_per_s
        return state._replace(rate_per_s=rate_per_s, growth=GROWTH_MIN if arrived else RAMP)
    return state._replace(
        rate_per_s=rate_per_s,
        growth=min(GROWTH_CAP, state.growth * GROWTH_FACTOR),
        sustained_per_s=state.sustained_per_s or state.rate_per_s,
        limit=None if state.why is Why.LEARNED and not window(state) else state.limit,
    )


def _ceiling_per_s(state: Pacing) -> float:
    """Return how fast a probe may become: up to a learned limit, or a little over a known window."""
    if state.why is Why.LEARNED and state.limit and state.growth == RAMP:
        return max(state.rate_per_s, quota_per_s(state.limit))
    if (known := window(state)) is None:
        return inf
    return (1 + min(1.0, OVER_S / known.window_s)) * known.requests / known.window_s


def _mixed(state: Pacing, granted_at: float) -> Pacing:
    """Take a refusal that stood alone as `too fast`: the server had nothing left when it spoke."""
    fresh = state._replace(refusals=0, hold=PushBack(), round_at=granted_at, round_accepted=0)
    if early(state):
        return fresh
    if state.why is Why.STATED:
        return fresh._replace(cycle_at=state.cut_at, cycle_accepted=0)
    return fresh._replace(cycle_at=state.cut_at, cycle_accepted=0, window_at=inf, limit=None, why=Why.FOUND)
