"""Lines of CSV into records of cells (RFC 4180), with the way back from a cell to its place."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from bulk.jobfile.text_lines import LINE_BYTES_MAX, Fault, LineCount, NumberedLine
from bulk.jobfile.values import Problem, stripped

QUOTED_LINES_MAX = 100
"""Most lines that one record may span; more is taken for a quote left open."""
_SEP_LINE = re.compile(r'"?sep=[^"]?"?[,;\t|]*', re.IGNORECASE)
"""What tells a spreadsheet the delimiter; here the header does."""
LONE_CR = re.compile(r"\r(?!\r*\n)(?=.)", re.DOTALL)
"""A carriage return in the middle of a line, where it does not end one."""
csv.field_size_limit(2 * LINE_BYTES_MAX)  # the module's own limit is for quoted cells only; ours is for all


class Record(NamedTuple):
    """One record: its cells, and the text they were read from."""

    line: int
    """Number of the record's first line, from 1."""
    text: str
    cells: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRecord:
    """A line that is no record, and why."""

    line: int
    fault: Fault


AnyRecord: TypeAlias = Record | BrokenRecord


class CsvRecords:
    """The records of some lines, one by one; blank lines and comments between them do not count."""

    def __init__(self, lines: Iterable[NumberedLine], count: LineCount) -> None:
        self._rest = iter(lines)
        self._again: deque[NumberedLine] = deque()
        self._count = count

    def header(self) -> NumberedLine:
        """Take the first record off as text, empty where there is none; a `sep=` line is passed over.

        It may span lines: the name of a column may be written in several, in quotes.
        """
        for number, text in self._texts():
            self._count.header += 1 if isinstance(text, Fault) else lines_in(text)
            if isinstance(text, Fault) or not _SEP_LINE.fullmatch(stripped(text)):
                return number, text
        return 1, ""

    def records(self, delimiter: str) -> Iterator[AnyRecord]:
        """Yield the other records; one whose cells are all blank counts as blank lines."""
        for number, text in self._texts():
            record = self.record(number, text, delimiter)
            if isinstance(record, BrokenRecord) or _says_something(record.cells):
                yield record
            else:
                self._count.blank += lines_in(record.text)

    def record(self, number: int, text: str | Fault, delimiter: str) -> AnyRecord:
        """Return the record of the text that was taken last."""
        if isinstance(text, Fault):
            return BrokenRecord(line=number, fault=text)
        if '"' not in text:
            return Record(number, text, text.rstrip("\r\n").split(delimiter))
        try:
            cells = next(csv.reader([text], delimiter=delimiter, strict=True))
        except csv.Error as error:
            self._again.extendleft(reversed(self._followers))
            return BrokenRecord(line=number, fault=quote_fault(text, error))
        return Record(line=number, text=text, cells=cells)

    def _texts(self) -> Iterator[NumberedLine]:
        """Yield each record as text: a line, and the lines that begin within its quotes."""
        while (numbered_line := self._next_line()) is not None:
            number, line = numbered_line
            if self._count.skips(line):
                continue
            if isinstance(line, str) and '"' in line:
                self._followers = self._taken_behind(line)
                line += "".join(follower for _, follower in self._followers if isinstance(follower, str))
            yield number, line

    def _next_line(self) -> NumberedLine | None:
        return self._again.popleft() if self._again else next(self._rest, None)

    def _taken_behind(self, line: str) -> list[NumberedLine]:
        """Take the lines that belong to a record for having begun within its quotes."""
        followers: list[NumberedLine] = []
        still_open, chars = line.count('"') % 2 == 1, len(line)
        while still_open and len(followers) < QUOTED_LINES_MAX and chars < LINE_BYTES_MAX:
            follower = self._next_line()
            if follower is None:
                break
            followers.append(follower)
            if isinstance(follower[1], Fault):
                break
            still_open ^= follower[1].count('"') % 2 == 1
            chars += len(follower[1])
        return followers


def _says_something(cells: list[str]) -> bool:
    first = cells[0]  # mostly an id: all that is looked at
    return bool(first.isascii() and first.strip()) or any(map(stripped, cells))


def lines_in(text: str) -> int:
    """Return how many lines of the file a record spans."""
    return text.count("\n") + (not text.endswith("\n"))


def quote_fault(text: str, error: csv.Error) -> Fault:
    """Return the fault of a record with quotes that the csv module cannot read."""
    what, hint = "a quote is left open", 'put the whole cell in quotes and write a quote within it as ""'
    if "expected after" in str(error):
        what = "text behind a closing quote"
    elif "new-line" in str(error):
        what = "a carriage return (CR) in the middle of a line"
        hint = "put that cell in quotes, or end the lines with LF or CRLF"
    problem = Problem(message=f"not CSV from here on: {what}", hint=hint)
    return Fault(column=text.find('"') + 1 or 1, problem=problem)


def place_of_cell(text: str, delimiter: str, position: int) -> tuple[int, int]:
    """Return (lines below the record's first, column) where the content of a cell starts.

    `position` counts cells from 0; one that the record does not have is at its end.
    """
    starts = cell_starts(text, delimiter)
    return place_of_start(text, starts[min(position, len(starts) - 1)])


def cell_starts(text: str, delimiter: str) -> list[int]:
    """Return where each cell of a record starts, and at the end where it ends."""
    cell = re.compile(rf'(?:"(?:[^"]|"")*+"|)[^{delimiter}]*{delimiter}?')
    return [0, *(found.end() for found in cell.finditer(text))]


def place_of_start(text: str, start: int) -> tuple[int, int]:
    """Return (lines below the record's first, column) of the content of the cell that starts there."""
    return next(places_of_starts(text, (start,)))


def places_of_starts(text: str, starts: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the places of several cells, in their order; a line of a megabyte may have half a million."""
    end, below, line_start, seen = len(text.rstrip("\r\n")), 0, 0, 0
    for cell_start in starts:
        start = min(cell_start, end)
        start += text.startswith('"', start)
        while text.startswith(" ", start):
            start += 1
        below += text.count("\n", seen, start)
        line_start = text.rfind("\n", seen, start) + 1 or line_start
        seen = start
        yield below, start - line_start + 1
