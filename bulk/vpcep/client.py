"""The API over HTTP: one call is one request and returns one verdict.

Two types, so that what must not write is given one that cannot: `ReadClient` lists and shows,
`Client` modifies as well.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from bulk.errors import CredentialsError, UsageError
from bulk.model import (
    Abort,
    ListVerdict,
    Owner,
    PutVerdict,
    Reply,
    Retry,
    ServiceId,
    ShowVerdict,
    Target,
    Verdict,
)
from bulk.puts import Put
from bulk.vpcep.addresses import Addresses, addresses_of
from bulk.vpcep.codes import NoReply, refuses_key
from bulk.vpcep.credentials import find_credentials
from bulk.vpcep.exchanges import Servers
from bulk.vpcep.flights import Flights, Spawn
from bulk.vpcep.found import Found
from bulk.vpcep.iam import Project
from bulk.vpcep.identity import (
    Credential,
    LoginPatience,
    every_project,
    find_project,
    open_credential,
    visible_projects,
)
from bulk.vpcep.key_probe import KeyProbe
from bulk.vpcep.keys import KeyPair, Secret, Stamp
from bulk.vpcep.logins import AssumedRole, IdentityProvider, OidcAgency, Password
from bulk.vpcep.regions import Endpoint
from bulk.vpcep.replies import (
    Answer,
    Lost,
    as_asked,
    listed,
    modified,
    refused,
    shown,
    stated_id,
    succeeded,
)
from bulk.vpcep.requests import Request, list_services, modify_service, services_path, show_service
from bulk.vpcep.unhonoured import refuse_unhonoured
from bulk.vpcep.wire import Wire

LIST_BYTES_MAX = 16 * 1024 * 1024
"""A page of 1,000 services with 200 mappings each has about 13 MB."""

REPLY_BYTES_MAX = 1024 * 1024

LATE_S = 2.0
"""How long a PUT may wait for its secret; a look at its service may be too old after that."""
LATE = Retry(
    reply=Reply(code=NoReply.LATE, message="the PUT had to wait for its credentials, and has not left"),
    counts=False,
)

_UNKNOWN = Owner()

V = TypeVar("V")
C = TypeVar("C", bound="ReadClient")


class ReadClient:
    """Reads the services of one project; never sends a request twice on its own."""

    def __init__(
        self,
        *,
        wire: Wire,
        endpoint: Endpoint,
        project_id: str,
        credential: Credential,
        owner: Owner = _UNKNOWN,
        where: Addresses | None = None,
        region: str = "",
    ) -> None:
        self.region = region
        self.project_id = project_id
        self.owner = owner
        self.edition = where.edition if where else None
        self._iam_endpoint = where.iam if where else None
        self._sts_endpoint = where.sts if where else None
        self._path = services_path(project_id)
        self._wire = wire
        self._route = wire.route(endpoint)
        self._credential = credential
        self._accepted: Secret | None = None
        self._stamp: Stamp | None = None
        self._probe = KeyProbe()

    def _secret_at_hand(self) -> Secret | None:
        """Return the secret in force, where the API has accepted it and a request may leave at once."""
        secret = self._credential.current(self._wire.clock.now())
        is_stamped = self._stamp is not None and self._stamp.secret is secret
        return secret if is_stamped and self._probe.is_passed else None

    @property
    def host(self) -> str:
        """Return the API's host, with its port where that is not the usual one."""
        return self._route.endpoint.authority

    @property
    def account(self) -> str:
        """Return the name of the budget that all clients of one account share at the API."""
        return self._credential.account

    async def projects(self) -> tuple[Project, ...]:
        """Return the projects that the credentials may see; none where IAM does not say so at once."""
        return await visible_projects(self._credential, self._wire, self._iam_endpoint)

    def owner_of(self, project: Project | None) -> Owner:
        """Return whose this client's project is, with what the list of projects says of it."""
        if project is None:
            return self.owner
        return self.owner._replace(project=project.name, account=project.domain_id or self.owner.account)

    async def list_page(self, *, offset: int, limit: int) -> ListVerdict:
        """Return `limit` services (1 to 1,000) from `offset` on, oldest first."""
        request = list_services(self._path, offset=offset, limit=limit)
        return await self._ask(request, listed, LIST_BYTES_MAX)

    async def show(self, service_id: ServiceId) -> ShowVerdict:
        """Return one service as the detail request shows it."""
        request = show_service(self._path, service_id)
        return await self._ask(request, lambda got: shown(got, service_id), REPLY_BYTES_MAX)

    async def look(self, request: Request) -> Answer | Lost | Retry | Abort:
        """Return the reply to one read as it came, a refusal as well; why where the read has not left."""
        came: list[Answer | Lost] = []

        def keep(got: Answer | Lost) -> object:
            came.append(got)
            return refused(got) if isinstance(got, Lost) or not succeeded(got) else None

        verdict = await self._ask(request, keep, LIST_BYTES_MAX)
        if came:
            return came[0]
        return verdict if isinstance(verdict, Abort) else LATE

    async def ask_identity(self, request: Request, *, of_sts: bool = False) -> Answer | Lost | None:
        """Return the reply of IAM, or of STS, to one read; None where its address is not known."""
        endpoint = self._sts_endpoint if of_sts else self._iam_endpoint
        secret = self._credential.current(self._wire.clock.now())
        if endpoint is None or secret is None:
            return None
        headers = Stamp(secret, {"Host": endpoint.authority}).headers(request, self._wire.clock.now())
        return await self._wire.exchange(
            request, self._wire.route(endpoint), headers, body_bytes_max=REPLY_BYTES_MAX
        )

    async def _ask(
        self, request: Request, understood: Callable[[Answer | Lost], V], body_bytes_max: int
    ) -> V | Retry | Abort:
        """Send one request with the secret in force and return the verdict on what came back.

        A PUT that had to wait for its secret does not leave: what it waited for may have taken minutes, and
        whoever asks for it has to look at the clock and at the service again.
        """
        began = self._wire.clock.monotonic()
        secret = self._credential.current(self._wire.clock.now()) or await self._credential.renewed()
        if isinstance(secret, Retry | Abort):
            return secret
        stamp, probe = self._stamp_of(secret), self._probe
        async with probe.turn():
            if probe.refusal:
                return await self._renewed(probe.refusal, secret)
            if request.method == "PUT" and self._wire.clock.monotonic() - began > LATE_S:
                return LATE
            headers = stamp.headers(request, self._wire.clock.now())
            got = await self._wire.exchange(request, self._route, headers, body_bytes_max=body_bytes_max)
            verdict = understood(got)
            probe.answered(got, verdict)
        return await self._settled(got, verdict, secret)

    async def _settled(self, got: Answer | Lost, verdict: V | Abort, secret: Secret) -> V | Retry | Abort:
        """Return the verdict on what came back; where the secret has been renewed meanwhile, a retry."""
        if isinstance(verdict, Abort) and refuses_key(verdict.reply):
            return await self._renewed(verdict, secret)
        if isinstance(got, Answer):
            self._accepted = secret
        return verdict

    def _stamp_of(self, secret: Secret) -> Stamp:
        if self._stamp is None or self._stamp.secret is not secret:
            headers = {
                "Content-Type": "application/json",
                "Host": self._route.endpoint.authority,
                "X-Project-Id": self.project_id,
            }
            self._stamp, self._probe = Stamp(secret, headers), self._wire.key_probe(secret)
        return self._stamp

    async def _renewed(self, verdict: Abort, secret: Secret) -> Retry | Abort:
        """Return a retry with a renewed secret; a renewed secret that was refused as well ends the run."""
        fresh = secret is not self._accepted and secret is self._credential.current(self._wire.clock.now())
        if fresh or not self._credential.renewable:
            return verdict
        got = await self._credential.renewed(refused=secret)
        return got if isinstance(got, Retry | Abort) else Retry(reply=verdict.reply, counts=False)


