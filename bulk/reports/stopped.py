"""What a person can do about a run that waits for a word, or that a limit or a person stopped for good."""

from collections.abc import Iterator, Sequence

from bulk.ledger.decisions import StandingStop, decided
from bulk.ledger.progress import Progress
from bulk.ledger.run_waves import unsure_ruling
from bulk.ledger.stops import BrakeReason, failures
from bulk.model import Outcome, Sigil

LETS_GO_ON = "to let it go on:"
"""What stands before one of the commands that are awaited."""


def commands_awaited(progress: Progress, run: str) -> Iterator[tuple[str, str]]:
    """Yield (word, command) for each word of a person that a run at work waits for; none where it does not.

    `run` is written as a shell has it.
    """
    if unsure := unsure_ruling(progress):
        yield "go", f"bulk tell {run} go {unsure[0].wave}"
    if decided(progress.decisions).pause:
        yield "unpause", f"bulk tell {run} unpause"


def flags_for(stops: Sequence[StandingStop]) -> str:
    """Return the flags that name these stops; a person replaces each REASON."""
    return " ".join(f"--despite {stop.id}:REASON" for stop in stops)


def failures_to_allow(stops: Sequence[StandingStop], progress: Progress) -> int | None:
    """Return how many failures have to be allowed to lift these stops; None where none is about failures."""
    limits = [stop.failures_max for stop in stops if stop.cause is BrakeReason.FAILURE_LIMIT]
    return (
        max(failures(progress.counts()), *(-1 if most is None else most + 1 for most in limits))
        if limits
        else None
    )


def wrong_outcomes(progress: Progress) -> tuple[Outcome, ...]:
    """Return the outcomes, of those that rows of a run have, that need a person."""
    counts = progress.counts()
    return tuple(each for each, rows in counts.items() if rows and each.facts.sigil is Sigil.WRONG)


def ways_on(progress: Progress, ledger: str, flag: str = "") -> Iterator[str]:
    """Return the commands that show, lift and take back; none where no stop stands.

    `ledger` is written as a shell has it; `flag` names the API where a person has to.
    """
    stops = decided(progress.decisions).stops
    if not stops:
        return
    if wrong := wrong_outcomes(progress):
        yield f"look at the rows first: bulk report {ledger} --only {','.join(wrong)}"
    words = flags_for(stops)
    if (least := failures_to_allow(stops, progress)) is not None:
        words += f" --max-failures {least}"
    yield f"to go on despite it: bulk apply {ledger}{flag} {words}"
    counts = progress.counts()
    if counts[Outcome.APPLIED] or counts[Outcome.IN_DOUBT]:
        yield f"to take back what was applied: bulk rollback {ledger}{flag}"
