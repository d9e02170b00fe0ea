"""The ledger's records, and their form as JSON.

One record is one line: `{"n":7,"at":"2026-01-15T08:30:00.123Z","type":"intent", … ,"sum":"…"}`. What a
type means is said at its class; `n`, `at`, `type` and `sum` belong to the line (`chain.py`).
"""

from dataclasses import MISSING, asdict, field, fields, replace
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, TypeAlias, assert_never

import orjson

from bulk.ledger.stops import BrakeReason
from bulk.model import (
    BODY_FIELDS,
    STATE_FIELDS,
    Action,
    Change,
    Hold,
    LaneName,
    Limit,
    ModifyBody,
    Outcome,
    Owner,
    Repeated,
    Reply,
    RequestKind,
    ServiceState,
    ServiceUpdate,
    SideEffect,
    Target,
    Why,
    known_target,
    ports_of,
    state_json,
    state_of,
    value,
    value_json,
)

FORMAT = 3
"""Version of the format that is written."""
READABLE = (2, FORMAT)
"""Versions that are read; any other is refused."""

LINE_BYTES_MAX = 4_194_304
"""Length of a line at most: of a `run` that is limited to 100,000 services, of a `change` with any maps."""

Json: TypeAlias = dict[str, Any]


class Purpose(StrEnum):
    """What a PUT of a row is for."""

    CHANGE = "change"
    PARK = "park"
    """The intermediate PUT of a broken cycle."""
    RESTORE = "restore"
    """A parked service gets back what it had."""


class AttemptFacts(NamedTuple):
    """What a reply that did not end the row means, and what the row waits for then, if for anything."""

    meaning: str
    hold: Hold | None = None


class AttemptResult(StrEnum):
    """What a reply that did not end the row meant."""

    THROTTLED = "throttled"
    RETRY = "retry"
    RENEWED = "renewed"
    UNREACHED = "unreached"
    NOT_SENT = "not_sent"
    ABORT = "abort"
    DENIED = "denied"
    DOUBT = "doubt"
    UNAPPLIED = "unapplied"
    REJECTED = "rejected"
    PARKED = "parked"

    @cached_property
    def facts(self) -> AttemptFacts:
        """Return its meaning in words, and what the row then waits for."""
        match self:
            case AttemptResult.THROTTLED:
                return AttemptFacts("throttled; costs the row no attempt", Hold.PUSH_BACK)
            case AttemptResult.RETRY:
                return AttemptFacts("surely not applied; to be sent again", Hold.BACKOFF)
            case AttemptResult.RENEWED:  # the row is not to blame
                return AttemptFacts("the token had expired and was renewed; to be sent again")
            case AttemptResult.UNREACHED:  # the row is not to blame
                return AttemptFacts("the API could not be reached by any row; to be sent again", Hold.BACKOFF)
            case AttemptResult.NOT_SENT:
                return AttemptFacts("it did not leave; to be sent")
            case AttemptResult.ABORT:
                return AttemptFacts("the API would answer this to every row; the run stops")
            case AttemptResult.DENIED:
                return AttemptFacts(
                    "not allowed (403), and no PUT of its key had been accepted; failed once one is", Hold.KEY
                )
            case AttemptResult.DOUBT:
                return AttemptFacts("perhaps applied; a read will show it", Hold.SETTLE)
            case AttemptResult.UNAPPLIED:
                return AttemptFacts("read: the service is as before; to be sent again", Hold.BACKOFF)
            case AttemptResult.REJECTED:
                return AttemptFacts(
                    "the last step of a cycle failed; the service gets back the mappings it had"
                )
            case AttemptResult.PARKED:
                return AttemptFacts("the intermediate step of a cycle is done; the last one must follow")
            case _:
                assert_never(self)


