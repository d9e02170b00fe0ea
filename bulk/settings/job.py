"""The table of settings: everything that is known of each one stands here, once.

The fields of the dataclasses below are the table. From it come the key in job.toml, the flag and its
variable, the reading with its messages, the JSON Schema, the text of `--help` and the written form in a
ledger; a test holds the table in jobs/README.md to it. A new setting is a field here and the place that
uses it.

In job.toml all settings stand side by side; a Job has them in parts, so that code that needs the pace of a
job is given a Pace. `bulk --help` imports this module, so it must import nothing heavy.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

from bulk.model import Format, Issue, Target
from bulk.operations.notices import BY_DEFAULT, SIGNED, BotForm, Events
from bulk.operations.windows import Blackout, Calendar, Window
from bulk.settings import forms
from bulk.settings.forms import SettingForm
from bulk.settings.quantities import Duration, JudgeSetting, Rate, Share, Waves, WavesBy

T = TypeVar("T")

# The rate of an estimate while the API's limit is not known: `auto` starts with it.
CAUTIOUS_RATE = Rate(requests=10, period_s=1)
SEND_WITHIN_S = 3.0
"""How long after its turn a request may leave a worker, where it goes through one."""
SPARE_BESIDES_S = 10.0
"""What `spare = "auto"` has besides a request, its settle time and the last look."""


class Group(StrEnum):
    """What a setting is about: the panel of `--help` in which its flag stands, in this order."""

    WHAT = "What to change"
    WHERE = "Where"
    LIMITS = "Pace and limits"
    OUTPUT = "Output"


class WhileOpen(StrEnum):
    """What another value of a setting means for a run of the job that is open."""

    TAKEN = "taken"
    """The next session works with it, and a note names it."""
    REFUSED = "refused"
    """It says under which guards or where: the run goes on as it began, or another one begins."""
    NO_EFFECT = "no effect"
    """The plan was made with it, and no session asks for it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything that is known of one setting.

    * default: MISSING where job.toml must have the key
    * while_open: what becomes of another value once a run has begun
    * group, short_flag: where `--help` shows its flag, and a short form of it
    * help: what it means, in one sentence of Markdown, for `--help`, editors and jobs/README.md
    * details: what editors and jobs/README.md say besides
    * default_text: what jobs/README.md says of a default that depends
    * example: a value as job.toml may have it
    * has_flag: whether the command line has a flag and the environment a variable for it
    """

    form: SettingForm[Any]
    default: Any
    while_open: WhileOpen
    group: Group
    help: str
    details: str = ""
    default_text: str = ""
    example: Any
    has_flag: bool = True
    short_flag: str = ""


def flag_of(name: str) -> str:
    """Return the flag of the setting of this name: `--max-failures`."""
    return f"--{name.replace('_', '-')}"


def variable_of(flag: str) -> str:
    """Return the variable of a flag, of which both forms may be given: `--strict/--no-strict`."""
    return f"BULK_{flag.partition('/')[0].strip('-').replace('-', '_').upper()}"


def setting(form: SettingForm[T], default: T = MISSING, **facts: Any) -> T:  # type: ignore[assignment]
    """Return a field of the table; `facts` are those of a Setting."""
    return field(default=default, metadata={"setting": Setting(form=form, default=default, **facts)})


@dataclass(frozen=True, slots=True, kw_only=True)
class WhereSettings:
    """The target of rows that do not name theirs, and the address of the API."""

    profile: str = setting(
        forms.PROFILE,
        "",
        while_open=WhileOpen.REFUSED,
        group=Group.WHERE,
        help="Section of the credentials file, for rows that name none.",
        example="prod",
    )
    region: str = setting(
        forms.REGION,
        "",
        while_open=WhileOpen.REFUSED,
        group=Group.WHERE,
        help="Region, for rows that name none.",
        example="cn-north-4",
    )
    project_id: str = setting(
        forms.PROJECT_ID,
        "",
        while_open=WhileOpen.REFUSED,
        group=Group.WHERE,
        help="Project, for rows that name none; else the project that is named like the region.",
        example="6e9dfd51d1124e8d8498dce894923a0d",
    )
    endpoint: str = setting(
        forms.ENDPOINT,
        "",
        while_open=WhileOpen.REFUSED,
        group=Group.WHERE,
        help="Address of the API: `https://HOST` or `http://127.0.0.1:PORT`; `simulator` is the bundled one.",
        example="simulator",
    )
    via: str = setting(
        forms.VIA,
        "",
        while_open=WhileOpen.TAKEN,
        group=Group.WHERE,
        help="NATS, through which `bulk worker` elsewhere signs and sends the requests: `tls://HOST:4222`, "
        "several with commas; `local` starts both on this machine.",
        details="Who we are there is in the file that `BULK_NATS_CREDENTIALS` names.",
        example="tls://nats.example.com:4222",
    )

    @property
    def target(self) -> Target:
        """Return the target of rows that name none."""
        return Target(region=self.region, project_id=self.project_id, profile=self.profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceSettings:
    """How fast requests are sent, and how long each of them is waited for."""

    rate: Rate | None = setting(
        forms.RATE,
        None,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="Requests of one kind (reads or writes) per account and region: `20/s`, `100/m`, `5/h`; "
        "`auto` finds the API's limit.",
        details="`auto` starts slowly, stays where the API refuses at most about one request in fifty, and "
        "keeps the limit in `~/.local/state/bulk` for the next run.",
        example="20/s",
    )
    concurrency: int | None = setting(
        forms.CONCURRENCY,
        None,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="Most PUTs in flight at once per account and region, 1 to 1000; `auto` allows as many as the "
        "rate needs.",
        example=16,
        short_flag="-j",
    )
    attempts: int = setting(
        forms.ATTEMPTS,
        5,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="PUTs of one row that may fail before the row counts as failed; throttled ones are free.",
        example=3,
    )
    connect_timeout_s: float = setting(
        forms.TIMEOUT,
        10.0,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="Time limit to connect, in seconds.",
        example=5,
    )
    read_timeout_s: float = setting(
        forms.TIMEOUT,
        30.0,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="Time limit between two parts of a reply, in seconds.",
        example=20,
    )
    total_timeout_s: float = setting(
        forms.TIMEOUT,
        60.0,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="Time limit for a whole request, in seconds.",
        example=90,
    )
    settle_s: float = setting(
        forms.SETTLE,
        2.0,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="Seconds after which a lost request can no longer take effect; then the service is read.",
        example=5,
    )

    drain_s: float = setting(
        forms.TIMEOUT,
        20.0,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="Seconds that requests in flight, reads of lost ones and parked services have together after a "
        "signal.",
        example=30,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenSettings:
    """When a run may send; None for any time."""

    window: Window | None = setting(
        forms.WINDOW,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Send only within this time: `02:00-04:00`, `Sat,Sun 01:00-05:00 Asia/Shanghai`, "
        "`Sat#3 01:00-05:00` (the third of the month), `2026-12-01T01:00+08:00..2026-12-01T05:00+08:00`, or "
        "until `2026-01-15T04:00Z`; several behind `;`.",
        details="In job.toml it may be a list. Without a zone it is the machine's.",
        example="Sat,Sun 01:00-05:00 Asia/Shanghai",
    )
    blackout: Blackout | None = setting(
        forms.BLACKOUT,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Days on which nothing is sent, in the zone of the window: `2026-11-11`, "
        "`2026-12-24..2027-01-03`, or a list of them.",
        example=["2026-12-24..2027-01-03", "2026-11-11"],
        has_flag=False,
    )
    spare: Duration | None = setting(
        forms.SPARE,
        None,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="The last part of a window, in which nothing new begins and the last look is made: `90s`, `2m` "
        "or a number of seconds; `auto` is as long as a request and the last look may take.",
        details="`auto` is `total_timeout_s` + `settle_s` + a list of the services at the job's rate + 10 s.",
        example="2m",
        has_flag=False,
    )
    must_fit: bool = setting(
        forms.SWITCH,
        default=False,
        while_open=WhileOpen.TAKEN,
        group=Group.LIMITS,
        help="Refuse a plan that is expected to take longer than the window is open.",
        example=True,
        has_flag=False,
    )

    @property
    def calendar(self) -> Calendar | None:
        """Return the openings in which a run may send; None for any time."""
        if self.window is None and self.blackout is None:
            return None
        return Calendar(window=self.window, blackout=self.blackout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What stops a run or refuses its plan; None for no limit."""

    max_failures: Share | None = setting(
        forms.SHARE,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Stop once more rows than this have failed: `10`, or `5%` of the changes, at least one.",
        example="5%",
    )
    canary: int | None = setting(
        forms.COUNT,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Send this many rows first, and the others only if all of these end as asked.",
        example=3,
    )
    waves: Waves | None = setting(
        forms.WAVES,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Send the rows in waves, each only if all rows of the one before ended as asked: by number "
        "(`3,10%,50%`, then the rest), or by `region`, `account` or `column`.",
        details='In job.toml also `[3, "10%", "50%"]`. A percentage is of the changes, at least one. '
        "`canary = 3` is `waves = [3]`, and goes before waves by number, region or account. "
        "Regions and accounts go in the order of the plan. With `column` each row has a number in `wave`.",
        example="3,10%,50%",
    )
    soak: Duration | None = setting(
        forms.SOAK,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="How long a wave whose rows ended as asked is left alone before the next begins: `30s`, `2m`.",
        details="Counted from its last outcome; anew in a run that was stopped meanwhile.",
        example="2m",
        has_flag=False,
    )
    judge: JudgeSetting | None = setting(
        forms.JUDGE,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Who rules on each wave: an executable file in the job's folder, with its arguments, or an "
        "`https` URL. Asked before the first PUT and after each wave but the last.",
        details='In job.toml it may be a list, `["./probe.sh", "--all"]`; no shell is involved.',
        example="./probe.sh",
        has_flag=False,
    )
    judge_within: Duration = setting(
        forms.SOAK,
        Duration(seconds=300),
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="How long a judge that is unsure is asked again, every 15 s, before the run waits for "
        "`bulk tell RUN go WAVE`.",
        default_text="`5m`",
        example="10m",
        has_flag=False,
    )
    strict: bool = setting(
        forms.SWITCH,
        default=False,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="One refused or drifted row stops everything before the first PUT, and before each wave.",
        example=True,
    )
    max_changes: Share | None = setting(
        forms.SHARE,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Refuse a plan that changes more services than this: a count, or a percentage of the rows.",
        example="10%",
    )
    max_removed: Share | None = setting(
        forms.SHARE,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Refuse a plan that removes more mappings than this: a count, or a percentage of what the "
        "services to change have.",
        example="5%",
    )
    max_consumers: int | None = setting(
        forms.COUNT,
        None,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Refuse a plan whose services to change have more connected endpoints than this.",
        example=500,
    )

    @property
    def names_waves(self) -> bool:
        """Return whether each row of the job file names its wave."""
        return self.waves is not None and self.waves.by is WavesBy.COLUMN


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """What the bundled simulator starts with, where `endpoint` is `simulator`."""

    fleet: str = setting(
        forms.FILE,
        "fleet.jsonl",
        while_open=WhileOpen.REFUSED,
        group=Group.WHERE,
        help="File of the fleet before the first run, relative to job.toml.",
        example="fleet.jsonl",
        has_flag=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Who is notified of a run, how, and of what: a table `[notify.NAME]`, which holds nothing secret."""

    to: str = setting(
        forms.TOPIC,
        "",
        while_open=WhileOpen.TAKEN,
        group=Group.OUTPUT,
        help="A topic of SMN, as `smn:` and its URN; the request is signed with the job's credentials.",
        example="smn:urn:smn:cn-north-4:6e9dfd51d1124e8d8498dce894923a0d:bulk-ops",
        has_flag=False,
    )
    form: BotForm | None = setting(
        forms.BOT,
        None,
        while_open=WhileOpen.TAKEN,
        group=Group.OUTPUT,
        help="In place of `to`: a group's bot (`feishu`, `dingtalk`, `wecom`), or `json`, a webhook of your "
        "own that gets the object of `status --output json`.",
        example="feishu",
        has_flag=False,
    )
    url_env: str = setting(
        forms.NOTIFY_VARIABLE,
        "",
        while_open=WhileOpen.TAKEN,
        group=Group.OUTPUT,
        help="With `form`: the variable that holds the URL.",
        example="BULK_NOTIFY_OPS",
        has_flag=False,
    )
    url_file: str = setting(
        forms.SECRET_FILE,
        "",
        while_open=WhileOpen.TAKEN,
        group=Group.OUTPUT,
        help="In place of `url_env`: the file that holds the URL, by its absolute path; only its owner may "
        "write it.",
        example="/run/secrets/bulk-ops",
        has_flag=False,
    )
    secret_env: str = setting(
        forms.NOTIFY_VARIABLE,
        "",
        while_open=WhileOpen.TAKEN,
        group=Group.OUTPUT,
        help="The variable that holds the secret of a signed bot (`feishu`, `dingtalk`).",
        example="BULK_NOTIFY_OPS_SECRET",
        has_flag=False,
    )
    on: Events = setting(
        forms.EVENTS,
        BY_DEFAULT,
        while_open=WhileOpen.TAKEN,
        group=Group.OUTPUT,
        help="Of what: `person` (somebody must act), `end`, `start`, `wave`, `hold` (waiting for a "
        "minute), `window` (it opened, or ended before the rows did).",
        default_text='`["person", "end"]`',
        example=["person", "end", "wave"],
        has_flag=False,
    )

    def __str__(self) -> str:
        """Return `feishu: person,end`."""
        return f"{self.to or self.form}: {self.on}"


def _notify_rules(table: NotifySettings) -> Iterator[tuple[str, Issue]]:
    """Yield what does not fit together in a table `[notify.NAME]`."""
    urls = [key for key in ("url_env", "url_file") if getattr(table, key)]
    if table.to:
        for key in ("form", *urls, "secret_env"):
            if getattr(table, key):
                yield key, forms.wrong("means nothing beside `to`", f"leave out `to`, or `{key}`")
    elif table.form is None:
        yield (
            "",
            forms.wrong("names nobody", f"add `to`, or `form` ({', '.join(BotForm)}) and `url_env`"),
        )
    elif len(urls) != 1:
        what = "has both `url_env` and `url_file`" if urls else "does not say where the URL is"
        yield "", forms.wrong(what, 'write one of them, such as url_env = "BULK_NOTIFY_OPS"')
    if table.form and not table.to and table.secret_env and table.form not in SIGNED:
        yield "secret_env", forms.wrong(f"{table.form} signs nothing", "leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a person asks for: which rows, where, how fast and within which limits."""

    rows: str = setting(
        forms.FILE,
        while_open=WhileOpen.NO_EFFECT,
        group=Group.WHAT,
        help="The job file, relative to job.toml; `-` for standard input.",
        example="services.csv",
        has_flag=False,
    )
    name: str = setting(
        forms.NAME,
        "job",
        while_open=WhileOpen.NO_EFFECT,
        group=Group.WHAT,
        help="Name of the job, a part of its ledgers' names.",
        default_text="the name of the file or folder",
        example="move-ssh",
        has_flag=False,
    )
    ticket: str = setting(
        forms.TICKET,
        "",
        while_open=WhileOpen.TAKEN,
        group=Group.WHAT,
        help="The change ticket, or why this is done: one line, which ledger, reports and messages show.",
        example="CHG0012345",
    )
    format: Format | None = setting(
        forms.FORMAT,
        None,
        while_open=WhileOpen.NO_EFFECT,
        group=Group.WHAT,
        help="Format of the job file, `csv` or `jsonl`; without it the file name decides.",
        example="csv",
    )
    skip_invalid: bool = setting(
        forms.SWITCH,
        default=False,
        while_open=WhileOpen.REFUSED,
        group=Group.WHAT,
        help="Continue without the invalid rows.",
        example=True,
    )
    where: WhereSettings = WhereSettings()
    pace: PaceSettings = PaceSettings()
    when: WhenSettings = WhenSettings()
    guards: Guards = Guards()
    allow_parking: bool = setting(
        forms.SWITCH,
        default=False,
        while_open=WhileOpen.REFUSED,
        group=Group.LIMITS,
        help="Break a cycle of swapped ports by one intermediate PUT; the plan shows the gap in service.",
        example=True,
    )
    simulator: SimulatorSettings = setting(
        forms.table(SimulatorSettings, hint='write { fleet = "fleet.jsonl" }'),
        SimulatorSettings(),
        while_open=WhileOpen.REFUSED,
        group=Group.WHERE,
        help="A table for the bundled simulator: `fleet` is the file of its first fleet.",
        example={"fleet": "fleet.jsonl"},
        has_flag=False,
    )
    notify: tuple[tuple[str, NotifySettings], ...] = setting(
        forms.tables(
            NotifySettings,
            hint='write [notify.ops], and below it form = "feishu" and url_env = "BULK_NOTIFY_OPS"',
            rules=_notify_rules,
        ),
        (),
        while_open=WhileOpen.TAKEN,
        group=Group.OUTPUT,
        help="Tables `[notify.NAME]`: [who is notified](#who-is-notified) that a run ends or needs a person.",
        example={"ops": {"form": "feishu", "url_env": "BULK_NOTIFY_OPS"}},
        has_flag=False,
    )

    metrics: str = setting(
        forms.METRICS,
        "",
        while_open=WhileOpen.TAKEN,
        group=Group.OUTPUT,
        help="File for Prometheus' node exporter, by its absolute path, ending in `.prom`: "
        "[metrics](#metrics) of the run, written every 15 s and at the end.",
        example="/var/lib/node_exporter/textfile/bulk_move-ssh.prom",
        has_flag=False,
    )

    def spare_s(self, pages: int) -> float:
        """Return how long before its end a window takes in nothing new, for a last look of so many pages."""
        if self.when.spare is not None:
            return self.when.spare.seconds
        rate_per_s = (self.pace.rate or CAUTIOUS_RATE).per_s
        settle_s = self.settle_s(has_used_workers=False)
        return self.pace.total_timeout_s + settle_s + pages / rate_per_s + SPARE_BESIDES_S

    def settle_s(self, *, has_used_workers: bool) -> float:
        """Return how long after its turn a lost request may take effect, here or in an earlier session."""
        return self.pace.settle_s + (SEND_WITHIN_S if self.where.via or has_used_workers else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """What a command takes that reads a fleet and has no job: where, and how fast."""

    where: WhereSettings = WhereSettings()
    pace: PaceSettings = PaceSettings()


def settings_of(kind: type) -> dict[str, Setting]:
    """Return the settings of a dataclass and of its parts, by their names in job.toml."""
    found: dict[str, Setting] = {}
    for each in fields(kind):
        setting = each.metadata.get("setting")
        found |= {each.name: setting} if setting else settings_of(type(each.default))
    return found


# Every setting of a job, in the order of the table in jobs/README.md and of `--help`.
SETTINGS = settings_of(Job)
