"""One report for before and after the run: the facts that every renderer shows in its own form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cached_property

from bulk.ledger.progress import Progress
from bulk.ledger.records import target_of
from bulk.ledger.stops import BrakeReason
from bulk.model import ServiceState, Target
from bulk.plan import Estimate
from bulk.plan.waves import Wave
from bulk.reports.overview import Overview, overview_of
from bulk.reports.remarks import end_text, reasons_of
from bulk.reports.report_row import Row, row_of
from bulk.reports.rows import Rows
from bulk.reports.timeline import Timeline
from bulk.reports.totals import Totals
from bulk.reports.where import Where, where_of
from bulk.text import moment, printable

__all__ = ["Report", "Row", "Rows", "SessionSummary", "row_of", "session_summaries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """One process's work on the plan."""

    began_at: str
    host: str
    pid: int
    user: str
    ticket: str = ""
    ended_at: str = ""
    """Empty while it works, and where it died."""
    reason: str = ""
    """Why it stopped: the first of the reasons, as `BrakeReason` names it."""
    reasons: tuple[BrakeReason, ...] = ()
    """All of them, in the order in which they are reported."""
    why: str = ""
    """Why it stopped, in words; empty while it works, and where it died."""

    @property
    def process(self) -> str:
        """Return `process 4711 of ann on bastion1`."""
        return f"process {self.pid} of {self.user} on {self.host}"


LOOKED_AT_MAX = 10_000
"""Rows that are read to group them; of more the first ones are, and those that need a person before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The commands that a reader may want next, as a shell takes them; empty where there is none.

    * each: shows each row; rows: gives each row as CSV
    * apply: runs exactly this plan, or goes on; rollback: shows what would take it back
    * failed: gives the rows that need a person as a job
    """

    each: str = ""
    rows: str = ""
    apply: str = ""
    rollback: str = ""
    failed: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The facts of one report: what the ledger adds up to, its rows, and what else is known."""

    progress: Progress
    rows: Rows
    advice: Callable[[str], str]
    """What to do about an error code."""
    estimate: Estimate | None = None
    """None once the run has begun, unless it goes on now."""
    waves: tuple[Wave, ...] = ()
    """The waves of a plan; none where all rows go together."""
    timeline: Timeline | None = None
    """None before the run, and where nobody asked for it."""
    is_new: bool = False
    """Whether the plan has just been made."""
    gathered: Overview | None = None
    """All rows in groups, where something went through them anyway; None where they are read for it."""
    summed: Totals | None = None
    """What all rows add up to, likewise."""
    moved: Mapping[int, ServiceState | None] = field(default_factory=dict)
    """The rows of a saved plan whose service is not what the plan saw, with what it is; None for gone."""
    is_resumed: bool = False
    """Whether it is about what is left of a run that goes on."""
    asked_ticket: str | None = None
    """The ticket of a session that has not begun; None where that is the ticket on record."""
    asked_where: Where | None = None
    """Where a session that has not begun is about to send; None where that is what is on record."""
    commands: Commands = Commands()
    zone: tzinfo = UTC
    """The zone in which its times are shown."""

    @property
    def ran(self) -> bool:
        """Return whether this is a report of a run, not of a plan."""
        return bool(self.progress.sessions)

    @property
    def stopped(self) -> str:
        """Return every reason for which the run stopped before its end; empty where it did not."""
        return "" if self.progress.finished or not self.ran else session_summaries(self.progress)[-1].why

    @property
    def job(self) -> str:
        """Return the job's name."""
        return str(self.progress.run["job"])

    @property
    def ticket(self) -> str:
        """Return the ticket; empty for none."""
        return self.progress.ticket if self.asked_ticket is None else self.asked_ticket

    @property
    def title(self) -> str:
        """Return the report's heading."""
        return f"{self.job}: {'report of the run' if self.ran else 'plan, not yet applied'}"

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return the targets of the job."""
        return tuple(map(target_of, self.progress.run["targets"]))

    @property
    def where(self) -> Where:
        """Return where it happens."""
        return self.asked_where or where_of(self.progress)

    @property
    def judge(self) -> str:
        """Return who rules on the waves, as job.toml names it; empty where nobody does."""
        return printable(str(self.progress.run.get("options", {}).get("judge") or ""))

    @cached_property
    def totals(self) -> Totals:
        """Return what the rows add up to."""
        return self.summed or self.rows.totals()

    @cached_property
    def places(self) -> dict[Target, int]:
        """Return the number of rows of each target; of a run that goes on those that are left."""
        if self.gathered is not None:
            return {target: group.rows for target, group in self.gathered.places.items()}
        return self.progress.rows_by_target(left=self.is_resumed)

    @property
    def left(self) -> int:
        """Return the number of rows that have not ended."""
        return self.progress.rows - self.progress.ended

    @property
    def planned_text(self) -> str:
        """Return when it was planned and, as far as the ledger says, by whom and on which machine."""
        at, run = self.progress.planned_at, self.progress.run
        who = f" by {run['user']}" if run.get("user") else ""
        machine = f" on {run['host']}" if run.get("host") else ""
        return f"{moment(at, self.zone, seconds=False)}{who}{machine}"

    @cached_property
    def overview(self) -> Overview:
        """Return the rows in groups: all, or those that are read for it, not too many."""
        if self.gathered is not None:
            return self.gathered
        is_result = self.ran and not self.is_resumed
        rows, left_out = self.rows.some(LOOKED_AT_MAX, wrong_only=is_result)
        overview = overview_of(rows)
        overview.left_out = left_out
        return overview


def session_summaries(progress: Progress) -> tuple[SessionSummary, ...]:
    """Return the sessions of a ledger, each with the end that belongs to it, if it came to one."""
    starts = [session["n"] for session in progress.sessions]
    until = [*starts[1:], float("inf")]
    return tuple(
        SessionSummary(
            began_at=session["at"],
            host=session["host"],
            pid=session["pid"],
            user=session["user"],
            ticket=str(session["settings"].get("ticket", "")),
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
