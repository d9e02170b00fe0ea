"""`bulk apply`: every format, every way a run ends, and every way it goes on."""

import io
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.cli import logs
from bulk.cli.main import main
from bulk.clock import SystemClock
from bulk.errors import ExitCode
from bulk.ledger.file import LedgerFile, only_run
from tests.scenarios.stage import Ended, Stage, Typed, fleet_lines, wide
from tests.simulator_caller import OTHER_PROJECT, PROJECT, line, mapping, service_id

MISSING = 99

LONG = "service_id,client_port,server_port,protocol\n" + "".join(
    f"{service_id(n)},80,{8000 + n},TCP\n{service_id(n)},8443,{9000 + n},tcp\n" for n in (1, 2)
)
JSONL = "".join(
    orjson.dumps(
        {"service_id": service_id(n), "ports": [mapping(80, 8000 + n), mapping(8443, 9000 + n)]}
    ).decode()
    + "\n"
    for n in (1, 2)
)


AFTER_THE_WINDOW = 32_503_680_000.0
"""The year 3000."""


def fault(kind: str, **members: Any) -> dict[str, Any]:
    """Return an order for one rule of faults."""
    return {"rules": [{"kind": kind, **members}]}


def piped(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a text on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))


# Formats


@pytest.mark.parametrize(
    ("name", "rows"),
    [("a.csv", wide([1, 2])), ("a.csv", LONG), ("a.jsonl", JSONL)],
    ids=["wide", "long", "jsonl"],
)
def test_each_format_brings_the_services_to_what_it_says(name: str, rows: str, stage: Stage) -> None:
    """A plain file plus flags is a job; its ledger goes into `runs` beside it."""
    ended = stage.apply(stage.file(name, rows))
    assert ended.code == ExitCode.OK, ended.err
    assert [stage.ports(n) for n in (1, 2)] == [[(80, 8001), (8443, 9001)], [(80, 8002), (8443, 9002)]]
    assert "a is finished: all 2 services are as asked." in ended.out
    assert stage.outcomes() == {"applied": 2}
    assert stage.ledger.name.startswith("a-")
    assert stage.ledger.stat().st_mode & 0o777 == 0o600


