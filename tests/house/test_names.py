"""A name means one thing: who searches for it finds one class, and one module."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [path for path in sorted((ROOT / "bulk").rglob("*.py")) if "simulator" not in path.parts]
"""Without the simulator, an island that has names of its own for what it repeats on purpose."""


def test_no_two_classes_have_one_name() -> None:
    """A class that is public in its file has a name that no other one has."""
    places = defaultdict[str, list[str]](list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_two_modules_have_one_name() -> None:
    """A module has a name that no other one has, but for those that Python names."""
    places = defaultdict[str, list[str]](list)
    for path in FILES:
        if not path.stem.startswith("__"):
            places[path.stem].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
