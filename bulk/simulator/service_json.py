"""How a service looks in an answer: the fields of modify, detail and list (API.md, sections 1.1 to 1.3)."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bulk.simulator.fleet import PortPair, Service
from bulk.simulator.switches import PortForm, Switches, TimestampForm

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def modify_answer(service: Service, switches: Switches) -> dict[str, Any]:
    """Return the body of PUT modify and POST create."""
    answer = _common(service, switches) | {
        "pool_id": service.pool_id,
        "ip_version": service.ip_version,
    }
    return {name: value for name, value in answer.items() if name not in switches.modify_omits}


def detail_answer(service: Service, switches: Switches) -> dict[str, Any]:
    """Return the body of GET detail: no pool_id and no ip_version, some fields more (API.md, section 1.2)."""
    return _read_answer(service, switches) | {"cidr_type": service.cidr_type}


def list_entry(service: Service, switches: Switches) -> dict[str, Any]:
    """Return one element of `endpoint_services` (API.md, section 1.3)."""
    return _read_answer(service, switches) | {"domain_id": service.domain_id}


def public_entry(service: Service, switches: Switches) -> dict[str, Any]:
    """Return one element of the operator's list (API.md, section 1.7)."""
    return _basics(service, switches) | {"owner": service.domain_id}


def described(service: Service, switches: Switches) -> dict[str, Any]:
    """Return the body of GET describe (API.md, section 1.7)."""
    return _basics(service, switches) | {"public_border_group": service.public_border_group}


def ports_answer(ports: tuple[PortPair, ...], form: PortForm) -> list[dict[str, Any]]:
    """Return `ports` as JSON values, in either documented form."""
    if form == "string":
        return [{"client_port": str(c), "server_port": str(s), "protocol": p} for c, s, p in ports]
    return [{"client_port": c, "server_port": s, "protocol": p} for c, s, p in ports]


def timestamp(at_ms: int, form: TimestampForm) -> str:
    """Return a stored moment in either documented form; both mean UTC."""
    at = _EPOCH + timedelta(milliseconds=at_ms)
    if form == "seconds_z":
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _read_answer(service: Service, switches: Switches) -> dict[str, Any]:
    """Return what detail and list show alike."""
    prefix = "" if switches.failure_fields == "code" else "error_"
    return _common(service, switches) | {
        "connection_count": service.connection_count,
        "public_border_group": service.public_border_group,
        "supported_editions": ["basic", "profession"],
        "error": [
            {f"{prefix}code": failure.code, f"{prefix}message": failure.message} for failure in service.error
        ],
    }


def _basics(service: Service, switches: Switches) -> dict[str, Any]:
    """Return what everybody may know of a service."""
    whole = _common(service, switches)
    known = ("id", "service_name", "service_type", "created_at", "enable_policy")
    return {name: whole[name] for name in known} | {"is_charge": service.service_type == "interface"}


def _common(service: Service, switches: Switches) -> dict[str, Any]:
    """Return what modify, detail and list show alike."""
    answer = {
        "id": service.id,
        "port_id": service.port_id,
        "service_name": service.service_name,
        "server_type": service.server_type,
        "vpc_id": service.vpc_id,
        "approval_enabled": service.approval_enabled,
        "status": service.status,
        "service_type": switches.gateway_spelling if service.service_type == "gateway" else "interface",
        "created_at": timestamp(service.created_ms, switches.timestamp_form),
        "updated_at": timestamp(service.updated_ms, switches.timestamp_form),
        "project_id": service.project_id,
        "ports": ports_answer(service.ports, switches.port_form),
        "tcp_proxy": service.tcp_proxy,
        "ip": service.ip or "",
        "enable_policy": service.enable_policy,
        "tags": [tag._asdict() for tag in service.tags],
        "description": service.description,
    }
    if switches.vip_port_id_shown and service.vip_port_id is not None:
        answer["vip_port_id"] = service.vip_port_id
    return answer