def test_standard_input_is_a_job_file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its format said, and a yes on the command line, for nobody can be asked."""
    piped(JSONL, monkeypatch)
    assert stage.apply("-", "--format", "jsonl").code == ExitCode.OK
    assert stage.outcomes() == {"applied": 2}
    piped(JSONL, monkeypatch)
    refused = stage.bulk("apply", "-", "--format", "jsonl")
    assert refused.code == ExitCode.USAGE
    assert "nobody can be asked here (standard input is not a terminal); nothing was sent" in refused.err
    assert "add --yes to go ahead, or -n to see the plan only" in refused.err


def test_rows_may_add_remove_and_expect(stage: Stage) -> None:
    """The full list is computed from the live map; a failed expectation refuses the row."""
    rows = (
        "service_id,add_ports,remove_ports,expect_ports\n"
        f"{service_id(1)},53:53/UDP,,\n"
        f"{service_id(2)},,443:9002,80:8002 443:9002\n"
        f"{service_id(3)},53:53/UDP,,1:1\n"
    )
    assert stage.apply(stage.job(rows)).code == ExitCode.SOME_FAILED
    assert stage.ports(1) == [(80, 8001), (443, 9001), (53, 53)]
    assert stage.ports(2) == [(80, 8002)]
    assert stage.ports(3) == [(80, 8003), (443, 9003)]
    assert stage.outcomes() == {"applied": 2, "refused": 1}


def test_other_settings_travel_with_the_ports(stage: Stage) -> None:
    """Only the fields that a row names are sent."""
    rows = f"service_id,description,approval_enabled\n{service_id(1)},moved at night,false\n"
    assert stage.apply(stage.job(rows)).code == ExitCode.OK
    (put,) = stage.applied
    assert orjson.loads(put.body) == {"description": "moved at night", "approval_enabled": False}


@pytest.mark.parametrize(
    "stage",
    [
        {
            "fleet": [line(1), line(2, project_id=OTHER_PROJECT)],
            "projects": {"cn-north-4": PROJECT, "cn-north-4_dev": OTHER_PROJECT},
        }
    ],
    indirect=True,
)
def test_one_job_reaches_several_projects(stage: Stage) -> None:
    """Each row says where; each project is listed by itself."""
    rows = (
        f"service_id,project_id,ports\n{service_id(1)},{PROJECT},1:1\n{service_id(2)},{OTHER_PROJECT},2:2\n"
    )
    ended = stage.apply(stage.job(rows))
    assert "job is finished: all 2 services are as asked." in ended.out
    assert {put.project_id for put in stage.applied} == {PROJECT, OTHER_PROJECT}


# Again


def test_the_same_command_again_sends_nothing(stage: Stage) -> None:
    """What is right already is kept, and the exit code is 0 again."""
    job = stage.job(wide(range(1, 6)))
    assert stage.apply(job).code == ExitCode.OK
    assert stage.apply(job).code == ExitCode.OK
    assert len(stage.applied) == 5
    assert stage.outcomes() == {"already": 5}
    assert len(stage.ledgers) == 2


def stopped(stage: Stage, **settings: Any) -> str:
    """Leave a run open: the second of its five PUTs fails and nothing more may."""
    job = stage.job(wide(range(1, 6)), concurrency=1, max_failures=0, **settings)
    stage.order(faults=fault("code", code="EndPoint.0002", http=400, method="PUT", nth=2))
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    assert stage.outcomes() == {"applied": 1, "failed": 1, "not_attempted": 3}
    return job


def test_the_same_command_goes_on_where_a_run_stopped(stage: Stage) -> None:
    """With the same ledger; what was applied is not sent again."""
    job = stopped(stage)
    ended = stage.apply(job, *stage.despite())
    assert "continuing with" in ended.err
    assert ended.code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 4, "failed": 1}
    assert len(stage.ledgers) == 1
    assert sorted(put.id for put in stage.applied) == [service_id(n) for n in (1, 3, 4, 5)]


def test_a_run_can_be_gone_on_with_by_its_ledger(stage: Stage) -> None:
    """The job file may be gone."""
    stopped(stage)
    (stage.folder / "services.csv").unlink()
    assert stage.apply(str(stage.ledger), *stage.despite()).code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 4, "failed": 1}


def test_a_job_file_that_changed_does_not_go_on(stage: Stage) -> None:
    """Exit 7 with both ways out; nothing is sent."""
    job = stopped(stage)
    stage.file("services.csv", wide(range(1, 7)))
    ended = stage.apply(job)
    assert ended.code == ExitCode.REFUSED
    assert f"bulk apply {stage.ledger}" in ended.err
    assert "--new-run" in ended.err
    assert len(stage.applied) == 1


def test_a_new_run_leaves_the_open_one_as_it_is(stage: Stage) -> None:
    """And has a ledger of its own."""
    job = stopped(stage)
    stage.file("services.csv", wide(range(1, 7)))
    assert stage.apply(job, "--new-run", *stage.despite()).code == ExitCode.OK
    assert stage.outcomes() == {"applied": 5, "already": 1}
    assert stage.outcomes(stage.ledgers[0])["not_attempted"] == 3


def test_another_limit_does_not_go_on_with_the_open_run(stage: Stage) -> None:
    """Who names one service must not set three others going."""
    job = stopped(stage)
    ended = stage.apply(job, "--limit", service_id(5), "--max-failures", "9")
    assert ended.code == ExitCode.REFUSED
    assert len(stage.applied) == 1


def test_a_ledger_is_applied_as_it_is(stage: Stage) -> None:
    """`--limit` and `--ledger` go with a job."""
    stopped(stage)
    assert stage.apply(str(stage.ledger), "--limit", service_id(3)).code == ExitCode.USAGE
    assert stage.apply(str(stage.ledger), "--ledger", "other").code == ExitCode.USAGE


def test_the_ledger_goes_where_it_is_told_and_goes_on_from_there(stage: Stage) -> None:
    """`--ledger` in both commands."""
    job = stage.job(wide([1, 2]), max_failures=0, concurrency=1)
    stage.order(faults=fault("code", code="EndPoint.0002", http=400, method="PUT", nth=1))
    place = str(stage.folder / "elsewhere" / "night.jsonl")
    assert stage.apply(job, "--ledger", place).code == ExitCode.SAFETY_LIMIT
    assert stage.apply(job, "--ledger", place, *stage.despite(Path(place))).code == ExitCode.SOME_FAILED
    assert stage.outcomes(Path(place)) == {"applied": 1, "failed": 1}
    assert stage.ledgers == []


# How a run ends


def test_some_failed_rows_end_with_4_and_the_others_are_applied(stage: Stage) -> None:
    """One that the API refuses, one that the plan refuses, each with its reason."""
    stage.order(faults=fault("code", code="EndPoint.0002", http=400, service_id=service_id(2), method="PUT"))
    ended = stage.apply(stage.job(wide([1, 2, 3, MISSING])))
    assert ended.code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 2, "failed": 1, "refused": 1}
    result = ended.out.partition("job is finished; 2 of 4 services are not as asked.")[2]
    assert "! 1 failed  EndPoint.0002" in result
    assert "! 1 refused  no such service in" in result
    assert service_id(2)[:8] in result
    assert service_id(MISSING)[:8] in result


@pytest.mark.parametrize(
    ("answer", "code"), [("yes\n", 0), (" YES \n", 0), ("y\n", 5), ("\n", 5), ("", 5)], ids=repr
)
def test_only_yes_is_a_yes(answer: str, code: int, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else ends with 5, sends nothing and leaves no ledger."""
    monkeypatch.setattr(sys, "stdin", Typed(answer))
    ended = stage.bulk("apply", stage.job(wide([1])))
    asked = " ".join(ended.err.split())
    assert "Change 1 service in cn-north-4 at 127.0.0.1:" in asked
    assert "? Only yes goes ahead:" in asked
    assert ended.code == code
    assert len(stage.applied) == len(stage.ledgers) == (code == 0)


