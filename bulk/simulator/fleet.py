"""The endpoint services themselves: what one is, and all of them with their states over time.

The fleet is the truth of the simulator. Rules that decide whether a change may happen are in `put_rules.py`;
how a service looks in an answer is in `service_json.py`. Times are arguments: seconds for clocks,
milliseconds for timestamps.
"""

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, with_config

UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
PROJECT_ID = re.compile(r"[0-9a-f]{32}")


class ServiceStatus(StrEnum):
    """Where a service stands (API.md, section 7, trap 8).

    creating -> available or failed; any -> deleting -> gone.
    """

    CREATING = "creating"
    AVAILABLE = "available"
    FAILED = "failed"
    DELETING = "deleting"


class PortPair(NamedTuple):
    """One entry of `ports`: what the consumer dials, where it leads, and the protocol."""

    client_port: Annotated[int, Field(ge=1, le=65535)]
    server_port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["TCP", "UDP"] = "TCP"


class Tag(NamedTuple):
    """One tag of a service."""

    key: str
    value: str = ""


class Failure(NamedTuple):
    """Why a service has the status failed."""

    code: str
    message: str = ""


def milliseconds(text: str) -> int:
    """Return the stored form of an ISO 8601 moment; one without a zone is UTC.

    Raises ValueError when it is not one.
    """
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


ServerType: TypeAlias = Literal["VM", "LB", "VIP", "BMS"]
Uuid: TypeAlias = Annotated[str, Field(pattern=f"^{UUID.pattern}$")]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One endpoint service with every field that any answer shows; `service_name` is the full stored name.

    The annotations and defaults hold for lines of a fleet file (`fleet_lines.py`); nothing checks them in
    memory.
    """

    id: Uuid
    project_id: Annotated[str, Field(pattern=f"^{PROJECT_ID.pattern}$")]
    domain_id: str
    service_name: str = ""
    description: str = ""
    status: ServiceStatus = ServiceStatus.AVAILABLE
    service_type: Literal["interface", "gateway"] = "interface"
    server_type: ServerType = "LB"
    vpc_id: Uuid
    pool_id: Uuid
    port_id: Uuid | None = None
    vip_port_id: Uuid | None = None
    ip: str | None = None
    ip_version: str = "ipv4"
    cidr_type: str = "internal"
    approval_enabled: bool = False
    tcp_proxy: str = "close"
    enable_policy: bool = False
    public_border_group: str | None = None
    connection_count: Annotated[int, Field(ge=0)] = 0
    ports: tuple[PortPair, ...] = (PortPair(8080, 80),)
    tags: tuple[Tag, ...] = ()
    error: tuple[Failure, ...] = ()
    created_ms: Annotated[int, BeforeValidator(milliseconds), Field(validation_alias="created_at")]
    updated_ms: Annotated[int, BeforeValidator(milliseconds), Field(validation_alias="updated_at")]


class _Due(NamedTuple):
    """A status that a service takes by itself at a moment; None means that it is gone."""

    at_s: float
    service_id: str
    status: ServiceStatus | None


@dataclass(slots=True)
class SimulatedFleet:
    """All services by id, with the order of creation per project and the services behind each port_id."""

    _services: dict[str, Service] = field(default_factory=dict)
    _projects: dict[str, dict[str, None]] = field(default_factory=dict)
    _backends: dict[str, dict[str, None]] = field(default_factory=dict)
    _by_creation: dict[str, list[str]] = field(default_factory=dict)
    _due: list[_Due] = field(default_factory=list)
    _unseen: dict[str, list[tuple[float, Service | None]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._services)

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    def get(self, service_id: str) -> Service | None:
        """Return the service as it truly is now."""
        return self._services.get(service_id)

    def put(self, service: Service) -> None:
        """Add a service, or replace the one of the same id."""
        before = self._services.get(service.id)
        if before is None or before.project_id != service.project_id:
            self._index_project(service, before)
        if before is None or before.port_id != service.port_id:
            self._index_backend(service, before)
        if before is not None and before.created_ms != service.created_ms:
            self._by_creation.pop(service.project_id, None)
        self._services[service.id] = service

    def drop(self, service_id: str) -> None:
        """Remove a service."""
        service = self._services.pop(service_id)
        self._unseen.pop(service_id, None)
        del self._projects[service.project_id][service_id]
        self._by_creation.pop(service.project_id, None)
        if service.port_id is not None:
            del self._backends[service.port_id][service_id]

    def siblings(self, service_id: str, port_id: str) -> Iterator[Service]:
        """Yield the other services behind `port_id`, those of every project."""
        for other in self._backends.get(port_id, ()):
            if other != service_id:
                yield self._services[other]

    def project_ids(self) -> Iterable[str]:
        """Return the projects that have or had a service, in order of first appearance."""
        return self._projects.keys()

    def count(self, project_id: str) -> int:
        """Return how many services a project has."""
        return len(self._projects.get(project_id, ()))

    def by_creation(self, project_id: str, first: int = 0, last: int | None = None) -> list[Service]:
        """Return a project's services from place `first` to before `last`, the oldest at 0.

        Those of one moment go by id. The order is kept as ids, so that a page costs no look at the others.
        """
        order = self._by_creation.get(project_id)
        if order is None:
            members = (self._services[service_id] for service_id in self._projects.get(project_id, ()))
            order = [one.id for one in sorted(members, key=lambda one: (one.created_ms, one.id))]
            self._by_creation[project_id] = order
        return [self._services[service_id] for service_id in order[first:last]]

    @property
    def has_hidden(self) -> bool:
        """Return whether any read may show an older state than the true one."""
        return bool(self._unseen)

    def plan(self, at_s: float, service_id: str, status: ServiceStatus | None) -> None:
        """Let a service take a status by itself at `at_s`; None removes it then."""
        heapq.heappush(self._due, _Due(at_s, service_id, status))

    def settle(self, now_s: float) -> list[str]:
        """Let everything happen whose time has come; return the ids that changed."""
        changed = []
        while self._due and self._due[0].at_s <= now_s:
            due = heapq.heappop(self._due)
            service = self._services.get(due.service_id)
            if service is None:
                continue
            if due.status is None:
                self.drop(service.id)
            else:
                self.put(replace(service, status=due.status))
            changed.append(due.service_id)
        return changed

    def hide(self, service_id: str, before: Service | None, until_s: float) -> None:
        """Let reads go on showing `before` until a moment (the switch `read_lag_s`)."""
        self._unseen.setdefault(service_id, []).append((until_s, before))

    def seen(self, service: Service, now_s: float) -> Service | None:
        """Return what a read shows of a service now: while changes are hidden an older state, or None."""
        hidden = self._unseen.get(service.id)
        if hidden is None:
            return service
        hidden[:] = [(until_s, before) for until_s, before in hidden if until_s > now_s]
        if hidden:
            return hidden[0][1]
        del self._unseen[service.id]
        return service

    def _index_project(self, service: Service, before: Service | None) -> None:
        if before is not None:
            del self._projects[before.project_id][before.id]
            self._by_creation.pop(before.project_id, None)
        self._projects.setdefault(service.project_id, {})[service.id] = None
        self._by_creation.pop(service.project_id, None)

    def _index_backend(self, service: Service, before: Service | None) -> None:
        if before is not None and before.port_id is not None:
            del self._backends[before.port_id][before.id]
        if service.port_id is not None:
            self._backends.setdefault(service.port_id, {})[service.id] = None
