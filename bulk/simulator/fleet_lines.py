"""A service as one line of a fleet file: what is missing gets a sensible value, what is wrong is an error.

A line is a JSON object with the API's own field names. Only `id` and `project_id` have no default; the rest
follows from them, so the same line always makes the same service. `service_name` may be the short or the
full stored name.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import TypeAdapter

from bulk.simulator.fleet import Service
from bulk.simulator.put_rules import full_name
from bulk.simulator.service_json import ports_answer, timestamp

FIRST_CREATED_MS = 1_768_014_245_000  # 2026-01-10T03:04:05Z
PORT_ID_SHARED_EVERY = 10
_SERVICE = TypeAdapter(Service)
_OTHER_FORM = {"ports", "tags", "error", "created_ms", "updated_ms"}
_PLAIN_NAMES = [field.name for field in fields(Service) if field.name not in _OTHER_FORM]


def from_line(line: dict[str, Any], *, region: str, number: int) -> Service:
    """Return the service that a line means; raises pydantic's ValidationError.

    `null` is no value. `number` (0, 1, 2 ...) spaces the default `created_at`: one second a line.
    """
    given = {name: value for name, value in line.items() if value is not None}
    created_at = given.get("created_at") or timestamp(FIRST_CREATED_MS + number * 1000, "milliseconds")
    defaults = {
        "domain_id": domain_id(),
        "vpc_id": derived_id("vpc", str(line.get("project_id"))),
        "pool_id": derived_id("pool", region),
        "port_id": derived_id("port", str(line.get("id"))),
        "created_at": created_at,
        "updated_at": created_at,
    }
    # A service stands on a port or on an ip, never on both.
    backend = {"port_id": None} if given.get("ip") else {}
    service = _SERVICE.validate_python(defaults | given | backend)
    if "." in service.service_name:
        return service
    return replace(service, service_name=full_name(region, service.service_name, service.id))


def to_line(service: Service) -> dict[str, Any]:
    """Return the line that `from_line` reads back as this very service."""
    return {name: getattr(service, name) for name in _PLAIN_NAMES} | {
        "ports": ports_answer(service.ports, "integer"),
        "tags": [tag._asdict() for tag in service.tags],
        "error": [failure._asdict() for failure in service.error],
        "created_at": timestamp(service.created_ms, "milliseconds"),
        "updated_at": timestamp(service.updated_ms, "milliseconds"),
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
    return derived_id("domain", "").replace("-", "")
