"""A setting that nothing reads would promise what it does not do."""

import ast
from pathlib import Path

from bulk.core.job import SETTINGS

BULK = Path(__file__).parents[2] / "bulk"


def test_each_setting_is_read_by_the_code_that_it_steers() -> None:
    """Its name is read as an attribute somewhere outside the table of settings and the simulator."""
    read = {
        node.attr
        for path in BULK.rglob("*.py")
        if "simulator" not in path.parts and "job" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    unread = set(SETTINGS) - read
    assert not unread, f"nothing outside bulk/core/job reads {', '.join(sorted(unread))}"
