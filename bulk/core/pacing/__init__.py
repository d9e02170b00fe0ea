"""How fast requests may leave: `(state, event, time) -> state`, without a clock and without a wait.

A rate is given by a person (`fixed`) or found (`auto`). Either state says the rate now (`rate_per_s`) and
until when nothing may leave (`hold`); `believed` and `reason` put the rest into words.
"""

from typing import assert_never

from bulk.core.model import Limit
from bulk.core.pacing import given, search
from bulk.core.pacing.states import Accepted, Auto, Event, Fixed, Hold, Pacing, Refused, Why
from bulk.core.pacing.words import believed, in_words, reason

__all__ = [
    "Accepted",
    "Auto",
    "Event",
    "Fixed",
    "Hold",
    "Pacing",
    "Refused",
    "Why",
    "auto",
    "believed",
    "fixed",
    "in_words",
    "reason",
    "step",
]


def fixed(rate_per_s: float) -> Fixed:
    """Give the state that holds exactly this rate."""
    return Fixed(rate_per_s=rate_per_s)


def auto(learned: Limit | None = None) -> Auto:
    """Give the state that searches; a limit learned earlier only ever makes it start slower."""
    return search.begin(learned)


def step(state: Pacing, event: Event, now: float) -> Pacing:
    """Give the state after `event`, which became known at `now` (monotonic seconds)."""
    match state:
        case Fixed():
            return _given(state, event, now)
        case Auto():
            return _searched(state, event, now)
        case _ as never:
            assert_never(never)


def _given(state: Fixed, event: Event, now: float) -> Fixed:
    match event:
        case Accepted():
            return given.accepted(state, event)
        case Refused():
            return given.refused(state, event, now)
        case _ as never:
            assert_never(never)


def _searched(state: Auto, event: Event, now: float) -> Auto:
    match event:
        case Accepted():
            return search.accepted(state, event, now)
        case Refused():
            return search.refused(state, event, now)
        case _ as never:
            assert_never(never)
