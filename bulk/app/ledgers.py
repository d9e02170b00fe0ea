"""What a ledger alone shows: the state of a run, and its report."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType

from bulk.app.finding import rollback_of
from bulk.app.jobs import job_of_ledger
from bulk.app.wave_plans import wave_standings
from bulk.errors import JobInvalid, LedgerDamaged, UsageError
from bulk.ledger.file import LedgerReader, fold, is_live, records, state
from bulk.ledger.progress import Progress
from bulk.ledger.records import Json, Left, target_of
from bulk.model import Action, Outcome, ServiceState, cause_of
from bulk.plan import Estimate
from bulk.plan.waves import Wave, WaveStanding
from bulk.reports.overview import Overview
from bulk.reports.report import Report, Row, Rows, row_of
from bulk.reports.run_status import RunStatus, run_status
from bulk.reports.timeline import Timeline
from bulk.reports.totals import Mappings
from bulk.settings import Job
from bulk.vpcep.codes import advice_for


@contextmanager
def reading(path: Path, *, by_summary: bool = False) -> Iterator[LedgerReader]:
    """Open a ledger to look at, without locking it; raises UsageError and LedgerDamaged.

    It is folded, or else `by_summary` taken from its summary, to which every byte is held.
    """
    progress = state(path, every_byte=True)[0] if by_summary else fold(path)
    with reader_of(path, progress) as reader:
        yield reader


@contextmanager
def reader_of(path: Path, progress: Progress) -> Iterator[LedgerReader]:
    """Open a ledger for reading; `progress` has, or will have, the places of its lines."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield LedgerReader(path, fd, progress)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Where a run stands."""

    progress: Progress
    alive: bool
    """Whether a process works on it now."""
    by_summary: bool
    """Whether its summary was believed for the lines that it adds up."""
    rolled_back_by: Path | None
    """The ledger of its rollback, where that has begun."""


def status(path: Path) -> RunState:
    """Return where the run of a ledger stands; raises UsageError and LedgerDamaged."""
    progress, by_summary = state(path, every_byte=False)
    rollback = rollback_of(path, progress)
    return RunState(progress=progress, alive=is_live(path), by_summary=by_summary, rolled_back_by=rollback)


def run_status_of(path: Path, found: RunState, now: datetime) -> RunStatus:
    """Return where the run of a ledger stands at a moment, which has the zone of this machine."""
    progress, job = found.progress, _job_in_force(found.progress)
    waves: tuple[WaveStanding, ...] = ()
    outcome_at = ""
    if job and (job.guards.waves or job.guards.canary):
        with reader_of(path, progress) as reader:
            waves = wave_standings(job.guards, reader)
            outcome_at = _last_outcome_at(reader) if job.guards.soak else ""
    by = str(found.rolled_back_by or "")
    return run_status(
        progress,
        job,
        now=now,
        alive=found.alive,
        waves=waves,
        outcome_at=outcome_at,
        rolled_back_by=by,
    )


def _last_outcome_at(reader: LedgerReader) -> str:
    """Return when the last outcome in a ledger was written; empty where there is none."""
    offsets = reader.progress.outcome_at
    last = reader.outcome(offsets.index(max(offsets)) + 1) if offsets else None
    return str(last["at"]) if last else ""


def _job_in_force(progress: Progress) -> Job | None:
    """Return the settings in force for a run; None where this version cannot read them."""
    if not progress.planned:
        return None
    try:
        return job_of_ledger(progress, {})[0]
    except (JobInvalid, UsageError):
        return None


def status_json(path: Path, standing: RunStatus, *, by_summary: bool) -> Json:
    """Return the object of `bulk status --output json`."""
    return {"ledger": str(path), **standing.json(), "by_summary": by_summary}


