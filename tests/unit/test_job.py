"""What `job.toml` and flags mean together, and what they say where they are wrong."""

import re
import time as time_module
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import pytest

from bulk.jobfile.columns import COLUMNS
from bulk.model import Format, Issue, Target
from bulk.operations.windows import Calendar, Daily, Dated, Opening, Window, read_blackout, read_window
from bulk.settings import (
    SEND_WITHIN_S,
    SETTINGS,
    Duration,
    FleetSettings,
    Guards,
    Job,
    PaceSettings,
    Rate,
    Share,
    SimulatorSettings,
    WhenSettings,
    WhereSettings,
    job_schema,
    located,
    read_job,
    read_settings,
    settings_json,
)


def job_of(toml: str = "", **flags: Any) -> Job:
    """Read a job that has no issue."""
    job = read_job(toml.encode(), name="job.toml", flags={"rows": "services.csv", **flags})
    assert isinstance(job, Job), job
    return job


def issues_of(toml: str | bytes, **flags: Any) -> list[str]:
    """Return the issues of a job, each as its line."""
    raw = toml if isinstance(toml, bytes) else toml.encode()
    issues = read_job(raw, name="job.toml", flags=flags)
    assert isinstance(issues, tuple), issues
    return [str(issue) for issue in issues]


def test_a_plain_file_is_a_job_with_every_default() -> None:
    """Nothing but the rows is needed."""
    job = job_of()
    assert job == Job(rows="services.csv")
    assert (job.pace.rate, job.pace.concurrency, job.pace.attempts) == (None, None, 5)
    assert (job.guards, job.when, job.where.endpoint) == (Guards(), WhenSettings(), "")
    assert job.simulator == SimulatorSettings(fleet="fleet.jsonl")
    assert job.where.target == Target(region="", project_id="")


def test_job_toml_sets_everything() -> None:
    """Each key is read into the setting of the same name."""
    job = job_of(
        """
        rows = "all.jsonl"
        name = "move-ssh"
        format = "jsonl"
        profile = "prod"
        region = "cn-north-4"
        project_id = "6e9dfd51d1124e8d8498dce894923a0d"
        endpoint = "simulator"
        rate = "100/m"
        concurrency = 16
        attempts = 3
        connect_timeout_s = 1
        read_timeout_s = 2.5
        total_timeout_s = 9
        settle_s = 0
        max_failures = "5%"
        canary = 3
        window = "22:00-04:00 UTC"
        blackout = ["2026-12-24..2027-01-03", 2026-11-11]
        spare = "2m"
        must_fit = true
        strict = true
        skip_invalid = true
        max_changes = "10%"
        max_removed = 7
        max_consumers = 500
        allow_parking = true
        [simulator]
        fleet = "seed.jsonl"
        """,
        rows=None,
    )
    assert job == Job(
        rows="all.jsonl",
        name="move-ssh",
        format=Format.JSONL,
        where=WhereSettings(
            profile="prod",
            region="cn-north-4",
            project_id="6e9dfd51d1124e8d8498dce894923a0d",
            endpoint="simulator",
        ),
        pace=PaceSettings(
            rate=Rate(requests=100, period_s=60),
            concurrency=16,
            attempts=3,
            connect_timeout_s=1,
            read_timeout_s=2.5,
            total_timeout_s=9,
            settle_s=0,
        ),
        guards=Guards(
            max_failures=Share(number=5, is_percent=True),
            canary=3,
            strict=True,
            max_changes=Share(number=10, is_percent=True),
            max_removed=Share(number=7),
            max_consumers=500,
        ),
        when=WhenSettings(
            window=Window(spans=(Daily(start=time(22), end=time(4), zone=UTC),)),
            blackout=read_blackout("2026-11-11; 2026-12-24..2027-01-03"),
            spare=Duration(seconds=120),
            must_fit=True,
        ),
        skip_invalid=True,
        allow_parking=True,
        simulator=SimulatorSettings(fleet="seed.jsonl"),
    )
    assert job.where.target == Target("cn-north-4", "6e9dfd51d1124e8d8498dce894923a0d", "prod")


