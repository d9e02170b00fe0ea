"""A member that is added to a closed set without its facts does not type-check, and the places are named."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = {
    "Outcome": ("bulk/model.py", "bulk/ledger/row_life.py"),
    "Hold": ("bulk/model.py",),
    "BrakeReason": ("bulk/ledger/stops.py",),
    "AttemptResult": ("bulk/ledger/records.py", "bulk/ledger/row_life.py"),
    "ReportForm": ("bulk/cli/verbs/shared.py",),
}
"""For each closed set the files that a new member has to be entered in, its own first."""

_LEFT_OUT = re.compile(
    r'^(\S+?):\d+: error: .* incompatible type "Literal\[(\w+)\.UNHEARD_OF\]"', re.MULTILINE
)


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return what the type checker says of the product with one more member in each set: files by set."""
    folder = tmp_path_factory.mktemp("wrong")
    shutil.copytree(ROOT / "bulk", folder / "bulk", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    for name, (own, *_) in PLACES.items():
        head = re.compile(rf'(class {name}\(StrEnum\):\n    """.*?"""\n)', re.DOTALL)
        text, added = head.subn(r'\1    UNHEARD_OF = "unheard_of"\n', (folder / own).read_text())
        assert added == 1, name
        (folder / own).write_text(text)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=folder, capture_output=True, text=True, check=False, timeout=110
    )
    found: dict[str, set[str]] = {name: set() for name in PLACES}
    for file, name in _LEFT_OUT.findall(checked.stdout):
        found[name].add(file)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    return found


@pytest.mark.parametrize("name", PLACES)
def test_a_member_without_facts_does_not_type_check(name: str, complaints: dict[str, set[str]]) -> None:
    """The type checker names each file in which the new member is missing, and no other."""
    assert complaints[name] == set(PLACES[name])
