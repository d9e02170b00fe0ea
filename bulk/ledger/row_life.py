"""The life of a row, as the records tell it: its stages, the steps between them, its PUTs so far.

A row takes these steps and no others; any other is a damaged ledger (or a bug) and fails in `folding.py`:

    waiting ---- intent ----> in flight ---- outcome ----> applied, failed, conflict
       |                      ^   |
       |                      |   +----- attempt ----> answered (surely not applied) or parked
       |                      |                            |
       |                      +---------- intent ----------+
       +-- outcome --> already, refused, drifted, blocked, failed      (from answered and parked too; from
                                                                        these also applied: the look found it
                                                                        so; conflict from parked only)

    in flight to restore -- outcome --> blocked, failed (a parked service has what it had before: another row
                                                        ended otherwise, or its own last PUT was refused)
    applied -- outcome --> conflict     (the last look found something else)
    failed -- outcome --> applied, conflict     (the last look found that a refused PUT took effect)

In flight when the writing stopped means: in doubt.
"""

from dataclasses import replace
from enum import IntEnum
from typing import assert_never

from bulk.ledger.records import AttemptResult, Json, Purpose
from bulk.model import Outcome, value


class Stage(IntEnum):
    """Where a row stands; each outcome that is written has a stage of its name, see `_follows`.

    From APPLIED on a row has ended: what comes behind it must be an outcome.
    """

    UNPLANNED = 0
    WAITING = 1
    IN_FLIGHT = 2
    ANSWERED = 3
    PARKED = 4
    APPLIED = 5
    ALREADY = 6
    FAILED = 7
    REFUSED = 8
    DRIFTED = 9
    CONFLICT = 10
    BLOCKED = 11


NOT_IN_FLIGHT = frozenset({Stage.WAITING, Stage.ANSWERED, Stage.PARKED})
"""Where a row stands that has no outcome and no PUT under way."""


def _follows(outcome: Outcome) -> frozenset[Stage]:
    """Return the stages from which a row may take an outcome; none for outcomes that are never written."""
    match outcome:
        case Outcome.APPLIED:
            return frozenset({Stage.IN_FLIGHT, Stage.ANSWERED, Stage.PARKED, Stage.FAILED})
        case Outcome.ALREADY | Outcome.REFUSED | Outcome.DRIFTED:
            return NOT_IN_FLIGHT
        case Outcome.FAILED | Outcome.BLOCKED:
            return NOT_IN_FLIGHT | {Stage.IN_FLIGHT}
        case Outcome.CONFLICT:
            return frozenset({Stage.IN_FLIGHT, Stage.PARKED, Stage.APPLIED, Stage.FAILED})
        case Outcome.IN_DOUBT | Outcome.NOT_ATTEMPTED:
            return frozenset()
        case _:
            assert_never(outcome)


STAGE_OF = {outcome: Stage[outcome.name] for outcome in Outcome if _follows(outcome)}
"""The stage of each outcome that is written."""
OUTCOME_OF = {stage: outcome for outcome, stage in STAGE_OF.items()}
"""The outcome of each stage at which a row has ended."""
SENT = frozenset({Outcome.APPLIED, Outcome.FAILED, Outcome.CONFLICT})
"""Outcomes that a row of an `update` has only after a PUT."""
_OPEN_MOVES = {
    Stage.UNPLANNED: {Stage.WAITING},
    Stage.WAITING: {Stage.IN_FLIGHT},
    Stage.IN_FLIGHT: {Stage.ANSWERED, Stage.PARKED},
    Stage.ANSWERED: {Stage.IN_FLIGHT},
    Stage.PARKED: {Stage.IN_FLIGHT},
}


def _may_follow(before: Stage, stage: Stage) -> bool:
    ended = OUTCOME_OF.get(stage)
    return stage in _OPEN_MOVES.get(before, ()) or (ended is not None and before in _follows(ended))


MAY_FOLLOW = tuple(bytes(_may_follow(before, stage) for stage in Stage) for before in Stage)
"""At [stage][next stage]: 1 where a row may take this step."""
MAY_END_AGAIN = frozenset(stage for stage in OUTCOME_OF if any(MAY_FOLLOW[stage]))
"""Stages whose outcome the last look may change: an applied row, and a failed one whose PUT took effect."""


@value
class OpenRow:
    """What is remembered of a row between its first intent and its outcome: the fold of its PUTs so far."""

    attempts: int = 0
    """PUTs sent so far, those withdrawn before they left included."""
    tries: int = 0
    """Answers that count against the row: throttling does not, nor a kill before the answer."""
    purpose: Purpose = Purpose.CHANGE
    """What the last PUT was for."""
    parked: bool = False
    rejected: bool = False
    """The API said no to the last PUT of a parked service, or its tries were used up."""
    restore_rejected: bool = False
    """It said no to giving back what the service had, too: the last PUT is the only way out."""
    has_left: bool = False
    """A PUT has left, and was answered; whatever the answer said, it may have taken effect since."""


NOT_BEGUN = OpenRow()
_FIRST_SENT = OpenRow(attempts=1)


def after_intent(known: OpenRow, attempt: int, purpose: Purpose) -> OpenRow:
    """Return what is known of a row once a PUT of it is about to leave; each purpose has its own tries."""
    if known is NOT_BEGUN and attempt == 1 and purpose is Purpose.CHANGE:
        return _FIRST_SENT  # as most rows ever are; one object for all of them
    return OpenRow(
        attempts=attempt,
        tries=known.tries if purpose is known.purpose else 0,
        purpose=purpose,
        parked=known.parked,
        rejected=known.rejected or (purpose is Purpose.RESTORE and known.purpose is Purpose.CHANGE),
        restore_rejected=known.restore_rejected,
        has_left=known.has_left,
    )


_NEVER_LEFT = frozenset({AttemptResult.NOT_SENT, AttemptResult.UNREACHED})
_LEFT_IF_ANSWERED = frozenset({*_NEVER_LEFT, AttemptResult.RETRY, AttemptResult.ABORT})


def never_left(attempt: Json) -> bool:
    """Return whether an `attempt` record says that the PUT of its intent surely did not leave."""
    return attempt["http"] is None and attempt["verdict"] in _LEFT_IF_ANSWERED


def after_attempt(known: OpenRow, result: AttemptResult, hold_s: float = 0.0) -> OpenRow:
    """Return what is known of a row once it was answered, or read, without an end.

    `hold_s`: how long the API asked to be left alone; where it did, the row is not to blame.
    """
    if result not in _NEVER_LEFT and not known.has_left:
        known = replace(known, has_left=True)
    match result:
        case AttemptResult.DOUBT if hold_s:
            return known
        case AttemptResult.DOUBT | AttemptResult.RETRY:
            return replace(known, tries=known.tries + 1)
        case AttemptResult.PARKED:
            return replace(known, parked=True, tries=0)
        case AttemptResult.REJECTED:
            is_restore = known.purpose is Purpose.RESTORE
            return replace(known, rejected=True, restore_rejected=known.restore_rejected or is_restore)
        case (
            AttemptResult.ABORT
            | AttemptResult.DENIED
            | AttemptResult.NOT_SENT
            | AttemptResult.RENEWED
            | AttemptResult.THROTTLED
            | AttemptResult.UNAPPLIED
            | AttemptResult.UNREACHED
        ):
            return known
        case _:
            assert_never(result)
