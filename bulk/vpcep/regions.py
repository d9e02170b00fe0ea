"""Addresses, checked: of the endpoint service in a region, of IAM, of whatever else is asked.

Source: API.md, section 5.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from bulk.errors import UsageError
from bulk.vpcep.editions import EDITIONS, EUROPE, HUAWEI_CLOUD, Edition, edition_of, home_of, operator_of
from bulk.vpcep.found import one_of

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
"""A host name (RFC 1123); others stand in the URL as Punycode."""

_METADATA_HOST = "169.254.169.254"
"""Link-local: reaches the host of this machine and nobody else (API.md, section 4.4)."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server's address, checked: nothing secret travels over a wire that others can read."""

    scheme: str
    host: str
    authority: str
    """The `Host` header: the host, with the port where it is not the scheme's own."""
    loopback: bool

    def __str__(self) -> str:
        """Return the address without a slash at its end."""
        return f"{self.scheme}://{self.authority}"


METADATA = Endpoint(scheme="http", host=_METADATA_HOST, authority=_METADATA_HOST, loopback=False)


def endpoint_for(
    region: str, *, override: str = "", env: Mapping[str, str] = _NOTHING, cloud: str = ""
) -> Endpoint:
    """Return the VPC endpoint service's address in `region`.

    `override` (the `--endpoint` flag) goes first, then `HUAWEICLOUD_SDK_REGION_VPCEP_<REGION>` of
    `env`, then the table: the edition of `cloud` or, without a cloud, one of Huawei's own. Raises UsageError
    for a region that the edition does not have and for an unsafe address.
    """
    return parse_endpoint(override or address_in(env, region) or edition_for(cloud, region).api(region))


def edition_for(cloud: str, region: str) -> Edition:
    """Return the edition of the cloud that credentials name, or of those that name none."""
    return edition_of(cloud) if cloud else home_of(region)


def address_in(env: Mapping[str, str], region: str) -> str:
    """Return the address in a region that the official SDK's variable names; empty where it names none."""
    variable = f"HUAWEICLOUD_SDK_REGION_VPCEP_{region.upper().replace('-', '_')}"
    return env.get(variable, "").split(",")[0].strip()


def iam_named(*, override: str = "", env: Mapping[str, str] = _NOTHING) -> Endpoint | None:
    """Return the address of IAM that a person named; None where they named none.

    `override` (from a credentials file) goes first, then the variables of the official SDK and of Terraform;
    the `/v3` at its end is dropped. Raises CredentialsError where these variables name two.
    """
    own, *named = (_without_version(each) for each in (override, *(env.get(name, "") for name in _IAM)))
    given = own or one_of({name: each for name, each in zip(_IAM, named, strict=True) if each}, *_IAM)
    return parse_endpoint(given) if given else None


_IAM = ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "HW_AUTH_URL")


def _without_version(address: str) -> str:
    return address.strip().rstrip("/").removesuffix("/v3")


def guessed(address: str, api: Endpoint | None) -> Endpoint | None:
    """Return an address of the table; None where the API is of another operator than it, or on this machine.

    A password is sent to no guess across operators.
    """
    if not address:
        return None
    found = parse_endpoint(address)
    return found if api is None or operator_of(api.host) is operator_of(found.host) else None


def must_be_named(endpoint: Endpoint, cloud: str = "") -> bool:
    """Return whether a person has to name a host before it gets credentials.

    The hosts of the edition that they are of need no word: that of the cloud that they name, or, where they
    name none, Huawei's own two.
    """
    editions = [edition_of(cloud)] if cloud else [EDITIONS[HUAWEI_CLOUD], EDITIONS[EUROPE]]
    return not (endpoint.loopback or any(edition.serves(str(endpoint)) for edition in editions))


def parse_address(address: str) -> tuple[Endpoint, str, str]:
    """Return the endpoint, path and query of an address; plain http only to this machine and its own node.

    Raises UsageError for everything else.
    """
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        raise _unusable(address, "cannot be read") from None
    if parts.fragment or not re.fullmatch(r"[!-~]*", parts.path + parts.query):
        raise _unusable(address, "has something behind its host that no address has")
    endpoint = parse_endpoint(f"{parts.scheme}://{parts.netloc}", may_be_link_local=True)
    return endpoint, parts.path or "/", parts.query


def parse_endpoint(address: str, *, may_be_link_local: bool = False) -> Endpoint:
    """Return the address `https://host[:port]`; plain http only to this machine, or also to its own link.

    Raises UsageError for everything else: another scheme, a path, a user name, a bad port.
    """
    try:
        parts = urlsplit(address.strip())
        port = parts.port  # reading it is what checks it
    except ValueError:  # whose text may quote a password
        raise _unusable(address, "cannot be read") from None
    host = (parts.hostname or "").lower()
    ip = _ip_address(host)
    if parts.scheme not in {"http", "https"} or not (ip or _NAME.fullmatch(host)):
        raise _unusable(address, "is no http or https address")
    if parts.path.rstrip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise _unusable(address, "has more than a host and a port")
    loopback = host == "localhost" if ip is None else ip.is_loopback
    is_near = loopback or (may_be_link_local and ip is not None and ip.is_link_local)
    if parts.scheme == "http" and not is_near:
        raise _unusable(address, "is plain http to another machine, which would show the credentials")
    shown = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    authority = shown if port in {None, usual} else f"{shown}:{port}"
    return Endpoint(scheme=parts.scheme, host=host, authority=authority, loopback=loopback)


def _unusable(address: str, why: str) -> UsageError:
    shown = address.rpartition("@")[2]
    return UsageError(f"endpoint {shown!r} {why}", hint="write https://host[:port], or http://127.0.0.1:port")


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
