"""The API as calls: one call is one request, of which comes one verdict.

Two types, so that what must not write is given one that cannot: `ReadClient` lists and shows,
`Client` sends PUTs as well. How a request gets to the API is the matter of its channel.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from bulk.errors import CredentialsError, UsageError
from bulk.model import Abort, ListVerdict, Owner, Retry, ServiceId, ShowVerdict, Target
from bulk.puts import Put
from bulk.vpcep.addresses import Addresses, addresses_of
from bulk.vpcep.channel import Channel, Tell
from bulk.vpcep.credentials import find_credentials
from bulk.vpcep.editions import Edition
from bulk.vpcep.exchanges import Servers
from bulk.vpcep.flights import Spawn
from bulk.vpcep.found import Found
from bulk.vpcep.iam import Project
from bulk.vpcep.identity import (
    Credential,
    LoginPatience,
    every_project,
    find_project,
    open_credential,
)
from bulk.vpcep.keys import KeyPair
from bulk.vpcep.logins import Agency, AssumedRole, IdentityProvider, OidcAgency, Password
from bulk.vpcep.regions import Endpoint
from bulk.vpcep.replies import Answer, Lost, listed, shown
from bulk.vpcep.requests import (
    LIST_BYTES_MAX,
    REPLY_BYTES_MAX,
    Request,
    list_services,
    modify_service,
    services_path,
    show_service,
)
from bulk.vpcep.signed_channel import SignedChannel
from bulk.vpcep.unhonoured import refuse_unhonoured
from bulk.vpcep.wire import Wire

_UNKNOWN = Owner()

C = TypeVar("C", bound="ReadClient")


class ReadClient:
    """Reads the services of one project; never sends a request twice on its own."""

    def __init__(
        self,
        channel: Channel,
        *,
        project_id: str,
        region: str = "",
        owner: Owner = _UNKNOWN,
        edition: Edition | None = None,
    ) -> None:
        self.region = region
        self.project_id = project_id
        self.owner = owner
        self.edition = edition
        self._path = services_path(project_id)
        self.channel = channel

    @property
    def host(self) -> str:
        """Return the API's host, with its port where that is not the usual one."""
        return self.channel.host

    @property
    def account(self) -> str:
        """Return the name of the budget that all clients of one account share at the API."""
        return self.channel.account

    async def projects(self) -> tuple[Project, ...]:
        """Return the projects that the credentials may see; none where IAM does not say so at once."""
        return await self.channel.projects()

    def owner_of(self, project: Project | None) -> Owner:
        """Return whose this client's project is, with what the list of projects says of it."""
        if project is None:
            return self.owner
        return self.owner._replace(project=project.name, account=project.domain_id or self.owner.account)

    async def list_page(self, *, offset: int, limit: int) -> ListVerdict:
        """Return `limit` services (1 to 1,000) from `offset` on, oldest first."""
        request = list_services(self._path, offset=offset, limit=limit)
        got = await self.channel.relay(request, LIST_BYTES_MAX)
        return got if isinstance(got, Retry | Abort) else listed(got)

    async def show(self, service_id: ServiceId) -> ShowVerdict:
        """Return one service as the detail request shows it."""
        got = await self.channel.relay(show_service(self._path, service_id), REPLY_BYTES_MAX)
        return got if isinstance(got, Retry | Abort) else shown(got, service_id)

    async def look(self, request: Request) -> Answer | Lost | Retry | Abort:
        """Return the reply to one read as it came, a refusal as well; why where the read has not left."""
        return await self.channel.relay(request, LIST_BYTES_MAX)

    async def ask_identity(self, request: Request, *, of_sts: bool = False) -> Answer | Lost | None:
        """Return the reply of IAM, or of STS, to one read; None where its address is not known."""
        return await self.channel.ask_identity(request, of_sts=of_sts)


