"""From a JOB argument to its settings and its rows, or to everything that is wrong with it."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from bulk.app.judge_file import judge_must_be_usable
from bulk.app.sources import ApiAddress, JobRuns, RowsSource, UnreadSource
from bulk.errors import BulkError, CannotRun, JobInvalid, UsageError
from bulk.jobfile import LineCount, ReadRows, Survey, read_all, read_ids, read_rows, survey
from bulk.jobfile.files import JOB_TOML, RUNS, FoundJob, RowsFile, find_job, format_of, open_rows
from bulk.ledger.ends import head_of, last_session
from bulk.ledger.progress import Progress
from bulk.ledger.records import Json, settings_of_run
from bulk.model import (
    Action,
    Change,
    Format,
    InvalidRow,
    Issue,
    ModifyBody,
    ServiceId,
    ServiceUpdate,
    Target,
)
from bulk.plan.guards import guard_issues
from bulk.plan.openings import next_shift, window_must_be_usable
from bulk.settings import (
    SIMULATOR,
    Job,
    SimulatorSettings,
    located,
    read_job,
    read_settings,
    read_usable,
    usable,
)
from bulk.text import counted

REASONS_MAX = 10
"""Most issues of a row that its report names; `bulk check` has all."""
_IDS_SHOWN_MAX = 5

Flags = Mapping[str, Any]
"""Settings from the command line, in the forms that job.toml has; None for one that was not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFileSource(RowsSource):
    """A job with all its rows read; nothing is known of the fleet yet."""

    rows: ReadRows
    lines: LineCount
    rows_read: int
    """Rows of the file, also those that the plan is not limited to."""

    origin: ClassVar[str] = "the job file"

    def usable_rows(self) -> Mapping[Target, Collection[ServiceUpdate]]:
        """Return the valid rows; raise JobInvalid where there are others, unless the job skips them."""
        if self.rows.file_issues or (self.rows.invalid and not self.job.skip_invalid):
            raise JobInvalid(self.rows.issues)
        return self.rows.updates.by_target

    def targets(self) -> Iterator[tuple[int, Target]]:
        """Return the target of each row, whose project may still have to be looked up, with its number."""
        return ((update.row, update.target) for update in self.rows.updates)

    def unusable(self) -> Iterator[Change]:
        """Return a refused change for each invalid row."""
        return (_refused(row, self.job.where.target) for row in self.rows.invalid)


def _refused(row: InvalidRow, target: Target) -> Change:
    update = ServiceUpdate(
        row=row.row, place=row.place, target=target, service_id=ServiceId(row.service_id), body=ModifyBody()
    )
    reason = "; ".join(f"{issue.field}: {issue.message}" for issue in row.issues[:REASONS_MAX])
    if more := len(row.issues[REASONS_MAX:]):
        reason += f"; and {counted(more, 'more issue')}"
    return Change(update=update, target=target, action=Action.REFUSE, body=update.body, reason=reason)


def open_job(
    argument: str,
    flags: Flags,
    local_time: Callable[[], datetime],
    *,
    only: frozenset[str] = frozenset(),
) -> JobFileSource:
    """Read a job whole; `only` keeps the rows of these service ids.

    `local_time` returns the time with the machine's zone. Raises UsageError where the argument means no job,
    and JobInvalid for a job.toml or flags that cannot be used. What is wrong with rows is in the rows.
    """
    found = find_job(argument)
    job = _opening(found, flags, local_time)
    with open_rows(job.rows, folder=found.folder) as file:
        return _read_job(found, job, file, flags, only)


@contextmanager
def unread_job(
    argument: str,
    flags: Flags,
    on_read: Callable[[JobFileSource], object],
    *,
    only: frozenset[str] = frozenset(),
) -> Iterator[UnreadSource[ServiceUpdate]]:
    """Open a job, whose rows may then be read while the block runs; `on_read` is called once they are.

    Raises what `open_job` does.
    """
    found = find_job(argument)
    with _locating(found, flags):
        job = _usable(found, flags)

        def read() -> JobFileSource:
            source = _read_job(found, job, file, flags, only)
            on_read(source)
            return source

        with open_rows(job.rows, folder=found.folder) as file:
            _format(job)
            yield UnreadSource(
                endpoint=endpoint_of(job.where.endpoint, job.simulator, found.folder),
                runs=_runs_of(found, job.name),
                job=job,
                given=given_in(flags),
                only=tuple(sorted(only)),
                origin=JobFileSource.origin,
                way_out=JobFileSource.way_out,
                digest=file.sha256,
                read=read,
            )


