"""Where each region's endpoint service and IAM answer (API.md, section 5)."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from urllib.parse import urlsplit

from bulk.errors import UsageError

WITH_IAM = frozenset({
    "cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-north-12", "cn-east-2", "cn-east-3",
    "cn-east-4", "cn-east-5", "cn-south-1", "cn-south-2", "cn-southwest-2", "ap-southeast-1",
    "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "af-south-1", "la-north-2", "la-south-2",
    "na-mexico-1", "sa-brazil-1", "tr-west-1", "me-east-1", "ae-ad-1", "my-kualalumpur-1",
    "ru-moscow-1", "eu-west-0",
})  # fmt: skip
"""Regions with an IAM of their own; the others are served by the cloud's global IAM."""

REGIONS = WITH_IAM | {
    "eu-west-101", "cn-south-4", "cn-north-11", "cn-southwest-3", "ap-southeast-5", "af-north-1",
    "ru-northwest-2",
}  # fmt: skip

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
"""A host name (RFC 1123); others stand in the URL as Punycode."""

_METADATA_HOST = "169.254.169.254"
"""Link-local: reaches the host of this machine and nobody else (API.md, section 4.4)."""

_ELSEWHERE = MappingProxyType({"eu-west-101": "myhuaweicloud.eu"})
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


def endpoint_for(region: str, *, override: str = "", env: Mapping[str, str] = _NOTHING) -> Endpoint:
    """Return the VPC endpoint service's address in `region`.

    `override` (the `--endpoint` flag) goes first, then `HUAWEICLOUD_SDK_REGION_VPCEP_<REGION>` of
    `env`, then the table. Raises UsageError for an unknown region and for an unsafe address.
    """
    return parse_endpoint(override or address_in(env, region) or _vpcep(region))


def address_in(env: Mapping[str, str], region: str) -> str:
    """Return the address in a region that the official SDK's variable names; empty where it names none."""
    variable = f"HUAWEICLOUD_SDK_REGION_VPCEP_{region.upper().replace('-', '_')}"
    return env.get(variable, "").split(",")[0].strip()


def iam_endpoint_for(
    region: str, *, api: Endpoint | None, override: str = "", env: Mapping[str, str] = _NOTHING
) -> Endpoint | None:
    """Return the address of the IAM that knows `region` and belongs to the API there; without an API, any.

    `override` (from a credentials file) goes first, then `HUAWEICLOUD_SDK_IAM_ENDPOINT`, then
    `HW_AUTH_URL` (whose `/v3` is dropped), then the table, then the global IAM. None where the table has
    another operator than that of the API: a password is sent to no guess. None also where the API is on this
    machine, for practice, and IAM is not.
    """
    given = override or env.get("HUAWEICLOUD_SDK_IAM_ENDPOINT") or env.get("HW_AUTH_URL", "")
    if given:
        named = parse_endpoint(given.rstrip("/").removesuffix("/v3"))
        return None if api and api.loopback and not named.loopback else named
    iam = parse_endpoint(_iam(region))
    return iam if api is None or _operator(iam.host) == _operator(api.host) else None


def must_be_named(endpoint: Endpoint) -> bool:
    """Return whether a person has to name a host before it gets credentials: it is not in the table."""
    return not endpoint.loopback and str(endpoint) not in map(_vpcep, REGIONS)


def _operator(host: str) -> str:
    """Return the domain that tells the operator of a cloud: its last two labels."""
    return ".".join(host.split(".")[-2:])


def parse_endpoint(address: str) -> Endpoint:
    """Return the address `https://host[:port]`; plain http only to this machine.

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
    if parts.scheme == "http" and not loopback:
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


def _vpcep(region: str) -> str:
    if region not in REGIONS:
        near = get_close_matches(region, sorted(REGIONS), n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"region {region!r} is not known", hint=f"{guess}a new region needs its address: --endpoint"
        )
    return f"https://vpcep.{region}.{_ELSEWHERE.get(region, 'myhuaweicloud.com')}"


def _iam(region: str) -> str:
    if region in _ELSEWHERE:
        return f"https://iam.{region}.{_ELSEWHERE[region]}"
    return (
        f"https://iam.{region}.myhuaweicloud.com" if region in WITH_IAM else "https://iam.myhuaweicloud.com"
    )
