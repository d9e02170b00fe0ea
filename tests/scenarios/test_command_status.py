"""`bulk status --check`: what a scheduler is told of a run, whoever saw how it ended."""

import signal

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Json, Stage, until, wide

REJECTED = {"kind": "code", "code": "EndPoint.3044", "http": 400, "method": "PUT", "times": None}


def test_each_state_of_a_run_has_its_exit_code(stage: Stage) -> None:
    """No run, a plan, a finished run, failed rows, a limit; without the flag it is 0."""
    job = stage.job(wide(range(1, 4)))
    ended = stage.bulk("status", job, "--check")
    assert (ended.code, ended.out) == (ExitCode.STOPPED_EARLY, f"found no run of {job}\n")
    ended = stage.bulk("status", job, "--check", "--output", "json")
    assert orjson.loads(ended.out)["state"] == "none"
    assert stage.bulk("status", "missing", "--check").code == ExitCode.USAGE
    stage.bulk("plan", job, "--out", "p")
    assert stage.bulk("status", "p", "--check").code == ExitCode.STOPPED_EARLY
    assert stage.apply(job).code == stage.bulk("status", job, "--check").code == ExitCode.OK
    stage.order(faults={"rules": [REJECTED]})
    failed = stage.job(wide(range(4, 7)))
    assert stage.apply(failed).code == stage.bulk("status", failed, "--check").code == ExitCode.SOME_FAILED
    stopped = stage.job(wide(range(7, 10)), max_failures=0)
    assert stage.apply(stopped).code == stage.bulk("status", stopped, "--check").code == ExitCode.SAFETY_LIMIT
    assert stage.bulk("status", stopped).code == ExitCode.OK
    status = stage.status()
    assert (status["exit_code"], status["budget"]["used"], status["budget"]["limit"]) == (6, 1, 0)


@pytest.mark.parametrize("mistake", ["rate = 20", "concurency = 3", '[notify.ops]\nform = "fax"'])
def test_a_mistake_in_the_job_hides_none_of_its_runs(mistake: str, stage: Stage) -> None:
    """Whoever edits a job while its run is at work can still look at it, and tell it to pause."""
    job = stage.job(wide([1]), name="night")
    stage.apply(job)
    toml = stage.folder / "job.toml"
    stage.file("job.toml", f"{toml.read_text()}{mistake}\n")
    assert stage.bulk("check", job).code == ExitCode.INVALID
    for verb in ("status", "report", "audit", "runs", "tell"):
        assert stage.bulk(verb, job).code == ExitCode.OK, verb
    assert stage.bulk("status", job, "--check").code == ExitCode.OK


def test_a_job_whose_name_cannot_be_read_has_not_simply_no_run(stage: Stage) -> None:
    """Its run may have the name that cannot be read; a scheduler hears what `apply` would end with."""
    job = stage.job(wide([1]), name="night")
    stage.apply(job)
    toml = stage.folder / "job.toml"
    stage.file("job.toml", f"{toml.read_text()}strict = \n")
    ended = stage.bulk("status", job, "--check")
    assert (ended.code, "job.toml:4:10: " in ended.err) == (ExitCode.INVALID, True)


def test_a_start_that_recorded_nothing_is_seen_by_its_age(stage: Stage) -> None:
    """Last night's run is none of tonight, but for a stop that a person has to lift."""
    job = stage.job(wide([1]))
    assert stage.apply(job).code == stage.bulk("status", job, "--check", "--since", "1h").code == ExitCode.OK

    def last_night(record: Json) -> Json:
        return {"at": record["at"].replace("20", "19", 1)}

    old = stage.forged(str(stage.ledger), last_night)
    assert stage.bulk("status", old, "--check").code == ExitCode.OK
    ended = stage.bulk("status", old, "--check", "--since", "8d")
    assert (ended.code, "no run was at work in the last 192 h; before, it finished" in ended.err) == (5, True)
    status = orjson.loads(stage.bulk("status", old, "--check", "--since", "8d", "--output", "json").out)
    assert (status["state"], status["exit_code"]) == ("finished", ExitCode.STOPPED_EARLY)
    for words in (("--since", "8d"), ("--check", "--since", ""), ("--check", "--since", "soon")):
        assert stage.bulk("status", old, *words).code == ExitCode.USAGE
    stage.order(faults={"rules": [REJECTED]})
    stopped = stage.job(wide([2]), max_failures=0)
    assert stage.apply(stopped).code == ExitCode.SAFETY_LIMIT
    stopped = stage.forged(str(stage.ledger), last_night)
    assert stage.bulk("status", stopped, "--check", "--since", "1h").code == ExitCode.SAFETY_LIMIT