def test_where_there_is_nothing_to_do_nobody_is_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of rows that are right already just ends with 0."""
    monkeypatch.setattr(sys, "stdin", Typed(""))
    ended = stage.bulk("apply", stage.job(wide([1], client_port=443)))
    assert (ended.code, "Only yes" in ended.err) == (ExitCode.OK, False)


def test_without_a_terminal_and_without_yes_it_refuses(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never hangs: 2 at once."""
    piped("", monkeypatch)
    ended = stage.bulk("apply", stage.job(wide([1])))
    assert ended.code == ExitCode.USAGE
    assert "--yes" in ended.err


def test_too_many_failures_stop_the_run_with_6(stage: Stage) -> None:
    """The rest is not attempted, and the command that goes on is told."""
    stage.order(faults=fault("code", code="EndPoint.0002", http=400, method="PUT", times=None))
    ended = stage.apply(stage.job(wide(range(1, 11)), concurrency=1), "--max-failures", "20%")
    assert ended.code == ExitCode.SAFETY_LIMIT
    assert stage.outcomes() == {"failed": 3, "not_attempted": 7}
    assert "stopped: 3 services failed, max_failures allows 2" in ended.err
    stop = stage.status()["stops"][0]["id"]
    assert (
        f"to go on despite it: bulk apply {stage.ledger} --despite {stop}:REASON --max-failures" in ended.err
    )


def test_a_canary_that_dies_stops_the_run_with_6(stage: Stage) -> None:
    """The first two are sent, the second is refused, the others stay."""
    stage.order(faults=fault("code", code="EndPoint.0002", http=400, method="PUT", nth=2))
    assert stage.apply(stage.job(wide(range(1, 6))), "--canary", "2").code == ExitCode.SAFETY_LIMIT
    assert stage.outcomes() == {"applied": 1, "failed": 1, "not_attempted": 3}


def test_a_canary_that_lives_lets_the_others_go(stage: Stage) -> None:
    """All are applied."""
    assert stage.apply(stage.job(wide(range(1, 6))), "--canary", "2").code == ExitCode.OK
    assert stage.outcomes() == {"applied": 5}


def test_a_service_that_moved_since_the_plan_is_not_sent(stage: Stage) -> None:
    """4 with the others applied; what somebody else wrote stays."""
    stage.bulk("plan", stage.job(wide([1, 2])), "--out", "p")
    stage.order(services=[{"id": service_id(1), "ports": [mapping(1, 1)]}])
    ended = stage.apply("p")
    assert ended.code == ExitCode.SOME_FAILED
    assert stage.outcomes(Path("p")) == {"applied": 1, "drifted": 1}
    assert stage.ports(1) == [(1, 1)]


def test_strict_stops_at_one_that_moved_with_7(stage: Stage) -> None:
    """Before the first PUT."""
    stage.bulk("plan", stage.job(wide([1, 2])), "--out", "p")
    stage.order(services=[{"id": service_id(1), "ports": [mapping(1, 1)]}])
    assert stage.apply("p", "--strict").code == ExitCode.REFUSED
    assert stage.applied == []


def test_strict_stops_at_one_refused_row_with_7(stage: Stage) -> None:
    """Nothing is sent, and no ledger is left."""
    ended = stage.apply(stage.job(wide([1, MISSING])), "--strict")
    assert ended.code == ExitCode.REFUSED
    assert (stage.applied, stage.ledgers) == ([], [])


def test_skipped_invalid_rows_end_as_refused(stage: Stage) -> None:
    """Each with its issue; the others are applied."""
    ended = stage.apply(stage.job(wide([1]) + "4189d3c2,1:1\n"), "--skip-invalid")
    assert ended.code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 1, "refused": 1}
    assert "is not a UUID" in ended.out


def test_an_invalid_job_ends_with_3_and_sends_nothing(stage: Stage) -> None:
    """Its issues on stderr."""
    ended = stage.apply(stage.job(wide([1]) + "4189d3c2,1:1\n"))
    assert ended.code == ExitCode.INVALID
    assert "services.csv:3:1: " in ended.err
    assert stage.applied == []


