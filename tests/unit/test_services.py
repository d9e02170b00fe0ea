"""Service objects of the API as `ServiceState`."""

from typing import Any

import pytest

from bulk.model import STATE_FIELDS, PortMapping, Protocol
from bulk.vpcep.refusals import MESSAGE_CHARS_MAX
from bulk.vpcep.services import UNREADABLE, listed_service, service

ID = "4189d3c2-8882-4871-a3c2-d380272eed83"
SSH = PortMapping(client_port=8081, server_port=22)


def an_object(**fields: Any) -> dict[str, Any]:
    """Return a service object as a PUT answers it."""
    ports = [{"client_port": 8081, "server_port": 22, "protocol": "TCP"}]
    return {"id": ID, "status": "available", "ports": ports, **fields}


def a_port(**fields: Any) -> dict[str, Any]:
    """Return a service object with one mapping whose fields are these."""
    return an_object(ports=[{"client_port": 8081, "server_port": 22, "protocol": "TCP", **fields}])


def test_every_field_of_the_api_is_kept_under_its_name() -> None:
    """What the model knows is taken over as it came, each field of it."""
    fields = {
        "service_type": "interface",
        "server_type": "LB",
        "port_id": "p",
        "vip_port_id": "v",
        "vpc_id": "w",
        "project_id": "j",
        "service_name": f"cn-north-4.web.{ID}",
        "description": "front",
        "approval_enabled": False,
        "tcp_proxy": "close",
        "ip": "10.0.0.1",
        "enable_policy": True,
        "public_border_group": "border",
        "connection_count": 7,
        "created_at": "2018-01-30T07:42:01.174",
        "updated_at": "2022-04-14T09:35:47Z",
    }
    broken = {"error": [{"code": "EndPoint.4009", "message": "no port"}]}
    state = service(an_object(**fields, **broken))
    assert {name: getattr(state, name) for name in fields} == fields
    assert {*fields, *broken, "id", "status", "ports"} == {*STATE_FIELDS}
    assert (state.id, state.status, state.ports) == (ID, "available", (SSH,))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ([], None),
        (None, None),
        ([{"code": "EndPoint.4009", "message": "no port"}], "EndPoint.4009 no port"),
        ([{"error_code": "EndPoint.4009", "error_message": "no port"}], "EndPoint.4009 no port"),
        ({"code": "EndPoint.4009", "message": "no port"}, "EndPoint.4009 no port"),
        ([{"code": "A.1", "message": ""}, {"message": "late"}], "A.1; late"),
        ("no\u202e port\x1b", '"no port\\u001b"'),
        ([7], "7"),
    ],
)
def test_what_is_wrong_with_a_failed_service_is_text_for_people(error: Any, text: str | None) -> None:
    """In either documented form, and in any other as it stands; nothing in it can steer a terminal."""
    assert service(an_object(error=error)).error == text


def test_what_is_wrong_with_a_failed_service_is_bounded() -> None:
    """However long the list is, and each of its texts."""
    state = service(an_object(error=[{"message": "x" * 400}] * 9_999))
    assert state.error is not None
    assert len(state.error) == MESSAGE_CHARS_MAX


def test_ports_given_as_strings_are_numbers() -> None:
    """Both documented detail examples write ports as strings."""
    assert service(a_port(client_port="8081", server_port="22")).ports == (SSH,)


def test_protocol_is_upper_case_and_tcp_where_missing() -> None:
    """The API's default holds, and case says nothing."""
    assert service(a_port(protocol="udp")).ports[0].protocol is Protocol.UDP
    assert service(a_port(protocol=None)).ports == (SSH,)


def test_id_is_lower_case() -> None:
    """An id compares equal however the API writes it."""
    assert service(an_object(id=ID.upper())).id == ID


def test_unknown_fields_and_fields_of_another_type_are_as_if_not_told() -> None:
    """A new or odd field never stands in the way."""
    state = service(an_object(pool_id="x", description=None, approval_enabled="yes", connection_count=1.5))
    assert (state.description, state.approval_enabled, state.connection_count) == (None, None, None)


@pytest.mark.parametrize("odd", [-1, 10**12 + 1, 2**63, "9" * 400, "-1", "1.0", 1.5, True, None, [1]])
def test_a_count_that_cannot_be_is_no_count(odd: object) -> None:
    """A ledger that held it could not be read again."""
    assert service(an_object(connection_count=odd)).connection_count is None
    assert service(an_object(connection_count=10**12)).connection_count == 10**12


def test_missing_status_is_no_status() -> None:
    """An answer to a PUT may leave it out; nothing takes it for available."""
    json = an_object()
    del json["status"]
    assert service(json).status == ""


@pytest.mark.parametrize(
    "json",
    [
        None,
        [],
        "text",
        {},
        an_object(id=""),
        an_object(id=7),
        an_object(ports=None),
        an_object(ports="8081:22"),
        an_object(ports=[7]),
        an_object(ports=[None]),
        a_port(client_port=0),
        a_port(server_port=65_536),
        a_port(client_port="x"),
        a_port(client_port="٣"),
        a_port(client_port=True),
        a_port(client_port=80.0),
        a_port(client_port=[80]),
        a_port(client_port=None),
        a_port(protocol="ICMP"),
        a_port(protocol=["TCP"]),
    ],
)
def test_object_without_sense_is_a_value_error(json: Any) -> None:
    """Whatever is no service with an id and sound ports is refused, never guessed at."""
    with pytest.raises(ValueError, match=r"service|port|protocol"):
        service(json)


def test_port_of_another_type_is_refused_though_an_equal_one_was_taken() -> None:
    """Mappings are kept once, by value and type."""
    assert service(a_port(client_port=8081)).ports == (SSH,)
    with pytest.raises(ValueError, match="port"):
        service(a_port(client_port=8081.0))


def test_listed_service_that_cannot_be_read_is_kept_as_unreadable() -> None:
    """One odd service hides no other, and nothing will be sent to it."""
    state = listed_service(a_port(protocol="ICMP"))
    assert (state.id, state.status, state.ports) == (ID, UNREADABLE, ())
    assert state.standing == "unreadable (protocol 'ICMP' is neither TCP nor UDP)"
    odd = listed_service(a_port(protocol="\x1b[31m" + "x" * 10_000))
    assert len(odd.error or "") < 1_000
    assert (odd.error or "").isprintable()


def test_listed_service_in_order_is_the_same_as_a_single_one() -> None:
    """The list adds tolerance and nothing else."""
    assert listed_service(an_object()) == service(an_object())


@pytest.mark.parametrize("json", [None, [], {"ports": []}])
def test_list_entry_without_an_id_is_a_value_error(json: Any) -> None:
    """What cannot even be named makes the whole page unreadable."""
    with pytest.raises(ValueError, match="service"):
        listed_service(json)