Approve: TypeAlias = Callable[[Addresses, Found], object]
"""Is asked before any server gets the credentials; it raises where one of them may not."""

Tell: TypeAlias = Callable[[PutVerdict], object]
"""Gets what the answer to a PUT, or the lack of one, means, once; it must not raise."""


class Client(ReadClient):
    """Reads and changes the services of one project."""

    @cached_property
    def _flights(self) -> Flights:
        return Flights(self._wire, self._route, REPLY_BYTES_MAX)

    def send(self, put: Put, tell: Tell, spawn: Spawn) -> None:
        """Send one PUT; with a secret that the API has accepted before, at once and without a task."""
        secret, stamp = self._secret_at_hand(), self._stamp
        if secret is None or stamp is None:
            spawn(self._send_in_a_task(put, tell))
            return
        request, probe = modify_service(self._path, put.service_id, put.content), self._probe

        headers = stamp.headers(request, self._wire.clock.now())

        def recognised(got: Answer) -> bool:
            verdict = as_asked(got, put)
            if verdict is None or self._wire.repeats(stated_id(got), headers):
                return False
            tell(verdict)
            return True

        def arrived(got: Answer | Lost) -> None:
            spawn(self._judge(got, put, secret, probe, tell))

        self._flights.send(request, headers, arrived, spawn, recognised)

    async def _send_in_a_task(self, put: Put, tell: Tell) -> None:
        tell(await self.modify(put.service_id, put.content))

    async def _judge(self, got: Answer | Lost, put: Put, secret: Secret, probe: KeyProbe, tell: Tell) -> None:
        verdict = modified(got, put.service_id)
        probe.answered(got, verdict)
        tell(await self._settled(got, verdict, secret))

    async def modify(self, service_id: ServiceId, content: bytes) -> Verdict:
        """Send one PUT and return what its answer, or the lack of one, means."""
        request = modify_service(self._path, service_id, content)
        return await self._ask(request, lambda got: modified(got, service_id), REPLY_BYTES_MAX)


