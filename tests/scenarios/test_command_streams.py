"""Standard streams that are closed or full: a message or silence, never a crash."""

import subprocess
import sys
from pathlib import Path

import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Stage, wide


def checked(folder: Path, redirection: str) -> subprocess.CompletedProcess[str]:
    """Check a good job file with streams redirected by a shell."""
    (folder / "job.csv").write_text(wide([1]))
    command = f"'{sys.executable}' -m bulk check job.csv {redirection}"
    return subprocess.run(
        ["sh", "-c", command],  # noqa: S607 - any shell redirects
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


RESULT, MESSAGE = "1 row, no issues\n", "read 2 lines: 1 header line, 1 row\n"


@pytest.mark.parametrize(
    ("redirection", "out", "err"),
    [(">&-", "", MESSAGE), ("2>&-", RESULT, ""), ("<&-", RESULT, MESSAGE), ("<&- >&- 2>&-", "", "")],
)
def test_a_closed_stream_leads_nowhere(redirection: str, out: str, err: str, tmp_path: Path) -> None:
    """As cron and daemons start commands: the exit code is all that is left."""
    ended = checked(tmp_path, redirection)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, out, err)


def test_a_full_standard_output_is_said(tmp_path: Path) -> None:
    """What, and what to do next."""
    ended = checked(tmp_path, "> /dev/full")
    assert ended.returncode == 1
    assert "standard output: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_reader_that_goes_away_does_not_stop_a_run(stage: Stage) -> None:
    """`bulk apply | head -1`: the run is what was asked for, the report is on the side."""
    job = stage.job(wide(range(1, 11)))
    with stage.child("apply", job, "--yes") as process:
        assert process.stdout
        process.stdout.close()
        process.wait(WAIT_S)
    assert process.returncode == ExitCode.OK
    assert stage.outcomes() == {"applied": 10}


def test_a_gone_reader_of_the_messages_costs_nothing_of_the_result(stage: Stage) -> None:
    """Only what is said on the side has nobody to hear it; the report is whole."""
    job = stage.job(wide(range(1, 11)))
    with stage.child("apply", job, "--yes", "-v") as process:
        assert process.stderr
        assert process.stdout
        process.stderr.close()
        said = process.stdout.read()
        process.wait(WAIT_S)
    assert process.returncode == ExitCode.OK
    assert "job is finished: all 10 services are as asked." in said
