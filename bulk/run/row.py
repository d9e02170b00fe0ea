"""What an event means for one row: where it goes, and what is written down. Pure functions of its `Work`."""

from dataclasses import dataclass, replace
from typing import NamedTuple, assert_never

from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    Json,
    Left,
    Note,
    OutcomeRecord,
    Purpose,
    Record,
)
from bulk.ledger.row_life import OpenRow, after_attempt
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    SETTLING_FIELDS,
    Abort,
    Action,
    AsAsked,
    Change,
    Denied,
    Done,
    Doubt,
    Hold,
    Missing,
    ModifyBody,
    Outcome,
    PutVerdict,
    Reject,
    Reply,
    Retry,
    ServiceState,
    ShowVerdict,
    SideEffect,
    Throttled,
)
from bulk.pacing.backoff import backoff_s
from bulk.plan.guards import side_effects, unexpected_differences
from bulk.puts import ALWAYS_SHOWN, Put, put_of
from bulk.reports.words import as_text
from bulk.run.drift import Drift, before_last, drift, without
from bulk.run.interfaces import Dice, Limits, PlanReader
from bulk.run.stages import Place, Stop
from bulk.text import printable
from bulk.vpcep.codes import NoReply

LOST = Reply(code="answer_lost", message="an earlier session stopped before the answer came")
NOT_SENT = Reply(code="not_sent", message="the run was stopped between intent and request")
EXPIRED = Reply(code="not_sent", message="the look at the service had expired between intent and request")
_RESTORED = Reply(code="restored", message="the change could not be finished")
_AS_BEFORE = "the state before is in force again"
_LATE = Reply(
    message="the service is as asked: an earlier PUT of this run took effect late, or despite its answer"
)
_SHOWN_CHARS = 60
UNSOUND_MAX_S = 60.0
"""How long a service is waited for that is not `available` after a PUT, but `creating`, say."""
SILENT_WAITS_MAX = 4
"""How far the backoff grows where nobody answers: who comes back shall not be kept waiting."""


class Work:
    """A row that has begun, or is about to: the fold of its records, and the PUT that is due next."""

    __slots__ = (
        "_change", "_plain", "_plan", "due", "hidden", "is_rejected", "known", "live", "refusal",
        "reply", "row",
        "unsound_s",
    )  # fmt: skip
    live: ServiceState
    """The service as it was read, while the row is at PROVING."""

    def __init__(self, plan: PlanReader, row: int, known: OpenRow) -> None:
        self.row = row
        self.known = known
        self.due = Purpose.CHANGE
        self._plan = plan
        self._plain = plan.plain_put(row)
        self._change: Change | None = None
        self.reply = LOST
        """Why the row is in doubt."""
        self.refusal: Reply | None = None
        """What the API said to the last PUT of a parked service, where that was given up in this session."""
        self.is_rejected = False
        """Whether the API said no to the PUT that is in doubt."""
        self.unsound_s = 0.0
        """How long its status has been waited for."""
        self.hidden: frozenset[str] = frozenset()
        """Fields that the list shows, and that the answers to its last PUT, or the read of it, did not."""

    @property
    def change(self) -> Change:
        """Return the planned change; most rows end without anybody asking for it."""
        if self._change is None:
            self._change = self._plan.change(self.row)
        return self._change

    @property
    def is_plain(self) -> bool:
        """Return whether the row has one PUT, which has nothing to do with any other row."""
        return self._plain is not None

    @property
    def put(self) -> Put:
        """Return the PUT that is due."""
        return self._plain or put_of(self.change, self.body)

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
        """Return whether giving up this PUT leaves its service without what it had, which RESTORE may end."""
        return self.due is Purpose.CHANGE and self.known.parked and not self.known.restore_rejected


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
    stop: Stop | None = None
    """Why the run is to stop: the PUT changed what no row asks for."""
    proved: frozenset[str] = frozenset()
    """Fields that an answer did not show, and that were found as they had been."""
    in_doubt: bool = False
    """Whether a row is left without knowing what became of its PUT."""
    unread: str = ""
    """Why a row is left in this session although nothing stops it: its service cannot be looked at."""


