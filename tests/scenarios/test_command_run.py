"""What a RUN means to each verb that takes one; and what these verbs advise works when it is followed."""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from bulk.cli import logs
from bulk.errors import ExitCode
from bulk.ledger.file import LedgerFile, kept_at_rest
from tests.fakes import FakeClock
from tests.forging import forge, records_of
from tests.scenarios.stage import WAIT_S, Ended, Stage, Typed, until, wide
from tests.simulator_caller import service_id

REFUSED = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}
VERBS = ("status", "report", "audit", "rollback", "why")


def asked(stage: Stage, verb: str, *run: str) -> Ended:
    """Return what a verb says of a RUN."""
    return stage.bulk(verb, *run, *([service_id(1)] if verb == "why" else []))


def stamped(ledger: Path, at: str) -> Path:
    """Write a ledger as if its clock had shown another time when it began, with right sums."""
    named = ledger.with_name(re.sub(r"\d{8}T\d{6}\.\d{3}Z", re.sub("[-:]", "", at), ledger.name))
    forge(named, [record | {"at": at} for record in records_of(ledger.read_bytes())])
    ledger.unlink()
    return named


def advised(ended: Ended) -> list[list[str]]:
    """Return the commands that a verb names, in words."""
    found = re.findall(r"`(bulk [^`]+)`|(?:continue|apply|plan|see it): (bulk .*)", ended.said)
    return [shlex.split(one or other)[1:] for one, other in found]


@pytest.mark.parametrize("verb", VERBS)
def test_a_run_is_its_ledger_its_job_or_the_latest_below_this_folder(verb: str, stage: Stage) -> None:
    """All three say the same, and which run it is where the words do not."""
    job = stage.job(wide([1, 2]))
    stage.apply(job)
    named = asked(stage, verb, str(stage.ledger))
    assert named.code == ExitCode.OK, named.err
    for run in ((job,), ("services.csv",), ("job.toml",), ()):
        meant = asked(stage, verb, *run)
        assert (meant.code, meant.out) == (ExitCode.OK, named.out), run
        assert f"{stage.ledger.name}\n" in meant.err
        assert meant.err.startswith("run: ")


@pytest.mark.parametrize("verb", VERBS)
def test_where_there_is_no_run_it_says_so_and_what_is_looked_for(verb: str, stage: Stage) -> None:
    """Exit 2; a plan that lies elsewhere is named by its file."""
    job = stage.job(wide([1]))
    for run in ((job,), ()):
        ended = asked(stage, verb, *run)
        assert (ended.code, ended.out) == (ExitCode.USAGE, "")
        assert "found no run of" in ended.err
        assert "--out, is named by its file" in ended.err


@pytest.mark.parametrize("verb", VERBS)
def test_the_run_of_a_plan_that_was_saved_beside_its_job_is_found(verb: str, stage: Stage) -> None:
    """A plan that has not been applied is found where there is nothing else."""
    job = stage.job(wide([1, 2]))
    stage.apply(job, "--limit", service_id(2))
    run = stage.ledger
    assert stage.bulk("plan", job, "--out", str(stage.folder / "move.plan")).code == ExitCode.OK
    assert str(run.name) in asked(stage, "status", job).err
    assert stage.apply("move.plan").code == ExitCode.OK
    assert "move.plan" in asked(stage, verb, job).err
    run.unlink()
    assert "move.plan" in asked(stage, verb, job).err


def test_a_run_that_a_wrong_clock_stamped_hides_no_open_one(stage: Stage) -> None:
    """Neither from `status` nor from `apply`, which continues the open run."""
    job = stage.job(wide(range(1, 4)), concurrency=1, max_failures=0)
    stage.apply(job)
    stamped(stage.ledger, "2999-01-01T00:00:00.000Z")
    stage.file("services.csv", wide(range(1, 4), client_port=9443))
    stage.order(faults={"rules": [REFUSED | {"nth": 2}]})
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    (opened,) = (ledger for ledger in stage.ledgers if "2999" not in ledger.name)
    assert opened.name in stage.bulk("status", job).err
    ended = stage.apply(job, "--max-failures", "9")
    assert f"continuing with {opened}" in ended.err
    assert len(stage.ledgers) == 2


