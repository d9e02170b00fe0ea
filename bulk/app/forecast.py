"""What a plan comes to before it runs: its footprint, what stands against it, how long it takes."""

from dataclasses import dataclass

from bulk.adapters.ledger import LedgerReader
from bulk.app.surroundings import Surroundings
from bulk.core.guards import Finding, Footprint, findings
from bulk.core.job import DEFAULT_RATE, Job
from bulk.core.plan import effort
from bulk.core.reports.model import Estimate

WORKERS_MAX = 64
"""Requests in flight at most where the job does not say."""
_LATENCY_S = 0.1
"""What one request is taken to last, where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCounts:
    """What a plan comes to."""

    changes: int
    findings: tuple[Finding, ...]
    """What stands against applying it."""


def counts_of(reader: LedgerReader, job: Job) -> PlanCounts:
    """Give what a plan comes to."""
    footprint = _footprint(reader)
    return PlanCounts(changes=footprint.changes, findings=findings(footprint, job))


def findings_of(reader: LedgerReader, job: Job) -> tuple[Finding, ...]:
    """Give what stands against applying a plan."""
    return findings(_footprint(reader), job)


def _footprint(reader: LedgerReader) -> Footprint:
    footprint = Footprint()
    for row in reader.progress.order:
        footprint.add(reader.change(row))
    return footprint


def estimate_of(reader: LedgerReader, job: Job, around: Surroundings) -> Estimate:
    """Give what applying a plan is expected to take at the job's rate, and how long its window is open."""
    rate_per_s = (job.rate or DEFAULT_RATE).per_s
    footprint = _footprint(reader)
    expected = effort(
        puts=footprint.changes + footprint.parked,
        pages=len(reader.progress.run["targets"]),
        rate_per_s=rate_per_s,
        workers=job.concurrency or WORKERS_MAX,
        latency_s=_LATENCY_S,
    )
    now = around.local_time()
    closes_at = job.window.closes_at(now) if job.window else None
    return Estimate(
        requests=expected.requests,
        duration_s=expected.duration_s,
        rate_per_s=rate_per_s,
        window_s=(closes_at - now).total_seconds() if closes_at else None,
    )
