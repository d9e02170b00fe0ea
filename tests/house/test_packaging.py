"""What is built from the tree is the whole program, and what it needs from outside is where it says.

These tests fill fresh environments from the Python package index, so they are slow.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import bulk

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True, kw_only=True)
class Built:
    """What was built: the source distribution, the wheel made from it, and the wheel made from the tree."""

    sdist: Path
    wheel: Path
    wheel_of_tree: Path


def fresh(folder: Path, *requirements: str) -> Path:
    """Return the folder of the commands of a new virtual environment that has these packages."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    commands = folder / "bin"
    said(commands / "pip", "install", "--quiet", *requirements)
    return commands


def said(command: Path, *arguments: str | Path, cwd: Path | None = None) -> str:
    """Return what a command wrote to stdout; it must end with 0, and sees no settings of this project."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BULK_", "PYTHON"))}
    ended = subprocess.run(
        [command, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build everything once."""
    folder = tmp_path_factory.mktemp("built")
    python = fresh(folder / "venv", "build") / "python"
    said(python, "-m", "build", "--outdir", folder / "dist", ROOT)
    said(python, "-m", "build", "--wheel", "--outdir", folder / "tree", ROOT)
    (sdist,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    (wheel_of_tree,) = (folder / "tree").glob("*.whl")
    return Built(sdist=sdist, wheel=wheel, wheel_of_tree=wheel_of_tree)


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_distribution_has_the_name_that_is_free(built: Built) -> None:
    """`bulk` on the package index is somebody else's, so nothing is built under that name."""
    name = f"vpcep_bulk-{bulk.__version__}"
    assert built.sdist.name == f"{name}.tar.gz"
    assert built.wheel.name == built.wheel_of_tree.name == f"{name}-py3-none-any.whl"


def test_the_wheel_of_the_source_distribution_equals_that_of_the_tree(built: Built) -> None:
    """File by file; whoever builds from the source distribution gets the same program."""
    assert contents(built.wheel) == contents(built.wheel_of_tree)


def test_the_wheel_has_every_file_of_the_package_and_no_other(built: Built) -> None:
    """All that git knows below `bulk/`, documents and the report's page included."""
    listed = subprocess.run(
        ["git", "ls-files", "bulk"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {name for name in contents(built.wheel) if ".dist-info/" not in name} == set(listed)


def test_the_installed_command_runs_the_demo(built: Built, tmp_path: Path) -> None:
    """In an environment that has the wheel and its requirements only, far from the source tree."""
    commands = fresh(tmp_path / "venv", str(built.wheel))
    assert said(commands / "bulk", "--version", cwd=tmp_path) == f"bulk {bulk.__version__}\n"
    shutil.copytree(ROOT / "jobs" / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("runs"))
    applied = said(commands / "bulk", "apply", "demo", "--yes", cwd=tmp_path)
    assert "298, each read back after the run; 12 already right" in applied


def test_what_is_borrowed_from_inside_aiohttp_is_in_the_newest_one(built: Built, tmp_path: Path) -> None:
    """Without the bound of pyproject.toml; where this passes, the bound may be lifted to that version."""
    plugins = ("pytest", "pytest-asyncio", "pytest-cov", "pytest-timeout", "hypothesis")
    commands = fresh(tmp_path / "venv", str(built.wheel), *plugins)
    said(commands / "pip", "install", "--quiet", "--upgrade", "--no-deps", "aiohttp")
    tests = [f"tests/contract/test_{name}.py" for name in ("aiohttp_inside", "wire")]
    said(commands / "pytest", "--no-cov", "-p", "no:cacheprovider", *tests, cwd=ROOT)