def open_beside_finished(stage: Stage, *, stamp: str = "", row: int = 2) -> tuple[str, Path, Path]:
    """Leave a run of a job finished, and a later one open that a wrong clock stamped.

    Return the job and the ledgers, the open one first.
    """
    job = stage.job(wide(range(1, 4)), concurrency=1)
    assert stage.apply(job).code == ExitCode.OK
    finished = stage.ledger
    stage.file("services.csv", wide(range(1, 4), client_port=9443))
    rule = {"kind": "code", "code": "APIGW.0301", "http": 401, "method": "PUT", "nth": row}
    stage.order(faults={"rules": [rule]})
    assert stage.apply(job).code == ExitCode.CANNOT_RUN
    opened = stamped(stage.ledger, stamp) if stamp else stage.ledger
    stage.order(faults={"rules": []})
    return job, opened, finished


WRONG = pytest.mark.parametrize("stamp", ["2999-01-01T00:00:00.000Z", "2001-01-01T00:00:00.000Z"])
"""A clock that was ahead of time, or set back."""


@WRONG
def test_no_finished_run_hides_an_open_one_from_apply(stamp: str, stage: Stage) -> None:
    """Both are named, and the command that is named goes on with the open one; the next night is as usual."""
    job, opened, finished = open_beside_finished(stage, stamp=stamp)
    sent = len(stage.applied)
    refused = stage.apply(job)
    assert (refused.code, len(stage.applied)) == (ExitCode.REFUSED, sent)
    assert f"{opened} is open" in refused.err
    assert str(finished) in refused.err
    (command,) = advised(refused)
    assert stage.bulk(*command, "--yes").code == ExitCode.OK
    assert stage.outcomes(opened) == {"applied": 3}
    stage.file("services.csv", wide(range(1, 4)))
    assert stage.apply(job).code == ExitCode.OK
    assert len(stage.ledgers) == 3


@WRONG
def test_an_open_run_is_left_for_good_by_one_decision(stamp: str, stage: Stage) -> None:
    """It is on record in it: the job works again every night, and nobody goes on with what was left."""
    job, opened, _ = open_beside_finished(stage, stamp=stamp)
    assert stage.apply(job).code == ExitCode.REFUSED
    left = stage.apply(job, "--new-run")
    assert (left.code, f"leaving {opened} for good" in left.err) == (ExitCode.OK, True)
    assert [each["what"] for each in stage.records("decision", opened)] == ["leave"]
    stage.file("services.csv", wide(range(1, 4)))
    assert stage.apply(job).code == ExitCode.OK
    assert "was left for good by" in stage.apply(str(opened)).err
    status = stage.bulk("status", str(opened)).out
    assert "left for good by" in status
    assert "to continue" not in status
    assert stage.bulk("audit", str(opened)).code == ExitCode.OK
    assert str(opened) not in stage.bulk("status", job).err


@WRONG
def test_no_finished_run_hides_an_open_one_from_status_and_rollback(stamp: str, stage: Stage) -> None:
    """`status` shows the open one and names the other; `rollback` takes none that may not be meant."""
    job, opened, finished = open_beside_finished(stage, stamp=stamp)
    status = stage.bulk("status", job)
    assert "stopped at" in status.out
    assert status.err == f"run: {opened}\nanother one: {finished}\n"
    sent = len(stage.applied)
    refused = stage.bulk("rollback", job, "--apply", "--yes")
    assert (refused.code, len(stage.applied)) == (ExitCode.REFUSED, sent)
    first, second = advised(refused)
    assert (first, second) == (["rollback", str(opened)], ["rollback", str(finished)])
    assert stage.bulk(*first, "--apply", "--yes").code == ExitCode.OK
    assert [stage.ports(n)[1][0] for n in (1, 2, 3)] == [8443] * 3
    assert stage.bulk("status", job).err == f"run: {finished}\n"


