"""What a plan comes to before it runs: its footprint, what stands against it, how long it takes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from typing import Any

from bulk.app.wave_plans import WavesAhead, planned_waves
from bulk.ledger.chain import moment_s, timestamp
from bulk.ledger.file import LedgerReader
from bulk.ledger.progress import Progress
from bulk.ledger.records import target_of
from bulk.model import Action, LaneName, Target
from bulk.plan.estimate import Estimate, Load, estimate_of
from bulk.plan.guards import failures_max, findings
from bulk.plan.openings import next_shift
from bulk.reports.where import where_of
from bulk.reports.words import about
from bulk.settings import CAUTIOUS_RATE, Job
from bulk.text import duration

WORKERS_MAX = 64
"""Requests in flight at most where the job sets none."""
_LATENCY_S = 0.1
"""Duration of a request that is assumed where none was measured."""
NO_WAVES = WavesAhead()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan comes to."""

    changes: int
    refused: int
    findings: tuple[str, ...]
    """The limits that it exceeds, each with what allows it."""
    estimate: Estimate
    waves: WavesAhead


def forecast_of(
    reader: LedgerReader, job: Job, now: Callable[[], datetime], *, begins_per_s: float | None = None
) -> Forecast:
    """Return what the plan in a ledger comes to, in the waves that the job asks for; see `forecast`."""
    ahead = planned_waves(job.guards, reader)
    return forecast(reader.progress, job, now, ahead=ahead, begins_per_s=begins_per_s)


def forecast(
    progress: Progress,
    job: Job,
    now: Callable[[], datetime],
    *,
    ahead: WavesAhead = NO_WAVES,
    begins_per_s: float | None = None,
) -> Forecast:
    """Return what a plan comes to under the limits of a job, at its rate, in its waves and its window.

    `now` returns the local time with its zone; it is asked where there is a window, or waves. A rate that is
    to be found begins with `begins_per_s`, which an earlier run may have learned.
    """
    footprint, lanes, lane_of = progress.footprint, *_lanes(progress)
    rate_per_s = job.pace.rate.per_s if job.pace.rate else begins_per_s or CAUTIOUS_RATE.per_s
    estimate = estimate_of(
        lanes=[*lanes.values()],
        rate_per_s=rate_per_s,
        waves=_waves(progress, ahead, lane_of, [*lanes]),
        soak_s=job.guards.soak.seconds if job.guards.soak else 0.0,
        workers=job.pace.concurrency or WORKERS_MAX,
        latency_s=_LATENCY_S,
        **_window(job, now, progress.pages),
        is_auto=job.pace.rate is None,
        failures_max=failures_max(job.guards, footprint.changes),
        failures_share=str(job.guards.max_failures or ""),
    )
    if estimate.wave_ends_s:
        begins_at = moment_s(estimate.opens_at) if estimate.opens_at else now().timestamp()
        ends_at = (timestamp(begins_at + ends_s) if ends_s else "" for ends_s in estimate.wave_ends_s)
        estimate = replace(estimate, wave_ends_at=tuple(ends_at))
    unfit = [] if estimate.fits or not job.when.must_fit else [_unfit(estimate, job)]
    return Forecast(
        changes=footprint.changes,
        refused=footprint.refused,
        findings=(*map(str, findings(footprint, job.guards)), *unfit),
        estimate=estimate,
        waves=ahead,
    )


def _unfit(estimate: Estimate, job: Job) -> str:
    """Return why a run must not begin that has to fit its window."""
    open_s = max(0.0, (estimate.window_s or 0.0) - estimate.spare_s)
    soak = " a shorter soak," if job.guards.soak else ""
    return (
        f"the run takes about {about(estimate.duration_s)}, its window lets it send for {duration(open_s)}, "
        f"and it must fit (must_fit); name fewer services with --limit,{soak} or a longer window"
    )


def _window(job: Job, local_time: Callable[[], datetime], pages: int) -> dict[str, Any]:
    """Return what an estimate has of the window: when it opens and closes, and how long it is open."""
    calendar = job.when.calendar
    if calendar is None:
        return {}
    now, shift = local_time(), next_shift(job, local_time, pages=pages)
    facts = {"window": str(calendar), "zone": _zone_of(now) if calendar.is_local else ""}
    if shift is None:
        return {**facts, "window_s": 0.0}
    opening, spare_s, at = shift.opening, shift.spare_s, now.timestamp()
    if opening.closes_at < inf:
        facts["closes_at"] = timestamp(opening.closes_at)
    if opening.opens_at > at:
        facts["opens_at"] = timestamp(opening.opens_at)
    open_s = opening.closes_at - max(opening.opens_at, at)
    return {**facts, "window_s": open_s if open_s < inf else None, "spare_s": spare_s}


def _zone_of(now: datetime) -> str:
    """Return the machine's zone by its offset and its name: `UTC+08:00 (CST)`."""
    offset = f"{now:%z}"
    return f"UTC{offset[:3]}:{offset[3:5]} ({now:%Z})"


def _lanes(progress: Progress) -> tuple[dict[LaneName, Load], dict[Target, LaneName]]:
    """Return what each lane of a run has still to send, and the lane of each target.

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
    puts: Counter[LaneName] = Counter()
    lists: Counter[LaneName] = Counter()
    lane_of: dict[Target, LaneName] = {}
    for target in looked_at:
        lane = lane_of[target] = where.lane(target)
        puts[lane] += changes.get(target, 0)
        lists[lane] += pages.get(target, 1) * (2 if target in changes else 1)
    if puts:
        puts[max(puts, key=lambda lane: puts[lane])] += progress.footprint.parked
    return {lane: Load(puts=puts[lane], lists=lists[lane]) for lane in lists}, lane_of


def _waves(
    progress: Progress, ahead: WavesAhead, lane_of: Mapping[Target, LaneName], lanes: Sequence[LaneName]
) -> list[list[int]]:
    """Return the rows that each wave has left, by lane."""
    if not ahead.waves:
        return []
    rows = Counter((ahead.of[row], progress.target(row)) for row in progress.rows_left(Action.UPDATE))
    left: Counter[tuple[int, LaneName]] = Counter()
    for (wave, target), number in rows.items():
        left[wave, lane_of[target]] += number
    waves = [[left[wave.number, lane] for lane in lanes] for wave in ahead.waves]
    if first := next(filter(any, waves), None):
        first[first.index(max(first))] += progress.footprint.parked
    return waves
