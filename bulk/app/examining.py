"""What `bulk doctor` finds out: who, where, and how the real API answers; it only reads.

Each step says what it found, well or not, and the next one goes on with what there is: the output is what a
person sends with a request for help. Nothing secret is in it.
"""

import platform
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bulk import __version__
from bulk.app.connections import Connections
from bulk.app.environment import Environment
from bulk.app.fleets import open_fleets
from bulk.app.jobs import Flags, endpoint_of
from bulk.errors import BulkError, ExitCode, JobInvalid
from bulk.model import Abort, Retry, ServiceId, Target, value
from bulk.reports.where import host_text
from bulk.settings import FleetSettings, SimulatorSettings, read_settings
from bulk.text import counted
from bulk.vpcep.addresses import Addresses, addresses_of
from bulk.vpcep.client import ReadClient
from bulk.vpcep.codes import advice_for, refuses_key
from bulk.vpcep.credentials import find_credentials, passed_over
from bulk.vpcep.found import Found
from bulk.vpcep.iam import Project
from bulk.vpcep.keys import KeyPair, Token
from bulk.vpcep.logins import Agency, AssumedRole, Login
from bulk.vpcep.replies import CLOCK_SKEW_MAX_S, Answer, Lost, refusal_reply, succeeded
from bulk.vpcep.reply_facts import (
    account_of,
    caller_of,
    error_form,
    first_id,
    limits_stated,
    list_facts,
    quotas,
    same_order,
)
from bulk.vpcep.requests import (
    ACCOUNTS,
    CALLER_IDENTITY,
    list_services,
    quotas_of,
    services_path,
    show_service,
)
from bulk.vpcep.unhonoured import unhonoured

PAGE = 1000
NOBODY = ServiceId("00000000-0000-0000-0000-000000000000")
"""The id of no service: the answer to it shows the form of an error."""