def test_a_job_at_work_keeps_a_second_run_away_with_8(stage: Stage) -> None:
    """Also before its ledger has a name."""
    job = stage.job(wide([1]))
    with only_run(stage.folder / "runs", "job"):
        ended = stage.apply(job)
    assert ended.code == ExitCode.BUSY
    assert "another run of job is at work" in ended.err
    assert stage.applied == []


@pytest.mark.parametrize("name", ["job", "services.csv"])
def test_who_is_at_work_on_a_job_is_named(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """User, host, process and since when, in the zone of the reader, and the command that shows the run."""
    folder = stage.job(wide([1]))
    job = folder if name == "job" else f"{folder}/{name}"
    stage.apply(job)
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    with only_run(stage.folder / "runs", name):
        ledger = LedgerFile.open(stage.ledger, now=time.time)
        try:
            busy = stage.apply(job)
        finally:
            os.close(ledger._fd)
    assert busy.code == ExitCode.BUSY
    since = r"since [-0-9]{10} [:0-9]{8} CST \(.*[:0-9]{8} UTC\); nothing was sent"
    assert re.search(rf"on \S+ \(process {os.getpid()}\) works on {stage.ledger} {since}", busy.err)
    assert f"to see it: bulk status {stage.ledger}\n" in busy.err


def clock(hours: int) -> str:
    """Return a time of day so many hours from now, in UTC."""
    return f"{datetime.now(UTC) + timedelta(hours=hours):%H:%M}"


def test_a_closed_window_ends_with_10(stage: Stage) -> None:
    """Nothing is sent; the message says when it is open."""
    window = f"{clock(2)}-{clock(3)} UTC"
    ended = stage.apply(stage.job(wide([1])), "--window", window)
    assert ended.code == ExitCode.WINDOW_ENDED
    assert re.search(
        rf"the window {window} is closed; it opens \w+ \d+ \w+ {clock(2)} UTC, in .*\. Nothing was sent",
        ended.err,
    )
    over = stage.apply("--window", "2020-01-01T00:00Z", stage.job(wide([1])))
    assert over.code == ExitCode.WINDOW_ENDED
    assert "is over; nothing was sent\n      name another one with --window" in over.err
    assert stage.applied == []


def test_nobody_is_asked_while_the_window_is_closed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes would come to nothing."""
    monkeypatch.setattr("sys.stdin", Typed("yes\n"))
    ended = stage.bulk("apply", stage.job(wide([1])), "--window", f"{clock(2)}-{clock(3)} UTC")
    assert ended.code == ExitCode.WINDOW_ENDED
    assert "Change 1 service" not in ended.err


def test_moments_are_shown_in_the_zone_of_the_reader_and_kept_in_utc(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In plan, window and status; JSON and ledger have UTC alone, as has whoever set no known zone."""
    job = stage.job(wide([1]))
    stage.bulk("plan", job, "--out", "p")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    assert re.search(r"Planned +[-0-9]{10} [:0-9]{5} CST \(.*[:0-9]{5} UTC\)", stage.bulk("plan", "p").out)
    assert re.search(r"planned at .* CST \(.*[:0-9]{8} UTC\)", stage.bulk("status", "p").out)
    assert " CST (" not in stage.bulk("status", "p", "--output", "json").out
    closed = stage.apply(job, "--window", f"{clock(2)}-{clock(3)} UTC")
    assert re.search(r"it opens \w{3} \d+ \w{3} [:0-9]{5} CST \(.*[:0-9]{5} UTC\), in ", closed.err)
    monkeypatch.setenv("TZ", "Asia/Shangai")
    assert re.search(r"planned at .{10} .{8} UTC by", stage.bulk("status", "p").out)


def test_a_zone_that_is_not_known_is_refused_where_a_window_needs_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C library would take it for UTC; a job without a window asks for no zone."""
    monkeypatch.setenv("TZ", "Asia/Shangai")
    job = stage.job(wide([1]))
    for verb in (["plan", job], ["apply", job, "--yes"]):
        ended = stage.bulk(*verb, "--window", "00:00-23:59")
        assert ended.code == ExitCode.USAGE
        assert 'TZ: "Asia/Shangai" is not a time zone' in ended.err
        assert "did you mean Asia/Shanghai?" in ended.err
    assert stage.applied == []
    assert stage.apply(job).code == ExitCode.OK


def test_an_open_window_lets_the_run_go(stage: Stage) -> None:
    """To its end."""
    assert stage.apply(stage.job(wide([1])), "--window", f"{clock(-1)}-{clock(2)} UTC").code == ExitCode.OK


def test_a_window_that_ends_during_the_run_ends_with_10(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent is recorded, the rest is left; the same command goes on."""
    now, configure = SystemClock.now, logs.configure

    def on_record(record: dict[str, Any], _: object) -> None:
        if record["type"] == "outcome":  # the machine sleeps past the end, and wakes
            monkeypatch.setattr(SystemClock, "now", lambda _: AFTER_THE_WINDOW)

    monkeypatch.setattr("bulk.cli.logs.configure", lambda **_: on_record)
    job = stage.job(wide(range(1, 11)), concurrency=1)
    ended = stage.apply(job, "--window", "2999-01-01T00:00Z")
    monkeypatch.setattr(SystemClock, "now", now)
    assert ended.code == ExitCode.WINDOW_ENDED, ended.err
    assert stage.outcomes()["not_attempted"] > 0
    assert "stopped: the window ended at Tue 1 Jan 2999 00:00:00 UTC\n" in ended.err
    assert (
        f"to continue, in the next window or with another --window: bulk apply {stage.ledger} " in ended.err
    )
    monkeypatch.setattr("bulk.cli.logs.configure", configure)
    assert stage.apply(job).code == ExitCode.OK
    assert stage.outcomes() == {"applied": 10}


def test_rows_that_cannot_be_read_back_stay_in_doubt_with_11(stage: Stage) -> None:
    """The answer is lost and so is every look; the next run finds out and sends nothing twice."""
    job = stage.job(wide([1, 2]))
    lost = {"kind": "reset", "after": True, "method": "PUT", "service_id": service_id(1)}
    blind = {"kind": "error_500", "method": "GET", "service_id": service_id(1), "times": None}
    stage.order(faults={"rules": [lost, blind]})
    ended = stage.apply(job)
    assert ended.code == ExitCode.IN_DOUBT
    assert stage.outcomes() == {"applied": 1, "in_doubt": 1}
    stage.order(faults={})
    assert stage.apply(job).code == ExitCode.OK
    assert stage.outcomes() == {"applied": 2}
    assert len(stage.applied) == 2


# Trouble on the way


@pytest.mark.parametrize("kind", ["throttle_429", "throttle_400"])
def test_being_too_fast_costs_time_and_no_row(kind: str, stage: Stage) -> None:
    """Refusals are counted; every row is applied."""
    stage.order(faults=fault(kind, method="PUT", times=3))
    ended = stage.apply(stage.job(wide(range(1, 6)), attempts=1))
    assert ended.code == ExitCode.OK, ended.err
    assert stage.outcomes() == {"applied": 5}
    assert stage.status()["refusals"] == 3


@pytest.mark.parametrize(
    "kind", ["reset", "truncated_body", "html_body", "empty_body", "broken_json", "wrong_echo"]
)
def test_an_answer_lost_after_it_took_effect_is_found_out_by_reading(kind: str, stage: Stage) -> None:
    """Applied, and sent once."""
    stage.order(faults=fault(kind, method="PUT", nth=2, **({"after": True} if kind == "reset" else {})))
    assert stage.apply(stage.job(wide(range(1, 4)))).code == ExitCode.OK
    assert sorted(put.id for put in stage.applied) == [service_id(n) for n in (1, 2, 3)]


@pytest.mark.parametrize("kind", ["reset", "error_500", "error_502", "error_503", "error_504_0013"])
def test_a_request_lost_before_it_took_effect_is_sent_again(kind: str, stage: Stage) -> None:
    """Applied at the second attempt."""
    stage.order(faults=fault(kind, method="PUT", nth=2))
    assert stage.apply(stage.job(wide(range(1, 4)))).code == ExitCode.OK
    assert len(stage.applied) == 3
    assert stage.status()["puts_sent"] == 4


def test_a_third_state_is_a_conflict_for_a_person(stage: Stage) -> None:
    """Somebody else wrote between the lost answer and the look: 4, and it is left alone."""
    both = {"id": service_id(1), "ports": [mapping(7, 7)]}
    stage.order(
        faults={
            "rules": [
                {"kind": "reset", "after": True, "method": "PUT"},
                {"kind": "edit", "method": "GET", "service_id": service_id(1), "services": [both]},
            ]
        }
    )
    assert stage.apply(stage.job(wide([1]))).code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"conflict": 1}
    assert stage.ports(1) == [(7, 7)]


