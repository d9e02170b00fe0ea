"""One report for before and after the run: the facts that every renderer shows in its own form."""

from collections.abc import Callable
from dataclasses import dataclass

from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import target_of
from bulk.core.ledger.stops import BrakeReason
from bulk.core.model import Target
from bulk.core.plan import Estimate
from bulk.core.reports.remarks import end_text, reasons_of
from bulk.core.reports.row import Row, row_of
from bulk.core.reports.rows import Rows
from bulk.core.reports.timeline import Timeline

__all__ = ["Report", "Row", "Rows", "Sitting", "row_of", "sittings_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """One process's work on the plan."""

    began_at: str
    host: str
    pid: int
    user: str
    ended_at: str = ""
    """Empty while it works, and where it died."""
    reason: str = ""
    """Why it stopped: the first of the reasons, as `BrakeReason` names it."""
    reasons: tuple[BrakeReason, ...] = ()
    """All of them, in the order in which they are reported."""
    why: str = ""
    """Why it stopped, in words; empty while it works, and where it died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The facts of one report: what the ledger adds up to, its rows, and what else is known."""

    progress: Progress
    rows: Rows
    advice: Callable[[str], str]
    """What to do about an error code."""
    estimate: Estimate | None = None
    """None once the run has begun: it is about the whole plan."""
    timeline: Timeline | None = None
    """None before the run, and where nobody asked for it."""

    @property
    def ran(self) -> bool:
        """Return whether this is a report of a run, not of a plan."""
        return bool(self.progress.sessions)

    @property
    def stopped(self) -> str:
        """Return every reason for which the run stopped before its end; empty where it did not."""
        return "" if self.progress.finished or not self.ran else sittings_of(self.progress)[-1].why

    @property
    def title(self) -> str:
        """Return the report's heading."""
        return f"{self.progress.run['job']}: {'report of the run' if self.ran else 'plan, not yet applied'}"

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return the targets of the job."""
        return tuple(map(target_of, self.progress.run["targets"]))


def sittings_of(progress: Progress) -> tuple[Sitting, ...]:
    """Return the sessions of a ledger, each with the end that belongs to it, if it came to one."""
    starts = [session["n"] for session in progress.sessions]
    until = [*starts[1:], float("inf")]
    return tuple(
        Sitting(
            began_at=session["at"],
            host=session["host"],
            pid=session["pid"],
            user=session["user"],
            **next(
                (
                    {
                        "ended_at": end["at"],
                        "reason": end["reason"],
                        "reasons": reasons_of(end),
                        "why": end_text(end),
                    }
                    for end in progress.ends
                    if session["n"] < end["n"] < next_start
                ),
                {},
            ),
        )
        for session, next_start in zip(progress.sessions, until, strict=False)
    )
