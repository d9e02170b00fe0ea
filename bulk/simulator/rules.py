"""What the API accepts: every documented validation with its error code.

Source: API.md, sections 1.1, 1.5 and 2.2 to 2.4. Pure functions from a parsed body to a value or a `Refusal`.
Where two codes fit, the choice is stated there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, assert_never

from .errors import Refusal, vpcep
from .fleet import Fleet, PortMapping, Service, Status, Tag
from .switches import Duplicates, EmptyPorts, Switches

UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
PROJECT_ID = re.compile(r"[0-9a-f]{32}")
_SHORT_NAME = re.compile(r"[A-Za-z0-9_-]{0,16}")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)")
_DOMAIN_NAME = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
_TAG_FORBIDDEN = re.compile(r"[=*<>\\,|/]")

DESCRIPTION_CHARS_MAX = 128
PROTOCOLS = ("TCP", "UDP")
SERVER_TYPES = ("VM", "LB", "VIP", "BMS")
TCP_PROXIES = ("close", "toa_open", "proxy_open", "open", "proxy_vni")
TAG_KEY_CHARS_MAX = 36
TAG_VALUE_CHARS_MAX = 43

Body = Mapping[str, Any]


def full_name(region: str, short_name: str, service_id: str) -> str:
    """Return the stored name: `region.name.id`, or `region.id` without a name (API.md, section 1.1)."""
    return f"{region}.{short_name}.{service_id}" if short_name else f"{region}.{service_id}"


def modified(
    before: Service, body: Body, *, fleet: Fleet, switches: Switches, region: str
) -> Service | Refusal:
    """Return the service as a PUT with this body leaves it, timestamps untouched, or the refusal."""
    refusal = (
        (None if body or switches.empty_body_accepted else vpcep("0002", "The body is empty."))
        or _bad_field(body)
        or _may_change(before)
        or _excluded(before, body)
    )
    if refusal is not None:
        return refusal
    ports = _wanted_ports(before, body, switches)
    if isinstance(ports, Refusal):
        return ports
    after = replace(
        before,
        ports=ports,
        port_id=body.get("port_id", before.port_id),
        vip_port_id=body.get("vip_port_id", before.vip_port_id),
        ip=body.get("ip", before.ip),
        approval_enabled=body.get("approval_enabled", before.approval_enabled),
        description=body.get("description", before.description),
        tcp_proxy=body.get("tcp_proxy", before.tcp_proxy),
        service_name=full_name(region, body["service_name"], before.id)
        if "service_name" in body
        else before.service_name,
    )
    return clash(after, moved=after.port_id != before.port_id, fleet=fleet, switches=switches) or after


def renamed(before: Service, body: Body, *, region: str) -> Service | Refusal:
    """Return the service under its new name (API.md, section 1.4), or the refusal."""
    if "endpoint_service_name" not in body:
        return vpcep("2002", "endpoint_service_name is missing.")
    short_name = body["endpoint_service_name"]
    if not _is_short_name(short_name):
        return vpcep("1003")
    refusal = _may_change(before)
    return refusal or replace(before, service_name=full_name(region, short_name, before.id))


def creation_refusal(body: Body, switches: Switches) -> Refusal | None:
    """Return why a POST body cannot make a service, or None (API.md, section 1.5).

    Its ports are left to `read_ports`.
    """
    for name in ("port_id", "vpc_id", "server_type"):
        if not body.get(name):
            return vpcep("2002", f"{name} is missing.")
    if not _is_uuid(body["vpc_id"]):
        return vpcep("0020")
    if body["server_type"] not in SERVER_TYPES:
        return vpcep("3021")
    if body.get("service_type", "interface") != "interface":
        return vpcep("0002", "service_type must be interface.")
    if "ports" not in body:
        return vpcep("2028", "ports is missing.")
    return _bad_field(body) or bad_tags(body.get("tags", []), switches)


def bad_tags(tags: object, switches: Switches) -> Refusal | None:
    """Return what is wrong with a list of tags, or None."""
    if not isinstance(tags, list):
        return vpcep("0002", "tags must be a list.")
    if len(tags) > switches.tags_max:
        return vpcep("3069")
    keys = set()
    for tag in tags:
        refusal = _bad_tag(tag)
        if refusal is not None:
            return refusal
        keys.add(tag["key"])
    return vpcep("3067") if len(keys) < len(tags) else None


def read_tags(tags: list[Mapping[str, str]]) -> tuple[Tag, ...]:
    """Return checked tags as values."""
    return tuple(Tag(tag["key"], tag["value"]) for tag in tags)


def read_ports(entries: list[Any], switches: Switches) -> tuple[PortMapping, ...] | Refusal:
    """Return the mappings of a `ports` list with at least one entry, or the refusal (API.md, section 2.3)."""
    if len(entries) > switches.ports_max:
        return vpcep("3074", f"{len(entries)} are more than {switches.ports_max}.")
    mappings = []
    for entry in entries:
        mapping = _read_mapping(entry, switches)
        if isinstance(mapping, Refusal):
            return mapping
        mappings.append(mapping)
    return _repetition(mappings, switches) or tuple(mappings)


def clash(service: Service, *, moved: bool, fleet: Fleet, switches: Switches) -> Refusal | None:
    """Return why a service cannot stand beside those behind its port_id, or None.

    The pair (server_port, protocol) is unique over all services that share a port_id (API.md, section 2.3).
    The service's own former mappings are no sibling's, so they never clash with its new ones.
    """
    if service.port_id is None:
        return None
    wanted = {mapping[1:] for mapping in service.ports}
    wanted_clients = {(mapping.client_port, mapping.protocol) for mapping in service.ports}
    count = 1
    for sibling in fleet.siblings(service.id, service.port_id):
        count += 1
        if moved and sibling.vpc_id != service.vpc_id:
            return vpcep("3042")
        if any(mapping[1:] in wanted for mapping in sibling.ports):
            return vpcep("3044", f"port_id {service.port_id}, service {sibling.id}.")
        if switches.shared_client_ports_refused and any(
            (mapping.client_port, mapping.protocol) in wanted_clients for mapping in sibling.ports
        ):
            return vpcep("3044", f"port_id {service.port_id}, terminal port of service {sibling.id}.")
    if moved and count == 1 and not switches.unknown_port_id_accepted:
        return vpcep("3008")
    limit = switches.services_per_port_id_max
    return vpcep("3056") if moved and limit is not None and count > limit else None


def _may_change(service: Service) -> Refusal | None:
    if service.service_type != "interface":
        # No document names the code. The operator owns them, so access is denied (API.md, section 7, trap 9).
        return vpcep("0004", "Services of type gateway are the operator's.")
    return None if service.status is Status.AVAILABLE else vpcep("3045", f"It is {service.status}.")


def _excluded(service: Service, body: Body) -> Refusal | None:
    """Return the refusal of fields that exclude each other or are fixed, or None (API.md, section 2.4).

    A service stands on a port or on an ip; the other kind of backend is fixed.
    """
    if "ip" in body and "port_id" in body:
        return vpcep("3052")
    if "ip" in body and "vip_port_id" in body:
        return vpcep("3053")
    if "cidr_type" in body:
        return vpcep("3057")
    if service.ip is not None and ("port_id" in body or "vip_port_id" in body):
        return vpcep("3054")
    return vpcep("3055") if service.ip is None and "ip" in body else None


def _wanted_ports(before: Service, body: Body, switches: Switches) -> tuple[PortMapping, ...] | Refusal:
    if "ports" not in body:
        return before.ports
    if body["ports"]:
        return read_ports(body["ports"], switches)
    match switches.empty_ports:
        case EmptyPorts.REJECT:
            return vpcep("2028", "ports is empty.")
        case EmptyPorts.CLEAR:
            return ()
        case EmptyPorts.KEEP:
            return before.ports
        case _:
            assert_never(switches.empty_ports)


def _read_mapping(entry: object, switches: Switches) -> PortMapping | Refusal:
    if not isinstance(entry, dict):
        return vpcep("0002", "An entry of ports is not an object.")
    client_port, server_port = entry.get("client_port"), entry.get("server_port")
    protocol = entry.get("protocol", "TCP")
    if client_port is None or server_port is None or not protocol:
        return vpcep("2028")
    for port in (client_port, server_port):
        if type(port) is not int or not 1 <= port <= 65535:
            return vpcep("3043", f"{port!r} is not a whole number from 1 to 65535.")
    if protocol not in PROTOCOLS or (protocol == "UDP" and not switches.udp_accepted):
        return vpcep("3075", f"{protocol!r}.")
    return PortMapping(client_port, server_port, protocol)


def _repetition(mappings: list[PortMapping], switches: Switches) -> Refusal | None:
    match switches.duplicates:
        case Duplicates.ACCEPT:
            return None
        case Duplicates.MAPPING:
            distinct = len(set(mappings))
        case Duplicates.CLIENT_PORT:
            distinct = len({(mapping.client_port, mapping.protocol) for mapping in mappings})
        case _:
            assert_never(switches.duplicates)
    if distinct == len(mappings):
        return None
    number = switches.duplicates_code.rpartition(".")[2]
    return vpcep(number, "A port mapping is repeated.")


def _bad_field(body: Body) -> Refusal | None:
    """Return the refusal of the first field of a wrong form; `null` is no value (API.md, section 2.2)."""
    for name, (is_right, number) in _FORMS.items():
        if name in body and not is_right(body[name]):
            return vpcep(number, f"{name}: {str(body[name])[:80]!r}.")
    return None


def _bad_tag(tag: object) -> Refusal | None:
    if not isinstance(tag, dict) or not tag.get("key") or not isinstance(tag.get("value"), str):
        return vpcep("3066")
    key, value = tag["key"], tag["value"]
    if not isinstance(key, str):
        return vpcep("3068")
    if len(key) > TAG_KEY_CHARS_MAX:
        return vpcep("3072")
    if len(value) > TAG_VALUE_CHARS_MAX:
        return vpcep("3073")
    if any(_TAG_FORBIDDEN.search(text) or text != text.strip() for text in (key, value)):
        return vpcep("3068")
    return None


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def _is_short_name(value: object) -> bool:
    return isinstance(value, str) and _SHORT_NAME.fullmatch(value) is not None


def _is_description(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= DESCRIPTION_CHARS_MAX
        and "<" not in value
        and ">" not in value
    )


def _is_address(value: object) -> bool:
    return isinstance(value, str) and bool(_IPV4.fullmatch(value) or _DOMAIN_NAME.fullmatch(value))


# Of the two codes for a bad port id (3003, 3063) and a bad service name (1003, 3076) the older one is used.
_FORMS: dict[str, tuple[Callable[[object], bool], str]] = {
    "approval_enabled": (lambda value: isinstance(value, bool), "0002"),
    "ports": (lambda value: isinstance(value, list), "0002"),
    "port_id": (_is_uuid, "3003"),
    "vip_port_id": (_is_uuid, "3051"),
    "service_name": (_is_short_name, "1003"),
    "description": (_is_description, "0002"),
    "tcp_proxy": (lambda value: value in TCP_PROXIES, "0002"),
    "ip": (_is_address, "3010"),
}
