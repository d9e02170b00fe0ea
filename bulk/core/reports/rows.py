"""The rows of a report: gone through one by one, or only looked at."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import chain

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

    def __init__(self, progress: Progress, row_at: Callable[[int], Row], moved: Collection[int] = ()) -> None:
        """Take what the ledger adds up to, what gives one row, and the rows whose service has moved since."""
        self._progress = progress
        self._row_at = row_at
        self._moved = moved

    def __iter__(self) -> Iterator[Row]:
        """Return every row."""
        return map(self._row_at, self._progress.order)

    def glance(self, rows_max: int) -> Glance:
        """Return up to `shown` rows of each kind and the totals of all rows, and read few of them."""
        progress = self._progress
        actions: Counter[Action] = Counter()
        outcomes: Counter[Outcome | None] = Counter()
        changing: list[int] = []
        wrong: list[int] = []
        for row in progress.order:
            action, outcome = progress.action(row), self._outcome(row)
            actions[action] += 1
            outcomes[outcome] += 1
            if (outcome or action).facts.needs_person:
                kind = wrong
            elif action is Action.UPDATE:
                kind = changing
            else:
                continue
            if len(kind) < rows_max:
                kind.append(row)
        shown = progress.order if progress.rows <= rows_max else changing + wrong
        planned = progress.footprint
        totals = Totals(
            rows=progress.rows,
            actions={action: actions[action] for action in Action},
            outcomes=None if set(outcomes) <= {None} else {outcome: outcomes[outcome] for outcome in Outcome},
            planned=Mappings(added=planned.added, removed=planned.removed, kept=planned.kept),
            applied=self._applied(outcomes[Outcome.APPLIED]),
            consumers=planned.consumers,
            parked=planned.parked,
            codes=dict(progress.codes.most_common()),
            unconfirmed=dict(Counter(chain.from_iterable(progress.unconfirmed.values()))),
        )
        return Glance(rows=tuple(map(self._row_at, shown)), totals=totals)

    def _outcome(self, row: int) -> Outcome | None:
        if row in self._moved:
            return Outcome.DRIFTED
        return self._progress.outcome(row) if self._progress.sessions else None

    def _applied(self, count: int) -> Mappings:
        """Return the mappings of the applied rows: added up, or what the others leave of the planned ones."""
        planned = self._progress.footprint
        few = count <= planned.changes / 2
        added = removed = kept = 0
        for row in self._progress.order:
            is_applied = self._outcome(row) is Outcome.APPLIED
            if self._progress.action(row) is Action.UPDATE and is_applied is few:
                change = self._row_at(row).change
                added += len(change.added)
                removed += len(change.removed)
                kept += len(change.kept)
        if few:
            return Mappings(added=added, removed=removed, kept=kept)
        return Mappings(
            added=planned.added - added, removed=planned.removed - removed, kept=planned.kept - kept
        )
