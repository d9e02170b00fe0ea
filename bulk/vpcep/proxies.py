"""Which proxy leads to an endpoint, by the variables that curl, Python and Go read.

`https_proxy` and then `all_proxy`, but for the hosts in `no_proxy`; each also in capitals, the small spelling
first, even if it is empty. This machine itself is always reached directly.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import chain
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from bulk.errors import UsageError
from bulk.vpcep.regions import Endpoint

Address: TypeAlias = IPv4Address | IPv6Address

_PORTS = {"https": 443, "http": 80}
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:]*))(?::(?P<port>[0-9]+))?")
"""What is no such pair is an address of IPv6 without brackets."""


def proxy_for(endpoint: Endpoint, env: Mapping[str, str]) -> str | None:
    """Return the address of the proxy to an endpoint; None where it is reached directly.

    Raises UsageError for a proxy that cannot be used; the message shows nothing of its address, which may
    have a password in it.
    """
    no_proxy, _ = _value(env, "no_proxy")
    if endpoint.loopback or is_exempt(endpoint, no_proxy):
        return None
    found = (_value(env, name) for name in (f"{endpoint.scheme}_proxy", "all_proxy"))
    return next((_usable(url, variable) for url, variable in found if url), None)


def passwords_in(env: Mapping[str, str]) -> frozenset[str]:
    """Return the passwords of all proxies, as written and as meant, alone and behind the user's name."""
    addresses = (_address_of(value) for name, value in env.items() if name.lower().endswith("_proxy"))
    return frozenset(chain.from_iterable(map(_passwords, addresses)))


def _passwords(address: str) -> Iterator[str]:
    name, colon, password = address.rpartition("@")[0].partition("://")[2].partition(":")
    if colon:
        for text in (password, f"{name}:{password}"):
            yield from (text, unquote(text))


def _value(env: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the value of a variable in either spelling, and the spelling; the value is empty for none."""
    return next(((env[each].strip(), each) for each in (name, name.upper()) if each in env), ("", ""))


def _usable(url: str, variable: str) -> str:
    """Return the address of a proxy where it can be used; raises UsageError."""
    address = _address_of(url)
    scheme = _scheme(address)
    if scheme in _PORTS:
        return address
    if scheme:
        raise UsageError(
            f"{variable} names a {scheme} proxy, and bulk can only use an HTTP proxy",
            hint="name one, such as http://HOST:PORT, or exempt the API's host with NO_PROXY",
        )
    raise UsageError(f"{variable} is not the address of a proxy", hint="write http://HOST:PORT")


def _address_of(url: str) -> str:
    """Return the address of a proxy, which may come without `http://`."""
    return url if "://" in url else f"http://{url}"


def _scheme(address: str) -> str:
    """Return the scheme of an address; empty where it is no address of a host."""
    try:
        parts = urlsplit(address)
        is_host = bool(parts.hostname) and parts.port != 0  # reading the port is what checks it
    except ValueError:
        return ""
    return parts.scheme if is_host else ""


def is_exempt(endpoint: Endpoint, no_proxy: str) -> bool:
    """Return whether a value of `no_proxy` names an endpoint.

    Its entries: a host, which stands for its subdomains too, also as `.host` and `*.host`; an address; a
    network, such as `10.0.0.0/8`; each of the first two perhaps with a port; `*` for everything.
    """
    port = urlsplit(str(endpoint)).port or _PORTS[endpoint.scheme]
    entries = re.split(r"[\s,]+", no_proxy.lower())
    return any(_names(entry, endpoint.host, port) for entry in entries if entry)


def _names(entry: str, host: str, port: int) -> bool:
    """Return whether one entry of `no_proxy` names a host at a port."""
    address = _address(host)
    if "/" in entry:
        return address is not None and _is_within(address, entry)
    found = _HOST_PORT.fullmatch(entry)
    name = (found["v6"] or found["name"] or "") if found else entry
    if found and found["port"] and int(found["port"][:6]) != port:
        return False
    if address:
        return name == "*" or _address(name) == address
    domain = name.removeprefix("*").strip(".")
    return name == "*" or (bool(domain) and f".{host}".endswith(f".{domain}"))


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_within(address: Address, network: str) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False
