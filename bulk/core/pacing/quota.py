"""What a limit allows, and what a state believes about windows."""

from bulk.core.model import Limit
from bulk.core.pacing.states import Pacing, Refused

WINDOWS_S = (5.0, 10.0, 60.0, 120.0, 300.0, 600.0, 3600.0, 86_400.0)
"""Windows that gateways use. Shorter ones need no name: there a rate says as much."""
BELIEVED = 2.0
"""A stated limit of which this many times as much was accepted is not the one that refuses."""
EARLY = 0.1
"""Share of a window below which a refusal speaks of somebody else's requests, or of our own older ones."""


def quota_per_s(limit: Limit) -> float:
    """Return the rate that uses the whole limit; the limiter's schedule stays a little below any rate."""
    return limit.requests / limit.window_s


def window(state: Pacing) -> Limit | None:
    """Return the limit believed in, if it is a window long enough to be seen as one."""
    return state.limit if state.limit and state.limit.window_s >= WINDOWS_S[0] else None


def early(state: Pacing) -> Limit | None:
    """Return the window believed in, if it has only just begun."""
    known = window(state)
    return known if known and state.cycle_accepted < EARLY * known.requests else None


def stated(event: Refused) -> Limit | None:
    """Return the limit that a refusal states, if it makes sense."""
    limit = event.throttled.limit
    return limit if limit and limit.requests > 0 and limit.window_s > 0 else None
