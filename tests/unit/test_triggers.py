"""When a scheduler starts a job: shortly before its window opens, or whenever that may be."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from bulk.operations.triggers import (
    LEAD_MIN,
    Triggers,
    for_cron,
    for_kubernetes,
    for_systemd,
    has_opening,
)
from bulk.operations.windows import Calendar, read_blackout, read_window

CronSim = pytest.importorskip("cronsim").CronSim
BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
FROM = datetime(2026, 1, 15, 12, tzinfo=UTC)
UNTIL = datetime(2027, 6, 1, tzinfo=UTC)
LEAD = timedelta(minutes=LEAD_MIN)

SYSTEMD = shutil.which("systemd-analyze") or ""
needs_systemd = pytest.mark.skipif(not SYSTEMD, reason="systemd-analyze is not installed")

PLAIN = [
    "02:00-04:00",
    "Sat,Sun 01:00-05:00",
    "Mon-Fri 00:02-05:00",
    "00:00-24:00",
    "Sun 00:00-01:00",
    "Mon-Sun 23:59-01:00",
]
NUMBERED = [
    "Sat#3 01:00-05:00",
    "Sat#1 00:02-03:00",
    "Sun#2 00:02-03:00",
    "Fri#5 12:00-13:00",
    "Mon#1,Tue#4,Wed 10:00-11:00",
]
DATED = ["2026-12-01T01:00:30+08:00..2026-12-01T05:00+08:00", "2026-12-01T01:00..2026-12-01T05:00"]
ELSEWHERE = [
    "02:00-04:00 America/New_York",
    "Sat#3 01:00-05:00 Asia/Shanghai",
    "00:00-03:00 Australia/Lord_Howe",
]


def calendar(window: str, blackout: str = "") -> Calendar:
    """Return a window, and the days that are left out of it."""
    return Calendar(window=read_window(window), blackout=read_blackout(blackout) if blackout else None)


def openings(of: Calendar, local: tzinfo = BERLIN) -> list[datetime]:
    """Return when a window opens, while the tests look."""
    every = (datetime.fromtimestamp(each.opens_at, UTC) for each in of.openings(FROM.timestamp(), local))
    return [at for at in takewhile(lambda at: at < UNTIL, every) if at > FROM + LEAD]


def cron_starts(found: Triggers, local: tzinfo) -> list[datetime]:
    """Return when cron, or Kubernetes, starts something, by an implementation that is not ours."""
    starts = set[datetime]()
    for trigger in found.all:
        zone = ZoneInfo(trigger.zone) if trigger.zone else local
        times = (at.astimezone(UTC) for at in CronSim(trigger.text, FROM.astimezone(zone)))
        starts |= {*takewhile(lambda at: at < UNTIL, times)}
    return sorted(starts)


def systemd_starts(found: Triggers, number: int) -> list[datetime]:
    """Return when systemd starts something first."""
    starts = set[datetime]()
    for trigger in found.all:
        said = subprocess.run(
            [
                SYSTEMD,
                "calendar",
                trigger.text,
                f"--iterations={number}",
                f"--base-time=@{FROM.timestamp():.0f}",
            ],
            capture_output=True,
            text=True,
            check=True,
            env={"TZ": "Europe/Berlin", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        ).stdout
        starts |= set(_utc_times(said))
    return sorted(starts)[:number]


def _utc_times(said: str) -> Iterator[datetime]:
    for line in said.splitlines():
        if "(in UTC): " in line:
            yield datetime.strptime(line.partition("(in UTC): ")[2][4:23], "%Y-%m-%d %H:%M:%S").replace(
                tzinfo=UTC
            )


@pytest.mark.parametrize("window", PLAIN)
def test_cron_starts_a_job_shortly_before_each_opening_and_at_no_other_time(window: str) -> None:
    """In crontabs and in CronJobs, in every night but those in which the clocks are changed."""
    of = calendar(window)
    for found in (
        for_cron(of, BERLIN, BERLIN, FROM.timestamp()),
        for_kubernetes(of, BERLIN, "Europe/Berlin"),
    ):
        assert found.is_exact
        starts, opens = cron_starts(found, BERLIN), _daily_openings(of)
        differ = {at - LEAD for at in opens}.symmetric_difference(starts)
        assert {at.date() for at in differ if at < UNTIL - LEAD} <= CHANGES, window


CHANGES = {
    datetime(*day, tzinfo=UTC).date()
    for day in ((2026, 3, 28), (2026, 3, 29), (2026, 10, 24), (2026, 10, 25), (2027, 3, 27), (2027, 3, 28))
}
"""Days around the changes of the clocks in Berlin."""


def _daily_openings(of: Calendar) -> list[datetime]:
    """Return when each span opens, those that touch one by one."""
    assert of.window
    each = (span.openings(FROM.timestamp(), BERLIN) for span in of.window.spans)
    every = (datetime.fromtimestamp(one.opens_at, UTC) for span in each for one in span)
    return sorted(at for at in every if FROM + LEAD < at < UNTIL)


@pytest.mark.parametrize("window", [*NUMBERED, *DATED, *ELSEWHERE])
def test_what_cron_cannot_say_is_started_whenever_the_window_may_open(window: str) -> None:
    """At the opening, not before it: `apply` ends at once where it is closed."""
    of = calendar(window)
    for found in (
        for_cron(of, BERLIN, BERLIN, FROM.timestamp()),
        for_kubernetes(of, BERLIN, "Europe/Berlin"),
    ):
        if not found.is_exact:
            starts = {*cron_starts(found, BERLIN)}
            for opens in openings(of):
                at = opens + timedelta(seconds=-opens.timestamp() % 60)
                assert at in starts or at.astimezone(BERLIN).date() in CHANGES, (window, opens)


def test_a_zone_of_its_own_is_exact_in_a_cluster_but_not_in_a_crontab() -> None:
    """Only some crons know zones; where both clocks are the same one, five fields say it."""
    of = calendar("02:00-04:00 Asia/Shanghai")
    assert for_kubernetes(of, BERLIN, "Europe/Berlin") == Triggers(
        (("55 1 * * *", "Asia/Shanghai"),), is_exact=True
    )
    assert for_cron(of, SHANGHAI, SHANGHAI, FROM.timestamp()) == Triggers(
        (("55 1 * * *", ""),), is_exact=True
    )
    found = for_cron(of, BERLIN, BERLIN, FROM.timestamp())
    assert found == Triggers((("0 19 * * *", ""), ("0 20 * * *", "")), is_exact=False)


@needs_systemd
@pytest.mark.parametrize("window", [*PLAIN[:3], *NUMBERED, *DATED, *ELSEWHERE])
def test_systemd_starts_a_job_shortly_before_each_opening(window: str) -> None:
    """Whatever days, dates and zones it has; where no day before it can be said, at the opening."""
    of = calendar(window)
    found = for_systemd(of, BERLIN, "")
    assert found.is_exact
    starts, opens = systemd_starts(found, 12), openings(of)
    assert starts
    for start, at in islice(zip(starts, opens, strict=False), 12):
        early = at + timedelta(seconds=-at.timestamp() % 60) - start
        is_said = early == LEAD or ("#1 00:02" in window and early == timedelta(minutes=2))
        assert is_said, (window, start, at)


def test_days_that_are_left_out_are_no_calendar() -> None:
    """The job is started on all of them, at the opening, and finds the window closed."""
    of = calendar("02:00-04:00", "2026-12-24..2027-01-03")
    assert for_systemd(of, BERLIN, "Europe/Berlin") == Triggers(
        (("*-*-* 02:00:00 Europe/Berlin", ""),), is_exact=False
    )
    assert for_cron(of, BERLIN, BERLIN, FROM.timestamp()) == Triggers((("0 2 * * *", ""),), is_exact=False)
    assert for_kubernetes(of, BERLIN, "Europe/Berlin") == Triggers(
        (("0 2 * * *", "Europe/Berlin"),), is_exact=False
    )


def test_a_window_that_only_ends_never_opens() -> None:
    """Nor is there anything to say of it beside one that does."""
    assert not has_opening(None)
    assert not has_opening(read_window("2026-12-01T05:00Z"))
    assert has_opening(read_window("2026-12-01T05:00Z; 02:00-04:00"))
    of = calendar("2026-12-01T05:00Z; 02:00-04:00")
    assert [trigger.text for trigger in for_systemd(of, BERLIN, "").all] == ["*-*-* 01:55:00"]
    assert for_systemd(Calendar(window=None), BERLIN, "").all == ()
