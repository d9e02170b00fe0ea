"""A service as one line of a fleet file: what is missing gets a sensible value, what is wrong is told.

A line is a JSON object with the API's own field names. Only `id` and `project_id` have no default; the rest
follows from them, so the same line always makes the same service. `service_name` may be the short or the
full stored name.
"""

from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .fleet import Failure, PortMapping, Service, Status, Tag
from .problems import explained
from .rules import PROJECT_ID, full_name
from .switches import PortForm, TimestampForm
from .wire import milliseconds, ports_answer, timestamp

FIRST_CREATED_AT = "2026-01-10T03:04:05Z"
PORT_ID_SHARED_EVERY = 10
_UUID_PATTERN = r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"


class _Ports(BaseModel):
    """One mapping of a line."""

    model_config = ConfigDict(extra="forbid")

    client_port: int = Field(ge=1, le=65535)
    server_port: int = Field(ge=1, le=65535)
    protocol: str = Field(default="TCP", pattern="^(TCP|UDP)$")


class _Tag(BaseModel):
    """One tag of a line."""

    key: str
    value: str = ""


class _Failure(BaseModel):
    """One element of the `error` list of a line."""

    code: str
    message: str = ""


class Line(BaseModel):
    """The form of one line; unknown fields are an error, so that a misspelt one is not lost."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=_UUID_PATTERN)
    project_id: str = Field(pattern=f"^{PROJECT_ID.pattern}$")
    domain_id: str | None = None
    service_name: str = ""
    description: str = ""
    status: Status = Status.AVAILABLE
    service_type: str = Field(default="interface", pattern="^(interface|gateway)$")
    server_type: str = Field(default="LB", pattern="^(VM|LB|VIP|BMS)$")
    vpc_id: str | None = Field(default=None, pattern=_UUID_PATTERN)
    pool_id: str | None = Field(default=None, pattern=_UUID_PATTERN)
    port_id: str | None = Field(default=None, pattern=_UUID_PATTERN)
    vip_port_id: str | None = Field(default=None, pattern=_UUID_PATTERN)
    ip: str | None = None
    ip_version: str = "ipv4"
    cidr_type: str = "internal"
    approval_enabled: bool = False
    tcp_proxy: str = "close"
    enable_policy: bool = False
    public_border_group: str | None = None
    connection_count: int = Field(default=0, ge=0)
    ports: list[_Ports] = [_Ports(client_port=8080, server_port=80)]
    tags: list[_Tag] = []
    error: list[_Failure] = []
    created_at: str | None = None
    updated_at: str | None = None


_OTHER_FORM = {"ports", "tags", "error", "created_at", "updated_at"}
_PLAIN_NAMES = [name for name in Line.model_fields if name not in _OTHER_FORM]


def from_line(line: dict[str, Any], *, region: str, number: int) -> Service | str:
    """Return the service that a line means, or what is wrong with it.

    `number` (0, 1, 2 ...) spaces the default `created_at`: one second a line.
    """
    try:
        read = Line.model_validate(line)
        created_ms = milliseconds(read.created_at or FIRST_CREATED_AT)
        created_ms += 0 if read.created_at else number * 1000
        updated_ms = milliseconds(read.updated_at) if read.updated_at else created_ms
    except ValidationError as error:
        return explained(error)
    except ValueError as error:
        return f"created_at or updated_at: {error}"
    return Service(
        id=read.id,
        project_id=read.project_id,
        domain_id=read.domain_id or domain_id(),
        service_name=read.service_name
        if "." in read.service_name
        else full_name(region, read.service_name, read.id),
        description=read.description,
        status=read.status,
        service_type=read.service_type,
        server_type=read.server_type,
        vpc_id=read.vpc_id or derived_id("vpc", read.project_id),
        pool_id=read.pool_id or derived_id("pool", region),
        port_id=None if read.ip else read.port_id or derived_id("port", read.id),
        vip_port_id=read.vip_port_id,
        ip=read.ip,
        ip_version=read.ip_version,
        cidr_type=read.cidr_type,
        approval_enabled=read.approval_enabled,
        tcp_proxy=read.tcp_proxy,
        enable_policy=read.enable_policy,
        public_border_group=read.public_border_group,
        connection_count=read.connection_count,
        ports=tuple(PortMapping(one.client_port, one.server_port, one.protocol) for one in read.ports),
        tags=tuple(Tag(one.key, one.value) for one in read.tags),
        error=tuple(Failure(one.code, one.message) for one in read.error),
        created_ms=created_ms,
        updated_ms=updated_ms,
    )


def to_line(service: Service) -> dict[str, Any]:
    """Return the line that `from_line` reads back as this very service."""
    return {name: getattr(service, name) for name in _PLAIN_NAMES} | {
        "ports": ports_answer(service.ports, PortForm.INTEGER),
        "tags": [tag._asdict() for tag in service.tags],
        "error": [failure._asdict() for failure in service.error],
        "created_at": timestamp(service.created_ms, TimestampForm.MILLISECONDS),
        "updated_at": timestamp(service.updated_ms, TimestampForm.MILLISECONDS),
    }


def generated(count: int, project_ids: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the lines of a fleet that is the same each time: `count` services dealt over the projects.

    Each has one to three mappings. In each project, the last service of every ten shares the port_id of the
    one before it, with server ports of its own.
    """
    for number in range(count):
        turn, seat = divmod(number, len(project_ids))
        project_id = project_ids[seat]
        is_sharing = turn % PORT_ID_SHARED_EVERY == PORT_ID_SHARED_EVERY - 1
        backend = turn - 1 if is_sharing else turn
        server_port = 9000 if is_sharing else 80
        yield {
            "id": derived_id("service", f"{project_id}/{turn}"),
            "project_id": project_id,
            "service_name": f"svc-{turn:06}",
            "port_id": derived_id("backend", f"{project_id}/{backend}"),
            "connection_count": turn % 4,
            "ports": [
                {"client_port": 8080 + k, "server_port": server_port + k, "protocol": "TCP"}
                for k in range(1 + turn % 3)
            ],
        }


def derived_id(kind: str, seed: str) -> str:
    """Return a UUID that follows from its arguments alone."""
    return str(uuid5(NAMESPACE_URL, f"simulator/{kind}/{seed}"))


def project_id_of(name: str) -> str:
    """Return the project id that the simulator gives to a project name."""
    return derived_id("project", name).replace("-", "")


def domain_id() -> str:
    """Return the id of the one account that owns everything here."""
    return UUID(derived_id("domain", "")).hex