def taken_up(plan: PlanReader, row: int, known: OpenRow, tries: int, *, is_in_doubt: bool) -> Work:
    """Return the work on a row as its records of earlier sessions left it."""
    work = Work(plan, row, known)
    if is_in_doubt:
        work.due = known.purpose
    elif work.is_plain or work.change.parking is None:
        work.due = Purpose.CHANGE
    elif not known.parked:
        work.due = Purpose.PARK
    elif known.restore_rejected:
        work.due = Purpose.CHANGE
    elif known.purpose is Purpose.RESTORE or known.rejected or _is_last_put_out_of_tries(known, tries):
        work.due = Purpose.RESTORE
    return work


def _is_last_put_out_of_tries(known: OpenRow, tries: int) -> bool:
    return known.purpose is Purpose.CHANGE and known.tries >= tries


# The look before the first PUT


def looked_at(row: int, action: Action, known: OpenRow, found: Drift | None) -> Turn:
    """Return what a look at its service means for a row that has no PUT under way.

    As asked already, it is `applied` where a PUT of the run has left, which may have taken effect late, or
    although its answer said otherwise: it belongs to what a rollback takes back.
    """
    attempts = known.attempts
    if found and not found.as_asked:
        moved = f"moved since the plan: {', '.join(found.moved)}"
        message = moved if found.observed else "the service is gone since the plan"
        reply = Reply(code="drifted", message=message)
        return Turn(Place.ENDED, (_ended(row, Outcome.DRIFTED, reply, attempts, found.observed),))
    if found and known.has_left:
        return Turn(Place.DONE, (_ended(row, Outcome.APPLIED, _LATE, attempts),))
    if found or action is Action.KEEP:
        return Turn(Place.DONE, (_ended(row, Outcome.ALREADY, Reply(), attempts),))
    return Turn(Place.READY)


def looked_again(work: Work, found: ShowVerdict, noticed: frozenset[SideEffect]) -> Turn:
    """Return what a look at its service, right before its PUT, means for a row."""
    change = work.change
    match found:
        case Done(state=live):
            moved = drift(change, live, is_parked=work.known.parked, noticed=noticed)
            return looked_at(change.row, change.action, work.known, moved)
        case Missing():
            return looked_at(change.row, change.action, work.known, Drift(None))
        case Abort(hint=hint):
            return Turn(Place.LEFT, refused_key=_refused(found.reply, hint))
        case Reject() | Retry() | Throttled():
            message = f"not sent, since its service cannot be looked at again: {found.reply.words}"
            note = Note(about="look", message=message, row=change.row)
            return Turn(Place.LEFT, (note,), unread=f"row {change.row} was {message}")
        case _:
            assert_never(found)


def refused(change: Change) -> Turn:
    """Return the end of a row that the plan refused."""
    reply = Reply(code="refused", message=change.reason)
    return Turn(Place.ENDED, (_ended(change.row, Outcome.REFUSED, reply, 0),))


def blocked(work: Work, predecessor: int) -> Turn:
    """Return the end of a row whose predecessor did not end as asked."""
    message = f"row {predecessor}, which must go first, did not end as asked"
    return Turn(Place.ENDED, (_outcome(work, Outcome.BLOCKED, Reply(code="blocked", message=message)),))


def withdrawn(work: Work, to: Place) -> Turn:
    """Return where a row goes whose intent is on disk and whose PUT may not leave now."""
    reply = NOT_SENT if to is Place.LEFT else EXPIRED
    return Turn(to, (_attempt(work, AttemptResult.NOT_SENT, reply),))


# The answer to a PUT


def answered(
    work: Work, verdict: PutVerdict, limits: Limits, dice: Dice, *, is_silent: bool, is_key_accepted: bool
) -> Turn:
    """Return what the answer to its PUT, or the lack of one, means for a row.

    * is_silent: nobody answers any row of the lane, so this one is not to blame
    * is_key_accepted: a PUT of its key has been accepted, so a 403 is about this service
    """
    reply, work.hidden = verdict.reply, frozenset()
    match verdict:
        case AsAsked():
            turn = _done(work, reply)
        case Done(state=state):
            turn = _succeeded(work, reply, state, limits)
        case Doubt(retry_after_s=hold_s, shut_until=until):
            if reply.code == NoReply.UNREADABLE_REPLY:
                work.hidden = _unshown(work.before, None)
            turn = _doubt(work, reply, limits, hold_s or 0.0)
            turn = turn._replace(to=Place.LEFT, in_doubt=True) if until else turn
        case Throttled(retry_after_s=hold_s):
            turn = Turn(Place.READY, (_attempt(work, AttemptResult.THROTTLED, reply, hold_s or 0.0),))
        case Retry():
            attempt = _attempt(work, _result_of(verdict, is_silent=is_silent), reply)
            is_spared = is_silent or verdict.is_local
            turn = _again(work, attempt, reply, limits, dice, is_spared=is_spared)
        case Reject() | Denied() if not work.is_plain and work.change.parking:
            # If it took effect all the same, the rows of its cycle must know.
            turn = _doubt(work, reply, limits)
            work.is_rejected = True
        case Denied() if not is_key_accepted:
            work.reply = reply
            turn = Turn(Place.DENIED, (_attempt(work, AttemptResult.DENIED, reply),))
        case Reject() | Denied():
            turn = _rejected(work, reply)
        case Abort(hint=hint):
            attempt = _attempt(work, AttemptResult.ABORT, reply)
            turn = Turn(Place.LEFT, (attempt,), refused_key=_refused(reply, hint))
        case _:
            assert_never(verdict)
    return turn


