"""When nothing at all is accepted: the probes of a shut window, its opening, and what that tells.

A window is as long as it takes from opening to opening, and allows what was accepted between. One shut spell
may as well be an outage, so it is believed to be a window only while a search still doubles its rate or where
the server said how long to wait; otherwise once a second spell is like it.
"""

from math import inf

from bulk.model import Limit, Why
from bulk.pacing.states import GROWTH_MIN, RAMP, Pacing, Throttling

BELIEVED = 2.0
"""A stated limit of which this many times as much was accepted is not the one that refuses."""

TRUST = 2
"""Refusals in a row up to which `Retry-After` is taken at its word."""
PROBE_S_MIN, PROBE_SPACING_S_MIN = 0.05, 0.1
BACKOFF, PAUSE = 1 / 3, 0.05
"""How long to wait for the next probe: as a share of the time shut, and of a known window at least."""
ROUND_UNITS_S = (3600.0, 600.0, 60.0, 30.0, 10.0, 5.0, 1.0)
"""Whole numbers of these are the times to probe at, and the lengths of windows, the first of them above all:
that is what gateways are set to."""
WINDOW_MARGIN_S = 0.1
"""How long after the expected opening to probe: requests do not all take equally long."""
SHORT_S, SHORT, LONG = 0.5, 0.1, 1 / 3
"""A shut time below which requests only left too fast, the share of a cycle below which it says nothing new
about a window, and the share above which it may be one."""
WHOLE_S = 2.5
"""A cycle up to which may be one window that is too short to be seen."""
SIMILAR, ALIKE = 0.25, 0.1
"""How much two spells of one window may differ: in length, which probes find roughly, and in requests."""
OWED_FOR_WAIT_MAX = 200.0
"""A wait that a refusal asked for counts as much as the requests that it kept from leaving, up to this."""
OWED_FOR_WINDOW, OWED_FOR_REQUESTS = 10.0, 250.0
"""The most refusals that have to be made good once a window is known, and what they come to by its requests:
one of many requests can afford to be tried at once."""
EARLY, SPENT = 0.1, 0.9
"""Share of a known window below which a refusal is about other requests than its own, and from which on it is
clear why nothing is accepted any more."""
FEW = 5
"""Acceptances that make a cycle worth calling a window."""
BRIEF_S, FEW_OF_IT = 4.0, 1 / 3
"""A found window as brief as this may have been the burst of a bucket; it was, where it takes no more than
this share of its requests."""
LATE_S = 1.0
"""How late a probe may leave, beyond what the rate explains, and still tell when it was open again."""


def shut(state: Pacing, event: Throttling, now: float) -> Pacing:
    """Return the state in which nothing leaves but one probe at a time.

    The probe leaves when the server says; after more than `TRUST` refusals in a row not before our own guess.
    A limit that the refusal states is taken over where it can be true.
    """
    if (limit := event.throttled.limit) and _may_be(limit, state, now):
        rate_per_s = min(state.rate_per_s, limit.per_s)
        state = state.settled(now)._replace(
            rate_per_s=rate_per_s, limit=limit, why=Why.STATED, growth=GROWTH_MIN
        )
    wait_s = event.throttled.retry_after_s
    until_s = now + (wait_s or 0.0)
    owed = min(OWED_FOR_WAIT_MAX, state.owed + (until_s - now) * state.rate_per_s)
    if wait_s is None or state.refusals > TRUST:
        until_s = max(until_s, _probe_at(state, now))
    return state._replace(
        owed=owed,
        pushed_back_until_s=until_s,
        refused_at=event.granted_at,
        spacing_s=max(PROBE_SPACING_S_MIN, 2 * (now - event.granted_at)),
    )


def _may_be(limit: Limit, state: Pacing, now: float) -> bool:
    """Return whether a limit that is stated could have accepted as much as was accepted."""
    turns = 1 + (now - state.cycle_at) / limit.window_s
    return state.cycle_accepted <= BELIEVED * limit.requests * turns


def lifted(state: Pacing, granted_at: float) -> Pacing:
    """Return the state that is open again: a request granted after the refused ones was accepted."""
    return state._replace(
        refusals=0, pushed_back_until_s=-inf, spacing_s=0.0, round_at=granted_at, round_answers=0
    )


