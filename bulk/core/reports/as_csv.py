"""The report as wide CSV: a job file again, with what became of each row in columns that a job ignores.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection); so does
one that already begins with apostrophes before such a character, so that taking one away gives the cell back.
An empty text that the PUT sets (`description`) looks like one that it does not name: CSV cannot tell.
"""

import csv
import re
from collections.abc import Iterator
from operator import attrgetter

from bulk.core.model import Outcome
from bulk.core.reports.model import Report
from bulk.core.reports.row import Row
from bulk.core.reports.words import as_text
from bulk.core.rows.columns import COLUMNS, OUTCOME_COLUMNS, ColumnKind

_PLANNED = tuple(
    column
    for column in COLUMNS.values()
    if column.kind not in {ColumnKind.EDIT, ColumnKind.EXPECTATION}  # the plan has made a whole map of these
)
_values = attrgetter(
    *(
        column.path if column.kind in {ColumnKind.BODY, ColumnKind.TARGET} else f"update.{column.path}"
        for column in _PLANNED
    )
)
HEADER = (*(column.name for column in _PLANNED), *OUTCOME_COLUMNS)

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


class _Echo:
    """A file that hands back what is written to it, so that `csv.writer` gives its line."""

    def write(self, line: str) -> str:
        """Return the line that the csv module writes."""
        return line


def render(report: Report) -> Iterator[str]:
    """Return the CSV line by line: the header, then one line a row, in the order of the plan."""
    writer = csv.writer(_Echo(), lineterminator="\n")
    yield writer.writerow(HEADER)
    for row in report.rows:
        yield writer.writerow(_cells(row, report.stopped))


def _cells(row: Row, stopped: str) -> Iterator[str | int]:
    """Return the cells below `HEADER`; why the run stopped is why a row was not attempted."""
    change, reply = row.change, row.reply
    why = row.why or (stopped if row.outcome is Outcome.NOT_ATTEMPTED else "")
    ending = (row.result.value, reply.code, why, reply.request_id)
    yield from map(neutral, (*map(as_text, _values(change)), *ending))
    yield from (row.attempts, reply.ms, neutral(change.update.place))


def neutral(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
