"""What a pacing state believes and waits for, and the words for it in display, reports and logs."""

from bulk.model import Hold, Limit, Wait, Why
from bulk.pacing.states import RAMP, Pacing

UNITS = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86_400.0: "day"}
BY_THE_MINUTE = 10.0
"""Requests a second below which a rate reads better by the minute."""


def believed(state: Pacing) -> tuple[Limit, Why] | None:
    """Return the limit believed in and why; None while nothing is known. A trial changes no belief."""
    if state.limit:
        return state.limit, state.why
    rate_per_s = state.trial.rate_per_s if state.trial else state.ground_per_s or state.rate_per_s
    if rate_per_s >= state.cap_per_s:
        return _by_rate(state.cap_per_s), Why.GIVEN
    is_searching = (state.trial or state).growth == RAMP
    return None if is_searching else (_by_rate(rate_per_s), Why.FOUND)


def reason(state: Pacing, now: float) -> Wait:
    """Return what the next request waits for: the rate, or the server's push-back with its limit."""
    left_s = state.held_until_s - now
    if left_s <= 0:
        return Wait(hold=Hold.RATE)
    return Wait(hold=Hold.PUSH_BACK, left_s=left_s, limit=state.limit)


def wait_text(wait: Wait) -> str:
    """Return `the server's push-back: limit 60 per minute (user), 12 s left`: what is known of a wait."""
    details = ", ".join(filter(None, (detail_text(wait), f"{wait.left_s:.0f} s left" if wait.left_s else "")))
    return f"{wait.hold.words}: {details}" if details else wait.hold.words


def detail_text(wait: Wait) -> str:
    """Return `row 3, limit 60 per minute (user)`: what is known of a wait but its length."""
    known = (
        f"{wait.detail} for {wait.lasts_s:.0f} s" if wait.lasts_s else wait.detail,
        f"row {wait.row}" if wait.row else "",
        f"limit {limit_text(wait.limit)}" if wait.limit else "",
    )
    return ", ".join(filter(None, known))


def limit_text(limit: Limit) -> str:
    """Return `60 per minute (user)`."""
    window = UNITS.get(limit.window_s, f"{limit.window_s:g} s")
    policy = f" ({limit.policy})" if limit.policy else ""
    return f"{limit.requests} per {window}{policy}"


def noise_text(noise: float) -> str:
    """Return `6 % throttled whatever the rate`."""
    return f"{max(noise, 0.01):.0%} throttled whatever the rate".replace("%", " %")


def _by_rate(rate_per_s: float) -> Limit:
    window_s = 1.0 if rate_per_s >= BY_THE_MINUTE else 60.0
    return Limit(requests=max(1, round(rate_per_s * window_s)), window_s=window_s)