def test_a_run_that_is_killed_is_busy_before_and_resumable_after(stage: Stage) -> None:
    """Nobody was there to write down its end; a run that waits says for what and until when."""
    stage.order(limits=["token:1/s"])
    job = stage.job(wide(range(1, 9)), waves=[2, 2], max_failures="50%", window="00:00-24:00 UTC", spare="1s")
    with stage.child("apply", job, "--yes", "--rate", "1/s", "--ticket", "CHG1") as process:
        until(lambda: stage.ledgers and b'"type":"intent"' in stage.ledger.read_bytes(), process)
        assert stage.bulk("status", job, "--check").code == ExitCode.BUSY
        status = stage.status()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=WAIT_S)
    assert (status["state"], status["ticket"], status["silent_s"] < WAIT_S) == ("running", "CHG1", True)
    assert status["window"]["is_open"]
    assert status["window"]["fits"] in {True, False}
    assert (status["wave"]["number"], status["wave"]["of"], status["wave"]["rows"]) == (1, 3, 2)
    [lane] = status["lanes"]
    assert (lane["region"], lane["rows"], lane["rate_per_s"]) == ("cn-north-4", 8, 1.0)
    assert status["ends_at"] > status["at"]
    assert stage.bulk("status", job, "--check").code == ExitCode.STOPPED_EARLY
    assert stage.status()["reason"].startswith(f"process {process.pid} of ")


def test_a_run_that_was_taken_back_needs_a_person(stage: Stage) -> None:
    """Its rows are not as they were asked any more."""
    job = stage.job(wide([1]))
    stage.apply(job)
    run = str(stage.ledger)
    assert stage.bulk("rollback", run, "--apply", "--yes").code == ExitCode.OK
    assert stage.bulk("status", run, "--check").code == ExitCode.REFUSED


def test_settings_of_another_version_keep_nobody_from_the_status(stage: Stage) -> None:
    """What follows from settings that cannot be read is null."""
    stage.apply(stage.job(wide([1]), max_failures=1))

    def later(record: Json) -> Json:
        return {"options": {**record["options"], "later": 1}} if record["type"] == "run" else {}

    forged = stage.forged(str(stage.ledger), later)
    status = orjson.loads(stage.bulk("status", forged, "--output", "json").out)
    assert (status["state"], status["budget"]) == ("finished", None)


@pytest.mark.parametrize("member", ["exit_code", "hold", "window", "budget", "wave", "lanes", "ends_at"])
def test_the_status_always_has_every_member(member: str, stage: Stage) -> None:
    """Whoever reads it need not ask whether it is there."""
    stage.bulk("plan", stage.job(wide([1])), "--out", "p")
    assert member in stage.status(stage.folder / "p")


def test_without_a_run_the_latest_one_in_this_folder_or_below_is_meant(stage: Stage) -> None:
    """Also one whose plan was saved here, as `runs` lists it; a plan that nobody has applied comes last."""
    job = stage.job(wide([1]))
    stage.bulk("plan", job, "--out", "saved.plan")
    assert "run: saved.plan" in stage.bulk("status").err
    assert stage.apply(job).code == ExitCode.OK
    assert f"run: runs/{stage.ledger.name}" in stage.bulk("status").err
    stage.bulk("plan", job, "--out", "next.plan")
    assert f"run: runs/{stage.ledger.name}" in stage.bulk("status").err
    assert stage.apply("next.plan").code == ExitCode.OK
    for verb in ("status", "audit", "report", "watch"):
        assert "run: next.plan" in stage.bulk(verb).err