def test_a_put_that_changed_what_no_row_asked_for_stops_the_run_with_6(stage: Stage) -> None:
    """The first reply of each project is compared field by field with the state before."""
    other = {"id": service_id(1), "description": "somebody was here"}
    stage.order(faults=fault("edit", method="PUT", services=[other]))
    ended = stage.apply(stage.job(wide(range(1, 6)), concurrency=1))
    assert ended.code == ExitCode.SAFETY_LIMIT
    assert "description" in ended.err
    assert stage.outcomes()["not_attempted"] == 4


@pytest.mark.parametrize(
    "stage", [{"fleet": fleet_lines(40), "limits": ["token:50/s,for=writes"]}], indirect=True
)
def test_auto_finds_the_limit_and_the_next_run_begins_with_it(stage: Stage) -> None:
    """It is kept in the user's state directory, without a word on who the user is."""
    job = stage.job(wide(range(1, 41)))
    assert stage.apply(job, "--rate", "auto").code == ExitCode.OK
    kept = list((stage.folder.parent / "home" / "state" / "bulk").rglob("*.json"))
    assert all(stage.aside.simulator.identity.ak not in path.read_text() for path in kept)
    assert stage.apply(job, "--rate", "auto").code == ExitCode.OK
    assert stage.outcomes() == {"already": 40}


