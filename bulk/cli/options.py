"""The command line: arguments and flags, each once, and the settings of a job as flags.

A verb names the settings that it takes (`takes`); the table of settings knows all the rest of them.
"""

import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_args

from typer import Argument, Option

from bulk.cli import completion
from bulk.operations.unit_files import Scheduler
from bulk.reports.fleet_rows import Layout
from bulk.settings import (
    SETTINGS,
    Group,
    PaceSettings,
    Setting,
    WhereSettings,
    flag_of,
    settings_of,
    variable_of,
)

V = TypeVar("V", bound=Callable[..., Any])

# What a verb takes that plans a job; a new setting that has a flag is among them by itself.
ALL = tuple(name for name, setting in SETTINGS.items() if setting.has_flag)
WHERE = tuple(settings_of(WhereSettings))
PACE = tuple(settings_of(PaceSettings))
# What a verb takes that only reads: how fast its requests go, and how long each is waited for.
READING = ("rate", *(name for name in PACE if name.endswith("timeout_s")))
# The order of parameters in `--help`: arguments, which have no panel, then panel by panel.
_PANELS = (None, *Group)


class PlainForm(StrEnum):
    """The forms of a result that is no report."""

    TABLE = "table"
    JSON = "json"


class StatusForm(StrEnum):
    """The forms of `bulk status`."""

    TABLE = "table"
    JSON = "json"
    PROM = "prom"


