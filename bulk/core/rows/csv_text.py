"""Lines of CSV into records of cells (RFC 4180), with the way back from a cell to its place."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from bulk.core.rows.lines import LINE_BYTES_MAX, Fault, NumberedLine, says_something
from bulk.core.rows.values import Problem

QUOTED_LINES_MAX = 100
"""Most lines that one record may span; more is taken for a quote left open."""


class Record(NamedTuple):
    """One record: its cells, and the text they were read from."""

    line: int
    """Of its first line, from 1."""
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

    def __init__(self, lines: Iterable[NumberedLine], *, delimiter: str) -> None:
        self._rest = iter(lines)
        self._again: deque[NumberedLine] = deque()
        self._delimiter = delimiter

    def __iter__(self) -> Iterator[AnyRecord]:
        while (numbered_line := self._next_line()) is not None:
            number, line = numbered_line
            if not says_something(line):
                continue
            if isinstance(line, Fault):
                yield BrokenRecord(line=number, fault=line)
            elif '"' in line:
                yield self._quoted(number, line)
            else:
                yield Record(number, line, line.rstrip("\r\n").split(self._delimiter))

    def _next_line(self) -> NumberedLine | None:
        return self._again.popleft() if self._again else next(self._rest, None)

    def _quoted(self, number: int, line: str) -> AnyRecord:
        followers = self._followers(line)
        text = line + "".join(follower for _, follower in followers if isinstance(follower, str))
        try:
            cells = next(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            self._again.extendleft(reversed(followers))
            return BrokenRecord(line=number, fault=_quote_fault(line, error))
        return Record(line=number, text=text, cells=cells)

    def _followers(self, line: str) -> list[NumberedLine]:
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


def _quote_fault(line: str, error: csv.Error) -> Fault:
    hint = 'put the whole cell in quotes and write a quote within it as ""'
    return Fault(
        column=line.index('"') + 1, problem=Problem(message=f"not CSV from here on: {error}", hint=hint)
    )


def place_of_cell(text: str, delimiter: str, position: int) -> tuple[int, int]:
    """Return (lines below the record's first, column) where the content of a cell starts.

    `position` counts cells from 0; one that the record does not have is at its end.
    """
    cell = re.compile(rf'(?:"(?:[^"]|"")*+"|)[^{delimiter}]*{delimiter}?')
    starts = [0, *(found.end() for found in cell.finditer(text))]
    start = min(starts[min(position, len(starts) - 1)], len(text.rstrip("\r\n")))
    start += text.startswith('"', start)
    content = text[start:].lstrip(" ")
    start = len(text) - len(content) if content else start
    return text.count("\n", 0, start), start - text.rfind("\n", 0, start)
