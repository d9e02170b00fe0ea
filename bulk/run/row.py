"""What an event means for one row: where it goes, and what is written down. Pure functions of its `Work`."""

from dataclasses import replace
from typing import NamedTuple, assert_never

from bulk.core.backoff import backoff_s
from bulk.core.guards import side_effects
from bulk.core.ledger.progress import NOT_BEGUN, OpenRow, after_attempt
from bulk.core.ledger.records import Attempt, AttemptResult, Note, OutcomeRecord, Purpose, Record
from bulk.core.model import (
    DRIFT_FIELDS,
    SETTLING_FIELDS,
    Abort,
    Action,
    Change,
    Done,
    Doubt,
    Missing,
    ModifyBody,
    Outcome,
    Reject,
    Reply,
    Retry,
    ServiceState,
    ShowVerdict,
    Throttled,
    Verdict,
)
from bulk.run.interfaces import Dice, Limits
from bulk.run.stages import Place

LOST = Reply(code="answer_lost", message="an earlier session stopped before the answer came")
NOT_SENT = Reply(code="not_sent", message="the run was stopped between intent and request")
_RESTORED = Reply(
    code="restored", message="the change could not be finished; the state before is in force again"
)
SILENT_WAITS_MAX = 4
"""How far the backoff grows where nobody answers: who comes back shall not be kept waiting."""


class Work:
    """A row that has begun, or is about to: the fold of its records, and the PUT that is due next."""

    __slots__ = ("change", "due", "known", "reply")

    def __init__(self, change: Change, known: OpenRow = NOT_BEGUN, *, due: Purpose) -> None:
        self.change = change
        self.known = known
        self.due = due
        self.reply = LOST
        """Why the row is in doubt."""

    @property
    def body(self) -> ModifyBody:
        """Return the body of the PUT that is due."""
        match self.due:
            case Purpose.CHANGE:
                return self.change.body
            case Purpose.PARK:
                return self.change.parking or self.change.body
            case Purpose.RESTORE:
                return ModifyBody(ports=self.change.before.ports if self.change.before else None)
            case _:
                assert_never(self.due)

    @property
    def before(self) -> ServiceState | None:
        """Return the service as it is while the PUT that is due has not been applied."""
        return self.change.before if self.due is Purpose.PARK else before_last(self.change)

    @property
    def would_stay_parked(self) -> bool:
        """Return whether giving up this PUT would leave its service without what it had."""
        return self.due is Purpose.CHANGE and self.known.parked


class Turn(NamedTuple):
    """Where an event takes a row, and what follows from it for others."""

    to: Place
    records: tuple[Record, ...] = ()
    """What is written down, in order."""
    due: Purpose | None = None
    """The PUT that is due from here on, where that is another one."""
    wait_s: float = 0.0
    refused_key: str = ""
    """Why no request with this key is accepted any more."""
    side_effect: str = ""
    """What the PUT changed though no row asks for it."""


def before_last(change: Change) -> ServiceState | None:
    """Return the service as the last PUT of a change finds it."""
    if change.before and change.parking and change.parking.ports is not None:
        return replace(change.before, ports=change.parking.ports)
    return change.before


def taken_up(change: Change, known: OpenRow, tries: int, *, is_in_doubt: bool) -> Work:
    """Return the work on a row as its records of earlier sessions left it."""
    if is_in_doubt:
        due = known.purpose
    elif change.parking is None:
        due = Purpose.CHANGE
    elif not known.parked:
        due = Purpose.PARK
    elif known.purpose is Purpose.RESTORE or known.rejected or _is_last_put_out_of_tries(known, tries):
        due = Purpose.RESTORE
    else:
        due = Purpose.CHANGE
    return Work(change, known, due=due)


def _is_last_put_out_of_tries(known: OpenRow, tries: int) -> bool:
    return known.purpose is Purpose.CHANGE and known.tries >= tries


# The look before the first PUT


class Drift(NamedTuple):
    """A service that is not what the plan, or the run, left."""

    observed: ServiceState | None
    """None where it is gone."""
    moved: tuple[str, ...] = ()
    as_asked: bool = False
    """Somebody else already did what the row asks."""


def drift(change: Change, live: ServiceState, *, is_parked: bool) -> Drift | None:
    """Return how a service differs from what the plan, or the run, left; None where it does not."""
    before = before_last(change) if is_parked else change.before
    moved = before.differences(live, DRIFT_FIELDS) if before else ()
    return Drift(live, moved, as_asked=live.confirms(change.body)) if moved else None