class ListForm(StrEnum):
    """The forms of a list."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class LogForm(StrEnum):
    """The forms of log lines."""

    TEXT = "text"
    JSON = "json"


class SchemaOf(StrEnum):
    """What there is a JSON Schema of."""

    ROW = "row"
    JOB = "job"


def flag(
    *names: str,
    group: Group,
    help: str,  # noqa: A002 - as Typer has it
    metavar: str = "",
    variable: str | None = "",
    **more: Any,
) -> Any:
    """Return a flag of the command line; without a metavar it is a switch.

    Its variable is `BULK_` and its name, unless it has another one. Words of consent have none (None): a
    variable is no consent to this run.
    """
    return Option(
        *names,
        envvar=variable_of(names[-1]) if variable == "" else variable,
        metavar=metavar,
        help=help,
        rich_help_panel=group,
        **more,
    )


def takes(*names: str) -> Callable[[V], V]:
    """Let a verb take a flag and a variable for each of these settings (decorator).

    They come in the verb's `**flags`. None is a flag that was not given: job.toml's value holds.
    """

    def with_flags(verb: V) -> V:
        signature = inspect.signature(verb)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        flags = [_flag_of(name, SETTINGS[name]) for name in sorted(names, key=[*SETTINGS].index)]
        keywords = sorted((each.replace(kind=each.KEYWORD_ONLY) for each in (*own, *flags)), key=_panel)
        verb.__signature__ = signature.replace(parameters=keywords)  # type: ignore[attr-defined]  # Typer reads it
        return verb

    return with_flags


def _flag_of(name: str, setting: Setting) -> inspect.Parameter:
    kind, long = setting.form.flag_type, flag_of(name)
    names = (setting.short_flag, f"{long}/--no-{long[2:]}" if kind is bool else long)
    option = flag(
        *filter(None, names),
        group=setting.group,
        metavar=setting.form.metavar,
        help=setting.help,
        autocompletion=completion.OF_SETTINGS.get(name),
    )
    annotation: Any = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _panel(parameter: inspect.Parameter) -> int:
    return _PANELS.index(get_args(parameter.annotation)[1].rich_help_panel)


_A_JOB = "a .csv or .jsonl file, `-` for standard input, a job.toml, or a folder that holds one"
_A_RUN = (
    "A run: its ledger, or a saved plan; or a job, which means its latest run. Without it: the latest run"
    " in this folder or below."
)

OptionalJob = Annotated[str, Argument(metavar="JOB", help=f"A job: {_A_JOB}.", show_default=False)]
JobOrLedger = Annotated[
    str, Argument(metavar="JOB|LEDGER", help=f"A job: {_A_JOB}; or a ledger: a saved plan, or a run.")
]
Run = Annotated[str, Argument(metavar="RUN", help=_A_RUN, show_default=False)]
JobOrFolder = Annotated[
    str,
    Argument(
        metavar="JOB|FOLDER",
        help="A job, whose runs and rollbacks are listed; or a folder, of which all are: those in it, in its"
        " `runs/` and in those of folders below. Without it: this folder.",
        show_default=False,
    ),
]
RunAndService = Annotated[
    list[str],
    Argument(
        metavar="[RUN] SERVICE",
        help=f"{_A_RUN} Then a service: its name, its id, or the id's first characters.",
    ),
]
RunAndCommand = Annotated[
    list[str],
    Argument(
        metavar="RUN [COMMAND]",
        help="A run: its ledger, or a job, which means its latest run. Then the command: `pause`, "
        "`unpause`, `stop`, `rate 5/s` (PUTs of each lane), `rate auto` (as the job has it) or `go 2`, "
        "where the judge of wave 2 is unsure.",
    ),
]
Arguments = Annotated[list[str] | None, Argument(metavar="OPTIONS", show_default=False)]

_IDS: dict[str, Any] = {
    "group": Group.WHAT,
    "metavar": "ID,ID|@FILE",
    "help": "Only these services; FILE has one id per line.",
}
Limit = Annotated[str | None, flag("--limit", **_IDS)]
Only = Annotated[str | None, flag("--only", "--limit", **_IDS)]
OnlyOutcomes = Annotated[
    str | None,
    flag(
        "--only",
        group=Group.WHAT,
        metavar="OUTCOME,OUTCOME",
        help="Only the rows that ended so, such as `failed` or `failed,refused`; as table or CSV.",
    ),
]
DryRun = Annotated[
    bool, flag("-n", "--dry-run", group=Group.WHAT, help="Only show the plan: nothing is sent.")
]
Apply = Annotated[
    bool,
    flag(
        "--apply",
        group=Group.WHAT,
        help="Send the changes; without this flag they are only shown.",
        variable=None,
    ),
]
Wait = Annotated[
    bool,
    flag(
        "--wait",
        group=Group.LIMITS,
        help="Check and ask everything now, then wait for the opening of the window; nothing is sent before.",
    ),
]
NewRun = Annotated[
    bool,
    flag(
        "--new-run",
        group=Group.WHAT,
        help="Leave the open run of this job as it is and begin a new one.",
        variable=None,
    ),
]
Despite = Annotated[
    list[str] | None,
    flag(
        "--despite",
        group=Group.WHAT,
        metavar="ID:REASON",
        help="Continue although the run was stopped, by the id that was printed; can be given several times.",
        variable=None,
    ),
]


class RetryOf(StrEnum):
    """Which rows of a finished run are planned anew."""

    FAILED = "failed"


Retrying = Annotated[
    RetryOf | None,
    flag(
        "--retry",
        group=Group.WHAT,
        metavar="failed",
        help="Of a finished RUN (a ledger, or a job's latest run): plan the rows anew that it left failed, "
        "drifted, in conflict or blocked, as a run of their own.",
        variable=None,
    ),
]
Because = Annotated[
    str,
    flag(
        "--because",
        group=Group.WHAT,
        metavar="TEXT",
        help="Why, for whoever reads the run: it is on record with your name.",
    ),
]
Connect = Annotated[
    str,
    flag(
        "--connect",
        group=Group.WHERE,
        metavar="URL",
        help="NATS, over which runs ask: `tls://HOST:4222`, several with commas. Who we are there is in the "
        "file that `BULK_NATS_CREDENTIALS` names.",
    ),
]
Served = Annotated[
    list[str] | None,
    flag(
        "--serve",
        group=Group.WHERE,
        metavar="REGION[/PROFILE]",
        variable="BULK_WORKER_SERVE",
        autocompletion=completion.places,
        help="What is served: a region, with the credentials of a profile; may be repeated. Without it: each "
        "profile, in the region of `--region`, or of the credentials.",
        show_default=False,
    ),
]
Serve = Annotated[
    str,
    flag(
        "--serve",
        group=Group.OUTPUT,
        metavar="[HOST:]PORT|unix:PATH",
        help="Serve a page that shows it, to this machine alone; 0 is any free port. Others see it by "
        "`ssh -L`, `kubectl port-forward` or a proxy.",
    ),
]
HostNames = Annotated[
    list[str] | None,
    flag(
        "--host-name",
        group=Group.OUTPUT,
        metavar="NAME",
        help="The name by which a proxy asks for the page; can be given several times.",
    ),
]
ExpectDigest = Annotated[
    str | None,
    flag(
        "--expect-digest",
        group=Group.WHAT,
        metavar="DIGEST",
        help="Refuse any plan that does not have this digest; its first 16 hex digits are enough.",
    ),
]
NamePattern = Annotated[
    str,
    flag(
        "--name",
        group=Group.WHAT,
        metavar="GLOB",
        variable="BULK_EXPORT_NAME",
        help="Only services whose short name matches, such as `web-*`.",
    ),
]
Port = Annotated[
    str,
    flag(
        "--port",
        group=Group.WHAT,
        metavar="PORT",
        variable="BULK_EXPORT_PORT",
        help="Only services that have this client or server port.",
    ),
]
Regions = Annotated[
    list[str] | None,
    flag(
        "--region",
        group=Group.WHERE,
        metavar="REGION,REGION",
        autocompletion=completion.regions,
        help="One region or several, such as `cn-north-4,cn-east-3`; can be given several times.",
    ),
]
AllProjects = Annotated[
    bool,
    flag(
        "--all-projects",
        group=Group.WHERE,
        help="All projects that the credentials may see: in these regions or, without `--region`, in all.",
    ),
]
Projects = Annotated[
    bool,
    flag(
        "--projects",
        group=Group.WHERE,
        help="List every project that the credentials may see, by name and id.",
    ),
]
AddPorts = Annotated[
    str,
    flag(
        "--add-ports",
        group=Group.WHAT,
        metavar="MAPPINGS",
        help="Add these mappings to every map: `8081:22/TCP 8082:23/UDP`.",
    ),
]
RemovePorts = Annotated[
    str,
    flag(
        "--remove-ports", group=Group.WHAT, metavar="MAPPINGS", help="Remove these mappings from every map."
    ),
]
ServerPorts = Annotated[
    list[str] | None,
    flag(
        "--map",
        group=Group.WHAT,
        metavar="OLD=NEW",
        help="Renumber this server port in every map: `22=2222`; can be given several times.",
    ),
]
Faults = Annotated[
    str,
    flag(
        "--faults",
        group=Group.LIMITS,
        metavar="JSON|FILE",
        help='Faults of the rehearsal, as `bulk simulator` takes them: `{"rates": {"reset_after": 0.01}}`.',
    ),
]
Limiter = Annotated[
    list[str] | None,
    flag(
        "--limiter",
        group=Group.LIMITS,
        metavar="SPEC",
        help="A rate limit for the rehearsal, which then runs in real time, as `bulk simulator` takes it: "
        "`token:20/s`; can be given several times.",
    ),
]
Yes = Annotated[bool, flag("-y", "--yes", group=Group.OUTPUT, help="Go ahead without asking.", variable=None)]
Out = Annotated[
    str, flag("--out", group=Group.OUTPUT, metavar="LEDGER", help="Save the plan in this new file.")
]
ExportOut = Annotated[
    str,
    flag(
        "--out",
        group=Group.OUTPUT,
        metavar="FILE",
        variable="BULK_EXPORT_OUT",
        help="Write to this new file, not to standard output.",
    ),
]
ExportFormat = Annotated[
    Layout,
    flag(
        "--format",
        group=Group.OUTPUT,
        metavar="|".join(Layout),
        variable="BULK_EXPORT_FORMAT",
        help="CSV with one mapping per line, CSV with one service per line, or JSON Lines.",
    ),
]
LedgerOption = Annotated[
    str,
    flag(
        "--ledger",
        group=Group.OUTPUT,
        metavar="FILE",
        help="Record the run in this file, not in `runs/` beside the job.",
    ),
]
DetailedExitcode = Annotated[
    bool,
    flag(
        "--detailed-exitcode",
        group=Group.OUTPUT,
        help="Exit with 2 if the plan has changes, with 4 if it refuses a row, with 0 otherwise.",
    ),
]
Each = Annotated[
    bool,
    flag("--all", group=Group.OUTPUT, help="Show each row on a line of its own, and no groups."),
]
ListOutput = Annotated[
    ListForm, flag("--output", group=Group.OUTPUT, metavar="|".join(ListForm), help="Format of the list.")
]
PlainOutput = Annotated[
    PlainForm, flag("--output", group=Group.OUTPUT, metavar="|".join(PlainForm), help="Format of the result.")
]
Check = Annotated[
    bool,
    flag(
        "--check",
        group=Group.OUTPUT,
        help="Exit with what the state of the run means, as a scheduler asks it: 8 while it is at work, 5 "
        "where the same `bulk apply` goes on or begins, else as the run ended.",
    ),
]
Since = Annotated[
    str | None,
    flag(
        "--since",
        group=Group.OUTPUT,
        metavar="TIME",
        help="With --check: 5 also where no run was at work in this time, such as 20h, as after a start that "
        "failed before it recorded anything.",
    ),
]
JobToSchedule = Annotated[
    str, Argument(metavar="JOB", help="A job: a .csv or .jsonl file, a job.toml, or a folder that holds one.")
]
SchedulerOption = Annotated[
    Scheduler | None,
    flag(
        "--for",
        group=Group.OUTPUT,
        metavar="|".join(Scheduler),
        help="Who is to start the job.",
    ),
]
ScheduleOut = Annotated[
    str,
    flag(
        "--out",
        group=Group.OUTPUT,
        metavar="FOLDER",
        variable="BULK_SCHEDULE_OUT",
        help="Write the files into this folder, as new ones, and not to standard output.",
    ),
]
StatusOutput = Annotated[
    StatusForm,
    flag("--output", group=Group.OUTPUT, metavar="|".join(StatusForm), help="Format of the result."),
]
Bom = Annotated[
    bool,
    flag("--bom", group=Group.OUTPUT, help="Begin a CSV with a byte order mark, by which Excel knows UTF-8."),
]
Notify = Annotated[
    bool,
    flag(
        "--notify",
        group=Group.OUTPUT,
        help="Also send a test message to all whom the job notifies, and show what came back.",
    ),
]
Schema = Annotated[
    SchemaOf | None,
    flag(
        "--schema",
        group=Group.OUTPUT,
        metavar="|".join(SchemaOf),
        help="Print the JSON Schema of a row of JSON Lines, or of job.toml.",
    ),
]
LogFormat = Annotated[
    LogForm,
    flag(
        "--log-format",
        group=Group.OUTPUT,
        metavar="|".join(LogForm),
        help="Format of the log lines on stderr.",
    ),
]
Verbose = Annotated[
    bool,
    flag(
        "-v",
        "--verbose",
        group=Group.OUTPUT,
        help="Log every record of the ledger, as it is written or, of a saved plan, read.",
    ),
]
Quiet = Annotated[
    bool,
    flag("-q", "--quiet", group=Group.OUTPUT, help="Show nothing but errors; the exit code says the rest."),
]
