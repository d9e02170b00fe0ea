"""Fleets: lines in and out, order, what happens by itself, and what a read may still show."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bulk.simulator.fleet import Service, ServiceStatus, SimulatedFleet, milliseconds
from bulk.simulator.fleet_lines import from_line, generated, project_id_of, to_line
from bulk.simulator.problems import explained
from bulk.simulator.projects import Projects

PROJECT = "6e9dfd51d1124e8d8498dce894923a0d"
OTHER = "b" * 32


def service(number: int = 0, **fields: Any) -> Service:
    """Return a service whose id ends in `number`."""
    line = {"id": f"4189d3c2-8882-4871-a3c2-{number:012}", "project_id": PROJECT} | fields
    return from_line(line, region="cn-north-4", number=number)


def test_the_shortest_line_makes_a_whole_service() -> None:
    """Available, of type interface, with one mapping and a full name."""
    made = service(7)
    assert (made.status, made.service_type, made.ports) == (
        ServiceStatus.AVAILABLE,
        "interface",
        ((8080, 80, "TCP"),),
    )
    assert made.service_name == f"cn-north-4.{made.id}"
    assert made.port_id != service(8).port_id
    assert (made.vpc_id, made.created_ms + 1000) == (service(8).vpc_id, service(8).created_ms)


@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "service_name": st.sampled_from(["", "web-a", "cn-east-3.x.4189d3c2"]),
            "description": st.text(max_size=20),
            "status": st.sampled_from(list(ServiceStatus)),
            "ip": st.sampled_from([None, "10.0.0.1"]),
            "connection_count": st.integers(0, 9),
            "ports": st.lists(
                st.fixed_dictionaries(
                    {"client_port": st.integers(1, 65535), "server_port": st.integers(1, 65535)}
                )
            ),
            "tags": st.lists(
                st.fixed_dictionaries({"key": st.text(max_size=3), "value": st.text(max_size=3)})
            ),
            "error": st.just([{"code": "EndPoint.4010", "message": "no port"}]),
            "created_at": st.sampled_from(["2018-01-30T07:42:01.174", "2022-04-14T09:35:47Z"]),
        },
    )
)
def test_a_service_written_and_read_again_is_the_same(fields: dict[str, Any]) -> None:
    """So the fleet file loses nothing."""
    made = service(3, **fields)
    assert from_line(to_line(made), region="elsewhere", number=99) == made


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"id": "svc-1"}, "id"),
        ({"project_id": "p"}, "project_id"),
        ({"ports": [{"client_port": 0, "server_port": 1}]}, "ports.0.client_port"),
        ({"prots": []}, "prots"),
        ({"status": "ready"}, "status"),
        ({"created_at": "yesterday"}, "created_at"),
    ],
)
def test_a_wrong_line_is_refused_with_the_field(fields: dict[str, Any], place: str) -> None:
    """Nothing is guessed."""
    line = {"id": "4189d3c2-8882-4871-a3c2-d380272eed83", "project_id": PROJECT} | fields
    with pytest.raises(ValidationError) as problem:
        from_line(line, region="cn-north-4", number=0)
    assert explained(problem.value).startswith(place)


def test_both_documented_timestamps_mean_utc() -> None:
    """With milliseconds and no zone, and with Z; an offset is converted."""
    assert milliseconds("1970-01-01T00:00:01.174") == 1174
    assert milliseconds("1970-01-01T00:00:01Z") == 1000
    assert milliseconds("1970-01-01T01:00:01+01:00") == 1000


def test_a_generated_fleet_is_the_same_each_time_and_breaks_no_rule() -> None:
    """Ids are distinct, projects take turns, and shared port_ids hold each (server_port, protocol) once."""
    lines = list(generated(200, (PROJECT, OTHER)))
    assert lines == list(generated(200, (PROJECT, OTHER)))
    assert len({line["id"] for line in lines}) == 200
    assert sum(line["project_id"] == PROJECT for line in lines) == 100
    assert len({line["port_id"] for line in lines}) == 180
    claims = [
        (line["port_id"], port["server_port"], port["protocol"]) for line in lines for port in line["ports"]
    ]
    assert len(claims) == len(set(claims))


def fleet_of(*services: Service) -> SimulatedFleet:
    """Return a fleet."""
    fleet = SimulatedFleet()
    for one in services:
        fleet.put(one)
    return fleet


def test_services_come_in_the_order_of_their_creation() -> None:
    """Also after an addition, a removal, a new date and a move to another project."""
    fleet = fleet_of(service(2), service(1))
    assert [one.id[-1] for one in fleet.by_creation(PROJECT)] == ["1", "2"]
    fleet.put(service(0))
    assert [one.id[-1] for one in fleet.by_creation(PROJECT)] == ["0", "1", "2"]
    fleet.put(replace(service(0), created_ms=service(9).created_ms))
    fleet.drop(service(1).id)
    assert [one.id[-1] for one in fleet.by_creation(PROJECT)] == ["2", "0"]
    fleet.put(replace(service(2), project_id=OTHER))
    assert [one.id[-1] for one in fleet.by_creation(PROJECT)] == ["0"]
    assert (fleet.count(PROJECT), fleet.count(OTHER), len(fleet)) == (1, 1, 2)


def test_siblings_follow_a_service_to_another_backend() -> None:
    """And forget one that is gone."""
    here, there = service(8).port_id or "", service(9).port_id or ""
    fleet = fleet_of(service(1, port_id=here), service(2, port_id=here), service(3, port_id=there))
    assert [one.id[-1] for one in fleet.siblings(service(1).id, here)] == ["2"]
    fleet.put(service(2, port_id=there))
    assert list(fleet.siblings(service(1).id, here)) == []
    fleet.drop(service(3).id)
    assert [one.id[-1] for one in fleet.siblings("", there)] == ["2"]
    fleet.put(service(4, ip="10.0.0.1"))
    fleet.drop(service(4).id)


def test_planned_states_are_taken_when_their_time_has_come() -> None:
    """In the order of their moments; one whose service is gone is forgotten."""
    fleet = fleet_of(service(1), service(2))
    fleet.plan(20, service(1).id, None)
    fleet.plan(10, service(1).id, ServiceStatus.DELETING)
    fleet.plan(15, service(9).id, ServiceStatus.FAILED)
    assert fleet.settle(9.9) == []
    assert fleet.settle(15) == [service(1).id]
    shown = fleet.get(service(1).id)
    assert shown is not None
    assert shown.status is ServiceStatus.DELETING
    assert fleet.settle(20) == [service(1).id]
    assert fleet.get(service(1).id) is None


def test_a_hidden_change_shows_step_by_step() -> None:
    """Each change is hidden for its own time; a creation is not seen at all until then."""
    first, second, third = (replace(service(1), description=text) for text in "abc")
    fleet = fleet_of(third)
    fleet.hide(third.id, first, 10)
    fleet.hide(third.id, second, 12)
    assert fleet.seen(third, 9) == first
    assert fleet.seen(third, 11) == second
    assert fleet.has_hidden
    assert fleet.seen(third, 12) == third
    assert not fleet.has_hidden
    fleet.hide(third.id, None, 20)
    assert fleet.seen(third, 15) is None


def test_projects_without_a_name_get_one_in_the_default_region() -> None:
    """The first is the region itself, later ones are its sub-projects."""
    projects = Projects(region_default="cn-east-3")
    projects.add("a" * 32)
    projects.add(OTHER)
    projects.add(PROJECT, "cn-south-1_dev")
    assert [one.name for one in projects] == ["cn-east-3", "cn-east-3_bbbbbbbb", "cn-south-1_dev"]
    assert [projects.region(one) for one in ("a" * 32, OTHER, PROJECT)] == [
        "cn-east-3",
        "cn-east-3",
        "cn-south-1",
    ]
    assert len(project_id_of("cn-east-3")) == 32
