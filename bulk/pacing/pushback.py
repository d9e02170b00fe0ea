"""When nothing at all is accepted: the probes of a shut window, and its opening."""

from bulk.model import Limit, Why
from bulk.pacing.states import GROWTH_MIN, WINDOW_S_MIN, Pacing, PushBack, Throttling

WINDOWS_S = (WINDOW_S_MIN, 10.0, 60.0, 120.0, 300.0, 600.0, 3600.0, 86_400.0)
"""Windows that gateways use."""
BELIEVED = 2.0
"""A stated limit of which this many times as much was accepted is not the one that refuses."""

TRUST = 2
"""Refusals in a row up to which `Retry-After` is taken at its word."""
PROBE_S_MIN, PROBE_SPACING_S_MIN = 0.05, 0.1
PROBES_FOR = 60
"""Acceptances before it shut that make it worth a probe at every doubling of the shut time."""
PATIENCE_MIN, PATIENCE_MAX = 1 / 3, 3.0
"""How long to wait for the next probe, in terms of how long it has been shut."""
LATER = 1.3
"""An opening expected within this many waits takes the place of the probe."""
WINDOW_MARGIN_S = 0.1
"""How long after the expected opening to probe: requests do not all take equally long."""
SHORT_S, SHORT = 0.5, 0.1
"""A shut time below which requests only left too fast, and the share of a cycle below which it says nothing
new about a window."""
WHOLE_S = 2.5
"""A cycle up to which may be one window that is too short to have a name."""
OWED_FOR_WAIT_MAX = 200.0
"""A wait that a refusal asked for counts as much as the requests that it kept from leaving, up to this."""
OWED_FOR_WINDOW, OWED_FOR_REQUESTS = 10.0, 250.0
"""The most refusals that have to be made good once a window is known, and what they come to by its requests:
one of many requests can afford to be tried at once."""
SPENT = 0.9
"""Share of a known window from which on it is clear why nothing is accepted any more."""
FEW = 5
"""Acceptances that make a cycle worth calling a window."""


def shut(state: Pacing, event: Throttling, now: float) -> Pacing:
    """Return the state in which nothing leaves but one probe at a time.

    The probe leaves when the server says; after more than `TRUST` refusals in a row not before our own guess.
    A limit that the refusal states is taken over where it can be true.
    """
    if (limit := event.throttled.limit) and _may_be(limit, state, now):
        state = state._replace(
            rate_per_s=min(state.rate_per_s, limit.per_s),
            limit=limit,
            why=Why.STATED,
            growth=GROWTH_MIN,
            ground_per_s=0.0,
            excess=0.0,
            trial=None,
        )
    wait_s = event.throttled.retry_after_s
    until_s = now + (wait_s or 0.0)
    owed = min(OWED_FOR_WAIT_MAX, state.owed + (until_s - now) * state.rate_per_s)
    if wait_s is None or state.refusals > TRUST:
        until_s = max(until_s, _probe_at(state, now))
    return state._replace(
        owed=owed,
        hold=PushBack(until_s=until_s, refusals=state.refusals),
        spacing_s=max(PROBE_SPACING_S_MIN, 2 * (now - event.granted_at)),
    )


def _may_be(limit: Limit, state: Pacing, now: float) -> bool:
    """Return whether a limit that is stated could have accepted as much as was accepted."""
    turns = 1 + (now - state.cycle_at) / limit.window_s
    return state.cycle_accepted <= BELIEVED * limit.requests * turns


def lifted(state: Pacing) -> Pacing:
    """Return the state that is open again: a request granted after the refused ones was accepted."""
    return state._replace(is_shut=False, refusals=0, hold=PushBack(), spacing_s=0.0)


def reopened(state: Pacing, granted_at: float) -> tuple[Pacing, float | None]:
    """Return the state after an accepted probe, and the rate to continue at; None keeps that of the state.

    A rate is returned where it was shut so briefly that the limit is a rate: what the whole cycle, shut
    time included, amounts to. After an outage the state is as it was before.
    """
    fresh = lifted(state)._replace(
        cycle_at=granted_at, cycle_accepted=1, round_at=granted_at, round_answers=0
    )
    span_s, shut_s = granted_at - state.cycle_at, granted_at - state.shut_at
    known, is_brief = state.window, shut_s < SHORT * span_s
    before_per_s = state.trial.rate_per_s if state.trial else state.ground_per_s or state.rate_per_s
    back = fresh._replace(excess=0.0, ground_per_s=0.0, growth=GROWTH_MIN, trial=None)
    if is_brief and span_s > WHOLE_S and (known or shut_s < SHORT_S):
        return (back._replace(rate_per_s=before_per_s) if known else fresh._replace(excess=0.0)), None
    if known is None and (known := _seen_window(state, granted_at, is_brief=is_brief)):
        owed = min(OWED_FOR_WINDOW, OWED_FOR_REQUESTS / known.requests, state.owed)
        back = back._replace(limit=known, why=Why.FOUND, owed=owed)
    if known:
        return back._replace(rate_per_s=min(before_per_s, known.per_s)), None
    was_asked = state.refusals <= TRUST  # what the server's wait kept from leaving is as good as refused
    fresh = fresh._replace(excess=fresh.excess + shut_s * state.rate_per_s * was_asked)
    if shut_s < SHORT_S or was_asked:
        return fresh, min(state.rate_per_s, max(state.cycle_accepted / span_s, state.rate_per_s / 2))
    return fresh._replace(excess=0.0, owed=0.0), None


def _probe_at(state: Pacing, now: float) -> float:
    """Return when to probe next: when a window should open, if that is soon or certain, else ever later."""
    shut_s = now - state.shut_at
    patience = min(PATIENCE_MAX, max(PATIENCE_MIN, PROBES_FOR / (state.cycle_accepted + 1)))
    wait_s = max(PROBE_S_MIN, shut_s * patience)
    known = state.window
    if known and now < state.cycle_at + known.window_s and state.cycle_accepted > SPENT * known.requests:
        wait_s = known.window_s
    soon = (at for at in _openings(state, now) if now + WINDOW_MARGIN_S < at < now + LATER * wait_s)
    return min(soon, default=now + wait_s)


def _openings(state: Pacing, now: float) -> tuple[float, ...]:
    """Return when a window may open: the next turn of a known one, else after each usual length.

    A window that also counts what it refuses opens its length after it shut, not after it began.
    """
    if known := state.window:
        turns = (now - state.cycle_at) // known.window_s + 1
        return (state.cycle_at + turns * known.window_s + WINDOW_MARGIN_S,)
    starts = (state.cycle_at, state.shut_at)
    return tuple(at + window_s + WINDOW_MARGIN_S for window_s in WINDOWS_S for at in starts)


def _seen_window(state: Pacing, opened_at: float, *, is_brief: bool) -> Limit | None:
    """Return the usual window that fits: it ends after the first refusal and not after the opening.

    Where several fit, as after a long `Retry-After`, it is the longest.
    """
    least_s, most_s = state.shut_at - state.cycle_at, opened_at - state.cycle_at
    fits = [window_s for window_s in (1.0, *WINDOWS_S) if least_s < window_s <= most_s]
    if is_brief or not fits or state.cycle_accepted < FEW:
        return None
    return Limit(requests=state.cycle_accepted, window_s=fits[-1])