async def connect(
    kind: type[C],
    *,
    target: Target,
    wire: Wire,
    env: Mapping[str, str],
    home: Path,
    patience: LoginPatience,
    approve: Approve,
    endpoint: str = "",
    regions: Collection[str] = (),
) -> C:
    """Return a client for a target: credentials found, project looked up, nothing of the fleet read yet.

    `endpoint` stands in for the region's own; `approve` raises where the credentials may not be sent to
    the endpoint. `regions` are those of all targets of the same credentials, with an empty text for targets
    that name none, which are in that of the credentials; where they are several, IAM says of which one the
    credentials' project is. Raises UsageError for an unknown region or an unsafe endpoint, CredentialsError
    without usable credentials, CannotRun where IAM cannot be reached.
    """
    found, where, region = _placed(target, env, home, endpoint)
    if not region or where.api is None:
        raise UsageError(
            "no region is known for rows that name none",
            hint="add --region or a column `region`, or set HW_REGION_NAME",
        )
    servers, unplaced = _servers(target, found, where, region, regions)
    approve(where, found)
    credential, project = await _login(found, servers, wire, patience, unplaced=unplaced)
    client = kind(
        wire=wire,
        endpoint=where.api,
        where=where,
        region=region,
        project_id=project.id if project else servers.project_id,
        credential=credential,
        owner=_owner(found, where),
    )
    client.owner = client.owner_of(project)
    return client


def _placed(
    target: Target, env: Mapping[str, str], home: Path, endpoint: str
) -> tuple[Found, Addresses, str]:
    """Return the credentials of a target, whom they may be sent to, and its region or theirs.

    Raises what `connect` raises where no credentials, no addresses or other variables are there.
    """
    found = find_credentials(env=env, home=home, profile=target.profile)
    region = target.region or found.region
    where = addresses_of(found, region=region, endpoint=endpoint, env=env)
    if not target.profile:
        refuse_unhonoured(env, found)
    return found, where, region


