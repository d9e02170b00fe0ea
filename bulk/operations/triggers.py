"""When a scheduler starts a job, so that it is there as its window opens: for systemd, cron and Kubernetes.

Where the calendar of a scheduler can say exactly when the window opens, the job is started `LEAD_MIN` before
and waits. What it cannot say, such as the third Saturday, days that are left out, or a year, is a superset:
the job is started at each moment that may be an opening, and ends at once where the window is closed.

Sources: systemd.time(7), "Calendar events"; crontab(5); CronJob of the Kubernetes API, `schedule` and
`timeZone`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from bulk.operations.windows import Calendar, Daily, Dated, Window, first_moment
from bulk.text import DAYS

LEAD_MIN = 5
"""How long before an opening a job is started that waits for it."""
_MINUTES = 24 * 60
_WEEK = 7


class Trigger(NamedTuple):
    """The times at which a scheduler starts a job, as it writes them."""

    text: str
    zone: str = ""
    """The name of the zone in which they are meant; empty for the machine's."""


class Triggers(NamedTuple):
    """When a job is started, and whether that is when its window opens, and at no other time."""

    all: tuple[Trigger, ...]
    is_exact: bool


def for_systemd(calendar: Calendar, local: tzinfo, local_name: str) -> Triggers:
    """Return the `OnCalendar=` of a timer; `local` is the zone of times without one.

    `local_name` is its name, empty where that is the zone of systemd itself. A calendar of systemd knows
    zones, days of the month and years, but no days that are left out.
    """
    is_exact = calendar.blackout is None
    lead_min = LEAD_MIN if is_exact else 0
    texts = (
        text
        for span in _spans(calendar)
        for text in (
            _timer(span, lead_min, local_name) if isinstance(span, Daily) else _once(span, local, lead_min)
        )
    )
    return Triggers(tuple(map(Trigger, dict.fromkeys(texts))), is_exact)


def for_cron(calendar: Calendar, local: tzinfo, clock: tzinfo, after: float) -> Triggers:
    """Return the times of lines of a crontab, in the zone of cron's `clock`, from a moment on (UTC seconds).

    A crontab has no zone that every cron heeds: what is meant in another one is started at each time of this
    one at which that may be, since the clocks of the two need not be changed together.
    """
    spans = [*_spans(calendar)]
    foreign = [each for each in spans if isinstance(each, Daily) and str(each.zone or local) != str(clock)]
    is_exact = _is_plain(calendar) and not foreign
    texts: list[str] = []
    for span in spans:
        if isinstance(span, Dated):
            texts.append(_yearly(span, local, clock))
        elif span in foreign:
            texts += _elsewhere(span, local, clock, after)
        else:
            texts.append(_cron(span, LEAD_MIN if is_exact else 0))
    return Triggers(tuple(map(Trigger, dict.fromkeys(texts))), is_exact)


def _elsewhere(span: Daily, local: tzinfo, clock: tzinfo, after: float) -> Iterator[str]:
    """Yield the five fields of cron for each time of its clock at which a span of another zone opens."""
    found: dict[tuple[int, int], set[int]] = {}
    for opening in span.openings(after, local):
        at = datetime.fromtimestamp(opening.opens_at, UTC).astimezone(clock)
        found.setdefault((at.hour, at.minute), set()).add(at.weekday())
    for (hour, minute), days in sorted(found.items()):
        yield _cron_text(hour, minute, sorted(days))


def for_kubernetes(calendar: Calendar, local: tzinfo, local_name: str) -> Triggers:
    """Return `schedule` and `timeZone` of CronJobs; `local_name` is the name of the zone `local`."""
    is_exact, lead_min = _is_plain(calendar), LEAD_MIN if _is_plain(calendar) else 0
    found = (
        Trigger(_cron(span, lead_min), str(span.zone or local_name))
        if isinstance(span, Daily)
        else Trigger(_yearly(span, local, UTC), str(UTC))
        for span in _spans(calendar)
    )
    return Triggers(tuple(dict.fromkeys(found)), is_exact)


def has_opening(window: Window | None) -> bool:
    """Return whether a window opens: one that only ends is open from the beginning."""
    return window is not None and any(isinstance(span, Daily) or span.start for span in window.spans)


def _spans(calendar: Calendar) -> Iterator[Daily | Dated]:
    """Yield the spans of a window that open."""
    for span in calendar.window.spans if calendar.window else ():
        if isinstance(span, Daily) or span.start:
            yield span


def _is_plain(calendar: Calendar) -> bool:
    """Return whether five fields of cron say when a window opens."""
    return calendar.blackout is None and all(
        isinstance(span, Daily) and not any(nth for _, nth in span.days) for span in _spans(calendar)
    )


def _timer(span: Daily, lead_min: int, local_name: str) -> Iterator[str]:
    """Yield calendar events of systemd for a time of day: `Sat *-*-15..21 00:55:00 Asia/Shanghai`."""
    for nth in sorted({nth for _, nth in span.days} or {0}):
        days = [weekday for weekday, which in span.days if which == nth]
        minute, is_day_before = _early(span, lead_min, may_be_day_before=nth != 1)
        shift = int(is_day_before)
        last = min(_WEEK * nth, 31) - shift  # the fifth begins on the 29th at the earliest
        date = f"*-*-{_WEEK * (nth - 1) + 1 - shift:02}..{last:02}" if nth else "*-*-*"
        names = ",".join(DAYS[(day - shift) % _WEEK] for day in days)
        zone = str(span.zone or local_name)
        yield " ".join(filter(None, (names, date, f"{minute // 60:02}:{minute % 60:02}:00", zone)))


def _early(span: Daily, lead_min: int, *, may_be_day_before: bool) -> tuple[int, bool]:
    """Return the minute of the day at which a job is started, and whether that is the day before."""
    opens = span.start.hour * 60 + span.start.minute
    if opens >= lead_min:
        return opens - lead_min, False
    return ((opens - lead_min) % _MINUTES, True) if may_be_day_before else (0, False)


def _once(span: Dated, local: tzinfo, lead_min: int) -> Iterator[str]:
    """Yield the calendar event of systemd for a moment, in UTC."""
    at = _opens(span, local) - timedelta(minutes=lead_min)
    yield f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _opens(span: Dated, local: tzinfo) -> datetime:
    """Return the first whole minute of an opening: one before it would find the window closed."""
    start = span.start or span.end
    opens_at = first_moment(start, span.end.tzinfo or local)
    return datetime.fromtimestamp(-(-opens_at // 60) * 60, UTC)


def _cron(span: Daily, lead_min: int) -> str:
    """Return the five fields of cron for a time of day; all days of which `span` has some."""
    minute, is_day_before = _early(span, lead_min, may_be_day_before=True)
    days = sorted({(weekday - is_day_before) % _WEEK for weekday, _ in span.days})
    return _cron_text(minute // 60, minute % 60, days)


def _cron_text(hour: int, minute: int, days: Iterable[int]) -> str:
    """Return the five fields of cron; its week begins with Sunday as 0, ours with Monday."""
    numbers = sorted((day + 1) % _WEEK for day in days)
    week = "*" if len(numbers) in {0, _WEEK} else ",".join(map(str, numbers))
    return f"{minute} {hour} * * {week}"


def _yearly(span: Dated, local: tzinfo, clock: tzinfo) -> str:
    """Return the five fields of cron for a moment, which come again each year."""
    at = _opens(span, local).astimezone(clock)
    return f"{at.minute} {at.hour} {at.day} {at.month} *"
