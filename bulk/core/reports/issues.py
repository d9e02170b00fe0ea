"""What `check` found: every issue on a line that editors can jump to, or as JSON."""

import re
from collections.abc import Iterator, Sequence

from bulk.core.ledger.records import Json
from bulk.core.model import Issue
from bulk.core.reports.words import Line, Span, Style, counted, printable, text

_PLACE = re.compile(r"\A(.*?)(?::(\d+))?(?::(\d+))?\Z", re.DOTALL)


def lines(issues: Sequence[Issue], *, rows: int) -> Iterator[Line]:
    """Return one line for each issue, in the compilers' form `file:line:column: …`, and their count.

    `rows` is 0 where they were not counted.
    """
    for issue in issues:
        yield (
            Span(printable(f"{issue.place}: "), Style.STRONG),
            Span(printable(f"{issue.field}: ") if issue.field else "", Style.CHANGE),
            Span(printable(issue.message), Style.BAD),
            Span(printable(f"; {issue.hint}") if issue.hint else ""),
        )
    if issues:
        where = f" in {counted(rows, 'row')}" if rows else ""
        yield text(f"{counted(len(issues), 'issue')}{where}; nothing was sent", Style.BAD)
    else:
        yield text(f"{counted(rows, 'row')}, no issues", Style.GOOD)


def as_json(issues: Sequence[Issue], *, rows: int) -> Json:
    """Return the issues for machines, each place taken apart as far as it is known."""
    return {"valid": not issues, "rows": rows, "issues": [_issue_json(issue) for issue in issues]}


def _issue_json(issue: Issue) -> Json:
    file, line, column = _PLACE.findall(issue.place)[0]
    return {
        "place": issue.place,
        "file": file,
        "line": int(line) if line else None,
        "column": int(column) if column else None,
        "field": issue.field,
        "message": issue.message,
        "hint": issue.hint,
    }
