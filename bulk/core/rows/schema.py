"""The JSON Schema of one line of JSON Lines, for editors and for programs that write job files.

Its limits are those of the readings in `columns`; a test holds the two together.
"""

from typing import Any

from bulk.core.rows import values
from bulk.core.rows.mappings import MAPPINGS_MAX
from bulk.core.rows.rules import ASKING, EXCLUSIVE


def row_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of a row: what a schema can say of its rules.

    It cannot say that no (client_port, protocol) comes twice, nor that add_ports and remove_ports
    have nothing in common, nor anything that concerns two rows.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "row",
        "description": "What one endpoint service is to become; a field that is omitted stays as it is.",
        "type": "object",
        "properties": _properties(),
        "required": ["service_id"],
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in sorted(ASKING)],
        "allOf": [{"not": {"required": list(pair)}} for pair in EXCLUSIVE],
        "$defs": {"mapping": _mapping()},
    }


def _mapping() -> dict[str, Any]:
    port = {"type": "integer", "minimum": 1, "maximum": values.PORT_MAX}
    return {
        "type": "object",
        "properties": {
            "client_port": {**port, "description": "Port that the consumer dials."},
            "server_port": {**port, "description": "Port of the backend."},
            "protocol": _text("[Tt][Cc][Pp]|[Uu][Dd][Pp]", "TCP or UDP; TCP where omitted."),
        },
        "required": ["client_port", "server_port"],
        "additionalProperties": False,
    }


def _properties() -> dict[str, Any]:
    uuid = values.UUID.pattern.replace("0-9a-f", "0-9A-Fa-f")
    return {
        "service_id": _text(uuid, "Id of the endpoint service."),
        "ports": _ports("The whole new map: what it lacks is removed.", at_least=1),
        "add_ports": _ports("Mappings to add to the live map.", at_least=1),
        "remove_ports": _ports("Mappings to remove from the live map.", at_least=1),
        "expect_ports": _ports("The service is changed only if its map is this now.", at_least=0),
        "region": _text(values.REGION.pattern, "Region of the service."),
        "project_id": _text(values.PROJECT_ID.pattern, "Project of the service."),
        "profile": _text(values.PROFILE.pattern, "Credentials profile to use."),
        "approval_enabled": {"type": "boolean", "description": "Whether connections need approval."},
        "port_id": _text(uuid, "Backend port: of a network card or of a load balancer's virtual IP."),
        "vip_port_id": _text(uuid, "Backend port of a virtual IP."),
        "service_name": _text(values.SERVICE_NAME.pattern, "Short name, without region and id."),
        "description": {
            **_text(f"[^<>{values.CONTROLS}]*", "Description of the service."),
            "maxLength": values.DESCRIPTION_CHARS_MAX,
        },
        "tcp_proxy": {
            "enum": list(values.TCP_PROXIES),
            "description": "What the backend learns of the client.",
        },
        "ip": _text(values.IP.pattern, "Backend by IPv4 address or domain name."),
        "note": _text(r"[^\u0000]*", "Comes back in the reports."),
    }


def _text(pattern: str, description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^(?:{pattern})$", "description": description}


def _ports(description: str, *, at_least: int) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"$ref": "#/$defs/mapping"},
        "minItems": at_least,
        "maxItems": MAPPINGS_MAX,
        "description": description,
    }
