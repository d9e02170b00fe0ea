"""A member that is added to a closed set without its facts does not type-check, and the places are named."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".mypy_cache" / "closed_sets"
"""What is known of libraries from the time before; its own, since types are checked elsewhere meanwhile."""
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


def test_a_member_without_facts_does_not_type_check(tmp_path: Path) -> None:
    """The type checker names each file in which the new member of a set is missing, and no other."""
    shutil.copytree(ROOT / "bulk", tmp_path / "bulk", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, (own, *_) in PLACES.items():
        head = re.compile(rf'(class {name}\(StrEnum\):\n    """.*?"""\n)', re.DOTALL)
        text, added = head.subn(r'\1    UNHEARD_OF = "unheard_of"\n', (tmp_path / own).read_text())
        assert added == 1, name
        (tmp_path / own).write_text(text)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", CACHE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert checked.returncode == 1, checked.stdout + checked.stderr
    found: dict[str, set[str]] = {name: set() for name in PLACES}
    for file, name in _LEFT_OUT.findall(checked.stdout):
        found[name].add(file)
    assert found == {name: set(files) for name, files in PLACES.items()}
