"""No class and no function outgrows what a reader holds at once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_MAX, METHODS_MAX = 40, 25
FILES = sorted((ROOT / "bulk").rglob("*.py"))


def outgrown(path: Path) -> Iterator[str]:
    """Yield the functions of a file that are too long, and the classes with too many methods."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    yield f"{node.name} has {lines} lines"
            case ast.ClassDef():
                methods = sum(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in node.body)
                if methods > METHODS_MAX:
                    yield f"{node.name} has {methods} methods"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_in_a_file_is_too_large(path: Path) -> None:
    """A function has at most 40 lines, a class at most 25 methods."""
    assert not list(outgrown(path))