def _result_of(retry: Retry, *, is_silent: bool) -> AttemptResult:
    """Return what is written down of a PUT that surely was not applied and goes once more."""
    if retry.is_local:
        return AttemptResult.NOT_SENT
    if is_silent:
        return AttemptResult.UNREACHED
    if retry.counts:
        return AttemptResult.RETRY
    return AttemptResult.RENEWED if retry.reply.http else AttemptResult.NOT_SENT


def denied(work: Work) -> Turn:
    """Return the end of a row that waited to learn what its 403 is about."""
    return _rejected(work, work.reply)


def _succeeded(work: Work, reply: Reply, state: ServiceState, limits: Limits) -> Turn:
    """Return what a success means, judged by the service that it shows."""
    if other := state.mismatches(work.body):
        message = f"the reply shows another {', '.join(other)} than asked"
        doubtful = replace(reply, code="wrong_echo", message=message)
    elif not state.is_sound:
        doubtful = replace(reply, code="broken", message=f"the reply shows status {state.standing}")
    elif unshown := _unshown(work.before, state):
        message = f"the reply does not show {', '.join(sorted(unshown))}, which may have changed"
        doubtful = replace(reply, code="partial_reply", message=message)
        work.hidden = unshown
    else:
        done = _done(work, reply, _unconfirmed(work.change, state))
        return _noticing_side_effects(done, work, state, limits)
    return _noticing_side_effects(_doubt(work, doubtful, limits), work, state, limits)


def _unshown(before: ServiceState | None, after: ServiceState | None) -> frozenset[str]:
    """Return the fields that every reply shows, this one does not, and the list did; None shows none."""
    return frozenset(
        name
        for name in ALWAYS_SHOWN
        if before and getattr(before, name) is not None and getattr(after, name, None) is None
    )


def _done(work: Work, reply: Reply, unconfirmed: tuple[str, ...] = ()) -> Turn:
    """Return what follows a PUT that was applied."""
    match work.due:
        case Purpose.CHANGE:
            return Turn(Place.DONE, (_outcome(work, Outcome.APPLIED, reply, unconfirmed=unconfirmed),))
        case Purpose.PARK:
            return Turn(Place.READY, (_attempt(work, AttemptResult.PARKED, reply),), due=Purpose.CHANGE)
        case Purpose.RESTORE:
            outcome = Outcome.FAILED if work.known.rejected else Outcome.BLOCKED  # of its own, or another's
            said = work.refusal or replace(_RESTORED, request_id=reply.request_id)
            restored = replace(said, message="; ".join(filter(None, (said.message, _AS_BEFORE))))
            return Turn(Place.ENDED, (_outcome(work, outcome, restored),))
        case _:
            assert_never(work.due)


def _noticing_side_effects(turn: Turn, work: Work, state: ServiceState, limits: Limits) -> Turn:
    """Return a turn that stops the run as well, where the PUT changed what no row asks for."""
    unasked = _unasked(work.before, state, work.body, limits)
    if not unasked:
        return turn
    changed = f"the PUT of row {work.row} changed unasked: {_named(unasked)}"
    message = f"{changed}; or somebody else did at the same moment"
    return _stopping(turn, work.row, message, unasked)


def _unasked(
    before: ServiceState | None, after: ServiceState, body: ModifyBody, limits: Limits
) -> tuple[SideEffect, ...]:
    """Return what a PUT changed though no row asks for it, and no person has allowed it."""
    changed = side_effects(before, after, body) if before else ()
    return tuple(effect for effect in changed if effect not in limits.allowed)


