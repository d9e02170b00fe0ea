"""The values of `bulk`: frozen, valid by construction, without any effect.

Field names of services and port mappings are the API's own (`PUT
/v1/{project_id}/vpc-endpoint-services/{vpc_endpoint_service_id}`).
"""

from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple, NewType, Self, TypeAlias, TypeVar, assert_never, dataclass_transform

import orjson

T = TypeVar("T")

PORT_MAX = 65_535
MAPPINGS_MAX = 200
"""Most mappings that one PUT may carry (API.md, section 1.1)."""
ROWS_MAX = 2_000_000
"""Highest number of a row; what a ledger takes in memory grows with it, about 40 bytes a row."""
WAVES_MAX = 1_000
"""The highest number of a wave that a row may name."""
TARGETS_MAX = 10_000
"""Most targets of one plan."""
COUNT_MAX = 10**12
"""Highest count that is believed, of consumers or of anything else."""


class Comparison(StrEnum):
    """What two states of one service are compared for."""

    DRIFT = "drift"  # the plan's state and the live one: a service that moved since is not sent anything
    SETTLING = "settling"  # the state before a lost PUT and the live one: if it is the same, nothing landed
    SIDE_EFFECTS = "side effects"  # the states before and after a PUT: what no row asked for must stay
    DISPLAY = "display"  # the fields that a report shows in both states


def compared_for(*comparisons: Comparison, default: Any = MISSING) -> Any:
    """Return a field of `ServiceState` that counts in these comparisons; it may count in none."""
    return field(default=default, metadata={"comparisons": comparisons})


@dataclass_transform(
    eq_default=True, kw_only_default=True, frozen_default=True, field_specifiers=(field, compared_for)
)
def value(cls: type[T]) -> type[T]:
    """Make a class a frozen, slotted, keyword-only dataclass (class decorator).

    It is frozen for the type checker, which goes over every line. Nothing enforces it at run time: that
    would make each of these, of which a run builds some twenty a row, take three times as long.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)


ServiceId = NewType("ServiceId", str)
"""A `vpc_endpoint_service_id`: a lower-case UUID with dashes."""


def is_service_id(value: Any) -> bool:
    """Return whether a value can be the id of a service: 36 letters, digits and dashes, safe in a path."""
    return (
        type(value) is str
        and len(value) == _ID_CHARS
        and value.replace("-", "").isalnum()
        and value.isascii()
    )


_ID_CHARS = 36


class Protocol(StrEnum):
    """The transport protocols a port mapping may name."""

    TCP = "TCP"
    UDP = "UDP"


PROTOCOLS = frozenset(Protocol)


class Format(StrEnum):
    """How a job file is written; in CSV the header decides between the long and the wide layout."""

    CSV = "csv"
    JSONL = "jsonl"


class PortMapping(NamedTuple):
    """One entry of the API's `ports`: what the consumer dials and where it ends.

    A tuple, since maps are compared as sets of these, for each service several times.
    """

    client_port: int
    """Port the consumer dials on the endpoint, 1-65535."""
    server_port: int
    """Port of the backend, 1-65535."""
    protocol: Protocol = Protocol.TCP

    def __str__(self) -> str:
        """Return `8081:22/TCP`, the form of the wide CSV layout."""
        return f"{self.client_port}:{self.server_port}/{self.protocol._value_}"


Ports: TypeAlias = tuple[PortMapping, ...]


@lru_cache(65_536)
def port_mapping(client_port: int, server_port: int, protocol: str) -> PortMapping:
    """Return the mapping of these values; a fleet has few different ones, so each is made and kept once.

    Raises ValueError for ports that are none, and for another protocol.
    """
    for port in (client_port, server_port):
        if type(port) is not int or not 1 <= port <= PORT_MAX:
            raise ValueError(f"a port is a whole number from 1 to {PORT_MAX}")
    return PortMapping(client_port=client_port, server_port=server_port, protocol=Protocol(protocol))


def has_udp(ports: Ports) -> bool:
    """Return whether any of the mappings is one of UDP."""
    for mapping in ports:  # noqa: SIM110 - four times as fast as `any`, and a file has a million rows
        if mapping[2] is _UDP:
            return True
    return False


_UDP = Protocol.UDP


def ports_json(ports: Ports) -> list[dict[str, Any]]:
    """Return the API's form of `ports`."""
    return [
        {"client_port": client_port, "server_port": server_port, "protocol": protocol._value_}
        for client_port, server_port, protocol in ports
    ]


