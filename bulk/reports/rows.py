"""The rows of a report: gone through one by one, or only some of them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from bulk.ledger.progress import Progress
from bulk.model import Action, Outcome
from bulk.reports.report_row import Row
from bulk.reports.totals import Mappings, Totals

GROUPS_MAX = 4_096
"""Groups of rows that are counted separately; a row of no such group is one by itself."""
_NAMED_MAX = 8


class _Group:
    """Rows that add up to the same."""

    def __init__(self) -> None:
        self.rows = 0
        self.some: list[int] = []

    def add(self, row: int) -> None:
        """Count one more row; the first ones are kept."""
        self.rows += 1
        if len(self.some) < _NAMED_MAX:
            self.some.append(row)


class Rows:
    """The rows of a ledger whose plan is complete, in the order of the plan."""

    def __init__(
        self,
        progress: Progress,
        row_at: Callable[[int], Row],
        mappings_of: Callable[[Iterable[int]], Mappings],
        alike_text: Callable[[int], bytes],
        moved: Collection[int] = (),
        *,
        left_only: bool = False,
        only: Collection[Outcome] = frozenset(),
    ) -> None:
        """Take what the ledger adds up to, what returns one row, and the rows whose service has moved since.

        `mappings_of` returns what the changes of some rows add up to, `alike_text` for a row what is the same
        for rows whose changes add up to the same. With `left_only` there are no rows but those that have not
        ended; with `only`, going through them gives no others than those that ended so.
        """
        self._progress = progress
        self._row_at = row_at
        self._mappings_of = mappings_of
        self._alike_text = alike_text
        self._moved = moved
        self._left_only = left_only
        self._only = only

    def __iter__(self) -> Iterator[Row]:
        """Return every row."""
        numbers = self._numbers()
        if self._only:
            numbers = (row for row in numbers if self._outcome(row) in self._only)
        return map(self._row_at, numbers)

    def grouped(self, each_max: int) -> Iterator[tuple[list[Row], int]]:
        """Yield all rows in groups: some of each, and how many rows it has; what these add up to is the same.

        Those that need a person, and the first `each_max` others, come one by one, in the order of the plan.
        """
        progress, left = self._progress, each_max
        groups: dict[object, _Group] = {}
        for row in self._numbers():
            result = self._outcome(row) or progress.action(row)
            if left or result.facts.needs_person:
                left -= not result.facts.needs_person
                yield [self._row_at(row)], 1
                continue
            unshown = progress.unconfirmed.get(row)
            key = (result, unshown, progress.target(row), self._alike_text(row))
            group = groups.get(key)
            if group is None:
                if len(groups) == GROUPS_MAX:
                    yield [self._row_at(row)], 1
                    continue
                group = groups[key] = _Group()
            group.add(row)
        for group in groups.values():
            yield [*map(self._row_at, group.some)], group.rows

    def some(self, rows_max: int, *, wrong_only: bool) -> tuple[Iterator[Row], int]:
        """Return up to `rows_max` rows, those that need a person first, and the number of the others.

        With `wrong_only` rows that need nobody are not looked at and do not count as left out.
        """
        progress = self._progress
        total, wrong_left = self._counted()
        if wrong_only:
            total = wrong_left
        wrong_left = min(wrong_left, rows_max)
        others_left = 0 if wrong_only else rows_max - wrong_left
        wrong, others = list[int](), list[int]()
        for row in self._numbers():
            if (self._outcome(row) or progress.action(row)).facts.needs_person:
                wrong.append(row)
                wrong_left -= 1
            elif others_left:
                others.append(row)
                others_left -= 1
            if wrong_left <= 0 and not others_left:
                break
        return map(self._row_at, [*wrong, *others]), total - len(wrong) - len(others)

    def _counted(self) -> tuple[int, int]:
        """Return the number of these rows, and of those among them that need a person."""
        progress, outcomes = self._progress, self._outcomes()
        if self._left_only:
            return progress.rows - progress.ended, outcomes[Outcome.IN_DOUBT]
        results: Counter[Any] = outcomes if progress.sessions else progress.actions_counted() + outcomes
        return progress.rows, sum(n for result, n in results.items() if result.facts.needs_person)

    def changing(self, rows_max: int) -> tuple[Row, ...]:
        """Return the rows to change where they are at most so many; none where they are more."""
        numbers = (row for row in self._numbers() if self._progress.action(row) is Action.UPDATE)
        few = tuple(islice(numbers, rows_max + 1))
        return tuple(map(self._row_at, few)) if len(few) <= rows_max else ()

    def totals(self) -> Totals:
        """Return the totals of all rows of the plan, and read few of them."""
        progress, planned = self._progress, self._progress.footprint
        actions, outcomes = progress.actions_counted(), self._outcomes()
        return Totals(
            rows=progress.rows,
            actions={action: actions[action] for action in Action},
            outcomes={outcome: outcomes[outcome] for outcome in Outcome} if outcomes else None,
            planned=Mappings(added=planned.added, removed=planned.removed, kept=planned.kept),
            applied=self._applied(outcomes[Outcome.APPLIED]),
            consumers=planned.consumers,
            parked=planned.parked,
            codes=dict((+progress.codes).most_common()),
            unconfirmed=dict(Counter(chain.from_iterable(progress.unconfirmed.values()))),
        )

    def _numbers(self) -> Iterable[int]:
        return self._progress.unended() if self._left_only else self._progress.order

    def _outcomes(self) -> Counter[Outcome]:
        """Return the number of rows by outcome; empty where none has one, before the run."""
        progress = self._progress
        outcomes = Counter(progress.counts() if progress.sessions else {})
        for row in self._moved:
            if progress.sessions:
                outcomes[progress.outcome(row)] -= 1
            outcomes[Outcome.DRIFTED] += 1
        return outcomes

    def _outcome(self, row: int) -> Outcome | None:
        if row in self._moved:
            return Outcome.DRIFTED
        return self._progress.outcome(row) if self._progress.sessions else None

    def _applied(self, count: int) -> Mappings:
        """Return the mappings of the applied rows: added up, or what the others leave of the planned ones."""
        progress, planned = self._progress, self._progress.footprint
        few = count <= planned.changes / 2
        some = self._mappings_of(progress.updates(applied=few) if count or not few else ())
        if few:
            return some
        return Mappings(
            added=planned.added - some.added,
            removed=planned.removed - some.removed,
            kept=planned.kept - some.kept,
        )
