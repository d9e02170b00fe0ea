"""What a run writes down of itself: its pace, where it stands, and every reason why it stopped."""

import os
from typing import Any

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, wide
from tests.simulator_caller import service_id

LIMIT = "fixed:4/1s,for=writes,policy=user,retry_after=seconds"
REFUSED: dict[str, Any] = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}


@pytest.mark.parametrize("stage", [{"limits": [LIMIT]}], indirect=True)
def test_the_pace_is_a_record_of_fields(stage: Stage) -> None:
    """Lane, kind, rate, the limit and its source, the hold: the report draws it, and `why` names it."""
    ended = stage.apply(stage.job(wide(range(1, 8))), "--rate", "40/s")
    assert ended.code == ExitCode.OK, ended.err
    first, second = stage.records("pace")[:2]
    ak = stage.aside.simulator.identity.ak
    account = first["lane"].pop("account")
    assert account.startswith(f"ak-{ak[-4:]}-")
    assert ak not in stage.ledger.read_text()
    assert first["lane"] == {
        "host": stage.aside.simulator.url.removeprefix("http://"),
        "region": "cn-north-4",
    }
    assert first["limit"] == {"requests": 4, "window_s": 1.0, "policy": "user"}
    assert (first["kind"], first["why"], first["hold"]) == ("writes", "stated", "push_back")
    assert 0 < first["left_s"] <= 1
    assert first["rate_per_s"] == 4
    assert (second["hold"], second["left_s"]) == ("rate", 0)
    assert "pace of writes (cn-north-4 at 127.0.0.1:" in ended.err
    report = orjson.loads(stage.bulk("report", str(stage.ledger), "--output", "json").out)
    drawn = report["timeline"]["pace"][0]
    assert (drawn["rate_per_s"], drawn["limit_per_s"]) == (first["rate_per_s"], 4)
    (throttled, *_) = [one for one in stage.records("attempt") if one["verdict"] == "throttled"]
    assert (throttled["hold"], throttled["hold_s"]) == ("push_back", 1)
    history = stage.bulk("why", str(stage.ledger), service_id(throttled["row"])).out
    assert "after waiting for the server's push-back; its turn (" in history
    assert "limit 4 per second (user), stated)" in history


def test_both_ends_of_a_session_say_where_the_run_stands(stage: Stage) -> None:
    """The plan's digest and the counts of outcomes, as they were then; the audit holds them to the lines."""
    stage.order(faults={"rules": [REFUSED | {"nth": 2}]})
    job = stage.job(wide(range(1, 4)), concurrency=1, max_failures=0)
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    assert stage.apply(job, *stage.despite()).code == ExitCode.SOME_FAILED
    standing = [
        {outcome: rows for outcome, rows in record["counts"].items() if rows}
        for pair in zip(stage.records("session"), stage.records("end"), strict=True)
        for record in pair
    ]
    stopped = {"applied": 1, "failed": 1, "not_attempted": 1}
    assert standing == [{"not_attempted": 3}, stopped, stopped, {"applied": 2, "failed": 1}]
    digests = {one["digest"] for kind in ("planned", "session", "end") for one in stage.records(kind)}
    assert len(digests) == 1
    assert {one["format"] for one in (*stage.records("run"), *stage.records("session"))} == {3}


def test_every_reason_to_stop_is_on_record_and_the_first_gives_the_exit_code(stage: Stage) -> None:
    """The only canary fails, and no row may: both are named, in the message, the status and the reports."""
    stage.order(faults={"rules": [REFUSED]})
    ended = stage.apply(stage.job(wide(range(1, 4)), canary=1, max_failures=0))
    assert ended.code == ExitCode.SAFETY_LIMIT
    assert (
        "stopped: 1 service failed, max_failures allows none; the only service of wave 1 did not end as asked"
    ) in ended.err
    (end,) = stage.records("end")
    assert (end["reason"], end["reasons"]) == ("failure_limit", ["failure_limit", "wave"])
    words = "too many rows failed; a wave did not end as it should"
    assert words in stage.bulk("status", str(stage.ledger)).out
    assert words in stage.bulk("report", str(stage.ledger), "--output", "html").out
    report = orjson.loads(stage.bulk("report", str(stage.ledger), "--output", "json").out)
    assert report["sessions"][0]["reasons"] == end["reasons"]


def test_a_finished_run_applied_again_ends_as_it_ended_and_changes_no_service(stage: Stage) -> None:
    """It looks at the fleet once more and sends nothing."""
    stage.order(faults={"rules": [REFUSED | {"nth": 2}]})
    assert stage.apply(stage.job(wide(range(1, 4)), concurrency=1)).code == ExitCode.SOME_FAILED
    before = stage.outcomes()
    stage.order(faults={})
    assert stage.apply(str(stage.ledger)).code == ExitCode.SOME_FAILED
    assert (stage.outcomes(), len(stage.applied)) == (before, 2)


def test_a_pipe_that_looks_like_a_ledger_keeps_nobody_waiting(stage: Stage) -> None:
    """It is not a run of the job, neither to continue nor to show."""
    job = stage.job(wide([1]))
    (stage.folder / "runs").mkdir()
    os.mkfifo(stage.folder / "runs" / "job-20991231T235959.000Z.ledger.jsonl")
    assert stage.bulk("status", job).code == ExitCode.USAGE
    assert stage.apply(job).code == ExitCode.OK
    assert "1 applied" in stage.bulk("status", job).out
    assert "1 applied" in stage.bulk("status").out