def _stopping(turn: Turn, row: int, message: str, effects: tuple[SideEffect, ...]) -> Turn:
    note = Note(about="side_effect", message=message, row=row)
    stop = Stop(BrakeReason.SIDE_EFFECT, message, effects)
    return turn._replace(records=(*turn.records, note), stop=stop)


def _named(effects: tuple[SideEffect, ...]) -> str:
    return ", ".join(f"{each.field}, now {_shortened(as_text(each.value))}" for each in effects)


def _shortened(text: str) -> str:
    line = printable(text)
    return f"'{line[:_SHOWN_CHARS]}…'" if len(line) > _SHOWN_CHARS else f"'{line}'"


def _doubt(work: Work, reply: Reply, limits: Limits, hold_s: float = 0.0) -> Turn:
    work.reply, work.is_rejected = reply, False
    attempt = _attempt(work, AttemptResult.DOUBT, reply, hold_s)
    return Turn(Place.SETTLING, (attempt,), wait_s=max(limits.settle_s, hold_s))


def _rejected(work: Work, reply: Reply) -> Turn:
    """Return the end of a row to which the API said no, or the way back of a parked service."""
    rejected = _attempt(work, AttemptResult.REJECTED, reply)
    if work.would_stay_parked:
        work.refusal = reply
        return Turn(Place.READY, (rejected,), due=Purpose.RESTORE)
    if work.due is Purpose.RESTORE:  # who took its ports meanwhile keeps them
        return Turn(Place.READY, (rejected,), due=Purpose.CHANGE)
    return Turn(Place.ENDED, (_failed(work, reply),))


def _again(
    work: Work, attempt: Attempt, reply: Reply, limits: Limits, dice: Dice, *, is_spared: bool = False
) -> Turn:
    """Return the wait before the next attempt; out of tries the end, or the way back of a parked service.

    `is_spared`: no row is to blame; it rests by its attempts, which are not its tries.
    """
    known = after_attempt(work.known, attempt.verdict)
    if known.tries >= limits.tries:
        if work.would_stay_parked:
            work.refusal = reply
            return Turn(Place.READY, (attempt,), due=Purpose.RESTORE)
        return Turn(Place.ENDED, (attempt, _failed(work, reply)))
    waits = min(known.attempts, SILENT_WAITS_MAX) if is_spared else known.tries
    if waits:
        attempt = replace(attempt, hold=Hold.BACKOFF)
        return Turn(Place.RESTING, (attempt,), wait_s=backoff_s(waits, dice.random()))
    if attempt.verdict is AttemptResult.UNAPPLIED:  # after a kill: nothing was waited for but the read
        attempt = replace(attempt, hold=Hold.SETTLE)
    return Turn(Place.READY, (attempt,))


def _failed(work: Work, reply: Reply) -> OutcomeRecord:
    failed = _outcome(work, Outcome.FAILED, reply)
    if not work.known.parked:
        return failed
    gone = " ".join(map(str, work.change.out_of_service))
    reply = replace(reply, message=f"the service is left without {gone}: {reply.message}")
    return replace(failed, reply=reply, left=Left.PARKED)


def _conflict(work: Work, reply: Reply, live: ServiceState) -> OutcomeRecord:
    conflict = _outcome(work, Outcome.CONFLICT, reply, live)
    parking = work.change.parking
    return replace(conflict, left=Left.PARKED) if parking and not live.mismatches(parking) else conflict


# Reading a service


def read_back(
    work: Work,
    found: ShowVerdict,
    limits: Limits,
    dice: Dice,
    noticed: frozenset[SideEffect],
    known: frozenset[str],
) -> Turn:
    """Return how a doubt is settled by what reading shows.

    `known` are fields that may be missing in what it shows: it was proved that this is no sign of trouble.
    What cannot be read stays in doubt: the row keeps no outcome, and the next session settles it.
    """
    match found:
        case Done(state=live) if live.may_become_sound and work.unsound_s < UNSOUND_MAX_S:
            is_first, wait_s = not work.unsound_s, _unsound_wait_s(limits, work.unsound_s)
            work.unsound_s += wait_s
            turn = Turn(Place.SETTLING, wait_s=wait_s)
            is_news = is_first and _has_landed(work, live)
            return _noticing_side_effects(turn, work, live, limits) if is_news else turn
        case Done(state=live) if live.confirms(work.body) and live.is_sound:
            return _landed(work, live, limits, known)
        case Done(state=live) if _is_unchanged(work, live, noticed):
            if work.is_rejected:
                return _rejected(work, work.reply)
            attempt = _attempt(work, AttemptResult.UNAPPLIED, found.reply)
            return _again(work, attempt, work.reply, limits, dice)
        case Done(state=live) if _has_landed(work, live) and live.is_sound:
            return _landed(work, live, limits, known)
        case Done(state=live):
            return _found_otherwise(work, live, limits)
        case Missing():
            return Turn(Place.ENDED, (_outcome(work, Outcome.CONFLICT, found.reply),))
        case Abort(hint=hint):
            return Turn(Place.LEFT, refused_key=_refused(found.reply, hint), in_doubt=True)
        case Reject() | Retry() | Throttled():
            message = f"cannot be read, stays in doubt: {found.reply.cause} {found.reply.message}"
            return Turn(Place.LEFT, (Note(about="doubt", message=message, row=work.row),), in_doubt=True)
        case _:
            assert_never(found)


