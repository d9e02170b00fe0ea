"""What the members of a record must be: each line that is read is held against this.

The chain is no signature: whoever can write the file can make a line follow from the one before. So nothing
is taken from a line before its members have the types and ranges that are written. Members that this version
does not know are passed over; a record of a type that it does not know is refused.

A check is an expression about `v`, the member. Those of a record are compiled to one function at import,
since a run of a million rows has several million lines.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, NamedTuple

from bulk.errors import LedgerDamaged
from bulk.ledger.format2 import modern
from bulk.ledger.records import READABLE, AttemptResult, DecidedBy, Json, Left, Purpose, Ruling
from bulk.ledger.stops import FORMER_WAVE, BrakeReason
from bulk.model import (
    COUNT_MAX,
    ROWS_MAX,
    STATE_FIELDS,
    TARGETS_MAX,
    WAVES_MAX,
    Action,
    Hold,
    LaneName,
    ModifyBody,
    Outcome,
    Owner,
    Ports,
    RequestKind,
    ServiceId,
    ServiceState,
    ServiceUpdate,
    Target,
    Why,
    is_service_id,
    port_mapping,
)

NAME_CHARS_MAX = 256
TEXT_KEPT_CHARS_MAX = 2048
"""Characters kept of a text in a record that stays in memory, such as a note; the rest is cut off."""
_NUMBER_MAX = 10**12
_MS_MAX = 2**32 - 1
_ENTRIES_MAX = 100
"""Entries of a list or of an object whose names are not known beforehand."""
_PATH_CHARS_MAX = 4096
_PORTS_MAX = 1000
"""Mappings of one service in a record that is kept in memory."""
_SCALARS = frozenset({str, int, float, bool, type(None)})

_known: dict[str, Any] = {"moment": datetime.fromisoformat, "is_service_id": is_service_id}
"""What the expressions may call or look in, by name."""


class MemberCheck(NamedTuple):
    """An expression that is true of the right values, and the same in words."""

    test: str
    words: str
    is_optional: bool = False


Checks = Mapping[str, MemberCheck]


def _optional(check: MemberCheck) -> MemberCheck:
    return check._replace(is_optional=True)


def _or_null(check: MemberCheck) -> MemberCheck:
    return MemberCheck(f"(v is None or {check.test})", f"{check.words} or null")


def _or_empty(check: MemberCheck) -> MemberCheck:
    return MemberCheck(f"(v == '' or {check.test})", f"{check.words} or empty")


def _int(low: int, high: int) -> MemberCheck:
    return MemberCheck(
        f"(type(v) is int and {low} <= v <= {high})", f"a whole number from {low:,} to {high:,}"
    )


def _number(low: float, high: float) -> MemberCheck:
    return MemberCheck(
        f"(type(v) in (int, float) and {low} <= v <= {high})", f"a number from {low:,} to {high:,}"
    )


def _one_of(values: Iterable[str]) -> MemberCheck:
    words = ", ".join(names := sorted(map(str, values)))
    return MemberCheck(f"(type(v) is str and v in {set(names)})", f"one of {words}")


def _such(name: str, test: Callable[[Any], bool], words: str) -> MemberCheck:
    """Return the check of members by a function, which compiled checks call by this name."""
    _known[name] = test
    return MemberCheck(f"{name}(v)", words)


def _list_of(name: str, check: MemberCheck, *, length_max: int = ROWS_MAX) -> MemberCheck:
    is_one = _compiled({"v": check})
    many = _such(
        name,
        lambda values: len(values) <= length_max and all(is_one({"v": each}) for each in values),
        f"a list of at most {length_max:,}, each {check.words}",
    )
    return many._replace(test=f"(type(v) is list and (not v or {many.test}))")  # most are empty


def _object(name: str, checks: Checks, *, is_closed: bool = False) -> MemberCheck:
    """Return the check of an object; one that `is_closed` has no members but these."""
    function = _such(name, _compiled(checks), f"an object of {', '.join(checks)}")
    _known[f"names_of_{name}"] = frozenset(checks)
    closed = f" and v.keys() <= names_of_{name}" if is_closed else ""
    return function._replace(test=f"(type(v) is dict and {function.test}{closed})")


def _compiled(checks: Checks) -> Callable[[Json], bool]:
    """Return a function that is true of an object whose members pass their checks.

    For other objects it returns false or raises KeyError, TypeError or ValueError.
    """
    tests = []
    for name, check in checks.items():
        test = re.sub(r"\bv\b", f"(v := j[{name!r}])", check.test, count=1)
        tests.append(f"({name!r} not in j or {test})" if check.is_optional else test)
    made: Callable[[Json], bool] = eval(f"lambda j: {' and '.join(tests)}", _known)  # noqa: S307 - our own words
    return made


def _are_ports(value: Any) -> bool:
    for each in value:  # the mappings of a fleet are few, and each is looked at once
        port_mapping(each["client_port"], each["server_port"], each["protocol"])
    return True


_SETTINGS_DEPTH_MAX = 3
"""The settings, a table among them, and in it tables below names."""


def _are_settings(value: Any) -> bool:
    """Return whether settings are such as job.toml can hold: nothing deeper than tables below names."""
    return type(value) is dict and _is_setting(value, tables=_SETTINGS_DEPTH_MAX)


def _is_setting(value: Any, tables: int) -> bool:
    match value:
        case dict():
            is_bounded = tables > 0 and len(value) <= _ENTRIES_MAX
            return is_bounded and all(_is_setting(each, tables - 1) for each in value.values())
        case list():
            return all(type(each) is str for each in value)
        case _:
            return type(value) in _SCALARS


def _are_effects(value: Any) -> bool:
    return type(value) is dict and all(
        name in STATE_FIELDS
        and (type(each) in _SCALARS or (type(each) is list and len(each) <= _PORTS_MAX and _are_ports(each)))
        for name, each in value.items()
    )


def _are_counts(value: Any) -> bool:
    return (
        type(value) is dict
        and len(value) <= _ENTRIES_MAX
        and all(type(each) is int and 0 <= each <= COUNT_MAX for each in value.values())
    )


_TEXT = MemberCheck("(type(v) is str)", "a text")
_NAME = MemberCheck(
    f"(type(v) is str and len(v) <= {NAME_CHARS_MAX})", f"at most {NAME_CHARS_MAX} characters"
)
_DICT = MemberCheck("(type(v) is dict)", "an object")
_BOOL = MemberCheck("(type(v) is bool)", "true or false")
_ROW = _int(1, ROWS_MAX)
_INT = MemberCheck("(type(v) is int)", "a whole number")
_ROWS = _list_of("are_rows", _ROW)
_PUTS = _int(0, COUNT_MAX)
_AT = MemberCheck(
    "(len(v) == 24 and moment(v).tzinfo is not None)",
    "a UTC time such as 2026-01-15T08:30:00.123Z",
)
_JOB = _such(
    "is_job",
    lambda value: len(value) <= NAME_CHARS_MAX and bool(re.fullmatch(r"[^\W_][\w.-]*", value)),
    "a name that can be a part of a file's name",
)
_PATH = MemberCheck(f"(type(v) is str and len(v) <= {_PATH_CHARS_MAX} and '\\0' not in v)", "a path")
_PORTS = MemberCheck("(type(v) is list and are_ports(v))", "port mappings")
_known["are_ports"] = _are_ports
_COUNTS = _such("are_counts", _are_counts, "counts by name")
_EFFECTS = _such("are_effects", _are_effects, "fields of a service with their values")
_SETTINGS = _such("are_settings", _are_settings, "settings as in job.toml")
_is_endpoint = _compiled(dict.fromkeys(("url", "seed", "fleet"), _TEXT))
_OPTIONS = _such(
    "are_options",
    lambda value: (
        _are_settings(value) and _is_endpoint(value["endpoint"]) and type(value.get("limit", [])) is list
    ),
    "the settings of a job, with its endpoint",
)
_TARGET = _object("is_target", dict.fromkeys(Target._fields, _NAME))
is_target: Callable[[Json], bool] = _known["is_target"]
_PLACE = _object("is_place", {**dict.fromkeys(Target._fields, _NAME), "host": _optional(_NAME)})
_OWNER = _object("is_owner", dict.fromkeys(Owner._fields, _optional(_NAME)))
_TAKEN_BACK = _object("is_taken_back", {"ledger": _PATH, "run_id": _NAME, "puts": _PUTS})
_OPENING = _object(
    "is_opening",
    {**dict.fromkeys(("opens_at", "stops_at", "closes_at"), _or_null(_AT)), "zone": _NAME},
    is_closed=True,
)
_LANE = _object("is_lane", dict.fromkeys(LaneName._fields, _NAME))
_HELD = _object(
    "is_held",
    {
        "hold": _one_of(Hold),
        "who": _NAME,
        "since": _AT,
        "until": _optional(_or_empty(_AT)),
        "detail": _optional(_NAME),
        "is_over": _optional(_BOOL),
    },
)
_LIMIT = _object(
    "is_limit",
    {"requests": _int(0, COUNT_MAX), "window_s": _number(1e-9, _NUMBER_MAX), "policy": _NAME},
)

_REASON = _one_of((*BrakeReason, FORMER_WAVE))

_OF_TYPE: dict[Any, MemberCheck] = {
    str: _TEXT,
    ServiceId: _TEXT,
    str | None: _TEXT,
    bool | None: _BOOL,
    int | None: _int(0, COUNT_MAX),
    Ports: _PORTS,
    Ports | None: _PORTS,
}


def _fields_of(kind: type[Any], *, null: bool = False) -> Checks:
    """Return the checks of a value class by their annotations; one with a default may be missing.

    With `null` a field may be null where its default is None.
    """
    found = {each: _OF_TYPE[each.type] for each in fields(kind) if each.type in _OF_TYPE}
    return {
        each.name: check._replace(
            test=_or_null(check).test if null and each.default is None else check.test,
            is_optional=each.default is not MISSING,
        )
        for each, check in found.items()
    }


_STATE = _object("is_state", _fields_of(ServiceState))
_BODY = _object("is_body", _fields_of(ModifyBody), is_closed=True)  # it is sent as it is, or not at all
_ASKED = _object(
    "is_asked",
    {
        name: _optional(check)
        for kind in (ServiceUpdate, ModifyBody)
        for name, check in _fields_of(kind, null=True).items()
    }
    | {"wave": _optional(_int(1, WAVES_MAX))},
)
_LINE: Checks = {"at": _AT}
_REPLY: Checks = {
    "http": _or_null(_int(0, 999)),
    "code": _NAME,
    "message": _TEXT,
    "request_id": _TEXT,
    "ms": _int(0, _MS_MAX),
}
_CHANGE: Checks = {
    "row": _INT,
    "place": _TEXT,
    "target": _DICT,
    "action": _one_of(Action),
    "service_id": _TEXT,
    "reason": _TEXT,
    "after": _ROWS,
    "note": _TEXT,
}
_WHOLE_CHANGE: Checks = {
    "row": _ROW,
    "target": _TARGET,
    "service_id": MemberCheck(
        f"(j['action'] == {Action.REFUSE.value!r} or is_service_id(v))",
        "36 letters, digits and dashes",
    ),
    "before": MemberCheck(
        f"((v is None and j['action'] == {Action.REFUSE.value!r})"
        f" or ({_STATE.test} and v['id'] == j['service_id']))",
        "the service that the row names",
    ),
    "body": _BODY,
    "cause": _optional(_TEXT),
    "parking": _optional(_BODY),
    "after_parked": _optional(_ROWS),
    "asked": _optional(_ASKED),
}
RECORDS: Mapping[str, Checks] = {
    "run": {
        "format": _int(0, COUNT_MAX),
        "run_id": _NAME,
        "version": _NAME,
        "job": _JOB,
        "job_sha256": _NAME,
        "rows_sha256": _optional(_TEXT),
        "runs": _optional(_PATH),
        "file": _optional(_PATH),
        "options": _OPTIONS,
        "targets": _list_of("are_targets", _PLACE, length_max=TARGETS_MAX),
        **dict.fromkeys(("user", "host"), _optional(_TEXT)),
        "takes_back": _optional(_or_null(_TAKEN_BACK)),
    },
    "change": _CHANGE,
    "planned": {
        "rows": _int(0, ROWS_MAX),
        "counts": _COUNTS,
        "footprint": _COUNTS,
        "pages": _optional(_list_of("are_pages", _int(0, COUNT_MAX), length_max=TARGETS_MAX)),
        "owners": _optional(_list_of("are_owners", _OWNER, length_max=TARGETS_MAX)),
        "digest": _NAME,
    },
    "session": {
        "format": _optional(_int(0, COUNT_MAX)),
        "host": _TEXT,
        "pid": _int(0, COUNT_MAX),
        "user": _TEXT,
        "settings": _SETTINGS,
        "flags": _optional(_list_of("are_flags", _NAME, length_max=_ENTRIES_MAX)),
        "opening": _optional(_or_null(_OPENING)),
        "digest": _optional(_NAME),
        "counts": _optional(_COUNTS),
        "lanes": _optional(_list_of("are_lanes", _LANE, length_max=TARGETS_MAX)),
    },
    "intent": {"row": _INT, "attempt": _PUTS, "purpose": _optional(_one_of(Purpose))},
    "attempt": {
        "row": _INT,
        "attempt": _PUTS,
        "verdict": _one_of(AttemptResult),
        "hold": _optional(_or_null(_one_of(Hold))),
        "hold_s": _number(0, _NUMBER_MAX),
        **_REPLY,
    },
    "outcome": {
        "row": _INT,
        "outcome": _one_of(Outcome),
        "attempts": _PUTS,
        "left": _optional(_one_of(Left)),
        "observed": _optional(_STATE),
        **_REPLY,
    },
    "note": {
        "about": _TEXT,
        "message": _TEXT,
        "row": _optional(_or_null(_ROW)),
        "held": _optional(_HELD),
    },
    "pace": {
        "lane": _LANE,
        "kind": _one_of(RequestKind),
        "rate_per_s": _number(0, _NUMBER_MAX),
        "limit": _or_null(_LIMIT),
        "why": _or_null(_one_of(Why)),
        "noise": _optional(_number(0, 1)),
        "hold": _one_of(Hold),
        "left_s": _number(0, _NUMBER_MAX),
    },
    "decision": {
        "by": _one_of(DecidedBy),
        "what": _TEXT,
        "reason": _TEXT,
        **dict.fromkeys(("user", "host", "id"), _optional(_TEXT)),
        "wave": _optional(_or_null(_int(0, COUNT_MAX))),
        "ruling": _optional(_or_null(_one_of(Ruling))),
        "cause": _optional(_or_null(_REASON)),
        "effects": _optional(_EFFECTS),
        "failures_max": _optional(_or_null(_int(0, COUNT_MAX))),
        "ledger": _optional(_PATH),
        "rate_per_s": _optional(_or_null(_number(1e-9, _NUMBER_MAX))),
    },
    "end": {
        "reason": _REASON,
        "reasons": _optional(_list_of("are_reasons", _REASON, length_max=_ENTRIES_MAX)),
        "ticket": _optional(_TEXT),
        "digest": _optional(_NAME),
        "counts": _COUNTS,
    },
}
"""The members of each type of record; of a change those of its head."""
_PASSING = frozenset({"change", "intent", "attempt", "outcome"})
"""The records that are folded and do not stay in memory."""
_KEPT = {kind: ("n", "type", *_LINE, *members) for kind, members in RECORDS.items() if kind not in _PASSING}
_IS_RECORD = {kind: _compiled({**_LINE, **members}) for kind, members in RECORDS.items()}
_is_whole = _compiled(_WHOLE_CHANGE)


def checked(json: Json) -> Json:
    """Return a record as this version writes it, with members as they must be; of a change its head.

    Raises LedgerDamaged, with the line and what is wrong, where one is not.
    """
    try:
        if _IS_RECORD[kind := json["type"]](json):
            return json if kind in _PASSING else _kept(kind, json)
        check_format(json)
    except (KeyError, TypeError, ValueError):
        check_format(json)  # whose members may be others
    raise _damaged(json, _fault(json))


def checked_whole(json: Json) -> Json:
    """Return a record as `checked` does, but a change with its states and bodies."""
    record = checked(json)
    return checked_rest(record) if record["type"] == "change" else record


def checked_rest(change: Json) -> Json:
    """Return a change, whose head was checked, with states and bodies as they must be.

    Raises LedgerDamaged with the line and what is wrong.
    """
    try:
        if _is_whole(change):
            return change
    except (KeyError, TypeError, ValueError):
        pass
    raise _damaged(change, _fault_in(change, _WHOLE_CHANGE))


def check_format(json: Json) -> None:
    """Raise LedgerDamaged where a `run` or a `session` is of a format that this version does not read."""
    stated = json.get("format", READABLE[0])  # a session of format 2 did not state it
    if type(stated) is int and stated not in READABLE:
        raise LedgerDamaged(
            f"line {json['n'] + 1} states format {stated}; this version of bulk reads formats {_READABLE}",
            hint="finish that run with the version that began it, or begin a new one with --new-run",
        )


_READABLE = " and ".join(map(str, READABLE))


def _damaged(json: Json, fault: str) -> LedgerDamaged:
    return LedgerDamaged(f"line {json['n'] + 1} is not a record of this format: {fault}")


def _kept(kind: str, json: Json) -> Json:
    """Return a record that stays in memory: the members that are known, of long texts the beginning."""
    known = {name: _cut(json[name]) for name in _KEPT[kind] if name in json}
    return modern(known) if kind == "note" else known


def _cut(value: Any) -> Any:
    """Return a value that is kept in memory; of a long text its beginning."""
    return (
        value[:TEXT_KEPT_CHARS_MAX] + "…"
        if type(value) is str and len(value) > TEXT_KEPT_CHARS_MAX
        else value
    )


def _fault(json: Json) -> str:
    """Return what is wrong with a record; nothing of it is repeated, since it may be anything."""
    kind = json.get("type")
    if not isinstance(kind, str) or kind not in RECORDS:
        return f"its type is none of {', '.join(RECORDS)}"
    return _fault_in(json, {**_LINE, **RECORDS[kind]})


def _fault_in(json: Json, checks: Checks) -> str:
    """Return what is wrong with the first member, in the order of the checks, that is not as it must be."""
    return next(
        f"its {name} is not {check.words}" if name in json else f"it has no {name}"
        for name, check in checks.items()
        if not _passes(json, name, check)
    )


def _passes(json: Json, name: str, check: MemberCheck) -> bool:
    try:
        return _compiled({name: check})(json)
    except (KeyError, TypeError, ValueError):
        return False