@value
class Run:
    """The first record: what this ledger is about; never a secret.

    `runs` is the absolute path of the folder in which the job's runs are kept, also where this ledger is
    elsewhere, and `file` is the name of the file by which the job was given. Both are empty where no run of a
    job is meant, as in version 0.1.0. A rollback names the run that it `takes_back`: the absolute path of its
    ledger, its run id, and the PUTs that it had sent when the rollback was planned. `rows_sha256` is the
    `job_sha256` of the run that a rollback or a retry is of in the end; empty where it is of none.
    """

    type: ClassVar[str] = "run"
    format: int = FORMAT
    run_id: str
    version: str
    job: str
    job_sha256: str
    rows_sha256: str = ""
    runs: str = ""
    file: str = ""
    options: Json
    targets: list[Json]
    """The targets, each with the host of its API."""
    user: str = ""
    """Who planned it, and on which machine; older ledgers do not say."""
    host: str = ""
    takes_back: Json | None = None


def rows_sha256_of(run: Json) -> str:
    """Return the digest of the rows that the runs, rollbacks and retries of one job have in common."""
    return str(run.get("rows_sha256") or run["job_sha256"])


@value
class Planned:
    """The plan is complete and fixed from here on."""

    type: ClassVar[str] = "planned"
    rows: int
    counts: dict[str, int]
    """Number of rows by action."""
    footprint: dict[str, int] = field(default_factory=dict)
    """What the plan reaches: the members of `Footprint`; those left out are 0."""
    pages: list[int] = field(default_factory=list)
    """Requests that listing each target took, in the order of `Run.targets`; older ledgers have none."""
    owners: list[Json] = field(default_factory=list)
    """What is known of the `Owner` of each target, in the same order; older ledgers have none."""
    digest: str


@value
class Session:
    """A process began to work on the plan, whose digest it names, with these counts of outcomes.

    The format is that of the records from here on; the run may have begun in an earlier one. `flags` are the
    settings that this session or an earlier one was given on the command line, or by a variable. `opening` is
    the opening of the window that it works in (`stated_opening.py`); null without one. `lanes` has that of
    each target of the plan.
    """

    type: ClassVar[str] = "session"
    format: int = FORMAT
    host: str
    pid: int
    user: str
    settings: Json
    flags: list[str] = field(default_factory=list)
    opening: Json | None = None
    digest: str
    counts: dict[str, int]
    lanes: list[Json] = field(default_factory=list)


@value
class Intent:
    """A PUT is about to leave; durable before it does."""

    type: ClassVar[str] = "intent"
    row: int
    attempt: int
    purpose: Purpose = Purpose.CHANGE


@value
class Attempt:
    """A reply, or the lack of one, that did not end the row."""

    type: ClassVar[str] = "attempt"
    row: int
    attempt: int
    verdict: AttemptResult
    reply: Reply
    hold: Hold | None = None
    """What the row waits for then, where that is not what the verdict says."""
    hold_s: float = 0.0


class Left(StrEnum):
    """How an outcome left its service, where the outcome alone does not say."""

    PARKED = "parked"
    """The service is without what its intermediate PUT took away."""


@value
class OutcomeRecord:
    """How a row ended, with what was observed where that is not what was asked.

    `unconfirmed` are the fields of an applied row that no reply shows, so that nobody can say what they are.
    """

    type: ClassVar[str] = "outcome"
    row: int
    outcome: Outcome
    reply: Reply = field(default_factory=Reply)
    attempts: int = 0
    observed: ServiceState | None = None
    left: Left | None = None
    unconfirmed: tuple[str, ...] = ()


@value
class Held:
    """What is waited for, since when and, as far as known, until when (UTC)."""

    hold: Hold
    who: str
    """What waits: `rows`, `reads` or `writes`."""
    since: str
    until: str = ""
    detail: str = ""
    is_over: bool = False


@value
class Note:
    """Something for the reader of the ledger, such as a warning, or what is waited for."""

    type: ClassVar[str] = "note"
    about: str
    message: str
    row: int | None = None
    held: Held | None = None


@value
class PaceRecord:
    """How fast the requests of one kind may leave in a lane from now on, and what holds them for how long.

    The limit is the server's as it is believed to be, and `why` where that belief comes from.
    """

    type: ClassVar[str] = "pace"
    lane: LaneName
    kind: RequestKind
    rate_per_s: float
    limit: Limit | None = None
    why: Why | None = None
    noise: float = 0.0
    """Share of requests that is refused whatever the rate."""
    hold: Hold = Hold.RATE
    left_s: float = 0.0


