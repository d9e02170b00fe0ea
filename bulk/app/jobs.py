"""From a JOB argument to its settings and its rows, or to everything that is wrong with it."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from bulk.adapters.files import JOB_TOML, RUNS, FoundJob, find_job, format_of, open_rows
from bulk.adapters.http import ReadClient
from bulk.adapters.wire import Timeouts
from bulk.app.reach import SIMULATOR, Endpoint, Reach, open_reach
from bulk.app.surroundings import Surroundings
from bulk.core.errors import JobInvalid
from bulk.core.job import Job, given_of, read_job
from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import Json
from bulk.core.model import Issue
from bulk.core.rows import Sifted, Survey, read_rows, sift, survey

C = TypeVar("C", bound=ReadClient)

Flags = Mapping[str, Any]
"""Settings from the command line, in the forms that job.toml has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedJob:
    """A job with its settings and all its rows read; nothing is known of the fleet yet."""

    job: Job
    folder: Path
    """What its paths are relative to, and where its `runs/` are."""
    rows: Sifted
    sha256: str
    """Of the job file."""
    only: tuple[str, ...] = ()
    """The service ids that `--limit` named; empty where it named none."""


def open_job(argument: str, flags: Flags, *, only: frozenset[str] = frozenset()) -> OpenedJob:
    """Read a job whole; `only` keeps the rows of these service ids.

    Raises UsageError where the argument means no job, and JobInvalid for a job.toml or flags that
    cannot be used. What is wrong with rows is in the rows.
    """
    found = find_job(argument)
    job = _settings(found, flags)
    with open_rows(job.rows, folder=found.folder) as file:
        form = format_of(job.rows, job.format)
        rows = sift(read_rows(file.lines(), name=file.name, format=form, default=job.target))
        sha256 = file.sha256()
    return OpenedJob(
        job=job, folder=found.folder, rows=_only(rows, only), sha256=sha256, only=tuple(sorted(only))
    )


def name_of(argument: str) -> tuple[Path, str]:
    """Give the folder of a job and its name; raises UsageError where the argument means no job.

    A job file that the `job.toml` beside it names is that job's.
    """
    found = find_job(argument)
    beside = found.folder / JOB_TOML
    try:
        if found.rows and beside.is_file():
            job = _settings(find_job(str(beside)), {})
            return found.folder, job.name if job.rows == found.rows else found.name
        return found.folder, _settings(found, {}).name
    except JobInvalid:
        return found.folder, found.name


def survey_job(argument: str, flags: Flags) -> Survey:
    """Read a job offline and give its count of rows and its issues; a million rows take little memory."""
    found = find_job(argument)
    job = _settings(found, flags)
    with open_rows(job.rows, folder=found.folder) as file:
        form = format_of(job.rows, job.format)
        return survey(file.lines(), name=file.name, format=form)


def _settings(found: FoundJob, flags: Flags) -> Job:
    given = {**flags, "rows": found.rows} if found.rows else flags
    job = read_job(found.toml, name=found.toml_name or "job.toml", default_name=found.name, flags=given)
    if isinstance(job, Job):
        return job
    raise JobInvalid(job)


def _only(rows: Sifted, only: frozenset[str]) -> Sifted:
    if not only:
        return rows
    missing = only - {update.service_id for update in rows.updates} - {row.service_id for row in rows.invalid}
    issues = tuple(
        Issue(place="--limit", field="", message=f"{service_id} is in no row", hint="check the id")
        for service_id in sorted(missing)
    )
    return Sifted(
        updates=tuple(update for update in rows.updates if update.service_id in only),
        invalid=tuple(row for row in rows.invalid if row.service_id in only),
        file_issues=rows.file_issues + issues,
    )


def settings_json(job: Job) -> Json:
    """Give the settings of a job in the forms that `job.toml` has, so that they can be read again."""
    return {
        field.name: _written(value)
        for field in fields(job)
        if field.name != "simulator"
        and ((value := getattr(job, field.name)) is not None or field.name in _AUTO)
    }


_AUTO = ("rate", "concurrency")
"""Settings for which None means `auto`."""


def _written(value: object) -> object:
    if value is None:
        return "auto"
    return value if isinstance(value, bool | int | float | str) else str(value)


def endpoint_of(opened: OpenedJob) -> Endpoint:
    """Give where the API of a job is."""
    job = opened.job
    if job.endpoint != SIMULATOR:
        return Endpoint(url=job.endpoint)
    seed = (opened.folder / job.simulator.fleet).resolve()
    return Endpoint(url=SIMULATOR, seed=str(seed), fleet=str(opened.folder.resolve() / RUNS / seed.name))


def job_of_ledger(progress: Progress, flags: Flags, *, without: Collection[str] = ()) -> tuple[Job, Endpoint]:
    """Give the settings that a ledger was planned with, the flags over them, and where its API is.

    Of those `without`, only what the flags say counts.
    """
    options = dict(progress.run["options"])
    endpoint = Endpoint(**options.pop("endpoint"))
    for name in ("limit", *without):
        options.pop(name, None)
    job = read_job(b"", name="ledger", default_name=progress.run["job"], flags={**options, **given_of(flags)})
    if not isinstance(job, Job):
        raise JobInvalid(job)
    return job, Endpoint(url=job.endpoint) if job.endpoint else endpoint


def open_fleets(
    kind: type[C], job: Job, endpoint: Endpoint, around: Surroundings
) -> AbstractAsyncContextManager[Reach[C]]:
    """Open what reaches the fleets of a job, at the pace and with the timeouts it sets."""
    timeouts = Timeouts(
        connect_s=job.connect_timeout_s, read_s=job.read_timeout_s, total_s=job.total_timeout_s
    )
    rate_per_s = job.rate.per_s if job.rate else None
    return open_reach(kind, around=around, endpoint=endpoint, timeouts=timeouts, rate_per_s=rate_per_s)