async def _login(
    found: Found, servers: Servers, wire: Wire, patience: LoginPatience, *, unplaced: str
) -> tuple[Credential, Project | None]:
    """Return a credential for the project that is meant, and this project where IAM had to be asked."""
    login = partial(open_credential, found, wire=wire, patience=patience)
    credential = await login(servers=servers)
    if servers.project_id:
        return credential, None
    project = await find_project(
        credential,
        wire=wire,
        iam_endpoint=servers.iam,
        region=servers.region,
        patience=patience,
        unplaced=unplaced,
        name=servers.project_name,
    )
    if project.id == unplaced:  # a token is for one project, and the first one was for that of the region
        credential = await login(servers=replace(servers, project_id=project.id))
    return credential, project


async def list_projects(
    *,
    target: Target,
    wire: Wire,
    env: Mapping[str, str],
    home: Path,
    patience: LoginPatience,
    approve: Approve,
    endpoint: str = "",
) -> tuple[Project, ...]:
    """Return all projects of a target's credentials, by the IAM of its region, or by the global one.

    Raises what `connect` raises, and UsageError for a password without a region, for which IAM has no token.
    """
    found, where, region = _placed(target, env, home, endpoint)
    if not region and isinstance(_base(found), Password):
        raise UsageError("a user's password lists the projects through a region", hint="add --region")
    approve(where, found)
    servers = Servers(iam=where.iam, sts=where.sts, region=region)
    credential = await open_credential(found, wire=wire, servers=servers, patience=patience)
    return await every_project(credential, wire=wire, iam_endpoint=where.iam, patience=patience)


def _servers(
    target: Target, found: Found, where: Addresses, region: str, regions: Collection[str]
) -> tuple[Servers, str]:
    """Return who exchanges credentials, for which project, and the one of which only IAM knows the region."""
    is_one_of_several = len({each or found.region for each in regions} - {""}) > 1
    named, unplaced = _projects(target, found, is_one_of_several=is_one_of_several)
    name = "" if named else _project_name(found, region, is_one_of_several=is_one_of_several)
    servers = Servers(iam=where.iam, sts=where.sts, region=region, project_id=named, project_name=name)
    return servers, unplaced


def _projects(target: Target, found: Found, *, is_one_of_several: bool) -> tuple[str, str]:
    """Return the project that is meant, and the one of which only IAM knows in which region it is."""
    unplaced = _checked(found.project_id) if is_one_of_several and not target.project_id else ""
    return "" if unplaced else _checked(target.project_id or found.project_id), unplaced


def _project_name(found: Found, region: str, *, is_one_of_several: bool) -> str:
    """Return the name of the project that is meant in a region; empty for the one named like the region.

    Raises CredentialsError where the credentials name a project of another region, and there is no other.
    """
    name = found.project_name
    theirs = name.partition("_")[0]
    if not name or theirs == region:
        return name
    if is_one_of_several:
        return ""
    raise CredentialsError(
        f"project {name!r}, of the variable or the credentials, is of region {theirs}, and this is {region}",
        hint="name the project with --project-id, or take its name out of the variable (HW_PROJECT_NAME)",
    )


def _base(found: Found) -> object:
    """Return what was found, or what assumes an agency."""
    return found.source.base if isinstance(found.source, AssumedRole) else found.source


def _owner(found: Found, where: Addresses) -> Owner:
    """Return as whom a client works, as far as its credentials say; of a key its last characters."""
    base, role = _base(found), found.source.role if isinstance(found.source, AssumedRole) else None
    asks_iam = isinstance(base, Password | IdentityProvider) or (role is not None and not role.domain_id)
    asks_sts = isinstance(base, OidcAgency) or (role is not None and role.domain_id != "")
    asked = [one.authority for one in (asks_iam and where.iam, asks_sts and where.sts) if one]
    return Owner(
        account=found.domain,
        key=base.ak[16:][-4:] if isinstance(base, KeyPair) else "",
        iam=" and ".join(asked),
    )


def _checked(project_id: str) -> str:
    """Return a project id, or none, that may stand in a path and in a header."""
    if re.fullmatch(r"[A-Za-z0-9_-]{0,64}", project_id):
        return project_id
    raise UsageError(f"{project_id!r} is not a project id", hint="write its 32 hex digits")
