"""Windows over changes of the clocks, beside a walk over the minutes that knows only what a clock shows."""

from bisect import bisect_right
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import accumulate
from time import tzset
from zoneinfo import ZoneInfo

import pytest

from bulk.settings import Daily, Deadline
from bulk.settings.zone import MachineZone

CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00Z"),  # midnight is skipped
    ("America/Sao_Paulo", "2018-02-18T02:00Z"),  # the day ends twice
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),  # half an hour
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),  # a whole day is skipped
    ("Pacific/Apia", "2012-03-31T14:00Z"),
    ("Asia/Shanghai", "1988-04-16T18:00Z"),
    ("Asia/Shanghai", "1988-09-10T17:00Z"),
    ("Asia/Shanghai", "2026-03-29T01:00Z"),  # the clocks have not been changed for long
]
WINDOWS = [
    ("01:00", "04:00"),
    ("02:30", "04:00"),
    ("01:00", "02:30"),
    ("02:10", "02:20"),
    ("02:00", "03:00"),
    ("03:00", "02:00"),
    ("22:00", "04:00"),
    ("23:30", "00:00"),
    ("00:00", "00:30"),
    ("00:00", "23:59"),
]
MINUTE = timedelta(minutes=1)
DAYS = timedelta(days=2)


def walked(zone: tzinfo, environment: datetime) -> list[tuple[datetime, time]]:
    """Return every minute of the days around a moment, and the latest time that the clocks have shown.

    Clocks that are put back show nothing new until they have caught up.
    """
    minutes = [environment - DAYS + MINUTE * number for number in range(2 * int(DAYS / MINUTE))]
    shown = accumulate((minute.astimezone(zone).replace(tzinfo=None, fold=0) for minute in minutes), max)
    return [(minute, latest.time()) for minute, latest in zip(minutes, shown, strict=True)]


@pytest.mark.parametrize(("name", "moment"), CHANGES)
def test_the_changes_are_changes(name: str, moment: str) -> None:
    """At that minute and at no other of the hours about it; the last one of all is none."""
    change, zone = datetime.fromisoformat(moment), ZoneInfo(name)
    offsets = [(change + MINUTE * number).astimezone(zone).utcoffset() for number in range(-180, 180)]
    changed = [number - 180 for number in range(1, 360) if offsets[number] != offsets[number - 1]]
    assert changed == ([] if (name, moment) == CHANGES[-1] else [0])


@pytest.mark.parametrize(("name", "moment"), CHANGES)
@pytest.mark.parametrize(("start", "end"), WINDOWS)
def test_a_window_closes_when_a_walk_over_the_minutes_says_so(
    name: str, moment: str, start: str, end: str
) -> None:
    """At every minute about the change, and now and then in the days around: open or not, and until when."""
    zone, change = ZoneInfo(name), datetime.fromisoformat(moment)
    window = Daily(start=time.fromisoformat(start), end=time.fromisoformat(end))
    walk = walked(zone, change)
    opened = [
        window.start <= latest < window.end if start < end else not window.end <= latest < window.start
        for _, latest in walk
    ]
    closings = [minute for (minute, _), is_open in zip(walk, opened, strict=True) if not is_open]
    for number, ((minute, _), is_open) in enumerate(zip(walk, opened, strict=True)):
        if abs(minute - change) < timedelta(hours=2) or number % 41 == 0:
            after = bisect_right(closings, minute)
            if is_open and after == len(closings):
                break  # it closes after the end of the walk
            expected = closings[after] if is_open else None
            assert window.closes_at(minute.astimezone(zone)) == expected, minute


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
    moment = datetime.fromisoformat(now).astimezone(ZoneInfo(name))
    closes = Daily(start=time.fromisoformat(start), end=time(4)).closes_at(moment)
    assert closes is not None
    assert closes - moment.astimezone(UTC) == MINUTE * left


def test_a_local_deadline_is_the_first_moment_at_which_clocks_show_it() -> None:
    """Shown twice, the first; skipped, the moment at which it is."""
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 1, 1, tzinfo=berlin)
    twice, skipped = datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001
    assert Deadline(at=twice).closes_at(now) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert Deadline(at=skipped).closes_at(now) == datetime(2026, 3, 29, 1, tzinfo=UTC)


@pytest.mark.parametrize(("name", "moment"), CHANGES)
def test_the_zone_of_the_machine_is_the_zone_that_is_named(
    name: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C library's rules and those of zoneinfo give the same times and the same moments."""
    monkeypatch.setenv("TZ", name)
    change, named, ours = datetime.fromisoformat(moment), ZoneInfo(name), MachineZone()
    tzset()
    try:
        for number in range(-200, 200):
            at = change + MINUTE * number
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
