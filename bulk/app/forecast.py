"""What a plan comes to before it runs: its footprint, what stands against it, how long it takes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bulk.ledger.chain import timestamp
from bulk.ledger.progress import Progress
from bulk.ledger.records import target_of
from bulk.model import Action
from bulk.plan.estimate import Estimate, Load, estimate_of
from bulk.plan.guards import Finding, failures_max, findings
from bulk.reports.where import where_of
from bulk.settings import CAUTIOUS_RATE, Job

WORKERS_MAX = 64
"""Requests in flight at most where the job sets none."""
_LATENCY_S = 0.1
"""Duration of a request that is assumed where none was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan comes to."""

    changes: int
    refused: int
    findings: tuple[Finding, ...]
    """The limits that it exceeds."""
    estimate: Estimate


def forecast(progress: Progress, job: Job, now: Callable[[], datetime]) -> Forecast:
    """Return what a plan comes to under the limits of a job, at its rate and in its window.

    `now` returns the local time with its zone; it is asked where there is a window.
    """
    footprint = progress.footprint
    return Forecast(
        changes=footprint.changes,
        refused=footprint.refused,
        findings=findings(footprint, job.guards),
        estimate=estimate_of(
            lanes=_lanes(progress),
            rate_per_s=(job.pace.rate or CAUTIOUS_RATE).per_s,
            workers=job.pace.concurrency or WORKERS_MAX,
            latency_s=_LATENCY_S,
            **_window(job, now),
            is_auto=job.pace.rate is None,
            failures_max=failures_max(job.guards, footprint.changes),
            failures_share=str(job.guards.max_failures or ""),
        ),
    )


def _window(job: Job, now: Callable[[], datetime]) -> dict[str, Any]:
    """Return what an estimate has of the window: for how long it is open, of an open one what is left."""
    if job.window is None:
        return {}
    closes_at, opens_at = job.window.closes_at(present := now()), job.window.opens_at(present)
    facts = {"window": str(job.window)}
    if closes_at:
        left_s = (closes_at - present).total_seconds()
        return {**facts, "window_s": left_s, "closes_at": timestamp(closes_at.timestamp())}
    opens = timestamp(opens_at.timestamp()) if opens_at else ""
    return {**facts, "window_s": job.window.length_s, "opens_at": opens}


def _lanes(progress: Progress) -> list[Load]:
    """Return what each lane of a run has still to send: what shares one rate limit at the API.

    A look lists the whole fleet of each target that it has a row of: the first one has all rows that are not
    refused, the last one those that were sent. In which lane the parked services are is not known here; their
    intermediate PUTs are counted for the busiest one.
    """
    changes = progress.rows_by_target({Action.UPDATE}, left=True)
    looked_at = progress.rows_by_target({Action.UPDATE, Action.KEEP}, left=True)
    listed = (progress.planned or {}).get("pages", ())
    targets = map(target_of, progress.run["targets"])
    pages = dict(zip(targets, listed, strict=False))
    where = where_of(progress)
    puts: Counter[tuple[str, ...]] = Counter()
    lists: Counter[tuple[str, ...]] = Counter()
    for target in looked_at:
        owner = where.owners.get(target)
        whose = (owner.account or owner.key) if owner else ""
        lane = (where.hosts.get(target, ""), target.region, whose or target.profile)
        puts[lane] += changes.get(target, 0)
        lists[lane] += pages.get(target, 1) * (2 if target in changes else 1)
    if puts:
        puts[max(puts, key=lambda lane: puts[lane])] += progress.footprint.parked
    return [Load(puts=puts[lane], lists=lists[lane]) for lane in lists]
