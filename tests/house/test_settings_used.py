"""A setting that nothing reads would promise what it does not do."""

import ast
from pathlib import Path

import pytest

from bulk.settings import SETTINGS, Group, forms
from bulk.settings.job import setting

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
    assert not unread, f"nothing outside bulk/settings reads {', '.join(sorted(unread))}"


def test_a_setting_that_leaves_open_what_an_edit_means_cannot_be_made() -> None:
    """Whether an open run takes another value or refuses it must not depend on who forgot to say."""
    facts = {"group": Group.LIMITS, "help": "Anything.", "example": 1}
    with pytest.raises(TypeError, match="while_open"):
        setting(forms.COUNT, None, **facts)
