"""Which ledgers are meant: the runs of a job, what was saved or rolled back of them, the latest one."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from bulk.app.jobs import endpoint_named, runs_of, settings_of_job
from bulk.app.sources import JobRuns
from bulk.errors import JobInvalid, LedgerDamaged, NoRun, UsageError
from bulk.jobfile.files import LEDGER_SUFFIX, RUNS, is_job_file
from bulk.ledger.chain import timestamp
from bulk.ledger.decisions import decided
from bulk.ledger.ends import LedgerEnds, ends_of, head_of
from bulk.ledger.file import fold, kept_at_rest, state
from bulk.ledger.progress import Progress
from bulk.ledger.records import LINE_BYTES_MAX, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRuns:
    """The runs of a job that a command may mean.

    * latest: the latest one by its stamp that nobody left for good; one in the future is none
    * is_open: whether it is open
    * rollback: the ledger of its rollback, where that has begun and is open
    * others: those that are open as well. Clocks may have been wrong, so a stamp alone closes no run
    """

    latest: Path | None = None
    is_open: bool = False
    rollback: Path | None = None
    others: tuple[Path, ...] = ()

    @property
    def is_doubtful(self) -> bool:
        """Return whether a finished run is the latest one by its stamp, while another one is open."""
        return bool(self.others) and not self.is_open

    @property
    def open(self) -> tuple[Path, ...]:
        """Return the open runs."""
        return (*filter(None, [self.latest if self.is_open else None]), *self.others)


def find_runs(
    runs: JobRuns, now: float, ledger: Path | None = None, *, by_ends_only: bool = False
) -> FoundRuns:
    """Return the latest run of a job, and others that are open: in `ledger`, or in its folder.

    Only the ends of a ledger are read, where they show how far its run has come; the command that goes on
    with it reads the rest. Raises LedgerDamaged where the latest cannot be read, since nobody knows what it
    has sent, unless only what shows `by_ends_only` is to count.
    """
    known = _ledgers_of(runs, now) if ledger is None else filter(Path.is_file, [ledger])
    return _found(known, runs.has, by_ends_only=by_ends_only)


def _found(
    latest_first: Iterable[Path], is_meant: Callable[[Json], bool], *, by_ends_only: bool
) -> FoundRuns:
    latest, is_open, rollback, others = None, False, None, []
    for path in latest_first:
        ends = ends_of(path) if latest or by_ends_only else _standing(path)
        if not ends or not ends.has_begun or ends.is_left or not is_meant(ends.run):
            continue
        if latest is None:
            latest, is_open, rollback = path, ends.is_open, _open_rollback(path, ends)
        elif ends.is_open and not ends.is_rolled_back:
            others.append(path)
    return FoundRuns(latest=latest, is_open=is_open, rollback=rollback, others=tuple(others))


def _open_rollback(path: Path, run: LedgerEnds) -> Path | None:
    """Return the ledger of a run's rollback where that is open; it may have been moved together with the run.

    One whose ends do not show how far it has come counts as open: the changes would be made again.
    """
    stated = Path(run.rollback)
    places = (stated, path.with_name(stated.name)) if run.rollback else ()
    found = next(filter(head_of, places), None)
    return found if found and _is_open(found) else None


def run_meant(argument: str, now: float) -> tuple[Path, ...]:
    """Return the ledger that a RUN means: itself, a job's latest run, or the latest in this folder or below.

    A plan that nobody has applied is meant where nothing else is. A job's runs are those in its `runs/`, and
    plans that were saved in its folder or in this one. Where an open run of a job is not the latest one by
    its stamp, it comes first, then what else may be meant. Raises UsageError where there is
    none, and JobInvalid where the settings of that job cannot be used either.
    """
    path = Path(argument)
    if argument and path.is_file() and (is_ledger(argument) or not is_job_file(path)):
        if not is_ledger(argument) and not _looks_like_one(path):
            raise UsageError(f"{path} is not a ledger", hint="name a ledger file (`runs/….ledger.jsonl`)")
        return (path,)
    if argument:
        jobs = runs_of(argument)
        saved = [plan for job in jobs for plan in _saved_plans(_plan_folders(job.folder), job)]
        runs = [*(path for job in jobs for path in _ledgers_of(job, now)), *filter(_has_begun, saved)]
        ledgers = _latest_first(runs or saved, now)
        found = _found(ledgers, bool, by_ends_only=True)
    else:
        here, found = [path for path in ledgers_of("", now) if path.is_file()], FoundRuns()
        ledgers = [*islice(filter(_has_begun, here), 1)] or here
    if not ledgers:
        if argument:
            settings_of_job(argument, {})  # raises where it may have another name than was looked for
        raise (NoRun if argument else UsageError)(
            f"found no run of {argument or 'any job below this folder'}",
            hint="begin one with `bulk apply`; "
            "one that was recorded elsewhere, with --ledger or --out, is named by its file",
        )
    return (*found.others, *filter(None, [found.latest])) if found.is_doubtful else (ledgers[0],)


def ledgers_of(argument: str, now: float) -> list[Path]:
    """Return the ledgers of a JOB, its rollbacks among them, or in a FOLDER, the latest first.

    Those in a folder are all that it holds, and those in `runs/` in it and at most two folders below. Without
    an argument it is this one. What has the name of a ledger and is no file comes last. Raises UsageError
    where the argument is neither.
    """
    path = Path(argument)
    if path.is_file() and is_ledger(argument):
        return [path]
    if path.is_dir():
        below = (path.glob(f"{depth}*{LEDGER_SUFFIX}") for depth in ("", *(f"{up}{RUNS}/" for up in _ABOVE)))
        entries = [*chain.from_iterable(below), *(each for each in _entries(path) if is_ledger(str(each)))]
    else:
        jobs = [each for job in runs_of(argument) for each in (job, job._replace(job=f"{job.job}-rollback"))]
        saved = (filter(_has_begun, _saved_plans(_plan_folders(job.folder), job)) for job in jobs)
        entries = [*chain.from_iterable(map(_named, jobs)), *chain.from_iterable(saved)]
    found = list(dict.fromkeys(entries))
    files = _latest_first(found, now)
    return [*files, *sorted(set(found) - {*files})]


_ABOVE = ("", "*/", "*/*/")
"""Where folders of runs are looked for, seen from a folder."""


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


def _looks_like_one(path: Path) -> bool:
    """Return whether a file looks like a ledger: its first line has a `sum`, or the file is empty."""
    try:
        with path.open("rb") as file:
            first = file.readline(LINE_BYTES_MAX)
    except OSError:
        return True  # reading it then raises the error that explains why
    return not first or b',"sum":"' in first


def own_endpoint(argument: str) -> str:
    """Return the address of the API that a job's own file, or a ledger, names; empty where it names none."""
    if is_ledger(argument):
        return str(head_of(Path(argument)).get("options", {}).get("endpoint", {}).get("url", ""))
    try:
        return endpoint_named(argument)
    except (JobInvalid, UsageError):
        return ""


