"""The report as wide CSV: a job file again, with what became of each row in columns that a job ignores.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection); so does
one that already begins with apostrophes before such a character, so that taking one away gives the cell back.
An empty text that the PUT sets (`description`) looks like one that it does not name: CSV cannot tell.
"""

import csv
import re
from collections.abc import Iterator

from bulk.core.model import BODY_FIELDS
from bulk.core.reports.model import Report
from bulk.core.reports.row import Row
from bulk.core.reports.words import told

OUTCOME_COLUMNS = ("outcome", "code", "message", "request_id", "attempts", "ms", "place")
"""What the reader of job files has to pass over."""
_SETTINGS = tuple(name for name in BODY_FIELDS if name != "ports")
COLUMNS = ("service_id", "ports", "region", "project_id", "profile", *_SETTINGS, "note", *OUTCOME_COLUMNS)

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


class _Echo:
    """A file that hands back what is written to it, so that `csv.writer` gives its line."""

    def write(self, line: str) -> str:
        """Give the line."""
        return line


def render(report: Report) -> Iterator[str]:
    """Give the CSV line by line: the header, then one line a row, in the order of the plan."""
    writer = csv.writer(_Echo(), lineterminator="\n")
    yield writer.writerow(COLUMNS)
    for row in report.rows:
        yield writer.writerow(_cells(row))


def _cells(row: Row) -> Iterator[str | int]:
    change, body, reply = row.change, row.change.body, row.reply
    target = change.target
    texts = (change.service_id, told(body.ports), target.region, target.project_id, target.profile)
    settings = (told(getattr(body, name)) for name in _SETTINGS)
    ending = (row.result.value, reply.code, row.why, reply.request_id)
    yield from map(neutral, (*texts, *settings, change.note, *ending))
    yield row.attempts
    yield reply.ms
    yield neutral(change.place)


def neutral(cell: str) -> str:
    """Give a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