def test_flags_win_and_those_not_given_do_not() -> None:
    """None is what a command line has where nothing was written."""
    job = job_of(
        'rate = "5/s"\nregion = "cn-north-4"\nstrict = true', rate="7/s", region=None, strict=None, name=None
    )
    assert job.pace.rate == Rate(requests=7, period_s=1)
    assert (job.where.region, job.guards.strict, job.name) == ("cn-north-4", True, "job")


def test_false_and_0_are_given() -> None:
    """`--no-strict` undoes what job.toml says, and `--canary 0` likewise."""
    job = job_of("strict = true\ncanary = 3", strict=False, canary="0")
    assert (job.guards.strict, job.guards.canary) == (False, 0)


def test_a_fleet_needs_no_rows() -> None:
    """Whoever only reads a fleet gives where and how fast; what else there is belongs to a job."""
    settings = read_settings(FleetSettings, {}, flags={"region": "cn-north-4", "rate": "5/s"})
    assert isinstance(settings, FleetSettings)
    assert (settings.where.region, settings.pace.rate) == ("cn-north-4", Rate(requests=5, period_s=1))
    assert isinstance(read_settings(FleetSettings, {}, flags={"canary": "3"}), tuple)


def test_the_name_is_that_of_the_file_unless_job_toml_says_another() -> None:
    """The default name yields to the key."""
    flags = {"rows": "x.csv"}
    default = read_job(b"", name="", default_name="night", flags=flags)
    named = read_job(b'name = "day"', name="", default_name="night", flags=flags)
    assert isinstance(default, Job)
    assert isinstance(named, Job)
    assert (default.name, named.name) == ("night", "day")


@pytest.mark.parametrize(
    ("text", "rate", "per_s", "written"),
    [
        ("20/s", Rate(requests=20, period_s=1), 20.0, "20/s"),
        (" 100 / m ", Rate(requests=100, period_s=60), 100 / 60, "100/m"),
        ("1/min", Rate(requests=1, period_s=60), 1 / 60, "1/m"),
        ("36/h", Rate(requests=36, period_s=3600), 0.01, "36/h"),
    ],
)
def test_a_rate_is_a_count_and_a_period(text: str, rate: Rate, per_s: float, written: str) -> None:
    """And it is written the way it is read."""
    job = job_of(rate=text)
    assert job.pace.rate == rate
    assert rate.per_s == pytest.approx(per_s)
    assert str(rate) == written
    assert job_of(rate=written).pace.rate == rate


def test_auto_leaves_rate_and_concurrency_to_the_run() -> None:
    """None stands for auto."""
    job = job_of(rate="auto", concurrency="auto")
    assert (job.pace.rate, job.pace.concurrency) == (None, None)


def test_numbers_come_as_numbers_or_as_text() -> None:
    """Flags give text where job.toml gives numbers; both mean the same."""
    texts = job_of(concurrency="16", canary=" 3", max_failures="10", attempts="7", settle_s="2.5")
    numbers = job_of("concurrency = 16\ncanary = 3\nmax_failures = 10\nattempts = 7\nsettle_s = 2.5")
    assert texts == numbers


@pytest.mark.parametrize("name", ["rows", "name", "profile", "window", "max_failures", "canary"])
def test_a_fraction_is_no_text_and_no_count(name: str) -> None:
    """A file that would be called 1.5 needs its quotes."""
    (issue,) = issues_of(f"{name} = 1.5", **({} if name == "rows" else {"rows": "x.csv"}))
    assert issue.startswith(f"job.toml:1:1: {name}: 1.5 is not ")


@pytest.mark.parametrize(
    ("share", "written", "of_7"),
    [(Share(number=10), "10", 10), (Share(number=50, is_percent=True), "50%", 3), (Share(number=0), "0", 0)],
)
def test_a_share_is_a_count_or_rounds_down(share: Share, written: str, of_7: int) -> None:
    """A limit in per cent is never exceeded by rounding."""
    assert str(share) == written
    assert share.of(7) == of_7
    assert job_of(max_failures=written).guards.max_failures == share


