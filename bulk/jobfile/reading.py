"""A whole job file: bytes in, one value for each row out, as they come."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias, assert_never

from bulk.jobfile.columns import ColumnKind, names_of
from bulk.jobfile.csv_layouts import long_drafts, wide_drafts
from bulk.jobfile.csv_text import CsvRecords
from bulk.jobfile.drafts import Draft, issue_at
from bulk.jobfile.duplicates import Conflicts
from bulk.jobfile.header import read_header
from bulk.jobfile.jsonl import json_drafts
from bulk.jobfile.row_rules import kind_of, row_problems
from bulk.jobfile.text_lines import TOO_MANY_ROWS, LineCount, NumberedLine, text_lines
from bulk.jobfile.values import Problem
from bulk.jobfile.wave_numbers import WaveNumbers
from bulk.model import ROWS_MAX, Format, InvalidRow, Issue, ModifyBody, ServiceUpdate, Target, known_target

Row: TypeAlias = ServiceUpdate | InvalidRow | Issue
"""What reading yields; an Issue concerns the file as a whole, and no row of it may be used."""

_BODY_COLUMNS = frozenset(names_of(ColumnKind.BODY))
_TARGET_COLUMNS = frozenset(names_of(ColumnKind.TARGET))

_NO_ROWS = Problem(message="the file has no rows", hint="write one row for each service to change")
_ASKS_NOTHING = Problem(
    message="the row asks for no change",
    hint="write ports, add_ports, remove_ports or a setting, or delete the row",
)


def read_rows(
    lines: Iterable[bytes],
    *,
    name: str,
    format: Format,  # noqa: A002
    default: Target,
    count: LineCount | None = None,
    names_waves: bool = False,
) -> Iterator[Row]:
    """Yield the rows of a job file in the order of the file, and the issues of the file.

    `lines` are the file's lines with their ends (a line over `text_lines.LINE_BYTES_MAX` may come in
    pieces); `name` stands in every place. `default` is the target of rows that name none: its
    project_id holds for rows of its own region and profile only. `count` counts the lines. `names_waves` is
    true where each row has to name its wave.

    After the last row come the rows that conflict with each other (a service named twice, a server
    port wanted twice on one port_id): an InvalidRow with the number of a row that was given
    before, perhaps as a ServiceUpdate. The later word holds; `read_all` settles that.

    Nothing is raised, whatever the bytes; memory grows only by what `duplicates` keeps. What never ends is
    read up to ROWS_MAX rows, or to the limits of `text_lines`: that it goes on is an issue of the file.
    """
    for judged in judge(lines, name, format, count or LineCount(), names_waves=names_waves):
        yield _row(judged, name, default) if isinstance(judged, Draft) else judged


def judge(
    lines: Iterable[bytes],
    name: str,
    format: Format,  # noqa: A002
    count: LineCount,
    *,
    names_waves: bool = False,
) -> Iterator[Draft | InvalidRow | Issue]:
    """Return every row as a numbered draft with all its issues, then the rows that conflict."""
    conflicts, waves = Conflicts(name), WaveNumbers(name, is_used=names_waves)
    row, is_readable = 0, True
    for draft in _drafts(lines, name, format, count, names_waves=names_waves):
        if isinstance(draft, Issue):
            is_readable = False
            yield draft
            continue
        if row == ROWS_MAX:
            count.stop = TOO_MANY_ROWS
            break
        row += 1
        draft.row = row
        _apply_rules(draft, name)
        conflicts.watch(draft)
        waves.watch(draft)
        yield draft
    if count.stop:
        yield issue_at(name, count.read, 1, "", count.stop)
    if is_readable and not row:
        yield issue_at(name, 1, 1, "", _NO_ROWS)
    yield from waves.gaps()
    yield from conflicts.withdrawn()


def _drafts(
    lines: Iterable[bytes],
    name: str,
    format: Format,  # noqa: A002
    count: LineCount,
    *,
    names_waves: bool,
) -> Iterator[Draft | Issue]:
    text = text_lines(lines, count)
    if isinstance(text, Problem):
        return iter((issue_at(name, 1, 1, "", text),))
    match format:
        case Format.CSV:
            return _csv_drafts(text, name, count, names_waves=names_waves)
        case Format.JSONL:
            return json_drafts(text, name, count)
        case _:
            assert_never(format)


def _csv_drafts(
    lines: Iterator[NumberedLine], name: str, count: LineCount, *, names_waves: bool
) -> Iterator[Draft | Issue]:
    records = CsvRecords(lines, count)
    header, issues = read_header(records, name, names_waves=names_waves)
    if not header:
        return iter(issues)
    drafts = long_drafts if header.is_long else wide_drafts
    return chain(issues, drafts(records.records(header.delimiter), header, name))


def _apply_rules(draft: Draft, name: str) -> None:
    """Add the issues that only the whole row shows."""
    may_break_a_rule, asks = kind_of(tuple(draft.values))
    if may_break_a_rule:
        for field, problem in row_problems(draft.values):
            draft.issues.append(issue_at(name, draft.line, draft.column, field, problem))
    if not asks and not draft.issues and not draft.has_unread:
        draft.issues.append(issue_at(name, draft.line, draft.column, "", _ASKS_NOTHING))


def _row(draft: Draft, name: str, default: Target) -> ServiceUpdate | InvalidRow:
    place = f"{name}:{draft.line}"
    if draft.issues:
        return InvalidRow(row=draft.row, place=place, service_id=draft.raw_id, issues=tuple(draft.issues))
    body: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for column, value in draft.values.items():
        if column in _BODY_COLUMNS:
            body[column] = value
        elif column not in _TARGET_COLUMNS:
            own[column] = value
    return ServiceUpdate(
        row=draft.row, place=place, target=_target(draft.values, default), body=_body(**body), **own
    )


_body = lru_cache(65_536)(ModifyBody)
"""The body of these fields: a job has few different ones, so that each is made and kept once."""


def _target(values: dict[str, Any], default: Target) -> Target:
    """Return the target that a row names, completed by the default one."""
    if _TARGET_COLUMNS.isdisjoint(values):
        return default
    region, profile = values.get("region", default.region), values.get("profile", default.profile)
    at_home = (region, profile) == (default.region, default.profile)
    project_id = values.get("project_id", default.project_id if at_home else "")
    return known_target(region, project_id, profile)
