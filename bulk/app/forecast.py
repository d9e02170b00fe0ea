"""What a plan comes to before it runs: its footprint, what stands against it, how long it takes."""

from dataclasses import dataclass

from bulk.adapters.ledger import LedgerReader
from bulk.app.surroundings import Surroundings
from bulk.core.footprint import Footprint
from bulk.core.guards import Finding, findings
from bulk.core.job import CAUTIOUS_RATE, Job
from bulk.core.plan import effort
from bulk.core.reports.model import Estimate

WORKERS_MAX = 64
"""Requests in flight at most where the job does not say."""
_LATENCY_S = 0.1
"""What one request is taken to last, where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan comes to."""

    changes: int
    digest: str
    """Of the plan: what a reviewer approves."""
    findings: tuple[Finding, ...]
    """What stands against applying it."""
    estimate: Estimate


def forecast(reader: LedgerReader, job: Job, around: Surroundings) -> Forecast:
    """Give what a plan comes to under the limits of a job, at its rate and in its window."""
    footprint = reader.progress.footprint
    return Forecast(
        changes=footprint.changes,
        digest=str((reader.progress.planned or {}).get("digest", "")),
        findings=findings(footprint, job),
        estimate=_estimate(footprint, len(reader.progress.run["targets"]), job, around),
    )


def _estimate(footprint: Footprint, targets: int, job: Job, around: Surroundings) -> Estimate:
    rate_per_s = (job.rate or CAUTIOUS_RATE).per_s
    expected = effort(
        puts=footprint.changes + footprint.parked,
        pages=targets,
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