def opening_at(window: str, now: str) -> tuple[float, Opening | None]:
    """Return a moment as UTC seconds, and the opening of a window then, or the next one."""
    at, job = datetime.fromisoformat(now), job_of(window=window)
    assert job.when.calendar is not None
    assert at.tzinfo is not None
    return at.timestamp(), job.when.calendar.next_opening(at.timestamp(), at.tzinfo)


@pytest.mark.parametrize(
    ("window", "now", "closes"),
    [
        ("02:00-04:00", "2026-01-15T02:00:00+08:00", "2026-01-15T04:00:00+08:00"),
        ("02:00-04:00", "2026-01-15T03:59:59+08:00", "2026-01-15T04:00:00+08:00"),
        ("02:00-04:00", "2026-01-15T04:00:00+08:00", None),
        ("02:00-04:00", "2026-01-15T01:59:59+08:00", None),
        ("22:00-04:00", "2026-01-15T23:30:00+00:00", "2026-01-16T04:00:00+00:00"),
        ("22:00-04:00", "2026-01-16T01:00:00+00:00", "2026-01-16T04:00:00+00:00"),
        ("02:00-04:00 UTC", "2026-01-15T11:00:00+08:00", "2026-01-15T04:00:00+00:00"),
        ("02:00-04:00Z", "2026-01-15T02:30:00+08:00", None),
        ("2026-01-15T04:00Z", "2026-01-15T11:00:00+08:00", "2026-01-15T04:00:00+00:00"),
        ("2026-01-15T04:00Z", "2026-01-15T04:00:00+00:00", None),
        ("2026-01-15T04:00", "2026-01-15T03:00:00+08:00", "2026-01-15T04:00:00+08:00"),
    ],
)
def test_a_window_says_until_when_it_is_open(window: str, now: str, closes: str | None) -> None:
    """Daily windows may cross midnight; a time without zone is local; the end is no longer within."""
    present, opening = opening_at(window, now)
    is_open = opening is not None and opening.opens_at <= present
    assert (opening.closes_at if opening and is_open else None) == (
        datetime.fromisoformat(closes).timestamp() if closes else None
    )


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        ("02:00-04:00", "2026-01-15T01:00:00+08:00", "2026-01-15T02:00:00+08:00"),
        ("02:00-04:00", "2026-01-15T04:00:00+08:00", "2026-01-16T02:00:00+08:00"),
        ("02:00-04:00 UTC", "2026-01-15T12:00:00+08:00", "2026-01-16T02:00:00+00:00"),
        ("Sat#3 01:00-05:00 Asia/Shanghai", "2026-01-15T12:00:00+00:00", "2026-01-17T01:00:00+08:00"),
        ("Mon-Wed,Sun 01:00-05:00", "2026-01-14T05:00:00+00:00", "2026-01-18T01:00:00+00:00"),
        (
            "2026-12-01T01:00+08:00..2026-12-01T05:00+08:00",
            "2026-01-15T12:00:00+00:00",
            "2026-12-01T01:00:00+08:00",
        ),
        ("2026-01-15T04:00Z", "2026-01-15T04:00:00+00:00", None),
    ],
)
def test_a_window_says_when_it_opens_next(window: str, now: str, opens: str | None) -> None:
    """A deadline never does: what is before it is open already."""
    _, opening = opening_at(window, now)
    assert (opening.opens_at if opening else None) == (
        datetime.fromisoformat(opens).timestamp() if opens else None
    )


@pytest.mark.parametrize(
    "window",
    [
        "02:00-04:00",
        "22:30-04:00 UTC",
        "00:00-24:00",
        "2026-01-15T04:00:00+00:00",
        "Mon-Thu,Sun 22:00-04:00 Asia/Shanghai",
        "Sat,Sun 01:00-05:00; Tue#1,Sat#3 01:00-05:00 Europe/Berlin",
        "2026-12-01T01:00:00+08:00..2026-12-01T05:00:00+08:00",
    ],
)
def test_a_window_is_written_as_it_is_read(window: str) -> None:
    """A ledger's settings can be read again."""
    assert str(job_of(window=window).when.window) == window


