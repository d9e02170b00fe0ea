"""`bulk status` and `bulk report`: the same ledger from every side, and what became of it."""

import csv
import io
import os
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from bulk.ledger.file import LedgerFile
from bulk.vpcep.codes import advice_for
from tests.scenarios.stage import Stage, wide
from tests.simulator_caller import service_id

MISSING = 99


@pytest.fixture
def played(stage: Stage) -> Stage:
    """Return a stage on which a run has ended: four applied, one already right, one failed, one refused."""
    rule = {
        "kind": "code",
        "code": "EndPoint.0002",
        "http": 400,
        "service_id": service_id(2),
        "method": "PUT",
    }
    stage.order(faults={"rules": [rule]})
    rows = wide([1, 2, 3, 4, 5, MISSING]) + wide([6], client_port=443).partition("\n")[2]
    assert stage.apply(stage.job(rows)).code == ExitCode.SOME_FAILED
    return stage


def test_status_adds_up_in_words_and_in_json(played: Stage) -> None:
    """Each outcome that there is, with its sigil."""
    out = played.bulk("status", str(played.ledger)).out
    assert out.startswith("job: finished at ")
    for words in (
        "7 of 7 rows done",
        "4 applied",
        "1 already right",
        "1 failed",
        "1 refused",
        "EndPoint.0002: 1 row",
    ):
        assert words in out
    status = played.status()
    assert (status["state"], status["rows"], status["ended"], status["puts_sent"]) == ("finished", 7, 7, 5)
    assert status["ledger"] == str(played.ledger)


@pytest.mark.parametrize("argument", ["", ".", "services.csv", "job.toml", "LEDGER"])
def test_the_run_that_is_meant_is_found(argument: str, played: Stage) -> None:
    """By nothing at all, the job's folder, its file, its job.toml, or the ledger itself."""
    words = [str(played.ledger) if argument == "LEDGER" else argument] if argument else []
    ended = played.bulk("status", *words, "--output", "json")
    assert Path(orjson.loads(ended.out)["ledger"]).resolve() == played.ledger


def test_the_run_of_one_job_is_not_that_of_its_neighbour(stage: Stage) -> None:
    """Two job files in one folder share `runs`, not their runs."""
    first, second = stage.file("a.csv", wide([1])), stage.file("b.csv", wide([2]))
    stage.apply(first)
    stage.apply(second)
    assert stage.bulk("status", first).out.startswith("a: finished")
    assert stage.bulk("status", second).out.startswith("b: finished")


def test_a_job_that_never_ran_has_no_run(stage: Stage) -> None:
    """Not that of its neighbour, nor that of a job whose name begins like its own."""
    stage.apply(stage.file("a-2.csv", wide([1])))
    other = stage.file("a.csv", wide([2]))
    ended = stage.bulk("status", other)
    assert ended.code == ExitCode.USAGE
    assert "no run of" in ended.err


def test_a_report_has_every_row_in_every_form(played: Stage) -> None:
    """Table, JSON, CSV, Markdown, HTML; in Markdown what was right already is only counted."""
    for form in ("table", "json", "csv", "md", "html"):
        more = ["--all"] if form == "table" else []
        ended = played.bulk("report", str(played.ledger), "--output", form, *more)
        assert ended.code == ExitCode.OK
        told = {n for n in (1, 2, 3, 4, 5, 6, MISSING) if service_id(n) in ended.out}
        assert told | {6} == {1, 2, 3, 4, 5, 6, MISSING}, form
    report = orjson.loads(played.bulk("report", str(played.ledger), "--output", "json").out)
    outcomes = [row["outcome"] for row in report["rows"]]
    assert sorted(outcomes) == ["already", "applied", "applied", "applied", "applied", "failed", "refused"]


