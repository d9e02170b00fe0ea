"""What is not read: the rows of a job that goes on, and the lines of a ledger between its ends."""

import os
from pathlib import Path
from typing import Any

import pytest

from bulk.app import applying, finding, jobs, ledgers
from bulk.app.ledgers import plan_report, reading
from bulk.errors import ExitCode
from bulk.ledger import file as ledger_file
from bulk.ledger.file import LedgerFile
from tests.fakes import FakeClock
from tests.forging import forge, ledger
from tests.integration.test_ledger_ends import RUNS
from tests.scenarios.stage import Stage, wide
from tests.values import change, planned, run_record

REFUSED = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}


def never(*_: Any, **__: Any) -> None:
    """Fail when called."""
    raise AssertionError("was called")


def test_a_job_that_goes_on_is_not_read_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest is compared and its rows are in the ledger; another file is still refused."""
    stage.order(faults={"rules": [REFUSED | {"nth": 2}]})
    job = stage.job(wide(range(1, 4)), concurrency=1, max_failures=0)
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    monkeypatch.setattr(jobs, "read_rows", never)
    ended = stage.apply(job, *stage.despite(), "--max-failures", "9")
    assert (ended.code, stage.outcomes()) == (ExitCode.SOME_FAILED, {"applied": 2, "failed": 1})


def test_a_job_that_goes_on_is_folded_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever works on it."""
    stage.order(faults={"rules": [REFUSED | {"nth": 2}]})
    job = stage.job(wide(range(1, 4)), concurrency=1, max_failures=0)
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    despite = stage.despite()
    monkeypatch.setattr(finding, "fold", never)
    monkeypatch.setattr(ledgers, "fold", never)
    ended = stage.apply(job, *despite, "--max-failures", "9")
    assert ended.code == ExitCode.SOME_FAILED


def test_an_old_run_that_finished_is_not_folded_for_a_new_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows it had: its ends show that it finished."""
    job = stage.job(wide([1, 2]))
    old = stage.folder / "runs" / "job-20200115T083000.000Z.ledger.jsonl"
    old.parent.mkdir()
    changes = [change(row) for row in range(1, 301)]
    forge(old, ledger(run_record("job"), *changes, planned(*changes), *RUNS["finished"](300)))
    monkeypatch.setattr(finding, "fold", never)
    monkeypatch.setattr(ledgers, "fold", never)
    assert stage.apply(job).code == ExitCode.OK
    assert len(stage.ledgers) == 2


def test_a_ledger_at_work_is_not_folded_to_name_who_works_on_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last session has the pid; and nothing is loaded that works on it."""
    stage.apply(stage.job(wide([1])))
    held = LedgerFile.open(stage.ledger, now=FakeClock().now)
    monkeypatch.setattr(ledger_file, "fold", never)
    monkeypatch.setattr(applying, "apply_ledger", never)
    try:
        busy = stage.apply(str(stage.ledger))
        assert busy.code == ExitCode.BUSY
        assert f"(process {os.getpid()}) works on " in busy.err
    finally:
        os.close(held._fd)


@pytest.mark.parametrize("done", [100, 200])
async def test_the_mappings_that_were_applied_are_known_from_one_change(done: int, tmp_path: Path) -> None:
    """Of those that are alike, one is read; whether fewer rows are done or left."""
    path, changes = tmp_path / "ledger", [change(row) for row in range(1, 301)]
    told = RUNS["under way"](300)[: 1 + 2 * done]
    forge(path, ledger(run_record(), *changes, planned(*changes), *told))
    read: list[int] = []
    with reading(path) as reader:
        report = plan_report(reader)
        whole = reader.change
        reader.change = lambda row: read.append(row) or whole(row)  # type: ignore[method-assign,func-returns-value]
        totals = report.rows.totals()
    assert (totals.applied.added, totals.applied.removed) == (done, done)
    assert len(read) == 1
