"""What the API accepts: every documented validation with its error code.

Pure functions from a parsed body to a value; each raises the ErrorAnswer of the first rule that is broken.
Where two codes fit, the choice is stated there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, get_args

from bulk.simulator.error_answers import vpcep
from bulk.simulator.fleet import UUID, PortPair, ServerType, Service, ServiceStatus, SimulatedFleet
from bulk.simulator.switches import Switches

_SHORT_NAME = re.compile(r"[A-Za-z0-9_-]*")
_DESCRIPTION = re.compile(r"[^<>]{0,512}")
_ADDRESS = re.compile(  # an IPv4 address or a domain name
    r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"
    r"|(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_TAG_FORBIDDEN = re.compile(r"[=*<>\\,|/]")

TCP_PROXIES = ("close", "toa_open", "proxy_open", "open", "proxy_vni")

Body = Mapping[str, Any]


def full_name(region: str, short_name: str, service_id: str) -> str:
    """Return the stored name: `region.name.id`, or `region.id` without a name (API.md, section 1.1)."""
    return f"{region}.{short_name}.{service_id}" if short_name else f"{region}.{service_id}"


def modified(
    before: Service, body: Body, *, fleet: SimulatedFleet, switches: Switches, region: str
) -> Service:
    """Return the service as a PUT with this body leaves it, timestamps untouched."""
    if not (body or switches.empty_body_accepted):
        raise vpcep("0002", "The body is empty.")
    _check_fields(body, switches)
    _check_changeable(before)
    _check_exclusions(before, body)
    after = replace(
        before,
        ports=_wanted_ports(before, body, switches),
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
    check_clash(after, moved=after.port_id != before.port_id, fleet=fleet, switches=switches)
    return after


def renamed(before: Service, body: Body, *, switches: Switches, region: str) -> Service:
    """Return the service under its new name (API.md, section 1.4)."""
    if "endpoint_service_name" not in body:
        raise vpcep("2002", "endpoint_service_name is missing.")
    short_name = body["endpoint_service_name"]
    _check_name(short_name, switches)
    _check_changeable(before)
    return replace(before, service_name=full_name(region, short_name, before.id))


def check_creation(body: Body, switches: Switches) -> None:
    """Refuse a POST body that cannot make a service (API.md, section 1.5); `read_ports` reads its ports."""
    for name in ("port_id", "vpc_id", "server_type"):
        if not body.get(name):
            raise vpcep("2002", f"{name} is missing.")
    if not _matches(UUID, body["vpc_id"]):
        raise vpcep("0020")
    if body["server_type"] not in get_args(ServerType):
        raise vpcep("3021")
    if body.get("service_type", "interface") != "interface":
        raise vpcep("0002", "service_type must be interface.")
    if "ports" not in body:
        raise vpcep("2028", "ports is missing.")
    _check_fields(body, switches)
    _check_tags(body.get("tags", []), switches)


def read_ports(entries: list[Any], switches: Switches) -> tuple[PortPair, ...]:
    """Return the mappings of a `ports` list with at least one entry (API.md, section 2.3)."""
    if len(entries) > switches.ports_max:
        raise vpcep("3074", f"{len(entries)} are more than {switches.ports_max}.")
    mappings = [_read_mapping(entry, switches) for entry in entries]
    claims = mappings if switches.duplicates == "mapping" else [(m.client_port, m.protocol) for m in mappings]
    if switches.duplicates != "accept" and len(set(claims)) < len(mappings):
        raise vpcep(switches.duplicates_code.rpartition(".")[2], "A port mapping is repeated.")
    return tuple(mappings)


def check_clash(service: Service, *, moved: bool, fleet: SimulatedFleet, switches: Switches) -> None:
    """Refuse a service that cannot stand beside those behind its port_id.

    The pair (server_port, protocol) is unique over all services that share a port_id (API.md, section 2.3).
    The service's own former mappings are no sibling's, so they never clash with its new ones.
    """
    if service.port_id is None:
        return
    wanted = {mapping[1:] for mapping in service.ports}
    wanted_clients = {(mapping.client_port, mapping.protocol) for mapping in service.ports}
    siblings = list(fleet.siblings(service.id, service.port_id))
    for sibling in siblings:
        if moved and sibling.vpc_id != service.vpc_id:
            raise vpcep("3042")
        if any(mapping[1:] in wanted for mapping in sibling.ports):
            raise vpcep("3044", f"port_id {service.port_id}, service {sibling.id}.")
        if switches.shared_client_ports_refused and any(
            (mapping.client_port, mapping.protocol) in wanted_clients for mapping in sibling.ports
        ):
            raise vpcep("3044", f"port_id {service.port_id}, terminal port of service {sibling.id}.")
    if moved and not siblings and not switches.unknown_port_id_accepted:
        raise vpcep("3008")
    limit = switches.services_per_port_id_max
    if moved and limit is not None and len(siblings) >= limit:
        raise vpcep("3056")


def _check_changeable(service: Service) -> None:
    if service.service_type != "interface":
        # No document names the code. The operator owns them, so access is denied (API.md, section 7, trap 9).
        raise vpcep("0004", "Services of type gateway are the operator's.")
    if service.status is not ServiceStatus.AVAILABLE:
        raise vpcep("3045", f"It is {service.status}.")


def _check_exclusions(service: Service, body: Body) -> None:
    """Refuse fields that exclude each other or are fixed (API.md, section 2.4).

    A service stands on a port or on an ip; the other kind of backend is fixed.
    """
    if "ip" in body and "port_id" in body:
        raise vpcep("3052")
    if "ip" in body and "vip_port_id" in body:
        raise vpcep("3053")
    if "cidr_type" in body:
        raise vpcep("3057")
    if service.ip is not None and ("port_id" in body or "vip_port_id" in body):
        raise vpcep("3054")
    if service.ip is None and "ip" in body:
        raise vpcep("3055")


def _wanted_ports(before: Service, body: Body, switches: Switches) -> tuple[PortPair, ...]:
    if "ports" not in body:
        return before.ports
    if body["ports"]:
        return read_ports(body["ports"], switches)
    if switches.empty_ports == "reject":
        raise vpcep("2028", "ports is empty.")
    return () if switches.empty_ports == "clear" else before.ports


def _read_mapping(entry: object, switches: Switches) -> PortPair:
    if not isinstance(entry, dict):
        raise vpcep("0002", "An entry of ports is not an object.")
    client_port, server_port = entry.get("client_port"), entry.get("server_port")
    protocol = entry.get("protocol", "TCP")
    if client_port is None or server_port is None or not protocol:
        raise vpcep("2028")
    for port in (client_port, server_port):
        if type(port) is not int or not 1 <= port <= 65535:
            raise vpcep("3043", f"{port!r} is not a whole number from 1 to 65535.")
    if protocol not in {"TCP", "UDP"} or (protocol == "UDP" and not switches.udp_accepted):
        raise vpcep("3075", f"{protocol!r}.")
    return PortPair(client_port, server_port, protocol)


def _check_fields(body: Body, switches: Switches) -> None:
    """Refuse the first field of a wrong form; `null` is no value (API.md, section 2.2)."""
    for name, (is_right, number) in _FORMS.items():
        if name in body and not is_right(body[name]):
            raise vpcep(number, f"{name}: {str(body[name])[:80]!r}.")
    _check_name(body.get("service_name", ""), switches)


def _check_name(short_name: object, switches: Switches) -> None:
    if not _matches(_SHORT_NAME, short_name) or len(str(short_name)) > switches.service_name_chars_max:
        raise vpcep("1003")


def _check_tags(tags: object, switches: Switches) -> None:
    if not isinstance(tags, list):
        raise vpcep("0002", "tags must be a list.")
    if len(tags) > switches.tags_max:
        raise vpcep("3069")
    for tag in tags:
        if not isinstance(tag, dict) or not tag.get("key") or not isinstance(tag.get("value"), str):
            raise vpcep("3066")
        key, value = tag["key"], tag["value"]
        if not isinstance(key, str):
            raise vpcep("3068")
        if len(key) > 36:
            raise vpcep("3072")
        if len(value) > 43:
            raise vpcep("3073")
        if any(_TAG_FORBIDDEN.search(text) or text != text.strip() for text in (key, value)):
            raise vpcep("3068")
    if len({tag["key"] for tag in tags}) < len(tags):
        raise vpcep("3067")


def _matches(form: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


# Of the two codes for a bad port id (3003, 3063) and a bad service name (1003, 3076) the older one is used.
_FORMS: dict[str, tuple[Callable[[object], bool], str]] = {
    "approval_enabled": (lambda value: isinstance(value, bool), "0002"),
    "ports": (lambda value: isinstance(value, list), "0002"),
    "port_id": (partial(_matches, UUID), "3003"),
    "vip_port_id": (partial(_matches, UUID), "3051"),
    "description": (partial(_matches, _DESCRIPTION), "0002"),
    "tcp_proxy": (lambda value: value in TCP_PROXIES, "0002"),
    "ip": (partial(_matches, _ADDRESS), "3010"),
}
