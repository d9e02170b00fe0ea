"""The rows of a report: gone through one by one, or only looked at."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bulk.core.ledger.progress import Progress
from bulk.core.model import Action, Outcome
from bulk.core.reports.row import Row
from bulk.core.reports.totals import Mappings, Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What fits on a terminal, whatever the number of rows."""

    rows: tuple[Row, ...]
    """All of a few rows; of many, some that change and then some that are wrong."""
    totals: Totals


class Rows:
    """The rows of a ledger whose plan is complete, in the order of the plan."""

    def __init__(
        self,
        progress: Progress,
        row_at: Callable[[int], Row],
        mappings_of: Callable[[Iterable[int]], Mappings],
        moved: Collection[int] = (),
    ) -> None:
        """Take what the ledger adds up to, what returns one row, and the rows whose service has moved since.

        `mappings_of` returns what the changes of some rows add up to.
        """
        self._progress = progress
        self._row_at = row_at
        self._mappings_of = mappings_of
        self._moved = moved

    def __iter__(self) -> Iterator[Row]:
        """Return every row."""
        return map(self._row_at, self._progress.order)

    def glance(self, rows_max: int) -> Glance:
        """Return up to `rows_max` rows of each kind and the totals of all rows, and read few of them."""
        progress, planned = self._progress, self._progress.footprint
        actions, outcomes = progress.actions_counted(), self._outcomes()
        shown = self._some(rows_max, actions, outcomes) if progress.rows > rows_max else progress.order
        totals = Totals(
            rows=progress.rows,
            actions={action: actions[action] for action in Action},
            outcomes={outcome: outcomes[outcome] for outcome in Outcome} if outcomes else None,
            planned=Mappings(added=planned.added, removed=planned.removed, kept=planned.kept),
            applied=self._applied(outcomes[Outcome.APPLIED]),
            consumers=planned.consumers,
            parked=planned.parked,
            codes=dict(progress.codes.most_common()),
            unconfirmed=dict(Counter(chain.from_iterable(progress.unconfirmed.values()))),
        )
        return Glance(rows=tuple(map(self._row_at, shown)), totals=totals)

    def _outcomes(self) -> Counter[Outcome]:
        """Return the number of rows by outcome; empty where none has one, before the run."""
        progress = self._progress
        outcomes = Counter(progress.counts() if progress.sessions else {})
        for row in self._moved:
            if progress.sessions:
                outcomes[progress.outcome(row)] -= 1
            outcomes[Outcome.DRIFTED] += 1
        return outcomes

    def _some(
        self, rows_max: int, actions: Mapping[Action, int], outcomes: Mapping[Outcome, int]
    ) -> list[int]:
        """Return some rows that change and then some that are wrong, looking at no more than that takes."""
        results: Mapping[Any, int] = outcomes if self._progress.sessions else {**actions, **outcomes}
        wrong_left = min(rows_max, sum(n for result, n in results.items() if result.facts.needs_person))
        changing_left = min(rows_max, actions[Action.UPDATE])
        changing: list[int] = []
        wrong: list[int] = []
        for row in self._progress.order:
            action = self._progress.action(row)
            if (self._outcome(row) or action).facts.needs_person:
                if wrong_left:
                    wrong.append(row)
                    wrong_left -= 1
            elif action is Action.UPDATE and changing_left:
                changing.append(row)
                changing_left -= 1
            if not wrong_left and not changing_left:
                break
        return changing + wrong

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
