"""The rows of a whole file, sorted into those that can be used and those that cannot."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self, assert_never

from bulk.jobfile.cautions import Cautions
from bulk.jobfile.drafts import Draft
from bulk.jobfile.packed import Updates
from bulk.jobfile.reading import Row, judge
from bulk.jobfile.text_lines import LineCount
from bulk.model import Format, InvalidRow, Issue, ServiceUpdate

ISSUES_KEPT_MAX = 10_000
"""Issues that a survey keeps; of those behind them only the first of each kind, the others are counted."""
ALIKE_KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRows:
    """Every row of a file exactly once, in the order of the file."""

    updates: Updates
    invalid: tuple[InvalidRow, ...]
    file_issues: tuple[Issue, ...]
    """Issues of the file as a whole: with any of these, no row may be used."""

    @property
    def issues(self) -> tuple[Issue, ...]:
        """Return all issues, those of the file first."""
        return self.file_issues + tuple(issue for row in self.invalid for issue in row.issues)


def read_all(rows: Iterable[Row]) -> ReadRows:
    """Return all rows of a file, each as its last word has it: usable, or invalid."""
    updates = Updates()
    invalid: dict[int, InvalidRow] = {}
    file_issues: list[Issue] = []
    last, is_withdrawn = 0, False
    for row in rows:
        match row:
            case ServiceUpdate():
                updates.add(row)
                last = row.row
            case InvalidRow():
                is_withdrawn |= row.row <= last
                earlier = invalid.get(row.row)
                invalid[row.row] = replace(row, issues=earlier.issues + row.issues) if earlier else row
            case Issue():
                file_issues.append(row)
            case _:
                assert_never(row)
    return ReadRows(
        updates=updates.only(lambda update: update.row not in invalid) if is_withdrawn else updates,
        invalid=tuple(invalid[number] for number in sorted(invalid)),
        file_issues=tuple(file_issues),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a file is like, for a million rows in little memory."""

    rows: int
    lines: LineCount
    issues: tuple[Issue, ...]
    """The first ones of each kind, and the first ISSUES_KEPT_MAX of all, in the order of reading."""
    counts: Mapping[tuple[str, str], int]
    """How many there are of each kind (`Issue.kind`)."""
    warnings: tuple[Issue, ...] = ()
    """What to look at twice: each kind once, at its first row."""

    @classmethod
    def of_issues(cls, issues: tuple[Issue, ...]) -> Self:
        """Return the survey of a job whose file is not read, because of these issues."""
        return cls(rows=0, lines=LineCount(), issues=issues, counts=Counter(issue.kind for issue in issues))

    @property
    def issues_omitted(self) -> int:
        """Return how many are counted only."""
        return sum(self.counts.values()) - len(self.issues)


def survey(
    lines: Iterable[bytes],
    *,
    name: str,
    format: Format,  # noqa: A002
    names_waves: bool = False,
) -> Survey:
    """Check a whole file as `read_rows` does, and keep no more than its issues."""
    rows, count, issues, counts = 0, LineCount(), list[Issue](), Counter[tuple[str, str]]()
    cautions = Cautions(name)
    for judged in judge(lines, name, format, count, names_waves=names_waves):
        if isinstance(judged, Draft):
            rows = judged.row
            cautions.watch(judged)
        for issue in (judged,) if isinstance(judged, Issue) else judged.issues:
            kind = issue.kind
            counts[kind] += 1
            if len(issues) < ISSUES_KEPT_MAX or counts[kind] <= ALIKE_KEPT:
                issues.append(issue)
    return Survey(
        rows=rows,
        lines=count,
        issues=tuple(issues),
        counts=counts,
        warnings=tuple(cautions.warnings()),
    )
