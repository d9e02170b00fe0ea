"""The two CSV layouts: wide (one service a line) and long (one mapping a line)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bulk.jobfile.cells import CellReader
from bulk.jobfile.columns import MAPPING_COLUMNS
from bulk.jobfile.csv_text import AnyRecord, BrokenRecord, Record
from bulk.jobfile.drafts import Draft, issue_at
from bulk.jobfile.header import Header
from bulk.jobfile.mappings import mapping_of_cells, repeated, too_many
from bulk.jobfile.values import Problem, Wrong
from bulk.model import MAPPINGS_MAX, Issue, PortMapping, Protocol

STRAYS_MAX = 1_000
"""Most unreadable lines that are counted to the service above them."""

_SAYS_NOTHING = Problem(
    message="the line has neither a mapping nor a setting", hint="complete it, or delete the line"
)
_DIFFERS = Problem(
    message="differs from an earlier line of this service",
    hint="write it the same on each line, or once and leave the others blank",
)


def wide_drafts(records: Iterable[AnyRecord], header: Header, name: str) -> Iterator[Draft]:
    """Return one draft for each line."""
    return map(CellReader(header, name).draft, records)


def long_drafts(records: Iterable[AnyRecord], header: Header, name: str) -> Iterator[Draft]:
    """Return one draft for the consecutive lines of each service.

    A line whose service cannot be recognized may be a part of the services above and below it, whose
    maps would then lack a mapping, which a PUT would delete: it spoils both.
    """
    reader = CellReader(header, name)
    row: _LongRow | None = None
    stray: int | None = None
    for record in records:
        line = reader.draft(record)
        if "service_id" not in line.values or isinstance(record, BrokenRecord):
            stray = line.line
            if row and len(row.draft.issues) < STRAYS_MAX:
                row.draft.issues += line.issues
            else:
                yield line
            continue
        if row is None or row.draft.values["service_id"] != line.values["service_id"]:
            if row:
                yield row.close()
            row = _LongRow(reader, line)
            if stray:
                row.draft.issues.append(_may_lack(name, line, stray))
        row.add(line, record)
        stray = None
    if row:
        yield row.close()


def _may_lack(name: str, first: Draft, stray: int) -> Issue:
    problem = Problem(
        message=f"line {stray}, which cannot be read, may belong to this service", hint="correct that line"
    )
    return issue_at(name, first.line, first.column, "", problem)


class _LongRow:
    """The lines of one service, joined as they come."""

    def __init__(self, reader: CellReader, first: Draft) -> None:
        self._reader = reader
        self.draft = first
        self._mappings: dict[tuple[int, Protocol], PortMapping] = {}

    def add(self, line: Draft, record: Record) -> None:
        """Take one more line, perhaps the first."""
        cells = [self._reader.cell(record, column) for column in MAPPING_COLUMNS]
        if line is not self.draft:
            self._join(line, record)
        if any(cells):
            self._add_mapping(mapping_of_cells(*cells), record)
        elif line.values.keys() <= {"service_id"} and not line.issues and not line.has_unread:
            self._complain(record, "client_port", _SAYS_NOTHING)

    def _join(self, line: Draft, record: Record) -> None:
        self.draft.issues += line.issues
        self.draft.has_unread |= line.has_unread
        for column, value in line.values.items():
            if self.draft.values.setdefault(column, value) != value:
                self._complain(record, column, _DIFFERS)

    def _add_mapping(self, mapping: PortMapping | Wrong, record: Record) -> None:
        if isinstance(mapping, Wrong):
            for problem in mapping.problems:
                self._complain(record, problem.part, replace(problem, part=""))
            return
        key = (mapping.client_port, mapping.protocol)
        if key in self._mappings:
            self._complain(record, "client_port", repeated(mapping, self._mappings[key]))
        self._mappings[key] = mapping
        if len(self._mappings) == MAPPINGS_MAX + 1:
            self._complain(record, "client_port", too_many(len(self._mappings)))

    def _complain(self, record: Record, column: str, problem: Problem) -> None:
        self.draft.issues.append(self._reader.cell_issue(record, column, problem))

    def close(self) -> Draft:
        """Return the whole row."""
        if self._mappings:
            self.draft.values["ports"] = tuple(self._mappings.values())
        return self.draft
