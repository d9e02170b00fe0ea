"""Why a session stopped, and how it then exits.

A bug or a failing disk comes before all of this: it ends the session as an exception, with exit code 1.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, assert_never

from bulk.errors import ExitCode
from bulk.model import Outcome

FAILURES = frozenset({Outcome.FAILED, Outcome.CONFLICT})
"""Outcomes that count against `max_failures`."""
FORMER_WAVE = "canary"
"""What `wave` was called while there was one wave: such ledgers are read."""


class StopFacts(NamedTuple):
    """What a reason to stop means: the exit code of the session, and the reason in words."""

    exit_code: ExitCode
    words: str

    @property
    def stands(self) -> bool:
        """Return whether later sessions send no new row either, until a person says so."""
        return self.exit_code is ExitCode.SAFETY_LIMIT


class BrakeReason(StrEnum):
    """Why a session stopped.

    Where several reasons hold, the first in this order is reported first and gives the exit code: what needs
    a person's decision, then a person's or a clock's stop, then what the same command overcomes.
    """

    FAILURE_LIMIT = "failure_limit"
    WAVE = "wave"
    JUDGE = "judge"
    SIDE_EFFECT = "side_effect"
    OPERATOR = "operator"
    STRICT = "strict"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"
    WINDOW = "window"
    PAUSED = "paused"
    ABORTED = "aborted"
    PUSHED_BACK = "pushed_back"
    UNREACHED = "unreached"
    UNREADABLE = "unreadable"
    BUDGET = "budget"
    FINISHED = "finished"  # nothing stood in the way; no brake is pulled for it

    @classmethod
    def _missing_(cls, value: object) -> "BrakeReason | None":
        """Return what an older name stands for."""
        return cls.WAVE if value == FORMER_WAVE else None

    @cached_property
    def facts(self) -> StopFacts:
        """Return what the reason means; how a finished session exits depends on its rows as well."""
        match self:
            case BrakeReason.FAILURE_LIMIT:
                return StopFacts(ExitCode.SAFETY_LIMIT, "too many rows failed")
            case BrakeReason.WAVE:
                return StopFacts(ExitCode.SAFETY_LIMIT, "a wave did not end as it should")
            case BrakeReason.JUDGE:
                return StopFacts(ExitCode.SAFETY_LIMIT, "the judge of a wave did not let the next one begin")
            case BrakeReason.SIDE_EFFECT:
                return StopFacts(ExitCode.SAFETY_LIMIT, "a PUT changed what no row asked for")
            case BrakeReason.OPERATOR:
                return StopFacts(ExitCode.SAFETY_LIMIT, "a person stopped it")
            case BrakeReason.STRICT:
                return StopFacts(
                    ExitCode.REFUSED, "a row was refused or moved since the plan, and the run is strict"
                )
            case BrakeReason.INTERRUPTED:
                return StopFacts(ExitCode.INTERRUPTED, "interrupted (INT)")
            case BrakeReason.TERMINATED:
                return StopFacts(ExitCode.TERMINATED, "terminated (TERM)")
            case BrakeReason.WINDOW:
                return StopFacts(ExitCode.WINDOW_ENDED, "the window ended")
            case BrakeReason.PAUSED:
                return StopFacts(ExitCode.WINDOW_ENDED, "it was paused for 12 h")
            case BrakeReason.ABORTED:
                return StopFacts(ExitCode.CANNOT_RUN, "the API would have rejected every row")
            case BrakeReason.PUSHED_BACK:
                return StopFacts(ExitCode.STOPPED_EARLY, "the API asked to be left alone for too long")
            case BrakeReason.UNREACHED:
                return StopFacts(ExitCode.STOPPED_EARLY, "the API could not be reached any more")
            case BrakeReason.UNREADABLE:
                return StopFacts(ExitCode.STOPPED_EARLY, "the services could not be listed")
            case BrakeReason.BUDGET:
                return StopFacts(ExitCode.IN_DOUBT, "the rows in doubt use up the failure budget")
            case BrakeReason.FINISHED:
                return StopFacts(ExitCode.OK, "it finished")
            case _:
                assert_never(self)


def ranked(reasons: Iterable[BrakeReason]) -> tuple[BrakeReason, ...]:
    """Return reasons in the order in which they are reported."""
    given = set(reasons)
    return tuple(reason for reason in BrakeReason if reason in given)


def exit_code(reasons: Iterable[BrakeReason], counts: Mapping[Outcome, int]) -> ExitCode:
    """Return the exit code of a session with these reasons to stop and these counts of outcomes.

    It is OK only where every row is as asked and no reason stands against it.
    """
    if in_order := ranked(reasons):
        return in_order[0].facts.exit_code
    if counts[Outcome.IN_DOUBT]:
        return ExitCode.IN_DOUBT
    if counts[Outcome.NOT_ATTEMPTED]:
        return ExitCode.STOPPED_EARLY
    return ExitCode.SOME_FAILED if not_as_asked(counts) else ExitCode.OK


def failures(counts: Mapping[Outcome, int]) -> int:
    """Return how many rows count against `max_failures`."""
    return sum(counts[outcome] for outcome in FAILURES)


def not_as_asked(counts: Mapping[Outcome, int]) -> dict[Outcome, int]:
    """Return, of the outcomes that rows have, those that are not what the rows ask for, with their counts."""
    return {outcome: rows for outcome, rows in counts.items() if rows and not outcome.facts.as_asked}
