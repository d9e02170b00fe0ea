"""The cells of a CSV record into the values of a draft."""

from collections.abc import Callable, Iterable
from typing import Any

from bulk.jobfile.columns import COLUMNS, CSV_COLUMNS, OUTCOME_COLUMNS, Column, ColumnKind
from bulk.jobfile.csv_text import LONE_CR, AnyRecord, BrokenRecord, Record, place_of_cell
from bulk.jobfile.drafts import MISSING_ID, Draft, issue_at
from bulk.jobfile.header import OTHER_DELIMITERS, Header
from bulk.jobfile.memo import Memo
from bulk.jobfile.values import (
    CELL_CHARS_MAX,
    UUID,
    Problem,
    Wrong,
    as_written,
    error_value,
    shown,
    stripped,
    too_long,
)
from bulk.model import Issue
from bulk.text import counted

_KNOWN_CELLS = 1_024

_NAMELESS = Problem(message="a cell in a column without a name", hint="name the column, or empty the cell")


def _values_of(column: Column) -> Callable[[str], Any]:
    """Return what reads the cells of a column: None for a blank one, `Wrong` for one that cannot be read.

    Every row has an id of its own; of other cells most are the same in many rows, so each is understood once.
    """

    def value_of(cell: str) -> Any:
        return None if not stripped(cell) else error_value(cell) or column.form.of_text(as_written(cell))

    def id_of(cell: str) -> Any:
        return cell if UUID.fullmatch(cell) else value_of(cell)

    is_id = column.kind is ColumnKind.SERVICE
    return id_of if is_id else Memo(value_of, room=_KNOWN_CELLS).__getitem__


class CellReader:
    """Reads the records under one header."""

    def __init__(self, header: Header, name: str) -> None:
        self.name = name
        self._delimiter = header.delimiter
        self._width = len(header.names)
        self._position = {column: position for position, column in enumerate(header.names)}
        self._readings: list[tuple[int, str, Callable[[str], Any]]] = [
            (position, column, _values_of(COLUMNS[column]))
            for position, column in enumerate(header.names)
            if column in COLUMNS
        ]
        """Position, name and reading of each column that has a rule of its own."""
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
        if found := self._shape(record):
            position, problem = found
            draft.issues.append(self.issue(record, position, "", problem))
            at = self._position["service_id"]
            draft.raw_id = stripped(record.cells[at]) if at < len(record.cells) else ""
        else:
            self._read(draft, record)
        return draft

    def _shape(self, record: Record) -> tuple[int, Problem] | None:
        """Pad or cut a record to the width of the header; return the cell where that cannot be done, and why.

        Spreadsheets leave out empty cells at the end of a line, or write more of them than the header has.
        """
        cells, width = record.cells, self._width
        count = len(cells)
        if count < width:
            if count == 1 and (delimiter := self._other_delimiter(record.text)):
                message = f"the cells are separated by {delimiter}, in the header by {shown(self._delimiter)}"
                return 0, Problem(message=message, hint="separate them as in the header")
            if not record.text.endswith("\n"):
                message = f"the file ends in this line: {counted(count, 'cell')} where the header has {width}"
                return count, Problem(message=message, hint="complete the line, or write its line end")
            cells.extend([""] * (width - count))
        elif count > width:
            surplus = next((at for at in range(width, count) if stripped(cells[at])), None)
            if surplus is not None:
                return surplus, self._surplus(record)
            del cells[width:]
        if len(record.text) > CELL_CHARS_MAX:
            for position, cell in enumerate(cells):
                if wrong := too_long(cell):
                    return position, wrong.problems[0]
        return None

    def _other_delimiter(self, text: str) -> str:
        """Return what a message calls the delimiter that a line of one cell has; empty where it has none."""
        named = {"\t": "tabs", "|": OTHER_DELIMITERS["|"], ";": '";"', ",": '","'}
        return next((what for each, what in named.items() if each != self._delimiter and each in text), "")

    def _surplus(self, record: Record) -> Problem:
        if LONE_CR.search(record.text):
            message = "a carriage return (CR) in the middle of a line"
            return Problem(message=message, hint="save the file with LF or CRLF line ends")
        message = f"{counted(len(record.cells), 'cell')} where the header has {self._width}"
        hint = f"put a cell with {shown(self._delimiter)} in it in quotes, or name the column"
        return Problem(message=message, hint=hint)

    def _read(self, draft: Draft, record: Record) -> None:
        cells, values = record.cells, draft.values
        for position, column, value_of in self._readings:
            value = value_of(cells[position])
            if isinstance(value, Wrong):
                draft.issues += self._issues(record, position, column, value.problems)
            elif value is not None:
                values[column] = value
        self._read_id(draft, record)
        for position, column in self._unreadable:
            if not stripped(cells[position]):
                continue
            if column:
                draft.has_unread = True
            else:
                draft.issues.append(self.issue(record, position, "", _NAMELESS))

    def _read_id(self, draft: Draft, record: Record) -> None:
        position = self._position["service_id"]
        draft.raw_id = stripped(record.cells[position])
        draft.column = record.text.find(draft.raw_id) + 1
        if not draft.raw_id:
            draft.issues.append(self.issue(record, position, "service_id", MISSING_ID))

    def cell(self, record: Record, column: str) -> str:
        """Return a cell without the blanks around it; empty where the file has no such column."""
        position = self._position.get(column)
        return "" if position is None else stripped(record.cells[position])

    def cell_issue(self, record: Record, column: str, problem: Problem) -> Issue:
        """Return the issue of a problem with the cell of a column."""
        return self.issue(record, self._position.get(column, 0), column, problem)

    def issue(self, record: Record, position: int, column: str, problem: Problem) -> Issue:
        """Return the issue of a problem with the cell at a position."""
        return self._issues(record, position, column, [problem])[0]

    def _issues(self, record: Record, position: int, column: str, problems: Iterable[Problem]) -> list[Issue]:
        below, at = place_of_cell(record.text, self._delimiter, position)
        return [issue_at(self.name, record.line + below, at, column, problem) for problem in problems]
