"""What `check` found: every issue on a line that editors can jump to, or as JSON."""

import re
from collections.abc import Iterator, Sequence

from bulk.core.ledger.records import Json
from bulk.core.model import Issue
from bulk.core.reports.words import Line, Span, Style, counted, printable, text

_PLACE = re.compile(r"\A(.*?)(?::(\d+))?(?::(\d+))?\Z", re.DOTALL)


def lines(issues: Sequence[Issue], *, rows: int, warnings: Sequence[Issue] = ()) -> Iterator[Line]:
    """Return one line for each issue, in the compilers' form `file:line:column: …`, and their count.

    `rows` is 0 where they were not counted. Warnings come first and make nothing invalid.
    """
    for warning in warnings:
        yield _line(warning, "warning: ", Style.CHANGE)
    for issue in issues:
        yield _line(issue, "", Style.BAD)
    if issues:
        where = f" in {counted(rows, 'row')}" if rows else ""
        yield text(f"{counted(len(issues), 'issue')}{where}; nothing was sent", Style.BAD)
    else:
        more = f", {counted(len(warnings), 'warning')}" if warnings else ""
        yield text(f"{counted(rows, 'row')}, no issues{more}", Style.GOOD)


def _line(issue: Issue, kind: str, style: Style) -> Line:
    return (
        Span(printable(f"{issue.place}: {kind}"), Style.STRONG),
        Span(printable(f"{issue.field}: ") if issue.field else "", Style.CHANGE),
        Span(printable(issue.message), style),
        Span(printable(f"; {issue.hint}") if issue.hint else ""),
    )


def as_json(issues: Sequence[Issue], *, rows: int, warnings: Sequence[Issue] = ()) -> Json:
    """Return issues and warnings for machines, each place taken apart as far as it is known."""
    return {
        "valid": not issues,
        "rows": rows,
        "issues": [_issue_json(issue) for issue in issues],
        "warnings": [_issue_json(warning) for warning in warnings],
    }


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