@contextmanager
def _locating(found: FoundJob, flags: Flags) -> Iterator[None]:
    """Raise the issues of the block with their places: the flag, or line and column in job.toml."""
    try:
        yield
    except JobInvalid as invalid:
        issues = located(invalid.issues, found.toml, name=found.toml_name, flags=flags)
        raise JobInvalid(issues) from invalid


def _read_job(found: FoundJob, job: Job, file: RowsFile, flags: Flags, only: frozenset[str]) -> JobFileSource:
    lines, form, target = LineCount(), _format(job), job.where.target
    rows = read_all(
        read_rows(
            file.lines(),
            name=file.name,
            format=form,
            default=target,
            count=lines,
            names_waves=job.guards.names_waves,
        )
    )
    return JobFileSource(
        job=job,
        endpoint=endpoint_of(job.where.endpoint, job.simulator, found.folder),
        runs=_runs_of(found, job.name),
        sha256="" if rows.file_issues and not file.is_regular else file.sha256(),
        given=given_in(flags),
        only=tuple(sorted(only)),
        rows=_only(rows, only),
        lines=lines,
        rows_read=len(rows.updates) + len(rows.invalid),
    )


def job_meant(argument: str, flags: Flags, local_time: Callable[[], datetime]) -> tuple[FoundJob, Job]:
    """Return what JOB means, and its settings with the flags over them; its rows are not read.

    Raises as `open_job` does.
    """
    found = find_job(argument)
    return found, _opening(found, flags, local_time)


def given_in(flags: Flags) -> frozenset[str]:
    """Return the names of the settings that were given."""
    return frozenset(name for name, value in flags.items() if value is not None)


def _format(job: Job) -> Format:
    return job.format or format_of(job.rows)


def runs_of(argument: str) -> list[JobRuns]:
    """Return where the runs of a job are found; raises UsageError where the argument means no job.

    A job file that the `job.toml` beside it names is that job's, too. What is wrong with a job.toml hides no
    run, as long as it says the job's name.
    """
    found = find_job(argument)
    beside = found.folder / JOB_TOML
    if found.rows and beside.is_file():
        by_toml = find_job(str(beside))
        job = read_usable(by_toml.toml, default_name=by_toml.name, flags={})
        others = [_runs_of(by_toml, job.name)] if job.rows == found.rows else []
        return [_runs_of(found, found.name), *others]
    return [_runs_of(found, read_usable(found.toml, default_name=found.name, flags={}).name)]


def _runs_of(found: FoundJob, job: str) -> JobRuns:
    return JobRuns(folder=found.folder / RUNS, job=job, file=found.file)


def survey_job(argument: str, flags: Flags, local_time: Callable[[], datetime]) -> Survey:
    """Read a job offline and return its count of rows and its issues; a million rows take little memory.

    What is wrong with a job.toml or with flags is an issue as well; raises UsageError where there is no job.
    `local_time` returns the time with the machine's zone.
    """
    found = find_job(argument)
    try:
        job = _opening(found, flags, local_time)
    except JobInvalid as invalid:
        return Survey.of_issues(invalid.issues)
    with open_rows(job.rows, folder=found.folder) as file:
        return survey(file.lines(), name=file.name, format=_format(job), names_waves=job.guards.names_waves)


def read_ids_of(path: str, *, place: str) -> frozenset[str]:
    """Return the service ids in a file, which is read as a job file is; `place` is what messages call it.

    Raises UsageError where there is no such file, and JobInvalid where it holds anything but ids.
    """
    try:
        with open_rows(path, folder=Path()) as file:
            ids, issues = read_ids(file.lines(), name=file.name)
    except (CannotRun, UsageError) as error:
        what = error.message.removeprefix(f"{path}: ")
        raise UsageError(f"{place}: {what}", hint="name a text file with one id per line") from error
    if issues:
        raise JobInvalid(issues)
    return ids


def endpoint_named(argument: str) -> str:
    """Return the address of the API that a job's own file names; empty where it has none.

    Raises UsageError where the argument means no job, and JobInvalid where its file cannot be used.
    """
    found = find_job(argument)
    return _settings(found, {}).where.endpoint if found.toml else ""


def settings_of_job(argument: str, flags: Flags) -> Job:
    """Return the settings of a job, whose rows are not read; raises as `open_job` does."""
    return _settings(find_job(argument), flags)


def usable_job(argument: str, flags: Flags) -> tuple[Job, Path]:
    """Return what can be used of the settings of a JOB or a ledger, and the folder of its runs.

    For what has to be done although the command cannot be; nothing is raised.
    """
    path = Path(argument)
    with suppress(BulkError, OSError, LookupError, TypeError):
        if options := head_of(path).get("options"):
            held = session["settings"] if (session := last_session(path)) else {}
            given = {name: value for name, value in flags.items() if value is not None}
            return usable({**settings_of_run({"options": options}), **held, **given}), path.parent
        found = find_job(argument)
        return read_usable(found.toml, default_name=found.name, flags=flags), found.folder / RUNS
    return usable({}), Path()


