"""The files by which a scheduler runs a job, as this machine has the job; nothing is installed."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, tzinfo
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import assert_never

from bulk import __version__
from bulk.app.environment import Environment, user
from bulk.app.finding import is_ledger
from bulk.app.jobs import Flags, job_meant
from bulk.errors import UsageError
from bulk.files.new_file import new_file
from bulk.jobfile.files import STDIN, FoundJob
from bulk.model import value
from bulk.operations.triggers import Triggers, for_cron, for_kubernetes, for_systemd, has_opening
from bulk.operations.unit_files import ScheduledJob, Scheduler, UnitFile, files_for
from bulk.operations.windows import Calendar, Window, read_zone
from bulk.settings import SIMULATOR, Job, flag_of, values_of
from bulk.settings.forms import LOCAL_WORKERS, shown
from bulk.settings.zone import MachineZone, local_zone
from bulk.vpcep.regions import must_be_named, parse_endpoint

_UNIT_CHARS_MAX = 32
"""Of the job's name: a CronJob has 52, of which `bulk-`, a part of a hash and its number are some."""
_LIMITS = ("max_failures", "max_changes", "max_removed", "max_consumers", "strict")
"""The guards that bound what a run does which nobody watches; `waves` besides."""
_LOCALTIME = Path("/etc/localtime")
_IN_ZONES = "/zoneinfo/"


def schedule(
    argument: str,
    flags: Flags,
    scheduler: Scheduler,
    environment: Environment,
    out: Path | None,
    program: tuple[str, ...],
    notify: Callable[[str], object],
) -> tuple[UnitFile, ...]:
    """Return the files by which a scheduler runs a job, and write them into a folder if one is given.

    `program` are the first words of a command of bulk on this machine. What a person has to know of them is
    notified. Raises UsageError and JobInvalid for a job that no scheduler can run.
    """
    scheduled = _scheduled(argument, flags, scheduler, environment, out, program)
    for note in scheduled.notes:
        notify(note)
    files = files_for(scheduler, scheduled)
    for file in files if out else ():
        path = _folder(out) / file.name
        with new_file(path) as write:
            write(file.text)
        path.chmod(0o700 if file.is_program else 0o600)
    return files


def _folder(out: Path | None) -> Path:
    """Return the folder to write to, which is made where there is none."""
    folder = (out or Path()).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _scheduled(
    argument: str,
    flags: Flags,
    scheduler: Scheduler,
    environment: Environment,
    out: Path | None,
    program: tuple[str, ...],
) -> ScheduledJob:
    found, job, window = _job_with_window(argument, flags, environment)
    path = str(Path(argument).absolute())
    zones, calendar = _zones(environment), Calendar(window=window, blackout=job.when.blackout)
    if calendar.is_local:
        _must_be_named(scheduler, zones)
    triggers = _triggers(scheduler, calendar, zones, environment)
    words = (*_program(scheduler, program), "apply", path, *_words(job, flags), "--yes", "--quiet")
    unit, folder = _unit(job.name), str(found.folder.absolute())
    script = str((out or found.folder).absolute() / f"{unit}.sh")
    _must_be_plain((*words, folder, *program), scheduler)
    if scheduler is Scheduler.CRON:
        _must_be_plain((script,), scheduler)
    return ScheduledJob(
        unit=unit,
        name=job.name,
        command=(*words, "--wait") if triggers.is_exact else words,
        status=(*_program(scheduler, program), "status", path),
        folder=folder,
        script=script,
        user=user(),
        image=f"vpcep-bulk:{__version__}",
        window=str(calendar),
        window_s=window.length_s,
        drain_s=job.pace.drain_s,
        triggers=triggers.all,
        tz=zones.for_service(scheduler) if calendar.is_local else "",
        local=zones.clock_name,
        variables=tuple(_variables(job)),
        notes=tuple(_notes(scheduler, found, job, triggers)),
    )


def _job_with_window(argument: str, flags: Flags, environment: Environment) -> tuple[FoundJob, Job, Window]:
    """Return a job that a scheduler can run, and its window."""
    if argument == STDIN or is_ledger(argument):
        raise UsageError(
            f"{argument} is no job that can be run again and again", hint="name a job file, or its folder"
        )
    found, job = job_meant(argument, flags, environment.local_time)
    window = job.when.window
    if window is None or not has_opening(window):
        raise UsageError(
            f"{argument} has no window that opens, so nothing says when it is to be started",
            hint="add, for example, --window 02:00-04:00, or `window` in job.toml",
        )
    return found, job, window


@value
class _Zones:
    """The zone in which local times are meant, that of the machine's own clock, and their names if known."""

    local: tzinfo
    local_name: str
    clock: tzinfo
    clock_name: str
    is_given: bool
    """Whether `TZ` names the zone of local times."""

    def for_service(self, scheduler: Scheduler) -> str:
        """Return the `TZ` that a command needs whose times are local; empty where it has that by itself."""
        return self.local_name if self.is_given or scheduler is Scheduler.KUBERNETES else ""


def _zones(environment: Environment) -> _Zones:
    given = environment.env.get("TZ", "").removeprefix(":")
    clock_name = _clock_name()
    clock = read_zone(clock_name) if clock_name else MachineZone()
    local = local_zone(environment.env) if given else clock
    name = "" if given and isinstance(local, MachineZone) else given or clock_name
    return _Zones(local=local, local_name=name, clock=clock, clock_name=clock_name, is_given=bool(given))


