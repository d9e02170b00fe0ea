"""The report as lines of a terminal: one line a row behind its sigil; `grep '^!'` finds what is wrong."""

from collections.abc import Iterator

from bulk.core.model import Action, Ports
from bulk.core.reports.model import Report
from bulk.core.reports.row import Row
from bulk.core.reports.summary import summary
from bulk.core.reports.words import Line, Span, Style, counted, printable, style_of, text

ROWS_SHOWN = 50
"""Rows of each kind that a terminal can stand."""
_MAPPINGS_SHOWN = 6
_NAME_WIDTH = 16
"""The API's longest service_name (API.md, section 1.1)."""


def lines(report: Report, *, more: str) -> Iterator[Line]:
    """Return the table line by line, its summary last.

    A long one is cut to the first rows that change and the first that are wrong; `more` is the command that
    gives all.
    """
    glance = report.rows.glance(ROWS_SHOWN)
    many = len(report.targets) > 1
    for row in glance.rows:
        yield row_line(row, many_targets=many)
    if hidden := glance.totals.rows - len(glance.rows):
        yield text(f"and {counted(hidden, 'more row')}: {more}", Style.FAINT)
    yield text()
    yield from summary(report, glance.totals)


def row_line(row: Row, *, many_targets: bool, mappings_shown: int | None = _MAPPINGS_SHOWN) -> Line:
    """Return one row: sigil, service, name, what changes, why, and where it stands in the job file."""
    change, style = row.change, style_of(row.result)
    place = change.update.place + (f", {change.target}" if many_targets else "")
    return (
        Span(f"{row.result.facts.sigil} ", style),
        Span(f"{printable(change.service_id):36}", style if row.wrong else Style.PLAIN),
        Span(f"  {printable(row.name):{_NAME_WIDTH}} "),
        *_difference(row, mappings_shown),
        *_explanation(row),
        Span(printable(f"  ({place})"), Style.FAINT),
    )


def _difference(row: Row, shown: int | None) -> Iterator[Span]:
    change = row.change
    if change.action is not Action.UPDATE:
        return
    yield from _mappings("-", change.removed, shown, Style.BAD)
    yield from _mappings("+", change.added, shown, Style.GOOD)
    if change.kept:
        yield Span(f" ={len(change.kept)} kept", Style.FAINT)
    for setting in row.settings:
        before = setting.was if setting.before is None else f'"{setting.before}"'
        yield Span(printable(f' {setting.field} {before} -> "{setting.after}"'), Style.CHANGE)


def _mappings(sigil: str, ports: Ports, shown: int | None, style: Style) -> Iterator[Span]:
    for mapping in ports[:shown]:
        yield Span(f" {sigil}{mapping}", style)
    if shown is not None and len(ports) > shown:
        yield Span(f" {sigil}{len(ports) - shown} more", style)


def _explanation(row: Row) -> Iterator[Span]:
    """Return the explanation of how the row ended, where one is needed."""
    if row.turn and row.outcome is None:
        yield Span(f" {row.turn}", Style.CHANGE if row.change.parking else Style.FAINT)
    if row.wrong:
        yield Span(printable(f" {row.result.value} {row.code}".rstrip() + ": "), style_of(row.result))
        yield Span(printable(row.why) or ("" if row.moved else "no reason was recorded"))
        found = [f'found {each.field} "{each.after}", expected "{each.before}"' for each in row.moved]
        yield Span(printable("; ".join(["", *found] if row.why else found)), Style.CHANGE)
        if row.reply.request_id:
            yield Span(printable(f" [request {row.reply.request_id}]"), Style.FAINT)
    elif row.why:
        yield Span(printable(f" note: {row.why}"), Style.CHANGE)
