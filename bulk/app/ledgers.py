"""What a ledger alone shows: the state of a run, and its report."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType

from bulk.adapters.files import LEDGER_SUFFIX, RUNS, is_job_file
from bulk.adapters.ledger import LedgerReader, fold, is_live, kept_at_rest, records, state
from bulk.adapters.ledger_ends import ends_of, head_of
from bulk.app.jobs import endpoint_named, runs_of
from bulk.app.sources import JobRuns
from bulk.core.errors import JobInvalid, LedgerDamaged, UsageError
from bulk.core.ledger.chain import timestamp
from bulk.core.ledger.decisions import decided
from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import Json, Left, target_of
from bulk.core.model import Action, Outcome, ServiceState
from bulk.core.plan import Estimate
from bulk.core.reports.model import Report, Row, Rows, row_of
from bulk.core.reports.overview import Overview
from bulk.core.reports.timeline import Timeline
from bulk.core.reports.totals import Mappings
from bulk.core.vpcep.codes import advice_for


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
    """Open a ledger to look at the lines that `progress` knows, or will know, the place of."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield LedgerReader(path, fd, progress)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a run stands."""

    progress: Progress
    alive: bool
    """Whether a process works on it now."""
    by_summary: bool
    """Whether its summary was believed for the lines that it adds up."""
    rolled_back_by: Path | None
    """The ledger of its rollback, where that has begun."""


def status(path: Path) -> Status:
    """Return where the run of a ledger stands; raises UsageError and LedgerDamaged."""
    progress, by_summary = state(path, every_byte=False)
    rollback = rollback_of(path, progress.run) if progress.run else None
    return Status(progress=progress, alive=is_live(path), by_summary=by_summary, rolled_back_by=rollback)


def rollbacks(path: Path, run: Json) -> tuple[JobRuns, str]:
    """Return where the rollbacks of a run are kept, and what their `run` records have as the job's sha256."""
    runs = JobRuns(folder=path.parent, job=f"{run['job']}-rollback", file=run.get("file", ""))
    return runs, hashlib.sha256(run["run_id"].encode()).hexdigest()


def rollback_of(path: Path, run: Json) -> Path | None:
    """Return the ledger of the rollback of a whole run, where that has begun; None where there is none.

    It is looked for beside the run, and where its plan may have been saved: in the folder of the job, and in
    this one.
    """
    runs, sha256 = rollbacks(path, run)
    folder = runs.folder.resolve()
    for ledger in _saved_plans({folder, folder.parent, Path()}, runs):
        head = head_of(ledger)
        if head.get("job_sha256") != sha256 or head["options"].get("limit"):
            continue
        with suppress(LedgerDamaged):
            _, has_begun, _ = _standing(ledger)
            if has_begun:
                return ledger
    return None


def report(
    path: Path,
    reader: LedgerReader,
    *,
    with_timeline: bool,
    only: Collection[Outcome] = frozenset(),
    estimate: Estimate | None = None,
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
    return plan_report(reader, timeline=timeline, only=only, estimate=estimate)


def plan_report(
    reader: LedgerReader,
    *,
    estimate: Estimate | None = None,
    timeline: Timeline | None = None,
    moved: Mapping[int, ServiceState | None] = MappingProxyType({}),
    gathered: Overview | None = None,
    left_only: bool = False,
    only: Collection[Outcome] = frozenset(),
) -> Report:
    """Return the report of an open ledger; rows whose service `moved` since are shown as drifted.

    `gathered` is what was gathered while the plan was made. With `left_only` it is about the rows that have
    not ended.
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
        timeline=timeline,
        is_new=gathered is not None,
        gathered=gathered,
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


def advice(code: str) -> str:
    """Return the advice for an error code, whatever its HTTP status was."""
    return advice_for(code, None)


def find_run(runs: JobRuns, now: float, ledger: Path | None = None) -> Path | None:
    """Return the latest run of a job if it is still open: in `ledger`, or in its folder.

    Only the ends of a ledger are read, where they show how far its run has come; whoever goes on with it
    reads the rest. Raises LedgerDamaged where it cannot be read, since nobody knows what it has sent.
    """
    known = _ledgers_of(runs, now) if ledger is None else [ledger]
    for path in filter(Path.is_file, known):
        run, has_begun, is_finished = _standing(path)
        if has_begun and runs.has(run):
            return None if is_finished else path
    return None


def open_ahead(runs: JobRuns, now: float) -> list[Path]:
    """Return the open runs of a job that are stamped in the future; `find_run` passes over them.

    Nobody knows whether they began before or after those that are stamped rightly.
    """
    present = timestamp(now)
    ahead = (path for path in _ledgers_of(runs, now) if _began(path) > present)
    return [path for path in ahead if _is_open(path)]


def _standing(path: Path) -> tuple[Json, bool, bool]:
    """Return the first record of a ledger, whether its run has begun, and whether it has finished."""
    if ends := ends_of(path):
        return ends.run, ends.has_begun, ends.is_finished
    progress = fold(path)
    return progress.run, progress.begun > 0, progress.finished


def stopped_runs(
    runs: JobRuns, now: float, *others: Path, is_same: Callable[[Json], bool] = lambda _: False
) -> dict[Path, Progress]:
    """Return the open runs of a job that a limit, or a person, stopped and that nobody has left yet.

    They are looked for among its runs, and where a plan or a run of this job may have been saved besides: in
    the folder of the job, in this one, and in those of `others`. Whatever its job is called, a run in the
    folder of the runs counts whose first record `is_same`. Damaged ones are passed over.
    """
    home = runs.folder.resolve()
    folders = {folder.resolve() for folder in (home.parent, Path(), *(other.parent for other in others))}
    saved = _saved_plans(folders - {home}, runs)
    candidates = [path for path in saved if head_of(path).get("runs") == str(home) and _is_open(path)]
    with suppress(LedgerDamaged, OSError):  # a forged plan may name a folder that cannot be
        candidates += filter(None, [find_run(runs, now)])
    ledgers = (path for path in _entries(home) if path.name.endswith(LEDGER_SUFFIX))
    alike = (path for path in ledgers if is_same(head_of(path)) and _is_open(path))
    candidates += [path for path in alike if path not in candidates]
    stopped = {}
    for path in candidates:
        with suppress(LedgerDamaged):
            progress, _ = state(path, every_byte=False)
            known = decided(progress.decisions)
            if known.stops and not known.left and not progress.finished:
                stopped[path] = progress
    return stopped


def own_endpoint(argument: str) -> str:
    """Return the address of the API that a job's own file, or a ledger, names; empty where it names none."""
    if is_ledger(argument):
        return str(head_of(Path(argument)).get("options", {}).get("endpoint", {}).get("url", ""))
    try:
        return endpoint_named(argument)
    except (JobInvalid, UsageError):
        return ""


def must_be_free(ledger: Path) -> None:
    """Raise LedgerBusy where somebody works on a ledger now; whoever works on it next has to lock it."""
    with kept_at_rest(ledger):
        pass


def is_ledger(argument: str) -> bool:
    """Return whether an argument names a ledger rather than a job, by its first bytes or its name.

    A ledger is a regular file: whatever else the argument names can be read only once, which is the job's.
    """
    path = Path(argument)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_FIRST)) == _FIRST or argument.endswith(LEDGER_SUFFIX)
    except OSError:
        return False


