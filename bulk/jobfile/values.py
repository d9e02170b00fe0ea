"""What a single value of a row may be: text or JSON in, a valid value or `Wrong` out.

Every function here takes the raw value and returns the value to use, or what is wrong with it
and what to write instead. Limits are those of the modify page (API.md, section 1.1).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from bulk.model import WAVES_MAX

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
    cause: str = ""
    """What problems of one cause share, where the hint differs from value to value."""


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
        try:
            return _cut(orjson.dumps(value).decode())
        except orjson.JSONEncodeError:  # it reads deeper nesting than it writes
            return "what is nested very deeply"
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value[: SHOWN_CHARS_MAX + 1])
    return f'"{_cut(printable)}"'


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "…"


BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
"""All that looks like nothing: what `str.isspace` means, and the blanks without width."""


def stripped(text: str) -> str:
    """Return a text without the blanks around it."""
    return text.strip() if text.isascii() else text.strip(BLANKS)


EMPTY_TEXT = "'"
"""The CSV cell of a text that is empty on purpose."""
_NOT_TAKEN_FOR_TEXT = re.compile(rf"'*(?:[\t\r\n]|[{BLANKS}]*(?:[=+\-@#＝＋－＠]|Err:|\Z))")


def as_cell(text: str) -> str:
    """Return the CSV cell of a text: with an apostrophe in front where it would be taken for something else.

    That is a formula in a spreadsheet (OWASP, CSV injection), an error value, a blank cell, or such a cell
    behind apostrophes, so that taking one of them away always restores the text.
    """
    return f"'{text}" if text and _NOT_TAKEN_FOR_TEXT.match(text) else text


def as_written(cell: str) -> str:
    """Return the text of a CSV cell: the opposite of `as_cell`."""
    return cell[1:] if cell.startswith("'") and _NOT_TAKEN_FOR_TEXT.match(cell) else cell


_ERROR_VALUE = re.compile(
    r"\#[¡¿]?[^\W\d_][\w/]{0,24}[!?]"  # in any language: #REF! #BEZUG! #¡REF! #¿NOMBRE? #DIV/0!
    r"|\#(?:N/[ABD]|Н/Д|NV|I/T|YOK|HIÁNYZIK|NENÍ_K_DISPOZICI)"  # those without a mark: not available ...
    r"|\#(?:GETTING_DATA|DATEN_ABRUFEN|CHARGEMENT_DONNEES|OBTENIENDO_DATOS|HÄMTAR_DATA)"  # ... and not yet
    r"|\#{2,}|Err:\d{3}"  # a column that is too narrow; LibreOffice
)


def error_value(text: str) -> Wrong | None:
    """Return what is wrong with an error value of a spreadsheet, such as `#N/A`; None for any other text."""
    bare = stripped(text)
    if not _ERROR_VALUE.fullmatch(bare) or (bare.startswith("#") and bare != bare.upper()):
        return None
    return wrong(f"{shown(bare)} is a spreadsheet's error value", "correct the formula, or write a value")


CELL_CHARS_MAX = 131_072
"""Longest cell of a CSV file, in quotes or not, and longest text in JSON Lines."""


def too_long(text: str) -> Wrong | None:
    """Return what is wrong with a cell or text that is too long; None for any other."""
    if len(text) <= CELL_CHARS_MAX:
        return None
    hint = f"write at most {CELL_CHARS_MAX:,}; if it is not one text, look for a missing quotation mark"
    return wrong(f"{len(text):,} characters", hint)


def string(of_text: Callable[[str], T | Wrong]) -> Callable[[Any], T | Wrong]:
    """Return the JSON reading of a field whose text reading is `of_text`: strings only, never trimmed."""
    hint = "write a JSON string, or leave the field out"
    return lambda raw: of_text(raw) if type(raw) is str else wrong(f"{shown(raw)} is not a string", hint)


def trimmed(of_text: Callable[[str], T | Wrong]) -> Callable[[str], T | Wrong]:
    """Return the CSV reading of a field whose text reading is `of_text`: blanks around it do not count."""
    return lambda cell: of_text(stripped(cell))


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
    message = f"{shown(text)} is {_dress(lower)}, not a bare UUID"
    return Wrong((Problem(message=message, hint=f"write {dashed}", cause="not a bare UUID"),))


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
    form = "write 32 lower-case hex digits, no dashes"
    hint = f"write {plain}" if PROJECT_ID.fullmatch(plain) else form
    return Wrong((Problem(message=f"{shown(text)} is not a project id", hint=hint, cause=form),))


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
    return {"true": True, "false": False}.get(stripped(cell).lower(), bad)


def truth_of_json(raw: Any) -> bool | Wrong:
    """Return a JSON true or false."""
    bad = wrong(f"{shown(raw)} is neither true nor false", "write true or false without quotes")
    return raw if type(raw) is bool else bad


_WHOLE = re.compile("[0-9]{1,4}")
_WAVE_HINT = f"write a whole number from 1 to {WAVES_MAX:,}"


def wave_of_text(cell: str) -> int | Wrong:
    """Return the number of a wave, written with digits alone."""
    text = stripped(cell)
    return _wave(int(text)) if _WHOLE.fullmatch(text) else wrong(f"{shown(text)} is not a wave", _WAVE_HINT)


def wave_of_json(raw: Any) -> int | Wrong:
    """Return the number of a wave, a whole number in JSON."""
    return _wave(raw) if type(raw) is int else wrong(f"{shown(raw)} is not a wave", _WAVE_HINT)


def _wave(number: int) -> int | Wrong:
    is_one = 1 <= number <= WAVES_MAX
    return number if is_one else wrong(f"{shown(number)} is not a wave", _WAVE_HINT)
