"""The waves that the rows of a job file name: each row one, without a gap, where the job goes by them.

A row that names one in a job that does not is an issue as well: its author means it to wait.
"""

from collections.abc import Iterator

from bulk.jobfile.drafts import Draft, issue_at
from bulk.jobfile.values import Problem
from bulk.model import Issue

_WAVE = "wave"
_MISSING = Problem(message="the wave is missing", hint="write 1, 2, 3 … in each row")
_UNUSED = Problem(
    message="the row names a wave, and the waves of the job do not go by that",
    hint='write waves = "column" in job.toml, or --waves column; else delete the column',
)


class WaveNumbers:
    """Watches the rows of one file; `is_used` is true where the waves of the job go by their column."""

    def __init__(self, name: str, *, is_used: bool) -> None:
        self._name = name
        self._is_used = is_used
        self._first: dict[int, tuple[int, int]] = {}
        """Line and column of the first row of each wave."""
        self._has_unread = False

    def watch(self, draft: Draft) -> None:
        """Learn in which wave a row is to go; add an issue where it must name one, or must not."""
        wave = draft.values.get(_WAVE)
        if wave is not None and self._is_used:
            self._first.setdefault(wave, (draft.line, draft.column))
        elif wave is not None:
            draft.issues.append(issue_at(self._name, draft.line, draft.column, _WAVE, _UNUSED))
        elif self._is_used and any(issue.field in {"", _WAVE} for issue in draft.issues):
            self._has_unread = True  # a cell, or a line, that cannot be read
        elif self._is_used:
            draft.issues.append(issue_at(self._name, draft.line, draft.column, _WAVE, _MISSING))

    def gaps(self) -> Iterator[Issue]:
        """Yield an issue of the file for each gap in the numbers, unless some could not be read."""
        if self._has_unread:
            return
        before = 0
        for wave, (line, column) in sorted(self._first.items()):
            if wave > before + 1:
                missing = f"wave {before + 1}" if wave == before + 2 else f"waves {before + 1} to {wave - 1}"
                problem = Problem(
                    message=f"no row names {missing}, and this one names wave {wave}",
                    hint="number the waves 1, 2, 3 … without a gap",
                )
                yield issue_at(self._name, line, column, _WAVE, problem)
            before = wave
