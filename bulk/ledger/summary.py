"""The state of a run as JSON and arrays, so that it can be read back without the ledger's lines.

What is read back is checked: whatever has not the form of a state raises, so that the ledger is folded anew.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, fields, replace
from typing import TYPE_CHECKING, Any

from bulk.ledger.members import checked
from bulk.ledger.progress import ACTION_NUMBERS, NO_ACTION, Progress
from bulk.ledger.records import Json, Purpose
from bulk.ledger.row_life import NOT_BEGUN, OUTCOME_OF, OpenRow, Stage
from bulk.model import Target

if TYPE_CHECKING:
    from array import array

_ARRAYS = ("order", "stages", "actions", "target_of", "names", "change_at", "outcome_at")
_BY_ROW = _ARRAYS[1:]
_WHILE_PLANNING = frozenset({"tally", "target_numbers", "awaited"})
"""What follows from the rest, or is empty, once the plan is complete."""
_UNENDED = {Stage.IN_FLIGHT, Stage.ANSWERED, Stage.PARKED}
_STAGES, _ACTIONS = bytes(range(len(Stage))), bytes([*range(len(ACTION_NUMBERS)), NO_ACTION])
_OPEN_NAMES = tuple(each.name for each in fields(OpenRow))
_OPEN_TYPES = [type(value) if not isinstance(value, str) else str for value in astuple(NOT_BEGUN)]


def snapshot(progress: Progress) -> Progress:
    """Return a state, whose plan is complete, as it is now: what changes from here on is copied, little else.

    Of a million rows it copies 9 MB, in 2 ms.
    """
    return replace(
        progress,
        stages=progress.stages[:],
        outcome_at=progress.outcome_at[:],
        tally=progress.tally[:],
        sessions=progress.sessions[:],
        ends=progress.ends[:],
        notes=progress.notes[:],
        paces=progress.paces.copy(),
        decisions=progress.decisions[:],
        accepting=progress.accepting.copy(),
        open=progress.open.copy(),
        unconfirmed=progress.unconfirmed.copy(),
        codes=progress.codes.copy(),
    )


def packed(progress: Progress) -> tuple[Json, dict[str, "array[int] | bytearray"]]:
    """Return a state as JSON, and the arrays that belong to it."""
    members = {each.name: getattr(progress, each.name) for each in fields(progress)}
    arrays = {name: members.pop(name) for name in _ARRAYS}
    json = {name: value for name, value in members.items() if name not in _WHILE_PLANNING}
    fields_left: dict[tuple[str, ...], list[int]] = {}
    for row, names in progress.unconfirmed.items():
        fields_left.setdefault(names, []).append(row)
    json["targets"] = list(map(list, progress.targets))
    json["accepting"] = sorted(progress.accepting)
    json["open"] = [[row, *astuple(known)] for row, known in progress.open.items()]
    json["unconfirmed"] = [[list(names), rows] for names, rows in fields_left.items()]
    json["codes"] = list(map(list, progress.codes.items()))
    return json, arrays


def unpacked(json: Json, arrays: Mapping[str, memoryview]) -> Progress:
    """Return a state from its JSON and its arrays.

    Raises KeyError, TypeError, ValueError or LedgerDamaged for what is none.
    """
    progress = Progress()
    expected = {each.name for each in fields(progress)} - _WHILE_PLANNING - set(_ARRAYS)
    _must(json.keys() == expected and arrays.keys() == set(_ARRAYS))
    for name, content in arrays.items():
        empty = getattr(progress, name)
        if isinstance(empty, bytearray):
            empty.extend(content)
        else:
            empty.frombytes(content)
    for name in expected - {"targets", "accepting", "open", "unconfirmed", "codes", "planned"}:
        _must(type(json[name]) is type(getattr(progress, name)))
        setattr(progress, name, json[name])
    progress.run, progress.planned = checked(json["run"]), checked(json["planned"])
    for name in ("sessions", "ends", "notes", "decisions"):
        setattr(progress, name, list(map(checked, json[name])))
    progress.paces = {_text(key): checked(pace) for key, pace in json["paces"].items()}
    progress.targets = [Target(*map(_text, names)) for names in json["targets"]]
    progress.accepting = set(map(int, json["accepting"]))
    progress.open = dict(map(_open_row, json["open"]))
    progress.codes = Counter({_text(code): int(rows) for code, rows in json["codes"]})
    for names, rows in json["unconfirmed"]:
        progress.unconfirmed.update(dict.fromkeys(map(int, rows), tuple(map(_text, names))))
    _must_be_whole(progress)
    return progress


def _open_row(json: list[Any]) -> tuple[int, OpenRow]:
    row, *values = json
    _must(list(map(type, json)) == [int, *_OPEN_TYPES])
    known = dict(zip(_OPEN_NAMES, values, strict=True))
    return row, OpenRow(**known | {"purpose": Purpose(known["purpose"])})


def _must_be_whole(progress: Progress) -> None:
    """Raise ValueError where the members of a state do not go together; count its rows by stage."""
    room, stages = len(progress.stages), progress.stages
    _must(progress.run["type"] == "run" and progress.planned is not None)
    _must(all(len(getattr(progress, name)) == room for name in _BY_ROW))
    progress.tally = [stages.count(stage) if stage else 0 for stage in Stage]
    _must(sum(progress.tally) == progress.rows and max(progress.order, default=0) <= room)
    _must(not stages.translate(None, _STAGES) and not progress.actions.translate(None, _ACTIONS))
    _must(not progress.rows or max(progress.target_of, default=0) < len(progress.targets))
    _must(all(0 <= number < len(progress.targets) for number in progress.accepting))
    _must(all(0 < row <= room and stages[row - 1] in _UNENDED for row in progress.open))
    _must(sum(map(progress.tally.__getitem__, _UNENDED)) == len(progress.open))
    _must(all(0 < row <= room and stages[row - 1] in OUTCOME_OF for row in progress.unconfirmed))


def _text(value: Any) -> str:
    _must(type(value) is str)
    return str(value)


def _must(holds: object) -> None:
    if not holds:
        raise ValueError("is no state of a run")
