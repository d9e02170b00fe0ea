"""What `check` found: every issue on a line that editors can jump to, or as JSON."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from bulk.ledger.records import Json
from bulk.model import Issue
from bulk.reports.words import Line, Span, Style, text
from bulk.text import counted, figure, printable

_PLACE = re.compile(r"\A(.*?)(?::(\d+))?(?::(\d+))?\Z", re.DOTALL)
ALIKE_MAX = 3
"""Most issues of one kind that are shown one by one; more are one line with their count."""
_PLACES_SHOWN = 4
Kind = tuple[str, str]


def lines(
    issues: Sequence[Issue],
    *,
    rows: int,
    counts: Mapping[Kind, int] = MappingProxyType({}),
    warnings: Sequence[Issue] = (),
) -> Iterator[Line]:
    """Return a line for each issue, in the compilers' form `file:line:column: …`, and their count.

    Many of one kind are one line with their number and the first places. `rows` is 0 where they were not
    counted; `counts` are those of each kind where `issues` are not all. Warnings come first and make nothing
    invalid.
    """
    for warning in warnings:
        yield _line(warning, "warning: ", Style.CHANGE)
    alike: dict[Kind, list[Issue]] = defaultdict(list)
    for issue in issues:
        alike[issue.kind].append(issue)
    for issue in issues:
        group = alike[issue.kind]
        number = max(counts.get(issue.kind, 0), len(group))
        if number <= ALIKE_MAX:
            yield _line(issue)
        elif issue is group[0]:
            places = [_PLACE.sub(r"\2:\3", each.place).strip(":") for each in group[1 : _PLACES_SHOWN + 1]]
            more = " …" if number > _PLACES_SHOWN + 1 else ""
            yield (
                *_line(issue),
                Span(printable(f" ({figure(number)} times: also at {', '.join(places)}{more})")),
            )
    if total := max(sum(counts.values()), len(issues)):
        where = f" in {counted(rows, 'row')}" if rows else ""
        yield text(f"{counted(total, 'issue')}{where}; nothing was sent", Style.BAD)
    else:
        more = f", {counted(len(warnings), 'warning')}" if warnings else ""
        yield text(f"{counted(rows, 'row')}, no issues{more}", Style.GOOD)


def _line(issue: Issue, kind: str = "", style: Style = Style.BAD) -> Line:
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