class DecidedBy(StrEnum):
    """Who decides about a run."""

    OPERATOR = "operator"
    JUDGE = "judge"
    LIMIT = "limit"


class Ruling(StrEnum):
    """The ruling on a wave."""

    GO = "go"
    STOP = "stop"
    UNSURE = "unsure"


class DecisionKind(StrEnum):
    """What is decided; later versions have more kinds."""

    STOP = "stop"
    """No new row is sent from here on."""
    DESPITE = "despite"
    """The stop of this id is lifted."""
    LEAVE = "leave"
    """The run is left as it is for another one, although the stop of this id stands, if it has an id."""
    WAVE = "wave"
    """The rows of a wave were judged."""
    ROLLED_BACK = "rolled_back"
    """A rollback of the run began, which has this id and this ledger; nobody goes on with the run."""
    PAUSE = "pause"
    """Nothing begins but must-finish rows, over all sessions, until an `unpause`."""
    UNPAUSE = "unpause"
    RATE = "rate"
    """The most PUTs a second in a lane, over all sessions; without a figure as many as the job allows."""
    DECLINED = "declined"
    """The command of this id was not taken."""


@value
class Decision:
    """A person's, a judge's or a limit's word about the run, and the id by which a person may name it.

    What a later version decided is kept and shown.
    """

    type: ClassVar[str] = "decision"
    by: DecidedBy
    what: str
    """A `DecisionKind`; of a later version perhaps another."""
    reason: str
    user: str = ""
    host: str = ""
    id: str = ""
    wave: int | None = None
    ruling: Ruling | None = None
    cause: BrakeReason | None = None
    """Why the run is stopped."""
    effects: tuple[SideEffect, ...] = ()
    failures_max: int | None = None
    """The limit of failures: the one that stopped the run, or the one that holds from here on."""
    ledger: str = ""
    rate_per_s: float | None = None
    """The most PUTs a second in a lane, where the decision is a `rate`."""


@value
class End:
    """Why the session stopped: `reasons` has all, `reason` the first; `counts` are the outcomes then.

    `ticket` is that of the session, whose own record may be far from the end; older ledgers do not say.
    """

    type: ClassVar[str] = "end"
    reason: BrakeReason
    reasons: list[str]
    ticket: str = ""
    digest: str
    counts: dict[str, int]


class ChangeRecord(NamedTuple):
    """A `change` as it is written: the members that are folded, and the others."""

    head: Json
    rest: bytes
    """The JSON of the other members, with a comma in front."""


Record: TypeAlias = (
    ChangeRecord
    | Run
    | Change
    | Planned
    | Session
    | Intent
    | Attempt
    | OutcomeRecord
    | PaceRecord
    | Decision
    | Note
    | End
)


def body_of(json: Json) -> ModifyBody:
    """Return the body of what `ModifyBody.named` returned."""
    return ModifyBody(**({**json, "ports": ports_of(json["ports"])} if "ports" in json else json))


_ASKED = {
    each.name: each.default
    for each in fields(ServiceUpdate)
    if each.default is not MISSING and each.name != "note"  # which a `change` always has
}
"""What a row may ask besides the fields of a body, with what stands for nothing."""
_asked = attrgetter(*_ASKED)
_NOTHING_ASKED = tuple(_ASKED.values())


def _change_json(change: Change) -> Json:
    update = change.update
    json: Json = {
        "row": update.row,
        "place": update.place,
        "target": target_json(change.target),
        "service_id": update.service_id,
        "action": change.action._value_,
        "reason": change.reason,
        "after": list(change.after),
        "note": update.note,
        "before": state_json(change.before) if change.before else None,
        "body": change.body.named(),
    }
    if change.cause:
        json["cause"] = change.cause
    if change.parking is not None:
        json["parking"] = change.parking.named()
    if change.after_parked:
        json["after_parked"] = list(change.after_parked)
    # Most rows ask for nothing but their body; this spares them the comparison field by field.
    is_plain = update.body is change.body and _asked(update) == _NOTHING_ASKED
    if not is_plain and (asked := _asked_json(change)):
        json["asked"] = asked
    return json