def report(
    path: Path,
    reader: LedgerReader,
    *,
    with_timeline: bool,
    only: Collection[Outcome] = frozenset(),
    estimate: Estimate | None = None,
    waves: tuple[Wave, ...] = (),
) -> Report:
    """Return the report of a ledger; its rows are read as they are gone through.

    With `only` these are those that ended so.

    The timeline takes another reading of the whole file.
    """
    timeline = None
    if with_timeline and reader.progress.sessions:
        timeline = Timeline()
        for _, record in records(path, whole=False):
            timeline.step(record)
    return plan_report(reader, timeline=timeline, only=only, estimate=estimate, waves=waves)


def plan_report(
    reader: LedgerReader,
    *,
    estimate: Estimate | None = None,
    waves: tuple[Wave, ...] = (),
    timeline: Timeline | None = None,
    moved: Mapping[int, ServiceState | None] = MappingProxyType({}),
    gathered: Overview | None = None,
    left_only: bool = False,
    only: Collection[Outcome] = frozenset(),
) -> Report:
    """Return the report of an open ledger; rows whose service `moved` since are shown as drifted.

    `waves` are those of the plan, `gathered` is what was gathered while it was made. With `left_only` it is
    about the rows that have not ended.
    """
    progress = reader.progress

    def row_at(row: int) -> Row:
        outcome = progress.outcome(row) if progress.sessions else None
        shown = row_of(reader.change(row), outcome, reader.outcome(row))
        if (known := progress.open.get(row)) and known.parked:
            shown = replace(shown, left=Left.PARKED, attempts=known.attempts)
        return replace(shown, outcome=Outcome.DRIFTED, observed=moved[row]) if row in moved else shown

    mappings_of = partial(_mappings_of, reader)
    rows = Rows(progress, row_at, mappings_of, reader.alike_text, moved, left_only=left_only, only=only)
    return Report(
        progress=progress,
        rows=rows,
        advice=advice,
        estimate=None if progress.sessions and not left_only else estimate,
        waves=waves,
        timeline=timeline,
        is_new=gathered is not None,
        gathered=None if moved else gathered,
        moved=moved,
        is_resumed=left_only,
    )


def _mappings_of(reader: LedgerReader, rows: Iterable[int]) -> Mappings:
    """Return what the changes of rows add up to; of those with the same mappings one is read."""
    first: dict[bytes, int] = {}
    counts: Counter[int] = Counter(first.setdefault(reader.mappings_text(row), row) for row in rows)
    changes = [(reader.change(row), count) for row, count in counts.items()]
    return Mappings(
        added=sum(len(change.added) * count for change, count in changes),
        removed=sum(len(change.removed) * count for change, count in changes),
        kept=sum(len(change.kept) * count for change, count in changes),
    )


def plan_of(path: Path) -> Iterator[Json]:
    """Return the records that make a ledger's plan, not those of the runs on it."""
    for _, record in records(path):
        yield record
        if record["type"] == "planned":
            return


def must_name_its_targets(reader: LedgerReader) -> None:
    """Raise LedgerDamaged where a row that a run looks at is of a target that the plan does not name."""
    progress = reader.progress
    of_rows = progress.targets_with(Action.UPDATE, Action.KEEP)
    if stray := of_rows - set(map(target_of, progress.run["targets"])):
        raise LedgerDamaged(
            f"{reader.path}: has rows of {stray.pop()}, which the plan does not name as a target",
            hint="the ledger contradicts itself; restore it from a copy, or plan anew",
        )


_STATUS_OF = {cause_of("", http): http for http in range(300, 600)}
"""The status of replies without a code, by what failed rows are counted by."""


def advice(cause: str) -> str:
    """Return the advice for what failed rows are counted by; see `cause_of`."""
    return advice_for(cause, _STATUS_OF.get(cause))


def settle_s(job: Job, progress: Progress) -> float:
    """Return how long after its turn a lost request of this or of an earlier session may take effect."""
    return job.settle_s(has_used_workers=any(session["settings"].get("via") for session in progress.sessions))
