"""`bulk apply RUN --retry failed`: what a finished run left not as asked, as a run of its own."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, Typed, wide
from tests.simulator_caller import PROJECT, line, mapping, service_id

Json = dict[str, Any]


def refusing(*numbers: int) -> Json:
    """Return faults that reject every PUT of these services."""
    rule = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT", "times": None}
    return {"rules": [rule | {"service_id": service_id(number)} for number in numbers]}


def failed_run(stage: Stage, *numbers: int, rows: str = "", **settings: Any) -> str:
    """Apply a job of four services whose `numbers` fail; return the job, with the fault gone."""
    job = stage.job(rows or wide(range(1, 5)), **settings)
    stage.order(faults=refusing(*numbers))
    assert stage.apply(job).code == ExitCode.SOME_FAILED
    stage.order(faults={})
    return job


@pytest.mark.parametrize("by", ["ledger", "job"])
def test_the_command_that_a_failed_run_names_tries_its_failed_rows_alone(stage: Stage, by: str) -> None:
    """From the ledger alone: the job file may be gone; with look, plan and places as before."""
    job = stage.job(wide(range(1, 5)))
    stage.order(faults=refusing(2, 4))
    ended = stage.apply(job)
    run = stage.ledger
    (named,) = re.findall("to try what failed again: bulk (.*)", ended.err)
    assert named == f"apply {run} --retry failed"
    stage.order(faults={})
    if by == "ledger":
        (stage.folder / "services.csv").unlink()
        again = stage.bulk(*shlex.split(named), "--yes")
    else:
        again = stage.apply(job, "--retry", "failed")
    assert again.code == ExitCode.OK
    assert "Plan of job-retry: 2 services change." in again.out
    assert "services.csv:3)" in stage.bulk("report", str(stage.ledger), "--all").out
    assert stage.outcomes() == {"applied": 2}
    assert stage.outcomes(run) == {"applied": 2, "failed": 2}
    assert [put.id for put in stage.applied[2:]] == [service_id(2), service_id(4)]
    assert stage.bulk("audit", str(stage.ledger)).code == ExitCode.OK


def test_guards_that_contradict_each_other_are_refused_for_a_retry_too(stage: Stage) -> None:
    """With 3, as for a job: it makes no difference what the rows come from."""
    job = failed_run(stage, 2, 4)
    ended = stage.apply(job, "--retry", "failed", "--canary", "1", "--waves", "column")
    assert ended.code == ExitCode.INVALID
    assert "canary: it would renumber the waves that the rows name" in ended.said


def test_a_retry_is_planned_and_asked_for_like_any_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`plan` and -n send nothing, a saved plan is applied exactly, guards hold, and only yes is a yes."""
    job = failed_run(stage, 2, 4)
    for words in (("plan", job), ("apply", job, "-n")):
        planned = stage.bulk(*words, "--retry", "failed")
        assert planned.code == ExitCode.OK
        assert "2 services change. Nothing has been sent." in planned.out
    assert stage.bulk("plan", job, "--retry", "failed", "--out", "again.plan").code == ExitCode.OK
    assert stage.apply(job, "--retry", "failed", "--max-changes", "1").code == ExitCode.REFUSED
    assert len(stage.ledgers) == 1
    monkeypatch.setattr("sys.stdin", Typed("no\n"))
    asked = stage.bulk("apply", job, "--retry", "failed")
    assert asked.code == ExitCode.STOPPED_EARLY
    assert "Change 2 services" in asked.err
    assert len(stage.applied) == 2
    assert stage.apply("again.plan").code == ExitCode.OK
    assert len(stage.applied) == 4


def test_a_retry_can_be_tried_again_and_continued(stage: Stage) -> None:
    """Of a retry that failed in part what failed is left; one that stopped goes on by its own command."""
    job = failed_run(stage, 2, 3, 4)
    stage.order(faults=refusing(2))
    stopped = stage.apply(job, "--retry", "failed", "--max-failures", "0")
    assert stopped.code == ExitCode.SAFETY_LIMIT
    retry = stage.ledger
    stage.order(faults={})
    despite = stage.despite(retry)
    assert stage.apply(job, "--retry", "failed", *despite).code == ExitCode.SOME_FAILED
    assert stage.outcomes(retry) == {"applied": 2, "failed": 1}
    assert stage.apply(str(retry), "--retry", "failed").code == ExitCode.OK
    assert "job-retry-retry-" in stage.ledger.name
    assert stage.outcomes() == {"applied": 1}
    assert stage.status()["job"] == "job-retry-retry"


def test_nothing_is_to_do_where_nothing_failed(stage: Stage) -> None:
    """Exit 0, and no new run; of a service that is not among what failed, the ids are wrong."""
    job = stage.job(wide([1]))
    stage.apply(job)
    for verb in (("apply", job, "--yes"), ("plan", job)):
        ended = stage.bulk(*verb, "--retry", "failed")
        assert ended.code == ExitCode.OK
        assert f"nothing to do: {stage.ledger} left no row failed" in ended.err
        assert stage.bulk(*verb, "--retry", "failed", "-q").said == f"run: {stage.ledger}\n"
    assert len(stage.ledgers) == 1
    wrong = stage.apply(job, "--retry", "failed", "--limit", service_id(1))
    assert wrong.code == ExitCode.USAGE
    assert f"no row of {service_id(1)} is to be tried again" in wrong.err


