"""What a refusal does to the search: the cut, the knocks at a shut window, and its opening."""

from dataclasses import replace
from math import inf, sqrt

from bulk.core.model import Limit, Why
from bulk.core.pacing.quota import QUOTA, WINDOWS_S, early, quota_per_s, stated, window
from bulk.core.pacing.states import OWED_MAX, RAMP, Pacing, PushBack, Refused

WIDE = 1.3
"""A probe that came this far above the cycle's mean went too fast for the mean to show the limit."""
LEAN = 1 / 8
"""How far, on a logarithmic scale, a cut leans from the cycle's mean to the rate that was refused."""
EARLY_PAUSE = 0.05
"""Share of a window to wait when it refuses early."""
CHARGE, CHARGE_MIN, OWED_FOR_WINDOW_MAX = 110, 5, 1000
"""Accepted requests that pay for a refusal, so that 1 % are refused; fewer for a rough guess."""
PAID_BY_UNSURE = 6
"""A cut that is unsure by a share u charges this / u."""
GROWTH_MIN, GROWTH_MAX = 0.01, 0.125
"""Growth in the first round of the next probe, by how unsure the cut was."""
UNSURE_ROUNDS = 8
"""Rounds in which a probe would cross the uncertainty at constant growth."""
OWED_WINDOWS = 4
"""Windows to stay within once a window has been found."""

TRUST = 2
"""Refusals in a row up to which `Retry-After` is taken at its word."""
KNOCK_S_MIN, KNOCK_SPACING_S_MIN = 0.05, 0.1
FEW, MANY = 5, 300
"""Acceptances that make a cycle worth calling a window, and those that make it worth many knocks."""
PATIENCE, PATIENCE_SMALL = 1, 3
"""How long to wait for the next knock, in terms of how long the window has been shut."""
STATED_KNOCK = 1 / 8
"""Share of a stated window below which knocking is a waste."""
LATER = 1.3
"""An opening expected within this many waits takes the place of the knock."""
WINDOW_MARGIN_S = 0.1
"""How long after the expected opening to knock: requests do not all take equally long."""
SHORT = 0.1
"""Share of the cycle below which a shut window says nothing new about the limit."""


def cut(state: Pacing, event: Refused, now: float) -> Pacing:
    """Slow down to what was accepted in the cycle, per second, and to what the refusal states."""
    limit = stated(event)
    if limit is None and (begun := early(state)):
        pause_s = max(event.throttled.retry_after_s or 0.0, EARLY_PAUSE * begun.window_s)
        hold = PushBack(until_s=now + pause_s, refusals=1)
        return state._replace(hold=hold, sustained_per_s=0.0)
    rate_per_s, unsure = _estimate(state, event.granted_at)
    if limit:
        state = state._replace(limit=limit, why=Why.STATED)
        if state.rate_per_s > quota_per_s(limit):
            rate_per_s, unsure = quota_per_s(limit), 0.0
    charge = 0 if state.growth == RAMP else _charge(unsure)
    carried = round(state.owed * charge / CHARGE)  # a poorly known limit has to be tried soon
    if limit:
        charge *= 2  # a stated limit gives less reason to try it
    return state._replace(
        rate_per_s=rate_per_s,
        sustained_per_s=0.0,
        growth=_growth(unsure),
        charge=charge,
        owed=min(OWED_MAX, charge + carried),
    )