def _clock_name() -> str:
    """Return the name of the zone of this machine, as its clock has it; empty where it has none."""
    if not _LOCALTIME.exists():
        return str(UTC)
    name = os.path.realpath(_LOCALTIME).partition(_IN_ZONES)[2]
    return str(UTC) if name in {"Etc/UTC", "UTC"} else name


def _must_be_named(scheduler: Scheduler, zones: _Zones) -> None:
    """Raise UsageError where a scheduler has to name the zone of local times, and it has no name."""
    if not zones.local_name and (zones.is_given or scheduler is Scheduler.KUBERNETES):
        raise UsageError(
            f"the window is in local time, whose zone has no name that {scheduler} knows",
            hint="name the zone in the window, as in `02:00-04:00 Asia/Shanghai`",
        )


def _triggers(scheduler: Scheduler, calendar: Calendar, zones: _Zones, environment: Environment) -> Triggers:
    match scheduler:
        case Scheduler.SYSTEMD:
            return for_systemd(calendar, zones.local, zones.local_name if zones.is_given else "")
        case Scheduler.CRON:
            return for_cron(calendar, zones.local, zones.clock, environment.clock.now())
        case Scheduler.KUBERNETES:
            return for_kubernetes(calendar, zones.local, zones.local_name)
        case _:
            assert_never(scheduler)


def _program(scheduler: Scheduler, program: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first words of a command; in an image it is not where it is on this machine."""
    return ("bulk",) if scheduler is Scheduler.KUBERNETES else program


def _words(job: Job, flags: Flags) -> Iterator[str]:
    """Yield the settings that were given, as flags: the files are run without this environment.

    A host that bulk does not know is named, as the person who installs the files has read it there.
    """
    given = {name: each for name, each in flags.items() if each is not None}
    url = job.where.endpoint
    if url not in {"", SIMULATOR} and must_be_named(parse_endpoint(url)):
        given["endpoint"] = url
    for name, each in given.items():
        if isinstance(each, bool):
            yield flag_of(name) if each else flag_of(f"no_{name}")
        else:
            yield from (flag_of(name), str(each.value if isinstance(each, Enum) else each))


def _unit(name: str) -> str:
    """Return the name of a job's units: letters, digits, dashes; of another name also a part of its hash."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_UNIT_CHARS_MAX].strip("-")
    digits = "" if plain == name else f"-{sha256(name.encode()).hexdigest()[:6]}"
    return f"bulk-{plain or 'job'}{digits}"


def _must_be_plain(words: Iterable[str], scheduler: Scheduler) -> None:
    """Raise UsageError for a word that no file of a scheduler can hold, such as a path with a line end."""
    for word in words:
        if not word.isprintable() or word.encode(errors="replace").decode() != word:
            raise UsageError(
                f"{shown(word)} has characters that {scheduler} cannot be given",
                hint="rename the file or folder",
            )
        if scheduler is Scheduler.KUBERNETES and word.startswith("/") and ":" in word:
            raise UsageError(f"{shown(word)}: a volume has no path with a colon", hint="rename the folder")


def _variables(job: Job) -> dict[str, None]:
    """Return the variables of a job, each once: URLs and secrets of who is notified, a login to NATS."""
    named = [name for _, table in job.notify for name in (table.url_env, table.secret_env)]
    return dict.fromkeys(filter(None, [*named, _NATS if _has_workers(job) else ""]))


_NATS = "BULK_NATS_CREDENTIALS"


def _has_workers(job: Job) -> bool:
    """Return whether the requests of a job go to workers elsewhere."""
    return job.where.via not in {"", LOCAL_WORKERS}


def _not_in_volume(found: FoundJob, job: Job) -> Iterator[str]:
    """Yield the files of a job that are not in its folder, which is all that a pod has of this machine."""
    folder = os.path.realpath(found.folder)
    for named in (job.rows, job.metrics, *(table.url_file for _, table in job.notify)):
        path = os.path.realpath(os.path.join(folder, named))  # noqa: PTH118 - an absolute one stays so
        if named and (named.startswith("~/") or not Path(path).is_relative_to(folder)):
            yield named


def _notes(scheduler: Scheduler, found: FoundJob, job: Job, triggers: Triggers) -> Iterator[str]:
    """Yield what a person has to know who installs the files."""
    yield (
        "--yes: nobody is asked; whatever the job file asks for when it is started is sent, without review"
    )
    values = values_of(job.guards)
    lacking = [name for name in _LIMITS if values[name] in (None, False)]
    if not (job.guards.canary or job.guards.waves):
        lacking.append("waves")
    if lacking:
        yield f"guards that this job lacks: {', '.join(lacking)}"
    if not job.notify:
        yield "nobody is notified where a person is needed: job.toml has no [notify.NAME]"
    if variables := _variables(job):
        yield f"give the job these variables, whose values are secret: {', '.join(variables)}"
    if _has_workers(job):
        yield (
            f"{_NATS} names a file, which the job must be able to read; the credentials of the cloud are "
            "those of the workers, and may be empty here"
        )
    if scheduler is Scheduler.KUBERNETES:
        for named in _not_in_volume(found, job):
            yield f"{shown(named)} is not in the folder of the job: mount it as well"
    if not triggers.is_exact:
        yield (
            f"{scheduler} cannot say exactly when the window {job.when.calendar} opens: the job is started "
            "whenever that may be, and ends at once (exit code 10) where it is closed"
        )
    if job.where.endpoint == SIMULATOR:
        yield "this job runs on the bundled simulator: nothing real is changed"
