"""JSON Lines: one object a line, the PUT's own fields."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from bulk.jobfile.columns import COLUMNS, unknown_columns
from bulk.jobfile.drafts import MISSING_ID, Draft, issue_at
from bulk.jobfile.text_lines import Fault, LineCount, NumberedLine
from bulk.jobfile.values import (
    BLANKS,
    CELL_CHARS_MAX,
    Problem,
    Wrong,
    error_value,
    shown,
    too_long,
    wrong,
)
from bulk.model import Issue

_READINGS = {name: column.form.of_json for name, column in COLUMNS.items()}
_NULL = wrong("null", "leave the field out to keep the setting as it is")
_UNKNOWN = Wrong(())
_ERROR_STARTS = ("#", "E")
_OBJECT_HINT = 'write one object a line: {"service_id": "…", "ports": [{"client_port": 8081, …}]}'
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]')
_SPACE = re.compile(r"\s*")
_KEY_END = re.compile(r'"\s*:')


def json_drafts(lines: Iterable[NumberedLine], name: str, count: LineCount) -> Iterator[Draft]:
    """Return one draft for each line."""
    for number, line in lines:
        if count.skips(line):
            continue
        draft = Draft(line=number)
        if isinstance(line, Fault):
            draft.issues.append(issue_at(name, number, line.column, "", line.problem))
        else:
            _read(draft, line, name)
        yield draft


def _read(draft: Draft, line: str, name: str) -> None:
    try:
        fields = orjson.loads(line if line.isascii() else line.strip(BLANKS))  # JSON knows four of them
    except orjson.JSONDecodeError as error:
        problem = Problem(message=f"not JSON: {error.msg}", hint=_OBJECT_HINT)
        column = error.colno + len(line) - len(line.lstrip(BLANKS)) if not line.isascii() else error.colno
        draft.issues.append(issue_at(name, draft.line, column, "", problem))
        return
    if type(fields) is not dict:
        problem = Problem(message=f"{shown(fields)} is not an object", hint=_OBJECT_HINT)
        draft.issues.append(issue_at(name, draft.line, 1, "", problem))
        return
    _read_fields(draft, fields, line, name)
    count = _field_count(fields)
    # More keys in the line than fields read: one is given twice. Counting colons is the quick first look.
    if line.count(":") != count and len(_KEY_END.findall(line)) != count:
        _find_repeated_fields(draft, line, name)


def _read_fields(draft: Draft, fields: dict[str, Any], line: str, name: str) -> None:
    raw_id = fields.get("service_id")
    if "service_id" not in fields:
        draft.issues.append(issue_at(name, draft.line, 1, "service_id", MISSING_ID))
    elif type(raw_id) is str:
        draft.raw_id = raw_id
        draft.column = line.find(raw_id) + 1 or 1
    values = draft.values
    unusable: dict[str, Wrong] = {}
    for key, raw in fields.items():
        reading = _READINGS.get(key)
        value = _value(reading, raw) if reading else _UNKNOWN
        if isinstance(value, Wrong):
            unusable[key] = value
        else:
            values[key] = value
    if unusable:
        draft.issues += _issues(unusable, draft.line, line, name)


def _value(reading: Callable[[Any], Any], raw: Any) -> Any:
    """Return the value of a field, or why it cannot be used."""
    if raw is None:
        return _NULL
    error = None
    if type(raw) is str and (len(raw) > CELL_CHARS_MAX or raw[:1] in _ERROR_STARTS):
        error = too_long(raw) or error_value(raw)
    return error or reading(raw)


def _issues(unusable: dict[str, Wrong], number: int, line: str, name: str) -> Iterator[Issue]:
    """Return the issues of the fields that cannot be used, each at the place of its value."""
    columns: dict[str, int] = {}
    for depth, _, key, column in _keys(line):
        if depth == 1:
            columns.setdefault(key, column)
    unknown = iter(unknown_columns((key for key in unusable if key not in _READINGS), COLUMNS))
    for key, value in unusable.items():
        subject, problems = (key, value.problems) if key in _READINGS else ("", [next(unknown)])
        yield from (issue_at(name, number, columns.get(key, 1), subject, problem) for problem in problems)


def _field_count(fields: dict[str, Any]) -> int:
    """Return the number of fields of the object and of the objects in its lists."""
    lists = (value for value in fields.values() if type(value) is list)
    return len(fields) + sum(len(entry) for each in lists for entry in each if type(entry) is dict)


def _keys(line: str) -> Iterator[tuple[int, int, str, int]]:
    """Return (depth, number of its object, key, column of its value) of every field, in order."""
    opened, enclosing, text = 0, [0], ""
    for token in _TOKEN.finditer(line):
        match token[0]:
            case "{" | "[":
                opened += 1
                enclosing.append(opened)
            case "}" | "]":
                enclosing.pop()
            case ":":
                value_at = _SPACE.match(line, token.end())
                yield len(enclosing) - 1, enclosing[-1], text, (value_at or token).end() + 1
            case string:
                text = orjson.loads(string)


def _find_repeated_fields(draft: Draft, line: str, name: str) -> None:
    seen: Counter[tuple[int, str]] = Counter()
    for _, number, key, column in _keys(line):
        seen[number, key] += 1
        if seen[number, key] > 1:
            problem = Problem(message=f"the field {shown(key)} is given twice", hint="keep one of them")
            draft.issues.append(issue_at(name, draft.line, column, "", problem))
