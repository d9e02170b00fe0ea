"""What nothing of the product uses is no part of it: tests alone keep nothing alive."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "bulk").rglob("*.py"))
TEMPLATES = [path for ending in ("html", "js", "j2") for path in (ROOT / "bulk").rglob(f"*.{ending}")]

CALLED_BY_LIBRARIES = {"coerce"}
"""Of Typer: the conversion of a parameter."""


def defined(tree: ast.Module) -> Iterator[str]:
    """Yield what a file defines, but for what a decorator takes and what a base class may call."""
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.decorator_list:
                yield node.name
            case ast.ClassDef():
                yield node.name
                methods = [] if node.bases else node.body
                yield from (
                    each.name for each in methods if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                )
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def used(tree: ast.Module) -> Iterator[str]:
    """Yield what a file names: variables that it reads, members, and texts that are a name."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name):
                yield name
            case ast.Constant(value=str(name)):
                yield name
            case _:
                pass


def test_everything_in_the_product_is_used_by_the_product() -> None:
    """A function, class, method or constant that only tests name is removed, or moves to them."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
    names = {name for tree in trees.values() for name in used(tree)}
    for template in TEMPLATES:
        names.update(re.findall(r"\w+", template.read_text(encoding="utf-8")))
    unused = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, tree in trees.items()
        for name in defined(tree)
        if name not in names | CALLED_BY_LIBRARIES and not name.startswith("__")
    }
    assert unused == set()