def test_a_retry_may_be_limited(stage: Stage) -> None:
    """To some of the services that failed."""
    job = failed_run(stage, 2, 4)
    assert stage.apply(job, "--retry", "failed", "--limit", service_id(4)).code == ExitCode.OK
    assert [put.id for put in stage.applied[2:]] == [service_id(4)]


def test_what_a_row_adds_is_computed_from_the_map_of_now(stage: Stage) -> None:
    """`add_ports` stays what was asked, not the full list that was sent for it."""
    rows = f"service_id,add_ports\n{service_id(1)},8443:1\n"
    job = failed_run(stage, 1, rows=rows)
    stage.order(services=[line(1, ports=[mapping(7000, 7000)])])
    assert stage.apply(job, "--retry", "failed").code == ExitCode.OK
    assert stage.ports(1) == [(7000, 7000), (8443, 1)]


def test_a_service_that_moved_is_planned_from_what_it_is_now(stage: Stage) -> None:
    """Before the run, which left it drifted, and again after it; the plan shows what would be taken away."""
    job = stage.job(wide([1, 2]))
    stage.bulk("plan", job, "--out", "p")
    stage.order(services=[line(1, ports=[mapping(7000, 7000)])])
    assert stage.apply("p").code == ExitCode.SOME_FAILED
    assert stage.outcomes(Path("p")) == {"applied": 1, "drifted": 1}
    stage.order(services=[line(1, ports=[mapping(7001, 7001)])])
    again = stage.apply("p", "--retry", "failed")
    assert again.code == ExitCode.OK
    assert "-7001:7001/TCP" in again.out
    assert stage.ports(1) == [(80, 8001), (8443, 9001)]


def test_an_open_run_is_refused_with_the_way_out(stage: Stage) -> None:
    """A saved plan and a stopped run; the command that is named goes on with it."""
    job = stage.job(wide([1, 2]))
    stage.bulk("plan", job, "--out", "p")
    stage.order(faults=refusing(1, 2))
    for _ in range(2):
        refused = stage.apply("p", "--retry", "failed")
        assert refused.code == ExitCode.REFUSED
        assert "p is not finished, and --retry is for what a finished run left;" in refused.err
        assert "finish it first: bulk apply p\n" in refused.err
        assert stage.apply("p", "--max-failures", "0").code == ExitCode.SAFETY_LIMIT


def test_neither_a_rollback_nor_what_was_rolled_back_is_tried_again(stage: Stage) -> None:
    """A rollback leaves alone what others changed; what was taken back is not to be made in part."""
    job = failed_run(stage, 2)
    run = stage.ledger
    stage.order(faults=refusing(1))
    rolled = stage.bulk("rollback", job, "--apply", "--yes")
    assert rolled.code == ExitCode.SOME_FAILED
    assert "--retry" not in rolled.err
    refused = stage.apply(str(stage.ledger), "--retry", "failed")
    assert refused.code == ExitCode.REFUSED
    assert f"to take back what is left: bulk rollback {run}\n" in refused.err
    refused = stage.apply(job, "--retry", "failed")
    assert refused.code == ExitCode.REFUSED
    assert f"{run} was rolled back; nothing was sent" in refused.err


def test_a_run_of_format_2_is_not_tried_again(stage: Stage) -> None:
    """It has no `add_ports`, but the full list that was sent for it, which would take mappings away now."""
    job = failed_run(stage, 2)
    old = stage.forged(str(stage.ledger), lambda record: {"format": 2} if "format" in record else {})
    refused = stage.apply(old, "--retry", "failed")
    assert refused.code == ExitCode.REFUSED, refused.said
    assert "is of format 2, which does not keep what every row asked for" in refused.err
    assert stage.apply(job).code == ExitCode.OK


@pytest.mark.parametrize("stage", [{"projects": {"cn-north-4": PROJECT}}], indirect=True)
def test_a_blocked_row_is_tried_with_the_one_that_it_waited_for(stage: Stage) -> None:
    """Order and must-wait are found anew."""
    shared = {"port_id": "a" * 8 + "-0000-0000-0000-000000000001"}
    stage.order(services=[line(n, ports=[mapping(80, 8000 + n)], **shared) for n in (1, 2)])
    rows = f"service_id,ports\n{service_id(1)},80:8002\n{service_id(2)},80:9\n"
    failed_run(stage, 2, rows=rows)
    assert stage.outcomes() == {"failed": 1, "blocked": 1}
    assert stage.apply(str(stage.ledger), "--retry", "failed").code == ExitCode.OK
    assert stage.ports(1) == [(80, 8002)]
