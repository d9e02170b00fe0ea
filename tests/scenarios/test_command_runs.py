"""`bulk runs`: what ran here, by whom, under which ticket, how it ended; and other tools that ask ledgers."""

import csv
import os
import re
import subprocess
from pathlib import Path

import duckdb
import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, wide

PAGE = (Path(__file__).parents[2] / "jobs" / "README.md").read_text(encoding="utf-8")
MEMBERS = PAGE.partition("| Of a run |")[2].partition("\n\n")[0]
REJECTED = {"kind": "code", "code": "EndPoint.3044", "http": 400, "method": "PUT", "times": 1}


def test_the_runs_of_a_job_are_listed_with_its_rollback(stage: Stage) -> None:
    """The latest first: a plan, a rollback, a run with a failed row; another job's only for the folder."""
    job, other = stage.job(wide(range(1, 4))), stage.file("other.csv", wide([5]))
    stage.order(faults={"rules": [REJECTED]})
    assert stage.apply(job, "--ticket", "CHG1").code == ExitCode.SOME_FAILED
    stage.bulk("rollback", job, "--apply", "--yes", "--ticket", "CHG2")
    assert stage.apply(other).code == ExitCode.OK
    runs = orjson.loads(stage.bulk("runs", job, "--output", "json").out)
    assert len(runs) == 3
    of = [run for run in orjson.loads(stage.bulk("runs", "--output", "json").out) if run["job"] != "other"]
    assert [
        (run["job"], run["ticket"], run["applied"], run["not_as_asked"], run["exit_code"]) for run in of
    ] == [
        ("job-rollback", "CHG2", 2, 0, 0),
        ("job", "CHG1", 2, 1, 4),
    ]
    assert [run["is_rolled_back"] for run in of] == [False, True]
    assert of[1]["digest"] == stage.status(stage.ledgers[0])["digest"]
    [titles, *cells] = csv.reader(stage.bulk("runs", str(stage.folder), "--output", "csv").out.splitlines())
    assert len(cells) == 3
    assert (
        titles
        == [*of[0]]
        == re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", MEMBERS, re.MULTILINE)))
    )
    shown = stage.bulk("runs", other).out.splitlines()
    assert len(shown) == 2
    assert re.search(r" other +\S+ +- +1 +1 +0 +finished +0 +[0-9a-f]{16}  \S*runs/other-", shown[1])


def test_where_nothing_ran_the_list_is_empty(stage: Stage) -> None:
    """Which is no error; what is neither a job nor a folder is one."""
    job = stage.job(wide([1]))
    ended = stage.bulk("runs", job)
    assert (ended.code, ended.out, ended.err) == (ExitCode.OK, "", f"no run is recorded for {job}\n")
    assert stage.bulk("runs").err == "no run is recorded for any job below this folder\n"
    assert stage.bulk("runs", "--output", "json").out == "[]\n"
    assert stage.bulk("runs", "missing").code == ExitCode.USAGE


def test_the_query_of_the_page_finds_what_is_not_as_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As DuckDB runs it; of two outcomes of a row the last one counts, and a torn line is passed over."""
    stage.order(faults={"rules": [REJECTED]})
    stage.apply(stage.job(wide(range(1, 4))))
    with stage.ledger.open("ab") as file:
        file.write(b'{"n":')
    [query] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(stage.folder)
    assert duckdb.sql(query).fetchall() == [
        (f"runs/{stage.ledger.name}", "failed", "EndPoint.3044", 1),
    ]


def test_the_command_of_the_page_finds_old_ledgers_and_what_belongs_to_them(stage: Stage) -> None:
    """And no other file."""
    stage.apply(stage.job(wide([1])))
    old = stage.ledger.with_name("job-20200101T000000.000Z.ledger.jsonl")
    for path in (
        old,
        old.with_name(old.name + ".summary"),
        old.with_name("notes"),
        stage.folder / "old.jsonl",
    ):
        path.write_text("")
        os.utime(path, (0, 0))
    [command] = re.findall(r"^find .*$", PAGE, re.MULTILINE)
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)  # noqa: S607
    assert sorted(found.stdout.split()) == [f"./runs/{old.name}", f"./runs/{old.name}.summary"]
