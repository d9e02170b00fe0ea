"""What was found becomes a token or a key: by IAM, STS, the metadata service or the node of a container.

Each exchange is one request, or two that belong together, and returns a secret with its end, or why there is
none. It is made anew before that end (`identity.py`).
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias, assert_never

from bulk.errors import CredentialsError
from bulk.model import Abort, Retry, value
from bulk.vpcep import iam, login_requests
from bulk.vpcep.kept_files import token_in
from bulk.vpcep.keys import KeyPair, Secret, Stamp, Token
from bulk.vpcep.logins import Agency, IdentityProvider, Login, OidcAgency, Password, PodIdentity, Role
from bulk.vpcep.regions import METADATA, Endpoint, parse_address
from bulk.vpcep.replies import Answer, Lost
from bulk.vpcep.requests import (
    METADATA_TOKEN,
    METADATA_TOKEN_LIFE_S,
    REPLY_BYTES_MAX,
    SECURITY_KEY,
    Request,
    Timeouts,
)
from bulk.vpcep.wire import Route, Wire

METADATA_TIMEOUTS = Timeouts(connect_s=3.0, read_s=3.0, total_s=3.0)
"""Elsewhere than on a cloud server nobody answers (API.md, section 4.4)."""

POD_TIMEOUTS = Timeouts(connect_s=5.0, read_s=5.0, total_s=10.0)
"""Those of the official SDK."""

Renewal: TypeAlias = Callable[[], Awaitable[Secret | Retry | Abort]]


@value
class Servers:
    """Who exchanges credentials, and for which project a token is asked."""

    iam: Endpoint | None
    """None where it is not known; nothing is sent to a guess."""
    sts: Endpoint | None = None
    region: str
    project_id: str = ""
    project_name: str = ""
    """Of the project, where no id is named; empty for that of the region's name."""
    metadata: Endpoint = METADATA


def renewal_of(login: Login, wire: Wire, servers: Servers) -> Renewal:
    """Return the exchange of what was found; raises CredentialsError where its server is not known."""
    match login:
        case Agency():
            return partial(_agency_key, wire, _direct(servers.metadata))
        case PodIdentity():
            return partial(_pod_key, wire, login)
        case Password():
            request = login_requests.password_token(
                login,
                project={"id": servers.project_id}
                if servers.project_id
                else {"name": servers.project_name or servers.region},
            )
            return partial(_token, wire, wire.route(named(servers.iam, "a password")), request)
        case IdentityProvider():
            return partial(_provider_key, wire, wire.route(named(servers.iam, "an identity provider")), login)
        case OidcAgency():
            return partial(_oidc_key, wire, wire.route(named_sts(servers.sts, "an OIDC agency")), login)
        case _:
            assert_never(login)


def role_key(
    wire: Wire, servers: Servers, role: Role
) -> Callable[[Secret], Awaitable[Secret | Retry | Abort]]:
    """Return what lets a secret assume an agency: by STS where the account's id is known, else by IAM."""
    if role.domain_id:
        request, route = (
            login_requests.assume_agency(role),
            wire.route(named_sts(servers.sts, "an agency of an account that is named by its id")),
        )
    else:
        request, route = login_requests.assume_role(role), wire.route(named(servers.iam, "an agency"))
    return partial(_role_key, wire, route, request, role)


async def _role_key(
    wire: Wire, route: Route, request: Request, role: Role, secret: Secret
) -> Secret | Retry | Abort:
    if role.domain_id and isinstance(secret, Token):
        raise CredentialsError(
            "STS takes no token, and the agency's account is named by its id",
            hint="name it by its name (HW_ASSUME_ROLE_DOMAIN_NAME), or use an access key",
        )
    headers = {"Host": route.endpoint.authority, "Content-Type": "application/json;charset=UTF-8"}
    signed = Stamp(secret, headers).headers(request, wire.clock.now())
    return _kept(iam.temporary_key(await _ask(wire, route, request, signed)), wire)


async def _token(wire: Wire, route: Route, request: Request) -> Secret | Retry | Abort:
    return _kept(iam.issued_token(await _ask(wire, route, request, {})), wire)


