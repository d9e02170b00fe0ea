"""The steps by which records become a `Progress`, one function for each type of record.

A record that may not stand where it does raises LedgerDamaged with its line.
"""

from bulk.errors import LedgerDamaged
from bulk.ledger.members import check_format, is_target
from bulk.ledger.progress import ACTION_NUMBERS, NO_ACTION, Progress, hash_of, pace_key
from bulk.ledger.records import AttemptResult, Json, Purpose, target_of
from bulk.ledger.row_life import (
    MAY_FOLLOW,
    NOT_BEGUN,
    STAGE_OF,
    Stage,
    after_attempt,
    after_intent,
    never_left,
)
from bulk.model import ROWS_MAX, TARGETS_MAX, RequestKind, cause_of

CODES_MAX = 1000
"""Error codes counted one by one."""
OTHER_CODES = "other codes"
DECISIONS_MAX = 2000
SESSIONS_MAX = 1000
"""Sessions kept in memory."""
NOTES_MAX = 1000
"""Notes kept in memory; all stay in the file."""
_AFTER_PLANNED = {"session", "intent", "attempt", "outcome", "end"}
_AWAITED_MAX = 100_000
_PACES_MAX = len(RequestKind) * TARGETS_MAX
_SPARE_ROWS = 4096

# Plain numbers, looked up once: a million lines take these steps, and an enum takes longer than the step.
_STAGE_OF = {outcome.value: int(stage) for outcome, stage in STAGE_OF.items()}
_UNPLANNED, _WAITING, _IN_FLIGHT = map(int, (Stage.UNPLANNED, Stage.WAITING, Stage.IN_FLIGHT))
_ANSWERED, _PARKED, _APPLIED = map(int, (Stage.ANSWERED, Stage.PARKED, Stage.APPLIED))
_FAILED, _BLOCKED = map(int, (Stage.FAILED, Stage.BLOCKED))
_CHANGE = Purpose.CHANGE


def take_in(progress: Progress, record: Json, offset: int) -> None:
    """Take in the next record, which stands at byte `offset`; raise LedgerDamaged on an illegal step."""
    try:
        step = _STEPS[record["type"]]
        if progress.planned is None:
            _must_be_in_order(progress, record)
        step(progress, record, offset)
        progress.last_at = record["at"]
    except (KeyError, TypeError, ValueError) as error:
        raise _illegal(record, f"is not a record of this format ({type(error).__name__}: {error})") from error


def _must_be_in_order(progress: Progress, record: Json) -> None:
    if not progress.run and record["type"] != "run":
        raise _illegal(record, "stands before the `run`")
    if record["type"] in _AFTER_PLANNED:
        raise _illegal(record, "stands before the plan is complete")


# The plan


def _run(progress: Progress, record: Json, _: int) -> None:
    if progress.run:
        raise _illegal(record, "is a second `run`")
    check_format(record)
    progress.run = record


def _change(progress: Progress, record: Json, offset: int) -> None:
    row = record["row"]
    if progress.planned:
        raise _illegal(record, "adds a change to a fixed plan")
    if not 1 <= row <= ROWS_MAX:
        raise _illegal(record, f"names a row that is not from 1 to {ROWS_MAX:,}")
    if row > len(progress.stages):
        _make_room(progress, row - len(progress.stages))
    _move(progress, record, _WAITING)
    progress.order.append(row)
    progress.change_at[row - 1] = offset
    progress.actions[row - 1] = ACTION_NUMBERS[record["action"]]
    progress.target_of[row - 1] = _target_number(progress, record)
    progress.names[row - 1] = hash_of(record["service_id"])
    progress.awaited.discard(row)
    if after := record["after"]:
        _wait_for(progress, record, after)


def _make_room(progress: Progress, rows: int) -> None:
    """Make room for so many rows, and for some that will follow."""
    rows += _SPARE_ROWS
    progress.stages.extend(bytes(rows))
    progress.actions.extend(bytes([NO_ACTION]) * rows)
    for numbers in (progress.change_at, progress.outcome_at, progress.target_of, progress.names):
        numbers.frombytes(bytes(rows * numbers.itemsize))


def _target_number(progress: Progress, record: Json) -> int:
    json = record["target"]
    name = tuple(json.values())
    if (number := progress.target_numbers.get(name)) is None:
        if not is_target(json) or len(progress.targets) == TARGETS_MAX:
            raise _illegal(record, f"names no target, or one more than {TARGETS_MAX:,}")
        number = progress.target_numbers[name] = len(progress.targets)
        progress.targets.append(target_of(json))
    return number


def _wait_for(progress: Progress, record: Json, rows: list[int]) -> None:
    """Remember the rows that a change waits for and that are not planned yet; in the end all must be."""
    progress.awaited.update(row for row in rows if not progress.is_planned(row))
    if len(progress.awaited) > _AWAITED_MAX:
        raise _illegal(record, f"waits for more than {_AWAITED_MAX:,} rows that are not planned yet")


def _planned(progress: Progress, record: Json, _: int) -> None:
    if progress.planned:
        raise _illegal(record, "is a second `planned`")
    if record["rows"] != progress.rows:
        raise _illegal(record, "does not count the changes before it")
    if progress.awaited:
        missing = min(progress.awaited)
        raise _illegal(record, f"ends a plan in which a row waits for row {missing}, which is not in it")
    progress.planned = record
    progress.target_numbers.clear()


# The rows


def _intent(progress: Progress, record: Json, _: int) -> None:
    row, opened = record["row"], progress.open
    _move(progress, record, _IN_FLIGHT)
    progress.sent += 1
    purpose = Purpose(record["purpose"]) if "purpose" in record else _CHANGE
    opened[row] = after_intent(opened.get(row, NOT_BEGUN), record["attempt"], purpose)