def test_a_field_that_no_reply_shows_is_applied_and_named_as_unconfirmed(stage: Stage) -> None:
    """`? -> …` in the plan, one PUT, and a word about it at the row, in the summary and for machines."""
    vip = service_id(9)
    job = stage.job(f"service_id,ports,vip_port_id\n{service_id(1)},80:8001 8443:9001,{vip}\n")
    plan = stage.bulk("plan", job, "--all").out
    assert f' vip_port_id ? -> "{vip}"' in plan
    assert "note: vip_port_id: it is in no current document of the API  (" in plan
    ended = stage.apply(job)
    assert ended.code == ExitCode.OK
    assert "  Unconfirmed no reply shows vip_port_id of 1 applied row: look whether" in ended.out
    assert stage.fleet[service_id(1)]["vip_port_id"] == vip
    [outcome] = stage.records("outcome")
    assert (outcome["outcome"], outcome["unconfirmed"]) == ("applied", ["vip_port_id"])
    report = orjson.loads(stage.bulk("report", str(stage.ledger), "--output", "json").out)
    assert report["rows"][0]["unconfirmed"] == ["vip_port_id"]
    assert stage.bulk("audit", str(stage.ledger)).code == ExitCode.OK


def test_a_denial_of_one_service_keeps_its_encoded_reason(stage: Stage) -> None:
    """The row points to `bulk why`, which has the text whole and how to decode it."""
    rule = {"kind": "code", "code": "PAP5.0001", "method": "PUT", "service_id": service_id(2), "times": None}
    stage.order(faults={"rules": [rule]})
    ended = stage.apply(stage.job(wide([1, 2, 3])))
    assert ended.code == ExitCode.SOME_FAILED
    words = " ".join(ended.said.split())
    assert "failed PAP5.0001 A policy does not allow it.; `bulk why` says how to decode" in words
    [encoded] = {
        said for one in stage.records("outcome") if (said := one.get("encoded_authorization_message"))
    }
    told = stage.bulk("why", str(stage.ledger), service_id(2)).out
    assert f"POST /v5/decode-authorization-message with encoded_message {encoded}" in told
    report = orjson.loads(stage.bulk("report", str(stage.ledger), "--output", "json").out)
    assert [row["encoded_authorization_message"] for row in report["rows"]] == ["", encoded, ""]


def test_a_denied_plan_says_how_to_decode_the_reason(stage: Stage) -> None:
    """There is no ledger yet: the message has the text whole."""
    stage.order(faults={"rates": {"PAP5.0001": 1.0}})
    ended = stage.bulk("plan", stage.job(wide([1])))
    assert ended.code == ExitCode.CANNOT_RUN
    assert "POST /v5/decode-authorization-message with encoded_message c2" in ended.err


def test_a_field_that_an_older_edition_shows_is_confirmed(stage: Stage) -> None:
    """By the reply to the PUT; and the same job, planned again, has nothing to do."""
    stage.order(switches={"vip_port_id_shown": True})
    job = stage.job(f"service_id,vip_port_id\n{service_id(1)},{service_id(9)}\n")
    ended = stage.apply(job)
    assert (ended.code, "Unconfirmed" in ended.said) == (ExitCode.OK, False)
    assert "Nothing to change" in stage.bulk("plan", job).out


def test_a_full_disk_stops_the_run_with_1_and_nothing_is_lost(stage: Stage) -> None:
    """P6: no PUT without its intent on the disk; with room again, the same command goes on."""
    stage.bulk("plan", stage.job(wide(range(1, 11))), "--out", "p")
    room_kib = Path("p").stat().st_size // 1024 + 3
    command = f"ulimit -f {room_kib}; exec {sys.executable} -m bulk apply p --yes -j 1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)  # noqa: S607
    assert ended.returncode == ExitCode.CANNOT_RUN, ended.stderr
    assert "File too large: stopped, no further PUT was sent" in ended.stderr
    landed = len(stage.applied)
    assert 0 < landed < 10
    assert stage.apply("p").code == ExitCode.OK
    assert stage.outcomes(Path("p")) == {"applied": 10}
    assert len(stage.applied) == 10


# Who asks


