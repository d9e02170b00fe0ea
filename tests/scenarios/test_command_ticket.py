"""The ticket of a change: on record with every session, and wherever the run is shown."""

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, Typed, wide


def test_the_ticket_is_shown_wherever_the_run_is(stage: Stage) -> None:
    """In the plan, in the status, and in each form of the report; it does not count for the digest."""
    job = stage.job(wide([1]), ticket="CHG0012345")
    digests = {
        orjson.loads(stage.bulk("plan", job, "--output", "json", *more).out)["digest"]
        for more in ([], ["--ticket", "another"])
    }
    assert len(digests) == 1
    assert "  Ticket     CHG0012345\n" in stage.bulk("plan", job).out
    ended = stage.apply(job)
    assert "  Ticket     CHG0012345\n" in ended.out
    run = str(stage.ledger)
    assert stage.records("session")[0]["settings"]["ticket"] == "CHG0012345"
    assert "  ticket CHG0012345\n" in stage.bulk("status", run).out
    assert stage.status()["ticket"] == "CHG0012345"
    for form in ("table", "csv", "json", "md", "html"):
        assert "CHG0012345" in stage.bulk("report", run, "--output", form).out, form


def test_a_run_is_continued_under_another_ticket(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken and noted, question and stop name it, and each session keeps its own."""
    faults = {
        "rules": [{"kind": "code", "code": "EndPoint.3044", "http": 400, "method": "PUT", "times": None}]
    }
    stage.order(faults=faults)
    job = stage.job(wide(range(1, 4)), max_failures=0, ticket="CHG1")
    stopped = stage.apply(job)
    assert stopped.code == ExitCode.SAFETY_LIMIT
    assert "stopped: " in stopped.err
    assert " (ticket CHG1)\n" in stopped.err
    stage.order(faults={"rules": []})
    monkeypatch.setattr("sys.stdin", Typed("yes\n"))
    ended = stage.bulk("apply", job, "--ticket", "CHG2 / night", *stage.despite())
    assert "ticket: CHG2 / night, was CHG1" in ended.err
    assert ", ticket CHG2 / night?" in " ".join(ended.err.split())
    report = orjson.loads(stage.bulk("report", str(stage.ledger), "--output", "json").out)
    assert report["ticket"] == "CHG2 / night"
    assert [session["ticket"] for session in report["sessions"]] == ["CHG1", "CHG2 / night"]


def test_a_rollback_has_the_ticket_of_its_run_or_its_own(stage: Stage) -> None:
    """Taking back belongs to the same change unless somebody says otherwise."""
    stage.apply(stage.job(wide([1]), ticket="CHG1"))
    run = str(stage.ledger)
    assert "  Ticket     CHG1\n" in stage.bulk("rollback", run).out
    assert "  Ticket     CHG9\n" in stage.bulk("rollback", run, "--ticket", "CHG9").out