def _attempt(progress: Progress, record: Json, _: int) -> None:
    row, result = record["row"], AttemptResult(record["verdict"])
    if _stage_of(progress, record) != _IN_FLIGHT:
        raise _illegal(record, f"answers row {row}, for which no PUT was in flight")
    known = progress.open[row] = after_attempt(progress.open[row], result, record.get("hold_s", 0.0))
    progress.refusals += result is AttemptResult.THROTTLED
    if never_left(record):
        progress.sent -= 1
        progress.never_left += 1
    if result is AttemptResult.PARKED:
        progress.accepting.add(progress.target_of[row - 1])
    if result is not AttemptResult.DOUBT:
        _move(progress, record, _PARKED if known.parked else _ANSWERED)
    progress.worked_at = record["at"]


def _outcome(progress: Progress, record: Json, offset: int) -> None:
    row, ended = record["row"], _STAGE_OF[record["outcome"]]
    is_blocked_in_flight = ended == _BLOCKED and _stage_of(progress, record) == _IN_FLIGHT
    if is_blocked_in_flight and progress.open[row].purpose is not Purpose.RESTORE:
        raise _illegal(record, f"blocks row {row} while a PUT of it is in doubt")
    if ended == _APPLIED and _stage_of(progress, record) == _ANSWERED and not progress.open[row].has_left:
        raise _illegal(record, f"calls row {row} applied, of which no PUT has left")
    if _move(progress, record, ended) == _FAILED:
        _count_code(progress, record, -1)  # what replaces a failure repeats its cause
    progress.outcome_at[row - 1] = offset
    progress.worked_at = record["at"]
    progress.open.pop(row, None)
    progress.unconfirmed.pop(row, None)
    if fields := record.get("unconfirmed"):
        progress.unconfirmed[row] = tuple(fields)
    if ended == _APPLIED:
        progress.accepting.add(progress.target_of[row - 1])
    elif ended == _FAILED:
        _count_code(progress, record, 1)


def _count_code(progress: Progress, record: Json, rows: int) -> None:
    """Count failed rows by their cause; beyond `CODES_MAX` of them, all new ones count as one."""
    code, codes = cause_of(record["code"], record["http"]), progress.codes
    codes[code if code in codes or len(codes) < CODES_MAX else OTHER_CODES] += rows


def _stage_of(progress: Progress, record: Json) -> int:
    """Return the stage of the row that a record is about."""
    row, stages = record["row"], progress.stages
    return stages[row - 1] if 0 < row <= len(stages) else _UNPLANNED


def _move(progress: Progress, record: Json, stage: int) -> int:
    """Let the row that a record is about take a step; return the stage that it was at."""
    row, stages, tally = record["row"], progress.stages, progress.tally
    before = stages[row - 1] if 0 < row <= len(stages) else _UNPLANNED
    if not MAY_FOLLOW[before][stage]:
        raise _illegal(record, _why_not(row, before, stage))
    stages[row - 1] = stage
    if before:
        tally[before] -= 1
    tally[stage] += 1
    return before


def _why_not(row: int, before: int, stage: int) -> str:
    if before == _UNPLANNED:
        return f"names row {row}, which is not in the plan"
    if stage == before == _IN_FLIGHT:
        return f"sends row {row} while an earlier PUT of it is in doubt"
    return f"takes row {row} from {Stage(before).name} to {Stage(stage).name}"


# The sessions


def _session(progress: Progress, record: Json, _: int) -> None:
    check_format(record)
    progress.earlier_s = progress.work_s
    sessions = progress.sessions
    if sessions:
        before = sessions[-1]["settings"]  # of the other settings those of the last session are in force
        kept = {"ticket": progress.ticket} | ({"via": before["via"]} if before.get("via") else {})
        sessions[-1] = {**sessions[-1], "settings": kept, "flags": [], "lanes": []}
    else:
        progress.first_settings = record["settings"]
    progress.worked_at = record["at"]
    progress.begun += 1
    progress.paces.clear()
    sessions.append(record)
    del sessions[:-SESSIONS_MAX]


def _note(progress: Progress, record: Json, _: int) -> None:
    progress.notes.append(record)
    del progress.notes[:-NOTES_MAX]


def _pace(progress: Progress, record: Json, offset: int) -> None:
    key = pace_key(record["lane"], record["kind"])
    if key in progress.paces or len(progress.paces) < _PACES_MAX:
        progress.paces[key] = record
    progress.worked_at = record["at"]
    _note(progress, record, offset)


def _decision(progress: Progress, record: Json, _: int) -> None:
    if len(progress.decisions) == DECISIONS_MAX:  # what they have in force must not be cut off
        raise _illegal(record, f"is one decision more than {DECISIONS_MAX:,}")
    progress.decisions.append(record)


def _end(progress: Progress, record: Json, _: int) -> None:
    progress.worked_at = record["at"]
    progress.ends.append(record)
    del progress.ends[:-SESSIONS_MAX]


_STEPS = {
    "run": _run,
    "change": _change,
    "planned": _planned,
    "session": _session,
    "intent": _intent,
    "attempt": _attempt,
    "outcome": _outcome,
    "note": _note,
    "pace": _pace,
    "decision": _decision,
    "end": _end,
}


def _illegal(record: Json, what: str) -> LedgerDamaged:
    return LedgerDamaged(
        f"line {record['n'] + 1} {what}",
        hint="the ledger contradicts itself; restore it from a copy",
    )