def test_job_toml_may_give_a_moment_of_its_own() -> None:
    """TOML has dates."""
    job = job_of("window = 2026-01-15T04:00:00Z")
    assert job.when.window == Window(spans=(Dated(end=datetime(2026, 1, 15, 4, tzinfo=UTC)),))


def test_a_list_means_what_its_texts_mean_behind_semicolons() -> None:
    """In whatever order they stand, and whatever stands in them twice; a flag has one text."""
    listed = job_of('window = ["Sat 01:00-05:00 UTC", "02:00-04:00"]\nblackout = [2026-11-11, "2026-12-24"]')
    assert listed == job_of('blackout = "2026-12-24; 2026-11-11"', window=" 02:00-04:00;sat 01:00-05:00  z")
    assert listed.when.calendar == Calendar(
        window=read_window("02:00-04:00; Sat 01:00-05:00 UTC"),
        blackout=read_blackout("2026-11-11; 2026-12-24"),
    )
    assert settings_json(listed)["window"] == "02:00-04:00; Sat 01:00-05:00 UTC"


def test_a_blackout_alone_leaves_all_other_days() -> None:
    """A job without a window may be sent on any other day."""
    calendar = job_of('blackout = "2026-11-11"').when.calendar
    assert calendar is not None
    at = datetime(2026, 11, 11, 12, tzinfo=UTC).timestamp()
    opening = calendar.next_opening(at, UTC)
    assert opening is not None
    assert opening.opens_at == datetime(2026, 11, 12, tzinfo=UTC).timestamp()
    assert (str(calendar), calendar.is_local) == ("not 2026-11-11", True)