def test_a_new_run_beside_an_open_one_leaves_that_for_good(stage: Stage) -> None:
    """Whatever the stamps: else it would stand in the way once the new run has finished."""
    job, opened, _ = open_beside_finished(stage)
    assert stage.apply(job, "--new-run").code == ExitCode.OK
    assert "was left for good by" in stage.apply(str(opened)).err
    assert stage.apply(job).code == ExitCode.OK


def test_two_open_runs_are_gone_on_with_one_after_the_other(stage: Stage) -> None:
    """As an earlier version may have left them: the later one first, and the other is named."""
    job, first, _ = open_beside_finished(stage)
    content = first.read_bytes()
    stage.order(
        faults={"rules": [{"kind": "code", "code": "APIGW.0301", "http": 401, "method": "PUT", "nth": 1}]}
    )
    assert stage.apply(job, "--new-run").code == ExitCode.CANNOT_RUN
    stage.order(faults={"rules": []})
    first.write_bytes(content)
    later = stage.apply(job)
    assert (later.code, f"{first} is an open run of this job as well" in later.err) == (ExitCode.OK, True)
    refused = stage.apply(job)
    assert refused.code == ExitCode.REFUSED
    (command,) = advised(refused)
    assert command == ["apply", str(first)]


def test_an_open_run_that_cannot_be_written_stands_in_no_new_ones_way(stage: Stage) -> None:
    """That it is left is then not on record; what to do about it is said."""
    job, opened, _ = open_beside_finished(stage, stamp="2999-01-01T00:00:00.000Z")
    content = opened.read_bytes()
    opened.unlink()
    opened.symlink_to(stage.file("elsewhere", content.decode()))
    ended = stage.apply(job, "--new-run")
    assert (ended.code, "not on record there that it is left" in ended.err) == (ExitCode.OK, True)
    opened.rename(stage.folder / "away")
    assert stage.apply(job).code == ExitCode.OK


