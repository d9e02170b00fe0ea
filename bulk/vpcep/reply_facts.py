"""What replies of the real API look like: the points that documents leave open, answered by reads alone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from bulk.model import ServiceId, ServiceState, value
from bulk.vpcep.pages import read_page
from bulk.vpcep.refusals import clean
from bulk.vpcep.replies import Answer
from bulk.vpcep.services import UNREADABLE, listed_service

KNOWN = frozenset(
    {
        *(name for name in ServiceState.__dataclass_fields__),
        "cidr_type", "domain_id", "ip_version", "pool_id", "snat_network_id", "supported_editions", "tags",
    }
)  # fmt: skip
"""Members of a service that some document has (API.md, sections 1.1 to 1.3)."""
_NAME_CHARS_MAX = 64
_NAMES_MAX = 20


@value
class ListFacts:
    """One page of the list, as it came."""

    services: int
    total: int | None
    is_null: bool
    """Whether an empty list is written as null."""
    unreadable: int
    """Services that bulk does not understand, so that it sends them nothing."""
    counted: Mapping[str, Mapping[str, int]]
    """For each point how many services, or mappings, are which way."""
    unknown: tuple[str, ...]
    """Members of a service that no document has."""
    is_oldest_first: bool | None
    """None where too few say when they were created."""
    udp: int
    """Services with a mapping of UDP."""
    two_client_ports: int
    """Services of which one server_port has several client_ports."""


def list_facts(body: bytes) -> ListFacts | None:
    """Return what a page of the list looks like; None where it is none."""
    try:
        page = orjson.loads(body)
        entries = page["endpoint_services"]
        services = [entry for entry in entries or [] if isinstance(entry, dict)]
        unreadable = sum(listed_service(entry).status == UNREADABLE for entry in services)
    except (ValueError, KeyError, TypeError):
        return None
    created = [str(entry["created_at"]) for entry in services if entry.get("created_at")]
    ports = [list(_mappings(entry)) for entry in services]
    return ListFacts(
        services=len(services),
        total=page["total_count"] if isinstance(page.get("total_count"), int) else None,
        is_null=entries is None,
        unreadable=unreadable,
        counted=_counted(services, ports),
        unknown=tuple(sorted(_unknown(services)))[:_NAMES_MAX],
        is_oldest_first=created == sorted(created) if len(created) > 1 else None,
        udp=sum(any(str(one.get("protocol")).upper() == "UDP" for one in its) for its in ports),
        two_client_ports=sum(_shares_a_backend(its) for its in ports),
    )


def _mappings(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = entry.get("ports")
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())


def _counted(
    services: list[dict[str, Any]], ports: list[list[Mapping[str, Any]]]
) -> dict[str, dict[str, int]]:
    mappings = [one for its in ports for one in its]
    points: dict[str, list[str]] = {
        "ports as": [_kind(one.get("client_port")) for one in mappings],
        "protocol": [str(one.get("protocol")) for one in mappings],
        "times as": [_time_form(entry.get("created_at")) for entry in services],
        "status": [str(entry.get("status")) for entry in services],
        "service_type": [str(entry.get("service_type")) for entry in services],
        "server_type": [str(entry.get("server_type")) for entry in services],
        "updated_at": ["shown" if entry.get("updated_at") else "hidden" for entry in services],
        "vip_port_id": ["shown" for entry in services if "vip_port_id" in entry],
    }
    return {
        point: {
            clean(name, _NAME_CHARS_MAX): number for name, number in Counter(names).most_common(_NAMES_MAX)
        }
        for point, names in points.items()
        if names
    }


def _kind(port: object) -> str:
    return {int: "numbers", str: "texts"}.get(type(port), "neither numbers nor texts")


def _time_form(time: object) -> str:
    if not isinstance(time, str) or not time:
        return "none"
    fraction = " with a fraction" if "." in time else ""
    return ("UTC (Z)" if time.endswith("Z") else "without a zone") + fraction


def _unknown(services: list[dict[str, Any]]) -> set[str]:
    return {clean(str(name), _NAME_CHARS_MAX) for entry in services for name in entry if name not in KNOWN}


def _shares_a_backend(mappings: list[Mapping[str, Any]]) -> bool:
    backends = Counter((str(one.get("server_port")), str(one.get("protocol")).upper()) for one in mappings)
    return any(number > 1 for number in backends.values())


def first_id(body: bytes) -> ServiceId | None:
    """Return the id of the first service of a page that bulk understands; None where it has none."""
    try:
        return next((one.id for one in read_page(body)[0]), None)
    except ValueError:
        return None


def same_order(listed: bytes, shown: bytes) -> bool | None:
    """Return whether a service's detail has its ports in the order of the list; None where it has too few."""
    try:
        entry = orjson.loads(listed)["endpoint_services"][0]["ports"]
        detail = orjson.loads(shown)["ports"]
        one, other = (
            [(str(p["client_port"]), str(p["server_port"])) for p in its] for its in (entry, detail)
        )
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return one == other if len(one) > 1 and sorted(one) == sorted(other) else None


def error_form(got: Answer) -> str:
    """Return the form of a refusal's body, by the names of its members (API.md, section 3.3)."""
    try:
        body = orjson.loads(got.body)
    except ValueError:
        return "no JSON" if got.body else "empty"
    if not isinstance(body, dict):
        return "JSON, and no object"
    inner = {name: value for name, value in body.items() if isinstance(value, dict)}
    names = [f"{name}.{each}" for name, value in inner.items() for each in value]
    names += [name for name in body if name not in inner]
    return clean(", ".join(sorted(map(str, names))[:_NAMES_MAX]), 5 * _NAME_CHARS_MAX)


def limits_stated(got: Answer) -> dict[str, str]:
    """Return the headers of a reply that state a limit of requests."""
    return {
        clean(name, _NAME_CHARS_MAX): clean(text, _NAME_CHARS_MAX)
        for name, text in got.headers.items()
        if "ratelimit" in name.lower().replace("-", "") or name.lower() == "retry-after"
    }


def quotas(body: bytes) -> list[str]:
    """Return `endpoint_service: 12 of 20` for each quota of a reply; none where it cannot be understood."""
    try:
        found = orjson.loads(body)["quotas"]["resources"]
        texts = [f"{one['type']}: {one['used']} of {one['quota']}" for one in found]
    except (ValueError, KeyError, TypeError):
        return []
    return [clean(text, _NAME_CHARS_MAX) for text in texts]


def account_of(body: bytes) -> list[str]:
    """Return the accounts that `GET /v3/auth/domains` names: `acme (0a1b…)`."""
    try:
        found = orjson.loads(body)["domains"]
        texts = [f"{one['name']} ({one['id']})" for one in found]
    except (ValueError, KeyError, TypeError):
        return []
    return [clean(text, 2 * _NAME_CHARS_MAX) for text in texts]


def caller_of(body: bytes) -> str:
    """Return the identity of the caller in a reply to `GET /v5/caller-identity`; empty where it has none."""
    try:
        reply = orjson.loads(body)
        return clean(f"{reply['principal_urn']} of account {reply['account_id']}", 5 * _NAME_CHARS_MAX)
    except (ValueError, KeyError, TypeError):
        return ""