@pytest.mark.parametrize(("spare", "seconds"), [('"90s"', 90), ("120", 120), ('"2m"', 120), ('"1 h"', 3600)])
def test_a_spare_is_a_length_of_time(spare: str, seconds: float) -> None:
    """`auto` is what a request, its settle time and the last look take at the rate, and ten seconds."""
    assert job_of(f"spare = {spare}").spare_s(pages=7) == seconds
    assert job_of('spare = "auto"\nrate = "2/s"').spare_s(pages=7) == 60 + 2 + 3.5 + 10
    assert job_of().spare_s(pages=1) == 60 + 2 + 0.1 + 10


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("simulator", "simulator"),
        ("https://vpcep.eu-de.otc.t-systems.com/", "https://vpcep.eu-de.otc.t-systems.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_endpoint_is_an_origin_or_the_simulator(endpoint: str, origin: str) -> None:
    """A trailing slash is no path."""
    assert job_of(endpoint=endpoint).where.endpoint == origin


@pytest.mark.parametrize(
    "via",
    [
        "",
        "local",
        "nats://127.0.0.1",
        "nats://127.0.0.1:4222,nats://nats-b:1,nats://[::1]:65535",
        "tls://nats.example.com,tls://nats.example.com:4222",
    ],
)
def test_a_way_through_workers_is_one_nats_or_local(via: str) -> None:
    """Several servers of one NATS have one scheme: all are encrypted, or none has to be."""
    assert job_of(via=via).where.via == via


@pytest.mark.parametrize("via", ["nats://a:0", "tls://a:65536", "nats://b,nats://a:0,nats://c", "nats://a\n"])
def test_a_port_that_is_none_is_no_address_of_nats(via: str) -> None:
    """Each server of a list has one of its own."""
    issue = SETTINGS["via"].form.read(via)
    assert isinstance(issue, Issue)
    assert "is not an address of NATS" in issue.message


@pytest.mark.parametrize("has_used_workers", [False, True])
@pytest.mark.parametrize("via", ["", "local", "tls://nats.example.com"])
def test_what_may_leave_later_takes_effect_later(via: str, has_used_workers: bool) -> None:  # noqa: FBT001 - a case
    """A request may leave a worker some time after its turn, also one of an earlier session."""
    job, more_s = job_of(via=via, settle_s="2.5"), SEND_WITHIN_S if via else 0.0
    waited_s = SEND_WITHIN_S if via or has_used_workers else 0.0
    assert job.settle_s(has_used_workers=has_used_workers) == 2.5 + waited_s
    assert job.spare_s(pages=1) == 60 + 2.5 + more_s + 0.1 + 10
    assert job_of(via=via, spare="7s").spare_s(pages=1) == 7


BAD_SETTINGS = [
    *(
        ("via", f'"{via}"', "is not an address of NATS; write tls://HOST:PORT or local; user and password go")
        for via in (
            "nats.example.com",
            "Local",
            "nats://",
            "ws://nats.example.com",
            "NATS://nats.example.com",
            "https://nats.example.com",
            "nats://a/b",
            "nats://a?b",
            "nats://a#b",
            "nats://a:b",
            "nats://a,",
            "nats://a, nats://b",
            "nats://a,tls://b",
            "tls://a,nats://b",
            "nats://a,local",
            " nats://a",
            "nats://[::1",
            "nats://::1",
        )
    ),
    *(
        ("via", f'"{via}"', '"[redacted]@nats:4222" is not an address of NATS')
        for via in (
            "nats://ann:hidden@nats:4222",
            "tls://token@nats:4222",
            "nats://a,nats://ann:h@b@nats:4222",
        )
    ),
    ("via", "7", "7 is not an address of NATS"),
    ("via", "[]", "is not an address of NATS"),
    ("rate", '"20"', "20/s, 100/m, 5/h or auto"),
    ("rate", '"0/s"', "is not a rate"),
    ("rate", "20", "is not a rate"),
    ("concurrency", "0", "write 1 to 1000, or auto"),
    ("concurrency", '"many"', "is not a number of PUTs in flight"),
    ("attempts", '"five"', "is not a number of attempts; write 1 to 100"),
    ("attempts", "0", "write 1 to 100"),
    ("connect_timeout_s", "0", "write a number from 0.001 to 3600"),
    ("settle_s", "nan", "nan is not a time in seconds"),
    ("settle_s", "inf", "write a number from 0 to 600"),
    ("settle_s", "true", "True is not a time in seconds"),
    ("settle_s", "-1", "is not a time in seconds"),
    ("total_timeout_s", "3601", "from 0.001 to 3600"),
    ("max_failures", '"101%"', "is not a count or a percentage"),
    ("max_changes", "-1", "write 10 or 5%"),
    ("max_removed", "1.5", "1.5 is not a count or a percentage"),
    ("canary", '"3%"', "is not a count"),
    ("canary", "true", "is not a count"),
    ("window", '"2:00-4:00"', "is not a window"),
    ("window", '"02:00-02:00"', "is not a window"),
    (
        "window",
        '"02:00-04:00 Asia/Shanghi"',
        '"Asia/Shanghi" is not a time zone; did you mean Asia/Shanghai?',
    ),
    ("window", '"02:00-04:00 Nowhere"', "write a name such as Asia/Shanghai, or UTC"),
    ("window", '"Saturdy 02:00-04:00"', '"Saturdy" is not a day; did you mean Sat?'),
    ("window", '"Q 02:00-04:00"', "days are Mon, Tue, Wed, Thu, Fri, Sat, Sun"),
    ("window", '"Sat#6 02:00-04:00"', '"Sat#6" is not a day of the month; write Sat#1 to Sat#5'),
    ("window", '"Mon-Fri#2 02:00-04:00"', '"Fri#2" is not a day'),
    ("window", '"Mon#2-Fri 02:00-04:00"', "write Sat#1 to Sat#5"),
    ("window", '"Sat# 02:00-04:00"', "write Sat#1 to Sat#5"),
    ("window", '["02:00-04:00", "tomorrow 05:00"]', '"tomorrow 05:00" is not a window'),
    ("window", '["02:00-04:00", 5]', "is not a window"),
    ("window", "[]", "[] is not a window"),
    ("window", '"02:00-04:00; "', '"" is not a window'),
    ("window", '"2026-01-15T04:00Z..2026-01-15T01:00Z"', "it ends before it begins; write the earlier"),
    ("window", '"2026-01-15T04:00..2026-01-15T05:00Z"', "write both with an offset"),
    ("blackout", '"2026-02-30"', '"2026-02-30" is not a day or a range of days; write 2026-11-11 or'),
    ("blackout", '"2026-01-15..2026-01-14"', "it ends before it begins; write the earlier day first"),
    ("blackout", '"9999-01-01"', "is not a day"),
    ("blackout", '"Christmas"', "is not a day"),
    ("spare", '"long"', "is not a length of time; write auto, or a time such as 90s, 2m or 1h"),
    ("spare", "-1", "is not a length of time"),
    ("must_fit", '"perhaps"', "is not true or false"),
    ("window", '"02:00-24:01"', "is not a window"),
    ("window", '"tonight"', "02:00-04:00 UTC"),
    ("window", '"2026-13-01T04:00"', "is not a window"),
    ("window", '"0001-01-01T00:00+08:00"', "is not a window"),
    ("window", '"9999-12-31T23:00-08:00"', "is not a window"),
    ("window", "9999-12-31T23:59:59", "is not a window"),
    ("window", "0001-01-01T00:00:00Z", "is not a window"),
    ("window", "5", "5 is not a window"),
    ("window", "04:00:00", "04:00:00 is not a window"),
    ("window", "2026-01-15", "2026-01-15 is not a window"),
    ("endpoint", '"vpcep.example.com"', "https://HOST"),
    ("endpoint", '"https://example.com/v1"', "is not the address"),
    ("endpoint", '"https://user:secret@example.com"', "is not the address"),
    ("endpoint", '"https://[::1"', "is not the address"),
    ("endpoint", '"https://example.com:x"', "is not the address"),
    ("endpoint", '"https://example.com:0"', "is not the address"),
    ("endpoint", '"https://example.com:65536"', "is not the address"),
    ("endpoint", "5", "is not the address"),
    ("strict", '"yes"', '"yes" is not true or false; write true or false'),
    ("strict", "1", "1 is not true or false"),
    ("format", '"xlsx"', '"xlsx" is not one of csv, jsonl; write csv or jsonl'),
    ("format", "[1]", "[1] is not one of csv, jsonl"),
    ("name", '"../x"', 'is not a name; write, for example, "move-ssh"'),
    ("region", '"Beijing"', "is not a region"),
    ("project_id", '"web"', "is not a project id"),
    ("simulator", "5", '5 is not a table; write { fleet = "fleet.jsonl" }'),
    ("rows", '""', '"" is not the name of a file; write, for example, "services.csv"'),
    ("rat", "5", "unknown key; did you mean rate?"),
    ("colour", "5", "unknown key; known keys: rows, name"),
]


@pytest.mark.parametrize(("key", "value", "words"), BAD_SETTINGS)
def test_an_issue_has_the_place_of_the_setting_and_what_to_write(key: str, value: str, words: str) -> None:
    """Line and column of the key, what is wrong, what to write."""
    first = "" if key == "rows" else 'rows = "services.csv"'
    (issue,) = issues_of(f"# settings\n{first}\n  {key} = {value}\n")
    assert issue.startswith(f"job.toml:3:3: {key}: ")
    assert words in issue
    assert issue.isprintable()


def test_an_issue_of_a_flag_has_its_name_as_the_place() -> None:
    """Flags are judged by the same rules, and stand in the order of the table."""
    assert issues_of("", rows="x.csv", max_failures="x%", region="Beijing") == [
        '--region: "Beijing" is not a region; write, for example, "cn-north-4"',
        '--max-failures: "x%" is not a count or a percentage; write 10 or 5%',
    ]


def test_a_stored_value_that_a_flag_replaces_has_no_issue() -> None:
    """What counts is what is used."""
    assert job_of('region = "Beijing"', region="cn-north-4").where.region == "cn-north-4"


def test_all_issues_of_file_and_flags_are_found_at_once() -> None:
    """One reading finds them all: a missing key, an unknown one, bad values, a table's."""
    assert len(issues_of('rat = 1\nname = "/"\n[simulator]\nflet = 1\n', rate="x")) == 5


def test_a_key_of_a_table_has_its_own_place() -> None:
    """The place is that of the key in its table, not of its namesake outside."""
    (issue,) = issues_of('rows = "x"\n\n[simulator]\n fleet = 1\n')
    assert issue.startswith("job.toml:4:2: simulator.fleet: 1 is not the name of a file")
    (issue,) = issues_of('rows = "x"\nfleet = 1\n[simulator]\nfleet = "x"')
    assert issue.startswith("job.toml:2:1: fleet: unknown key")
    (issue,) = issues_of('rows = "x"\n"rat" = 1\n')
    assert issue.startswith("job.toml:2:2: rat: unknown key")


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\u2029", "\r\n#"])
def test_a_line_ends_where_toml_has_it(odd: str) -> None:
    """Not at what else Python calls the end of a line, which editors do not count."""
    (issue,) = issues_of(f'# notes{odd}more\nrows = "x"\nrate = 1\n')
    assert issue.startswith(f"job.toml:{3 + odd.count('#')}:1: rate: ")


@pytest.mark.parametrize(
    ("written", "flags", "place"),
    [
        (b'rows = "x"\n soak = "1m"\n', {}, "job.toml:2:2: soak: "),
        (b'rows = "x"\nsoak = "1m"\n', {"soak": "2m"}, "--soak: "),
        (b'rows = "x"\n', {}, "settings: soak: "),
        (b"\xff", {}, "settings: soak: "),
    ],
)
def test_what_is_found_later_has_the_place_where_the_setting_was_written(
    written: bytes, flags: dict[str, str], place: str
) -> None:
    """A flag, a line, or neither for a default; what has a place keeps it."""
    issue = Issue(place="settings", field="soak", message="m", hint="h")
    elsewhere = replace(issue, place="x.csv:1:1")
    found, kept = located((issue, elsewhere), written, name="job.toml", flags=flags)
    assert f"{found.place}: {f'{found.field}: ' if found.field else ''}" == place
    assert kept == elsewhere


@pytest.mark.parametrize("written", ["[ simulators ]\n", "[simulators.more]\n", "[[ simulators ]]\n"])
def test_an_unknown_table_has_the_place_of_its_header(written: str) -> None:
    """Also where only tables below it have headers."""
    (issue,) = issues_of(f'rows = "x"\n{written}')
    assert issue.startswith("job.toml:2:")
    assert issue.endswith(": simulators: unknown key; did you mean simulator?")


@pytest.mark.parametrize(
    ("key", "meant"), [("max_failures", "max_failures"), ("max_failurs", "max_failures")]
)
def test_a_setting_below_the_header_of_a_table_belongs_above_it(key: str, meant: str) -> None:
    """TOML cannot end a table: a line that is added at the end of a job.toml falls into the last one."""
    (issue,) = issues_of(f'rows = "x"\n[simulator]\nfleet = "y"\n{key} = 3\n')
    assert issue.startswith(f"job.toml:4:1: simulator.{key}: unknown key below [simulator]; ")
    assert issue.endswith(f"write {meant} above the line [simulator]")


def test_a_key_like_none_that_is_known_is_answered_with_the_known_ones() -> None:
    """In a table, with those of the table."""
    (issue,) = issues_of('rows = "x"\n[simulator]\ncolour = 5\n')
    assert issue == "job.toml:3:1: simulator.colour: unknown key; known keys: fleet"


def test_a_job_needs_rows() -> None:
    """A job without a job file is none."""
    assert issues_of("") == [
        'job.toml:1:1: rows: the key is missing; add, for example, rows = "services.csv"'
    ]


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        (b"rows = \n", "1:8"),
        (b'a = 1\nrows = "x', "2:1"),
        (b"a = 1\na = 2\n", "2:6"),
        (b'rows = "\xff"', "1:1"),
        (b"\nattempts = " + b"9" * 5000, "2:1"),
        (b"\nattempts = " + b"[" * 5000, "2:1"),
    ],
)
def test_a_file_that_is_no_toml_has_the_place_where_that_shows(toml: bytes, place: str) -> None:
    """The line and column of the first thing that cannot be read."""
    (issue,) = issues_of(toml)
    assert issue.startswith(f"job.toml:{place}: ")