async def _provider_key(wire: Wire, route: Route, login: IdentityProvider) -> Secret | Retry | Abort:
    """Exchange an ID token for a token of no project, and this for a key, as the official SDK does."""
    request = login_requests.provider_token(_read(wire, login.token_file))
    token = _kept(iam.issued_token(await _ask(wire, route, request, {"X-Idp-Id": login.idp_id})), wire)
    if not isinstance(token, Token):
        return token
    return _kept(
        iam.temporary_key(await _ask(wire, route, login_requests.key_for_token(token.value), {})), wire
    )


async def _oidc_key(wire: Wire, route: Route, login: OidcAgency) -> Secret | Retry | Abort:
    token = login.id_token or _read(wire, login.token_file)
    return _kept(
        iam.temporary_key(await _ask(wire, route, login_requests.assume_with_oidc(login, token), {})), wire
    )


async def _pod_key(wire: Wire, login: PodIdentity) -> Secret | Retry | Abort:
    endpoint, path, query = parse_address(login.uri)
    request = Request(method="POST", path=path, query=query, body=b"{}")
    headers = {"Authorization": _read(wire, login.token_file)}
    route = _direct(endpoint) if endpoint.scheme == "http" else wire.route(endpoint)
    return _kept(iam.temporary_key(await _ask(wire, route, request, headers, timeouts=POD_TIMEOUTS)), wire)


async def _agency_key(wire: Wire, route: Route) -> Secret | Retry | Abort:
    """Ask the metadata service for the keys of this cloud server's agency; older ones know no tokens."""
    life = {"X-Metadata-Token-Ttl-Seconds": str(METADATA_TOKEN_LIFE_S)}
    ask = partial(_ask, wire, route, timeouts=METADATA_TIMEOUTS)
    got = await ask(METADATA_TOKEN, life)
    token = "" if iam.needs_no_token(got) else iam.metadata_token(got)
    if isinstance(token, Retry | Abort):
        return token
    if token:
        wire.echoes.add(token)
    proof = {"X-Metadata-Token": token} if token else {}
    return _kept(iam.temporary_key(await ask(SECURITY_KEY, proof)), wire)


async def _ask(
    wire: Wire, route: Route, request: Request, headers: dict[str, str], *, timeouts: Timeouts | None = None
) -> Answer | Lost:
    head = {"Host": route.endpoint.authority}
    if request.body:
        head["Content-Type"] = "application/json;charset=UTF-8"
    return await wire.exchange(
        request,
        route,
        head | headers,
        body_bytes_max=REPLY_BYTES_MAX,
        timeouts=timeouts,
        gives_secret=True,
    )


def _read(wire: Wire, token_file: str) -> str:
    """Return the ID token in a file, which no server may repeat."""
    token = token_in(token_file)
    wire.echoes.add(token)
    return token


def _kept(got: Secret | Retry | Abort, wire: Wire) -> Secret | Retry | Abort:
    """Return what was got; where it is a secret, no server may repeat it from now on."""
    if isinstance(got, KeyPair | Token):
        wire.echoes.add(*got.confidential)
    return got


def _direct(endpoint: Endpoint) -> Route:
    """Return the way to a server of this machine or its node, which no proxy leads to."""
    return Route(endpoint=endpoint, base=str(endpoint), proxy=None)


def named(iam_endpoint: Endpoint | None, needs: str, way_out: str = "") -> Endpoint:
    """Return the address of IAM; raise CredentialsError where it is not known what needs it."""
    if iam_endpoint:
        return iam_endpoint
    raise CredentialsError(
        f"{needs} needs IAM, whose address is not known for this endpoint; nothing was sent to a guess",
        hint=f"{way_out}set HUAWEICLOUD_SDK_IAM_ENDPOINT=https://HOST, or iam_endpoint of the profile "
        "(beside an endpoint on this machine, such as a tunnel, only an IAM on this machine is asked)",
    )


def named_sts(sts: Endpoint | None, needs: str) -> Endpoint:
    """Return the address of STS; raise CredentialsError where it is not known what needs it."""
    if sts:
        return sts
    raise CredentialsError(
        f"{needs} needs STS, whose address is not known for this endpoint; nothing was sent to a guess",
        hint="set HUAWEICLOUD_SDK_STS_ENDPOINT=https://HOST (beside an endpoint on this machine, one on it)",
    )
