"""What a ledger alone shows: the state of a run, and its report."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from bulk.adapters.files import LEDGER_SUFFIX, RUNS
from bulk.adapters.ledger import LedgerReader, fold, is_live, records
from bulk.app.jobs import name_of
from bulk.core.errors import Refused, UsageError
from bulk.core.ledger.progress import Progress
from bulk.core.model import Outcome, ServiceState
from bulk.core.plan import Estimate
from bulk.core.reports.model import Report, Row, Rows, row_of
from bulk.core.reports.timeline import Timeline
from bulk.core.vpcep.codes import advice_for


@contextmanager
def reading(path: Path) -> Iterator[LedgerReader]:
    """Open a ledger to look at, without locking it; raises UsageError and LedgerDamaged."""
    with reader_of(path, fold(path)) as reader:
        yield reader


@contextmanager
def reader_of(path: Path, progress: Progress) -> Iterator[LedgerReader]:
    """Open a ledger to look at the lines that `progress` knows, or will know, the place of."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield LedgerReader(path, fd, progress)
    finally:
        os.close(fd)


def status(path: Path) -> tuple[Progress, bool]:
    """Return the folded state of a ledger, and whether a process works on it now."""
    return fold(path), is_live(path)


def report(path: Path, reader: LedgerReader, *, with_timeline: bool) -> Report:
    """Return the report of a ledger; its rows are read as they are gone through.

    The timeline takes another reading of the whole file.
    """
    timeline = None
    if with_timeline and reader.progress.sessions:
        timeline = Timeline()
        for _, record in records(path, whole=False):
            timeline.step(record)
    return plan_report(reader, timeline=timeline)


def plan_report(
    reader: LedgerReader,
    *,
    estimate: Estimate | None = None,
    timeline: Timeline | None = None,
    moved: Mapping[int, ServiceState | None] = MappingProxyType({}),
) -> Report:
    """Return the report of an open ledger; rows whose service `moved` since are shown as drifted."""
    progress = reader.progress

    def row_at(row: int) -> Row:
        outcome = progress.outcome(row) if progress.sessions else None
        told = row_of(reader.change(row), outcome, reader.outcome(row))
        return replace(told, outcome=Outcome.DRIFTED, observed=moved[row]) if row in moved else told

    rows = Rows(progress, row_at, moved)
    before_run = None if progress.sessions else estimate
    return Report(progress=progress, rows=rows, advice=advice, estimate=before_run, timeline=timeline)


def must_be_approved(reader: LedgerReader, digest: str) -> None:
    """Raise Refused where the plan has another digest than the one approved; `sha256:` does not count."""
    planned = reader.progress.digest
    if digest and digest.removeprefix("sha256:") != planned.removeprefix("sha256:"):
        raise Refused(
            f"the plan's digest is {planned}, not {digest}; nothing was sent",
            hint="this is not the plan that was approved: review it with `bulk plan`, then name its digest",
        )


def advice(code: str) -> str:
    """Return the advice for an error code, whatever its HTTP status was."""
    return advice_for(code, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run that was begun and not finished."""

    path: Path
    job_sha256: str
    only: tuple[str, ...]
    """The service ids that it is limited to; empty where it is not."""


def find_run(runs: Path, job: str, ledger: Path | None = None) -> OpenRun | None:
    """Return the latest run of a job if it is still open: in `ledger`, or in the folder `runs`."""
    known = sorted(runs.glob(f"{job}-*{LEDGER_SUFFIX}"), reverse=True)
    for path in filter(Path.is_file, known if ledger is None else [ledger]):
        progress = fold(path)
        if progress.sessions and progress.run["job"] == job:
            if progress.finished:
                return None
            only = tuple(progress.run["options"].get("limit", ()))
            return OpenRun(path=path, job_sha256=progress.run["job_sha256"], only=only)
    return None


def is_ledger(argument: str) -> bool:
    """Return whether an argument names a ledger rather than a job, by its first bytes."""
    try:
        with Path(argument).open("rb") as file:
            return file.read(len(_FIRST)) == _FIRST
    except OSError:
        return False


_FIRST = b'{"n":0,"at":'


def latest_ledger(argument: str) -> Path:
    """Return the ledger that an argument names: itself, a job's latest, or the latest below this folder."""
    path = Path(argument)
    if argument and path.is_file() and (is_ledger(argument) or path.name.endswith(LEDGER_SUFFIX)):
        return path
    if argument:
        folder, name = name_of(argument)
        of_this_job = re.compile(re.escape(name) + r"-\d{8}T\d{6}\.\d{3}Z" + re.escape(LEDGER_SUFFIX))
        runs = (folder / RUNS).glob(f"*{LEDGER_SUFFIX}")
        ledgers = [ledger for ledger in runs if of_this_job.fullmatch(ledger.name)]
    else:
        ledgers = [
            ledger
            for depth in ("", "*/", "*/*/")
            for ledger in Path().glob(f"{depth}{RUNS}/*{LEDGER_SUFFIX}")
        ]
    ledgers = [ledger for ledger in ledgers if ledger.is_file()]
    if not ledgers:
        raise UsageError(
            f"found no run of {argument or 'any job below this folder'}",
            hint="name a ledger file, or begin a run with `bulk apply`",
        )
    return max(ledgers, key=lambda ledger: ledger.stat().st_mtime)
