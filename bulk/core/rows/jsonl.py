"""JSON Lines: one object a line, the PUT's own fields."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from bulk.core.rows.columns import COLUMNS, unknown_column
from bulk.core.rows.drafts import MISSING_ID, Draft, issue_at
from bulk.core.rows.lines import Fault, NumberedLine, says_something
from bulk.core.rows.values import Problem, Wrong, shown

_READINGS = {name: column.form.of_json for name, column in COLUMNS.items()}
_NULL = Problem(message="null", hint="leave the field out to keep the setting as it is")
_OBJECT_HINT = 'write one object a line: {"service_id": "…", "ports": [{"client_port": 8081, …}]}'
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]')
_KEY_END = re.compile(r'"\s*:')


def json_drafts(lines: Iterable[NumberedLine], name: str) -> Iterator[Draft]:
    """Return one draft for each line."""
    for number, line in lines:
        if not says_something(line):
            continue
        draft = Draft(line=number)
        if isinstance(line, Fault):
            draft.issues.append(issue_at(name, number, line.column, "", line.problem))
        else:
            _read(draft, line, name)
        yield draft


def _read(draft: Draft, line: str, name: str) -> None:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        problem = Problem(message=f"not JSON: {error.msg}", hint=_OBJECT_HINT)
        draft.issues.append(issue_at(name, draft.line, error.colno, "", problem))
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
    for key, raw in fields.items():
        reading = _READINGS.get(key)
        value = reading(raw) if reading and raw is not None else _unusable(key, raw)
        if isinstance(value, Wrong):
            column = _column_of(line, key)
            subject = key if reading else ""
            draft.issues += [issue_at(name, draft.line, column, subject, p) for p in value.problems]
        else:
            values[key] = value


def _unusable(key: str, raw: Any) -> Wrong:
    return Wrong((_NULL if raw is None and key in COLUMNS else unknown_column(key, COLUMNS),))


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
                yield (
                    len(enclosing) - 1,
                    enclosing[-1],
                    text,
                    len(line) - len(line[token.end() :].lstrip()) + 1,
                )
            case string:
                text = orjson.loads(string)


def _column_of(line: str, key: str) -> int:
    return next((column for depth, _, found, column in _keys(line) if depth == 1 and found == key), 1)


def _find_repeated_fields(draft: Draft, line: str, name: str) -> None:
    seen: Counter[tuple[int, str]] = Counter()
    for _, number, key, column in _keys(line):
        seen[number, key] += 1
        if seen[number, key] > 1:
            problem = Problem(message=f"the field {shown(key)} is given twice", hint="keep one of them")
            draft.issues.append(issue_at(name, draft.line, column, "", problem))
