"""Settings as they are stored: read from `job.toml`, flags or a ledger, and written for a ledger.

What is wrong with them is found all at once. The JSON Schema says the same to an editor.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, replace
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

from bulk.model import Issue
from bulk.settings.forms import NAME, SettingForm, bounded, wrong
from bulk.settings.job import SETTINGS, Job, Setting, flag_of, settings_of
from bulk.text import BYTE_ORDER_MARK

S = TypeVar("S")

Issues: TypeAlias = tuple[Issue, ...]
# The keys that lead to a value: `("rate",)`, `("simulator", "fleet")` or `("notify", "ops", "form")`.
Keys: TypeAlias = tuple[str, ...]
# Where a value stands or is missing, and what is wrong with it, as an issue without its place.
Misfit: TypeAlias = tuple[Keys, Issue]

PLACE = "settings"
"""The place of an issue of settings as long as nobody knows where they were written."""
_DEPTH_MAX = 3  # of the keys that lead to a value
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TABLE = re.compile(r"\s*\[+\s*([A-Za-z0-9_.-]+)\s*\]")
_KEY = re.compile(r"""\s*["']?([\w.-]+)["']?\s*=""")


def read_job(raw: bytes, *, name: str, default_name: str = "job", flags: Mapping[str, Any]) -> Job | Issues:
    """Return the job that `job.toml` and the flags make together, or every issue of both.

    `raw` is the content of the file, empty where there is none, and `name` stands in the places of issues.
    """
    import tomllib  # noqa: PLC0415 - it takes 20 ms, and `bulk --help` imports this module

    try:
        text = raw.decode().removeprefix(BYTE_ORDER_MARK)
        stored = {"name": default_name, **tomllib.loads(text)}
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"the byte 0x{raw[error.start]:02X} is not UTF-8"
        return (Issue(place=f"{name}:{line}:1", field="", message=message, hint="save the file as UTF-8"),)
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: of absurdly long or deep values
        found = _AT.search(str(error))
        row, column = found.groups() if found else (raw.count(b"\n") + 1, 1)
        issue = wrong(_AT.sub("", str(error)), 'job.toml is TOML: name = "value"')
        return (replace(issue, place=f"{name}:{row}:{column}"),)
    positions = _positions(text)
    return read_settings(Job, stored, flags=flags, place=lambda keys: f"{name}:{_position(keys, positions)}")


def located(issues: Issues, raw: bytes, *, name: str, flags: Mapping[str, Any]) -> Issues:
    """Return issues of usable settings with the place of each: its flag, or its key in `job.toml`.

    Where neither has the setting, as of a default that another one contradicts, an issue stays as it is; so
    does one that has a place.
    """
    positions = _positions(raw.decode(errors="replace").removeprefix(BYTE_ORDER_MARK))
    return tuple(_located(each, positions, name, flags) if each.place == PLACE else each for each in issues)


def _located(issue: Issue, positions: Mapping[Keys, str], name: str, flags: Mapping[str, Any]) -> Issue:
    if flags.get(issue.field) is not None:
        return replace(issue, place=flag_of(issue.field), field="")
    position = positions.get((issue.field,))
    return replace(issue, place=f"{name}:{position}") if position else issue


def read_usable(raw: bytes, *, default_name: str, flags: Mapping[str, Any]) -> Job:
    """Return the job of those values of a `job.toml` and flags that can be used; all others have defaults."""
    import tomllib  # noqa: PLC0415 - as above

    written: dict[str, Any] = {"rows": "-", "name": default_name}
    with suppress(ValueError, RecursionError):
        written |= tomllib.loads(raw.decode().removeprefix(BYTE_ORDER_MARK))
    return usable({**written, **{name: value for name, value in flags.items() if value is not None}})


def usable(written: Mapping[str, Any]) -> Job:
    """Return the job of those stored settings that can be used; all others have their defaults."""
    read = {key: _value((key,), SETTINGS, raw) for key, raw in written.items() if key in SETTINGS}
    values = {key: value for key, value in read.items() if not isinstance(value, list)}
    job: Job = _assembled(Job, {"rows": "-", **values})
    return job


def _position(keys: Keys, positions: Mapping[Keys, str]) -> str:
    """Return the line and column of a key, or of the table in which it has no line of its own."""
    return next((found for end in range(len(keys), 0, -1) if (found := positions.get(keys[:end]))), "1:1")


def read_settings(
    kind: type[S],
    stored: Mapping[str, Any],
    *,
    flags: Mapping[str, Any],
    place: Callable[[Keys], str] = lambda _: PLACE,
) -> S | Issues:
    """Return a dataclass of settings as stored values and flags make it, or every issue of both.

    Flags have the names of settings, and win over what is stored. None means that a flag was not given; the
    command line has refused what a flag cannot be. The place of an issue is the flag (`--max-failures`); for
    a stored value, it is what `place` returns for its keys.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    read = _read(kind, {**stored, **given})
    if not isinstance(read, list):
        return read
    return tuple(
        replace(issue, place=flag_of(keys[0]))
        if keys[0] in given
        else replace(issue, place=place(keys), field=bounded(".".join(keys)))
        for keys, issue in read
    )


def _read(kind: type[S], written: Mapping[str, Any], above: Keys = ()) -> S | list[Misfit]:
    """Return a dataclass of what is written, or a list of all that cannot be used."""
    settings = settings_of(kind)
    known = (name for name, each in settings.items() if name in written or each.default is MISSING)
    unknown = (key for key in written if key not in settings)
    read = {key: _value((*above, key), settings, written.get(key, MISSING)) for key in (*known, *unknown)}
    misfits: list[Misfit] = [each for value in read.values() if isinstance(value, list) for each in value]
    return misfits or _assembled(kind, read)


def _value(keys: Keys, settings: Mapping[str, Setting], raw: object) -> Any:
    """Return the value of a key, or a list of what is wrong with it; `raw` is MISSING where the key is."""
    setting = settings.get(keys[-1])
    if setting and setting.form.table and isinstance(raw, dict):
        return _named(setting.form, raw, keys) if setting.form.is_named else _table(setting.form, raw, keys)
    if setting is None:
        value = _unknown(keys, settings)
    elif raw is MISSING:
        value = wrong("the key is missing", f'add, for example, {keys[-1]} = "{setting.example}"')
    else:
        value = setting.form.read(raw)
    return [(keys, value)] if isinstance(value, Issue) else value


def _table(form: SettingForm[Any], raw: Mapping[str, Any], keys: Keys) -> Any:
    """Return the dataclass of a TOML table, or a list of what is wrong with it."""
    read = _read(form.table or type(None), raw, keys)
    misfits = (
        read
        if isinstance(read, list)
        else [((*keys, key) if key else keys, issue) for key, issue in form.rules(read)]
    )
    return misfits or read


def _named(form: SettingForm[Any], raw: Mapping[str, Any], keys: Keys) -> Any:
    """Return each table with its name, or a list of what is wrong with them."""
    read: dict[str, Any] = {}
    for name, table in raw.items():
        own, issue = (*keys, name), NAME.read(name)
        if isinstance(issue, Issue):
            read[name] = [(own, issue)]
        elif isinstance(table, dict):
            read[name] = _table(form, table, own)
        else:
            read[name] = [(own, wrong("is no table", form.hint))]
    misfits = [each for value in read.values() if isinstance(value, list) for each in value]
    return misfits or tuple(read.items())


def _unknown(keys: Keys, settings: Mapping[str, Setting]) -> Issue:
    *tables, key = keys
    if near := get_close_matches(key, settings, n=1):
        return wrong("unknown key", f"did you mean {near[0]}?")
    if tables and (near := get_close_matches(key, SETTINGS, n=1)):
        header = f"[{'.'.join(tables)}]"
        return wrong(f"unknown key below {header}", f"write {near[0]} above the line {header}")
    return wrong("unknown key", f"known keys: {', '.join(settings)}")


def _assembled(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Return a dataclass, and in it its parts, with these values and the defaults of all others."""
    return kind(
        **{
            each.name: values[each.name] if each.metadata else _assembled(type(each.default), values)
            for each in fields(kind)
            if each.name in values or not each.metadata
        }
    )


def _positions(text: str) -> dict[Keys, str]:
    """Return the line and column of each key, and of the first of each table, that has a line of its own."""
    table: Keys = ()
    found_at: dict[Keys, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if found := _TABLE.match(line):
            table = keys = _parts(found[1])
        elif found := _KEY.match(line):
            keys = table + _parts(found[1])
        else:
            continue
        for depth in range(1, len(keys) + 1):
            found_at.setdefault(keys[:depth], f"{number}:{found.start(1) + 1}")
    return found_at


def _parts(dotted: str) -> Keys:
    return tuple(dotted.split(".", _DEPTH_MAX)[:_DEPTH_MAX])


def values_of(part: Any) -> dict[str, Any]:
    """Return the values of the settings of a job, or of a part of one, by their names."""
    values: dict[str, Any] = {}
    for each in fields(part):
        value = getattr(part, each.name)
        values |= {each.name: value} if each.metadata else values_of(value)
    return values


def with_values(job: Job, values: Mapping[str, Any]) -> Job:
    """Return a job with other values of the settings of these names."""
    changed: Job = _assembled(Job, {**values_of(job), **values})
    return changed


def settings_json(part: Any) -> dict[str, Any]:
    """Return the settings of a job, or of a part of one, as job.toml has them; `read_settings` reads them.

    Settings that are not set and for which job.toml has no word are left out.
    """
    written: dict[str, Any] = {}
    for each in fields(part):
        value, setting = getattr(part, each.name), each.metadata.get("setting")
        if setting is None:
            written |= settings_json(value)
        else:
            written[each.name] = _written(setting.form, value)
    return {name: value for name, value in written.items() if value is not None}


def _written(form: SettingForm[Any], value: Any) -> Any:
    if form.is_named:
        return {name: settings_json(table) for name, table in value} or None
    return settings_json(value) if form.table else form.written(value)


def job_schema() -> dict[str, Any]:
    """Return the JSON Schema of job.toml (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "job.toml", **_schema_of(Job)}


def _schema_of(kind: type) -> dict[str, Any]:
    settings = settings_of(kind)
    return {
        "type": "object",
        "properties": {name: _property(setting) for name, setting in settings.items()},
        "required": [name for name, setting in settings.items() if setting.default is MISSING],
        "additionalProperties": False,
    }


def _property(setting: Setting) -> dict[str, Any]:
    form = setting.form
    default = None if setting.default is MISSING or form.table else form.written(setting.default)
    return {
        "description": f"{setting.help} {setting.details}".strip(),
        "examples": [setting.example],
        **_form_schema(form),
        **({} if default is None or setting.default_text else {"default": default}),
    }


def _form_schema(form: SettingForm[Any]) -> dict[str, Any]:
    """Return the JSON Schema of what may be written."""
    if form.table is None:
        return form.schema
    schema = _schema_of(form.table)
    names = {"propertyNames": {"pattern": f"^({NAME.pattern})$"}}
    return {"type": "object", **names, "additionalProperties": schema} if form.is_named else schema