class Alike:
    """The `change` records of changes that are like one another: all that is the same is made once."""

    def __init__(self, like: Change) -> None:
        json = _change_json(like)
        names = (*json,)
        behind = names.index("before") + 1
        self._head = {name: json[name] for name in names[: behind - 1]}
        self._rest = orjson.dumps({name: json[name] for name in names[behind:]})[1:-1]

    def record(self, change: Repeated) -> ChangeRecord:
        """Return the record of one of them."""
        update = change.update
        own = {"row": update.row, "place": update.place, "service_id": update.service_id, "note": update.note}
        return ChangeRecord(
            {**self._head, **own}, b',"before":%b,%b' % (change.before or b"null", self._rest)
        )


def _asked_json(change: Change) -> Json:
    """Return what the row asks that its body does not show: edits, expectations, what it leaves out."""
    update, mine, sent = change.update, change.update.body, change.body
    asked = {name: getattr(mine, name) for name in BODY_FIELDS if getattr(mine, name) != getattr(sent, name)}
    asked |= {name: value for name, nothing in _ASKED.items() if (value := getattr(update, name)) != nothing}
    return {name: value_json(value) for name, value in asked.items()}


def change_of(json: Json) -> Change:
    """Return the change of a `change` record; formats before 3 have nothing `asked`."""
    body, target = body_of(json["body"]), target_of(json["target"])
    update = ServiceUpdate(
        row=json["row"],
        place=json["place"],
        target=target,
        service_id=json["service_id"],
        body=body,
        note=json["note"],
    )
    return Change(
        update=_as_asked(update, json["asked"]) if "asked" in json else update,
        target=target,
        action=_ACTIONS[json["action"]],
        reason=json["reason"],
        cause=json.get("cause", ""),
        after=tuple(json["after"]),
        before=state_of(json["before"]) if json["before"] else None,
        body=body,
        parking=body_of(json["parking"]) if "parking" in json else None,
        after_parked=tuple(json.get("after_parked", ())),
    )


_ACTIONS = {action.value: action for action in Action}


def _as_asked(update: ServiceUpdate, json: Json) -> ServiceUpdate:
    """Return an update with what `_asked_json` returned; members of a later version are passed over."""
    asked: Json = {
        name: ports_of(json[name]) if type(json[name]) is list else json[name]
        for name in (*BODY_FIELDS, *_ASKED)
        if name in json
    }
    body = {name: asked.pop(name) for name in BODY_FIELDS if name in asked}
    return replace(update, body=replace(update.body, **body) if body else update.body, **asked)


def settings_of_run(run: Json) -> Json:
    """Return the settings that a plan was made with, as job.toml has them, from its `run` record."""
    settings = {name: value for name, value in run["options"].items() if name != "limit"}
    return settings | {"endpoint": settings["endpoint"]["url"]}


def target_of(json: Json) -> Target:
    """Return a target from its JSON; members that a later version added are passed over."""
    return known_target(json["region"], json["project_id"], json["profile"])


def owners_of(run: Json, planned: Json) -> dict[Target, Owner]:
    """Return what is known of the owner of each target, by the first records of a ledger."""
    targets = map(target_of, run.get("targets", ()))
    return {
        target: Owner(**{name: json.get(name, "") for name in Owner._fields})
        for target, json in zip(targets, planned.get("owners", ()), strict=False)
    }


def target_json(target: Target) -> Json:
    """Return a target as JSON."""
    return {"region": target.region, "project_id": target.project_id, "profile": target.profile}


def limit_of(json: Json) -> Limit:
    """Return a limit read back from its members; raise KeyError, TypeError or ValueError where it is none."""
    return Limit(
        requests=int(json["requests"]), window_s=float(json["window_s"]), policy=_text(json, "policy")
    )


