"""The cells of a CSV record into the values of a draft."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from bulk.core.model import Issue
from bulk.core.rows.columns import COLUMNS, CSV_COLUMNS, OUTCOME_COLUMNS
from bulk.core.rows.csv_text import AnyRecord, BrokenRecord, Record, place_of_cell
from bulk.core.rows.drafts import MISSING_ID, Draft, issue_at
from bulk.core.rows.header import Header
from bulk.core.rows.values import Problem, Wrong, shown
from bulk.core.text import counted

Readings: TypeAlias = list[tuple[int, str, Callable[[str], Any]]]
"""Position, column and reading of each column that has a rule of its own."""

_MADE_TEXT = re.compile(r"'+[=+\-@\t\r]")
"""One apostrophe in front keeps spreadsheets from running the cell; it is not part of the value."""

_NAMELESS = Problem(message="a cell in a column without a name", hint="name the column, or empty the cell")


class CellReader:
    """Reads the records under one header."""

    def __init__(self, header: Header, name: str) -> None:
        self.name = name
        self._delimiter = header.delimiter
        self._width = len(header.names)
        self._position = {column: position for position, column in enumerate(header.names)}
        self._readings: Readings = [
            (position, column, COLUMNS[column].form.of_text)
            for position, column in enumerate(header.names)
            if column in COLUMNS
        ]
        self._unreadable = [
            (position, column)
            for position, column in enumerate(header.names)
            if column not in CSV_COLUMNS and column not in OUTCOME_COLUMNS
        ]

    def draft(self, record: AnyRecord) -> Draft:
        """Return the valid values of a record's cells, and the issues of the others."""
        draft = Draft(line=record.line)
        if isinstance(record, BrokenRecord):
            fault = record.fault
            draft.issues.append(issue_at(self.name, record.line, fault.column, "", fault.problem))
            return draft
        if len(record.cells) == self._width:
            self._read(draft, record)
        else:
            position = min(len(record.cells), self._width)
            draft.issues.append(self.issue(record, position, "", self._ragged(len(record.cells))))
        return draft

    def _read(self, draft: Draft, record: Record) -> None:
        cells = record.cells
        for position, column, reading in self._readings:
            cell = cells[position]
            if not cell or cell.isspace():
                continue
            value = reading(cell[1:] if _MADE_TEXT.match(cell) else cell)
            if isinstance(value, Wrong):
                draft.issues += [self.issue(record, position, column, problem) for problem in value.problems]
            else:
                draft.values[column] = value
        self._read_id(draft, record)
        for position, column in self._unreadable:
            if not cells[position].strip():
                continue
            if column:
                draft.has_unread = True
            else:
                draft.issues.append(self.issue(record, position, "", _NAMELESS))

    def _read_id(self, draft: Draft, record: Record) -> None:
        position = self._position["service_id"]
        draft.raw_id = record.cells[position].strip()
        draft.column = record.text.find(draft.raw_id) + 1
        if not draft.raw_id:
            draft.issues.append(self.issue(record, position, "service_id", MISSING_ID))

    def _ragged(self, count: int) -> Problem:
        message = f"{counted(count, 'cell')} where the header has {self._width}"
        if count > self._width:
            return Problem(message=message, hint=f"put a cell with {shown(self._delimiter)} in it in quotes")
        return Problem(message=message, hint="write the empty cells too")

    def cell(self, record: Record, column: str) -> str:
        """Return a cell without the blanks around it; empty where the file has no such column."""
        position = self._position.get(column)
        return "" if position is None else record.cells[position].strip()

    def cell_issue(self, record: Record, column: str, problem: Problem) -> Issue:
        """Return the issue of a problem with the cell of a column."""
        return self.issue(record, self._position.get(column, 0), column, problem)

    def issue(self, record: Record, position: int, column: str, problem: Problem) -> Issue:
        """Return the issue of a problem with the cell at a position."""
        below, at = place_of_cell(record.text, self._delimiter, position)
        return issue_at(self.name, record.line + below, at, column, problem)
