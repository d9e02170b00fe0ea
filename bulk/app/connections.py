"""Reaching the fleets of a run: clients and paces, opened once, shared as accounts and regions are."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Generic, Protocol, TypeVar

from bulk.app.environment import Environment
from bulk.errors import UnnamedHost
from bulk.model import LaneName, Owner, RequestKind, Target, Why
from bulk.pacing import Pacing, auto, believed, fixed
from bulk.pacing.learned_limits import LearnedLimits, LimitOwner, state_folder
from bulk.pacing.limiter import Limiter
from bulk.settings import SIMULATOR
from bulk.vpcep import regions
from bulk.vpcep.addresses import Addresses, needs_a_word
from bulk.vpcep.client import Access, ReadClient, connect, list_projects, must_be_usable
from bulk.vpcep.first_contact import Contact, first_contact
from bulk.vpcep.found import Found
from bulk.vpcep.iam import Project
from bulk.vpcep.identity import LoginPatience
from bulk.vpcep.logins import Agency
from bulk.vpcep.replies import Lost
from bulk.vpcep.wire import Wire

C = TypeVar("C", bound=ReadClient)

_UNKNOWN_HOST = (
    "{} would get the credentials, and is no host that bulk knows of the cloud that they are of. "
    "Type its name to go on: "
)


@dataclass(slots=True, kw_only=True)
class TargetClient(Generic[C]):
    """One target's client, and the lane and paces that it shares."""

    target: Target
    """The target, with its project_id looked up."""
    client: C
    lane: LaneName
    reads: Limiter
    writes: Limiter


class Way(Protocol):
    """A way to the API on which requests do not leave from this process."""

    async def connect(self, kind: type[C], target: Target, regions: Collection[str]) -> C:
        """Return a client for a target; raises what `bulk.vpcep.client.connect` raises."""
        ...

    async def projects(self, target: Target) -> tuple[Project, ...]:
        """Return all projects of a target's credentials; raises what `list_projects` raises."""
        ...

    def workers(self) -> list[str]:
        """Return, in words, which workers are asked."""
        ...

    def missed(self) -> str:
        """Return, in words, where a worker is waited for; empty where none is."""
        ...


