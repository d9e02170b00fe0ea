"""Which live services get a row in an export, and why the others get none."""

from dataclasses import replace

import pytest

from bulk.app.exporting import UNCHANGED, row_of
from bulk.model import PortMapping, ServiceId, ServiceState, ServiceUpdate, Target
from bulk.reports.fleet_rows import MapEdit
from tests.values import PROJECT, ports, state

LIVE = replace(state(1, 22, 80), service_name=f"cn-north-4.web.{state(1).id}")


def test_a_row_says_what_is_live() -> None:
    """Its ports, which it expects as well, its target and, as a note, its name."""
    row = row_of(LIVE, PROJECT, MapEdit(), number=7)
    assert isinstance(row, ServiceUpdate)
    assert (row.row, row.target, row.service_id, row.note) == (7, PROJECT, LIVE.id, "web")
    assert (row.body.ports, row.expect_ports) == (LIVE.ports, LIVE.ports)


def test_an_edited_row_expects_the_map_that_it_was_made_from() -> None:
    """Whoever changes the service in between is not overwritten."""
    row = row_of(LIVE, PROJECT, MapEdit(server_ports={22: 2222}), number=1)
    assert isinstance(row, ServiceUpdate)
    assert row.body.ports == (PortMapping(client_port=1022, server_port=2222), *ports(80))
    assert row.expect_ports == LIVE.ports


TWICE = (*ports(22), PortMapping(client_port=1022, server_port=23))


@pytest.mark.parametrize(
    ("live", "target", "edit", "reason"),
    [
        (
            replace(LIVE, status="deleting"),
            PROJECT,
            MapEdit(),
            "status is deleting, only available services change",
        ),
        (replace(LIVE, service_type="gateway"), PROJECT, MapEdit(), "type is gateway, only interface"),
        (replace(LIVE, id=ServiceId("web-1")), PROJECT, MapEdit(), 'service_id: "web-1" is not a UUID'),
        (replace(LIVE, ports=()), PROJECT, MapEdit(), "no port mappings"),
        (replace(LIVE, ports=TWICE), PROJECT, MapEdit(), "ports: 1022:23/TCP and 1022:22/TCP share"),
        (LIVE, PROJECT._replace(project_id="p"), MapEdit(), 'project_id: "p" is not a project id'),
        (LIVE, PROJECT, MapEdit(remove_ports=LIVE.ports), "no mapping would be left"),
        (LIVE, PROJECT, MapEdit(server_ports={443: 1}), UNCHANGED),
    ],
)
def test_a_service_without_a_row_has_a_reason(
    live: ServiceState, target: Target, edit: MapEdit, reason: str
) -> None:
    """It cannot be changed, no job file could say it, or there is nothing to say."""
    told = row_of(live, target, edit, number=1)
    assert isinstance(told, str)
    assert told.startswith(reason)
