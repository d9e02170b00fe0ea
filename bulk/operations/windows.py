"""When a run may send: windows, their zones and blackouts, as a calendar of openings.

    02:00-04:00                         every day, in the machine's zone
    22:00-04:00 UTC                     across midnight, in a zone that is named
    Sat,Sun 01:00-05:00 Asia/Shanghai   on days; the day is that of the opening
    Sat#3 01:00-05:00                   on the third Saturday of the month
    2026-12-01T01:00+08:00..2026-12-01T05:00+08:00
    2026-12-01T05:00Z                   from now until then

The clock counts, not the length: an opening that the clocks skip is the first moment after the gap, and an
opening or a closing that they show twice is the first of the two. Days of a blackout are those of the zone of
the window that they are cut out of.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from difflib import get_close_matches
from heapq import merge
from itertools import chain, groupby
from math import inf
from typing import TypeAlias, TypeVar

from bulk.text import DAYS, printable

T = TypeVar("T")

HORIZON = timedelta(days=731)
"""How far ahead an opening is looked for; a window without one within two years is a mistake."""
_DAY = timedelta(days=1)
_FULL_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAILY = re.compile(
    r"(?P<days>(?:[^\d#]|#\d*)*)(?P<start>\d{2}:\d{2})\s*-\s*(?P<end>\d{2}:\d{2})(?!\d)(?P<zone>.*)",
    re.DOTALL,
)
_MIDNIGHT = "24:00"
_NTH_MAX = 5
_QUOTED_MAX = 60
_YEARS = range(1971, 9999)
"""The ends of the calendar have no time in every zone."""


class NotReadable(ValueError):
    """A text is no window, day, zone or blackout; the message, where there is one, says which part of it.

    * hint: what to write instead; empty where that is general
    * text: what cannot be read
    """

    def __init__(self, message: str = "", hint: str = "", *, text: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A time in which a run may send."""

    opens_at: float
    """The first second (UTC, since 1970) of it; minus infinity for one that has always been open."""
    closes_at: float
    """The first second after it; infinity for one that never closes."""
    zone: tzinfo
    """The zone in which it is written."""

    @property
    def length_s(self) -> float:
        """Return how long it is open, in seconds."""
        return self.closes_at - self.opens_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """A time of every day, or of certain days, perhaps across midnight."""

    start: time
    end: time
    days: tuple[tuple[int, int], ...] = ()
    """Weekdays (0 is Monday), each with which one of the month it is, 0 for all; empty for every day."""
    zone: tzinfo | None = None
    """Without one it is the machine's."""

    def openings(self, after: float, local: tzinfo) -> Iterator[Opening]:
        """Yield each opening that ends after a moment, up to the horizon."""
        zone = self.zone or local
        overnight = _DAY if self.end <= self.start else timedelta()
        today = datetime.fromtimestamp(after, UTC).astimezone(zone).date()
        for number in range(-2, HORIZON.days):  # a night may have begun two days ago where a day is skipped
            day = today + timedelta(days=number)
            if self._is_on(day):
                opens = first_moment(datetime.combine(day, self.start), zone)
                closes = first_moment(datetime.combine(day + overnight, self.end), zone)
                if max(opens, after) < closes:
                    yield Opening(opens_at=opens, closes_at=closes, zone=zone)

    def _is_on(self, day: date) -> bool:
        weekday, nth = day.weekday(), (day.day - 1) // 7 + 1
        return not self.days or (weekday, 0) in self.days or (weekday, nth) in self.days

    @property
    def length_s(self) -> float:
        """Return how long it is open where the clocks are not changed meanwhile."""
        opens, closes = (timedelta(hours=at.hour, minutes=at.minute) for at in (self.start, self.end))
        return ((closes - opens) % _DAY or _DAY).total_seconds()

    def __str__(self) -> str:
        """Return the written form: `Sat,Sun 01:00-05:00 Asia/Shanghai`."""
        end = _MIDNIGHT if self.end == self.start else f"{self.end:%H:%M}"
        words = (_days_text(self.days), f"{self.start:%H:%M}-{end}", str(self.zone or ""))
        return " ".join(filter(None, words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """A time that comes once; without `start` it is open until its end."""

    start: datetime | None = None
    end: datetime
    """A time without a zone is one of the machine's."""

    def openings(self, after: float, local: tzinfo) -> Iterator[Opening]:
        """Yield it, unless it has ended at a moment."""
        zone = self.end.tzinfo or local
        opens = first_moment(self.start, zone) if self.start else -inf
        if max(opens, after) < (closes := first_moment(self.end, zone)):
            yield Opening(opens_at=opens, closes_at=closes, zone=zone)

    @property
    def length_s(self) -> float:
        """Return how long it is open where the clocks are not changed meanwhile; infinity without a start."""
        return (self.end - self.start).total_seconds() if self.start else inf

    def __str__(self) -> str:
        """Return the written form: `2026-12-01T01:00:00+08:00..2026-12-01T05:00:00+08:00`."""
        return "..".join(at.isoformat() for at in (self.start, self.end) if at)


Span: TypeAlias = Daily | Dated


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a run may send: in any of these spans."""

    spans: tuple[Span, ...]

    @property
    def length_s(self) -> float:
        """Return how long the longest of its spans is open."""
        return max(span.length_s for span in self.spans)

    def __str__(self) -> str:
        """Return the written form, spans behind semicolons."""
        return "; ".join(map(str, self.spans))


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout:
    """Days on which nothing is sent."""

    ranges: tuple[tuple[date, date], ...]
    """The first and the last day of each range, in order."""

    def cut(self, openings: Iterable[Opening]) -> Iterator[Opening]:
        """Yield what is left of openings, which come in order of their beginning."""
        for opening in openings:
            yield from self._cut(opening)

    def _cut(self, opening: Opening) -> Iterator[Opening]:
        opens, zone = opening.opens_at, opening.zone
        for first, last in self.ranges:
            begins = first_moment(datetime.combine(first, time()), zone)
            ends = first_moment(datetime.combine(last + _DAY, time()), zone)
            if opens < min(begins, opening.closes_at):
                yield Opening(opens_at=opens, closes_at=min(begins, opening.closes_at), zone=zone)
            opens = max(opens, ends)
        if opens < opening.closes_at:
            yield Opening(opens_at=opens, closes_at=opening.closes_at, zone=zone)

    def __str__(self) -> str:
        """Return the written form: `2026-12-24..2027-01-03; 2026-11-11`."""
        return "; ".join(
            first.isoformat() if first == last else f"{first}..{last}" for first, last in self.ranges
        )


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The openings of a window without those of a blackout; with neither, or a blackout alone, any time."""

    window: Window | None
    blackout: Blackout | None = None

    def openings(self, after: float, local: tzinfo) -> Iterator[Opening]:
        """Yield each opening that ends after a moment (UTC seconds), in order; those that touch are one.

        `local` is the zone of spans that name none. Those that come again are followed for two years.
        """
        spans = self.window.spans if self.window else ()
        each: list[Iterator[Opening]] = [span.openings(after, local) for span in spans]
        if not self.window:
            each = [iter([Opening(opens_at=-inf, closes_at=inf, zone=local)])]
        if self.blackout:
            each = [self.blackout.cut(openings) for openings in each]
        present: Opening | None = None
        for opening in merge(*each, key=lambda opening: opening.opens_at):
            if opening.closes_at <= after:  # what a blackout left of one that goes on
                continue
            if present and opening.opens_at <= present.closes_at:
                closes = max(present.closes_at, opening.closes_at)
                present = Opening(opens_at=present.opens_at, closes_at=closes, zone=present.zone)
                continue
            if present:
                yield present
            present = opening
        if present:
            yield present

    @property
    def is_local(self) -> bool:
        """Return whether a time of it is meant in the machine's zone."""
        spans = self.window.spans if self.window else ()
        zones = (span.zone if isinstance(span, Daily) else span.end.tzinfo for span in spans)
        return not self.window or None in zones

    def next_opening(self, now: float, local: tzinfo) -> Opening | None:
        """Return the opening that is open at a moment, else the next one; None where there is none."""
        return next(self.openings(now, local), None)

    def __str__(self) -> str:
        """Return the window as it is written, and the blackout."""
        but = f"not {self.blackout}" if self.blackout else ""
        return ", ".join(filter(None, (str(self.window or ""), but)))


def first_moment(shown: datetime, zone: tzinfo) -> float:
    """Return the moment (UTC seconds) at which the clocks of a zone first show a time, or jump over it."""
    if shown.tzinfo:
        return shown.timestamp()
    moment = shown.replace(tzinfo=zone).astimezone(UTC)  # of a time that is shown twice the first
    if _shown_at(moment, zone) == shown:
        return moment.timestamp()
    before = shown.replace(tzinfo=zone, fold=1).astimezone(UTC)  # in a gap the two are on either side of it
    while moment - before > timedelta.resolution:
        middle = before + (moment - before) / 2
        if _shown_at(middle, zone) < shown:
            before = middle
        else:
            moment = middle
    return moment.timestamp()


def _shown_at(moment: datetime, zone: tzinfo) -> datetime:
    """Return what the clocks of a zone show at a moment, without the zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


# How they are written


def read_window(text: str) -> Window:
    """Return the window that is written, spans behind semicolons; raises NotReadable."""
    return Window(spans=tuple(sorted(_each(text, _span), key=str)))  # their order means nothing


def read_blackout(text: str) -> Blackout:
    """Return the blackout that is written, days and ranges of days behind semicolons; raises NotReadable."""
    return Blackout(ranges=tuple(sorted(_each(text, _days_range))))


def _each(text: str, read: Callable[[str], T]) -> Iterator[T]:
    for part in map(str.strip, text.split(";")):
        try:
            yield read(part)
        except NotReadable as error:
            raise NotReadable(str(error), error.hint, text=part) from error


def _span(text: str) -> Span:
    if found := _DAILY.fullmatch(text):
        return _daily(found)
    first, dots, last = text.partition("..")
    if not dots:
        return Dated(end=_moment(text))
    start, end = _moment(first.strip()), _moment(last.strip())
    if (start.tzinfo is None) is not (end.tzinfo is None):
        raise NotReadable(
            "one end has an offset from UTC and the other has none", "write both with an offset"
        )
    if end <= start:
        raise NotReadable("it ends before it begins", "write the earlier moment first")
    return Dated(start=start, end=end)


def _daily(found: re.Match[str]) -> Daily:
    days, zone = found["days"].strip(), found["zone"].strip()
    start, end = _clock(found["start"]), time() if found["end"] == _MIDNIGHT else _clock(found["end"])
    if found["start"] == found["end"]:
        raise NotReadable
    return Daily(
        start=start,
        end=end,
        days=tuple(sorted(set(_days(days)))) if days else (),
        zone=_named_zone(zone) if zone else None,
    )


def _named_zone(name: str) -> tzinfo:
    return UTC if name.upper() in {"Z", "UTC"} else read_zone(name)  # which needs no table of zones


def _clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise NotReadable from error


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotReadable from error
    if at.year not in _YEARS or not re.match(r"[0-9-]{10}[T ]", text):
        raise NotReadable
    return at


def _days_range(text: str) -> tuple[date, date]:
    first, dots, last = (part.strip() for part in text.partition(".."))
    begins, ends = _date(first), _date(last if dots else first)
    if ends < begins:
        raise NotReadable("it ends before it begins", "write the earlier day first")
    return begins, ends


def _date(text: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day of a calendar has no zone
    except ValueError as error:
        raise NotReadable from error
    if day.year not in _YEARS:
        raise NotReadable
    return day


def _days(text: str) -> Iterator[tuple[int, int]]:
    for word in re.split(r"[\s,]+", text.strip(", ")):
        first, dash, last = word.partition("-")
        name, hash_sign, nth = first.partition("#")
        begin, end = _weekday(name), _weekday(last if dash else name)
        if hash_sign and (dash or not nth.isdecimal() or not 1 <= int(nth) <= _NTH_MAX):
            raise NotReadable(f"{_quoted(word)} is not a day of the month", "write Sat#1 to Sat#5")
        for offset in range((end - begin) % len(DAYS) + 1):
            yield (begin + offset) % len(DAYS), int(nth or 0)


def _weekday(name: str) -> int:
    known = {day.lower(): number for number, day in enumerate(DAYS)}
    if (number := known.get(name.lower())) is not None:
        return number
    near = get_close_matches(name.title(), (*DAYS, *_FULL_NAMES), n=1)
    hint = f"did you mean {near[0][:3]}?" if near else f"days are {', '.join(DAYS)}"
    raise NotReadable(f"{_quoted(name)} is not a day", hint)


def _days_text(days: Iterable[tuple[int, int]]) -> str:
    """Return days as they are written: three or more in a row as a range."""
    every = [weekday for weekday, nth in days if not nth]
    rows = [
        [weekday for _, weekday in row]
        for _, row in groupby(enumerate(every), lambda each: each[1] - each[0])
    ]
    words = (
        [f"{DAYS[row[0]]}-{DAYS[row[-1]]}"] if len(row) > 2 else [DAYS[weekday] for weekday in row]  # noqa: PLR2004
        for row in rows
    )
    numbered = (f"{DAYS[weekday]}#{nth}" for weekday, nth in days if nth)
    return ",".join(chain(chain.from_iterable(words), numbered))


def read_zone(name: str) -> tzinfo:
    """Return the zone of this name; raises NotReadable, with the name that may be meant."""
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - few commands need it

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        known = {zone.lower(): zone for zone in available_timezones()}
        near = get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {known[near[0]]}?" if near else "write a name such as Asia/Shanghai, or UTC"
        missing = "this machine has no table of time zones: install tzdata, or give the window in UTC"
        raise NotReadable(f"{_quoted(name)} is not a time zone", hint if known else missing) from error


def _quoted(word: str) -> str:
    return f'"{printable(word[:_QUOTED_MAX])}"'