def looked_at(row: int, action: Action, attempts: int, found: Drift | None) -> Turn:
    """Return what a look at its service means for a row that has not been sent in this session."""
    if found and not found.as_asked:
        moved = f"moved since the plan: {', '.join(found.moved)}"
        message = moved if found.observed else "the service is gone since the plan"
        reply = Reply(code="drifted", message=message)
        return Turn(Place.ENDED, (_ended(row, Outcome.DRIFTED, reply, attempts, found.observed),))
    if found or action is Action.KEEP:
        return Turn(Place.DONE, (_ended(row, Outcome.ALREADY, Reply(), attempts),))
    return Turn(Place.READY)


def refused(change: Change) -> Turn:
    """Return the end of a row that the plan refused."""
    reply = Reply(code="refused", message=change.reason)
    return Turn(Place.ENDED, (_ended(change.row, Outcome.REFUSED, reply, 0),))


def blocked(work: Work, predecessor: int) -> Turn:
    """Return the end of a row whose predecessor did not end as asked."""
    message = f"row {predecessor}, which must go first, did not end as asked"
    return Turn(Place.ENDED, (_outcome(work, Outcome.BLOCKED, Reply(code="blocked", message=message)),))


def withdrawn(work: Work) -> Turn:
    """Return what becomes of a row whose intent is on disk and whose PUT may not leave any more."""
    return Turn(Place.LEFT, (_attempt(work, AttemptResult.NOT_SENT, NOT_SENT),))


# The answer to a PUT


def answered(work: Work, verdict: Verdict, limits: Limits, dice: Dice, *, is_silent: bool) -> Turn:
    """Return what the answer to its PUT, or the lack of one, means for a row.

    `is_silent`: nobody answers any row of the lane, so this one is not to blame.
    """
    reply = verdict.reply
    match verdict:
        case Done(state=state):
            turn = _succeeded(work, reply, state, limits)
        case Doubt():
            turn = _doubt(work, reply, limits)
        case Throttled(retry_after_s=hold_s):
            turn = Turn(Place.READY, (_attempt(work, AttemptResult.THROTTLED, reply, hold_s or 0.0),))
        case Retry(counts=counts):
            result = (
                AttemptResult.UNREACHED
                if is_silent
                else AttemptResult.RETRY
                if counts
                else AttemptResult.RENEWED
            )
            turn = _again(work, _attempt(work, result, reply), reply, limits, dice, is_silent=is_silent)
        case Reject() if work.would_stay_parked:
            turn = Turn(Place.READY, (_attempt(work, AttemptResult.REJECTED, reply),), due=Purpose.RESTORE)
        case Reject():
            turn = Turn(Place.ENDED, (_failed(work, reply),))
        case Abort(hint=hint):
            attempt = _attempt(work, AttemptResult.ABORT, reply)
            turn = Turn(Place.LEFT, (attempt,), refused_key=_refused(reply, hint))
        case _:
            assert_never(verdict)
    return turn


def _succeeded(work: Work, reply: Reply, state: ServiceState, limits: Limits) -> Turn:
    """Return what a success means, judged by the service that it shows."""
    if other := state.mismatches(work.body):
        message = f"the reply shows another {', '.join(other)} than asked"
        return _doubt(work, replace(reply, code="wrong_echo", message=message), limits)
    return _done(work, reply, state)


def _done(work: Work, reply: Reply, state: ServiceState) -> Turn:
    """Return what follows a PUT that was applied; whatever else it changed stops the run."""
    changed = side_effects(work.before, state, work.body) if work.before else ()
    what = f"the PUT of row {work.change.row} changed unasked: {', '.join(changed)}" if changed else ""
    notes = (Note(about="side_effect", message=what, row=work.change.row),) if changed else ()
    match work.due:
        case Purpose.CHANGE:
            records = (_outcome(work, Outcome.APPLIED, reply), *notes)
            return Turn(Place.DONE, records, side_effect=what)
        case Purpose.PARK:
            records = (_attempt(work, AttemptResult.PARKED, reply), *notes)
            return Turn(Place.READY, records, due=Purpose.CHANGE, side_effect=what)
        case Purpose.RESTORE:
            restored = replace(_RESTORED, request_id=reply.request_id)
            records = (_outcome(work, Outcome.BLOCKED, restored), *notes)
            return Turn(Place.ENDED, records, side_effect=what)
        case _:
            assert_never(work.due)


