"""A process that may open few files: fewer requests are in flight, and no row pays for it."""

import resource
import time
from collections.abc import Callable

import pytest

from bulk.errors import ExitCode
from bulk.simulator import Switches
from tests.scenarios.stage import Stage, fleet_lines, wide

ROWS = 60
FEW = 26
"""Enough for the command with some connections."""
SOON_S = 20
"""Far less than the command tries to reach an API, and far more than it takes to start."""


def limited(files: int) -> Callable[[], None]:
    """Return what a child does before it becomes the command: forgo open files, for good."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


@pytest.mark.parametrize(
    "stage", [{"fleet": fleet_lines(ROWS), "switches": Switches(latency_s=0.2)}], indirect=True
)
def test_a_run_with_too_many_requests_for_its_open_files_ends_as_asked(stage: Stage) -> None:
    """40 at a time, and room for a few: what does not leave is sent later; it is said once."""
    job = stage.job(wide(range(1, ROWS + 1)), concurrency=40, attempts=1)
    ended = stage.run_child("apply", job, "--yes", preexec_fn=limited(FEW))
    assert ended.code == ExitCode.OK, ended.err
    assert stage.outcomes() == {"applied": ROWS}
    assert len(stage.applied) == ROWS
    verdicts = {attempt["verdict"] for attempt in stage.records("attempt")}
    assert verdicts == {"not_sent"}
    assert ended.err.count("there is no room for more connections") == 1
    assert len(stage.records("note")) == 1


@pytest.mark.parametrize("files", [14, 17, 20])
def test_a_command_that_may_open_too_few_files_ends_at_once(files: int, stage: Stage) -> None:
    """Before anything is asked or written: it would try to connect for more than a minute."""
    job = stage.job(wide([1]))
    for words in (["apply", job, "--yes"], ["plan", job], ["export"]):
        began_s = time.monotonic()
        ended = stage.run_child(*words, preexec_fn=limited(files))
        assert ended.code == ExitCode.CANNOT_RUN
        assert f"too few files (at most {files}); nothing was sent" in ended.err
        assert "ulimit -n 256" in ended.err
        assert "Traceback" not in ended.err
        assert time.monotonic() - began_s < SOON_S
    assert not (stage.folder / "runs").exists()
    assert stage.aside.do(lambda simulator: dict(simulator.stats["requests"])) == {}