class Client(ReadClient):
    """Reads and changes the services of one project."""

    def send(self, put: Put, tell: Tell, spawn: Spawn) -> None:
        """Send one PUT; `tell` gets what its answer, or the lack of one, means, once and later."""
        request = modify_service(self._path, put.service_id, put.content)
        self.channel.send(request, put, tell, spawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a command gets to the API, whatever the target.

    * env, home: where credentials are looked for
    * patience: how long and how often a login is tried again
    * approve: is called before any server gets the credentials; it raises where one of them may not
    * endpoint: the address of the API that stands in for those of the regions; empty for these
    """

    wire: Wire
    env: Mapping[str, str]
    home: Path
    patience: LoginPatience
    approve: Callable[[Addresses, Found], object]
    endpoint: str = ""

    async def login(self, found: Found, servers: Servers) -> Credential:
        """Return what these credentials are exchanged for; raises what `open_credential` raises."""
        return await open_credential(found, wire=self.wire, servers=servers, patience=self.patience)


async def connect(kind: type[C], target: Target, access: Access, regions: Collection[str] = ()) -> C:
    """Return a client for a target: credentials found, project looked up, nothing of the fleet read yet.

    `regions` are those of all targets of the same credentials, with an empty text for targets that name none,
    which are in that of the credentials; where they are several, IAM says of which one the credentials'
    project is. Raises UsageError for an unknown region or an unsafe endpoint, CredentialsError without usable
    credentials, CannotRun where IAM cannot be reached.
    """
    found, where, api, region = _to_be_used(target, access)
    servers, unplaced = _servers(target, found, where, region, regions)
    access.approve(where, found)
    credential, project = await _login(found, servers, access, unplaced=unplaced)
    project_id = project.id if project else servers.project_id
    client = kind(
        SignedChannel(access.wire, where, api, credential, project_id=project_id),
        project_id=project_id,
        region=region,
        owner=_owner(found, where),
        edition=where.edition,
    )
    client.owner = client.owner_of(project)
    return client


async def must_be_usable(target: Target, access: Access) -> None:
    """Raise what `connect` would before anybody is asked for a login.

    The agency of this server is asked for its keys all the same: else nobody knows whether there is one.
    """
    found, where, _, region = _to_be_used(target, access)
    access.approve(where, found)
    if isinstance(found.base, Agency):
        await access.login(replace(found, source=found.base), Servers(iam=where.iam, region=region))


def _to_be_used(target: Target, access: Access) -> tuple[Found, Addresses, Endpoint, str]:
    """Return the credentials of a target, whom they may be sent to, its API, and its region or theirs."""
    found, where, region = _placed(target, access)
    if not region or where.api is None:
        raise UsageError(
            "no region is known for rows that name none",
            hint="add --region or a column `region`, or set HW_REGION_NAME",
        )
    return found, where, where.api, region


def _placed(target: Target, access: Access) -> tuple[Found, Addresses, str]:
    """Return the credentials of a target, whom they may be sent to, and its region or theirs.

    Raises what `connect` raises where no credentials, no addresses or other variables are there.
    """
    found = find_credentials(env=access.env, home=access.home, profile=target.profile)
    region = target.region or found.region
    where = addresses_of(found, region=region, endpoint=access.endpoint, env=access.env)
    if not target.profile:
        refuse_unhonoured(access.env, found)
    return found, where, region


async def _login(
    found: Found, servers: Servers, access: Access, *, unplaced: str
) -> tuple[Credential, Project | None]:
    """Return a credential for the project that is meant, and this project where IAM had to be asked."""
    credential = await access.login(found, servers)
    if servers.project_id:
        return credential, None
    project = await find_project(
        credential,
        wire=access.wire,
        iam_endpoint=servers.iam,
        region=servers.region,
        patience=access.patience,
        unplaced=unplaced,
        name=servers.project_name,
    )
    if project.id == unplaced:  # a token is for one project, and the first one was for that of the region
        credential = await access.login(found, replace(servers, project_id=project.id))
    return credential, project


async def list_projects(target: Target, access: Access) -> tuple[Project, ...]:
    """Return all projects of a target's credentials, by the IAM of its region, or by the global one.

    Raises what `connect` raises, and UsageError for a password without a region, for which IAM has no token.
    """
    found, where, region = _placed(target, access)
    if not region and isinstance(found.base, Password):
        raise UsageError("a user's password lists the projects through a region", hint="add --region")
    access.approve(where, found)
    credential = await access.login(found, Servers(iam=where.iam, sts=where.sts, region=region))
    return await every_project(credential, wire=access.wire, iam_endpoint=where.iam, patience=access.patience)


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


def _owner(found: Found, where: Addresses) -> Owner:
    """Return the owner of the credentials, as far as these name it; of a key its last four characters."""
    base, role = found.base, found.source.role if isinstance(found.source, AssumedRole) else None
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