_FIRST = b'{"n":0,"at":'


def run_meant(argument: str, now: float) -> Path:
    """Return the ledger that a RUN means: itself, a job's latest run, or the latest below this folder.

    A job's runs are those in its `runs/`, and plans that were saved in its folder or in this one. Raises
    UsageError where there is none.
    """
    path = Path(argument)
    if argument and path.is_file() and (is_ledger(argument) or not is_job_file(path)):
        return path
    if argument:
        jobs = runs_of(argument)
        saved = [plan for job in jobs for plan in _saved_plans({job.folder.parent, Path()}, job)]
        runs = [*(path for job in jobs for path in _ledgers_of(job, now)), *filter(_has_begun, saved)]
        ledgers = _latest_first(runs or saved, now)
    else:
        found = (Path().glob(f"{depth}{RUNS}/*{LEDGER_SUFFIX}") for depth in ("", "*/", "*/*/"))
        ledgers = _latest_first(chain.from_iterable(found), now)
    if not ledgers:
        raise UsageError(
            f"found no run of {argument or 'any job below this folder'}",
            hint="begin one with `bulk apply`; "
            "one that was recorded elsewhere, with --ledger or --out, is named by its file",
        )
    return ledgers[0]


def _ledgers_of(runs: JobRuns, now: float) -> list[Path]:
    """Return the ledgers of a job in its folder of runs, the latest first."""
    named = re.compile(re.escape(runs.job) + r"-\d{8}T\d{6}\.\d{3}Z" + re.escape(LEDGER_SUFFIX))
    mine = (
        path
        for path in filter(Path.is_file, runs.folder.glob(f"*{LEDGER_SUFFIX}"))
        if (runs.has(head) if (head := head_of(path)) else named.fullmatch(path.name))
    )
    return _latest_first(mine, now)


def _saved_plans(folders: Collection[Path], runs: JobRuns) -> list[Path]:
    """Return the plans of a job that were saved in these folders, whether they have been applied or not."""
    entries = chain.from_iterable(map(_entries, folders))
    plans = (path for path in entries if path.is_file() and is_ledger(str(path)))
    return [path for path in plans if runs.has(head_of(path))]


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where it cannot be read."""
    try:
        return list(islice(folder.iterdir(), _ENTRIES_MAX))
    except OSError:
        return []


_ENTRIES_MAX = 10_000


def _is_open(ledger: Path) -> bool:
    """Return whether the run of a ledger has begun and not finished; also where nobody can tell."""
    ends = ends_of(ledger)
    return ends is None or (ends.has_begun and not ends.is_finished)


def _has_begun(plan: Path) -> bool:
    """Return whether a session has begun behind the plan in a ledger; also where nobody can tell."""
    ends = ends_of(plan)
    return ends is None or ends.has_begun


def _latest_first(ledgers: Iterable[Path], now: float) -> list[Path]:
    """Return ledgers by the time of their beginning; one in the future was stamped by a wrong clock."""
    files = filter(Path.is_file, ledgers)
    began = {path: _began(path) for path in files}
    present = timestamp(now)
    return sorted(began, key=lambda path: (began[path] <= present, began[path]), reverse=True)


def _began(ledger: Path) -> str:
    """Return when a ledger was begun, as its first record or else its name says; empty if neither does."""
    return str(head_of(ledger).get("at") or _stamp(ledger))


def _stamp(path: Path) -> str:
    """Return the time in a ledger's name in the form in which records have it; empty where there is none."""
    found = re.search(
        r"-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z)" + re.escape(LEDGER_SUFFIX), path.name
    )
    return "{}-{}-{}T{}:{}:{}".format(*found.groups()) if found else ""
