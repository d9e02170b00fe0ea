"""The header of a CSV job file: it decides the delimiter, the columns and the layout."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bulk.jobfile.columns import CSV_COLUMNS, MAPPING_COLUMNS, OUTCOME_COLUMNS, unknown_columns
from bulk.jobfile.csv_text import (
    LONE_CR,
    CsvRecords,
    cell_starts,
    lines_in,
    place_of_start,
    quote_fault,
)
from bulk.jobfile.drafts import issue_at
from bulk.jobfile.text_lines import Fault
from bulk.jobfile.values import UUID, Problem, shown, stripped
from bulk.model import Issue
from bulk.text import counted

DELIMITERS = ",;\t"
"""Spreadsheets write `;` where the comma is the decimal sign."""
OTHER_DELIMITERS = {"|": '"|"', ":": '":"', "~": '"~"', "，": '"，"', "；": '"；"', " ": "blanks"}
"""Not taken, but recognized, with what a message calls them."""
COLUMNS_MAX = 1_000
"""Most columns of a file."""

_LONG = ",".join(("service_id", *MAPPING_COLUMNS))
_HEADER_HINT = f"begin with a header, such as {_LONG}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The columns of a CSV file."""

    delimiter: str
    names: tuple[str, ...]
    """Names of the columns, in order, as written; unknown ones and blank ones among them."""

    @property
    def is_long(self) -> bool:
        """Return whether each line holds one mapping."""
        return not set(self.names).isdisjoint(MAPPING_COLUMNS)


def read_header(
    records: CsvRecords, name: str, *, names_waves: bool = False
) -> tuple[Header | None, list[Issue]]:
    """Take the header off the records: None where no row can be read with it, and its issues.

    `names_waves` is true where each row has to name its wave.
    """
    number, text = records.header()
    if isinstance(text, Fault):
        return None, [issue_at(name, number, text.column, "", text.problem)]
    if problem := _not_a_header(text):
        return None, [issue_at(name, number, 1, "", problem)]
    split = split_names(text)
    if isinstance(split, Fault):
        problem, column = other_delimiter(text) or split.problem, split.column
        return None, [issue_at(name, number, column, "", problem)]
    delimiter, names = split
    if problem := _not_columns(text, names):
        return None, [issue_at(name, number, 1, "", problem)]
    fatal = [
        issue_at(name, number, 1, "", problem) for problem in _layout_problems(names, names_waves=names_waves)
    ]
    unknown = [
        issue_at(name, number + below, column, "", problem)
        for (below, column), problem in _unknown(text, delimiter, names)
    ]
    return None if fatal else Header(delimiter=delimiter, names=names), fatal + unknown


def _not_a_header(text: str) -> Problem | None:
    if not text:
        return Problem(message="the file is empty", hint=_HEADER_HINT)
    if text.lstrip().startswith(("{", "[")):
        hint = "name the file .jsonl, or add --format jsonl"
        return Problem(message="this looks like JSON Lines, not CSV", hint=hint)
    if LONE_CR.search(text):
        return Problem(message="lines end with CR alone", hint="save the file with LF or CRLF line ends")
    if lines_in(text) > 1 and UUID.search(text.lower()):
        return Problem(message="a quote is left open in the header", hint="close it in the header")
    return None


def split_names(text: str) -> tuple[str, tuple[str, ...]] | Fault:
    """Return the delimiter under which most columns are known, and the names it makes."""
    splits = {delimiter: _names(text, delimiter) for delimiter in DELIMITERS}
    delimiter = max(splits, key=lambda each: sum(cell in CSV_COLUMNS for cell in splits[each]))
    try:
        next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return quote_fault(text, error)
    return delimiter, splits[delimiter]


def _names(text: str, delimiter: str) -> tuple[str, ...]:
    """Return the names under a delimiter; a cell of several lines counts as its first line."""
    try:
        cells = next(csv.reader([text], delimiter=delimiter))
    except csv.Error:
        return ()
    names = [stripped(stripped(cell).partition("\n")[0]) for cell in cells]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _not_columns(text: str, names: tuple[str, ...]) -> Problem | None:
    """Return why a header does not fall into columns: too many, or a delimiter that is not taken."""
    if len(names) > COLUMNS_MAX:
        return Problem(message=counted(len(names), "column"), hint=f"a file may have {COLUMNS_MAX:,}")
    return None if "service_id" in names else other_delimiter(text)


def other_delimiter(text: str) -> Problem | None:
    """Return what separates the columns of a header, where it is a delimiter that is not taken."""
    for delimiter, what in OTHER_DELIMITERS.items():
        parts = {stripped(part).strip('"') for part in text.split(delimiter)}
        if "service_id" in parts and len(parts.intersection(CSV_COLUMNS)) > 1:
            hint = 'save the file with ",", ";" or a tab between the cells'
            return Problem(message=f"the columns are separated by {what}", hint=hint)
    return None


def _unknown(text: str, delimiter: str, names: tuple[str, ...]) -> Iterator[tuple[tuple[int, int], Problem]]:
    """Return the problem of each unknown column, and how far below and where in its line it is."""
    known = (*CSV_COLUMNS, *OUTCOME_COLUMNS)
    unknown = [(position, cell) for position, cell in enumerate(names) if cell and cell not in known]
    starts = cell_starts(text, delimiter) if unknown else []
    problems = unknown_columns([cell for _, cell in unknown], CSV_COLUMNS)
    for (position, _), problem in zip(unknown, problems, strict=True):
        yield place_of_start(text, starts[position]), problem


def _layout_problems(names: tuple[str, ...], *, names_waves: bool) -> Iterator[Problem]:
    if "service_id" not in names:
        yield Problem(message="the column service_id is missing", hint=_HEADER_HINT)
    if names_waves and "wave" not in names:
        hint = 'add it with 1, 2, 3 … in each row, or write other waves than "column"'
        yield Problem(message="the column wave is missing", hint=hint)
    for repeated in sorted(name for name, count in Counter(names).items() if name and count > 1):
        yield Problem(message=f"the column {shown(repeated)} occurs twice", hint="keep one of them")
    mapping_columns = [name for name in MAPPING_COLUMNS if name in names]
    if mapping_columns and "ports" in names:
        hint = "write one mapping per line in those columns, or all of them in ports"
        yield Problem(message=f"the header has both ports and {mapping_columns[0]}", hint=hint)
    for column in MAPPING_COLUMNS.values():
        if mapping_columns and column.is_required and column.name not in names:
            hint = f"the long layout is {_LONG}"
            yield Problem(message=f"the column {column.name} is missing", hint=hint)
