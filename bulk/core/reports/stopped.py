"""What a person can do about a run that a limit, or a person, stopped for good."""

from collections.abc import Iterator, Sequence

from bulk.core.ledger.decisions import StandingStop
from bulk.core.ledger.stops import BrakeReason


def flags_for(stops: Sequence[StandingStop]) -> str:
    """Return the flags that name these stops; a person replaces each REASON."""
    return " ".join(f"--despite {stop.id}:REASON" for stop in stops)


def ways_on(stops: Sequence[StandingStop], ledger: str, flag: str = "") -> Iterator[str]:
    """Return the commands that show, lift and take back; none where no stop stands.

    `ledger` is written as a shell has it; `flag` names the API where a person has to.
    """
    if not stops:
        return
    if any(stop.cause is not BrakeReason.SIDE_EFFECT for stop in stops):
        yield f"to see which rows failed: bulk report {ledger} --output csv"
    words = [flags_for(stops)]
    if any(stop.cause is BrakeReason.FAILURE_LIMIT for stop in stops):
        words.append("--max-failures MORE")
    yield f"to go on despite it: bulk apply {ledger}{flag} {' '.join(words)}"
    yield f"to take back what was applied: bulk rollback {ledger}{flag}"
