"""The facts that a refusal carries: code, message, how long to wait, the limit, the server's clock.

All of it is text from outside: it is bounded, stripped of control characters and of secrets before
anybody sees it.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any, NamedTuple

import orjson

from bulk.model import Limit

MESSAGE_CHARS_MAX = 500
CODE_CHARS_MAX = 64
ENCODED_CHARS_MAX = 10_240
"""The longest `encoded_authorization_message` that can be decoded (API.md, section 3.1)."""

_SEARCHED_CHARS_MAX = 8_192
"""Characters of a body that are searched: more than any gateway's message has."""

_LEVELS_MAX = 4
_UNITS_S = {"sec": 1.0, "min": 60.0, "hou": 3_600.0, "day": 86_400.0}
_UNIT = r"(sec(?:ond)?|min(?:ute)?|hour|day)s?\b"
_LIMIT = re.compile(
    rf"limit\s*[:=]\s*(\d{{1,9}})\s*[,;]?\s*time\s*[:=]\s*(\d{{1,6}})?\s*{_UNIT}"
    rf"|(\d{{1,9}})\s*times\s*(?:per|in|every)\s*(\d{{1,6}})?\s*{_UNIT}",
    re.IGNORECASE,
)
"""The gateway's wording and IAM's (API.md, sections 3.4 and 3.5)."""
_POLICY = re.compile(r"policy\s+(user|ip|api|app)\b", re.IGNORECASE)
_ENCODED = re.compile(rf"[!-~]{{1,{ENCODED_CHARS_MAX}}}")
"""Half of such a text would be of no use: it is kept whole or not at all."""
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
CENTURY_S = 100 * 365.25 * 86_400
_SECRET = re.compile(
    r"((?:x-(?:security|auth|subject)-token|securitytoken|password|authorization|signature)[\"']?\s*[:=]\s*[\"']?)"
    r"(?:SDK-HMAC-SHA256[^\\\r\n\"]*|[^\s\\,;\"'<>]+)",
    re.IGNORECASE,
)
"""The gateway answers a wrong signature with the whole canonical request, secrets included."""
_CANONICAL = re.compile(r"(?<!\s)\s*+(?:[,;]\s*+)?canonical request\s*+:.*", re.IGNORECASE | re.DOTALL)
"""The canonical request, which we sent ourselves: nobody needs to read it. Blanks are gone through once."""
_USER_INFO = re.compile(r"(?<!/)//[^\s\"'<>]+@")
"""A proxy's address may carry a password."""
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)

_LEVELS_DEEP = 4
"""Objects within each other: `{"error": [{"code": …}]}` has two, and a wrapper of a wrapper three."""
_LEVELS_MAX = 64
"""Objects of a body that are looked at: more than any error has."""
_CODES = ("error_code", "errorCode", "code", "exceptionCode", "exception_code")
_MESSAGES = (
    "error_msg",
    "errorMsg",
    "error_message",
    "errorMessage",
    "message",
    "exceptionMessage",
    "exception_message",
    "title",
    "error",
)


class ErrorFacts(NamedTuple):
    """The parts of an error body, each perhaps empty."""

    code: str
    message: str
    request_id: str
    encoded_authorization_message: str = ""


def error_in(body: bytes) -> ErrorFacts:
    """Return code, message and request id of an error body in any of its forms (API.md, section 3.3).

    A numeric code, as Keystone's, repeats the status and is no code; a body in which nothing is found gives
    its text as the message.
    """
    levels: list[dict[str, Any]] = []
    with suppress(orjson.JSONDecodeError):
        levels = list(islice(_levels(orjson.loads(body), _LEVELS_DEEP), _LEVELS_MAX))
    code = _first(levels, *_CODES)
    message = _first(levels, *_MESSAGES)[:_SEARCHED_CHARS_MAX]
    encoded = _first(levels, "encoded_authorization_message")
    return ErrorFacts(
        "" if code.isdigit() else clean(code, CODE_CHARS_MAX),
        clean(_CANONICAL.sub("", message), MESSAGE_CHARS_MAX) if message or code else _plain(body),
        clean(_first(levels, "request_id"), CODE_CHARS_MAX),
        encoded if _ENCODED.fullmatch(encoded) else "",
    )


def clean(text: str, chars_max: int) -> str:
    """Return text that is safe to show: one line, without secrets and control characters, bounded."""
    if text.replace("-", "").isalnum() and len(text) <= chars_max:
        return text  # an id, as most texts here are: there is nothing to clean
    shown = _USER_INFO.sub("//[redacted]@", _SECRET.sub(r"\1[redacted]", text[:_SEARCHED_CHARS_MAX]))
    line = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for (RFC 9110, section 10.2.3); None without it.

    A date counts from the reply's own `Date`, or from `now` where that is missing. Whatever is asked for, the
    answer is not negative, and a century at most.
    """
    given = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(given):
        return min(float(given), CENTURY_S)
    until = _http_date(given)
    if until is None:
        return None
    return min(max(0.0, until - (server_clock(headers) or now)), CENTURY_S)


def stated_limit(message: str) -> Limit | None:
    """Return the limit that the refusal's text states; None where it states none."""
    found = _LIMIT.search(message)
    if not found:
        return None
    requests, count, unit = found.groups()[:3] if found[1] else found.groups()[3:]
    window_s = int(count or 1) * _UNITS_S[unit[:3].lower()]
    policy = _POLICY.search(message)
    if not int(requests) or not window_s:
        return None
    return Limit(requests=int(requests), window_s=window_s, policy=policy[1].lower() if policy else "")


def server_clock(headers: Mapping[str, str]) -> float | None:
    """Return the server's wall clock by its `Date` header, in seconds since 1970."""
    return _http_date(headers.get("Date", ""))


def _http_date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _levels(json: Any, deep: int) -> Iterator[dict[str, Any]]:
    """Return the objects in which a code may stand, outermost first, what is called `error` before the rest.

    Services word the wrapper as they like: `error`, `forbidden`, `badRequest`, `itemNotFound` …
    """
    for level in (json if isinstance(json, list) else [json]) if deep else ():
        if isinstance(level, dict):
            yield level
            for _, inner in sorted(level.items(), key=lambda member: member[0] != "error"):
                yield from _levels(inner, deep - 1)


def _first(levels: list[dict[str, Any]], *names: str) -> str:
    found = (level[name] for level in levels for name in names if level.get(name))
    return next((str(value) for value in found if isinstance(value, str | int)), "")


def _plain(body: bytes) -> str:
    text = body[:_SEARCHED_CHARS_MAX].decode(errors="replace")
    title = _TITLE.search(text)
    return clean(_TAG.sub(" ", title[1] if title else text), MESSAGE_CHARS_MAX)
