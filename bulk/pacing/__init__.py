"""How fast requests may leave: `(state, event, time) -> state`, and the limiter that keeps to it.

Only `limiter`, which waits, and `learned_limits`, which keeps files, touch the world.
A rate is given by a person (`fixed`) or found (`auto`). The state says the rate now (`rate_per_s`) and
until when nothing may leave (`held_until_s`); `believed` and `reason` return the rest as values, `describe`
has the words for them.
"""

from typing import assert_never

from bulk.pacing.ceiling import capped
from bulk.pacing.describe import believed, reason
from bulk.pacing.search import accepted, auto, refused
from bulk.pacing.states import Accepted, Capped, Event, Pacing, Paused, Throttling

__all__ = [
    "Accepted",
    "Capped",
    "Event",
    "Pacing",
    "Paused",
    "Throttling",
    "auto",
    "believed",
    "fixed",
    "reason",
    "step",
]


def fixed(rate_per_s: float) -> Pacing:
    """Return the state that holds exactly this rate, and goes below it only while the server takes less."""
    return Pacing(rate_per_s=rate_per_s, cap_per_s=rate_per_s, given_per_s=rate_per_s)


def step(state: Pacing, event: Event, now: float) -> Pacing:
    """Return the state after `event`, which became known at `now` (monotonic seconds)."""
    match event:
        case Accepted():
            return accepted(state, event, now)
        case Throttling():
            return refused(state, event, now)
        case Paused(wait_s=wait_s):
            return state._replace(paused_until_s=max(state.paused_until_s, now + wait_s))
        case Capped(most_per_s=most_per_s):
            return capped(state, most_per_s, now)
        case _ as never:
            assert_never(never)