def _settings(found: FoundJob, flags: Flags) -> Job:
    given = {**flags, "rows": found.rows} if found.rows else flags
    job = read_job(found.toml, name=found.toml_name or "job.toml", default_name=found.name, flags=given)
    if not isinstance(job, Job):
        raise JobInvalid(job)
    with _locating(found, flags):
        guards_must_be_usable(job)
    return job


def _opening(found: FoundJob, flags: Flags, local_time: Callable[[], datetime]) -> Job:
    """Return the settings of a job whose judge can be used, and whose window is not always shut."""
    with _locating(found, flags):
        job = _usable(found, flags)
        next_shift(job, local_time)
    return job


def _usable(found: FoundJob, flags: Flags) -> Job:
    """Return the settings of a job whose window and judge can be used as well."""
    job = _settings(found, flags)
    window_must_be_usable(job)
    judge_must_be_usable(job, found.folder)
    return job


def guards_must_be_usable(job: Job) -> None:
    """Raise JobInvalid for guards that guard nothing, or that contradict each other; see `guard_issues`."""
    if issues := guard_issues(job):
        raise JobInvalid(issues)


def _only(rows: ReadRows, only: frozenset[str]) -> ReadRows:
    if not only:
        return rows
    missing = only - {update.service_id for update in rows.updates} - {row.service_id for row in rows.invalid}
    place = getattr(next(iter(only)), "place", "--limit")
    named = ", ".join(sorted(missing)[:_IDS_SHOWN_MAX])
    more = (
        f" and {counted(len(missing) - _IDS_SHOWN_MAX, 'more id')}" if len(missing) > _IDS_SHOWN_MAX else ""
    )
    is_in = "is in no row" if len(missing) == 1 else "are in no row"
    issue = Issue(place=place, field="", message=f"{named}{more} {is_in}", hint="check the ids")
    return ReadRows(
        updates=rows.updates.only(lambda update: update.service_id in only),
        invalid=tuple(row for row in rows.invalid if row.service_id in only),
        file_issues=(*rows.file_issues, issue) if missing else rows.file_issues,
    )


def endpoint_of(url: str, simulator: SimulatorSettings, folder: Path) -> ApiAddress:
    """Return the address of a job's API; its paths are relative to `folder`."""
    if url != SIMULATOR:
        return ApiAddress(url=url)
    seed = (folder / simulator.fleet).resolve()
    return ApiAddress(url=SIMULATOR, seed=str(seed), fleet=str(folder.resolve() / RUNS / seed.name))


def _planned_for(run: Json) -> ApiAddress:
    """Return the API that a plan was made for, by its first record; unknown members are passed over."""
    given = run["options"]["endpoint"]
    return ApiAddress(**{each.name: given[each.name] for each in fields(ApiAddress) if each.name in given})


def endpoint_of_ledger(progress: Progress) -> ApiAddress:
    """Return the address of a ledger's API: that of its last session, else that of its plan."""
    planned_for = _planned_for(progress.run)
    last = progress.sessions[-1]["settings"].get("endpoint") if progress.sessions else ""
    return ApiAddress(url=last) if last and last != planned_for.url else planned_for


def job_of_ledger(
    progress: Progress, flags: Flags, *, without: Collection[str] = (), at_first: bool = False
) -> tuple[Job, ApiAddress]:
    """Return the settings in force for a ledger, the flags over them, and where its API is.

    They are those of the plan and, over them, those of its last session, or of its first one (`at_first`): a
    limit that was given as a flag holds in the next session too, and a rollback goes where the run went. Of
    the settings named in `without`, only what the flags say counts.
    """
    planned, planned_for = settings_of_run(progress.run), _planned_for(progress.run)
    last = progress.sessions[-1]["settings"] if progress.sessions else {}
    held = progress.first_settings if at_first else last | {"endpoint": endpoint_of_ledger(progress).url}
    known = {**planned, **held}
    stored = {name: value for name, value in known.items() if name not in without}
    job = read_settings(Job, stored, flags=flags, place=lambda _: "ledger")
    if not isinstance(job, Job):
        raise JobInvalid(job)
    url = job.where.endpoint
    if url == planned_for.url:
        return job, planned_for
    if url == SIMULATOR:
        raise UsageError(
            "this ledger was not planned on the bundled simulator, which therefore has no fleet for it",
            hint="plan the job anew with --endpoint simulator",
        )
    return job, ApiAddress(url=url)
