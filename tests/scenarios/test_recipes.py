"""The recipes of jobs/README.md for other schedulers: they parse, and their commands run as they stand."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bulk.errors import ExitCode
from bulk.operations.unit_files import AGAIN, ASKED, NO_FAILURE, PERSON
from tests.documents import JOBS, file_block
from tests.scenarios.stage import Stage

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder as after a clone, with `bulk` on the path and no settings but the job's own."""
    for name in ("BULK_ENDPOINT", "BULK_REGION", "BULK_PROJECT_ID"):
        monkeypatch.delenv(name)
    shutil.copytree(ROOT / "jobs", stage.folder / "jobs", ignore=shutil.ignore_patterns("runs"))
    on_the_path(stage.folder, monkeypatch, f'exec {sys.executable} -P -m bulk "$@"')
    return stage.folder


def on_the_path(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Put a command `bulk` on the path, and before all others."""
    (path := folder / "path").mkdir(exist_ok=True)
    (path / "bulk").write_text(f"#!/bin/sh\n{does}\n")
    (path / "bulk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}{os.environ['PATH']}")


def ending(folder: Path, monkeypatch: pytest.MonkeyPatch, *codes: int) -> Callable[[], int]:
    """Put a `bulk` on the path that ends with these codes in turn; return what counts its starts."""
    starts = folder / "starts"
    starts.unlink(missing_ok=True)
    on_the_path(
        folder,
        monkeypatch,
        f"echo x >> {starts}\nset -- {' '.join(map(str, codes))}\n"
        f'shift $(($(wc -l < {starts}) - 1))\nexit "$1"',
    )
    return lambda: len(starts.read_text().splitlines())


def shell(script: str, folder: Path, **env: str) -> int:
    """Run a script as a step does; return its exit code."""
    words = ["/bin/sh", "-e", "-c", script.replace("300", "0")]
    return subprocess.run(words, cwd=folder, env=os.environ | env, check=False, timeout=100).returncode


def test_the_steps_of_gitlab_run(clone: Path) -> None:
    """The codes that it tries again, and those that it allows, are those of the table."""
    job = yaml.safe_load(file_block("gitlab-ci.yml"))["bulk-nightly"]
    assert (job["retry"]["exit_codes"], job["allow_failure"]["exit_codes"]) == ([5, 11], [8, 10])
    for line in (*job["script"], *job["after_script"]):
        assert shell(line, clone) == ExitCode.OK, line
    assert (clone / job["artifacts"]["paths"][0]).read_text().startswith("<!doctype html>")


def test_the_steps_of_github_run(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be tried again is, a few times; what is no failure is none."""
    [apply, report] = yaml.safe_load(file_block("github-workflow.yml"))["jobs"]["apply"]["steps"][1:]
    summary = clone / "summary"
    assert shell(apply["run"], clone) == ExitCode.OK
    assert shell(report["run"], clone, GITHUB_STEP_SUMMARY=str(summary)) == ExitCode.OK
    assert "nightly is finished" in summary.read_text()
    for codes, expected, times in (
        ([5, 11, 0], 0, 3),
        ([10], 0, 1),
        ([8], 0, 1),
        ([6], 6, 1),
        ([5] * 9, 5, 4),
    ):
        starts = ending(clone, monkeypatch, *codes)
        assert (shell(apply["run"], clone), starts()) == (expected, times)


def test_the_tasks_of_airflow_run(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They fail at once where a person is needed, and so that Airflow tries again where that helps."""
    tasks, fatal = airflow_tasks(clone, monkeypatch)
    tasks["apply"]()
    tasks["check"]()
    for code, error in ((5, RuntimeError), (143, RuntimeError), (6, fatal), (1, fatal)):
        ending(clone, monkeypatch, code)
        with pytest.raises(error, match=f"exit code {code}"):
            tasks["apply"]()
    for code in (8, 10):
        ending(clone, monkeypatch, code, code)
        tasks["apply"]()
        tasks["check"]()
    ending(clone, monkeypatch, 5)
    with pytest.raises(fatal, match="not finished"):
        tasks["check"]()


def airflow_tasks(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Callable[[], None]], type[Exception]]:
    """Return the tasks of the recipe by name, and the error that is not tried again."""
    found: dict[str, Callable[[], None]] = {}

    class Fatal(Exception):
        """Airflow's error that fails a task at once."""

    class Task:
        """A task that was called within its DAG."""

        def __rshift__(self, other: "Task") -> "Task":
            """Let another one follow."""
            return other

    def task(function: Callable[[], None] | None = None, **_: Any) -> Any:
        def known(of: Callable[[], None]) -> Callable[[], Task]:
            found[of.__name__] = of
            return Task

        return known(function) if function else known

    airflow, exceptions, sdk = (ModuleType(name) for name in ("airflow", "airflow.exceptions", "airflow.sdk"))
    exceptions.AirflowFailException = Fatal  # type: ignore[attr-defined]
    sdk.dag, sdk.task = lambda **_: lambda of: of, task  # type: ignore[attr-defined]
    for module in (airflow, exceptions, sdk):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    text = file_block("airflow_nightly.py").replace('"/srv/bulk"', repr(str(clone)))
    exec(compile(text, "airflow_nightly.py", "exec"), {})  # noqa: S102 - our own page
    return found, Fatal


def test_the_steps_of_jenkins_run(clone: Path) -> None:
    """Its braces and quotes close; the codes in it are those of the table."""
    text = file_block("Jenkinsfile")
    for left, right in ("{}", "()", "[]"):
        assert text.count(left) == text.count(right)
    assert "code in [5, 11]" in text
    assert "code in [0, 8, 10]" in text
    steps = re.findall(r"(?:script: |sh )'([^']*)'", text)
    assert len(steps) == 2
    for step in steps:
        assert shell(step, clone) == ExitCode.OK, step


def test_what_an_exit_code_asks_of_a_scheduler_is_said_of_every_one() -> None:
    """Each stands in one row of the table, by which the files of `bulk schedule` go too."""
    _, _, rest = JOBS.partition("\n| Exit code | The scheduler |\n|---|---|\n")
    rows = [line.split("|")[1:3] for line in rest.partition("\n\n")[0].splitlines()]
    told = {
        tuple(map(int, codes.split(","))): words.strip().split(":")[0].split(";")[0] for codes, words in rows
    }
    assert sorted(code for codes in told for code in codes) == sorted(ExitCode)
    assert told[AGAIN].startswith("tries again")
    assert told[PERSON].startswith("tells a person and does not try again")
    assert told[ASKED] == "was asked to stop it"
    assert {words for codes, words in told.items() if codes[0] in {0, *NO_FAILURE}} == {"is done"}
