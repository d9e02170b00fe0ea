"""What a ledger's records add up to, and the steps a row may take.

A row takes these steps and no others; any other is a damaged ledger (or a bug) and fails in `Progress.step`:

    waiting ---- intent ----> asked ---- outcome ----> applied, failed, conflict
       |                      ^   |
       |                      |   +----- attempt ----> answered (surely not applied) or parked
       |                      |                            |
       |                      +---------- intent ----------+
       +-- outcome --> already, refused, drifted, blocked, failed      (from answered and parked too;
                                                                        conflict from parked only)

    asked to restore -- outcome --> blocked     (a parked service has what it had before)
    applied -- outcome --> conflict     (the last look found something else)
    failed -- outcome --> applied, conflict     (the last look found that a refused PUT took effect)

`asked` when the writing stopped means: in doubt.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import IntEnum
from typing import assert_never

from bulk.core.errors import LedgerDamaged
from bulk.core.footprint import Footprint, footprint_of
from bulk.core.ledger.chain import moment_s
from bulk.core.ledger.members import check_format, is_target
from bulk.core.ledger.records import (
    AttemptResult,
    Json,
    Purpose,
    target_of,
)
from bulk.core.ledger.stops import BrakeReason
from bulk.core.model import ROWS_MAX, TARGETS_MAX, Action, Outcome, Target, noun


class Stage(IntEnum):
    """Where a row stands; each outcome that is written has a stage of its name, see `_follows`.

    From APPLIED on a row has ended: what comes behind it must be an outcome.
    """

    UNPLANNED = 0
    WAITING = 1
    ASKED = 2
    ANSWERED = 3
    PARKED = 4
    APPLIED = 5
    ALREADY = 6
    FAILED = 7
    REFUSED = 8
    DRIFTED = 9
    CONFLICT = 10
    BLOCKED = 11


NOT_ASKED = frozenset({Stage.WAITING, Stage.ANSWERED, Stage.PARKED})
"""Where a row stands that has no outcome and no PUT under way."""


def _follows(outcome: Outcome) -> frozenset[Stage]:
    """Return the stages from which a row may take an outcome; none for outcomes that are never written."""
    match outcome:
        case Outcome.APPLIED:
            return frozenset({Stage.ASKED, Stage.FAILED})
        case Outcome.ALREADY | Outcome.REFUSED | Outcome.DRIFTED:
            return NOT_ASKED
        case Outcome.FAILED | Outcome.BLOCKED:
            return NOT_ASKED | {Stage.ASKED}
        case Outcome.CONFLICT:
            return frozenset({Stage.ASKED, Stage.PARKED, Stage.APPLIED, Stage.FAILED})
        case Outcome.IN_DOUBT | Outcome.NOT_ATTEMPTED:
            return frozenset()
        case _:
            assert_never(outcome)


_STAGES = tuple(Stage)
# Looked up once: a million lines take these steps, and a member of an enum takes longer than the step itself.
_UNPLANNED, _WAITING, _ASKED, _FAILED = Stage.UNPLANNED, Stage.WAITING, Stage.ASKED, Stage.FAILED
_CHANGE, _FAILED_OUTCOME, _BLOCKED_OUTCOME = Purpose.CHANGE, Outcome.FAILED, Outcome.BLOCKED
_ACTIONS = tuple(Action)
_ACTION_NUMBERS = {action.value: number for number, action in enumerate(_ACTIONS)}
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_STAGE = {outcome: Stage[outcome.name] for outcome in Outcome if _follows(outcome)}
_ENDED = {stage: outcome for outcome, stage in _STAGE.items()}
_OPEN_MOVES = {
    Stage.UNPLANNED: {Stage.WAITING},
    Stage.WAITING: {Stage.ASKED},
    Stage.ASKED: {Stage.ANSWERED, Stage.PARKED},
    Stage.ANSWERED: {Stage.ASKED},
    Stage.PARKED: {Stage.ASKED},
}
_LEGAL = tuple(
    frozenset(
        _OPEN_MOVES.get(before, set()) | {_STAGE[ended] for ended in _STAGE if before in _follows(ended)}
    )
    for before in Stage
)
"""The stages that may follow each stage."""


@noun
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
    """The API said no to the last PUT of a parked service."""
    restore_rejected: bool = False
    """It said no to giving back what the service had, too: the last PUT is the only way out."""


NOT_BEGUN = OpenRow()
_FIRST_SENT = OpenRow(attempts=1)


def after_intent(known: OpenRow, attempt: int, purpose: Purpose) -> OpenRow:
    """Return what is known of a row once a PUT of it is about to leave; each purpose has its own tries."""
    if known is NOT_BEGUN and attempt == 1 and purpose is _CHANGE:
        return _FIRST_SENT  # as most rows ever are; one object for all of them
    return OpenRow(
        attempts=attempt,
        tries=known.tries if purpose is known.purpose else 0,
        purpose=purpose,
        parked=known.parked,
        rejected=known.rejected,
        restore_rejected=known.restore_rejected,
    )


def after_attempt(known: OpenRow, result: AttemptResult, hold_s: float = 0.0) -> OpenRow:
    """Return what is known of a row once it was answered, or read, without an end.

    `hold_s`: how long the API asked to be left alone; where it did, the row is not to blame.
    """
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


class Progress:
    """What the records so far add up to; about 37 bytes a row."""

    def __init__(self) -> None:
        self.run: Json = {}
        self.planned: Json | None = None
        self.begun = 0
        """Sessions so far."""
        self.sessions: list[Json] = []
        """The last `SESSIONS_MAX` sessions."""
        self.ends: list[Json] = []
        """The last `SESSIONS_MAX` ends."""
        self.notes: list[Json] = []
        """The last `NOTES_MAX` notes and changes of pace."""
        self.decisions: list[Json] = []
        self.last_at = ""
        self.targets: list[Target] = []
        self.order: array[int] = array("I")
        """Rows in the order of the plan."""
        self.open: dict[int, OpenRow] = {}
        self.accepted: set[Target] = set()
        """Targets of which the API took a PUT."""
        self.codes: Counter[str] = Counter()
        """Failed rows by error code."""
        self.unconfirmed: dict[int, tuple[str, ...]] = {}
        """Applied rows with fields that no reply shows."""
        self.refusals = 0
        """Replies by which the API throttled a request."""
        self.sent = 0
        """PUTs sent (intents written)."""
        self.change_at: array[int] = array("Q")
        """Offset of each row's `change` line, by row - 1."""
        self.outcome_at: array[int] = array("Q")
        """Offset of each row's last `outcome` line, by row - 1; 0 while it has none."""
        self._stages = bytearray()
        self._actions = bytearray()
        self._target_of = array("I")
        self.names = array("q")
        """Hash of each row's service_id, by row - 1: to find the row of a service among those of a target."""
        self._target_numbers: dict[tuple[str, ...], int] = {}
        self._awaited: set[int] = set()
        """Rows that others wait for and that are not planned yet."""
        self._earlier_s = 0.0
        self._tally = [0] * len(Stage)
        self._steps: dict[str, Callable[[Json, int], None]] = {
            "run": self._run,
            "change": self._change,
            "planned": self._planned,
            "session": self._session,
            "intent": self._intent,
            "attempt": self._attempt,
            "outcome": self._outcome,
            "note": self._note,
            "pace": self._note,
            "decision": self._decision,
            "end": self._end,
        }

    def step(self, record: Json, offset: int) -> None:
        """Take in the next record, which stands at byte `offset`; raise LedgerDamaged on an illegal step."""
        try:
            step = self._steps[record["type"]]
            if not self.planned:
                self._check_order(record)
            step(record, offset)
            self.last_at = record["at"]
        except (KeyError, TypeError, ValueError) as error:
            what = f"is not a record of this format ({type(error).__name__}: {error})"
            raise _illegal(record, what) from error

    def _check_order(self, record: Json) -> None:
        if not self.run and record["type"] != "run":
            raise _illegal(record, "stands before the `run`")
        if record["type"] in _AFTER_PLANNED:
            raise _illegal(record, "stands before the plan is complete")

    # What it adds up to

    @property
    def rows(self) -> int:
        """Return the number of rows planned."""
        return len(self.order)

    def stage(self, row: int) -> Stage:
        """Return the stage of a row."""
        return _STAGES[self._stages[row - 1]]

    def action(self, row: int) -> Action:
        """Return the action that the plan decided on for a row."""
        return _ACTIONS[self._actions[row - 1]]

    def target(self, row: int) -> Target:
        """Return the target of a row."""
        return self.targets[self._target_of[row - 1]]

    def targets_with(self, action: Action) -> set[Target]:
        """Return the targets that have a row for which the plan decided on this action."""
        # One pass in C over a million rows; room that was made for rows to come has no stage yet.
        seen = set(zip(self._stages, self._actions, self._target_of, strict=True))
        wanted = _ACTION_NUMBERS[action]
        return {self.targets[number] for stage, decided, number in seen if stage and decided == wanted}

    def is_planned(self, row: int) -> bool:
        """Return whether the plan has a row of this number."""
        return 1 <= row <= len(self._stages) and self._stages[row - 1] != _UNPLANNED

    def outcome(self, row: int) -> Outcome:
        """Return how a row ended, or why it has not ended."""
        stage = self.stage(row)
        if stage is Stage.ASKED:
            return Outcome.IN_DOUBT
        return _ENDED.get(stage, Outcome.NOT_ATTEMPTED)

    def counts(self) -> dict[Outcome, int]:
        """Return the number of rows by outcome, of every one; they sum to `rows`."""
        counts = dict.fromkeys(Outcome, 0)
        for stage, outcome in _ENDED.items():
            counts[outcome] = self._tally[stage]
        counts[Outcome.IN_DOUBT] = self._tally[Stage.ASKED]
        counts[Outcome.NOT_ATTEMPTED] = self.rows - sum(counts.values())
        return counts

    @property
    def ended(self) -> int:
        """Return the number of rows that have an outcome."""
        return sum(self._tally[stage] for stage in _ENDED)

    @property
    def finished(self) -> bool:
        """Return whether every row has its outcome and the last session recorded its end so."""
        return bool(self.ends) and self.ends[-1]["reason"] == BrakeReason.FINISHED and self.ended == self.rows

    @property
    def work_s(self) -> float:
        """Return the seconds that sessions have been at work, without the pauses between them."""
        if not self.sessions:
            return 0.0
        return self._earlier_s + moment_s(self.last_at) - moment_s(self.sessions[-1]["at"])

    @property
    def digest(self) -> str:
        """Return the digest of the plan; nothing while the plan is not complete."""
        return str(self.planned["digest"]) if self.planned else ""

    @property
    def planned_at(self) -> str:
        """Return when the plan was complete."""
        return str(self.planned["at"]) if self.planned else ""

    @property
    def footprint(self) -> Footprint:
        """Return what the plan reaches."""
        return footprint_of(self.planned["footprint"]) if self.planned else Footprint()

    def unsent(self) -> Iterator[int]:
        """Return the rows without an outcome that need a PUT, in the order of the plan."""
        stages, actions, update = self._stages, self._actions, _ACTION_NUMBERS[Action.UPDATE]
        return (row for row in self.order if stages[row - 1] < Stage.APPLIED and actions[row - 1] == update)

    def unended(self) -> Iterator[int]:
        """Return the rows without an outcome, in the order of the plan."""
        return (row for row in self.order if self._stages[row - 1] < Stage.APPLIED)

    # The steps

    def _run(self, record: Json, _: int) -> None:
        if self.run:
            raise _illegal(record, "is a second `run`")
        check_format(record)
        self.run = record

    def _change(self, record: Json, offset: int) -> None:
        row = record["row"]
        if self.planned:
            raise _illegal(record, "adds a change to a fixed plan")
        if not 1 <= row <= ROWS_MAX:
            raise _illegal(record, f"names a row that is not from 1 to {ROWS_MAX:,}")
        if row > len(self._stages):
            self._grow(row - len(self._stages))
        self._move(record, self._stage_of(record), _WAITING)
        self.order.append(row)
        self.change_at[row - 1] = offset
        self._actions[row - 1] = _ACTION_NUMBERS[record["action"]]
        self._target_of[row - 1] = self._target_number(record)
        self.names[row - 1] = hash(record["service_id"])
        self._awaited.discard(row)
        if after := record["after"]:
            self._wait_for(record, after)

    def _grow(self, rows: int) -> None:
        """Make room for so many rows, and for some that will follow."""
        rows += _SPARE_ROWS
        self._stages.extend(bytes(rows))
        self._actions.extend(bytes(rows))
        for numbers in (self.change_at, self.outcome_at, self._target_of, self.names):
            numbers.frombytes(bytes(rows * numbers.itemsize))

    def _target_number(self, record: Json) -> int:
        json = record["target"]
        name = tuple(json.values())
        if (number := self._target_numbers.get(name)) is None:
            if not is_target(json) or len(self.targets) == TARGETS_MAX:
                raise _illegal(record, f"names no target, or one more than {TARGETS_MAX:,}")
            number = self._target_numbers[name] = len(self.targets)
            self.targets.append(target_of(json))
        return number

    def _wait_for(self, record: Json, rows: list[int]) -> None:
        """Remember the rows that a change waits for and that are not planned yet; in the end all must be."""
        stages = self._stages
        self._awaited.update(row for row in rows if row > len(stages) or not stages[row - 1])
        if len(self._awaited) > _AWAITED_MAX:
            raise _illegal(record, f"waits for more than {_AWAITED_MAX:,} rows that are not planned yet")

    def _planned(self, record: Json, _: int) -> None:
        if self.planned:
            raise _illegal(record, "is a second `planned`")
        if record["rows"] != self.rows:
            raise _illegal(record, "does not count the changes before it")
        if self._awaited:
            missing = min(self._awaited)
            raise _illegal(record, f"ends a plan in which a row waits for row {missing}, which is not in it")
        self.planned = record

    def _session(self, record: Json, _: int) -> None:
        check_format(record)
        self._earlier_s = self.work_s
        if self.sessions:
            self.sessions[-1] = {**self.sessions[-1], "settings": {}}  # those of the last one are in force
        self.begun += 1
        self.sessions.append(record)
        del self.sessions[:-SESSIONS_MAX]

    def _intent(self, record: Json, _: int) -> None:
        row = record["row"]
        self._move(record, self._stage_of(record), _ASKED)
        self.sent += 1
        purpose = Purpose(record["purpose"]) if "purpose" in record else _CHANGE
        self.open[row] = after_intent(self.open.get(row, NOT_BEGUN), record["attempt"], purpose)

    def _attempt(self, record: Json, _: int) -> None:
        row, result, stage = record["row"], AttemptResult(record["verdict"]), self._stage_of(record)
        if stage is not _ASKED:
            raise _illegal(record, f"answers row {row}, for which no PUT was in flight")
        known = self.open[row] = after_attempt(self.open[row], result, record.get("hold_s", 0.0))
        self.refusals += result is AttemptResult.THROTTLED
        if result is AttemptResult.PARKED:
            self.accepted.add(self.target(row))
        if result is not AttemptResult.DOUBT:
            self._move(record, stage, Stage.PARKED if known.parked else Stage.ANSWERED)

    def _outcome(self, record: Json, offset: int) -> None:
        row, outcome, stage = record["row"], _OUTCOMES[record["outcome"]], self._stage_of(record)
        if outcome is _BLOCKED_OUTCOME and stage is _ASKED and self._may_be_applied(row):
            raise _illegal(record, f"blocks row {row} while a PUT of it is in doubt")
        if stage is _FAILED:
            self._count_code(record, -1)  # what replaces a failure repeats its code
        self._move(record, stage, _STAGE[outcome])
        self.outcome_at[row - 1] = offset
        self.open.pop(row, None)
        self.unconfirmed.pop(row, None)
        if fields := record.get("unconfirmed"):
            self.unconfirmed[row] = tuple(fields)
        if outcome is _FAILED_OUTCOME:
            self._count_code(record, 1)
        elif outcome is Outcome.APPLIED:
            self.accepted.add(self.target(row))

    def _may_be_applied(self, row: int) -> bool:
        return self.open[row].purpose is not Purpose.RESTORE

    def _count_code(self, record: Json, rows: int) -> None:
        """Count failed rows by their code; beyond `CODES_MAX` codes, all new ones count as one."""
        code = record["code"]
        self.codes[code if code in self.codes or len(self.codes) < CODES_MAX else OTHER_CODES] += rows

    def _note(self, record: Json, _: int) -> None:
        self.notes.append(record)
        del self.notes[:-NOTES_MAX]

    def _decision(self, record: Json, _: int) -> None:
        if len(self.decisions) == DECISIONS_MAX:  # what they have in force must not be cut off
            raise _illegal(record, f"is one decision more than {DECISIONS_MAX:,}")
        self.decisions.append(record)

    def _end(self, record: Json, _: int) -> None:
        self.ends.append(record)
        del self.ends[:-SESSIONS_MAX]

    def _stage_of(self, record: Json) -> Stage:
        row = record["row"]
        stage: Stage = _STAGES[self._stages[row - 1]] if 1 <= row <= len(self._stages) else _UNPLANNED
        if stage is _UNPLANNED and record["type"] != "change":
            raise _illegal(record, f"names row {row}, which is not in the plan")
        return stage

    def _move(self, record: Json, before: Stage, stage: Stage) -> None:
        row = record["row"]
        if stage not in _LEGAL[before]:
            what = f"takes row {row} from {before.name} to {stage.name}"
            if stage is before is _ASKED:
                what = f"sends row {row} while an earlier PUT of it is in doubt"
            raise _illegal(record, what)
        self._stages[row - 1] = stage
        if before:
            self._tally[before] -= 1
        self._tally[stage] += 1


_SPARE_ROWS = 4096
_AWAITED_MAX = 100_000
CODES_MAX = 1000
"""Error codes counted one by one."""
OTHER_CODES = "other codes"
DECISIONS_MAX = 2000
SESSIONS_MAX = 1000
"""Sessions kept in memory."""
_AFTER_PLANNED = {"session", "intent", "attempt", "outcome", "end"}
NOTES_MAX = 1000
"""Notes kept in memory; all stay in the file."""


def _illegal(record: Json, what: str) -> LedgerDamaged:
    return LedgerDamaged(
        f"line {record['n'] + 1} {what}",
        hint="the ledger contradicts itself; restore it from a copy",
    )