def value_json(value: Any) -> Any:
    """Return the JSON of one field's value: of ports the API's form, of anything else the value itself."""
    return ports_json(value) if isinstance(value, tuple) else value


class Target(NamedTuple):
    """A project that one client works in; a tuple, since it is looked up for every row."""

    region: str
    project_id: str
    """32 hex digits; empty until the project of the region has been looked up."""
    profile: str = ""
    """Name of a credentials profile; empty means the default chain."""

    def __str__(self) -> str:
        """Return `region/project_id`, with the profile in front where one is named."""
        place = f"{self.region}/{self.project_id or '(project of the region)'}"
        return f"{self.profile}@{place}" if self.profile else place


known_target = cache(Target)  # equal targets are one object; by position: names take longer


class LaneName(NamedTuple):
    """The name of a lane: all targets that share one rate limit at the API have the same.

    The host is the API's, or `simulator`. The account is an id or a name, or the end of an access key with a
    digest of it, never the whole key.
    """

    host: str
    region: str
    account: str

    def __str__(self) -> str:
        """Return the name that a person reads; an account is never named."""
        return f"lane {self.region}"


class Owner(NamedTuple):
    """The owner of the services that a client sees, as far as known; it is shown and nothing else."""

    account: str = ""
    """The account's id (the domain id of `GET /v3/projects`) or name."""
    key: str = ""
    """The last four characters of the access key, where there is one."""
    project: str = ""
    """The project's name."""
    iam: str = ""
    """The host of IAM, where the credentials or the project make a run ask it."""
    worker: str = ""
    """The host of the worker that signs and sends for us; empty where requests leave from here."""

    def name(self, profile: str) -> str:
        """Return what tells it from other owners: its account, the end of its key, or the `profile`."""
        return self.account or self.key or profile


class RequestKind(StrEnum):
    """The kinds of request that the API counts apart."""

    READS = "reads"
    WRITES = "writes"


@value
class Issue:
    """Why a row or a job cannot be used: where, what is wrong, what to write instead."""

    place: str
    """`file:line:column`, as far as known."""
    field: str
    """Name of the column or setting; empty when the whole line is meant."""
    message: str
    hint: str
    cause: str = ""
    """What issues of one cause share, where their hints differ."""

    @property
    def kind(self) -> tuple[str, str]:
        """Return what issues of one cause have in common: the column and the advice."""
        return self.field.partition("[")[0], self.cause or self.hint

    def __str__(self) -> str:
        """Return the issue as one line for a person."""
        subject = f"{self.field}: " if self.field else ""
        return f"{self.place}: {subject}{self.message}; {self.hint}"