def test_a_wrong_secret_ends_with_1_before_anything_is_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request is enough to know; five would lock the key."""
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "not-the-secret-not-the-secret")
    ended = stage.apply(stage.job(wide([1])))
    assert ended.code == ExitCode.CANNOT_RUN
    assert "APIGW.0301" in ended.err
    assert "not-the-secret" not in ended.said
    assert stage.ledgers == []
    assert sum(stage.aside.do(lambda simulator: simulator.stats["requests"]).values()) <= 1


def test_half_a_key_ends_with_1(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable that is missing."""
    monkeypatch.delenv("HUAWEICLOUD_SDK_SK")
    ended = stage.apply(stage.job(wide([1])))
    assert ended.code == ExitCode.CANNOT_RUN
    assert "HUAWEICLOUD_SDK_SK" in ended.err


def test_nobody_at_the_endpoint_ends_with_1(stage: Stage) -> None:
    """No network, no plan; nothing is left behind."""
    ended = stage.apply(stage.job(wide([1])), "--endpoint", "http://127.0.0.1:1")
    assert ended.code == ExitCode.CANNOT_RUN
    assert "the services could not be listed" in ended.err
    assert stage.ledgers == []


def test_a_fleet_that_cannot_be_listed_just_before_the_first_put_ends_with_5(stage: Stage) -> None:
    """The plan was made, the second look fails: nothing is sent, and the same command goes on."""
    job = stage.job(wide([1, 2]))
    stage.order(faults=fault("error_500", method="GET", nth=2, times=None))
    ended = stage.apply(job)
    assert ended.code == ExitCode.STOPPED_EARLY
    assert stage.applied == []
    assert stage.records("end")[0]["reason"] == "unreadable"
    stage.order(faults={})
    assert stage.apply(job).code == ExitCode.OK
    assert stage.outcomes() == {"applied": 2}


