"""The house rules that tools can check: lint, types, layers, dependencies."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["importlinter.cli"],
        ["deptry", "."],
    ],
    ids=["lint", "format", "types", "layers", "dependencies"],
)
def test_the_tool_finds_nothing_to_say(command: list[str]) -> None:
    """Lint, formatting, types, import contracts and declared dependencies all hold."""
    run = ["-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"]
    arguments = run if command[0] == "importlinter.cli" else ["-m", *command]
    result = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_top_level_holds_only_what_the_project_fixed() -> None:
    """Beside dot-files, the licence and what tools leave behind there are five entries."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    names = {line.split("/")[0] for line in listed.stdout.splitlines()}
    visible = {name for name in names if not name.startswith(".")}
    assert visible <= {"pyproject.toml", "bulk", "jobs", "tests", "README.md", "LICENSE"}
