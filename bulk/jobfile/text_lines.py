"""Bytes of a job file into numbered lines of text; what cannot be text becomes a `Fault`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from bulk.jobfile.values import BLANKS, Problem
from bulk.model import ROWS_MAX
from bulk.text import counted

LINE_BYTES_MAX = 1_048_576
"""Longest line taken, its end included: a row of 200 mappings needs 15 KB."""

SKIPPED_BYTES_MAX = 64 * LINE_BYTES_MAX
"""How far the end of a longer line is looked for, to go on behind it; a pipe or a device may have none."""

LINES_MAX = 2**28 - 1
"""Most lines taken: what `duplicates` can note the place of."""

_BOM = "\ufeff".encode()
_CSV_HINT = "save the sheet as CSV (UTF-8)"
_UTF_8_HINT = "save it as UTF-8 (CSV UTF-8 in a spreadsheet)"
_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive or an XLSX workbook", _CSV_HINT),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", _CSV_HINT),
    (b"\x1f\x8b", "compressed with gzip", "unpack it with gunzip, and name the result"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it with unzstd, and name the result"),
    (b"BZh", "compressed with bzip2", "unpack it with bunzip2, and name the result"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it with unxz, and name the result"),
    (b"PAR1", "a Parquet file", "export it as CSV or JSON Lines"),
    (b"%PDF-", "a PDF document", _CSV_HINT),
    (b"<", "an HTML or XML document", _CSV_HINT),
    (b"\xff\xfe", "encoded as UTF-16", _UTF_8_HINT),
    (b"\xfe\xff", "encoded as UTF-16", _UTF_8_HINT),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A line or record that cannot be read, and the column where that shows."""

    column: int
    problem: Problem


NumberedLine: TypeAlias = tuple[int, str | Fault]


_STARTS_OF_SKIPPED = frozenset({"", "#", *BLANKS})


@dataclass(slots=True, kw_only=True)
class LineCount:
    """The lines of a file by what they are, as they are read; those of none of these kinds are the rows'."""

    read: int = 0
    header: int = 0
    comments: int = 0
    blank: int = 0
    stop: Problem | None = None
    """Why nothing is read behind the last of these lines, though the file goes on."""

    @property
    def counts(self) -> dict[str, int]:
        """Return the numbers by their names."""
        return {"read": self.read, "header": self.header, "comments": self.comments, "blank": self.blank}

    def skips(self, line: str | Fault) -> bool:
        """Return whether a line is blank or a comment (`#` and a blank), and count it if it is."""
        if isinstance(line, Fault) or line[:1] not in _STARTS_OF_SKIPPED:
            return False
        start = line.lstrip(BLANKS)[:2]
        if not start:
            self.blank += 1
        elif start[0] == "#" and start[1:] in BLANKS:  # as nothing is, at the end of the file
            self.comments += 1
        else:
            return False
        return True

    def summary(self, *, rows: int) -> str:
        """Return in words what was read: `read 14 lines: 1 header line, 9 rows, 2 comments, 2 blank`."""
        of_rows = self.read - self.header - self.comments - self.blank
        parts = (
            (self.header, counted(self.header, "header line")),
            (rows, counted(rows, "row") + (f" on {counted(of_rows, 'line')}" if of_rows != rows else "")),
            (self.comments, counted(self.comments, "comment")),
            (self.blank, f"{self.blank:,} blank"),
        )
        return f"read {counted(self.read, 'line')}: {', '.join(text for number, text in parts if number)}"


def text_lines(pieces: Iterable[bytes], count: LineCount) -> Iterator[NumberedLine] | Problem:
    """Return the lines of a file as text, as `numbered` does, or what it is where it is no text at all."""
    rest = iter(pieces)
    first = next(rest, b"")
    return _not_text(first) or numbered(chain((first,) if first else (), rest), count)


def _not_text(start: bytes) -> Problem | None:
    """Return what kind of file begins with `start` where that is clearly not text; else None."""
    for magic, what, hint in _MAGIC:
        if start.startswith(magic):
            return Problem(message=f"the file is {what}, not text", hint=hint)
    if b"\0" in start[:LINE_BYTES_MAX]:
        return Problem(message="the file begins with NUL bytes: UTF-16, or not text at all", hint=_UTF_8_HINT)
    return None


def numbered(pieces: Iterable[bytes], count: LineCount) -> Iterator[NumberedLine]:
    """Return (number from 1, text with its end) of each line, and count them.

    `pieces` are lines with their ends. A line longer than LINE_BYTES_MAX may come in several pieces. Where
    the file is not read to its end the count has the reason.
    """
    number, skipped_bytes = 0, 0
    for piece in pieces:
        if skipped_bytes:
            skipped_bytes = 0 if piece.endswith(b"\n") else skipped_bytes + len(piece)
            if skipped_bytes > SKIPPED_BYTES_MAX:
                count.stop = _ENDLESS
                return
            continue
        if number == LINES_MAX:
            count.stop = _TOO_MANY
            return
        number += 1
        count.read = number
        if len(piece) > LINE_BYTES_MAX:
            skipped_bytes = 0 if piece.endswith(b"\n") else len(piece)
            yield number, _TOO_LONG
        else:
            yield number, _text(piece.removeprefix(_BOM) if number == 1 else piece)


def _text(piece: bytes) -> str | Fault:
    try:
        text = piece.decode()
    except UnicodeDecodeError as broken:
        return _not_utf8(piece, broken.start)
    if "\0" in text:
        return Fault(column=text.index("\0") + 1, problem=_NUL)
    return text


def _not_utf8(piece: bytes, start: int) -> Fault:
    problem = Problem(message=f"the byte 0x{piece[start]:02X} is not UTF-8", hint=_UTF_8_HINT)
    return Fault(column=len(piece[:start].decode()) + 1, problem=problem)


_NUL = Problem(message="a NUL byte", hint="delete it; the file may be damaged or not text")
_TOO_LONG = Fault(
    column=1,
    problem=Problem(message="the line is longer than 1 MiB", hint="check for a missing line end or quote"),
)
_ENDLESS = Problem(
    message=f"the line has no end within {SKIPPED_BYTES_MAX // LINE_BYTES_MAX} MiB; reading stopped there",
    hint="check what writes it: this is no job file",
)
_TOO_MANY = Problem(message=f"more than {LINES_MAX:,} lines", hint="split the file")
TOO_MANY_ROWS = Problem(message=f"more than {ROWS_MAX:,} rows", hint="split the file into several jobs")
