"""The values that settings hold: a rate, a share, a window."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A number of requests in each period."""

    requests: int
    period_s: int
    """Length of the period: 1, 60 or 3600."""

    @property
    def per_s(self) -> float:
        """Return requests per second."""
        return self.requests / self.period_s

    def __str__(self) -> str:
        """Return the written form: `20/s`, `100/m`, `5/h`."""
        return f"{self.requests}/{ {1: 's', 60: 'm', 3600: 'h'}[self.period_s] }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A count, or a percentage of something that is known later."""

    number: int
    is_percent: bool = False

    def of(self, total: int) -> int:
        """Return the count that this is of `total`, rounded down."""
        return total * self.number // 100 if self.is_percent else self.number

    def __str__(self) -> str:
        """Return the written form: `10` or `5%`."""
        return f"{self.number}%" if self.is_percent else str(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """A time span of every day, perhaps across midnight."""

    start: time
    end: time
    is_utc: bool = False
    """Whether its times are UTC; else they are local."""

    def closes_at(self, now: datetime) -> datetime | None:
        """Return when the window that is open at `now` (with its zone) closes; None where it is not open."""
        here = now.astimezone(UTC) if self.is_utc else now
        since_start = _minutes_between(self.start, here.time())
        length = _minutes_between(self.start, self.end)
        if since_start >= length:
            return None
        minute = here.replace(second=0, microsecond=0)
        return minute + timedelta(minutes=length - since_start)

    def __str__(self) -> str:
        """Return the written form: `02:00-04:00` or `02:00-04:00 UTC`."""
        return f"{self.start:%H:%M}-{self.end:%H:%M}" + (" UTC" if self.is_utc else "")


def _minutes_between(start: time, end: time) -> int:
    """Return the minutes from one time of day to another, past midnight where the other is earlier."""
    return ((end.hour - start.hour) * 60 + end.minute - start.minute) % (24 * 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A moment after which nothing may be sent."""

    at: datetime
    """Without a zone: local time."""

    def closes_at(self, now: datetime) -> datetime | None:
        """Return the deadline in the zone of `now`; None where it has passed."""
        at = self.at.astimezone(now.tzinfo) if self.at.tzinfo else self.at.replace(tzinfo=now.tzinfo)
        return at if now < at else None

    def __str__(self) -> str:
        """Return the written form: `2026-01-15T04:00:00+00:00`."""
        return self.at.isoformat()


Window: TypeAlias = Daily | Deadline
"""When a run may send."""
