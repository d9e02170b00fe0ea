"""Windows beside a walk over the minutes of three years that knows only what a clock shows.

Clocks that are put back show nothing new until they have caught up; of clocks that skip a time, the first
moment after it shows all that was skipped.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from itertools import accumulate, groupby
from time import tzset
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.operations.windows import Calendar, Opening, first_moment, read_blackout, read_window
from bulk.settings.zone import MachineZone
from bulk.text import DAYS

ZONES = (
    "Europe/Berlin",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Shanghai",
)
OF_OLD = [  # what these clocks did once: midnight skipped, a day that ends twice, a day skipped
    ("America/Sao_Paulo", "2018-11-04T03:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("Pacific/Apia", "2012-03-31T14:00Z"),
    ("Asia/Shanghai", "1988-04-16T18:00Z"),
    ("Asia/Shanghai", "1988-09-10T17:00Z"),
]
BLACKOUT = "2026-03-29; 2026-10-24..2026-10-25; 2026-12-24..2027-01-03; 2011-12-31; 2018-11-04"
WINDOWS = [
    "01:00-04:00",
    "02:30-04:00",
    "01:00-02:30",
    "02:10-02:20",
    "03:00-02:00",
    "22:00-04:00",
    "23:30-24:00",
    "00:00-00:30",
    "00:00-24:00",
    "Fri 22:00-04:00",
    "Sat,Sun 01:00-05:00",
    "Sat-Mon 00:00-02:30",
    "Sun#5 01:30-02:30",
    "Sat#3,Sun#1,Wed 02:00-03:00",
    "Sat 22:00-02:00; Sun 01:30-06:00; Mon#2 00:00-24:00",
]
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
MINUTE_S = 60
A_DAY = 24 * 60


def walked(zone: tzinfo, begin: datetime, end: datetime) -> list[int]:
    """Return the latest time that the clocks have shown at every minute, as minutes since the year 1."""
    first, minutes = int(begin.timestamp()), int((end - begin) / timedelta(minutes=1))
    shown = (datetime.fromtimestamp(first + MINUTE_S * number, zone) for number in range(minutes))
    return [*accumulate((at.toordinal() * A_DAY + at.hour * 60 + at.minute for at in shown), max)]


def days_of(words: str) -> Collection[tuple[int, int]]:
    """Return the weekdays that a window names, each with each number in the month that is meant."""
    if not words:
        return {(weekday, nth) for weekday in range(7) for nth in range(1, 6)}
    found: set[tuple[int, int]] = set()
    for word in words.split(","):
        name, _, nth = word.partition("#")
        first, _, last = name.partition("-")
        weekday = DAYS.index(first)
        found |= {(weekday, each) for each in ([int(nth)] if nth else range(1, 6))}
        while DAYS[weekday] != (last or first):
            weekday = (weekday + 1) % 7
            found |= {(weekday, each) for each in range(1, 6)}
    return found


def is_open_at(shown: int, spans: Collection[tuple[Collection[tuple[int, int]], int, int]]) -> bool:
    """Return whether a window of these days, first and last minutes is open when the clocks show this."""
    ordinal, minute = divmod(shown, A_DAY)
    for days, start, end in spans:
        begun = ordinal if minute >= start else ordinal - 1
        minutes = minute - start if minute >= start else minute - start + A_DAY
        if minutes < ((end - start) % A_DAY or A_DAY):
            day = date.fromordinal(begun)
            if (day.weekday(), (day.day - 1) // 7 + 1) in days:
                return True
    return False


def expected(text: str, shown: list[int], blacked_out: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield the first minute of each stretch in which a window is open, and the one after its last."""
    spans = []
    for span in text.split("; "):
        *days, times = span.split()
        start, end = ([int(part) for part in at.split(":")] for at in times.split("-"))
        spans.append((days_of("".join(days)), 60 * start[0] + start[1], 60 * end[0] + end[1]))
    known = cache(lambda at: at // A_DAY not in blacked_out and is_open_at(at, spans))
    for is_open, stretch in groupby(range(len(shown)), lambda number: known(shown[number])):
        if is_open:
            minutes = [*stretch]
            yield minutes[0], minutes[-1] + 1


def openings(text: str, blackout: str, zone: tzinfo, begin: datetime, end: datetime) -> list[tuple[int, int]]:
    """Return the openings of a calendar between two moments, in minutes since the first."""
    first, last = begin.timestamp(), end.timestamp()
    calendar = Calendar(window=read_window(text), blackout=read_blackout(blackout) if blackout else None)
    found: list[tuple[int, int]] = []
    at = first
    while at < last:  # two years at most are looked ahead
        for opening in calendar.openings(at, zone):
            opens, closes = max(opening.opens_at, at), min(opening.closes_at, last)
            if opens >= last:
                return found
            assert opens % MINUTE_S == closes % MINUTE_S == 0
            minutes = int(opens - first) // MINUTE_S, int(closes - first) // MINUTE_S
            if found and found[-1][1] == minutes[0]:  # it was cut where no day further is looked at
                minutes = found.pop()[0], minutes[1]
            found.append(minutes)
            after = closes
        at = after
    return found


def blackout_days(blackout: str) -> Collection[int]:
    """Return the ordinals of the days of a blackout."""
    return {
        number
        for part in blackout.split("; ")
        if part
        for number in range(
            date.fromisoformat(part.partition("..")[0]).toordinal(),
            date.fromisoformat(part.rpartition("..")[2]).toordinal() + 1,
        )
    }


def check(zone: tzinfo, begin: datetime, end: datetime) -> None:
    """Compare every window, with and without the blackout, with the walk between two moments."""
    early = timedelta(days=3)  # the latest that was shown is known from before
    shown = walked(zone, begin - early, end)[int(early / timedelta(minutes=1)) :]
    for text in WINDOWS:
        for blackout in ("", BLACKOUT):
            walk = [*expected(text, shown, blackout_days(blackout))]
            assert openings(text, blackout, zone, begin, end) == walk, (text, blackout)


def changes(zone: tzinfo) -> Iterator[datetime]:
    """Yield the hours of the three years in which the clocks are changed."""
    hours = (BEGIN + timedelta(hours=number) for number in range(int((END - BEGIN) / timedelta(hours=1))))
    offset = None
    for hour in hours:
        if offset not in {None, new := hour.astimezone(zone).utcoffset()}:
            yield hour
        offset = new


@pytest.mark.parametrize("name", ZONES)
def test_a_window_is_open_when_a_walk_over_the_minutes_says_so(name: str) -> None:
    """In the days about each change of the clocks, and in a month without one."""
    zone, around = ZoneInfo(name), timedelta(days=4)
    for change in changes(zone):
        check(zone, change - around, change + around)
    check(zone, datetime(2026, 12, 18, tzinfo=UTC), datetime(2027, 1, 6, tzinfo=UTC))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ZONES)