@value
class Finding:
    """One thing that was found out."""

    topic: str
    message: str
    is_well: bool | None = True
    """False where a person has to do something; None where it could not be found out."""
    hint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What a program may want to read of it."""
    exit_code: ExitCode = ExitCode.OK
    """Other than OK where nothing could be run as it is."""


async def examine(flags: Flags, environment: Environment, *, lists_projects: bool) -> AsyncIterator[Finding]:
    """Yield what is found out, one after the other.

    Raises JobInvalid for flags that cannot be used.
    """
    settings = read_settings(FleetSettings, {}, flags=flags)
    if not isinstance(settings, FleetSettings):
        raise JobInvalid(settings)
    yield _versions()
    endpoint = endpoint_of(settings.where.endpoint, SimulatorSettings(), Path())
    notices: list[str] = []
    environment = replace(environment, notify=notices.append)
    try:
        async with open_fleets(ReadClient, settings, endpoint, environment) as connections:
            examination = _Examination(connections, settings.where.target, environment.home, notices)
            async for finding in examination.all(lists_projects=lists_projects):
                yield finding
    except BulkError as error:
        yield _trouble("reach", error)


def _versions() -> Finding:
    names = ("aiohttp", "orjson", "msgspec")
    versions = {name: version(name) for name in names}
    return Finding(
        topic="bulk",
        message=f"{__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f", {platform.system()} {platform.machine()}",
        facts={"version": __version__, "python": platform.python_version(), **versions},
    )


def _trouble(topic: str, error: BulkError) -> Finding:
    return Finding(
        topic=topic, message=error.message, is_well=False, hint=error.hint, exit_code=error.exit_code
    )


class _Examination:
    """Goes through the steps; `_target` is where rows that name nothing would go.

    `_notices` gets what other commands would show on stderr.
    """

    def __init__(
        self, connections: Connections[ReadClient], target: Target, home: Path, notices: Sequence[str]
    ) -> None:
        self._connections = connections
        self._target = target
        self._home = home
        self._notices = notices

    async def all(self, *, lists_projects: bool) -> AsyncIterator[Finding]:
        """Yield the findings of each step; a step that cannot go on ends them."""
        env, home = self._connections.variables, self._home
        for place, why in passed_over(env=env, home=home, profile=self._target.profile):
            what = (
                f"{place} cannot be used: {why}" if why else f"{place}: has credentials, and is passed over"
            )
            yield Finding(topic="passed over", message=what, is_well=not why or None)
        try:
            found = find_credentials(env=env, home=home, profile=self._target.profile)
            yield _credentials(found)
            for name in [] if self._target.profile else sorted(unhonoured(env, found)):
                yield Finding(topic="credentials", message=f"{name} is set, and not honoured", is_well=False)
            region = self._target.region or found.region
            where = addresses_of(found, region=region, endpoint=self._connections.url, env=env)
        except BulkError as error:
            yield _trouble("credentials", error)
            return
        for finding in _places(where, region):
            yield finding
        async for finding in self._contacts(where):
            yield finding
        try:
            target_client = await self._connections.client_of(self._target)
        except BulkError as error:
            yield _trouble("login", error)
            return
        for notice in self._notices:
            if notice not in {found.warning, *where.remarks}:
                yield Finding(topic="login", message=notice, is_well=None)
        client = target_client.client
        page = await client.look(list_services(services_path(client.project_id), offset=0, limit=PAGE))
        async for finding in _replies(client, page):
            yield finding
        if not _refuses_key(page):  # a key that is refused again and again is locked
            async for finding in _who(client, lists_projects=lists_projects):
                yield finding

    async def _contacts(self, where: Addresses) -> AsyncIterator[Finding]:
        """Yield how each server answers before it gets anything."""
        for name, endpoint in (("API", where.api), ("IAM", where.iam)):
            if endpoint is None:
                continue
            contact = await self._connections.first_contact(endpoint)
            topic = f"reach {name}"
            if isinstance(contact, Lost):
                message = f"{endpoint.authority}: {contact.code} {contact.message}"
                yield Finding(
                    topic=topic,
                    message=message,
                    is_well=False,
                    hint=advice_for(contact.code, None),
                    exit_code=ExitCode.CANNOT_RUN,
                )
                continue
            through = ", through a proxy" if contact.proxy else ""
            tls = (
                f", {contact.tls}, certificate of {contact.issuer} until {contact.ends}"
                if contact.tls
                else ""
            )
            yield Finding(
                topic=topic,
                message=f"{endpoint.authority} answers in {contact.ms} ms{through}{tls or ', without TLS'}",
                facts={"ms": contact.ms, "tls": contact.tls, "issuer": contact.issuer, "ends": contact.ends},
            )
            yield _clock(name, contact.clock_off_s)


def _credentials(found: Found) -> Finding:
    project = found.project_id or found.project_name
    more = (
        ("account", found.domain),
        ("project", project),
        ("region", found.region),
    )
    beside = "".join(f", {name} {text}" for name, text in more if text)
    is_last = isinstance(found.base, Agency)
    place = "of which this server may have one: no other place has credentials"
    return Finding(
        topic="credentials",
        message=f"{_kind(found)}, {place if is_last else f'from {found.place}'}{beside}",
        is_well=None if is_last else True,
        facts={"kind": _kind(found), "place": found.place},
        hint=found.warning,
    )


def _kind(found: Found) -> str:
    """Return what the credentials are, without any of them."""
    source = found.source
    assumes = f" that assumes agency {source.role.agency}" if isinstance(source, AssumedRole) else ""
    return f"{_kind_of(found.base)}{assumes}"


def _kind_of(source: KeyPair | Token | Login) -> str:
    match source:
        case KeyPair(ak=ak, security_token=token):
            kind = "temporary access key" if token else "access key"
            return f"{kind} that ends in {ak[16:][-4:]}" if ak[16:] else kind
        case Token():
            return "token"
        case _:
            names = {
                "Password": "password of a user",
                "OidcAgency": "agency of an OIDC provider",
                "IdentityProvider": "identity provider",
                "PodIdentity": "identity of a container",
                "Agency": "agency of this cloud server",
            }
            return names[type(source).__name__]


def _places(where: Addresses, region: str) -> Iterator[Finding]:
    edition = where.edition.name if where.edition else "an edition that the host does not tell"
    cloud = where.cloud or "none named"
    hosts = {"API": where.api, "IAM": where.iam, "STS": where.sts}
    named = ", ".join(
        f"{name} {host_text(one.authority) if one else 'not known'}" for name, one in hosts.items()
    )
    yield Finding(
        topic="where",
        message=f"region {region or 'none'} of {edition} (cloud: {cloud}): {named}",
        is_well=where.api is not None,
        hint="" if where.api else "add --region",
        facts={name: one.authority if one else None for name, one in hosts.items()}
        | {"region": region, "edition": where.edition.name if where.edition else None},
    )
    for remark in where.remarks:
        yield Finding(topic="where", message=remark, is_well=None)
    if where.edition:
        udp = "TCP and, in some regions, UDP" if where.edition.takes_udp else "TCP only"
        yield Finding(
            topic="limits",
            message=f"{where.edition.name} by its documents: {udp}; names of {where.edition.name_chars_max}, "
            f"descriptions of {where.edition.description_chars_max} characters",
        )


def _clock(name: str, off_s: float | None) -> Finding:
    if off_s is None:
        return Finding(topic="clock", message=f"{name} states no time", is_well=None)
    side = "ahead of" if off_s > 0 else "behind"
    is_well = abs(off_s) < CLOCK_SKEW_MAX_S
    return Finding(
        topic="clock",
        message=f"{name} is {abs(off_s):.0f} s {side} this machine",
        is_well=is_well,
        hint="" if is_well else "set this machine's clock; signatures are good for 15 minutes",
        facts={"off_s": round(off_s, 1)},
    )


async def _who(client: ReadClient, *, lists_projects: bool) -> AsyncIterator[Finding]:
    """Yield the identity, the account and the projects of the credentials, as far as the cloud says."""
    got = await client.ask_identity(CALLER_IDENTITY, of_sts=True)
    caller = caller_of(got.body) if isinstance(got, Answer) and succeeded(got) else ""
    yield Finding(
        topic="who", message=caller or f"STS does not say: {_said(got)}", is_well=bool(caller) or None
    )
    got = await client.ask_identity(ACCOUNTS)
    accounts = account_of(got.body) if isinstance(got, Answer) and succeeded(got) else []
    yield Finding(
        topic="account",
        message=", ".join(accounts) or f"IAM does not say: {_said(got)}",
        is_well=bool(accounts) or None,
    )
    projects = await client.projects()
    yield _projects(client, projects, lists_projects=lists_projects)


def _projects(client: ReadClient, projects: tuple[Project, ...], *, lists_projects: bool) -> Finding:
    mine = next((one.name for one in projects if one.id == client.project_id), "")
    used = f"{mine} ({client.project_id})" if mine else f"{client.project_id}, which IAM does not list"
    if not projects:
        used = f"{client.project_id}; IAM does not say which projects there are"
    others = len(projects) - bool(mine)
    shown = "; ".join(f"{one.name} {one.id}" for one in sorted(projects, key=lambda one: one.name))
    return Finding(
        topic="projects",
        message=used
        + (f"; {counted(others, 'other') if others else 'no others'}" if projects else "")
        + (f": {shown}" if lists_projects and projects else ""),
        is_well=bool(mine) or None,
        facts={"project_id": client.project_id, "projects": {one.id: one.name for one in projects}}
        if lists_projects
        else {"project_id": client.project_id, "others": others},
    )


def _said(got: Answer | Lost | Retry | Abort | None) -> str:
    """Return what came in place of an answer."""
    match got:
        case None:
            return "its address is not known"
        case Lost(code=code, message=message):
            return f"{code} {message}"
        case Answer():
            reply = refusal_reply(got)
            return " ".join(filter(None, (f"HTTP {got.http}", reply.code, reply.message)))
        case Retry(reply=reply) | Abort(reply=reply):
            return " ".join(
                filter(None, (f"HTTP {reply.http}" if reply.http else "", reply.code, reply.message))
            )


def _advice(page: Answer | Lost | Retry | Abort) -> str:
    """Return what to do about what came in place of a list."""
    match page:
        case Answer() if succeeded(page):
            return "check --endpoint and HTTPS_PROXY: what answers is not this API"
        case Abort(hint=hint):
            return hint
        case Retry(reply=reply):
            return advice_for(reply.code, reply.http)
        case Lost(code=code):
            return advice_for(code, None)
        case _:
            reply = refusal_reply(page)
            return advice_for(reply.code, reply.http)


def _refuses_key(page: Answer | Lost | Retry | Abort) -> bool:
    return isinstance(page, Abort) or (
        isinstance(page, Answer) and not succeeded(page) and refuses_key(refusal_reply(page))
    )


async def _replies(client: ReadClient, page: Answer | Lost | Retry | Abort) -> AsyncIterator[Finding]:
    """Yield what the API's replies to reads look like, by a page of the list and what is asked after it."""
    facts = list_facts(page.body) if isinstance(page, Answer) and succeeded(page) else None
    if not isinstance(page, Answer) or facts is None:
        code = ExitCode.CANNOT_RUN
        yield Finding(
            topic="list", message=f"no list: {_said(page)}", is_well=False, hint=_advice(page), exit_code=code
        )
        return
    yield Finding(
        topic="list",
        message=f"{facts.services} of {facts.total} services in {page.ms} ms"
        + (f"; {facts.unreadable} that bulk does not understand" if facts.unreadable else "")
        + ("; an empty list is null" if facts.is_null else ""),
        is_well=not facts.unreadable,
        facts={"services": facts.services, "total": facts.total, "ms": page.ms},
    )
    for point, counts in facts.counted.items():
        named = ", ".join(f"{name} ({number})" for name, number in counts.items())
        yield Finding(topic="shape", message=f"{point}: {named}", facts={point: dict(counts)})
    if facts.unknown:
        names = ", ".join(facts.unknown)
        yield Finding(topic="shape", message=f"members that no document has: {names}", is_well=None)
    if facts.is_oldest_first is not None:
        is_so = "oldest first, as asked" if facts.is_oldest_first else "not in the order of creation"
        yield Finding(topic="shape", message=f"order: {is_so}", is_well=facts.is_oldest_first)
    async for finding in _questions(client, page, services_path(client.project_id)):
        yield finding


