"""What a single value of a row may be: text or JSON in, a valid value or `Wrong` out.

Every function here takes the raw value and gives the value to use, or says what is wrong with it
and what to write instead. Limits are those of the modify page (API.md, section 1.1).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

SHOWN_CHARS_MAX = 60
DESCRIPTION_CHARS_MAX = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a value and what to write instead; where it stands is known elsewhere."""

    message: str
    hint: str
    part: str = ""
    """Which part of the value: `[2].client_port`."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that cannot be used, with every reason."""

    problems: tuple[Problem, ...]


def wrong(message: str, hint: str) -> Wrong:
    """Return a `Wrong` with one reason."""
    return Wrong((Problem(message=message, hint=hint),))


def shown(value: Any) -> str:
    """Return a value as a message may show it: quoted, printable, at most 60 characters."""
    if not isinstance(value, str):
        return _cut(orjson.dumps(value).decode())
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value[: SHOWN_CHARS_MAX + 1])
    return f'"{_cut(printable)}"'


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "…"


def string(of_text: Callable[[str], T | Wrong]) -> Callable[[Any], T | Wrong]:
    """Return the JSON reading of a field whose text reading is `of_text`: strings only, never trimmed."""
    hint = "write a JSON string, or leave the field out"
    return lambda raw: of_text(raw) if type(raw) is str else wrong(f"{shown(raw)} is not a string", hint)


def trimmed(of_text: Callable[[str], T | Wrong]) -> Callable[[str], T | Wrong]:
    """Return the CSV reading of a field whose text reading is `of_text`: blanks around it do not count."""
    return lambda cell: of_text(cell.strip())


def matching(pattern: str, *, fault: str, hint: str) -> Callable[[str], str | Wrong]:
    """Return the reading of a text that has to match a pattern; `fault` is what is wrong with another one."""
    form = re.compile(pattern)
    return lambda text: text if form.fullmatch(text) else wrong(f"{shown(text)} is {fault}", hint)


UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID_WITHIN = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


def uuid(text: str) -> str | Wrong:
    """Return a UUID in lower case with its dashes; any case is taken."""
    lower = text.lower()
    return lower if UUID.fullmatch(lower) else _not_a_uuid(text, lower)


def _not_a_uuid(text: str, lower: str) -> Wrong:
    candidates = [found.replace("-", "") for found in _UUID_WITHIN.findall(lower)]
    if len(candidates) != 1:
        return wrong(f"{shown(text)} is not a UUID", "write 32 hex digits as 8-4-4-4-12")
    digits = candidates[0]
    dashed = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return wrong(f"{shown(text)} is {_dress(lower)}, not a bare UUID", f"write {dashed}")


def _dress(lower: str) -> str:
    if lower.startswith("urn:"):
        return "a URN"
    if lower.startswith("{"):
        return "a UUID in braces"
    if "." in lower:
        return "a full service name"
    if "-" not in lower:
        return "a UUID without its dashes"
    return "a UUID with something around it"


PROJECT_ID = re.compile(r"[0-9a-f]{32}")


def project_id(text: str) -> str | Wrong:
    """Return a project id: 32 lower-case hex digits without dashes (API.md, section 1)."""
    if PROJECT_ID.fullmatch(text):
        return text
    plain = text.lower().replace("-", "")
    hint = f"write {plain}" if PROJECT_ID.fullmatch(plain) else "write 32 lower-case hex digits, no dashes"
    return wrong(f"{shown(text)} is not a project id", hint)


def description(text: str) -> str | Wrong:
    """Return a description: at most 512 characters, none of them `<` or `>` or a control character."""
    if len(text) > DESCRIPTION_CHARS_MAX:
        return wrong(f"{len(text)} characters", f"the API takes at most {DESCRIPTION_CHARS_MAX}")
    if "<" in text or ">" in text:
        return wrong("it contains < or >, which the API refuses", "write it without them")
    if found := _CONTROL.search(text):
        return wrong(f"it contains the control character U+{ord(found[0]):04X}", "delete that character")
    return text


def note(text: str) -> str | Wrong:
    """Return a note, which only the reports show; they make it safe to show."""
    return wrong("it contains a NUL character", "delete that character") if "\0" in text else text


CONTROLS = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
"""All but tab and line ends."""
_CONTROL = re.compile(f"[{CONTROLS}]")


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
IP = rf"{_OCTET}(?:\.{_OCTET}){{3}}|(?![0-9.]+$)(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})+"
"""An IPv4 address, or a domain name of two labels or more (RFC 1123)."""


def truth_of_text(cell: str) -> bool | Wrong:
    """Return true or false, written so, in any case (spreadsheets write TRUE)."""
    bad = wrong(f"{shown(cell)} is neither true nor false", "write true or false")
    return {"true": True, "false": False}.get(cell.strip().lower(), bad)


def truth_of_json(raw: Any) -> bool | Wrong:
    """Return a JSON true or false."""
    bad = wrong(f"{shown(raw)} is neither true nor false", "write true or false without quotes")
    return raw if type(raw) is bool else bad
