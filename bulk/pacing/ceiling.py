"""The ceiling that a person sets while a run is at work, besides the rate of its job.

It says nothing of the server: what was believed before is believed under it, nothing is found out by keeping
to it, and without it the rate is what it was, unless the server took less than the ceiling meanwhile.
"""

from bulk.pacing.states import Pacing


def capped(state: Pacing, most_per_s: float, now: float) -> Pacing:
    """Return the state that never exceeds this rate, nor that of the job; infinity is the latter alone.

    A request that left before `now` says nothing of the new rate.
    """
    cap_per_s = min(state.given_per_s, most_per_s)
    rate_per_s = state.trial.rate_per_s if state.trial else state.rate_per_s
    is_held_by_it = state.before_cap_per_s > 0 and rate_per_s >= state.cap_per_s
    wanted_per_s = state.before_cap_per_s if is_held_by_it else rate_per_s
    # A climb, or a trial, that was under way has been about another rate.
    return state.settled(now)._replace(
        rate_per_s=min(wanted_per_s, cap_per_s),
        cap_per_s=cap_per_s,
        before_cap_per_s=wanted_per_s if cap_per_s < state.given_per_s else 0.0,
        cut_at=state.cut_at if state.is_shut else max(state.cut_at, now),
    )
