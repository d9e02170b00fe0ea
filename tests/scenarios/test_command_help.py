"""What the command says of itself: its version, and how it is used."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bulk
from bulk.cli import verbs
from bulk.cli.main import main

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_is_shown_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """`bulk --version` writes it to stdout and ends with 0."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bulk {bulk.__version__}\n"


def test_the_version_stands_in_one_place() -> None:
    """The build reads it from the package, so that pyproject.toml has none of its own."""
    assert "version" in PROJECT["project"]["dynamic"]
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "bulk/__init__.py"


@pytest.mark.parametrize("verb", ["", *(verb.__name__ for verb in verbs.ALL)])
def test_dash_h_is_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On the command itself and on every verb it shows what `--help` shows, and ends with 0."""
    words = [verb] if verb else []
    assert main([*words, "--help"]) == 0
    long = capsys.readouterr().out
    assert main([*words, "-h"]) == 0
    assert capsys.readouterr().out == long
    assert " ".join(["Usage: bulk", *words]) in long


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_the_simulator_is_its_own(flag: str) -> None:
    """`bulk simulator` hands its words on, so that its flags are listed and not those of the verb."""
    ended = subprocess.run(
        [sys.executable, "-m", "bulk", "simulator", flag],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert ended.stdout.startswith("usage: bulk simulator")
    assert "--seed-fleet" in ended.stdout
