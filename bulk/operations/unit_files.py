"""The files by which a scheduler runs a job: units of systemd, a crontab with its script, a CronJob.

They are text; nothing is installed, and no credentials are in them. Paths are absolute, and quoted by the
rules of the program that reads the file: systemd.service(5), "Command lines"; crontab(5); the Kubernetes API,
where `$(` expands variables in `args`.
"""

import shlex
from dataclasses import fields
from enum import StrEnum
from typing import Any, assert_never

import orjson

from bulk.errors import ExitCode
from bulk.model import value
from bulk.operations.triggers import Trigger

GRACE_S = 10
"""What a scheduler waits for a command after TERM, besides the time that this has to drain."""
TRIES = 6
"""How often a run is begun again that ends early each time, before a person is needed."""
AGAIN_S = 300
NO_FAILURE = (ExitCode.BUSY, ExitCode.WINDOW_ENDED)
"""Not 0, but another run is at work, or the next opening goes on."""
ASKED = (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
"""Somebody asked it to stop; a cluster that did so, to empty a node, goes on elsewhere."""
AGAIN = (ExitCode.STOPPED_EARLY, ExitCode.IN_DOUBT)
PERSON = tuple(code for code in ExitCode if code not in {ExitCode.OK, *NO_FAILURE, *ASKED, *AGAIN})


class Scheduler(StrEnum):
    """Who starts the job."""

    SYSTEMD = "systemd"
    KUBERNETES = "kubernetes"
    CRON = "cron"


@value
class ScheduledJob:
    """What the files of a job are made of.

    * unit: the name of its units, of letters, digits and dashes
    * command, status: the words of the command that is run, and of the one that shows the run
    * folder: where the job is, and its runs
    * tz: the zone of local times, where the scheduler's is not it; `local` the zone of this machine
    * window_s: how long the window is open
    * variables: names of variables that it needs besides credentials, and whose values are secret
    * notes: what a person has to know of it, a line each
    """

    unit: str
    name: str
    command: tuple[str, ...]
    status: tuple[str, ...]
    folder: str
    script: str
    user: str
    image: str
    window: str
    window_s: float
    drain_s: float
    triggers: tuple[Trigger, ...]
    tz: str = ""
    local: str = ""
    variables: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@value
class UnitFile:
    """A file for a scheduler."""

    name: str
    text: str
    is_program: bool = False


def files_for(scheduler: Scheduler, job: ScheduledJob) -> tuple[UnitFile, ...]:
    """Return the files by which a scheduler runs a job."""
    match scheduler:
        case Scheduler.SYSTEMD:
            named = {f"{job.unit}.service": "service", f"{job.unit}-failed.service": "failed"}
            named[f"{job.unit}.timer"] = "timer"
        case Scheduler.KUBERNETES:
            named = {f"{job.unit}.yaml": "cronjob"}
        case Scheduler.CRON:
            named = {f"{job.unit}.sh": "script", f"{job.unit}.crontab": "crontab"}
        case _:
            assert_never(scheduler)
    return tuple(
        UnitFile(name=name, text=_rendered(template, job), is_program=template == "script")
        for name, template in named.items()
    )


def _rendered(template: str, job: ScheduledJob) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - few commands need it

    environment = Environment(
        loader=PackageLoader(__package__, "units"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML; each text is quoted by the rules of its reader
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "systemd": for_systemd,
        "specifiers": without_specifiers,
        "shell": shlex.quote,
        "crontab": for_crontab,
        "kubernetes": for_kubernetes,
        "json": _json,
    }
    facts: dict[str, Any] = {each.name: getattr(job, each.name) for each in fields(job)}
    codes = {name: tuple(map(int, codes)) for name, codes in _CODES.items()}
    return environment.get_template(f"{template}.j2").render(
        **facts,
        **codes,
        tries=TRIES,
        again_s=AGAIN_S,
        grace_s=-(-int(job.drain_s * 1000) // 1000) + GRACE_S,
        deadline_s=max(10, int(min(job.window_s, _DAY_S))),
    )


_CODES = {"no_failure": NO_FAILURE, "done": (*NO_FAILURE, *ASKED), "again": AGAIN, "person": PERSON}
_DAY_S = 86_400


def for_systemd(word: str) -> str:
    """Return a word of a command line, or an assignment, of a unit."""
    return f'"{without_specifiers(word).translate(_SYSTEMD)}"'


_SYSTEMD = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "$$"})


def without_specifiers(text: str) -> str:
    """Return text in which systemd finds no specifier, such as `%n`."""
    return text.replace("%", "%%")


def for_crontab(path: str) -> str:
    """Return the command of a line of a crontab, where an unescaped `%` ends the line."""
    return shlex.quote(path).replace("%", "\\%")


def for_kubernetes(word: str) -> str:
    """Return a word of `args`, in which `$$` stands for `$`."""
    return _json(word.replace("$", "$$"))


def _json(value: object) -> str:
    """Return JSON, which YAML reads as it is."""
    return orjson.dumps(value).decode()