def test_a_window_is_open_when_a_walk_over_three_years_says_so(name: str) -> None:
    """At every minute of 2026 to 2028."""
    check(ZoneInfo(name), BEGIN, END)


@pytest.mark.parametrize(("name", "moment"), OF_OLD)
def test_clocks_that_skip_a_midnight_or_a_day_are_walked_as_well(name: str, moment: str) -> None:
    """A day that is skipped opens nothing, unless its window goes on in the day after."""
    change = datetime.fromisoformat(moment)
    check(ZoneInfo(name), change - timedelta(days=3), change + timedelta(days=3))


@pytest.mark.parametrize(
    ("name", "start", "now", "left"),
    [
        ("Europe/Berlin", "01:00", "2026-03-29T00:30Z", 90),  # 01:30; at 02:00 it is 03:00
        ("Europe/Berlin", "01:00", "2026-10-24T23:30Z", 210),  # 01:30; at 03:00 it is 02:00
        ("Europe/Berlin", "02:30", "2026-03-29T01:00Z", 60),  # opens at 03:00, the first moment after the gap
        ("America/Sao_Paulo", "00:00", "2018-11-04T03:00Z", 180),
    ],
)
def test_a_night_in_which_the_clocks_are_changed_is_an_hour_shorter_or_longer(
    name: str, start: str, now: str, left: int
) -> None:
    """A window until 04:00, as people read a clock."""
    at = datetime.fromisoformat(now).timestamp()
    opening = Calendar(window=read_window(f"{start}-04:00 {name}")).next_opening(at, UTC)
    assert opening is not None
    assert opening.opens_at <= at
    assert opening.closes_at - at == MINUTE_S * left


def test_a_local_moment_is_the_first_at_which_clocks_show_it() -> None:
    """Shown twice, the first; skipped, the moment at which it is."""
    berlin = ZoneInfo("Europe/Berlin")
    twice, skipped = datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001
    assert first_moment(twice, berlin) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    assert first_moment(skipped, berlin) == datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()


@given(
    spans=st.lists(st.sampled_from(WINDOWS), min_size=1, max_size=3),
    zone=st.sampled_from(ZONES),
    after=st.integers(int(BEGIN.timestamp()), int(END.timestamp())),
)
def test_openings_come_in_order_and_apart_and_a_window_is_written_as_it_is_read(
    spans: list[str], zone: str, after: int
) -> None:
    """Each ends after the moment asked about; what is written reads as the same window."""
    window = read_window("; ".join(f"{each} {zone}" for text in spans for each in text.split("; ")))
    assert read_window(str(window)) == window
    found: list[Opening] = []
    for opening in Calendar(window=window).openings(after, UTC):
        assert (found[-1].closes_at if found else -1) < opening.opens_at < opening.closes_at
        assert opening.closes_at > after
        found.append(opening)
        if len(found) > 9:
            break
    assert found


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        *OF_OLD,
        ("Europe/Berlin", "2026-03-29T01:00Z"),
        ("Europe/Berlin", "2026-10-25T01:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
        ("Africa/Casablanca", "2026-02-15T02:00Z"),
    ],
)
def test_the_zone_of_the_machine_is_the_zone_that_is_named(
    name: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C library's rules and those of zoneinfo give the same times and the same moments."""
    monkeypatch.setenv("TZ", name)
    change, named, ours = datetime.fromisoformat(moment), ZoneInfo(name), MachineZone()
    tzset()
    try:
        for number in range(-200, 200):
            at = change + timedelta(minutes=number)
            here, there = at.astimezone(ours), at.astimezone(named)
            assert (here.replace(tzinfo=None), here.fold) == (there.replace(tzinfo=None), there.fold)
            assert here.utcoffset() == there.utcoffset()
            assert here.tzname() == there.tzname()
            for fold in (0, 1):
                wall = there.replace(fold=fold)
                assert wall.replace(tzinfo=ours).astimezone(UTC) == wall.astimezone(UTC)
    finally:
        monkeypatch.undo()
        tzset()