def test_what_failed_can_be_cut_out_of_the_csv_and_applied_again(played: Stage) -> None:
    """The report as CSV is a job file, with columns that a job file ignores."""
    out = played.bulk("report", str(played.ledger), "--output", "csv").out
    rows = [row for row in csv.DictReader(io.StringIO(out)) if row["outcome"] == "failed"]
    again = io.StringIO()
    writer = csv.DictWriter(again, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    assert played.apply(played.file("again.csv", again.getvalue())).code == ExitCode.OK
    assert played.ports(2) == [(80, 8002), (8443, 9002)]


def test_failures_are_told_with_what_to_do(played: Stage) -> None:
    """One line for each code."""
    out = played.bulk("report", str(played.ledger)).out
    assert any(line.startswith("! 1 failed  EndPoint.0002 ") for line in out.splitlines())
    assert advice_for("EndPoint.0002", 400) in " ".join(out.split())


def test_a_plan_that_nobody_applied_is_planned(stage: Stage) -> None:
    """And status says how to."""
    stage.bulk("plan", stage.job(wide([1])), "--out", "p")
    out = stage.bulk("status", "p").out
    assert out.startswith("job: planned")
    assert "to apply: bulk apply p" in out


def test_a_run_at_work_is_running_and_a_dead_one_has_died(played: Stage) -> None:
    """The lock tells, since the kernel takes it from the dead."""
    content = played.ledger.read_bytes().splitlines(keepends=True)
    before_the_end = next(n for n, line in enumerate(content) if b'"type":"outcome"' in line) + 1
    path = played.folder / "cut.ledger.jsonl"
    path.write_bytes(b"".join(content[:before_the_end]))
    assert played.bulk("status", str(path)).out.startswith("job: died")
    assert "to continue: bulk apply" in played.bulk("status", str(path)).out
    ledger = LedgerFile.open(path, now=lambda: 0.0)
    try:
        assert played.bulk("status", str(path)).out.startswith("job: running")
        busy = played.apply(str(path))
        assert busy.code == ExitCode.BUSY
        assert ") works on " in busy.err
    finally:
        os.close(ledger._fd)


def test_a_stopped_run_says_why_and_how_it_goes_on(stage: Stage) -> None:
    """In the words of a person."""
    rule = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}
    stage.order(faults={"rules": [rule]})
    stage.apply(stage.job(wide(range(1, 4)), concurrency=1), "--max-failures", "0")
    out = stage.bulk("status").out
    assert "job: stopped at " in out
    assert "too many rows failed" in out
    assert "to go on despite it: bulk apply " in out
    assert "to continue" not in out


@pytest.mark.parametrize("verb", ["status", "report", "apply", "plan"])
def test_a_damaged_ledger_is_refused_with_its_line(verb: str, played: Stage) -> None:
    """By every verb that takes one."""
    content = played.ledger.read_bytes().splitlines(keepends=True)
    path = played.folder / "damaged.ledger.jsonl"
    path.write_bytes(b"".join(content[:3] + content[4:]))
    ended = played.bulk(verb, str(path), *(["--yes"] if verb == "apply" else []))
    assert ended.code == ExitCode.CANNOT_RUN
    assert f"{path}: line 4" in ended.err


def test_a_torn_last_line_is_cut_and_told(played: Stage) -> None:
    """The run behind it goes on; a note says how many bytes went."""
    content = played.ledger.read_bytes().splitlines(keepends=True)
    outcome = next(n for n, line in enumerate(content) if b'"type":"outcome"' in line)
    path = played.folder / "runs" / "job-99990101T000000.000Z.ledger.jsonl"
    path.write_bytes(b"".join(content[:outcome]) + content[outcome][:17])
    assert played.bulk("status", str(path)).out.startswith("job: died")
    played.order(faults={})
    played.apply(str(path))
    assert "cut an unfinished last line of 17 bytes" in played.records("note")[0]["message"]


@pytest.mark.parametrize("verb", ["status", "report"])
def test_what_is_no_ledger_is_said_to_be_none(verb: str, stage: Stage) -> None:
    """Neither an empty file nor another one."""
    for content in ("", "hello\n"):
        ended = stage.bulk(verb, stage.file("x.ledger.jsonl", content))
        assert ended.code == ExitCode.CANNOT_RUN
        assert "x.ledger.jsonl" in ended.err


def test_the_rows_that_ended_so_can_be_cut_out_of_a_report(played: Stage) -> None:
    """As lines, and as a CSV that is a job; not of a form whose totals would miss the others."""
    ledger = str(played.ledger)
    failed = played.bulk("report", ledger, "--only", "failed")
    assert [line[:2] + line[2:38] for line in failed.out.splitlines()] == [f"! {service_id(2)}"]
    both = played.bulk("report", ledger, "--only", "failed,refused", "--output", "csv").out
    assert {row["outcome"] for row in csv.DictReader(io.StringIO(both))} == {"failed", "refused"}
    for words in (["failed", "--output", "html"], ["broken"], [","]):
        refused = played.bulk("report", ledger, "--only", *words)
        assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    played.order(faults={"rules": []})
    again = played.file("again.csv", played.bulk("report", ledger, "--only", "failed", "--output", "csv").out)
    assert played.apply(again).code == ExitCode.OK