def test_a_byte_order_mark_is_no_fault() -> None:
    """Editors on some systems write one."""
    assert isinstance(read_job(b'\xef\xbb\xbfrows = "x"', name="job.toml", flags={}), Job)
    assert issues_of(b"\xef\xbb\xbfrows = 1")[0].startswith("job.toml:1:1: rows: ")


def test_the_schema_has_every_setting_and_its_examples_are_right() -> None:
    """The example of each key is accepted, and nothing but the known keys is; tables likewise."""
    schema = job_schema()
    for table in (schema, schema["properties"]["simulator"]):
        assert table["additionalProperties"] is False
    assert schema["required"] == ["rows"]
    assert schema["properties"]["simulator"]["properties"]["fleet"]["default"] == "fleet.jsonl"
    assert list(schema["properties"]) == list(SETTINGS)
    for name, facts in schema["properties"].items():
        assert facts["description"].endswith(".")
        for example in facts["examples"]:
            job = read_job(b"", name="", flags={"rows": "x.csv", name: example})
            assert isinstance(job, Job), (name, job)


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if not setting.form.table])
def test_a_default_and_an_example_are_read_as_text_too(name: str) -> None:
    """Flags and variables give text, whatever TOML has for the value."""
    setting = SETTINGS[name]
    for written in (setting.example, setting.form.written(setting.default)):
        if isinstance(written, str | int | float):
            texts = {written, str(written)}
            assert len({setting.form.read(each) for each in texts}) == 1
            assert not isinstance(setting.form.read(str(written)), Issue)