def _found_otherwise(work: Work, live: ServiceState, limits: Limits) -> Turn:
    """Return the end of a row whose service is neither as asked nor as before its PUT."""
    reply = work.reply
    if not live.is_sound:
        reply = replace(reply, message=f"{reply.message}; reading shows status {live.standing}")
    turn = Turn(Place.ENDED, (_conflict(work, reply, live),))
    return _noticing_side_effects(turn, work, live, limits) if _has_landed(work, live) else turn


def _landed(work: Work, live: ServiceState, limits: Limits, known: frozenset[str]) -> Turn:
    """Return what follows where reading shows that a PUT took effect; the list may have to show the rest."""
    unshown = _unshown(work.before, live)
    if unshown - known:
        work.hidden, work.live = work.hidden | unshown, live
        return Turn(Place.PROVING)
    done = _done(work, work.reply, _unconfirmed(work.change, live))._replace(proved=work.hidden)
    return _noticing_side_effects(done, work, live, limits)


def proved(work: Work, listed: ServiceState | None, limits: Limits) -> Turn:
    """Return what follows where a page of the list was to show what reading does not.

    None: the service is not on it, or the page cannot be read. What it does not show, or shows from before
    the PUT, the last look will judge; nothing is proved for other rows then.
    """
    turn = _landed(work, work.live.completed_by(listed), limits, work.hidden)
    is_recent = listed is not None and not listed.mismatches(work.body)
    return turn if is_recent else turn._replace(proved=frozenset())


def _unsound_wait_s(limits: Limits, waited_s: float) -> float:
    """Return how long to wait before a service that is not `available` yet is read again: ever longer."""
    return min(max(limits.settle_s, waited_s, 1.0), UNSOUND_MAX_S - waited_s)


def _is_unchanged(work: Work, live: ServiceState, noticed: frozenset[SideEffect]) -> bool:
    """Return whether a service is as before the PUT that is due."""
    if not work.before:
        return False
    moved = work.before.differences(live, SETTLING_FIELDS)
    return not (without(noticed, live, moved) if work.known.parked else moved)


def _has_landed(work: Work, live: ServiceState) -> bool:
    """Return whether all that a service shows of the PUT is as asked, and some of it was not so before."""
    before = work.before
    return not live.mismatches(work.body) and (before is None or bool(before.mismatches(work.body)))


def _unconfirmed(change: Change, live: ServiceState) -> tuple[str, ...]:
    """Return the fields asked for that the API shows neither now nor in the list.

    What the list shows, the last look will judge.
    """
    unshown = live.unshown(change.body)
    return tuple(name for name in unshown if change.before is None or getattr(change.before, name) is None)


def ended_otherwise(
    change: Change, ended: Json, live: ServiceState, allowed: frozenset[SideEffect]
) -> tuple[str, ...]:
    """Return the fields in which a service is not what an applied or a failed row left.

    Side effects that a person `allowed` do not count.
    """
    if ended["outcome"] == Outcome.APPLIED:
        before = change.before
        return (
            unexpected_differences(before, live, change.body, allowed)
            if before
            else live.mismatches(change.body)
        )
    before = before_last(change) if ended.get("left") == Left.PARKED else change.before
    return before.differences(live, SETTLING_FIELDS) if before else ()


@dataclass(slots=True)
class Suspicion:
    """What speaks against the outcome of a row."""

    listed: ServiceState | None
    """Its service as the last list showed it; None where it was not there."""
    unsound_s: float = 0.0
    """How long its status has been waited for."""


