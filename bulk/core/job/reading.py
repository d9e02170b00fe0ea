"""`job.toml` and flags into a Job, or everything that is wrong with them."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bulk.core.job.forms import shown
from bulk.core.job.settings import SETTINGS, SIMULATOR_SETTINGS, Job
from bulk.core.model import Issue

Issues: TypeAlias = tuple[Issue, ...]

_NAMES = {"": tuple(SETTINGS), "simulator": tuple(SIMULATOR_SETTINGS)}
_KNOWN = frozenset(SETTINGS) | frozenset(SIMULATOR_SETTINGS)
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_.-]+)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=")
_TOML_HINT = 'job.toml is TOML: name = "value"'


def read_job(raw: bytes, *, name: str, default_name: str = "job", flags: Mapping[str, Any]) -> Job | Issues:
    """Give the job that `job.toml` and the flags make together, or every issue of both.

    `raw` is the file's content, empty where there is none, and `name` stands in its places. `flags`
    has the same keys in the same forms; they win. Flags that are None, empty or False were not
    given. An issue with a flag has the flag as its place: `--max-failures`.
    """
    settings = _settings(raw, name)
    if isinstance(settings, Issue):
        return (settings,)
    given = given_of(flags)
    try:
        return Job(**{"name": default_name, **settings, **given})
    except ValidationError as error:
        text = raw.decode()
        return tuple(_issue(details, given, text, name) for details in error.errors())


def given_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Give the flags that were given: 0 is, None, empty and False are not."""
    return {key: value for key, value in flags.items() if value or (value == 0 and value is not False)}


def _settings(raw: bytes, name: str) -> dict[str, Any] | Issue:
    try:
        return tomllib.loads(raw.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"the byte 0x{raw[error.start]:02X} is not UTF-8"
        return Issue(place=f"{name}:{line}:1", field="", message=message, hint="save the file as UTF-8")
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        line, column = (int(found[1]), int(found[2])) if found else (raw.count(b"\n") + 1, 1)
        message = _AT.sub("", str(error))
        return Issue(place=f"{name}:{line}:{column}", field="", message=message, hint=_TOML_HINT)


def _issue(details: ErrorDetails, given: Mapping[str, Any], text: str, name: str) -> Issue:
    path = tuple(map(str, details["loc"]))
    if path[0] in given:
        flag = f"--{path[0].replace('_', '-')}"
        message, hint = _words(details, path, f"{flag} {SETTINGS[path[0]]['examples'][0]}")
        return Issue(place=flag, field="", message=message, hint=hint)
    message, hint = _words(details, path, _line_of_toml(path) if path[-1] in _KNOWN else "")
    return Issue(place=_place(path, text, name), field=".".join(path), message=message, hint=hint)


def _words(details: ErrorDetails, path: tuple[str, ...], example: str) -> tuple[str, str]:
    """Give (what is wrong, what to write) for what the validation found."""
    *table, key = path
    match details["type"]:
        case "bulk":
            return details["ctx"]["message"], details["ctx"]["hint"]
        case "unexpected_keyword_argument":
            known = _NAMES["".join(table)]
            near = get_close_matches(key, known, n=1)
            return "unknown key", f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        case "missing":
            return "the key is missing", f"write {example}"
        case "dataclass_type":
            return "it should be a table", f"write such as {example}"
        case "string_pattern_mismatch":
            return f"{shown(details['input'])} is not a {key}", f"write such as {example}"
        case _:
            return details["msg"].replace("Input should", "it should"), f"write such as {example}"


def _line_of_toml(path: tuple[str, ...]) -> str:
    """Give a line of TOML that is right for a known key."""
    schema = (SIMULATOR_SETTINGS if len(path) > 1 else SETTINGS)[path[-1]]
    return f"{path[-1]} = {_toml(schema['examples'][0])}"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
        case _:
            return str(value)


def _place(path: tuple[str, ...], text: str, name: str) -> str:
    """Give the line and column where a key stands, as far as it stands on a line of its own."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = f"{found[1]}."
            if path == (found[1],):
                return f"{name}:{number}:{found.start(1) + 1}"
        elif (found := _KEY.match(line)) and table + found[1] == ".".join(path):
            return f"{name}:{number}:{found.start(1) + 1}"
    return f"{name}:1:1"
