"""How many workers a rate needs: `(state, event) -> state`, and the number that follows from it.

Little's law: the requests in flight are the rate times the latency, so that many workers, and a few more
for the ones that wait their turn, keep the rate; any further worker would only wait. A server that fails
or becomes slow is given fewer at a time.
"""

from math import ceil
from typing import NamedTuple, TypeAlias, assert_never

from bulk.core.model import noun

HEADROOM = 1.5
"""Share over Little's law: latency varies, and a pace without a waiting worker loses grants."""
SPARE = 2
FAST, SLOW = 1 / 8, 1 / 256
"""Weights of an answer in the latency now and in the usual latency."""
SLUGGISH = 3.0
"""The server is slow when an answer takes this many times the usual."""
EASE = 0.97
"""What a slow answer leaves of the workers allowed; a failure leaves half."""


class Sizing(NamedTuple):
    """What is known about the server's answers; a new one comes of every answer."""

    cap: int
    """Most workers, whatever the rate."""
    allowed: float
    """What slowness and failures have left of the cap."""
    latency_s: float = 0.0
    """Of an answer now; 0 until there is one."""
    usual_s: float = 0.0
    """Of an answer as a rule."""
    settling: int = 0
    """Answers still to come before a failure counts as another one: one burst, one cut."""


@noun
class Answered:
    """The server answered, whatever it said."""

    latency_s: float


@noun
class Failed:
    """The server failed: an answer of 5xx, or none at all."""


Event: TypeAlias = Answered | Failed


def sizing(cap: int) -> Sizing:
    """Return the state that knows nothing yet and allows up to `cap` workers."""
    return Sizing(cap=cap, allowed=float(cap))


def step(state: Sizing, event: Event) -> Sizing:
    """Return the state after one request."""
    settling = max(0, state.settling - 1)
    match event:
        case Answered():
            return _answered(state._replace(settling=settling), event.latency_s)
        case Failed() if settling:
            return state._replace(settling=settling)
        case Failed():
            return state._replace(allowed=max(1.0, state.allowed / 2), settling=ceil(state.allowed))
        case _ as never:
            assert_never(never)


def workers(state: Sizing, rate_per_s: float) -> int:
    """Return the number of workers that keep `rate_per_s`: at least one, at most what is allowed."""
    wanted = ceil(HEADROOM * rate_per_s * state.latency_s) + SPARE
    return max(1, min(wanted, int(state.allowed)))


def _answered(state: Sizing, latency_s: float) -> Sizing:
    if not state.latency_s:
        return state._replace(latency_s=latency_s, usual_s=latency_s)
    slow = latency_s > SLUGGISH * state.usual_s
    allowed = state.allowed * EASE if slow else state.allowed + 1 / state.allowed
    return state._replace(
        allowed=max(1.0, min(float(state.cap), allowed)),
        latency_s=state.latency_s + FAST * (latency_s - state.latency_s),
        usual_s=state.usual_s + SLOW * (latency_s - state.usual_s),
    )