def must_be_free(ledger: Path) -> None:
    """Raise LedgerBusy where somebody works on a ledger now; the next session has to lock it."""
    with kept_at_rest(ledger):
        pass


def stopped_runs(
    runs: JobRuns, now: float, *others: Path, is_same: Callable[[Json], bool] = lambda _: False
) -> dict[Path, Progress]:
    """Return the open runs of a job that a limit, or a person, stopped and that nobody has left yet.

    They are looked for among its runs, and where a plan or a run of this job may have been saved besides: in
    the folder of the job, in this one, and in those of `others`. Whatever its job is called, a run in the
    folder of the runs counts whose first record `is_same`. Damaged ones are passed over.
    """
    home = runs.folder.resolve()
    folders = {folder.resolve() for folder in (*_plan_folders(home), *(other.parent for other in others))}
    saved = _saved_plans(folders - {home}, runs)
    candidates = [path for path in saved if head_of(path).get("runs") == str(home) and _is_open(path)]
    with suppress(OSError):  # a forged plan may name a folder that cannot be
        candidates += find_runs(runs, now, by_ends_only=True).open
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


def rollbacks(path: Path, run: Json) -> tuple[JobRuns, str]:
    """Return the folder and names of a run's rollbacks, and the `job_sha256` of their `run` records."""
    runs = JobRuns(folder=path.parent, job=f"{run['job']}-rollback", file=run.get("file", ""))
    return runs, hashlib.sha256(run["run_id"].encode()).hexdigest()


def rollback_of(path: Path, progress: Progress) -> Path | None:
    """Return the ledger of the rollback of a run, where that has begun; None where there is none.

    It is on record in the run, but for a rollback that an earlier version planned: that one is looked for
    beside the run.
    """
    if known := decided(progress.decisions).rolled_back:
        return Path(known.ledger)
    if not progress.begun:
        return None
    runs, sha256 = rollbacks(path, progress.run)
    planned = (ledger for ledger in _saved_plans({runs.folder}, runs) if _has_begun(ledger))
    return next((ledger for ledger in planned if head_of(ledger).get("job_sha256") == sha256), None)


def _standing(path: Path) -> LedgerEnds:
    """Return what the ends of a ledger show, or where they do not, all of it; raises LedgerDamaged."""
    if ends := ends_of(path):
        return ends
    progress = fold(path)
    known = decided(progress.decisions)
    return LedgerEnds(
        run=progress.run,
        has_begun=progress.begun > 0,
        is_finished=progress.finished,
        is_left=bool(known.left),
        is_rolled_back=known.rolled_back is not None,
        rollback=known.rolled_back.ledger if known.rolled_back else "",
    )


def _ledgers_of(runs: JobRuns, now: float) -> list[Path]:
    """Return the ledgers of a job in its folder of runs, the latest first."""
    return _latest_first(_named(runs), now)


def _named(runs: JobRuns) -> list[Path]:
    """Return what is a ledger of a job in its folder of runs, by its first record or else by its name."""
    named = re.compile(re.escape(runs.job) + r"-\d{8}T\d{6}\.\d{3}Z" + re.escape(LEDGER_SUFFIX))
    return [
        path
        for path in runs.folder.glob(f"*{LEDGER_SUFFIX}")
        if (runs.has(head) if (head := head_of(path)) else named.fullmatch(path.name))
    ]


def _plan_folders(home: Path) -> set[Path]:
    """Return where plans of a job with this folder of runs may have been saved: its own folder, and this."""
    return {home.parent, Path()}


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
    """Return whether the run of a ledger is open; True where its ends do not show that."""
    ends = ends_of(ledger)
    return ends is None or ends.is_open


def _has_begun(plan: Path) -> bool:
    """Return whether a session has begun on the plan in a ledger; True where its ends do not show that."""
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
