"""What the person at a run sees of it, and is asked."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from bulk.ledger.progress import Progress
from bulk.model import Action, Hold, LaneName, RequestKind, Target, Wait
from bulk.pacing.learned_limits import LimitOwner
from bulk.pacing.limiter import Limiter
from bulk.reports.report import Report
from bulk.run.brake import Brake


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A run at work, as a display sees it."""

    progress: Progress
    brake: Brake
    now: Callable[[], float]
    """Monotonic seconds."""
    paces: Mapping[LimitOwner, Limiter]
    row_holds: Callable[[], Iterator[Wait]]
    """Why rows wait right now, but for the pace."""
    lanes: Mapping[Target, LaneName] = field(default_factory=dict)
    """The lane of each target."""
    run: str = ""
    """The run, as a shell has it."""

    def of(self, lane: LaneName | None) -> "Watched":
        """Return the same run with the paces of one lane alone, or of none."""
        paces = {budget: pace for budget, pace in self.paces.items() if budget.lane == lane}
        return replace(self, paces=paces)

    def holds(self) -> Iterator[tuple[RequestKind, Wait]]:
        """Return why requests of a kind wait right now, but for those that only keep to the rate."""
        for budget, pace in self.paces.items():
            if (wait := pace.reason()).hold is not Hold.RATE:
                yield budget.kind, wait

    def waits(self) -> Iterator[tuple[str, Wait]]:
        """Return what waits, in words, and for what."""
        yield from self.holds()
        yield from (("rows", wait) for wait in self.row_holds())

    def rates_per_s(self) -> Iterator[float]:
        """Return how fast the writes may go now, lane by lane."""
        return (pace.rate_per_s for budget, pace in self.paces.items() if budget.kind is RequestKind.WRITES)

    def changes_by_lane(self, *, left: bool) -> Counter[LaneName]:
        """Return the number of changes of each lane: of all, or of those that have not ended."""
        counts = Counter[LaneName]()
        for target, rows in self.progress.rows_by_target({Action.UPDATE}, left=left).items():
            if lane := self.lanes.get(target):
                counts[lane] += rows
        return counts

    def left_s(self) -> float:
        """Return how long the changes that have not ended take at the rates of now, in the slowest lane."""
        writes = {
            budget.lane: pace for budget, pace in self.paces.items() if budget.kind is RequestKind.WRITES
        }
        left = self.changes_by_lane(left=True)
        return max((rows / writes[lane].rate_per_s for lane, rows in left.items()), default=0.0)

    def noises(self) -> Iterator[float]:
        """Return the shares of writes that are refused whatever the rate, of the lanes where any are."""
        writes = (pace for budget, pace in self.paces.items() if budget.kind is RequestKind.WRITES)
        return (pace.pacing.noise for pace in writes if pace.pacing.noise)


class Operator(Protocol):
    """The person, or what stands in for one, who sees the plan, says yes or no, and watches the run."""

    def show_plan(self, report: Report) -> None:
        """Show what would be done."""
        ...

    def show_result(self, report: Report, ledger: Path) -> None:
        """Show how the run went."""
        ...

    def confirms(self, question: str) -> bool:
        """Ask whether to do it."""
        ...

    def watching(self, watched: Watched) -> AbstractContextManager[None]:
        """Show the run while the block runs."""
        ...

    def notify(self, message: str) -> None:
        """Show a message to the person."""
        ...