def _doubt(work: Work, reply: Reply, limits: Limits) -> Turn:
    work.reply = reply
    return Turn(Place.SETTLING, (_attempt(work, AttemptResult.DOUBT, reply),), wait_s=limits.settle_s)


def _again(
    work: Work, attempt: Attempt, reply: Reply, limits: Limits, dice: Dice, *, is_silent: bool = False
) -> Turn:
    """Return the rest before the next attempt; out of tries the end, or the way back of a parked service."""
    known = after_attempt(work.known, attempt.verdict)
    if known.tries >= limits.tries:
        if work.would_stay_parked:
            return Turn(Place.READY, (attempt,), due=Purpose.RESTORE)
        return Turn(Place.ENDED, (attempt, _failed(work, reply)))
    waits = min(known.attempts, SILENT_WAITS_MAX) if is_silent else known.tries
    if not waits:
        return Turn(Place.READY, (attempt,))
    return Turn(Place.RESTING, (attempt,), wait_s=backoff_s(waits, dice.random()))


def _failed(work: Work, reply: Reply) -> OutcomeRecord:
    if work.due is Purpose.RESTORE:
        gone = " ".join(map(str, work.change.out_of_service))
        reply = replace(reply, message=f"the service is left without {gone}: {reply.message}")
    return _outcome(work, Outcome.FAILED, reply)


# Reading a service


def read_back(work: Work, found: ShowVerdict, limits: Limits, dice: Dice) -> Turn:
    """Return how a doubt is settled by what reading shows.

    What cannot be read stays in doubt: the row keeps no outcome, and the next session settles it.
    """
    match found:
        case Done(state=live) if live.confirms(work.body):
            return _done(work, work.reply, live)
        case Done(state=live) if work.before is not None and not work.before.differences(
            live, SETTLING_FIELDS
        ):
            return _again(
                work, _attempt(work, AttemptResult.UNAPPLIED, found.reply), work.reply, limits, dice
            )
        case Done(state=live):
            return Turn(Place.ENDED, (_outcome(work, Outcome.CONFLICT, work.reply, live),))
        case Missing():
            return Turn(Place.ENDED, (_outcome(work, Outcome.CONFLICT, found.reply),))
        case Abort(hint=hint):
            return Turn(Place.LEFT, refused_key=_refused(found.reply, hint))
        case Reject() | Retry() | Throttled():
            message = f"cannot be read, stays in doubt: {found.reply.code} {found.reply.message}"
            return Turn(Place.LEFT, (Note(about="doubt", message=message, row=work.change.row),))
        case _:
            assert_never(found)


def checked(change: Change, found: ShowVerdict, attempts: int) -> Turn:
    """Return what becomes of an applied row whose service the last list showed otherwise."""
    match found:
        case Done(state=live) if not live.mismatches(change.body):
            return Turn(Place.DONE)
        case Done() | Missing():
            observed = found.state if isinstance(found, Done) else None
            reply = Reply(code="unverified", message="after the run the service is not what was applied")
            record = _ended(change.row, Outcome.CONFLICT, reply, attempts, observed)
            return Turn(Place.ENDED, (record,))
        case _:
            message = f"applied, but could not be read again: {found.reply.code} {found.reply.message}"
            return Turn(Place.DONE, (Note(about="verify", message=message, row=change.row),))


# Records


def _attempt(work: Work, result: AttemptResult, reply: Reply, hold_s: float = 0.0) -> Attempt:
    return Attempt(
        row=work.change.row, attempt=work.known.attempts, verdict=result, reply=reply, hold_s=hold_s
    )


def _outcome(
    work: Work, outcome: Outcome, reply: Reply, observed: ServiceState | None = None
) -> OutcomeRecord:
    return _ended(work.change.row, outcome, reply, work.known.attempts, observed)


def _ended(
    row: int, outcome: Outcome, reply: Reply, attempts: int, observed: ServiceState | None = None
) -> OutcomeRecord:
    return OutcomeRecord(row=row, outcome=outcome, reply=reply, attempts=attempts, observed=observed)


def _refused(reply: Reply, hint: str) -> str:
    return f"{reply.code or reply.http}: {reply.message}; {hint}"
