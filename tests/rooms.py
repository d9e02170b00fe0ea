"""The rooms of the house, and which files of them may touch the world."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
EFFECTS = frozenset(
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bulk"]["effects"]
)
"""Modules that may touch the world: await, files, sockets, clocks, dice, processes."""
_SHELL = frozenset({"__main__.py", "app", "cli", "simulator"})
"""What is made of effects, or is a program of its own."""


def module_of(path: Path) -> str:
    """Return the name of a file's module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


ROOMS = tuple(
    path
    for path in sorted((ROOT / "bulk").rglob("*.py"))
    if path.relative_to(ROOT / "bulk").parts[0] not in _SHELL
)
"""All files that are pure unless they are listed."""
PURE = tuple(path for path in ROOMS if module_of(path) not in EFFECTS)