async def _questions(client: ReadClient, page: Answer, path: str) -> AsyncIterator[Finding]:
    """Yield what reads tell of the open questions of API.md, section 7.2, by their numbers there."""
    facts = list_facts(page.body)
    nobody = await client.look(show_service(path, NOBODY))
    if isinstance(nobody, Answer):
        yield _answer(1, f"an error has {error_form(nobody)}; an unknown service is {_said(nobody)}")
    beyond = await client.look(list_services(path, offset=(facts.total or 0) + 1 if facts else 1, limit=1))
    if isinstance(beyond, Answer):
        empty = "an empty page" if succeeded(beyond) else _said(beyond)
        yield _answer(9, f"an offset beyond the end gives {empty}")
    if facts and facts.udp:
        yield _answer(6, f"{_services(facts.udp)} UDP")
    if facts and facts.two_client_ports:
        yield _answer(4, f"{_services(facts.two_client_ports)} two client_ports for one server_port")
    stated = limits_stated(page) | (limits_stated(nobody) if isinstance(nobody, Answer) else {})
    named = ", ".join(f"{name}: {text}" for name, text in stated.items())
    yield _answer(5, f"limits in headers: {named}" if named else "no reply states a limit in its headers")
    async for finding in _detail(client, page, path):
        yield finding
    quota = await client.look(quotas_of(client.project_id))
    figures = quotas(quota.body) if isinstance(quota, Answer) and succeeded(quota) else []
    yield Finding(
        topic="quotas",
        message=", ".join(figures) or f"not stated: {_said(quota)}",
        is_well=bool(figures) or None,
    )


async def _detail(client: ReadClient, page: Answer, path: str) -> AsyncIterator[Finding]:
    first = first_id(page.body)
    if first is None:
        return
    detail = await client.look(show_service(path, first))
    is_same = same_order(page.body, detail.body) if isinstance(detail, Answer) and succeeded(detail) else None
    if is_same is not None:
        yield _answer(
            8, f"list and detail have the ports of a service in {'one' if is_same else 'another'} order"
        )


def _services(number: int) -> str:
    return f"{counted(number, 'service')} here {'has' if number == 1 else 'have'}"


def _answer(number: int, message: str) -> Finding:
    return Finding(topic=f"question {number}", message=message)
