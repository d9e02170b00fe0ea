"""The flags, each once: its name, its variable, its words."""

from typing import Annotated

from typer import Argument, Option

_JOB = "What to change"
_API = "Where"
_PACE = "How fast, how far"
_SAY = "What is said"

Job = Annotated[
    str,
    Argument(
        metavar="JOB",
        help="A .csv or .jsonl file, - for standard input, a job.toml, or a folder holding one.",
        show_default=False,
    ),
]
JobOrLedger = Annotated[
    str,
    Argument(
        metavar="JOB|LEDGER",
        help="As above; or a ledger: a saved plan to run, or a run to go on with.",
        show_default=False,
    ),
]
LedgerPath = Annotated[str, Argument(metavar="LEDGER", help="A ledger file.", show_default=False)]
Format = Annotated[
    str,
    Option(
        "--format", envvar="BULK_FORMAT", help="Form of the job file: csv or jsonl.", rich_help_panel=_JOB
    ),
]
Limit = Annotated[
    str | None,
    Option(
        "--limit",
        envvar="BULK_LIMIT",
        metavar="ID,ID|@FILE",
        help="Only these services; @FILE has one id a line.",
        rich_help_panel=_JOB,
    ),
]
SkipInvalid = Annotated[
    bool,
    Option(
        "--skip-invalid",
        envvar="BULK_SKIP_INVALID",
        help="Go on without the rows that are invalid.",
        rich_help_panel=_JOB,
    ),
]
Profile = Annotated[
    str,
    Option("--profile", envvar="BULK_PROFILE", help="Section of the credentials file.", rich_help_panel=_API),
]
Region = Annotated[
    str, Option("--region", envvar="BULK_REGION", help="For rows that name none.", rich_help_panel=_API)
]
ProjectId = Annotated[
    str,
    Option(
        "--project-id",
        envvar="BULK_PROJECT_ID",
        help="For rows that name none; else the region's own project.",
        rich_help_panel=_API,
    ),
]
Endpoint = Annotated[
    str,
    Option(
        "--endpoint",
        envvar="BULK_ENDPOINT",
        metavar="URL|simulator",
        help="Instead of the region's own address; simulator: the bundled one.",
        rich_help_panel=_API,
    ),
]
Rate = Annotated[
    str,
    Option(
        "--rate",
        envvar="BULK_RATE",
        metavar="N/s|N/m|auto",
        help="Requests of one kind per account and region; auto finds the API's limit.",
        rich_help_panel=_PACE,
    ),
]
Concurrency = Annotated[
    str,
    Option(
        "-j",
        "--concurrency",
        envvar="BULK_CONCURRENCY",
        metavar="N|auto",
        help="PUTs in flight at most.",
        rich_help_panel=_PACE,
    ),
]
MaxFailures = Annotated[
    str,
    Option(
        "--max-failures",
        envvar="BULK_MAX_FAILURES",
        metavar="N|N%",
        help="Stop once more rows than this have failed.",
        rich_help_panel=_PACE,
    ),
]
Canary = Annotated[
    str,
    Option(
        "--canary",
        envvar="BULK_CANARY",
        metavar="N",
        help="Send so many rows first; the others only if all of these end as asked.",
        rich_help_panel=_PACE,
    ),
]
Window = Annotated[
    str,
    Option(
        "--window",
        envvar="BULK_WINDOW",
        metavar="HH:MM-HH:MM",
        help="Send only within this time of day.",
        rich_help_panel=_PACE,
    ),
]
Strict = Annotated[
    bool,
    Option(
        "--strict",
        envvar="BULK_STRICT",
        help="One refused or drifted row stops everything before the first PUT.",
        rich_help_panel=_PACE,
    ),
]
Output = Annotated[
    str,
    Option(
        "--output", envvar="BULK_OUTPUT", metavar="FORM", help="Form of the result.", rich_help_panel=_SAY
    ),
]
LogFormat = Annotated[
    str,
    Option(
        "--log-format",
        envvar="BULK_LOG_FORMAT",
        metavar="text|json",
        help="Form of the log lines on stderr.",
        rich_help_panel=_SAY,
    ),
]
Verbose = Annotated[
    int, Option("-v", "--verbose", count=True, help="Log every ledger record.", rich_help_panel=_SAY)
]
Quiet = Annotated[
    bool, Option("-q", "--quiet", envvar="BULK_QUIET", help="No progress, no log.", rich_help_panel=_SAY)
]
Out = Annotated[
    str,
    Option("--out", envvar="BULK_OUT", metavar="LEDGER", help="Save the plan here.", rich_help_panel=_SAY),
]
Yes = Annotated[bool, Option("-y", "--yes", envvar="BULK_YES", help="Do not ask.", rich_help_panel=_SAY)]