def reopened(state: Pacing, granted_at: float) -> Pacing:
    """Return the state after a probe that was accepted.

    Where it was shut so briefly that the limit is a rate, or longer than it was open before, what the shut
    time kept from leaving is as good as refused. After an outage the state is as it was before, and so it is
    where nobody probed for a while, as in a run that was paused or asleep: that says nothing of the server.
    """
    fresh = lifted(state, granted_at)._replace(cycle_at=granted_at, cycle_accepted=1, excess=0.0)
    if granted_at > state.held_until_s + LATE_S + 1 / state.rate_per_s:
        return fresh._replace(owed=0.0)
    known, shut_s = state.window, granted_at - state.shut_at
    if known and state.cycle_accepted < EARLY * known.requests and shut_s > LONG * known.window_s:
        began_at = state.cycle_at - known.window_s  # the window before had not ended yet
        state = state._replace(cycle_at=began_at, cycle_accepted=known.requests)
    was_asked = state.refusals <= TRUST
    seen, is_believed = _seen(state, granted_at, was_asked=was_asked)
    fresh = fresh._replace(suspected=seen or state.suspected)
    if seen and is_believed:
        owed = min(OWED_FOR_WINDOW, OWED_FOR_REQUESTS / seen.requests, state.owed)
        known, fresh = seen, fresh._replace(why=Why.FOUND, owed=owed)
    elif _was_none(state):
        known, fresh = None, fresh._replace(limit=None)
    if known:
        rate_per_s = state.trial.rate_per_s if state.trial else state.ground_per_s or state.rate_per_s
        fresh = fresh.settled(granted_at)._replace(limit=known, growth=GROWTH_MIN)
        return fresh._replace(rate_per_s=min(rate_per_s, known.per_s))
    return _as_rate(state, fresh, granted_at, was_asked=was_asked)


def _as_rate(state: Pacing, fresh: Pacing, granted_at: float, *, was_asked: bool) -> Pacing:
    """Return the `fresh` state of a server without a window: as before an outage, or with what was held."""
    shut_s, span_s = granted_at - state.shut_at, granted_at - state.cycle_at
    is_rate = was_asked or 2 * shut_s > span_s
    if shut_s >= SHORT_S and not is_rate:
        return fresh._replace(owed=0.0)
    if (state.trial and not was_asked) or (span_s > WHOLE_S and shut_s < min(SHORT_S, SHORT * span_s)):
        return fresh  # most of the cycle was before the trial, or before the window
    taken = state.cycle_accepted
    kept = shut_s * state.rate_per_s if was_asked else span_s * state.rate_per_s - taken
    held = round(max(0.0, min(taken, kept)))
    answers, refused = (state.answers, state.refused) if state.excess else (0, 0)
    return fresh._replace(
        excess=state.excess + held * is_rate, answers=answers + taken + held, refused=refused + held
    )


def _was_none(state: Pacing) -> bool:
    """Return whether the window that was found is none after all."""
    known = state.window
    return (
        known is not None
        and state.why is Why.FOUND
        and known.window_s < BRIEF_S
        and state.cycle_accepted < FEW_OF_IT * known.requests
    )


def _seen(state: Pacing, opened_at: float, *, was_asked: bool) -> tuple[Limit | None, bool]:
    """Return the window that this shut spell would be, and whether to believe in it.

    It cannot have ended before the last refusal: a known one that goes on refusing after its end is longer.
    Where a window may count what it refuses, that is one of its length after it shut, not after it began.
    """
    known, span_s = state.window, opened_at - state.cycle_at
    is_searching = state.growth == RAMP and not state.trial and state.rate_per_s < state.cap_per_s
    is_new = state.limit is None and (was_asked or is_searching)
    known_s = known.window_s if known and state.why is Why.FOUND else inf
    is_longer = state.refused_at > state.cycle_at + known_s
    if is_longer:
        least_s = known_s
    elif opened_at - state.shut_at > LONG * span_s:
        since = state.shut_at if is_new else state.cycle_at
        least_s = max(state.shut_at - state.cycle_at, state.refused_at - since)
    else:
        return None, False
    window_s = _roundest(least_s, span_s + WINDOW_MARGIN_S)  # it opened a little before it was seen to
    if not window_s or state.cycle_accepted < FEW:
        return None, False
    seen = Limit(requests=state.cycle_accepted, window_s=window_s)
    return seen, is_longer or is_new or _are_alike(seen, state.suspected)


def _are_alike(seen: Limit, before: Limit | None) -> bool:
    return (
        before is not None
        and abs(seen.window_s - before.window_s) <= SIMILAR * before.window_s
        and abs(seen.requests - before.requests) <= ALIKE * before.requests
    )


def _probe_at(state: Pacing, now: float) -> float:
    """Return when to probe next: when a known window opens, if that is soon or certain, else ever later."""
    known = state.window
    wait_s = max(PAUSE * known.window_s if known else PROBE_S_MIN, (now - state.shut_at) * BACKOFF)
    began_at = state.cycle_at + WINDOW_MARGIN_S
    if known and now < state.cycle_at + known.window_s:
        is_spent = state.cycle_accepted > SPENT * known.requests
        return began_at + known.window_s if is_spent else min(began_at + known.window_s, now + wait_s)
    round_s = _roundest(now - began_at, now - began_at + wait_s)
    return began_at + round_s if round_s else now + wait_s


def _roundest(least_s: float, most_s: float) -> float:
    """Return the roundest number of seconds above the least, up to the most; 0 where there is none."""
    rounded = ((least_s // unit_s + 1) * unit_s for unit_s in ROUND_UNITS_S)
    return next((round_s for round_s in rounded if round_s <= most_s), 0.0)