def test_rows_without_a_region_are_wrong_usage(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the flag that says it."""
    monkeypatch.delenv("BULK_REGION")
    ended = stage.apply(stage.job(wide([1])))
    assert ended.code == ExitCode.USAGE
    assert "--region" in ended.err


def test_the_project_of_a_region_is_looked_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody names one."""
    monkeypatch.delenv("BULK_PROJECT_ID")
    assert stage.apply(stage.job(wide([1]))).code == ExitCode.OK
    assert stage.records("run")[0]["targets"][0]["project_id"] == PROJECT


def test_a_profile_of_the_credentials_file_is_used(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """And then nothing else, not even good variables."""
    identity = stage.aside.simulator.identity
    content = f"[night]\nak = {identity.ak}\nsk = {identity.sk}\n"
    path = stage.file("credentials", content)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", path)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "not-the-secret")
    assert stage.apply(stage.job(wide([1])), "--profile", "night").code == ExitCode.OK
    assert stage.apply(stage.job(wide([2])), "--profile", "day").code == ExitCode.CANNOT_RUN


@contextmanager
def as_user(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Log in with name and password in place of a key."""
    identity = stage.aside.simulator.identity
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    for name, value in (("NAME", identity.user), ("PASSWORD", identity.password)):
        monkeypatch.setenv(f"HW_USER_{name}", value)
    monkeypatch.setenv("HW_DOMAIN_NAME", identity.domain)
    yield


def test_a_token_that_ends_during_the_run_is_renewed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row pays for it."""
    with as_user(stage, monkeypatch):
        stage.order(faults=fault("code", code="APIGW.0307", http=401, method="PUT", nth=2))
        ended = stage.apply(stage.job(wide(range(1, 6)), attempts=1))
    assert ended.code == ExitCode.OK, ended.err
    assert stage.outcomes() == {"applied": 5}


def test_credentials_revoked_during_the_run_stop_it_with_1(stage: Stage) -> None:
    """At once, since bad signatures lock the key; the same command goes on afterwards."""
    stage.order(faults=fault("code", code="APIGW.0301", http=401, method="PUT", nth=2, times=None))
    job = stage.job(wide(range(1, 6)), concurrency=1)
    ended = stage.apply(job)
    assert ended.code == ExitCode.CANNOT_RUN
    assert "APIGW.0301" in ended.err
    assert stage.outcomes() == {"applied": 1, "not_attempted": 4}
    stage.order(faults={})
    assert stage.apply(job).code == ExitCode.OK
    assert stage.outcomes() == {"applied": 5}


# What is said


class Screen(Typed):
    """A stream that is a terminal."""


def test_a_terminal_gets_colours_and_a_bar(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar names rows done and failures; it is gone before the summary."""
    for name, value in (("TERM", "xterm"), ("COLUMNS", "160")):
        monkeypatch.setenv(name, value)
    out, err = Screen(), Screen()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    stage.order(faults=fault("code", code="EndPoint.0002", http=400, method="PUT"))
    job = stage.job(wide(range(1, 4)), concurrency=1)
    assert main(["apply", job, "--yes"]) == ExitCode.SOME_FAILED
    assert "3/3" in err.getvalue()
    assert "1 failed (EndPoint.0002 1)" in err.getvalue()
    assert "\x1b[1;31m" in out.getvalue()


def said(stage: Stage, *flags: str) -> Ended:
    """Apply one row with these flags."""
    return stage.apply(stage.job(wide([1])), *flags)


def test_results_go_to_stdout_and_words_to_stderr(stage: Stage) -> None:
    """So that a pipe gets the report alone."""
    ended = said(stage)
    assert "job is finished: the service is as asked." in ended.out
    assert "ledger: " in ended.err
    assert "ledger: " not in ended.out


def test_log_lines_are_json_when_asked(stage: Stage) -> None:
    """Each has its event, named after the record, and its time."""
    events = [orjson.loads(line) for line in said(stage, "--log-format", "json", "-v").err.splitlines()]
    assert [event["event"] for event in events][-4:] == ["intent", "outcome", "end", "message"]
    assert all(event["at"] for event in events)


def test_quiet_says_nothing(stage: Stage) -> None:
    """The exit code does; what was asked for in a form for machines comes all the same."""
    ended = said(stage, "-q")
    assert (ended.code, ended.out, ended.err) == (ExitCode.OK, "", "")
    assert stage.bulk("plan", str(stage.folder), "-q").said == ""
    assert orjson.loads(stage.bulk("plan", str(stage.folder), "-q", "--output", "json").out)["kind"] == "plan"


def test_flags_beat_variables_and_variables_beat_job_toml(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's settings tell which won."""
    job = stage.job(wide([1]), rate="1/s", concurrency=3, canary=1)
    monkeypatch.setenv("BULK_RATE", "500/s")
    monkeypatch.setenv("BULK_CONCURRENCY", "4")
    stage.apply(job, "-j", "5")
    settings = stage.records("session")[0]["settings"]
    assert [settings[name] for name in ("rate", "concurrency", "canary")] == ["500/s", 5, 1]


@pytest.mark.parametrize("stage", [{"fleet": fleet_lines(70)}], indirect=True)
def test_a_long_plan_is_cut_and_says_how_to_see_all(stage: Stage) -> None:
    """The command that is named gives every row."""
    job = stage.job(wide(range(1, 71)))
    said = stage.bulk("plan", job).out
    assert "~ 70 services  -443 +8443/TCP, same backend" in said
    assert "  Each row   bulk plan" in said
    rows = [line for line in stage.bulk("plan", job, "--all").out.splitlines() if line.startswith("~ ")]
    assert len(rows) == 70


@pytest.mark.parametrize("limit", ["", ",", " ", "@/dev/null"])
def test_a_limit_that_names_nothing_does_not_mean_everything(limit: str, stage: Stage) -> None:
    """An unset variable or an empty file must not change the whole fleet; nor may an empty digest pass."""
    job = stage.job(wide([1]))
    assert stage.apply(job, "--limit", limit).code == ExitCode.USAGE
    assert stage.apply(job, "--expect-digest", limit.strip("@/,devnul")).code == ExitCode.USAGE
    assert stage.applied == []


def test_a_run_in_which_rows_failed_names_the_command_that_gives_them(stage: Stage) -> None:
    """And it does."""
    stage.order(faults=fault("code", code="EndPoint.0002", http=400, service_id=service_id(2), method="PUT"))
    ended = stage.apply(stage.job(wide([1, 2, 3])))
    assert ended.code == ExitCode.SOME_FAILED
    [command] = re.findall(r"the rows that need a person: bulk (.*)", ended.err)
    rows = stage.bulk(*shlex.split(command)).out.splitlines()
    assert [row.split(",")[0] for row in rows] == ["service_id", service_id(2)]


def test_a_variable_that_sends_a_job_elsewhere_is_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the job's own file, or a saved plan, names another address; a flag is somebody's own word."""
    url = stage.aside.simulator.url
    job = stage.job(wide([1]), endpoint="simulator")
    words = f"BULK_ENDPOINT sends this job to {url}, not to the bundled simulator, which the job itself names"
    for verb in (["plan", job], ["plan", job, "--out", "p"], ["apply", job, "--yes"]):
        assert words in stage.bulk(*verb).err, verb
    assert "BULK_ENDPOINT" not in stage.bulk("plan", "p").err
    assert "BULK_ENDPOINT" not in stage.bulk("plan", job, "--endpoint", url).err
    assert "BULK_ENDPOINT" not in stage.bulk("plan", job, "-q").err
    assert "BULK_ENDPOINT" not in stage.bulk("plan", str(stage.folder / "services.csv")).err
    monkeypatch.setenv("BULK_ENDPOINT", url.replace("127.0.0.1", "localhost"))
    assert f"not to {url}, which the job itself names" in stage.bulk("plan", "p").err
