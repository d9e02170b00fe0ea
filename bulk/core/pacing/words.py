"""What a pacing state believes and waits for, in words for the display and the ledger's notes."""

from math import inf

from bulk.core.model import Limit
from bulk.core.pacing.states import RAMP, Pacing, Why

UNITS = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86_400.0: "day"}
BY_THE_MINUTE = 10.0
"""Requests a second below which a rate reads better by the minute."""


def believed(state: Pacing) -> tuple[Limit, Why] | None:
    """Give the limit believed in and why; None while nothing is known."""
    if state.limit:
        return state.limit, state.why
    if state.growth == RAMP:  # nothing was refused yet
        return (_by_rate(state.cap_per_s), Why.GIVEN) if state.cap_per_s < inf else None
    return _by_rate(state.sustained_per_s or state.rate_per_s), Why.FOUND


def reason(state: Pacing, now: float) -> str:
    """Say what the next request waits for: `rate`, or the server's push-back with its limit and its end."""
    left_s = state.hold.until_s - now
    if left_s <= 0:
        return "rate"
    limit = f"limit {in_words(state.limit)}, " if state.limit else ""
    return f"server push-back: {limit}{left_s:.0f} s left"


def in_words(limit: Limit) -> str:
    """Give `60 per minute (user)`."""
    window = UNITS.get(limit.window_s, f"{limit.window_s:g} s")
    policy = f" ({limit.policy})" if limit.policy else ""
    return f"{limit.requests} per {window}{policy}"


def _by_rate(rate_per_s: float) -> Limit:
    window_s = 1.0 if rate_per_s >= BY_THE_MINUTE else 60.0
    return Limit(requests=max(1, round(rate_per_s * window_s)), window_s=window_s)