@pytest.mark.parametrize(("key", "value", "words"), BAD_SETTINGS)
def test_a_pattern_of_the_schema_refuses_what_reading_refuses(key: str, value: str, words: str) -> None:
    """A pattern is as strict as the reading, but for times of day, dates and numbers of ports."""
    assert words
    pattern = job_schema()["properties"].get(key, {}).get("pattern")
    if pattern and value.startswith('"') and not re.search(r"\d[-:]\d", value) and ".com:" not in value:
        assert not re.search(pattern, value.strip('"'))


@pytest.mark.parametrize(
    "text",
    [
        "cn-north-4",
        "my-kualalumpur-1",
        "eu-de",
        "Beijing",
        "cn_north",
        "-a",
        "a-" + "b" * 21,
        "cn-north-4\n",
        "prod",
        "a b",
        "a@b",
    ],
)
def test_job_and_rows_take_the_same_regions_projects_and_profiles(text: str) -> None:
    """What job.toml takes for rows that name none, a row could have named."""
    for name in ("region", "project_id", "profile"):
        job = read_job(b"", name="", flags={"rows": "x.csv", name: text})
        assert isinstance(job, Job) == isinstance(COLUMNS[name].form.of_json(text), str)


def test_the_formats_of_a_job_are_those_of_the_rows() -> None:
    """A format that is added to the reading is added to the setting."""
    for form in Format:
        assert job_of(format=form.value).format == form


def test_every_type_of_the_schema_stands_once() -> None:
    """Editors refuse a whole schema in which one is listed twice."""
    for setting in job_schema()["properties"].values():
        types = setting.get("type", [])
        assert isinstance(types, str) or len(types) == len(set(types))


def test_a_tiny_number_is_read_as_it_is_written() -> None:
    """0.00001 is 1e-05 for Python and for JSON."""
    job = job_of('settle_s = "0.00001"')
    assert job_of("settle_s = 1e-05") == job
    assert settings_json(job)["settle_s"] == 1e-05


def test_a_job_toml_is_read_soon_whatever_its_length() -> None:
    """A megabyte in one value, or very many keys that are unknown."""
    began = time_module.process_time()
    (long,) = issues_of(f'rows = "x"\nrate = "{"1" * 1_000_000}"\n')
    many = issues_of('rows = "x"\n' + "".join(f"k{number} = 1\n" for number in range(5_000)))
    assert time_module.process_time() - began < 3
    assert len(long) < 200
    assert many[-1].startswith("job.toml:5001:1: k4999: unknown key")
