"""A rate that a person gave: a refusal makes it pause, nothing makes it faster or slower."""

from dataclasses import replace

from bulk.core.pacing.states import Accepted, Fixed, Hold, Refused

HOLD_S_MIN, HOLD_S_MAX = 1.0, 30.0
"""First and longest pause where the refusal does not say how long; doubled while nothing is accepted."""
DOUBLINGS_MAX = 10


def accepted(state: Fixed, event: Accepted) -> Fixed:
    """Give the state with its pauses forgotten, if this request left after the last of them."""
    over = state.hold.refusals > 0 and event.granted_at >= state.hold.until_s
    return replace(state, hold=Hold()) if over else state


def refused(state: Fixed, event: Refused, now: float) -> Fixed:
    """Give the state that pauses: for as long as the server says, else longer each time in a row."""
    if event.granted_at < state.hold.until_s:
        return state  # left before the pause that is under way: the same burst
    growing_s = min(HOLD_S_MAX, HOLD_S_MIN * 2.0 ** min(state.hold.refusals, DOUBLINGS_MAX))
    until_s = now + (event.throttled.retry_after_s or growing_s)
    hold = Hold(until_s=until_s, refusals=state.hold.refusals + 1)
    return replace(state, hold=hold, limit=event.throttled.limit)