def continued(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words of the command that goes on, with the variables unset that it unsets."""
    (advice,) = re.findall(r"(?:to continue: |go on with it with `)([^`\n]+)", ended.err)
    words = shlex.split(advice)
    while words[0] in {"env", "-u"}:
        if words.pop(0) == "-u":
            monkeypatch.delenv(words.pop(0))
    return words[1:]


def test_what_goes_on_is_not_asked_again_for_what_it_cannot_take(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A yes is repeated only where nobody can be asked; the variable of `--limit` is unset for a ledger."""
    rule = {"kind": "code", "code": "APIGW.0301", "http": 401, "method": "PUT", "times": None}
    stage.order(faults={"rules": [rule]})
    job = stage.job(wide(range(1, 4)), concurrency=1)
    monkeypatch.setenv("BULK_LIMIT", service_id(2))
    alone = stage.bulk("apply", job, "--yes")
    assert continued(alone, monkeypatch) == ["apply", str(stage.ledger), "--yes"]
    monkeypatch.setattr(sys, "stdin", Typed("yes\n"))
    asked = stage.bulk("apply", str(stage.ledger), "--yes")
    assert continued(asked, monkeypatch) == ["apply", str(stage.ledger)]
    stage.order(faults={"rules": []})
    assert stage.bulk("apply", str(stage.ledger)).code == ExitCode.OK


def test_an_open_run_is_gone_on_with_beside_the_variable_of_a_limit(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is advised where a stamp leaves a doubt works as it stands."""
    job, opened, _ = open_beside_finished(stage, stamp="2999-01-01T00:00:00.000Z")
    monkeypatch.setenv("BULK_LIMIT", service_id(2))
    refused = stage.apply(job)
    assert refused.code == ExitCode.REFUSED
    words = continued(refused, monkeypatch)
    assert words == ["apply", str(opened)]
    assert stage.bulk(*words, "--yes").code == ExitCode.OK


def test_a_damaged_latest_ledger_is_refused_with_a_way_out_that_works(stage: Stage) -> None:
    """Nobody knows what it has sent; a new run finds it as already right."""
    job = stage.job(wide([1, 2]))
    stage.apply(job)
    stage.ledger.write_bytes(stage.ledger.read_bytes().replace(b'"applied"', b'"failed "', 1))
    refused = stage.apply(job)
    assert refused.code == ExitCode.CANNOT_RUN
    assert "does not follow" in refused.err
    assert "restore it from a copy, or leave it as it is with --new-run" in refused.err
    assert stage.apply(job, "--new-run").code == ExitCode.OK
    assert (len(stage.applied), stage.outcomes()) == (2, {"already": 2})
    assert stage.bulk("status", job).code == ExitCode.OK


def test_a_damaged_ledger_that_was_named_is_refused_with_another_way_out(stage: Stage) -> None:
    """A new run does not write over it."""
    job, ledger = stage.job(wide([1])), stage.file("own.ledger.jsonl", "damaged\n")
    assert "or name another file with --ledger" in stage.apply(job, "--ledger", ledger).err
    assert stage.apply(job, "--ledger", "other.ledger.jsonl").code == ExitCode.OK


def test_a_damaged_ledger_of_a_rollback_does_not_block_the_rollback(stage: Stage) -> None:
    """It has no --new-run; the file moved away, the same command works."""
    stage.apply(stage.job(wide([1])))
    run = str(stage.ledger)
    assert stage.bulk("rollback", run, "--apply", "--yes").code == ExitCode.OK
    back = stage.ledger
    back.write_bytes(back.read_bytes()[:-200] + b"\n")
    refused = stage.bulk("rollback", run, "--apply", "--yes")
    assert (refused.code, "move it to another folder" in refused.err) == (ExitCode.CANNOT_RUN, True)
    back.rename(stage.folder / back.name)
    assert stage.bulk("rollback", run, "--apply", "--yes").code == ExitCode.OK


def test_every_reason_to_stop_is_in_every_report(stage: Stage) -> None:
    """Table, Markdown, CSV, JSON and HTML, and in the status."""
    stage.order(faults={"rules": [REFUSED]})
    job = stage.job(wide(range(1, 4)), canary=1, max_failures=0)
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    words = "too many rows failed; a wave did not end as it should"
    for form in ("table", "md", "csv", "json", "html"):
        assert words in stage.bulk("report", job, "--output", form).out, form
    assert words in stage.bulk("status", job).out
    rows = stage.bulk("report", job, "--output", "csv").out.splitlines()
    assert [words in row for row in rows] == [False, False, True, True]


def test_a_run_that_ended_in_doubt_is_not_finished(stage: Stage) -> None:
    """No verb says so; the command that settles the doubt is named, and works."""
    job = stage.job(wide([1]))
    stage.apply(job)
    ledger = stage.ledger
    kept = [record for record in records_of(ledger.read_bytes()) if record["type"] != "outcome"]
    kept[-1]["counts"] |= {"applied": 0, "in_doubt": 1}
    forge(ledger, kept)
    status = stage.bulk("status", job)
    assert "stopped at" in status.out
    assert "1 row in doubt could not be read" in status.out
    for verb in VERBS:
        assert "inished" not in asked(stage, verb, job).said.replace("Finished rows", ""), verb
    assert "Stopped" in stage.bulk("report", job, "--output", "html").out
    (resume,) = advised(status)
    assert stage.bulk(*resume, "--yes").code == ExitCode.OK
    assert stage.outcomes() == {"applied": 1}


def test_the_rollback_of_a_run_at_work_is_refused_with_who_works_on_it(stage: Stage) -> None:
    """Exit 8, and the command that shows it; what would be rolled back can still be looked at."""
    job = stage.job(wide([1]))
    stage.apply(job)
    ledger = LedgerFile.open(stage.ledger, now=FakeClock().now)
    try:
        for more in (("--apply", "--yes"), ("--out", "back.plan")):
            busy = stage.bulk("rollback", job, *more)
            assert busy.code == ExitCode.BUSY
            assert f"(process {os.getpid()}) works on " in busy.err
            (shown,) = advised(busy)
            assert stage.bulk(*shown).out.startswith("job: running, process")
        assert stage.bulk("rollback", job).code == ExitCode.OK
    finally:
        os.close(ledger._fd)


def test_a_run_whose_rollback_is_being_planned_is_not_continued(stage: Stage) -> None:
    """Its rows would be missing in the rollback; the command that shows the run works."""
    job = stage.job(wide([1]))
    stage.apply(job)
    run = stage.ledger
    with kept_at_rest(run):
        busy = stage.apply(str(run))
        assert busy.code == ExitCode.BUSY
        assert f"a rollback of {run} is being planned" in busy.err
        (shown,) = advised(busy)
        assert stage.bulk(*shown).out.startswith("job: finished")


def test_a_row_of_a_target_that_the_plan_does_not_name_is_never_sent(stage: Stage) -> None:
    """Nobody has looked its project up."""
    plan = stage.folder / "plan"
    stage.bulk("plan", stage.job(wide([1, 2])), "--out", str(plan))
    told = records_of(plan.read_bytes())
    told[1]["target"]["project_id"] = "0" * 32
    forge(plan, told)
    ended = stage.apply(str(plan))
    assert (ended.code, stage.applied) == (ExitCode.CANNOT_RUN, [])
    assert f"has rows of cn-north-4/{'0' * 32}, which the plan does not name as a target" in ended.err


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_verb_advises_works(verb: str, stage: Stage) -> None:
    """Every command that it names, of a saved plan, of a run that stopped and of one that finished."""
    job = stage.job(wide(range(1, 9)), concurrency=1, max_failures=0)
    plan = str(stage.folder / "a plan")
    stage.bulk("plan", job, "--out", plan)
    for word in asked(stage, verb, plan), asked(stage, verb, job):
        for command in advised(word):
            assert stage.bulk(*command, *(["--yes"] if command[0] == "apply" else [])).code == ExitCode.OK


def test_one_job_under_two_names_is_one_run_at_a_time(stage: Stage) -> None:
    """A saved plan, a copy or a link of the same file: the second ends with 8 while the first is at work."""
    job = stage.job(wide(range(1, 4)))
    stage.bulk("plan", job, "--out", "plan.jsonl")
    rows = (stage.folder / "services.csv").read_text()
    stage.file("copy.csv", rows)
    stage.order(switches={"latency_s": 0.5})
    with stage.child("apply", job, "--yes", "-j", "1") as process:
        until(lambda: stage.ledgers, process)
        for other in ("plan.jsonl", "copy.csv"):
            ended = stage.apply(other)
            assert ended.code == ExitCode.BUSY
            assert "another run of the same rows is at work" in ended.err
        process.communicate(timeout=WAIT_S)
    assert len(stage.applied) == 3


def test_a_run_whose_ledger_is_gone_sends_no_further_put(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with 1; the same command begins anew and finds what was changed as already right."""
    configure = logs.configure

    def on_record(record: dict[str, Any], _: object) -> None:
        if record["type"] == "outcome":
            shutil.rmtree(stage.folder / "runs", ignore_errors=True)

    monkeypatch.setattr("bulk.cli.logs.configure", lambda **_: on_record)
    job = stage.job(wide(range(1, 9)), concurrency=1)
    ended = stage.apply(job)
    assert (ended.code, "something else wrote to it" in ended.err) == (ExitCode.CANNOT_RUN, True)
    sent = len(stage.applied)
    assert 1 <= sent < 8
    monkeypatch.setattr("bulk.cli.logs.configure", configure)
    assert stage.apply(job).code == ExitCode.OK
    assert stage.outcomes() == {"applied": 8 - sent, "already": sent}
    assert len(stage.applied) == 8


def test_what_has_finished_stays_as_it_is_on_record(stage: Stage) -> None:
    """Whatever was done to the services since: its ledger is the proof of what this run did."""
    job = stage.job(wide([1, 2]))
    stage.order(faults={"rules": [REFUSED | {"nth": 2}]})
    first = stage.apply(job)
    run, before = stage.ledger, stage.ledger.read_bytes()
    stage.order(faults={"rules": []})
    stage.file("services.csv", wide([1, 2], client_port=9443))
    assert stage.apply(job).code == ExitCode.OK
    sent = len(stage.applied)
    again = stage.apply(str(run))
    assert (again.code, run.read_bytes(), len(stage.applied)) == (first.code, before, sent)
    assert "has finished before: nothing was read or sent" in again.err
    assert "1 of 2 services" in again.out
