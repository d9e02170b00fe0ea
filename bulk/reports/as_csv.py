"""The report as wide CSV: a job file again, with what became of each row in columns that a job ignores.

Its rows ask what the rows of the job asked, of the project that was looked up, and each only of a service
that has the map which it should have now: see `Row.expected_ports`.
"""

import csv
from collections.abc import Iterator
from operator import attrgetter

from bulk.jobfile.columns import COLUMNS, OUTCOME_COLUMNS, Column, ColumnKind
from bulk.jobfile.values import EMPTY_TEXT, as_cell
from bulk.model import MAY_BE_EMPTY, Outcome
from bulk.reports.report import Report
from bulk.reports.report_row import Row
from bulk.reports.words import as_text
from bulk.text import printable

HEADER = (*COLUMNS, *OUTCOME_COLUMNS)
_NO_MAPPINGS = "[]"


def _source(column: Column) -> str:
    """Return where a report's row holds the value of a column, in the form that `attrgetter` takes."""
    match column.kind:
        case ColumnKind.TARGET:
            return f"change.{column.path}"
        case ColumnKind.EXPECTATION:
            return "expected_ports"
        case _:
            return f"change.update.{column.path}"


_values = attrgetter(*map(_source, COLUMNS.values()))


class Echo:
    """A file that hands back what is written to it, so that `csv.writer` gives its line."""

    def write(self, line: str) -> str:
        """Return the line that the csv module writes, which quotes what its own line end (CR LF) contains."""
        return line.removesuffix("\r\n") + "\n"


def render(report: Report) -> Iterator[str]:
    """Return the CSV line by line: the header, then one line a row, in the order of the plan."""
    writer = csv.writer(Echo())
    yield writer.writerow(HEADER)
    stopped, ticket = report.stopped, as_cell(printable(report.ticket))
    for row in report.rows:
        yield writer.writerow((*_cells(row, stopped), ticket))


def _cells(row: Row, stopped: str) -> Iterator[str | int]:
    """Return the cells below `HEADER` but the last; why the run stopped is why a row was not attempted."""
    reply = row.reply
    yield from map(_cell, COLUMNS, _values(row))
    why = row.why or (stopped if row.outcome is Outcome.NOT_ATTEMPTED else "")
    for text in (row.result.value, reply.code, why, reply.request_id):
        yield as_cell(printable(text))
    yield from (row.attempts, reply.ms, as_cell(printable(row.change.update.place)))


def _cell(column: str, value: object) -> str:
    """Return the cell of a value; one that is not given is blank, and one that is given and empty is not."""
    match value:
        case "":
            return EMPTY_TEXT if column in MAY_BE_EMPTY else ""
        case ():
            return _NO_MAPPINGS if COLUMNS[column].kind is ColumnKind.EXPECTATION else ""
        case _:
            return as_cell(as_text(value))
