"""The API's service objects as `ServiceState`: tolerant of every documented form, strict about sense.

Ports may be strings, a protocol may be missing or in lower case, unknown fields are passed over
(API.md, sections 1.1 to 1.3; API.md, section 7, trap 19).
"""

from functools import lru_cache
from sys import intern
from typing import Any

import orjson

from bulk.model import (
    COUNT_MAX,
    PORT_MAX,
    PROTOCOLS,
    PortMapping,
    Ports,
    ServiceId,
    ServiceState,
    port_mapping,
)
from bulk.vpcep.refusals import MESSAGE_CHARS_MAX, clean, error_in

UNREADABLE = "unreadable"
"""The `status` of an entry of the list that cannot be understood, so that nothing is sent to it."""

_DIGITS_MAX = len(str(COUNT_MAX))
_ERRORS_SHOWN = 4


def service(json: Any) -> ServiceState:
    """Return the service that a JSON object describes; raise ValueError saying what is not understood."""
    if not isinstance(json, dict):
        raise ValueError("this is no service object")  # noqa: TRY004 - bad input, not a bad call
    get = json.get
    return ServiceState(
        id=_service_id(json),
        ports=ports_of(get("ports")),
        status=_word(get("status")) or "",
        service_type=_word(get("service_type")),
        server_type=_word(get("server_type")),
        port_id=_text(get("port_id")),
        vip_port_id=_text(get("vip_port_id")),
        vpc_id=_word(get("vpc_id")),
        project_id=_word(get("project_id")),
        service_name=_text(get("service_name")),
        description=_text(get("description")),
        approval_enabled=_flag(get("approval_enabled")),
        tcp_proxy=_word(get("tcp_proxy")),
        ip=_text(get("ip")),
        enable_policy=_flag(get("enable_policy")),
        public_border_group=_word(get("public_border_group")),
        connection_count=_count(get("connection_count")),
        created_at=_text(get("created_at")),
        updated_at=_text(get("updated_at")),
        error=_error(get("error")),
    )


def listed_service(json: Any) -> ServiceState:
    """Return one entry of the list; one with an id that is otherwise not understood is `UNREADABLE`.

    One odd service must not hide all others of the project; what is odd is its `error`. Raises ValueError
    without an id.
    """
    try:
        return service(json)
    except ValueError as error:
        if not isinstance(json, dict):
            raise
        why = clean(str(error), MESSAGE_CHARS_MAX)
        return ServiceState(id=_service_id(json), ports=(), status=UNREADABLE, error=why)


def _service_id(json: dict[str, Any]) -> ServiceId:
    found = json.get("id")
    if not isinstance(found, str) or not found:
        raise ValueError("the service has no id")
    return ServiceId(found.lower())


def ports_of(json: Any) -> Ports:
    """Return the mappings of a service; raise ValueError saying what is not understood."""
    if not isinstance(json, list):
        raise ValueError("the service has no list of ports")  # noqa: TRY004 - bad input, not a bad call
    try:
        return tuple(
            [
                _mapping(entry.get("client_port"), entry.get("server_port"), entry.get("protocol"))
                for entry in json
            ]
        )
    except (AttributeError, TypeError):
        raise ValueError("an entry of ports is no port mapping") from None


def known_ports(json: bytes) -> Ports:
    """Return the mappings of a JSON text; raise ValueError as `ports_of` does.

    A fleet has few different maps, so that each text of usual length is understood once.
    """
    return _known_ports(json) if len(json) <= KNOWN_BYTES_MAX else _ports_in(json)


def _ports_in(json: bytes) -> Ports:
    return ports_of(orjson.loads(json))


_known_ports = lru_cache(4_096)(_ports_in)
KNOWN_BYTES_MAX = 4_096


@lru_cache(maxsize=65_536, typed=True)
def _mapping(client_port: Any, server_port: Any, protocol: Any) -> PortMapping:
    """Return the mapping; a fleet has few different ones, so that each is understood once."""
    name = "TCP" if protocol is None else str(protocol).upper()
    if name not in PROTOCOLS:
        raise ValueError(f"protocol {name!r} is neither TCP nor UDP")
    return port_mapping(_port(client_port), _port(server_port), name)


def _port(json: Any) -> int:
    number = _count(json)
    if number is None or not 0 < number <= PORT_MAX:
        raise ValueError(f"port {json!r} is not from 1 to {PORT_MAX}")
    return number


def _count(json: Any) -> int | None:
    if isinstance(json, str) and json.isascii() and json.isdigit() and len(json) <= _DIGITS_MAX:
        json = int(json)
    return json if type(json) is int and 0 <= json <= COUNT_MAX else None


def _text(json: Any) -> str | None:
    return json if type(json) is str else None


def _word(json: Any) -> str | None:
    """Return a text of which a fleet has few different ones, kept once."""
    return intern(json) if type(json) is str else None


def _error(json: Any) -> str | None:
    """Return the `error` list of a failed service as text, its members named in either way."""
    if not json:
        return None
    entries = json[:_ERRORS_SHOWN] if isinstance(json, list) else [json]
    found = (error_in(orjson.dumps(entry)) for entry in entries)
    errors = "; ".join(" ".join(filter(None, (facts.code, facts.message))) for facts in found)
    return clean(errors, MESSAGE_CHARS_MAX)


def _flag(json: Any) -> bool | None:
    return json if type(json) is bool else None