def checked(change: Change, ended: Json, found: ShowVerdict, suspicion: Suspicion, limits: Limits) -> Turn:
    """Return what becomes of a sent row whose service the last list showed otherwise than it ended.

    An applied row stays so only if reading shows its service as asked; a failed one may have been applied.
    What reading does not show is as the list had it. What nobody asked for stops the run.
    """
    live = found.state.completed_by(suspicion.listed) if isinstance(found, Done) else None
    unasked = _unasked(change.before, live, change.body, limits) if live else ()
    row_limits = replace(limits, allowed=limits.allowed.union(unasked))  # it is judged by what it asks
    turn = _checked(change, ended, found, suspicion, live, row_limits)
    if not unasked or turn.to is Place.SUSPECT:
        return turn
    effects = f"the last look shows that the service of row {change.row} has {_named(unasked)}"
    message = f"{effects}, which no row asks for; its PUT changed that, or somebody else did since"
    return _stopping(turn, change.row, message, unasked)


def _checked(
    change: Change,
    ended: Json,
    found: ShowVerdict,
    suspicion: Suspicion,
    live: ServiceState | None,
    limits: Limits,
) -> Turn:
    is_applied = ended["outcome"] == Outcome.APPLIED
    as_it_ended = Turn(Place.DONE if is_applied else Place.ENDED)
    other = ended_otherwise(change, ended, live, limits.allowed) if live else ()
    match found:
        case Done() if not other:
            return as_it_ended
        case Done() if live and live.may_become_sound and suspicion.unsound_s < UNSOUND_MAX_S:
            wait_s = _unsound_wait_s(limits, suspicion.unsound_s)
            suspicion.unsound_s += wait_s
            return Turn(Place.SUSPECT, wait_s=wait_s)
        case Done() if (
            live
            and not is_applied
            and change.before
            and not unexpected_differences(change.before, live, change.body, limits.allowed)
        ):
            reply = _corrected(ended, "the API said no, yet the last look shows the service as asked")
            unconfirmed = _unconfirmed(change, live)
            record = _ended(change.row, Outcome.APPLIED, reply, ended["attempts"], unconfirmed=unconfirmed)
            return Turn(Place.DONE, (record,))
        case Abort(hint=hint):
            return as_it_ended._replace(refused_key=_refused(found.reply, hint))
        case Missing() if not is_applied:
            return as_it_ended
        case _:
            reply = _corrected(ended, _contradiction(found, live, other))
    return Turn(Place.ENDED, (_ended(change.row, Outcome.CONFLICT, reply, ended["attempts"], live),))


def _contradiction(found: ShowVerdict, live: ServiceState | None, other: tuple[str, ...]) -> str:
    """Return what speaks against the outcome of a row, for a person."""
    if isinstance(found, Missing):
        return "the last look did not find the service any more"
    if live is None:
        why = f"{found.reply.cause} {found.reply.message}".strip()
        return f"the last list shows it otherwise, and it could not be read: {why}"
    status = "" if live.is_sound else f": status {live.standing}"
    return f"the last look shows another {', '.join(other)} than the run left{status}"


def _corrected(ended: Json, message: str) -> Reply:
    """Return why an outcome is replaced; a failure keeps its cause, so that it can be counted off."""
    code = "unverified" if ended["outcome"] == Outcome.APPLIED else ended["code"]
    return Reply(http=ended.get("http"), code=code, message=message, request_id=ended.get("request_id", ""))


# Records


def _attempt(work: Work, result: AttemptResult, reply: Reply, hold_s: float = 0.0) -> Attempt:
    return Attempt(row=work.row, attempt=work.known.attempts, verdict=result, reply=reply, hold_s=hold_s)


def _outcome(
    work: Work,
    outcome: Outcome,
    reply: Reply,
    observed: ServiceState | None = None,
    unconfirmed: tuple[str, ...] = (),
) -> OutcomeRecord:
    return _ended(work.row, outcome, reply, work.known.attempts, observed, unconfirmed)


def _ended(
    row: int,
    outcome: Outcome,
    reply: Reply,
    attempts: int,
    observed: ServiceState | None = None,
    unconfirmed: tuple[str, ...] = (),
) -> OutcomeRecord:
    return OutcomeRecord(
        row=row,
        outcome=outcome,
        reply=reply,
        attempts=attempts,
        observed=observed,
        unconfirmed=unconfirmed,
    )


def _refused(reply: Reply, hint: str) -> str:
    return f"{reply.cause}{reply.message and f': {reply.message}'}; {hint}"
