"""Which files may touch the world: those that pyproject.toml lists, and each of them does.

All other files of the rooms are pure: no await, file, socket, clock, dice, process or log, and no import of a
file that has one.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rooms import EFFECTS, ROOMS, module_of

WORLD = frozenset(
    {
        "aiohttp", "asyncio", "asyncio_throttle", "concurrent", "ctypes", "fcntl", "getpass", "io",
        "logging", "multiprocessing", "os", "pathlib", "pwd", "random", "resource", "rich", "secrets",
        "select", "shutil", "socket", "ssl", "structlog", "subprocess", "sys", "tempfile", "threading",
        "time", "typer", "uvloop", "zoneinfo",
    }
)  # fmt: skip
HARMLESS = frozenset(
    {
        "io.StringIO", "sys.byteorder", "sys.intern", "time.gmtime", "time.strftime",
        "zoneinfo.ZoneInfo", "zoneinfo.available_timezones",
    }
)  # fmt: skip
"""What a pure file may have of them: functions of their arguments, facts of the interpreter, and the table of
time zones."""
BUILT_IN = frozenset({"input", "open", "print"})


def effects_in(path: Path) -> Iterator[str]:
    """Yield what a file does, or imports, that touches the world."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {inner for outer in ast.walk(tree) if _is_for_types(outer) for inner in ast.walk(outer)}
    for node in ast.walk(tree):
        match node:
            case _ if node in typing_only:
                continue
            case ast.Import(names=names):
                found = [each.name for each in names]
            case ast.ImportFrom(module=str(module), names=names):
                found = [f"{module}.{each.name}" for each in names]
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                found = ["await"]
            case ast.Call(func=ast.Name(id=name)) if name in BUILT_IN:
                found = [name]
            case _:
                continue
        yield from (each for each in found if _is_effect(each))


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _is_effect(name: str) -> bool:
    if name in HARMLESS:
        return False
    of_ours = {name, name.rpartition(".")[0]} & EFFECTS
    return bool(of_ours) or name in BUILT_IN | {"await"} or name.split(".", maxsplit=1)[0] in WORLD


@pytest.mark.parametrize("path", ROOMS, ids=module_of)
def test_a_file_touches_the_world_where_it_is_listed_and_nowhere_else(path: Path) -> None:
    """An effect in a file that is not listed is named; a file that has none is taken off the list."""
    found = sorted(set(effects_in(path)))
    assert (module_of(path) in EFFECTS) is bool(found), found


def test_every_file_on_the_list_is_there() -> None:
    """A file that was moved or removed leaves no name behind."""
    assert {module_of(path) for path in ROOMS} >= EFFECTS