Schema = Annotated[
    str,
    Option("--schema", metavar="row|job", help="Print the JSON Schema of a JSONL row or of job.toml."),
]
DryRun = Annotated[bool, Option("-n", "--dry-run", help="Same as `bulk plan`.", rich_help_panel=_JOB)]
NewRun = Annotated[
    bool,
    Option("--new-run", help="Leave the open run of this job, begin another.", rich_help_panel=_JOB),
]
ExpectDigest = Annotated[
    str | None,
    Option(
        "--expect-digest",
        envvar="BULK_EXPECT_DIGEST",
        metavar="DIGEST",
        help="Run only the plan that has this digest.",
        rich_help_panel=_JOB,
    ),
]
LedgerOption = Annotated[
    str,
    Option(
        "--ledger",
        envvar="BULK_LEDGER",
        metavar="FILE",
        help="Write the run here, not into runs/ beside the job.",
        rich_help_panel=_SAY,
    ),
]
LedgerOrJob = Annotated[
    str,
    Argument(
        metavar="LEDGER|JOB",
        help="A ledger, or a job whose latest run is meant; else the latest run below this folder.",
        show_default=False,
    ),
]
DetailedExitcode = Annotated[
    bool,
    Option("--detailed-exitcode", help="Exit 2 where there are changes, 0 where there are none."),
]
Arguments = Annotated[list[str] | None, Argument(metavar="OPTIONS", show_default=False)]

AllowParking = Annotated[
    bool,
    Option(
        "--allow-parking",
        envvar="BULK_ALLOW_PARKING",
        help="Break a cycle of swapped ports by one intermediate PUT; the gap in service is shown.",
        rich_help_panel=_PACE,
    ),
]
MaxChanges = Annotated[
    str,
    Option(
        "--max-changes",
        envvar="BULK_MAX_CHANGES",
        metavar="N|N%",
        help="Refuse a plan that changes more services.",
        rich_help_panel=_PACE,
    ),
]
MaxRemoved = Annotated[
    str,
    Option(
        "--max-removed",
        envvar="BULK_MAX_REMOVED",
        metavar="N|N%",
        help="Refuse a plan that removes more mappings.",
        rich_help_panel=_PACE,
    ),
]
MaxConsumers = Annotated[
    str,
    Option(
        "--max-consumers",
        envvar="BULK_MAX_CONSUMERS",
        metavar="N",
        help="Refuse a plan whose services have more connected endpoints.",
        rich_help_panel=_PACE,
    ),
]
Apply = Annotated[
    bool, Option("--apply", help="Do it; without this flag it is only shown.", rich_help_panel=_JOB)
]
Only = Annotated[
    str | None,
    Option(
        "--only",
        "--limit",
        envvar="BULK_LIMIT",
        metavar="ID,ID|@FILE",
        help="Only these services; @FILE has one id a line.",
        rich_help_panel=_JOB,
    ),
]
ServiceIdArgument = Annotated[
    str,
    Argument(metavar="SERVICE_ID", help="Its id, or the beginning of it.", show_default=False),
]
ExportFormat = Annotated[
    str,
    Option(
        "--format",
        envvar="BULK_EXPORT_FORMAT",
        metavar="long|wide|jsonl",
        help="CSV with one mapping a line, CSV with one service a line, or JSON Lines.",
        rich_help_panel=_JOB,
    ),
]
ExportOut = Annotated[
    str,
    Option(
        "--out",
        envvar="BULK_EXPORT_OUT",
        metavar="FILE",
        help="Write to this new file, not to standard output.",
        rich_help_panel=_SAY,
    ),
]
NamePattern = Annotated[
    str,
    Option(
        "--name",
        envvar="BULK_EXPORT_NAME",
        metavar="GLOB",
        help="Only services whose short name is like this: web-*.",
        rich_help_panel=_JOB,
    ),
]
Port = Annotated[
    str,
    Option(
        "--port",
        envvar="BULK_EXPORT_PORT",
        metavar="PORT",
        help="Only services that have this client or server port.",
        rich_help_panel=_JOB,
    ),
]
AddPorts = Annotated[
    str,
    Option(
        "--add-ports",
        envvar="BULK_ADD_PORTS",
        metavar="MAPPINGS",
        help="Add these mappings to every map: '8081:22/TCP 8082:23/UDP'.",
        rich_help_panel=_JOB,
    ),
]
RemovePorts = Annotated[
    str,
    Option(
        "--remove-ports",
        envvar="BULK_REMOVE_PORTS",
        metavar="MAPPINGS",
        help="Take these mappings out of every map.",
        rich_help_panel=_JOB,
    ),
]
ServerPorts = Annotated[
    list[str] | None,
    Option(
        "--map",
        envvar="BULK_MAP",
        metavar="OLD=NEW",
        help="Renumber this server port in every map: 22=2222; may be given several times.",
        rich_help_panel=_JOB,
        show_default=False,
    ),
]

Faults = Annotated[
    str,
    Option(
        "--faults",
        envvar="BULK_FAULTS",
        metavar="JSON|FILE",
        help='What goes wrong in a rehearsal, as for `bulk simulator`: {"rates": {"reset_after": 0.01}}.',
        rich_help_panel=_PACE,
    ),
]
Limiter = Annotated[
    list[str] | None,
    Option(
        "--limiter",
        envvar="BULK_LIMITER",
        metavar="SPEC",
        help="A limit to rehearse against in real time, as for `bulk simulator`: token:20/s; repeatable.",
        rich_help_panel=_PACE,
        show_default=False,
    ),
]
