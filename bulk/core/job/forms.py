"""The written forms of settings: `20/s`, `5%`, `02:00-04:00`, and what each of them means."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}
_RATE = re.compile(r"([1-9][0-9]{0,6})\s*/\s*(s|min|m|h)")
_SHARE = re.compile(r"([0-9]{1,9})(%?)")
_COUNT = re.compile(r"[0-9]{1,9}")
_DAILY = re.compile(r"([0-9]{2}:[0-9]{2})\s*-\s*([0-9]{2}:[0-9]{2})\s*(Z|UTC)?", re.IGNORECASE)

SHOWN_CHARS_MAX = 60
CONCURRENCY_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many requests in each period."""

    requests: int
    period_s: int
    """1, 60 or 3600."""

    @property
    def per_s(self) -> float:
        """Give requests per second."""
        return self.requests / self.period_s

    def __str__(self) -> str:
        """Give the written form: `20/s`, `100/m`, `5/h`."""
        return f"{self.requests}/{ {1: 's', 60: 'm', 3600: 'h'}[self.period_s] }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A count, or a percentage of something that is known later."""

    number: int
    is_percent: bool = False

    def of(self, total: int) -> int:
        """Give the count that this is of `total`, rounded down."""
        return total * self.number // 100 if self.is_percent else self.number

    def __str__(self) -> str:
        """Give the written form: `10` or `5%`."""
        return f"{self.number}%" if self.is_percent else str(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """A time of day that comes again each day, perhaps across midnight."""

    start: time
    end: time
    is_utc: bool = False
    """Else local time."""

    def closes_at(self, now: datetime) -> datetime | None:
        """Give when the window closes that is open at `now` (with its zone); None where none is open."""
        here = now.astimezone(UTC) if self.is_utc else now
        since_start = _minutes_between(self.start, here.time())
        length = _minutes_between(self.start, self.end)
        if since_start >= length:
            return None
        minute = here.replace(second=0, microsecond=0)
        return minute + timedelta(minutes=length - since_start)

    def __str__(self) -> str:
        """Give the written form: `02:00-04:00` or `02:00-04:00 UTC`."""
        return f"{self.start:%H:%M}-{self.end:%H:%M}" + (" UTC" if self.is_utc else "")


def _minutes_between(start: time, end: time) -> int:
    """Give the minutes from one time of day to the next other, past midnight if need be."""
    return ((end.hour - start.hour) * 60 + end.minute - start.minute) % (24 * 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A moment after which nothing may be sent."""

    at: datetime
    """Without a zone: local time."""

    def closes_at(self, now: datetime) -> datetime | None:
        """Give the deadline in the zone of `now`; None where it has passed."""
        at = self.at.astimezone(now.tzinfo) if self.at.tzinfo else self.at.replace(tzinfo=now.tzinfo)
        return at if now < at else None

    def __str__(self) -> str:
        """Give the written form: `2026-01-15T04:00:00+00:00`."""
        return self.at.isoformat()


Window: TypeAlias = Daily | Deadline
"""When a run may send."""


def _no(message: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("bulk", "{message}", {"message": message, "hint": hint})


def shown(raw: Any) -> str:
    """Give a value as a message may show it: quoted, printable, bounded."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(raw)[:SHOWN_CHARS_MAX])
    return f'"{text}"' if isinstance(raw, str) else text


def rate(raw: Any) -> Rate | None:
    """Read `20/s`, `100/m` (or `/min`), `5/h`; None for `auto`."""
    if raw == "auto":
        return None
    if isinstance(raw, str) and (found := _RATE.fullmatch(raw.strip())):
        return Rate(requests=int(found[1]), period_s=_SECONDS[found[2]])
    raise _no(f"{shown(raw)} is not a rate", "write 20/s, 100/m, 5/h or auto")


def share(raw: Any) -> Share:
    """Read `10`, 10 or `5%`."""
    text = str(raw) if type(raw) is int else raw
    if isinstance(text, str) and (found := _SHARE.fullmatch(text.strip())):
        is_percent, number = found[2] == "%", int(found[1])
        if not is_percent or number <= 100:  # noqa: PLR2004 - per cent
            return Share(number=number, is_percent=is_percent)
    raise _no(f"{shown(raw)} is neither a count nor a percentage", "write 10 or 5%")


def count(raw: Any) -> int:
    """Read a whole number, which flags give as text."""
    text = str(raw) if type(raw) is int else raw
    if isinstance(text, str) and _COUNT.fullmatch(text.strip()):
        return int(text)
    raise _no(f"{shown(raw)} is not a count", "write a whole number, such as 10")


def concurrency(raw: Any) -> int | None:
    """Read how many requests may be in flight, 1 to 1000; None for `auto`."""
    if raw == "auto":
        return None
    text = str(raw) if type(raw) is int else raw
    if isinstance(text, str) and _COUNT.fullmatch(text.strip()) and 1 <= int(text) <= CONCURRENCY_MAX:
        return int(text)
    raise _no(f"{shown(raw)} is not a number in flight", f"write 1 to {CONCURRENCY_MAX}, or auto")


def window(raw: Any) -> Window:
    """Read `02:00-04:00` (local time, or with ` UTC`), or a moment such as `2026-01-15T04:00Z`."""
    if isinstance(raw, datetime):
        return Deadline(at=raw)
    try:
        if found := _DAILY.fullmatch(raw.strip()):
            start, end = time.fromisoformat(found[1]), time.fromisoformat(found[2])
            if start != end:
                return Daily(start=start, end=end, is_utc=found[3] is not None)
        elif "T" in raw:
            return Deadline(at=datetime.fromisoformat(raw.strip()))
    except (AttributeError, TypeError, ValueError):
        pass
    raise _no(f"{shown(raw)} is not a window", "write 02:00-04:00, 02:00-04:00 UTC or 2026-01-15T04:00Z")


def endpoint(raw: Any) -> str:
    """Read `simulator`, or the origin of the API: scheme, host and perhaps a port."""
    if raw in ("", "simulator"):
        return str(raw)
    try:
        parts = urlsplit(raw)
        origin = f"{parts.scheme}://{parts.netloc}"
        plain = parts.hostname and "@" not in parts.netloc and parts.port != 0
    except (AttributeError, TypeError, ValueError):
        origin, plain = "", False
    if plain and origin.startswith(("https://", "http://")) and raw.rstrip("/") == origin:
        return origin
    raise _no(
        f"{shown(raw)} is not the address of an API",
        "write https://HOST, http://127.0.0.1:PORT or simulator",
    )
