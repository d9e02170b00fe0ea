"""Every bad job file through the real command: told off with its place, and nothing is sent."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bulk.cli.main import main
from bulk.errors import ExitCode
from tests.scenarios.bad_jobs import BAD_JOBS, BadJob


def written(job: BadJob, folder: Path) -> Path:
    """Return the file on disk."""
    path = folder / job.file
    path.write_bytes(job.content)
    return path


@pytest.mark.parametrize("job", BAD_JOBS, ids=lambda job: job.id)
def test_check_tells_a_bad_job_and_ends_with_3(
    job: BadJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place and the words are on the screen, a traceback is not."""
    path = written(job, tmp_path)
    assert main(["check", str(path)]) == ExitCode.INVALID
    shown = capsys.readouterr()
    told = [line for line in shown.out.splitlines() if line.startswith(f"{path}:{job.place}: ")]
    assert any(job.words in line.replace(f"{tmp_path}/", "") for line in told), shown.out
    assert "Traceback" not in shown.out + shown.err


@pytest.mark.parametrize("job", BAD_JOBS, ids=lambda job: job.id)
def test_check_tells_a_bad_job_to_machines(
    job: BadJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same as JSON, with line and column as numbers."""
    path = written(job, tmp_path)
    assert main(["check", str(path), "--output", "json"]) == ExitCode.INVALID
    report = orjson.loads(capsys.readouterr().out)
    assert report["valid"] is False
    places = {(issue["file"], issue["line"], issue["column"]) for issue in report["issues"]}
    line, column = map(int, job.place.split(":"))
    assert (str(path), line, column) in places


@pytest.mark.parametrize(
    ("toml", "place"), [("rat = 1\n", "1:1"), ("rows = \n", "1:8"), ('rows = ""\n', "1:1")]
)
def test_check_tells_a_bad_job_toml(
    toml: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings are checked as rows are."""
    (tmp_path / "job.toml").write_text(toml)
    assert main(["check", str(tmp_path)]) == ExitCode.INVALID
    assert f"{tmp_path / 'job.toml'}:{place}: " in capsys.readouterr().out


@pytest.mark.parametrize("argument", ["missing.csv", "no/such/folder.csv", ".", "notes.txt", "-"])
def test_an_argument_that_is_no_job_is_wrong_usage(
    argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, one line on stderr with what to do, nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").touch()
    assert main(["check", argument]) == ExitCode.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err
    assert "Traceback" not in shown.err


def test_the_command_itself_ends_with_3_on_standard_input() -> None:
    """The process as a person starts it, with the file piped in."""
    (job,) = (job for job in BAD_JOBS if job.id == "port 0")
    command = [sys.executable, "-m", "bulk", "check", "-", "--format", "csv"]
    ended = subprocess.run(command, input=job.content, capture_output=True, check=False, timeout=60)
    assert ended.returncode == ExitCode.INVALID
    assert f"stdin:{job.place}: ".encode() in ended.stdout
