"""Which services an export takes, and what an edit makes of their maps."""

from dataclasses import replace

import pytest
from hypothesis import given

from bulk.model import PortMapping, Ports, Protocol, ServiceId
from bulk.reports.fleet_rows import MapEdit, Selection
from tests.values import port_maps, state

WEB = replace(
    state(1, 22, 80), service_name="cn-north-4.web-1.4189d3c2-8882-4871-a3c2-000000000001", status="available"
)


def mapping(client_port: int, server_port: int, protocol: str = "TCP") -> PortMapping:
    """Return a mapping."""
    return PortMapping(client_port=client_port, server_port=server_port, protocol=Protocol(protocol))


@pytest.mark.parametrize(
    ("selection", "takes"),
    [
        (Selection(), True),
        (Selection(name="web-*"), True),
        (Selection(name="web-?"), True),
        (Selection(name="WEB-*"), False),
        (Selection(name="cn-north-4.*"), False),
        (Selection(port=22), True),
        (Selection(port=1022), True),
        (Selection(port=443), False),
        (Selection(name="web-*", port=443), False),
        (Selection(name="db-*", port=22), False),
    ],
)
def test_a_selection_looks_at_the_short_name_and_at_both_ports(selection: Selection, *, takes: bool) -> None:
    """The pattern is a shell's, upper and lower case differ; both conditions must hold."""
    assert selection.takes(WEB) is takes


def test_a_service_without_a_name_is_taken_by_the_default_and_by_no_name() -> None:
    """`*` stands for nothing, too."""
    nameless = replace(WEB, service_name=None, id=ServiceId("x"))
    assert Selection().takes(nameless)
    assert not Selection(name="web*").takes(nameless)


@pytest.mark.parametrize(
    ("edit", "after"),
    [
        (MapEdit(), [mapping(1022, 22), mapping(53, 22, "UDP"), mapping(80, 2222)]),
        (
            MapEdit(server_ports={22: 2222, 2222: 22}),
            [mapping(1022, 2222), mapping(53, 2222, "UDP"), mapping(80, 22)],
        ),
        (MapEdit(server_ports={80: 81}), [mapping(1022, 22), mapping(53, 22, "UDP"), mapping(80, 2222)]),
        (
            MapEdit(remove_ports=(mapping(1022, 22), mapping(9, 9))),
            [mapping(53, 22, "UDP"), mapping(80, 2222)],
        ),
        (
            MapEdit(add_ports=(mapping(80, 2222), mapping(7, 7))),
            [mapping(1022, 22), mapping(53, 22, "UDP"), mapping(80, 2222), mapping(7, 7)],
        ),
        (
            MapEdit(
                remove_ports=(mapping(80, 2222),),
                server_ports={22: 2222},
                add_ports=(mapping(80, 22),),
            ),
            [mapping(1022, 2222), mapping(53, 2222, "UDP"), mapping(80, 22)],
        ),
    ],
    ids=["none", "swap", "no such port", "remove", "add", "all, in this order"],
)
def test_an_edit_removes_then_renumbers_then_adds(edit: MapEdit, after: list[PortMapping]) -> None:
    """In the live order; what is there already is not added, what is not there is not missed."""
    live = (mapping(1022, 22), mapping(53, 22, "UDP"), mapping(80, 2222))
    assert edit.of(live) == tuple(after)


@given(port_maps)
def test_no_edit_changes_nothing(ports: Ports) -> None:
    """And says so."""
    assert not MapEdit()
    assert MapEdit().of(ports) == ports


@pytest.mark.parametrize(
    "edit",
    [
        MapEdit(add_ports=(mapping(1, 1),)),
        MapEdit(remove_ports=(mapping(1, 1),)),
        MapEdit(server_ports={1: 2}),
    ],
)
def test_an_edit_of_any_kind_is_one(edit: MapEdit) -> None:
    """Each of the three counts."""
    assert edit
