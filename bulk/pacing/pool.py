"""How many workers a rate needs: `(state, event) -> state`, and the number that follows from it.

Little's law: the requests in flight are the rate times the latency, so that many workers, and a few more
for the ones that wait their turn, keep the rate; any further worker would only wait.

A server in trouble is given fewer at a time: one that now answers mostly badly (it fails, cannot be reached
or is far slower than usual), and more so than it usually does. Failures at random have nothing to do with
how many requests are in flight; fewer of them would only make the run slower.
"""

from math import ceil
from typing import NamedTuple

from bulk.model import value

HEADROOM = 1.5
"""Share over Little's law: latency varies, and a pace without a waiting worker loses grants."""
SPARE = 2
FAST, SLOW = 1 / 16, 1 / 256
"""Weights of an answer in what holds now and in what is usual."""
SLUGGISH = 3.0
"""An answer is bad when it takes this many times the usual."""
MOSTLY, ALMOST_ALL = 0.6, 0.9
"""Shares of bad answers: trouble begins at the first, and is certain from the second on, usual or not."""
UNUSUAL = 2.0
"""How many times the usual share of bad answers is trouble."""


class Sizing(NamedTuple):
    """What is known about the server's answers; a new one comes of every answer."""

    cap: int
    """Most workers, whatever the rate."""
    allowed: float
    """Most workers for now: the cap, or less while the server is in trouble."""
    latency_s: float = 0.0
    """Latency of a request now, answered or lost; 0 until there is one."""
    usual_s: float = 0.0
    """Usual latency of an answer, failures left out."""
    bad: float = 0.0
    """Share of answers that are bad now."""
    usually_bad: float = 0.0
    """Share of answers that are bad as a rule."""
    settling: int = 0
    """Answers still to come that say nothing of the latest cut: one burst, one cut."""


@value
class Answered:
    """A request came to its end."""

    latency_s: float
    is_failure: bool = False
    """Whether the server failed: an answer of 5xx, or none at all."""


def sizing(cap: int) -> Sizing:
    """Return the state that knows nothing yet and allows up to `cap` workers."""
    return Sizing(cap=cap, allowed=float(cap))


def step(state: Sizing, event: Answered) -> Sizing:
    """Return the state after one request."""
    latency_s = event.latency_s
    is_bad = event.is_failure or latency_s > SLUGGISH * (state.usual_s or latency_s)
    state = state._replace(
        latency_s=_moved(state.latency_s or latency_s, latency_s, FAST),
        usual_s=state.usual_s if event.is_failure else _moved(state.usual_s or latency_s, latency_s, SLOW),
        bad=_moved(state.bad, is_bad, FAST),
        usually_bad=_moved(state.usually_bad, is_bad, SLOW),
        settling=max(0, state.settling - 1),
    )
    if is_bad and not state.settling and _is_in_trouble(state):
        return state._replace(allowed=max(1.0, state.allowed / 2), settling=ceil(state.allowed))
    if is_bad:
        return state
    return state._replace(allowed=min(float(state.cap), state.allowed + 1 / state.allowed))


def workers(state: Sizing, rate_per_s: float) -> int:
    """Return the number of workers that keep `rate_per_s`: at least one, at most what is allowed."""
    wanted = ceil(HEADROOM * rate_per_s * state.latency_s) + SPARE
    return max(1, min(wanted, int(state.allowed)))


def _is_in_trouble(state: Sizing) -> bool:
    return state.bad >= min(ALMOST_ALL, max(MOSTLY, UNUSUAL * state.usually_bad))


def _moved(mean: float, value: float, weight: float) -> float:
    """Return a running mean after one more value."""
    return mean + weight * (value - mean)
