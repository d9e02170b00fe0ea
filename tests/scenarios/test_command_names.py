"""Jobs that are named alike: each has its own runs, and none that was begun before is lost."""

from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from bulk.ledger.file import only_run
from bulk.settings import forms
from tests.scenarios.stage import Json, Stage, wide
from tests.simulator_caller import mapping, service_id

REVOKED = {"kind": "code", "code": "APIGW.0301", "http": 401, "method": "PUT", "nth": 2}
ALIKE = {
    "services.csv": wide([1, 2]),
    "services.jsonl": "".join(
        orjson.dumps({"service_id": service_id(n), "ports": [mapping(1, n)]}).decode() + "\n" for n in (3, 4)
    ),
    "services.toml": 'rows = "other.csv"\nconcurrency = 1\n',
    "job.toml": 'rows = "another.csv"\nname = "services"\nconcurrency = 1\n',
}
"""Four jobs of one name in one folder."""
IDS = {
    "services.csv": (1, 2),
    "services.jsonl": (3, 4),
    "services.toml": (5, 6),
    "job.toml": (7, 8),
}


@pytest.fixture
def alike(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Write the jobs and what they name."""
    for name, content in {**ALIKE, "other.csv": wide([5, 6]), "another.csv": wide([7, 8])}.items():
        stage.file(name, content)
    monkeypatch.setenv("BULK_CONCURRENCY", "1")
    return stage


def left_open(stage: Stage, job: str) -> Path:
    """Leave a run of a job open, and return its ledger."""
    stage.order(faults={"rules": [REVOKED]})
    assert stage.apply(job).code == ExitCode.CANNOT_RUN
    stage.order(faults={})
    return stage.ledger


def test_jobs_of_one_name_in_one_folder_have_runs_of_their_own(alike: Stage) -> None:
    """Each is open beside the others, is shown as itself, and is continued by the same command."""
    ledgers = {job: left_open(alike, job) for job in ALIKE}
    assert len(set(ledgers.values())) == len(ALIKE)
    for job, ledger in ledgers.items():
        assert f"run: {ledger.relative_to(alike.folder)}\n" in alike.bulk("status", job).err
        ended = alike.apply(job)
        assert ended.code == ExitCode.OK, ended.err
        assert f"continuing with {ledger.relative_to(alike.folder)}" in ended.err
        assert alike.outcomes(ledger) == {"applied": 2}
    assert sorted(put.id for put in alike.applied) == [service_id(n) for n in range(1, 9)]


@pytest.mark.parametrize("job", ALIKE)
def test_a_job_of_the_same_name_at_work_keeps_no_other_away(job: str, alike: Stage) -> None:
    """But for itself."""
    with only_run(alike.folder / "runs", "services" if job == "job.toml" else job):
        for each in ALIKE:
            assert alike.apply(each).code == (ExitCode.BUSY if each == job else ExitCode.OK)


def test_a_stop_of_one_job_stops_no_other_of_its_name(alike: Stage) -> None:
    """Nor its rollback that of the other."""
    refused = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT", "nth": 2}
    alike.order(faults={"rules": [refused]})
    assert alike.apply("services.csv", "--max-failures", "0").code == ExitCode.SAFETY_LIMIT
    alike.order(faults={})
    assert alike.apply("services.jsonl").code == ExitCode.OK
    alike.order(faults={"rules": [REVOKED]})
    back = ("rollback", "services.jsonl", "--apply", "--yes")
    assert alike.bulk(*back).code == ExitCode.CANNOT_RUN
    assert alike.bulk("rollback", "services.csv", "--apply", "--yes").code == ExitCode.OK
    alike.order(faults={})
    assert alike.bulk(*back).code == ExitCode.OK
    assert alike.ports(3) == [(80, 8003), (443, 9003)]


@pytest.mark.parametrize("job", ["services.csv", "services.toml", "job.toml"])
def test_a_run_of_an_earlier_version_is_found_by_its_job(job: str, alike: Stage) -> None:
    """Which did not say by which file it was begun: by what it read its rows from, or by any job.toml."""
    ledger = left_open(alike, job)

    def earlier(record: Json) -> Json:
        return {"runs": "", "file": ""} if record["type"] == "run" else {}

    old = Path(alike.forged(str(ledger), earlier))
    ledger.write_bytes(old.read_bytes())
    old.unlink()
    assert "continuing with" not in alike.apply("services.jsonl").err
    ended = alike.apply(job)
    assert f"continuing with {ledger.relative_to(alike.folder)}" in ended.err
    assert ended.code == ExitCode.OK
    assert {service_id(n) for n in IDS[job]} <= {put.id for put in alike.applied}


def test_a_file_that_job_toml_names_is_shown_by_whichever_ran_last(stage: Stage) -> None:
    """It is that job's, and has runs of its own as well."""
    job = stage.job(wide([1]))
    assert stage.bulk("status", "services.csv").code == ExitCode.USAGE
    assert stage.apply(job).code == ExitCode.OK
    assert f"run: {Path('runs') / stage.ledger.name}\n" in stage.bulk("status", "services.csv").err
    assert stage.apply("services.csv").code == ExitCode.OK
    assert "runs/services-" in stage.bulk("status", "services.csv").err
    assert "runs/job-" in stage.bulk("status", job).err


@pytest.mark.parametrize("name", ["übung", "迁移-ssh", "ночь", "1", "a_b.c"])
def test_a_job_whose_name_has_letters_of_any_script_is_continued_and_shown(name: str, stage: Stage) -> None:
    """Every name that a job may have is one that its ledger may have."""
    assert forms.NAME.read(name) == name
    job = stage.file(f"{name}.csv", wide([1, 2]))
    ledger = left_open(stage, job)
    assert ledger.name.startswith(f"{name}-")
    assert stage.apply(job, "-j", "1").code == ExitCode.OK
    assert stage.bulk("audit", job).code == ExitCode.OK
    assert stage.bulk("rollback", job, "--apply", "--yes").code == ExitCode.OK
