"""What stands on stderr: with --log-format json only JSON, with -v a line for every record."""

import signal
from typing import Any

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Ended, Stage, until, wide
from tests.simulator_caller import PROJECT, service_id

JSON = ("--log-format", "json")


def lines(ended: Ended) -> list[dict[str, Any]]:
    """Return the lines on stderr, each of which is an object with what every line has."""
    found = [orjson.loads(line) for line in ended.err.splitlines()]
    for line in found:
        assert {"event", "level", "at"} <= line.keys(), line
    return found


def test_every_line_of_a_run_is_json_and_names_the_service_of_a_row(stage: Stage) -> None:
    """Planning, asking, sending, the summary: each record of a row has what finds it without the ledger."""
    rule = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}
    stage.order(faults={"rules": [rule]})
    ended = stage.apply(stage.job(wide(range(1, 6))), *JSON, "-v")
    assert ended.code == ExitCode.SOME_FAILED
    found = lines(ended)
    of_rows = [line for line in found if "row" in line]
    assert {"change", "intent", "outcome"} <= {line["event"] for line in of_rows}
    for line in of_rows:
        assert line["service_id"] == service_id(line["row"])
        assert (line["region"], line["project_id"]) == ("cn-north-4", PROJECT)
    assert [line["message"] for line in found if line["event"] == "message"][-1] == f"ledger: {stage.ledger}"


def test_a_run_that_is_continued_names_the_services_too(stage: Stage) -> None:
    """Its plan was written by another process."""
    job = stage.job(wide(range(1, 6)), concurrency=1)
    stage.order(switches={"latency_s": 0.2})
    with stage.child("apply", job, "--yes", *JSON) as process:
        until(lambda: any(b'"type":"outcome"' in path.read_bytes() for path in stage.ledgers), process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=WAIT_S)
    stopped = lines(Ended(code=process.returncode, out="", err=err))
    assert any("to continue: bulk apply" in line.get("message", "") for line in stopped)
    stage.order(switches={"latency_s": 0.0})
    outcomes = [line for line in lines(stage.apply(job, *JSON, "-v")) if line["event"] == "outcome"]
    assert outcomes
    assert all(line["service_id"] == service_id(line["row"]) for line in outcomes)


@pytest.mark.parametrize(
    ("words", "event", "code"),
    [
        (["apply", "--nope"], "error", ExitCode.USAGE),
        (["apply"], "error", ExitCode.USAGE),
        (["apply", "none.csv", "--yes"], "error", ExitCode.USAGE),
        (["apply", "job.csv"], "error", ExitCode.USAGE),
        (["plan", "job.csv", "--rate", "fast"], "error", ExitCode.USAGE),
        (["plan", "bad.csv"], "issue", ExitCode.INVALID),
        (["plan", "job.csv", "--max-changes", "0"], "error", ExitCode.REFUSED),
        (["rehearse", "job.csv"], "message", ExitCode.OK),
    ],
)
def test_what_is_wrong_is_said_as_json_too(
    words: list[str], event: str, code: ExitCode, stage: Stage
) -> None:
    """Wrong usage included, which no flag could be read of."""
    stage.file("job.csv", wide([1]))
    stage.file("bad.csv", "service_id,ports\nx,1:1\n")
    ended = stage.bulk(*words, "--log-format=json")
    assert ended.code == code
    found = lines(ended)
    assert {event} <= {line["event"] for line in found} <= {event, "message"}
    assert all(line.get("message") for line in found)


def test_the_variable_makes_every_verb_speak_json(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that have no such flag; the flag wins over it."""
    monkeypatch.setenv("BULK_LOG_FORMAT", "json")
    monkeypatch.setenv("BULK_PORT", "tcp://10.0.0.1:80")
    job = stage.job(wide([1]))
    for words in (["check", job], ["export"], ["status"], ["plan", job], ["audit", "none"]):
        assert lines(stage.bulk(*words))
    monkeypatch.delenv("BULK_PORT")
    assert stage.bulk("audit", "none").err.startswith("{")
    assert stage.bulk("plan", "none.csv", "--log-format", "text").err.startswith("bulk: none.csv")
    monkeypatch.delenv("BULK_LOG_FORMAT")
    assert stage.bulk("audit", "none").err.startswith("bulk: none")


def test_progress_is_a_line_of_json(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Now and then, as without it."""
    monkeypatch.setattr("bulk.cli.display.PLAIN_EVERY_S", 0.001)
    stage.order(switches={"latency_s": 0.02})
    found = lines(stage.apply(stage.job(wide(range(1, 6)), concurrency=1), *JSON))
    assert any(line["event"] == "progress" and "/5 (" in line["message"] for line in found)


def test_verbose_logs_what_a_plan_and_a_rehearsal_write(stage: Stage) -> None:
    """A line for every record, in each verb that has the flag; without it, none."""
    job = stage.job(wide([1, 2]))
    stage.apply(job)
    ledger, other = str(stage.ledger), stage.file("other.csv", wide([3]))
    plan = ["run", "change", "planned"]
    for words, events in (
        (["plan", job], plan),
        (["rollback", ledger], plan),
        (["rehearse", other], ["session", "intent", "outcome", "end"]),
        (["apply", job, "--yes", "--new-run"], [*plan, "session", "end"]),
    ):
        verbose = [line["event"] for line in lines(stage.bulk(*words, *JSON, "-v"))]
        assert set(events) <= set(verbose), words
        if "apply" not in words:
            assert not set(events) & {line["event"] for line in lines(stage.bulk(*words, *JSON))}
