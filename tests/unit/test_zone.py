"""The zone in which a window without one is meant."""

import re
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bulk.errors import UsageError
from bulk.settings.zone import MachineZone, local_zone
from bulk.text import weekday_moment


@pytest.mark.parametrize("name", ["Asia/Shanghai", ":Europe/Berlin", "UTC", "Etc/GMT-8"])
def test_a_zone_that_is_named_is_that_zone(name: str) -> None:
    """Whether or not the C library knows it: a slim container may have no table of zones."""
    assert local_zone({"TZ": name}) == ZoneInfo(name.removeprefix(":"))


@pytest.mark.parametrize(
    "env", [{}, {"TZ": ""}, {"TZ": "CST-8"}, {"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, {"TZ": "<+08>-8"}]
)
def test_without_a_name_it_is_the_zone_of_the_machine(env: dict[str, str]) -> None:
    """Also where `TZ` has the rules of the zone in place of its name."""
    assert isinstance(local_zone(env), MachineZone)


def test_a_zone_can_be_a_file(tmp_path: Path) -> None:
    """`TZ` may hold its path."""
    (tmp_path / "zone").touch()
    assert isinstance(local_zone({"TZ": f":{tmp_path}/zone"}), MachineZone)
    with pytest.raises(UsageError, match="is not a time zone"):
        local_zone({"TZ": f"{tmp_path}/none"})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("asia/shanghai", "did you mean Asia/Shanghai?"),
        ("Asia/Shang Hai", "did you mean Asia/Shanghai?"),
        ("Europe", "did you mean "),
        ("nowhere at all", "write a name such as Asia/Shanghai, or UTC"),
        ("../../etc/passwd", "write a name"),
        ("CST8x9", "write a name"),
        ("Europe/Berlin\0", "did you mean Europe/Berlin?"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_name_that_was_meant(name: str, hint: str) -> None:
    """The C library would take it for UTC, and the window would be open at the wrong hours."""
    with pytest.raises(UsageError, match=r"^TZ: \".*\" is not a time zone$") as raised:
        local_zone({"TZ": name})
    assert raised.value.hint.startswith(hint)
    assert raised.value.message.isprintable()


def test_a_machine_without_a_table_of_zones_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is right; what is missing is not."""
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    with pytest.raises(UsageError) as raised:
        local_zone({"TZ": "Nowhere/Else"})
    assert re.search("install tzdata", raised.value.hint)


def test_a_time_of_day_alone_has_no_offset() -> None:
    """As with every zone whose clocks are changed."""
    zone = MachineZone()
    assert time(1, tzinfo=zone).utcoffset() is None
    assert time(1, tzinfo=zone).tzname() is None
    assert datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone).dst() is None


@pytest.mark.parametrize(
    ("at", "zone", "words"),
    [
        ("2026-11-27T17:00:00.000Z", "Asia/Shanghai", "Sat 28 Nov 01:00 CST (Fri 17:00 UTC)"),
        ("2026-11-28T07:00:00.000Z", "Asia/Shanghai", "Sat 28 Nov 15:00 CST (07:00 UTC)"),
        ("2026-11-28T07:00:00.000Z", "UTC", "Sat 28 Nov 07:00 UTC"),
        ("2026-12-31T17:00:00.000Z", "Asia/Shanghai", "Fri 1 Jan 2027 01:00 CST (Thu 17:00 UTC)"),
        ("9999-12-31T23:00:00.000Z", "Asia/Shanghai", "Fri 31 Dec 9999 23:00 UTC"),
    ],
)
def test_a_window_is_spoken_of_with_its_weekday(at: str, zone: str, words: str) -> None:
    """With UTC beside it, and its weekday where that is another one; and another year than this."""
    assert weekday_moment(at, ZoneInfo(zone), year=2026) == words


def test_seconds_are_shown_of_what_has_happened() -> None:
    """As of a window that has ended."""
    shown = weekday_moment("2026-11-28T07:00:01.000Z", ZoneInfo("UTC"), year=2026, seconds=True)
    assert shown == "Sat 28 Nov 07:00:01 UTC"