def pace_of(json: Json) -> PaceRecord:
    """Return a `pace` record read back; raise KeyError, TypeError or ValueError where it is none."""
    lane, limit, why = json["lane"], json["limit"], json["why"]
    return PaceRecord(
        lane=LaneName(*(_text(lane, name) for name in LaneName._fields)),
        kind=RequestKind(json["kind"]),
        rate_per_s=float(json["rate_per_s"]),
        limit=limit_of(limit) if limit else None,
        why=Why(why) if why else None,
        noise=float(json.get("noise", 0.0)),  # version 0.1.0 knew of none
        hold=Hold(json["hold"]),
        left_s=float(json["left_s"]),
    )


def decision_of(json: Json) -> Decision:
    """Return a `decision` record read back; raise KeyError, TypeError or ValueError where it is none."""
    wave, ruling, cause, most, rate_per_s = map(
        json.get, ("wave", "ruling", "cause", "failures_max", "rate_per_s")
    )
    return Decision(
        by=DecidedBy(json["by"]),
        what=_text(json, "what"),
        reason=_text(json, "reason"),
        wave=None if wave is None else int(wave),
        ruling=Ruling(ruling) if ruling else None,
        cause=BrakeReason(cause) if cause else None,
        effects=tuple(_effect_of(name, value) for name, value in dict(json.get("effects", {})).items()),
        failures_max=None if most is None else int(most),
        rate_per_s=None if rate_per_s is None else float(rate_per_s),
        **{name: _text(json, name) for name in ("user", "host", "id", "ledger") if name in json},
    )


def _effect_of(name: str, value: Any) -> SideEffect:
    if name not in STATE_FIELDS:
        raise ValueError(f"effects: {name!r}")
    return SideEffect(name, ports_of(value) if type(value) is list else value)


def _text(json: Json, name: str) -> str:
    value = json[name]
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r}")
    return value


def _reply_json(reply: Reply) -> Json:
    json = {
        "http": reply.http,
        "code": reply.code,
        "message": reply.message,
        "request_id": reply.request_id,
        "ms": reply.ms,
    }
    if reply.encoded_authorization_message:
        json["encoded_authorization_message"] = reply.encoded_authorization_message
    return json


def reply_of(json: Json) -> Reply:
    """Return the reply that an `attempt` or `outcome` record has."""
    return Reply(**{name: json[name] for name in _REPLY_MEMBERS if name in json})


_REPLY_MEMBERS = tuple(member.name for member in fields(Reply))


_SAID = {"what", "reason"}
"""Members that a decision has even where they are empty."""


def record_json(record: Record) -> Json:
    """Return the members of a record besides `n`, `at`, `type` and `sum`."""
    match record:
        case ChangeRecord():
            return record.head
        case Change():
            return _change_json(record)
        case Intent():
            json: Json = {"row": record.row, "attempt": record.attempt}
            return json if record.purpose is Purpose.CHANGE else {**json, "purpose": record.purpose.value}
        case Attempt():
            json = {"row": record.row, "attempt": record.attempt, "verdict": record.verdict.value}
            json["hold"], json["hold_s"] = record.hold or record.verdict.facts.hold, record.hold_s
            return {**json, **_reply_json(record.reply)}
        case OutcomeRecord():
            json = {"row": record.row, "outcome": record.outcome.value, **_reply_json(record.reply)}
            json["attempts"] = record.attempts
            if record.left:
                json["left"] = record.left.value
            if record.unconfirmed:
                json["unconfirmed"] = record.unconfirmed
            return {**json, "observed": state_json(record.observed)} if record.observed else json
        case PaceRecord():
            json = {member.name: getattr(record, member.name) for member in fields(record)}
            limit = asdict(record.limit) if record.limit else None
            return {**json, "lane": record.lane._asdict(), "limit": limit}
        case Note():
            json = {"about": record.about, "message": record.message, "row": record.row}
            return {**json, "held": asdict(record.held)} if record.held else json
        case Decision():
            json = {each.name: getattr(record, each.name) for each in fields(record)}
            json["effects"] = {each.field: value_json(each.value) for each in record.effects}
            return {
                name: value for name, value in json.items() if value not in (None, "", {}) or name in _SAID
            }
        case _:
            return {member.name: getattr(record, member.name) for member in fields(record)}


def record_type(record: Record) -> str:
    """Return the `type` member of a record."""
    return "change" if isinstance(record, Change | ChangeRecord) else record.type
