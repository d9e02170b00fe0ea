"""The rows of a whole file, sorted into those that can be used and those that cannot."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from bulk.core.model import Format, InvalidRow, Issue, ServiceUpdate
from bulk.core.rows.cautions import Cautions
from bulk.core.rows.drafts import Draft
from bulk.core.rows.reading import Row, judge

ISSUES_KEPT_MAX = 10_000
"""Most issues that a survey keeps; more are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """Every row of a file exactly once, in the order of the file."""

    updates: tuple[ServiceUpdate, ...]
    invalid: tuple[InvalidRow, ...]
    file_issues: tuple[Issue, ...]
    """Of the file as a whole: with any of these, no row may be used."""

    @property
    def issues(self) -> tuple[Issue, ...]:
        """Return all issues, those of the file first."""
        return self.file_issues + tuple(issue for row in self.invalid for issue in row.issues)


def sift(rows: Iterable[Row]) -> Sifted:
    """Take all rows of a file and give each its final word."""
    updates: list[ServiceUpdate] = []
    invalid: dict[int, InvalidRow] = {}
    file_issues: list[Issue] = []
    for row in rows:
        match row:
            case ServiceUpdate():
                updates.append(row)
            case InvalidRow():
                earlier = invalid.get(row.row)
                invalid[row.row] = replace(row, issues=earlier.issues + row.issues) if earlier else row
            case Issue():
                file_issues.append(row)
            case _:
                assert_never(row)
    return Sifted(
        updates=tuple(update for update in updates if update.row not in invalid),
        invalid=tuple(invalid[number] for number in sorted(invalid)),
        file_issues=tuple(file_issues),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a file is like, for a million rows in little memory."""

    rows: int
    issues: tuple[Issue, ...]
    """The first ones found, at most ISSUES_KEPT_MAX, in the order of reading."""
    issues_omitted: int
    warnings: tuple[Issue, ...]
    """What to look at twice: each kind once, at its first row."""


def survey(lines: Iterable[bytes], *, name: str, format: Format) -> Survey:  # noqa: A002
    """Check a whole file as `read_rows` does, and keep no more than its issues."""
    rows, found, issues, cautions = 0, 0, list[Issue](), Cautions(name)
    for judged in judge(lines, name, format):
        if isinstance(judged, Draft):
            rows = judged.row
            cautions.watch(judged)
        here = (judged,) if isinstance(judged, Issue) else judged.issues
        if here:
            found += len(here)
            issues.extend(here[: ISSUES_KEPT_MAX - len(issues)])
    return Survey(
        rows=rows,
        issues=tuple(issues),
        issues_omitted=found - len(issues),
        warnings=tuple(cautions.warnings()),
    )
