"""Tells "refused because too fast" from "refused anyway".

Gateways refuse some requests whatever the rate. Up to the *tolerance*, refusals are no reason to go slower.
What exceeds it for long is tried: the rate goes below what was accepted, and the answers are weighed. A limit
refuses less of the slower rate; *noise* does not care, so then the rate comes back, and the share that it
refuses is known. Known noise is forgotten after a while, since it changes. While a search still doubles its
rate, the next doubling tells more than a trial: a limit then refuses half or more.
"""

from math import ceil, log, sqrt

from bulk.pacing.states import RAMP, Pacing, Trial

TOLERANCE = 0.025
"""Share of refusals that is no reason to go slower."""
TOLERANCE_OF_NOISE = 0.15
"""What is tolerated besides, as a share of the noise: the more there is, the more it varies."""
PATIENCE, PATIENCE_WITH_NOISE = 3.0, 60.0
"""Refusals in excess that call for a trial, and how many more for noise of 1."""
UNLIKELY = 1e-4
"""Refusals in a row that noise explains no better than this are no noise."""
NOISE_SUSPECTED, NOISE_BESIDE_WINDOW = 0.1, 0.01
"""The least noise that this is judged with, as it may not be known yet; less beside a window, which shuts."""
DEPTH = 0.93
"""Rate of a trial over the limit that is suspected."""
STALL_S = 0.1
"""A limit that was overrun goes on refusing for a moment, however slow the next requests are."""
ANSWERS = 120
"""Answers that a trial takes to know what is refused anyway."""
ANSWERS_MIN = 20
"""Answers before a trial that tell what it is compared with."""
EXPECTED = 5.0
"""Refusals that should have come if the rate was not to blame: none of them ends a trial sooner."""
EXPECTED_NOISE = 1.5
"""Refusals by known noise that should have come in a trial: if fewer, that none came says nothing of it."""
SPREAD = 2.0
"""Standard deviations by which the same noise may have refused more before a trial than in it."""
NOISE_MAX = 0.35
"""The most that is believed to be noise. As long as the rate is doubled, so much is no reason to stop."""
FORGOTTEN_S, FORGOTTEN_ANSWERS = 30.0, 2000
GROWTH_TRIED = 0.03
"""Growth after a trial: the limit is known roughly, or the rate was not to blame."""
OWED_AFTER_CUT = 0.5
"""The most refusals that have to be made good after a trial, over the share that it began with: the deeper a
cut, the less is known."""


def allowance(state: Pacing) -> float:
    """Return the share of refusals that is no reason to go slower."""
    if is_doubling(state):
        return NOISE_MAX
    return TOLERANCE + (1 + TOLERANCE_OF_NOISE) * state.noise


def is_doubling(state: Pacing) -> bool:
    """Return whether the rate has just been doubled: twice that would tell a limit from noise at once."""
    return state.growth == RAMP and 0 < state.below_per_s < state.rate_per_s < state.cap_per_s


def counted(state: Pacing, *, is_refused: bool) -> Pacing:
    """Return the state that has counted an answer."""
    if not (state.trial or state.excess):  # the first refusal of a stretch only marks its beginning
        return state._replace(excess=1.0, answers=0, refused=0) if is_refused else state
    return state._replace(
        excess=max(0.0, state.excess + is_refused - allowance(state)),
        answers=state.answers + 1,
        refused=state.refused + is_refused,
    )


def is_too_much(state: Pacing, trip_s: float) -> bool:
    """Return whether there are more refusals than noise and tolerance explain, of a share that is known.

    A stretch that is shorter than a round trip tells none: what left evenly may have arrived in a bunch.
    """
    least = ANSWERS_MIN / 2 if state.ground_per_s else ANSWERS_MIN
    is_measured = state.answers >= max(least, trip_s * state.rate_per_s)
    patience = PATIENCE_WITH_NOISE * state.noise + PATIENCE
    return is_measured and state.excess > patience + PATIENCE * is_doubling(state)


def is_run(state: Pacing) -> bool:
    """Return whether noise does not explain so many refusals in a row."""
    suspected = NOISE_MAX if is_doubling(state) else NOISE_BESIDE_WINDOW if state.window else NOISE_SUSPECTED
    noise = min(NOISE_MAX, max(state.noise, suspected))
    return state.refusals >= ceil(log(UNLIKELY) / log(noise))


def share(state: Pacing | Trial) -> float:
    """Return the share that was refused in the present stretch, or before a trial."""
    return state.refused / max(1, state.answers)


def limit_per_s(state: Pacing | Trial, noise: float = 0.0) -> float:
    """Return the limit that refuses this share, besides the noise."""
    return state.rate_per_s * (1 - share(state)) / (1 - noise)


def begin(state: Pacing, now: float) -> Pacing:
    """Return the state that tries a slower rate, of which a limit that refuses this share refuses nothing."""
    return state.settled(now)._replace(
        rate_per_s=DEPTH * limit_per_s(state),
        below_per_s=state.below_per_s,
        trial=Trial(state.rate_per_s, state.growth, state.answers, state.refused),
        cut_at=now + STALL_S,
    )


def tried(state: Pacing, trial: Trial, now: float) -> Pacing:
    """Return the state after an answer to a trial, which may have been its last."""
    if not _is_over(state, trial):
        return state
    noise_until_s = now + max(FORGOTTEN_S, FORGOTTEN_ANSWERS / trial.rate_per_s)
    is_measured = state.refused or state.answers * state.noise >= EXPECTED_NOISE
    known = share(state) if is_measured else state.noise
    after = state.settled(now)._replace(noise=known, noise_until_s=noise_until_s)
    if not _was_too_fast(after, trial):
        return after._replace(
            rate_per_s=trial.rate_per_s,
            growth=max(trial.growth, GROWTH_TRIED),
            owed=0.0,
            noise=(state.refused + trial.refused) / (state.answers + trial.answers),
        )
    if after.noise > TOLERANCE + state.noise:
        return begin(state._replace(growth=trial.growth), now)
    return after._replace(
        rate_per_s=max(state.rate_per_s, min(trial.rate_per_s, limit_per_s(trial, after.noise))),
        ground_per_s=state.rate_per_s,
        below_per_s=state.rate_per_s,
        growth=GROWTH_TRIED,
        owed=OWED_AFTER_CUT / share(trial) if state.owed * share(trial) > OWED_AFTER_CUT else state.owed,
    )


def _is_over(state: Pacing, trial: Trial) -> bool:
    """Return whether a trial has its answers: enough for a share, or none refused where some should be."""
    return state.answers >= ANSWERS or (not state.refused and state.answers * share(trial) >= EXPECTED)


def _was_too_fast(after: Pacing, trial: Trial) -> bool:
    """Return whether the noise that is known after a trial does not explain what was refused before."""
    excess = 1 + trial.refused - trial.answers * allowance(after)
    return after.noise > NOISE_MAX or excess > PATIENCE + SPREAD * sqrt(after.noise * trial.answers)
