"""A file of service ids, read as a job file is: one id a line, or the column `service_id` of a CSV."""

from collections.abc import Iterable, Iterator
from itertools import chain

from bulk.jobfile.csv_text import AnyRecord, BrokenRecord, CsvRecords, cell_starts, places_of_starts
from bulk.jobfile.drafts import issue_at
from bulk.jobfile.header import DELIMITERS, other_delimiter, split_names
from bulk.jobfile.text_lines import TOO_MANY_ROWS, Fault, LineCount, text_lines
from bulk.jobfile.values import Problem, Wrong, error_value, stripped, uuid
from bulk.model import ROWS_MAX, Issue


def read_ids(lines: Iterable[bytes], *, name: str) -> tuple[frozenset[str], tuple[Issue, ...]]:
    """Return the service ids of a file, and what is wrong with it.

    Below a header with the column `service_id` that column counts, without one every cell: nothing that a
    person wrote is passed over.
    """
    count = LineCount()
    text = text_lines(lines, count)
    if isinstance(text, Problem):
        return frozenset(), (issue_at(name, 1, 1, "", text),)
    ids: set[str] = set()
    issues: list[Issue] = []
    for number, (line, column, cell) in enumerate(_cells(CsvRecords(text, count))):
        if number == ROWS_MAX:
            count.stop = TOO_MANY_ROWS
            break
        found = Wrong((cell.problem,)) if isinstance(cell, Fault) else error_value(cell) or uuid(cell)
        if isinstance(found, Wrong):
            issues += [issue_at(name, line, column, "", problem) for problem in found.problems]
        else:
            ids.add(found)
    if count.stop:
        issues.append(issue_at(name, count.read, 1, "", count.stop))
    return frozenset(ids), tuple(issues)


def _cells(records: CsvRecords) -> Iterator[tuple[int, int, str | Fault]]:
    """Yield line, column and text of each cell that counts, or why its record cannot be read."""
    number, text = records.header()
    split = split_names(text) if isinstance(text, str) else text
    if not isinstance(split, Fault) and "service_id" in split[1]:
        delimiter, names = split
        yield from _of_records(records.records(delimiter), delimiter, names.index("service_id"))
    elif isinstance(text, str) and (problem := other_delimiter(text)):
        yield number, 1, Fault(column=1, problem=problem)
    elif text:
        delimiter = max(DELIMITERS, key=text.count) if isinstance(text, str) else DELIMITERS[0]
        first = records.record(number, text, delimiter)
        yield from _of_records(chain([first], records.records(delimiter)), delimiter)


def _of_records(
    records: Iterable[AnyRecord], delimiter: str, column: int | None = None
) -> Iterator[tuple[int, int, str | Fault]]:
    for record in records:
        if isinstance(record, BrokenRecord):
            yield record.line, record.fault.column, record.fault
            continue
        places = list(places_of_starts(record.text, cell_starts(record.text, delimiter)))
        for position, cell in enumerate(record.cells):
            if column in {None, position} and (bare := stripped(cell)):
                below, at = places[min(position, len(places) - 1)]
                yield record.line + below, at, bare
