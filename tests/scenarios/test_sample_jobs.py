"""The jobs of `jobs/` do what their comments and their page say; each runs on its simulated fleet."""

import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Json, Stage

JOBS = Path(__file__).parents[2] / "jobs"

Sample = Callable[[str], Stage]


@pytest.fixture
def sample(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """Return what makes a stage of a job: a copy of its folder, no settings but its own and a high rate."""
    for name in ("BULK_ENDPOINT", "BULK_REGION", "BULK_PROJECT_ID"):
        monkeypatch.delenv(name)
    shutil.copytree(JOBS, stage.folder / "jobs", ignore=shutil.ignore_patterns("runs"))
    return lambda name: replace(stage, folder=stage.folder / "jobs" / name)


@pytest.fixture
def hour(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Yield what takes this process to a place where it is that hour of the day now."""

    def go(hour: int) -> None:
        monkeypatch.setenv("TZ", f"HERE{time.gmtime().tm_hour - hour:+d}")
        time.tzset()

    yield go
    monkeypatch.undo()
    time.tzset()


def ports_by_id(job: Stage) -> dict[str, set[tuple[int, int]]]:
    """Return the (client_port, server_port) of each service of a job's fleet, as its runs left it."""
    fleet = job.folder / "runs" / "fleet.jsonl"
    services = map(orjson.loads, fleet.read_bytes().splitlines())  # the last line of a service counts
    return {one["id"]: {(m["client_port"], m["server_port"]) for m in one["ports"]} for one in services}


def edited(fleet: Path, name: str, **fields: object) -> None:
    """Change a service of a fleet file, as somebody else would."""
    services: list[Json] = [orjson.loads(line) for line in fleet.read_bytes().splitlines()]
    found = [service for service in services if name in service["service_name"].split(".")]
    with fleet.open("ab") as file:
        file.write(orjson.dumps(found[-1] | fields) + b"\n")


def applied(job: Stage, *flags: str) -> tuple[int, int]:
    """Apply a job once more; return its exit code and the PUTs that were sent."""
    known = len(job.ledgers)
    ended = job.apply(str(job.folder), *flags)
    return ended.code, len(job.records("intent")) if len(job.ledgers) > known else 0


def test_the_commands_of_the_page_end_as_it_says(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order; with 0 where no other exit code stands behind them."""
    jobs = sample("demo")
    monkeypatch.chdir(jobs.folder.parents[1])
    page = (JOBS / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for line in "".join(blocks).splitlines():
        command, _, code = line.partition("  # exit code ")
        program, *argv = shlex.split(command)
        assert program == "bulk"
        ended = jobs.bulk(*argv)
        assert ended.code == int(code or 0), f"{line}\n{ended.said}"


def test_the_page_names_every_job() -> None:
    """Each folder that holds a job has its line in the table."""
    page = (JOBS / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[.*?\]\((.*?)\)", page, re.MULTILINE)) == sorted(
        str(path.relative_to(JOBS)) for path in JOBS.glob("*/job.toml")
    )


def test_the_one_off_job_sends_its_canary_first_and_is_done_once(sample: Sample) -> None:
    """Three end before the fourth PUT leaves; port 80 is closed where the job says; again: nothing to do."""
    job = sample("one-off")
    assert job.bulk("check", str(job.folder)).out == "24 rows, no issues\n"
    assert applied(job) == (ExitCode.OK, 22)
    ended = [record["n"] for record in job.records("outcome") if record["outcome"] == "applied"]
    assert ended[2] < job.records("intent")[3]["n"]
    assert [80 in dict(ports) for ports in ports_by_id(job).values()] == [False] * 24 + [True] * 2
    assert applied(job) == (ExitCode.OK, 0)


def test_the_one_off_job_is_refused_where_a_line_was_forgotten(sample: Sample) -> None:
    """A service that would lose its SFTP port as well is one mapping too many."""
    job = sample("one-off")
    rows = job.folder / "services.csv"
    rows.write_text(re.sub(r"^.*,2222,22,TCP,.*\n", "", rows.read_text(), count=1, flags=re.MULTILINE))
    ended = job.bulk("plan", str(job.folder))
    assert ended.code == ExitCode.REFUSED
    assert "would remove 23 mappings, max_removed allows 22" in ended.err


def test_the_nightly_job_changes_only_what_is_not_right_yet(sample: Sample) -> None:
    """Ten services in the first night, none in the second, one in the third; another is being deleted."""
    job = sample("nightly")
    assert applied(job) == (ExitCode.OK, 10)
    assert all((9100, 9100) in ports and 5666 not in dict(ports) for ports in ports_by_id(job).values())
    assert applied(job) == (ExitCode.OK, 0)
    old = [{"client_port": 443, "server_port": 443}, {"client_port": 5666, "server_port": 5666}]
    edited(job.folder / "runs" / "fleet.jsonl", "web-1", ports=old)
    edited(job.folder / "runs" / "fleet.jsonl", "web-2", ports=old, status="deleting")
    assert applied(job) == (ExitCode.SOME_FAILED, 1)
    assert job.outcomes() == {"applied": 1, "already": 18, "refused": 1}


def test_the_nightly_job_is_refused_where_too_much_has_changed(sample: Sample) -> None:
    """Three services more than the ten of the first night."""
    job = sample("nightly")
    for name in ("api-1", "api-3", "batch-1"):
        edited(job.folder / "fleet.jsonl", name, ports=[{"client_port": 443, "server_port": 443}])
    assert applied(job) == (ExitCode.REFUSED, 0)


def test_the_window_job_runs_in_its_window_only(sample: Sample, hour: Callable[[int], None]) -> None:
    """At noon: 10, nothing sent. After two: a PUT for each row and one more for the swap, but only once."""
    job = sample("window")
    hour(12)
    assert job.apply(str(job.folder)).code == ExitCode.WINDOW_ENDED
    assert not (job.folder / "runs" / "fleet.jsonl").exists()  # the simulator was not even started
    hour(2)
    assert applied(job) == (ExitCode.OK, 12 + 1)
    assert applied(job) == (ExitCode.OK, 0)


def test_the_window_job_sends_nothing_where_a_service_is_not_as_approved(
    sample: Sample, hour: Callable[[int], None]
) -> None:
    """The row that expects another map is refused, and with it the whole plan."""
    job = sample("window")
    hour(2)
    rows = job.folder / "services.csv"
    rows.write_text(rows.read_text().replace("5432:5509 9187:9509,", "5432:5509,", 1))
    ended = job.apply(str(job.folder))
    assert ended.code == ExitCode.REFUSED
    assert "the plan refuses 1 row" in ended.err
    assert not job.ledgers
