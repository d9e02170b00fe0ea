"""The report as Markdown for a ticket or a merge request: totals, what is wrong, then every change."""

import re
from collections.abc import Iterator

from bulk.core.model import Action, Ports
from bulk.core.reports.model import Report
from bulk.core.reports.row import Row
from bulk.core.reports.summary import summary
from bulk.core.reports.totals import Tally
from bulk.core.reports.words import plain, printable

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~@!&])")
_WRONG_HEAD = "| | Service | Name | Place | Why |\n|---|---|---|---|---|\n"
_CHANGE_HEAD = (
    "| | Service | Name | Removed | Added | Kept | Settings | Place |\n|---|---|---|---|---|---:|---|---|\n"
)


def render(report: Report) -> Iterator[str]:
    """Return the Markdown piece by piece; one line a row is held until the totals above are known."""
    tally, wrong, changes = Tally(), list[str](), list[str]()
    for row in tally.counting(report.rows):
        if row.wrong:
            wrong.append(_wrong_line(row))
        if row.change.action is Action.UPDATE:
            changes.append(_change_line(row))
    yield f"# {escaped(report.title)}\n\n"
    for line in summary(report, tally.totals()):
        yield f"- {escaped(plain(line))}\n"
    yield from _section("Needs attention", _WRONG_HEAD, wrong)
    yield from _section("Changes", _CHANGE_HEAD, changes)


def escaped(foreign: str) -> str:
    """Return text from the API or the job escaped, so that Markdown shows it unchanged."""
    return _MARKUP.sub(r"\\\1", printable(foreign))


def _section(title: str, head: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"\n## {title} ({len(lines):,})\n\n{head}"
        yield from lines


def _wrong_line(row: Row) -> str:
    why = f"{row.code}: {row.why}" if row.code else row.why
    return _line(row, escaped(row.change.update.place), escaped(why))


def _change_line(row: Row) -> str:
    change = row.change
    settings = "; ".join(f"{c.field}: {c.was} -> {c.after}" for c in row.settings)
    cells = (_mappings(change.removed), _mappings(change.added), str(len(change.kept)), escaped(settings))
    return _line(row, *cells, escaped(change.update.place))


def _line(row: Row, *cells: str) -> str:
    facts = row.result.facts
    service = (f"`{facts.sigil}` {facts.phrase}", escaped(row.change.service_id), escaped(row.name))
    return f"| {' | '.join((*service, *cells))} |\n"


def _mappings(ports: Ports) -> str:
    return " ".join(f"`{mapping}`" for mapping in ports)
