"""What the rows of a report add up to."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bulk.model import Action, Outcome
from bulk.reports.report_row import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Mappings:
    """How many port mappings a set of rows adds, removes and keeps."""

    added: int = 0
    removed: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the rows add up to."""

    rows: int
    actions: dict[Action, int]
    outcomes: dict[Outcome, int] | None
    """Number of rows by outcome, summing to `rows`; None while the plan has not been applied."""
    planned: Mappings
    """Mappings of the rows to update."""
    applied: Mappings
    """Mappings of the applied rows."""
    consumers: int
    """Endpoints connected to the services to update."""
    parked: int
    """Rows whose service goes without some mappings for a while, to break a cycle."""
    codes: dict[str, int]
    """Failed rows by error code, most frequent first."""
    unconfirmed: dict[str, int]
    """Applied rows by the field that no reply shows."""


class Tally:
    """Adds rows up while they stream past."""

    def __init__(self) -> None:
        self._actions: Counter[Action] = Counter()
        self._outcomes: Counter[Outcome | None] = Counter()
        self._planned: Counter[str] = Counter()
        self._applied: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._unconfirmed: Counter[str] = Counter()
        self._consumers = 0
        self._parked = 0

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Return the same rows, each counted before it is passed on."""
        for row in rows:
            self.count(row)
            yield row

    def count(self, row: Row, times: int = 1) -> None:
        """Count a row, or so many that add up to the same."""
        change = row.change
        self._actions[change.action] += times
        self._outcomes[row.outcome] += times
        if row.outcome is Outcome.FAILED:
            self._codes[row.reply.cause] += times
        self._unconfirmed.update(dict.fromkeys(row.unconfirmed, times))
        if change.action is Action.UPDATE:
            kinds = {"added": change.added, "removed": change.removed, "kept": change.kept}
            counts = {kind: times * len(mappings) for kind, mappings in kinds.items()}
            self._planned.update(counts)
            self._parked += times * (change.parking is not None)
            self._consumers += times * ((change.before and change.before.connection_count) or 0)
            if row.outcome is Outcome.APPLIED:
                self._applied.update(counts)

    def totals(self) -> Totals:
        """Return the totals of the rows counted until now."""
        rows = sum(self._actions.values())
        return Totals(
            rows=rows,
            actions={action: self._actions[action] for action in Action},
            outcomes=None
            if self._outcomes[None] == rows
            else {outcome: self._outcomes[outcome] for outcome in Outcome},
            planned=Mappings(**self._planned),
            applied=Mappings(**self._applied),
            consumers=self._consumers,
            parked=self._parked,
            codes=dict(self._codes.most_common()),
            unconfirmed=dict(self._unconfirmed),
        )
