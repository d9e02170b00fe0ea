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
DESCRIPTION_CHARS_MAX = 128
PORT_MAX = 65_535

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
    """Give a `Wrong` with one reason."""
    return Wrong((Problem(message=message, hint=hint),))


def shown(value: Any) -> str:
    """Give a value as a message may show it: quoted, printable, at most 60 characters."""
    if not isinstance(value, str):
        return _cut(orjson.dumps(value).decode())
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value[: SHOWN_CHARS_MAX + 1])
    return f'"{_cut(printable)}"'


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "…"


def string(of_text: Callable[[str], T | Wrong]) -> Callable[[Any], T | Wrong]:
    """Give the JSON reading of a field whose text reading is `of_text`: strings only, never trimmed."""

    def of_json(raw: Any) -> T | Wrong:
        if type(raw) is str:
            return of_text(raw)
        return wrong(f"{shown(raw)} is not a string", "write a JSON string, or leave the field out")

    return of_json


def trimmed(of_text: Callable[[str], T | Wrong]) -> Callable[[str], T | Wrong]:
    """Give the CSV reading of a field whose text reading is `of_text`: blanks around it do not count."""
    return lambda cell: of_text(cell.strip())


UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID_WITHIN = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


def uuid(text: str) -> str | Wrong:
    """Give a UUID in lower case with its dashes; any case is taken."""
    lower = text.lower()
    if UUID.fullmatch(lower):
        return lower
    return _not_a_uuid(text, lower)


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
    """Give a project id: 32 lower-case hex digits without dashes (API.md, section 1)."""
    if PROJECT_ID.fullmatch(text):
        return text
    plain = text.lower().replace("-", "")
    hint = f"write {plain}" if PROJECT_ID.fullmatch(plain) else "write 32 lower-case hex digits, no dashes"
    return wrong(f"{shown(text)} is not a project id", hint)


REGION = re.compile(r"[a-z][a-z0-9]{0,15}(?:-[a-z0-9]{1,20}){1,4}")


def region(text: str) -> str | Wrong:
    """Give a region's id in the form of `cn-north-4`; whether it exists is the client's to know."""
    if REGION.fullmatch(text):
        return text
    return wrong(f"{shown(text)} is not a region", "write its id, such as cn-north-4")


PROFILE = re.compile(r"[A-Za-z0-9_.@-]{1,64}")


def profile(text: str) -> str | Wrong:
    """Give the name of a credentials profile."""
    if PROFILE.fullmatch(text):
        return text
    return wrong(f"{shown(text)} is not the name of a profile", "use 1-64 of letters, digits and _ . @ -")


SERVICE_NAME = re.compile(r"[A-Za-z0-9_-]{0,16}")


def service_name(text: str) -> str | Wrong:
    """Give the short name of a service, 0-16 characters; the API itself adds region and id."""
    if SERVICE_NAME.fullmatch(text):
        return text
    return wrong(f"{shown(text)} is not a service name", "use at most 16 of letters, digits, _ and -")


def description(text: str) -> str | Wrong:
    """Give a description: at most 128 characters, none of them `<` or `>` or a control character."""
    if len(text) > DESCRIPTION_CHARS_MAX:
        return wrong(f"{len(text)} characters", f"the API takes at most {DESCRIPTION_CHARS_MAX}")
    if "<" in text or ">" in text:
        return wrong("it has < or > in it, which the API refuses", "write it without them")
    if found := _CONTROL.search(text):
        return wrong(f"it has the control character U+{ord(found[0]):04X} in it", "delete that character")
    return text


def note(text: str) -> str | Wrong:
    """Give a note, which no one but the reports will see: they make it safe to show."""
    return wrong("it has a NUL character in it", "delete that character") if "\0" in text else text


CONTROLS = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
"""All but tab and line ends."""
_CONTROL = re.compile(f"[{CONTROLS}]")


TCP_PROXIES = ("close", "toa_open", "proxy_open", "open", "proxy_vni")


def tcp_proxy(text: str) -> str | Wrong:
    """Give one of the values that the API knows for `tcp_proxy`."""
    if text in TCP_PROXIES:
        return text
    return wrong(f"{shown(text)} is not a value of tcp_proxy", f"write one of {', '.join(TCP_PROXIES)}")


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
IP = re.compile(
    rf"{_OCTET}(?:\.{_OCTET}){{3}}|(?![0-9.]+$)(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})+",
)


def ip(text: str) -> str | Wrong:
    """Give an IPv4 address or a domain name (RFC 1123, two labels or more)."""
    if IP.fullmatch(text):
        return text
    return wrong(f"{shown(text)} is neither IPv4 nor a domain name", "write 192.0.2.7 or db.example.com")


def truth_of_text(cell: str) -> bool | Wrong:
    """Give true or false, written so, in any case (spreadsheets write TRUE)."""
    match cell.strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            return wrong(f"{shown(cell)} is neither true nor false", "write true or false")


def truth_of_json(raw: Any) -> bool | Wrong:
    """Give a JSON true or false."""
    if type(raw) is bool:
        return raw
    return wrong(f"{shown(raw)} is neither true nor false", "write true or false without quotes")
