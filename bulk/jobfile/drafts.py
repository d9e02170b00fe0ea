"""One row while it is read: the values so far, and the issues so far."""

from dataclasses import dataclass, field
from typing import Any

from bulk.jobfile.values import Problem
from bulk.model import Issue

MISSING_ID = Problem(message="the id is missing", hint="write it on every line")


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a layout makes of one record, before the rules that span a whole row."""

    line: int
    """Number of the row's first line, from 1."""
    row: int = 0
    """Its number, from 1, once it has one."""
    column: int = 1
    """Where its service_id stands."""
    raw_id: str = ""
    """The service_id as written."""
    values: dict[str, Any] = field(default_factory=dict)
    """Valid values by column."""
    issues: list[Issue] = field(default_factory=list)
    has_unread: bool = False
    """Whether the row has a value below an unknown column."""


def issue_at(name: str, line: int, column: int, subject: str, problem: Problem) -> Issue:
    """Return the issue of a problem, with its place: `file:line:column`."""
    place = f"{name}:{line}:{column}"
    return Issue(
        place=place,
        field=subject + problem.part,
        message=problem.message,
        hint=problem.hint,
        cause=problem.cause,
    )
