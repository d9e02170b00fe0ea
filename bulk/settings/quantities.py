"""The values that settings hold: a rate, a share, a window."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
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
class Duration:
    """A length of time."""

    seconds: int

    def __str__(self) -> str:
        """Return the written form: `90s`, `2m` or `1h`."""
        for unit, length_s in (("h", 3600), ("m", 60)):
            if self.seconds % length_s == 0:
                return f"{self.seconds // length_s}{unit}"
        return f"{self.seconds}s"


class WavesBy(StrEnum):
    """What the rows of one wave have in common, where waves do not go by number."""

    REGION = "region"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """The parts in which the rows of a run go, one after the other."""

    sizes: tuple[Share, ...] = ()
    """The rows of each wave, percentages of the services that change; the rest is the last wave."""
    by: WavesBy | None = None

    def __str__(self) -> str:
        """Return the written form: `3,10%,50%` or `region`."""
        return self.by or ",".join(map(str, self.sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """A time span of every day, perhaps across midnight."""

    start: time
    end: time
    is_utc: bool = False
    """Whether its times are UTC; else they are local."""

    def closes_at(self, now: datetime) -> datetime | None:
        """Return when (UTC) the window closes that is open at `now` (with its zone); None where none is.

        The clocks count, not the hours: when they are changed, an opening that they skip is the first moment
        after, and a closing that they show twice is the first of the two.
        """
        zone = UTC if self.is_utc else now.tzinfo
        overnight = timedelta(days=1 if self.end <= self.start else 0)
        today, until = now.astimezone(zone).date(), now
        for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
            opens = _first_moment(datetime.combine(day, self.start), zone)
            closes = _first_moment(datetime.combine(day + overnight, self.end), zone)
            if opens <= until < closes:
                until = closes
        return until if until > now else None

    def opens_at(self, now: datetime) -> datetime | None:
        """Return when (UTC) the window opens next, after `now`."""
        zone = UTC if self.is_utc else now.tzinfo
        today = now.astimezone(zone).date()
        days = (datetime.combine(today + timedelta(days=day), self.start) for day in range(3))
        return min(opens for day in days if (opens := _first_moment(day, zone)) > now)

    @property
    def length_s(self) -> float:
        """Return how long it is open, as long as the clocks are not changed meanwhile."""
        opens, closes = (timedelta(hours=at.hour, minutes=at.minute) for at in (self.start, self.end))
        return ((closes - opens) % timedelta(days=1) or timedelta(days=1)).total_seconds()

    def __str__(self) -> str:
        """Return the written form: `02:00-04:00` or `02:00-04:00 UTC`."""
        return f"{self.start:%H:%M}-{self.end:%H:%M}" + (" UTC" if self.is_utc else "")


def _first_moment(wall: datetime, zone: tzinfo | None) -> datetime:
    """Return the moment (UTC) at which the clocks of a zone first show a time, or jump over it."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)  # of a time that is shown twice the first
    if _shown_at(moment, zone) == wall:
        return moment
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # in a gap the two are on either side of it
    while moment - before > timedelta.resolution:
        middle = before + (moment - before) / 2
        if _shown_at(middle, zone) < wall:
            before = middle
        else:
            moment = middle
    return moment


def _shown_at(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return what the clocks of a zone show at a moment, without the zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A moment after which nothing may be sent."""

    at: datetime
    """The deadline; without a zone it is local time."""

    def closes_at(self, now: datetime) -> datetime | None:
        """Return the deadline (UTC); None where it has passed."""
        at = self.at.astimezone(UTC) if self.at.tzinfo else _first_moment(self.at, now.tzinfo)
        return at if now < at else None

    def opens_at(self, _: datetime) -> datetime | None:
        """Return None: what is before a deadline is open, and nothing is after it."""
        return None

    @property
    def length_s(self) -> float:
        """Return 0: once it has passed, nothing is left of it."""
        return 0.0

    def __str__(self) -> str:
        """Return the written form: `2026-01-15T04:00:00+00:00`."""
        return self.at.isoformat()


Window: TypeAlias = Daily | Deadline
"""When a run may send."""
