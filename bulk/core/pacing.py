"""How fast requests may leave: `(state, event, time) -> state`, without a clock and without a wait."""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import TypeAlias, assert_never

from bulk.core.model import Limit, Throttled


class Why(StrEnum):
    GIVEN = "given"
    LEARNED = "learned"
    STATED = "stated"
    FOUND = "found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A stretch of time in which nothing may leave."""

    until_s: float = -inf
    """Monotonic time at which it ends."""
    refusals: int = 0
    """Refusals in a row that led to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A rate that a person gave: held exactly, but for holds after refusals; never exceeded."""

    rate_per_s: float
    hold: Hold = Hold()
    limit: Limit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Auto:
    rate_per_s: float
    hold: Hold = Hold()
    limit: Limit | None = None
    why: Why | None = None
    # the cycle: from a moment at which the server had nothing left to give
    since_s: float = -inf
    opened_s: float = -inf
    accepted: int = 0
    # the round
    round_s: float = -inf
    round_accepted: int = 0
    growth: float = 1.0
    debt: int = 0
    """Requests still to be accepted before the next probe."""
    charge: int = 0
    base: float = 0.0
    resume: float = 0.0
    shut_s: float = -inf
    cut_s: float = -inf
    row: int = 0
    """Fresh refusals in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The server took the request that was granted at `granted_at` (monotonic seconds)."""

    granted_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The server refused the request that was granted at `granted_at` for going too fast."""

    granted_at: float
    throttled: Throttled


Pacing: TypeAlias = Fixed | Auto
Event: TypeAlias = Accepted | Refused

HOLD_S_MIN = 1.0
HOLD_S_MAX = 30.0
START = 10.0
RATE_MAX = 100000.0
QUOTA = 0.99
WINDOWS_S = (1, 5, 10, 60, 66, 120, 300, 600, 3600, 86400)
MARGIN = 0.1
ROUND_N = 10
ROUND_S = 0.5
GROWTH_MORE = 1.7
STEP_MIN = 0.01
STEP_MAX = 0.125
STEP_CAP = 0.25
CHARGE = 100
DEBT_MAX = 300
OVER = 1.25
WIDE = 1.3


def fixed(rate_per_s: float) -> Fixed:
    """Give the state that holds exactly this rate."""
    return Fixed(rate_per_s=rate_per_s)


def auto() -> Auto:
    return Auto(rate_per_s=START)


def step(state: Pacing, event: Event, now: float) -> Pacing:
    """Give the state after `event`, which became known at `now` (monotonic seconds)."""
    match state, event:
        case Fixed(), Accepted():
            return replace(state, hold=Hold()) if state.hold.refusals else state
        case Fixed(), Refused():
            return _hold(state, event, now)
        case Auto(), Accepted():
            return _taken(state, event.granted_at, now)
        case Auto(), Refused():
            return _pushed_back(state, event, now) if event.granted_at > state.cut_s else replace(state, debt=min(300, state.debt+state.charge))
    raise AssertionError


def _hold(state, event, now):
    if event.granted_at < state.hold.until_s:
        return state
    wait_s = min(HOLD_S_MAX, HOLD_S_MIN * 2.0 ** min(state.hold.refusals, 10))
    until_s = now + (event.throttled.retry_after_s or wait_s)
    return replace(state, hold=Hold(until_s=until_s, refusals=state.hold.refusals + 1), limit=event.throttled.limit)


def _taken(state: Auto, granted_at: float, now: float) -> Auto:
    if granted_at <= state.cut_s:
        return replace(state, accepted=state.accepted + 1) if state.row < 2 and granted_at >= state.since_s else state
    if state.row >= 2:
        return _open(state, granted_at)
    if state.row == 1 and state.limit and state.limit.window_s >= 5 and state.accepted < state.limit.requests / 10:
        state = replace(state, row=0, round_s=granted_at, round_accepted=0)
    elif state.row == 1:
        state = replace(state, since_s=state.cut_s, opened_s=state.opened_s if state.why is Why.STATED else inf, accepted=0, row=0, round_s=granted_at, round_accepted=0,
            limit=state.limit if state.why is Why.STATED else None)
    if state.since_s == -inf:
        state = replace(state, since_s=granted_at, opened_s=granted_at, round_s=granted_at)
    if state.limit and state.limit.window_s >= 5 and granted_at >= state.opened_s + state.limit.window_s:
        k = (granted_at - state.opened_s) // state.limit.window_s
        at = state.opened_s + k * state.limit.window_s
        lim = replace(state.limit, requests=max(state.limit.requests, state.accepted)) if state.why is Why.FOUND else state.limit
        state = replace(state, opened_s=at, since_s=at, accepted=0, limit=lim)
    state = replace(state, accepted=state.accepted + 1, round_accepted=state.round_accepted + 1, debt=max(0, state.debt - 1))
    span = granted_at - state.round_s
    ramp = state.growth == 1.0
    if span < max(1.0 if ramp else ROUND_S, ROUND_N / state.rate_per_s, 4 * (now - granted_at)):
        return state
    used = state.round_accepted >= 0.75 * span * state.rate_per_s
    state = replace(state, round_s=granted_at, round_accepted=0)
    if not used or state.debt:
        return state
    rate = min(RATE_MAX, state.rate_per_s * (1 + state.growth))
    growth = 1.0 if ramp else min(STEP_CAP, state.growth * GROWTH_MORE)
    if state.limit and state.limit.window_s >= 5:
        rate = min(rate, (1 + min(1, 10 / state.limit.window_s)) * state.limit.requests / state.limit.window_s)
    base = 0.0 if ramp else state.base or state.rate_per_s
    return replace(state, rate_per_s=rate, growth=growth, base=base)


def _pushed_back(state: Auto, event: Refused, now: float) -> Auto:
    thr = event.throttled
    row = state.row + 1
    rtt = now - event.granted_at
    until = now + thr.retry_after_s if thr.retry_after_s else -inf
    if row == 1 and not thr.limit and state.limit and state.limit.window_s >= 5 and state.accepted < state.limit.requests / 10:
        return replace(state, row=1, cut_s=now + rtt/4, hold=Hold(until_s=max(until, now + state.limit.window_s / 20), refusals=1), resume=state.rate_per_s, shut_s=event.granted_at, base=0.0)
    if row == 1:
        n = state.accepted
        r = state.rate_per_s
        ramp = state.growth == 1.0
        mean = (n + 1) / (max(event.granted_at - state.since_s, 0) + 1 / r)
        rate = min(r, max(QUOTA * mean, state.base))
        wide = r > WIDE * rate
        if wide:
            rate = (rate * r) ** 0.5
        if thr.limit:
            stated = QUOTA * thr.limit.requests / thr.limit.window_s
            rate = stated if r > stated * 1.01 or r < stated / 2 and state.limit != thr.limit else min(rate, stated)
        w = (r / rate if wide else rate / (state.base or r)) - 1
        w = abs(w) + 1 / (n + 1)
        charge = 0 if ramp else round(max(5, min(CHARGE, 6 / w)))
        if thr.limit: charge *= 2
        return replace(state, rate_per_s=rate, resume=rate, row=1, cut_s=now + rtt / 4, hold=Hold(until_s=until, refusals=1),
            limit=thr.limit or state.limit, why=Why.STATED if thr.limit else state.why,
            growth=min(STEP_MAX, max(STEP_MIN, w/8)), debt=min(DEBT_MAX, state.debt+charge), charge=charge, base=0.0, shut_s=event.granted_at)
    if until == -inf:
        until = _knock(state, now)
    return replace(state, row=row, cut_s=now + rtt / 4, hold=Hold(until_s=until, refusals=row), debt=min(DEBT_MAX, state.debt + state.charge//2), rate_per_s=1/max(2*rtt, 0.1))

def _knock(state, now):
    elapsed = now - state.shut_s
    wait = max(0.05, elapsed if state.accepted > 300 else 3 * elapsed)
    if state.why is Why.STATED:
        wait = max(wait, state.limit.window_s / 8)
    if state.limit and state.limit.window_s >= 1:
        w = state.limit.window_s
        k = (now - state.opened_s) // w + 1
        turns = [state.opened_s + k * w + MARGIN]
    else:
        turns = sorted(at + w + MARGIN for w in WINDOWS_S for at in (state.since_s, state.opened_s))
    return next((t for t in turns if now + MARGIN < t < now + 1.3 * wait), now + wait)


def _open(state: Auto, granted_at: float) -> Auto:
    since = state.cut_s
    lo = state.cut_s - state.opened_s
    hi = granted_at - (state.since_s)
    w = next((float(w) for w in WINDOWS_S if lo < w <= hi and w >= 5 and state.opened_s < inf), None)
    limit = state.limit
    rate = state.resume
    growth = state.growth
    if state.why is Why.STATED:
        rate = QUOTA * state.limit.requests / state.limit.window_s
    elif granted_at - state.shut_s < 0.1 * hi:
        pass
    elif limit and limit.window_s > 1:
        rate = QUOTA * limit.requests / limit.window_s
        growth = STEP_MIN
    elif w:
        rate = QUOTA * state.accepted / w
        limit = Limit(requests=state.accepted, window_s=w)
        state = replace(state, debt=min(1000, max(state.debt, 4 * limit.requests)))
        growth = STEP_MIN
    else:
        rate = max(state.accepted / hi, state.resume / 2)
        limit = None
        growth = STEP_MAX
        state = replace(state, debt=min(state.debt, 5))
    rate = max(rate, 1 / 3600)
    return replace(state, rate_per_s=min(rate, state.resume) , limit=limit, why=state.why if state.why is Why.STATED else Why.FOUND if limit else None,
        since_s=since, opened_s=granted_at, accepted=1, row=0, hold=Hold(), round_s=granted_at, round_accepted=0,
        growth=growth)
