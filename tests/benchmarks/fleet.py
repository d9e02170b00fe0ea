"""The fleet of the benchmarks: any number of services, each told by its number alone, and their job files."""

from collections.abc import Iterator
from pathlib import Path

REGION = "cn-north-4"
AK, SK = "AKBENCHMARK000000001", "benchmark"  # the server does not look at signatures
CLIENT_PORT_BEFORE, CLIENT_PORT_AFTER = 443, 8443


def project_id(number: int) -> str:
    """Return the id of a project: its number in 32 hex digits."""
    return f"{number:032x}"


def service_id(number: int) -> str:
    """Return the id of a service, which ends in its number."""
    return f"4189d3c2-8882-4871-a3c2-{number:012}"


def ports_json(client_port: int) -> bytes:
    """Return the two mappings of a service, as the API writes them."""
    return (
        b'[{"client_port":80,"server_port":8080,"protocol":"TCP"},'
        b'{"client_port":%d,"server_port":9443,"protocol":"TCP"}]' % client_port
    )


BEFORE = ports_json(CLIENT_PORT_BEFORE)
BODY = b'{"ports":%b}' % ports_json(CLIENT_PORT_AFTER)
"""What a row asks for, as the PUT's body."""


def service_json(number: int, project: int, ports: bytes) -> bytes:
    """Return the service object, with the fields of a reply (API.md, section 1.1)."""
    name = service_id(number)
    return (
        f'{{"id":"{name}","port_id":"7c1f0c52-3f4b-4d0e-9f2b-{number:012}",'
        f'"vpc_id":"0b9a2a5e-5a54-4a0f-8d26-b3a5d0f3c001","pool_id":"5a0d6b8e-77c1-4d0c-9a55-1f0e2d3c4b5a",'
        f'"status":"available","approval_enabled":true,"service_name":"{REGION}.s{number}.{name}",'
        f'"service_type":"interface","server_type":"LB","project_id":"{project_id(project)}",'
        '"created_at":"2026-01-10T03:04:05Z","updated_at":"2026-01-15T08:30:01Z","tcp_proxy":"close",'
        '"tags":[],"description":"","connection_count":1,"ports":'
    ).encode() + b"%b}" % ports


def write_job(path: Path, rows: int, *, services_per_project: int) -> Path:
    """Write the wide CSV that moves 443 of each service to 8443, sorted by id."""
    with path.open("w", encoding="ascii") as file:
        file.writelines(_lines(rows, services_per_project))
    return path


def _lines(rows: int, services_per_project: int) -> Iterator[str]:
    yield "service_id,ports,project_id\n"
    for number in range(rows):
        project = project_id(number // services_per_project)
        yield f"{service_id(number)},80:8080 {CLIENT_PORT_AFTER}:9443,{project}\n"
