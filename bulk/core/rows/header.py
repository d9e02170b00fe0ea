"""The header of a CSV job file: it decides the delimiter, the columns and the layout."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from bulk.core.model import Issue
from bulk.core.rows.columns import CSV_COLUMNS, MAPPING_COLUMNS, OUTCOME_COLUMNS, unknown_column
from bulk.core.rows.csv_text import place_of_cell
from bulk.core.rows.drafts import issue_at
from bulk.core.rows.lines import Fault, NumberedLine, says_something
from bulk.core.rows.values import Problem, shown

_DELIMITERS = ",;\t"
"""Spreadsheets write `;` where the comma is the decimal sign."""

_LONG = ",".join(("service_id", *MAPPING_COLUMNS))
_HEADER_HINT = f"begin with a header, such as {_LONG}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The columns of a CSV file."""

    delimiter: str
    names: tuple[str, ...]
    """In order, as written; unknown ones and blank ones among them."""

    @property
    def is_long(self) -> bool:
        """Return whether each line holds one mapping."""
        return not set(self.names).isdisjoint(MAPPING_COLUMNS)


def read_header(lines: Iterator[NumberedLine], name: str) -> tuple[Header | None, list[Issue]]:
    """Take the header off the lines: the header, None where no row can be read with it, and its issues."""
    number, line = next((each for each in lines if says_something(each[1])), (1, ""))
    if isinstance(line, Fault):
        return None, [issue_at(name, number, line.column, "", line.problem)]
    if problem := _not_a_header(line):
        return None, [issue_at(name, number, 1, "", problem)]
    delimiter, names = _split(line)
    fatal = [issue_at(name, number, 1, "", problem) for problem in _layout_problems(names)]
    unknown = [
        issue_at(
            name, number, place_of_cell(line, delimiter, position)[1], "", unknown_column(cell, CSV_COLUMNS)
        )
        for position, cell in enumerate(names)
        if cell and cell not in CSV_COLUMNS and cell not in OUTCOME_COLUMNS
    ]
    return None if fatal else Header(delimiter=delimiter, names=names), fatal + unknown


def _not_a_header(line: str) -> Problem | None:
    if not line:
        return Problem(message="the file is empty", hint=_HEADER_HINT)
    if line.lstrip().startswith(("{", "[")):
        hint = "name the file .jsonl, or add --format jsonl"
        return Problem(message="this looks like JSON Lines, not CSV", hint=hint)
    if "\r" in line.rstrip("\r\n"):
        return Problem(message="lines end with CR alone", hint="save the file with LF or CRLF line ends")
    return None


def _split(line: str) -> tuple[str, tuple[str, ...]]:
    """Return the delimiter under which most columns are known, and the names it makes."""
    splits = {
        delimiter: tuple(cell.strip() for cell in next(csv.reader([line], delimiter=delimiter)))
        for delimiter in _DELIMITERS
    }
    delimiter = max(splits, key=lambda each: sum(cell in CSV_COLUMNS for cell in splits[each]))
    return delimiter, splits[delimiter]


def _layout_problems(names: tuple[str, ...]) -> Iterator[Problem]:
    if "service_id" not in names:
        yield Problem(message="the column service_id is missing", hint=_HEADER_HINT)
    for repeated in {name for name in names if name and names.count(name) > 1}:
        yield Problem(message=f"the column {shown(repeated)} occurs twice", hint="keep one of them")
    mapping_columns = [name for name in MAPPING_COLUMNS if name in names]
    if mapping_columns and "ports" in names:
        hint = "write one mapping per line in those columns, or all of them in ports"
        yield Problem(message=f"the header has both ports and {mapping_columns[0]}", hint=hint)
    for column in MAPPING_COLUMNS.values():
        if mapping_columns and column.is_required and column.name not in names:
            hint = f"the long layout is {_LONG}"
            yield Problem(message=f"the column {column.name} is missing", hint=hint)