def shut(state: Pacing, event: Refused, now: float) -> Pacing:
    """Wait for the next knock, and let only one request leave then.

    The server's own word on when to come back is believed once; refused again, it must not be sooner
    than the knock would be.
    """
    until_s = state.hold.until_s
    if until_s <= now or state.refusals > TRUST:
        until_s = max(until_s, _knock_at(state, now))
    return state._replace(
        hold=replace(state.hold, until_s=until_s),
        spacing_s=max(KNOCK_SPACING_S_MIN, 2 * (now - event.granted_at)),
        owed=min(OWED_MAX, state.owed + state.charge // 2),
    )


def reopened(state: Pacing, granted_at: float) -> Pacing:
    """Come back after the knocking, at the rate that the whole cycle, shut time included, amounts to."""
    fresh = state._replace(
        refusals=0,
        hold=PushBack(),
        spacing_s=0.0,
        cycle_at=state.cut_at,
        cycle_accepted=1,
        window_at=granted_at,
        round_at=granted_at,
        round_accepted=0,
    )
    span_s = granted_at - state.cycle_at
    if granted_at - state.shut_at < SHORT * span_s:
        return fresh
    if known := window(state):
        return fresh._replace(rate_per_s=min(state.rate_per_s, quota_per_s(known)), growth=GROWTH_MIN)
    if seen := _seen_window(state, granted_at):
        return fresh._replace(
            rate_per_s=min(state.rate_per_s, quota_per_s(seen)),
            growth=GROWTH_MIN,
            limit=seen,
            why=Why.FOUND,
            owed=min(OWED_FOR_WINDOW_MAX, max(state.owed, OWED_WINDOWS * seen.requests)),
        )
    mean_per_s = state.cycle_accepted / span_s
    rate_per_s = min(state.rate_per_s, max(mean_per_s, state.rate_per_s / 2))
    unsure = state.rate_per_s / rate_per_s - 1
    owed = round(state.owed * rate_per_s / state.rate_per_s)  # it was owed at the faster rate
    return fresh._replace(rate_per_s=rate_per_s, growth=_growth(unsure), owed=owed)


def _estimate(state: Pacing, granted_at: float) -> tuple[float, float]:
    """Return the limit as far as the cycle shows it, and by what share that is unsure.

    The mean of the cycle is a lower bound: the server began it with nothing saved up. The rate itself was
    refused, but a bucket that had filled up may have carried it for a while.
    """
    rate_per_s, sustained_per_s = state.rate_per_s, state.sustained_per_s
    span_s = max(0.0, granted_at - state.cycle_at)
    mean_per_s = min(rate_per_s, QUOTA * (state.cycle_accepted + 1) / (span_s + 1 / rate_per_s))
    lower_per_s = max(mean_per_s, sustained_per_s)
    counted = 1 / (state.cycle_accepted + 1)
    if rate_per_s > WIDE * lower_per_s:
        middle_per_s = sqrt(lower_per_s * rate_per_s)
        return middle_per_s, rate_per_s / middle_per_s - 1 + counted
    leaning_per_s = mean_per_s * (rate_per_s / mean_per_s) ** LEAN
    unsure = abs(lower_per_s / (sustained_per_s or rate_per_s) - 1)
    return max(leaning_per_s, sustained_per_s), unsure + counted


def _knock_at(state: Pacing, now: float) -> float:
    """Return when to knock next: when a window should open, if that is soon, else ever later."""
    shut_s = now - state.shut_at
    wait_s = max(KNOCK_S_MIN, shut_s * (PATIENCE if state.cycle_accepted > MANY else PATIENCE_SMALL))
    if state.why is Why.STATED and state.limit:
        wait_s = max(wait_s, STATED_KNOCK * state.limit.window_s)
    soon = (at for at in _openings(state, now) if now + WINDOW_MARGIN_S < at < now + LATER * wait_s)
    return min(soon, default=now + wait_s)


def _openings(state: Pacing, now: float) -> tuple[float, ...]:
    """Return when a window may open: each turn of a known one, else after each usual length."""
    if state.limit and state.window_at < inf:
        window_s = state.limit.window_s
        turns = (now - state.window_at) // window_s + 1
        return (state.window_at + turns * window_s + WINDOW_MARGIN_S,)
    starts = (state.cycle_at, state.window_at)
    return tuple(at + window_s + WINDOW_MARGIN_S for at in starts for window_s in WINDOWS_S)


def _seen_window(state: Pacing, opened_at: float) -> Limit | None:
    """Return the usual window that the cycle fits: longer than the last refusal, no longer than the opening.

    Where several fit, as after a long `Retry-After`, it is the longest.
    """
    least_s, most_s = state.cut_at - state.window_at, opened_at - state.cycle_at
    if state.window_at == inf:
        return None
    window_s = max((window_s for window_s in WINDOWS_S if least_s < window_s <= most_s), default=None)
    if window_s is None or state.cycle_accepted < FEW:
        return None
    return Limit(requests=state.cycle_accepted, window_s=window_s)


def _charge(unsure: float) -> int:
    """Return what a refusal costs: all of `CHARGE` where the limit is known to 5 %, else fewer requests."""
    return round(max(CHARGE_MIN, min(CHARGE, PAID_BY_UNSURE / max(unsure, GROWTH_MIN))))


def _growth(unsure: float) -> float:
    return max(GROWTH_MIN, min(GROWTH_MAX, unsure / UNSURE_ROUNDS))