@value
class ModifyBody:
    """The body of one PUT; None means that the field is not sent and so stays as it is."""

    ports: Ports | None = None
    approval_enabled: bool | None = None
    port_id: str | None = None
    vip_port_id: str | None = None
    service_name: str | None = field(default=None, metadata={"may_be_empty": True})
    description: str | None = field(default=None, metadata={"may_be_empty": True})
    tcp_proxy: str | None = None
    ip: str | None = None

    def given(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {name: value for name in BODY_FIELDS if (value := getattr(self, name)) is not None}

    def named(self) -> dict[str, Any]:
        """Return the JSON object to send: only the fields that are set, ports as API objects."""
        json = self.given()
        if self.ports is not None:
            json["ports"] = ports_json(self.ports)
        return json


BODY_FIELDS = tuple(field.name for field in fields(ModifyBody))
MAY_BE_EMPTY = frozenset(field.name for field in fields(ModifyBody) if "may_be_empty" in field.metadata)
"""Fields that a PUT can set to an empty text (API.md, section 1.1)."""


USUAL_NAME_CHARS_MAX, LONG_NAME_CHARS_MAX = 16, 64
"""The short name of a service at most: at most clouds, and on Huawei Cloud Stack."""


class Caution(StrEnum):
    """What a row may ask that the API perhaps refuses or never shows (API.md, section 1.1)."""

    VIP_PORT_ID = "vip_port_id"
    UDP = "UDP"
    LONG_NAME = "service_name"

    @property
    def facts(self) -> "CautionFacts":
        """Return the words with which `check` and the plan warn of this."""
        match self:
            case Caution.VIP_PORT_ID:
                return CautionFacts(
                    message="it is in no current document of the API",
                    hint="no reply may ever show whether it was set; look at the service afterwards",
                )
            case Caution.UDP:
                return CautionFacts(
                    message="not every region takes it",
                    hint="one that does not refuses the row with EndPoint.3075; try a single row first",
                )
            case Caution.LONG_NAME:
                return CautionFacts(
                    message=f"only Huawei Cloud Stack takes more than {USUAL_NAME_CHARS_MAX} characters",
                    hint="any other cloud refuses the row with EndPoint.1003; shorten the name there",
                )
            case _:
                assert_never(self)

    def __str__(self) -> str:
        """Return the caution in few words, since a plan has it at every row."""
        return f"{self.value}: {self.facts.message}"


@value
class CautionFacts:
    """Why something is to be looked at twice, and what to do about it."""

    message: str
    hint: str


@value
class ServiceUpdate:
    """One row of the job file: a service, and what is asked of it."""

    row: int
    """1, 2, 3 … in the order of the file, without gaps."""
    place: str
    """Where the row stands: `services.csv:18`."""
    target: Target
    service_id: ServiceId
    body: ModifyBody
    """The fields the row names; `ports` is None where only `add_ports` or `remove_ports` are given."""
    add_ports: Ports = ()
    remove_ports: Ports = ()
    expect_ports: Ports | None = None
    note: str = ""
    wave: int | None = None
    """The wave that the row names, from 1, where the waves of its job go by that."""


ASKED_FIELDS = tuple(each.name for each in fields(ServiceUpdate) if each.default is not MISSING)
"""The fields of a row that may be left out, since they have a default."""


@value
class InvalidRow:
    """A row that cannot be used, kept so that every row of the file is accounted for."""

    row: int
    place: str
    service_id: str
    """The service_id as written in the file, perhaps empty."""
    issues: tuple[Issue, ...]


@value
class ServiceState:
    """A service as the API shows it; a field is None where the reply did not show it.

    Each field says what it is compared for. `status` changes by itself while a PUT takes effect, so it is no
    side effect; the form of timestamps varies, and consumers come and go.
    """

    id: ServiceId = compared_for()
    ports: Ports = compared_for(*Comparison)
    status: str = compared_for(Comparison.DRIFT, Comparison.SETTLING, Comparison.DISPLAY)
    service_type: str | None = compared_for(*Comparison, default=None)
    server_type: str | None = compared_for(*Comparison, default=None)
    port_id: str | None = compared_for(*Comparison, default=None)
    vip_port_id: str | None = compared_for(*Comparison, default=None)
    vpc_id: str | None = compared_for(*Comparison, default=None)
    project_id: str | None = compared_for(default=None)
    service_name: str | None = compared_for(*Comparison, default=None)
    """The stored form: `region.name.id`, or `region.id` where no name was given."""
    description: str | None = compared_for(*Comparison, default=None)
    approval_enabled: bool | None = compared_for(*Comparison, default=None)
    tcp_proxy: str | None = compared_for(*Comparison, default=None)
    ip: str | None = compared_for(*Comparison, default=None)
    enable_policy: bool | None = compared_for(Comparison.SIDE_EFFECTS, default=None)
    """Whether a policy of the endpoints decides what may pass; no PUT names it."""
    public_border_group: str | None = compared_for(Comparison.SIDE_EFFECTS, default=None)
    connection_count: int | None = compared_for(default=None)
    created_at: str | None = compared_for(default=None)
    updated_at: str | None = compared_for(default=None)
    error: str | None = compared_for(default=None)
    """What is wrong with a failed service: codes and messages, for people."""

    def completed_by(self, other: "ServiceState | None") -> "ServiceState":
        """Return this state, with what it does not show taken from `other`, an earlier state."""
        names = (each.name for each in fields(self) if getattr(self, each.name) is None)
        return replace(self, **{name: getattr(other, name) for name in names}) if other else self

    @property
    def is_sound(self) -> bool:
        """Return whether the API says that the service works, or says nothing of it."""
        return self.status in {AVAILABLE, ""}

    @property
    def may_become_sound(self) -> bool:
        """Return whether the status is one that a service may leave by itself, or one that nobody knows."""
        return not self.is_sound and self.status not in _FINAL

    @property
    def standing(self) -> str:
        """Return the status and, of a failed service, what is wrong with it."""
        return f"{self.status} ({self.error})" if self.error else self.status

    @property
    def short_name(self) -> str:
        """Return the part of `service_name` that a PUT may change."""
        parts = (self.service_name or "").split(".")
        if len(parts) >= 3:  # noqa: PLR2004 - region.name.id (API.md, section 1.1)
            return ".".join(parts[1:-1])
        return "" if parts[-1] == self.id else parts[-1]

    def differences(self, other: "ServiceState", compared: tuple[str, ...]) -> tuple[str, ...]:
        """Return the fields, of those `compared`, that both states have and that differ; ports are a set.

        What is compared depends on what for: `DRIFT_FIELDS`, `SETTLING_FIELDS` and so on.
        """
        return tuple(
            [
                name
                for name in compared
                if (mine := getattr(self, name)) != (theirs := getattr(other, name))
                and mine is not None
                and theirs is not None
                and not (name == "ports" and set(mine) == set(theirs))
            ]
        )

    def mismatches(self, body: ModifyBody) -> tuple[str, ...]:
        """Return the fields of `body` that this state shows otherwise than asked; ports are a set."""
        return tuple(
            [
                name
                for name in BODY_FIELDS
                if (wanted := getattr(body, name)) is not None and not self._has(name, wanted)
            ]
        )

    def confirms(self, body: ModifyBody) -> bool:
        """Return whether this state shows every field of `body` as asked."""
        return not self.mismatches(body) and not self.unshown(body)

    def unshown(self, body: ModifyBody) -> tuple[str, ...]:
        """Return the fields of `body` that this state does not show at all, which proves nothing."""
        return tuple(
            [name for name in BODY_FIELDS if getattr(body, name) is not None and getattr(self, name) is None]
        )

    def _has(self, name: str, wanted: Any) -> bool:
        if name == "ports":
            return self.ports == wanted or set(self.ports) == set(wanted)
        if name == "service_name":
            return self.service_name is None or self.short_name == wanted
        present = getattr(self, name)
        return present is None or present == wanted


AVAILABLE = "available"
"""The status of a service that works; only such a one is changed."""
_FINAL = frozenset({"failed", "deleting"})
STATE_FIELDS = tuple(field.name for field in fields(ServiceState))


def _fields_of(comparison: Comparison) -> tuple[str, ...]:
    """Return the fields that count in a comparison; a field without `compared_for` is a KeyError at once."""
    return tuple(each.name for each in fields(ServiceState) if comparison in each.metadata["comparisons"])


# Computed once: looking up a member of an enum costs as much as comparing two fields.
DRIFT_FIELDS = _fields_of(Comparison.DRIFT)
SETTLING_FIELDS = _fields_of(Comparison.SETTLING)
SIDE_EFFECT_FIELDS = _fields_of(Comparison.SIDE_EFFECTS)
DISPLAY_FIELDS = _fields_of(Comparison.DISPLAY)


def ports_of(json: list[dict[str, Any]]) -> Ports:
    """Return the mappings of what `ports_json` returned; equal mappings are one object."""
    return tuple([port_mapping(m["client_port"], m["server_port"], m["protocol"]) for m in json])


def state_json(state: ServiceState) -> dict[str, Any]:
    """Return a service as JSON: the fields that are known."""
    json = {name: value for name in STATE_FIELDS if (value := getattr(state, name)) is not None}
    json["ports"] = ports_json(state.ports)
    return json


def state_of(json: dict[str, Any]) -> ServiceState:
    """Return the service of what `state_json` returned."""
    known = json if json.keys() <= _STATE_FIELDS else {n: json[n] for n in STATE_FIELDS if n in json}
    return ServiceState(**{**known, "ports": ports_of(json["ports"])})


_STATE_FIELDS = frozenset(STATE_FIELDS)


class Listed(NamedTuple):
    """A service as an entry of a list shows it; a tuple of few, since a fleet has a million."""

    id: ServiceId
    port_id: str | None
    json: bytes
    """The service in the form that a ledger has: the JSON of `state_json`."""

    @classmethod
    def of(cls, state: ServiceState) -> Self:
        """Return a service in this form."""
        return cls(state.id, state.port_id, orjson.dumps(state_json(state)))

    @property
    def state(self) -> ServiceState:
        """Return the whole service, read anew each time."""
        return state_of(orjson.loads(self.json))


class SideEffect(NamedTuple):
    """A field that a PUT changed although no row asked for it, and the value that it got."""

    field: str
    value: Any


# The facts of a closed set stand beside its members, in one `match` that ends in `assert_never`: the type
# checker then refuses a member without facts. It does not check the arguments of an enum's `__init__`, nor
# whether a table has every member.


class Sigil(StrEnum):
    """The first character of a row's line in a report: `grep '^!'` finds all that went wrong."""

    TO_CHANGE = "~"
    DONE = "+"
    ALREADY_RIGHT = "="
    WRONG = "!"
    UNKNOWN = "?"
    NOT_SENT = "-"


@value
class ResultFacts:
    """How reports show what the plan decided for a row, or how the row ended: sigil and words.

    `as_asked` says whether the service then is what the row wants.
    """

    sigil: Sigil
    phrase: str
    as_asked: bool = False

    @property
    def needs_person(self) -> bool:
        """Return whether somebody has to look at such a row."""
        return self.sigil in {Sigil.WRONG, Sigil.UNKNOWN}


class Action(StrEnum):
    """What the plan decided for a row."""

    UPDATE = "update"
    KEEP = "keep"
    REFUSE = "refuse"

    @cached_property
    def facts(self) -> ResultFacts:
        """Return how reports show it."""
        match self:
            case Action.UPDATE:
                return ResultFacts(sigil=Sigil.TO_CHANGE, phrase="to update")
            case Action.KEEP:
                return ResultFacts(sigil=Sigil.ALREADY_RIGHT, phrase="already right", as_asked=True)
            case Action.REFUSE:
                return ResultFacts(sigil=Sigil.WRONG, phrase="refused")
            case _:
                assert_never(self)


class PlanRefusal(NamedTuple):
    """Why the plan refuses a row and what to do about it; `cause` as in `Change`."""

    reason: str
    cause: str = ""


@value
class Change:
    """Before -> after for one service, with the exact PUT body."""

    update: ServiceUpdate  # what the row asks for
    target: Target  # the row's target, its project looked up
    action: Action
    body: ModifyBody
    before: ServiceState | None = None
    """The whole service as the plan saw it; None where it was not found."""
    reason: str = ""
    """Why the row is refused, or a warning about it."""
    cause: str = ""
    """What refusals of one kind share, where their reasons differ: the reason without its particulars."""
    after: tuple[int, ...] = ()
    """Rows that must be applied before this one, in the order in which the plan ends them."""
    parking: ModifyBody | None = None
    """The intermediate PUT that frees ports which other rows need; None where no cycle is broken here."""
    after_parked: tuple[int, ...] = ()
    """Rows whose `parking` must have been applied before this one may be sent."""

    @property
    def row(self) -> int:
        """Return the number of the row."""
        return self.update.row

    @property
    def place(self) -> str:
        """Return where the row stands in its file."""
        return self.update.place

    @property
    def service_id(self) -> ServiceId:
        """Return the service to change."""
        return self.update.service_id

    @property
    def added(self) -> Ports:
        """Return the mappings that the PUT adds."""
        return _minus(self._wanted, self._present)

    @property
    def removed(self) -> Ports:
        """Return the mappings that the PUT removes."""
        return _minus(self._present, self._wanted)

    @property
    def kept(self) -> Ports:
        """Return the mappings that are there before and after."""
        wanted = set(self._wanted)
        return tuple(m for m in self._present if m in wanted)

    @property
    def out_of_service(self) -> Ports:
        """Return the mappings that are gone between the intermediate PUT and the last one."""
        return _minus(self._present, self.parking.ports or ()) if self.parking else ()

    @property
    def _present(self) -> Ports:
        return self.before.ports if self.before else ()

    @property
    def _wanted(self) -> Ports:
        return self._present if self.body.ports is None else self.body.ports


def _minus(these: Ports, those: Ports) -> Ports:
    if these == those:
        return ()
    other = those if len(those) <= _FEW else frozenset(those)
    return tuple([m for m in these if m not in other])


_FEW = 8
"""Mappings that are looked through faster one by one than as a set."""


class Repeated(NamedTuple):
    """A change that is like another one but for its row, place, note and service."""

    like: Change
    update: ServiceUpdate
    before: bytes | None
    """The service as the list shows it, in the form that a ledger has; None where it was not found."""

    @property
    def service_id(self) -> ServiceId:
        """Return the service to change."""
        return self.update.service_id


PlannedChange: TypeAlias = Change | Repeated


class Outcome(StrEnum):
    """How a row ended; the counts of all of them sum to the rows of the job at every exit."""

    APPLIED = "applied"
    ALREADY = "already"
    FAILED = "failed"
    """The API rejected it."""
    REFUSED = "refused"
    """The plan refused it."""
    DRIFTED = "drifted"
    """The service moved since the plan; nothing was sent."""
    CONFLICT = "conflict"
    """Reading shows neither what was asked nor what was before; a person decides."""
    IN_DOUBT = "in_doubt"
    """Never written: an intent whose outcome is not known yet."""
    BLOCKED = "blocked"
    """A row it had to wait for did not end as asked."""
    NOT_ATTEMPTED = "not_attempted"
    """Never written: the run stopped before this row."""

    @cached_property
    def facts(self) -> ResultFacts:
        """Return how reports show it."""
        match self:
            case Outcome.APPLIED:
                return ResultFacts(sigil=Sigil.DONE, phrase="applied", as_asked=True)
            case Outcome.ALREADY:
                return ResultFacts(sigil=Sigil.ALREADY_RIGHT, phrase="already right", as_asked=True)
            case Outcome.FAILED | Outcome.REFUSED | Outcome.DRIFTED | Outcome.BLOCKED:
                return ResultFacts(sigil=Sigil.WRONG, phrase=self.value)
            case Outcome.CONFLICT:
                return ResultFacts(sigil=Sigil.WRONG, phrase="in conflict")
            case Outcome.IN_DOUBT:
                return ResultFacts(sigil=Sigil.UNKNOWN, phrase="in doubt")
            case Outcome.NOT_ATTEMPTED:
                return ResultFacts(sigil=Sigil.NOT_SENT, phrase="not attempted")
            case _:
                assert_never(self)


@value
class Reply:
    """The facts of one reply, or of the lack of one."""

    http: int | None = None
    """HTTP status; None when no reply came."""
    code: str = ""
    """`EndPoint.…`, `APIGW.…`, or a word of ours when no reply came (`connect_failed`, `timeout` …)."""
    message: str = ""
    request_id: str = ""
    """`X-Request-Id`, which the cloud's support asks for."""
    ms: int = 0
    """Milliseconds from sending to the end of the reply."""
    encoded_authorization_message: str = ""
    """Why a policy denied the request, for the cloud alone to decode (API.md, section 3.1)."""

    @property
    def cause(self) -> str:
        """Return what failed rows are counted by; see `cause_of`."""
        return cause_of(self.code, self.http)

    @property
    def words(self) -> str:
        """Return `http 503 APIGW.0301 the service is busy`, as far as it has these."""
        http = f"http {self.http}" if self.http else ""
        return " ".join(filter(None, (http, self.code, self.message)))


def cause_of(code: str, http: int | None) -> str:
    """Return the code of a refusal or, where it has none, its HTTP status: `EndPoint.2004`, `http 413`."""
    return code or (f"http {http}" if http else "no code")


@value
class Limit:
    """A rate limit as a refusal states it: `limit:60,time:1 minute`."""

    requests: int
    window_s: float
    policy: str = ""
    """`user`, `ip`, `api` or `app`."""

    @property
    def per_s(self) -> float:
        """Return the rate that uses the whole limit (requests a second)."""
        return self.requests / self.window_s


class Why(StrEnum):
    """Where the belief in a limit comes from."""

    GIVEN = "given"
    """A person gave the rate."""
    LEARNED = "learned"
    """An earlier run found it."""
    STATED = "stated"
    """A refusal states it."""
    FOUND = "found"
    """It follows from what was accepted."""


class Hold(StrEnum):
    """Why a run or a row waits right now."""

    RATE = "rate"  # its turn has not come, and nothing else is in the way
    PUSH_BACK = "push_back"
    PREDECESSOR = "predecessor"
    PARKING = "parking"
    SETTLE = "settle"  # a PUT whose reply was lost may still take effect until then
    BACKOFF = "backoff"
    BUDGET = "budget"  # as many rows as may fail have failed, or may still fail
    OPERATOR = "operator"  # a person's pause
    WAVE = "wave"  # the rows of an earlier wave
    SOAK = "soak"  # a wave that has ended is left alone for a while
    JUDGE = "judge"  # the ruling on a wave
    WINDOW = "window"  # the opening of the window
    KEY = "key"  # whether the key may change anything, which other PUTs of it show
    WORKER = "worker"  # nobody is there who signs and sends from elsewhere

    @property
    def words(self) -> str:
        """Return in words what is waited for."""
        match self:
            case Hold.RATE:
                return "its turn"
            case Hold.PUSH_BACK:
                return "the server's push-back"
            case Hold.PREDECESSOR:
                return "a predecessor"
            case Hold.PARKING:
                return "the parking of a predecessor"
            case Hold.SETTLE:
                return "the settle time and a read"
            case Hold.BACKOFF:
                return "the backoff after a failed attempt"
            case Hold.BUDGET:
                return "the failure budget"
            case Hold.OPERATOR:
                return "a person's word"
            case Hold.WAVE:
                return "the rows of an earlier wave"
            case Hold.SOAK:
                return "the time between a wave and the next one"
            case Hold.JUDGE:
                return "the judge"
            case Hold.WINDOW:
                return "the opening of the window"
            case Hold.KEY:
                return "a PUT of the same key that is accepted"
            case Hold.WORKER:
                return "a worker"
            case _:
                assert_never(self)


@value
class Wait:
    """A hold, as far as known with its length, the server's limit behind it, the row that goes first."""

    hold: Hold
    left_s: float = 0.0
    lasts_s: float = 0.0
    """For how long it has lasted, where that says more than how long it still will."""
    limit: Limit | None = None
    row: int | None = None
    detail: str = ""


PUSH_BACK_MAX_S = 900.0
"""How long the API may ask to be left alone; beyond that a person has to know, and nothing waits."""


@value
class Done:
    """The API took the change; `state` is the service as the reply shows it."""

    reply: Reply
    state: ServiceState


@value
class AsAsked:
    """The API took the change, and its reply shows the service as asked, sound, and else as it was before."""

    reply: Reply


@value
class Throttled:
    """Refused for going too fast; surely not applied, and not the row's fault."""

    reply: Reply
    retry_after_s: float | None = None
    """How long the API asks to be left alone, where that is worth waiting for."""
    limit: Limit | None = None
    shut_until: str = ""
    """Until when the API asks to be left alone (UTC), where that is longer than anybody waits."""


@value
class Retry:
    """Surely not applied, and worth another attempt."""

    reply: Reply
    counts: bool = True
    """False where the row is not to blame, as after renewing an expired token."""
    is_local: bool = False
    """The machine that sends has no room for one more connection: it lacks open files, ports or memory."""
    absent_s: float = 0.0
    """For how long nobody has been there who could send it."""
    retry_after_s: float | None = None
    shut_until: str = ""


@value
class Doubt:
    """Perhaps applied: only reading can tell."""

    reply: Reply
    retry_after_s: float | None = None
    shut_until: str = ""


@value
class Reject:
    """The API rejected this row; sending it again would not help."""

    reply: Reply


@value
class Denied:
    """Not allowed (403): by a policy about this one service, or by what the key lacks altogether."""

    reply: Reply
    hint: str


@value
class Abort:
    """The API will reject every row: bad credentials, wrong project."""

    reply: Reply
    hint: str


Verdict: TypeAlias = Done | Throttled | Retry | Doubt | Reject | Denied | Abort
"""What the answer to a PUT, or the lack of one, means."""

PutVerdict: TypeAlias = Verdict | AsAsked
"""A Verdict, or AsAsked where the reply plainly shows the service as asked."""


@value
class Page:
    """One page of the list: `endpoint_services` and `total_count`."""

    reply: Reply
    services: tuple[Listed, ...]
    total_count: int


@value
class Missing:
    """The service does not exist (404 EndPoint.0005 or 400 EndPoint.2003)."""

    reply: Reply


ListVerdict: TypeAlias = Page | Throttled | Retry | Reject | Abort
"""What the answer to a list request means; every lost reply to a read is a Retry."""

ShowVerdict: TypeAlias = Done | Missing | Throttled | Retry | Reject | Abort
"""What the answer to a detail request means."""
