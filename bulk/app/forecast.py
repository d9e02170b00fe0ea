"""What a plan comes to before it runs: its footprint, what stands against it, how long it takes."""

from dataclasses import dataclass

from bulk.app.surroundings import Surroundings
from bulk.core.guards import Finding, failures_max, findings
from bulk.core.job import CAUTIOUS_RATE, Job
from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import target_of
from bulk.core.model import Action
from bulk.core.plan import Estimate, estimate_of

WORKERS_MAX = 64
"""Requests in flight at most where the job sets none."""
_LATENCY_S = 0.1
"""Duration of a request that is assumed where none was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan comes to."""

    changes: int
    findings: tuple[Finding, ...]
    """The limits that it exceeds."""
    estimate: Estimate


def forecast(progress: Progress, job: Job, around: Surroundings) -> Forecast:
    """Return what a plan comes to under the limits of a job, at its rate and in its window."""
    footprint = progress.footprint
    return Forecast(
        changes=footprint.changes,
        findings=findings(footprint, job.guards),
        estimate=estimate_of(
            puts=footprint.changes + footprint.parked,
            lists=_lists(progress),
            rate_per_s=(job.pace.rate or CAUTIOUS_RATE).per_s,
            workers=job.pace.concurrency or WORKERS_MAX,
            latency_s=_LATENCY_S,
            window_s=_window_s(job, around),
            failures_max=failures_max(job.guards, footprint.changes),
            failures_share=str(job.guards.max_failures or ""),
        ),
    )


def _window_s(job: Job, around: Surroundings) -> float | None:
    """Return the seconds until the window closes; None without one, and where it is not open."""
    closes_at = job.window.closes_at(around.local_time()) if job.window else None
    return (closes_at - around.utc()).total_seconds() if closes_at else None


def _lists(progress: Progress) -> int:
    """Return the list requests of a run: those of its look before the PUTs, and those of the one after them.

    A look lists the whole fleet of each target that it has a row of: the first one has all rows that are not
    refused, the last one those that were sent.
    """
    listed = (progress.planned or {}).get("pages", ())
    targets = map(target_of, progress.run["targets"])
    pages = dict(zip(targets, listed, strict=False))
    changed = progress.targets_with(Action.UPDATE)
    looks = (changed | progress.targets_with(Action.KEEP), changed)
    return sum(pages.get(target, 1) for look in looks for target in look)