class Connections(Generic[C]):
    """The client of each target, made when it is first asked for; `C` states whether it can write."""

    def __init__(
        self,
        kind: type[C],
        wire: Wire,
        environment: Environment,
        url: str,
        rate_per_s: float | None,
        *,
        is_practice: bool,
    ) -> None:
        self._kind = kind
        self.way: Way | None = None
        """The way through workers; None where requests are signed and sent from here."""
        self.note = environment.notify
        """Called with what becomes of NATS or of a worker: lost, or there again."""
        self._environment = environment
        self._rate_per_s = rate_per_s
        self._is_practice = is_practice
        self._access = Access(
            wire=wire,
            env=environment.env,
            home=environment.home,
            patience=login_patience(environment),
            approve=self._approve,
            endpoint=url,
        )
        self._remarks: set[str] = set()
        """Warnings that were given."""
        self._approved: set[tuple[regions.Endpoint, str]] = set()
        """Addresses that may get credentials, and the place where these were found."""
        self._learned = LearnedLimits(state_folder(environment.env, environment.home))
        self._learned_per_s: dict[LimitOwner, float] = {}
        self._clients: dict[Target, TargetClient[C]] = {}
        self._regions: defaultdict[str, set[str]] = defaultdict(set)
        """For each profile the regions of the job's targets; empty where one names none."""
        self.paces: dict[LimitOwner, Limiter] = {}
        self.notify: Callable[[LimitOwner, Pacing], None] = _ignored
        """Called when the hold of a pace, or its belief in the server's limit, has changed."""

    @property
    def url(self) -> str:
        """Return the address of the API that stands in for those of the regions; empty for these."""
        return self._access.endpoint

    def foresee(self, targets: Iterable[Target]) -> None:
        """Learn which targets belong to one job, before the client of the first one is made."""
        for target in targets:
            self._regions[target.profile].add(target.region)

    async def client_of(self, target: Target) -> TargetClient[C]:
        """Return the client of a target; raises CredentialsError, UsageError, CannotRun."""
        if target not in self._clients:
            regions = self._regions[target.profile]
            if self.way:
                client = await self.way.connect(self._kind, target, regions)
            else:
                client = await connect(self._kind, self._keyed(target), self._access, regions)
            resolved = target._replace(region=client.region, project_id=client.project_id)
            host = SIMULATOR if self._is_practice else client.host
            lane = LaneName(host=host, region=client.region, account=client.account)
            self._clients[target] = self._clients.setdefault(
                resolved,
                TargetClient(
                    target=resolved,
                    client=client,
                    lane=lane,
                    reads=self._pace(lane, RequestKind.READS),
                    writes=self._pace(lane, RequestKind.WRITES),
                ),
            )
        return self._clients[target]

    def hide(self, text: str) -> str:
        """Return a text from outside without what it repeats of the secrets in force."""
        return self._access.wire.echoes.hide_in_text(text, is_refusal=True)

    async def projects(self, target: Target) -> tuple[Project, ...]:
        """Return all projects of a target's credentials; raises CredentialsError, UsageError, CannotRun."""
        if self.way:
            return await self.way.projects(target)
        return await list_projects(self._keyed(target), self._access)

    async def must_be_usable(self, target: Target) -> None:
        """Raise what `client_of` would where credentials are missing, or must not be used so."""
        await must_be_usable(self._keyed(target), self._access)

    def _keyed(self, target: Target) -> Target:
        """Return a target with the profile of its credentials: a simulator has keys of its own."""
        return target._replace(profile="") if self._is_practice else target

    def _approve(self, where: Addresses, found: Found) -> None:
        """Pass on what is to be known of credentials and host; raise UnnamedHost where they may not go there.

        A person names a host beforehand, or types its name when asked.
        """
        for remark in filter(None, (found.warning, *where.remarks, _practice(where, found))):
            if remark not in self._remarks:
                self._remarks.add(remark)
                self._environment.notify(remark)
        api = where.api
        if api is None or (api, found.place) in self._approved:
            return
        environment = self._environment
        if (
            needs_a_word(where, found, named=environment.named_endpoint, env=environment.env)
            and environment.ask(_UNKNOWN_HOST.format(api.authority)).lower() != api.authority
        ):
            raise UnnamedHost(str(api))
        self._approved.add((api, found.place))

    async def first_contact(self, endpoint: regions.Endpoint) -> Contact | Lost:
        """Return what a server shows before it gets any credentials; raises what `Wire.route` raises."""
        return await first_contact(self._access.wire, endpoint)

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the variables by which credentials are looked for."""
        return self._environment.env

    async def hosts(self, targets: Iterable[Target]) -> list[str]:
        """Return the host of the API of each target; raises what `client_of` raises."""
        return [(await self.client_of(target)).lane.host for target in targets]

    async def owners(self, targets: Collection[Target]) -> list[Owner]:
        """Return the owner of each target; names that are not known are asked for once for each profile."""
        target_clients = [await self.client_of(target) for target in targets]
        unnamed = {
            each.target.profile: each.client for each in target_clients if not each.client.owner.project
        }
        asked = [await client.projects() for client in unnamed.values()]
        found = {project.id: project for project in chain.from_iterable(asked)}
        return [each.client.owner_of(found.get(each.target.project_id)) for each in target_clients]

    def _pace(self, lane: LaneName, kind: RequestKind) -> Limiter:
        budget = LimitOwner(lane=lane, kind=kind)
        if budget not in self.paces:
            self.paces[budget] = Limiter(
                self._pacing(budget),
                clock=self._environment.clock,
                changed=lambda pacing: self.notify(budget, pacing),
            )
        return self.paces[budget]

    def _pacing(self, budget: LimitOwner) -> Pacing:
        if self._rate_per_s is not None:
            return fixed(self._rate_per_s)
        learned = self._learned.read(budget, self._environment.clock.now())
        if learned is None:
            return auto()
        self._learned_per_s[budget] = learned.limit.per_s
        return auto(learned.limit)

    @property
    def writes_per_s(self) -> float | None:
        """Return how fast the writes of the slowest lane go, as far as is known; None while no lane is."""
        writes = (
            min(pace.rate_per_s, self._learned_per_s.get(owner, inf))
            for owner, pace in self.paces.items()
            if owner.kind is RequestKind.WRITES
        )
        return min(writes, default=None)

    def keep_limits(self) -> None:
        """Keep the limits that this run found for the next run; those of a simulator mean nothing."""
        if self._is_practice:
            return
        for budget, pace in self.paces.items():
            match believed(pace.pacing):
                case (limit, Why.STATED | Why.FOUND):
                    self._learned.write(budget, limit, self._environment.clock.now())
                case _:
                    pass


def login_patience(environment: Environment) -> LoginPatience:
    """Return the clock, the sleep and the dice that repeating a request for credentials needs."""
    clock = environment.clock
    return LoginPatience(monotonic=clock.monotonic, sleep=clock.sleep, roll=environment.dice.random)


def _practice(where: Addresses, found: Found) -> str:
    """Return a warning where a server on this machine gets credentials that nobody named for it."""
    if where.api is None or not where.api.loopback or not found.is_implicit:
        return ""
    place = "the agency of this server" if isinstance(found.source, Agency) else found.place
    return f"{where.api.authority}, on this machine, gets credentials from {place}: nothing names others"


def _ignored(_: LimitOwner, __: Pacing) -> None:
    pass
