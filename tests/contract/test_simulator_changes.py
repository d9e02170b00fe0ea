"""The simulator's changes: modify, rename, create, delete, with every documented rule and its code."""

from typing import Any

import pytest

from bulk.simulator import Switches
from tests.simulator_caller import (
    OTHER_PROJECT,
    PROJECT,
    SERVICES,
    calling,
    line,
    mapping,
    service_id,
    service_path,
)

PORT_ID = "7c1f0c52-3f4b-4d0e-9f2b-6a1f3f0b7d11"
OTHER_PORT_ID = "7c1f0c52-3f4b-4d0e-9f2b-6a1f3f0b7d12"
VPC_ID = "0b9a2a5e-5a54-4a0f-8d26-b3a5d0f3c001"
NEW = {"port_id": PORT_ID, "vpc_id": VPC_ID, "server_type": "LB", "ports": [mapping(80, 8080)]}


async def test_modify_replaces_the_whole_port_map_and_leaves_the_rest() -> None:
    """What the body does not name stays; the answer, the fleet and a read agree at once."""
    before = line(1, ports=[mapping(8080, 80), mapping(8081, 81)], description="kept", approval_enabled=True)
    wanted = [mapping(8081, 22), mapping(8082, 23, "UDP")]
    async with calling(fleet=[before]) as caller:
        said = await caller.put(1, {"ports": wanted})
        read = await caller.get(1)
        stored = caller.simulator.fleet[service_id(1)]
    assert said.http == 200
    assert said.value["ports"] == read.value["ports"] == stored["ports"] == wanted
    assert (said.value["description"], said.value["approval_enabled"]) == ("kept", True)
    assert said.value["updated_at"] > said.value["created_at"]
    assert {"pool_id", "ip_version"} <= set(said.value)


async def test_every_other_field_can_be_modified() -> None:
    """The short name becomes the middle of the stored one; empty texts clear."""
    body = {
        "service_name": "web-a",
        "description": "",
        "approval_enabled": True,
        "tcp_proxy": "proxy_open",
        "port_id": PORT_ID,
        "vip_port_id": OTHER_PORT_ID,
        "unknown": "ignored",
    }
    shown = Switches(vip_port_id_shown=True)
    fleet = [line(1, description="old", server_type="VIP")]
    async with calling(fleet=fleet, switches=shown) as caller:
        said = await caller.put(1, body)
        unnamed = await caller.put(1, {"service_name": ""})
    assert said.value["service_name"] == f"cn-north-4.web-a.{service_id(1)}"
    assert unnamed.value["service_name"] == f"cn-north-4.{service_id(1)}"
    for name in ("description", "approval_enabled", "tcp_proxy", "port_id", "vip_port_id"):
        assert said.value[name] == body[name]


@pytest.mark.parametrize(
    ("body", "http", "code"),
    [
        (None, 504, "EndPoint.0011"),
        (b"{", 400, "EndPoint.0002"),
        (b"[]", 400, "EndPoint.0002"),
        ({"ports": None}, 400, "EndPoint.0002"),
        ({"ports": [8080]}, 400, "EndPoint.0002"),
        ({"ports": []}, 400, "EndPoint.2028"),
        ({"ports": [{"client_port": 1}]}, 400, "EndPoint.2028"),
        ({"ports": [{"client_port": 1, "server_port": None}]}, 400, "EndPoint.2028"),
        ({"ports": [mapping(1, 1, "")]}, 400, "EndPoint.2028"),
        ({"ports": [mapping(0, 1)]}, 400, "EndPoint.3043"),
        ({"ports": [mapping(1, 65536)]}, 400, "EndPoint.3043"),
        ({"ports": [{"client_port": "80", "server_port": 80}]}, 400, "EndPoint.3043"),
        ({"ports": [{"client_port": True, "server_port": 80}]}, 400, "EndPoint.3043"),
        ({"ports": [mapping(1, 1, "tcp")]}, 400, "EndPoint.3075"),
        ({"ports": [mapping(1, 1, "ICMP")]}, 400, "EndPoint.3075"),
        ({"ports": [mapping(1, 1), mapping(1, 2)]}, 400, "EndPoint.3043"),
        ({"ports": [mapping(k, k) for k in range(1, 202)]}, 400, "EndPoint.3074"),
        ({"approval_enabled": "true"}, 400, "EndPoint.0002"),
        ({"port_id": "nic-1"}, 400, "EndPoint.3003"),
        ({"vip_port_id": "nic-1"}, 400, "EndPoint.3051"),
        ({"service_name": "x" * 17}, 400, "EndPoint.1003"),
        ({"service_name": 5}, 400, "EndPoint.1003"),
        ({"service_name": "a.b"}, 400, "EndPoint.1003"),
        ({"description": "<b>"}, 400, "EndPoint.0002"),
        ({"description": "x" * 513}, 400, "EndPoint.0002"),
        ({"tcp_proxy": "ajar"}, 400, "EndPoint.0002"),
        ({"ip": "10.0.0.256"}, 400, "EndPoint.3010"),
        ({"ip": "10.0.0.1", "port_id": PORT_ID}, 400, "EndPoint.3052"),
        ({"ip": "10.0.0.1", "vip_port_id": PORT_ID}, 400, "EndPoint.3053"),
        ({"ip": "10.0.0.1"}, 400, "EndPoint.3055"),
        ({"cidr_type": "public"}, 400, "EndPoint.3057"),
    ],
)
async def test_a_body_against_the_rules_is_refused_and_changes_nothing(
    body: Any, http: int, code: str
) -> None:
    """Each rule of API.md, sections 1.1 and 2.2 to 2.4, has its code, and the fleet stays as it was."""
    async with calling(fleet=[line(1)]) as caller:
        before = caller.simulator.fleet
        said = await caller.put(1, body)
        assert (said.http, said.code) == (http, code)
        assert caller.simulator.fleet == before
        assert caller.simulator.applied == []


async def test_two_hundred_mappings_are_accepted() -> None:
    """The bound is inclusive, and so are both ends of the port range."""
    wanted = [mapping(k, k) for k in range(1, 200)] + [mapping(65535, 65535)]
    async with calling(fleet=[line(1)]) as caller:
        assert (await caller.put(1, {"ports": wanted})).value["ports"] == wanted


async def test_a_service_that_stands_on_an_ip_takes_an_ip_and_no_port() -> None:
    """The mirror of 3055."""
    async with calling(fleet=[line(1, ip="10.0.0.1")]) as caller:
        assert (await caller.put(1, {"ip": "db.example.com"})).value["ip"] == "db.example.com"
        assert (await caller.put(1, {"port_id": PORT_ID})).code == "EndPoint.3054"
        assert (await caller.put(1, {"vip_port_id": PORT_ID})).code == "EndPoint.3054"
        assert (await caller.put(1, {"ports": [mapping(1, 80)]})).http == 200


@pytest.mark.parametrize(
    ("fields", "http", "code"),
    [
        ({"status": "creating"}, 400, "EndPoint.3045"),
        ({"status": "failed"}, 400, "EndPoint.3045"),
        ({"status": "deleting"}, 400, "EndPoint.3045"),
        ({"service_type": "gateway"}, 403, "EndPoint.0004"),
    ],
)
async def test_only_available_services_of_type_interface_change(
    fields: dict[str, Any], http: int, code: str
) -> None:
    """Neither by modify nor by rename."""
    async with calling(fleet=[line(1, **fields)]) as caller:
        for path, body in (("", {"ports": [mapping(1, 1)]}), ("/name", {"endpoint_service_name": "x"})):
            said = await caller.ask("PUT", service_path(1) + path, body)
            assert (said.http, said.code) == (http, code)


async def test_services_behind_one_port_id_never_share_a_server_port_and_protocol() -> None:
    """Not even over projects; another protocol, another client port or another port_id is fine."""
    fleet = [
        line(1, port_id=PORT_ID, ports=[mapping(1, 80)]),
        line(2, port_id=PORT_ID, ports=[mapping(2, 443)]),
        line(3, port_id=PORT_ID, ports=[mapping(3, 22)], project_id=OTHER_PROJECT),
        line(4, port_id=OTHER_PORT_ID, ports=[mapping(1, 443)]),
    ]
    async with calling(fleet=fleet) as caller:
        clash = await caller.put(1, {"ports": [mapping(9, 443)]})
        assert (clash.http, clash.code) == (400, "EndPoint.3044")
        assert service_id(2) in clash.value["error"]["message"]
        assert (await caller.put(1, {"ports": [mapping(9, 22)]})).code == "EndPoint.3044"
        assert (await caller.put(1, {"ports": [mapping(9, 443, "UDP")]})).http == 200
        assert (await caller.put(1, {"ports": [mapping(2, 80)]})).http == 200


async def test_a_service_never_clashes_with_its_own_former_mappings() -> None:
    """Uniqueness is judged after the replacement: its own pair may move to another client port."""
    async with calling(fleet=[line(1, port_id=PORT_ID, ports=[mapping(1, 80)])]) as caller:
        assert (await caller.put(1, {"ports": [mapping(2, 80), mapping(3, 80)]})).http == 200


async def test_a_pair_can_be_taken_as_soon_as_it_is_freed() -> None:
    """The order of PUTs that a planner has to find."""
    fleet = [line(number, port_id=PORT_ID, ports=[mapping(1, 80 + number)]) for number in (1, 2)]
    async with calling(fleet=fleet) as caller:
        assert (await caller.put(2, {"ports": [mapping(1, 81)]})).code == "EndPoint.3044"
        assert (await caller.put(1, {"ports": [mapping(1, 90)]})).http == 200
        assert (await caller.put(2, {"ports": [mapping(1, 81)]})).http == 200


async def test_moving_to_another_backend_is_judged_there() -> None:
    """The pairs of the new port_id count, its VPC must be the same, and its services may be too many."""
    fleet = [
        line(1, port_id=PORT_ID, ports=[mapping(1, 80)]),
        line(2, port_id=OTHER_PORT_ID, ports=[mapping(1, 80)]),
        line(3, port_id=service_id(77), ports=[mapping(1, 81)], vpc_id=VPC_ID),
    ]
    async with calling(fleet=fleet) as caller:
        assert (await caller.put(1, {"port_id": OTHER_PORT_ID})).code == "EndPoint.3044"
        assert (await caller.put(1, {"port_id": service_id(77)})).code == "EndPoint.3042"
        await caller.order(switches={"services_per_port_id_max": 1})
        moved = {"port_id": OTHER_PORT_ID, "ports": [mapping(1, 81)]}
        assert (await caller.put(1, moved)).code == "EndPoint.3056"
        await caller.order(switches={"services_per_port_id_max": None, "unknown_port_id_accepted": False})
        assert (await caller.put(1, {"port_id": service_id(78)})).code == "EndPoint.3008"
        assert (await caller.put(1, moved)).value["port_id"] == OTHER_PORT_ID


async def test_the_strict_rule_keeps_client_ports_apart_too() -> None:
    """The English text of the rule, behind a switch."""
    fleet = [line(number, port_id=PORT_ID, ports=[mapping(number, 80 + number)]) for number in (1, 2)]
    async with calling(fleet=fleet, switches=Switches(shared_client_ports_refused=True)) as caller:
        assert (await caller.put(1, {"ports": [mapping(2, 90)]})).code == "EndPoint.3044"
        assert (await caller.put(1, {"ports": [mapping(3, 90)]})).http == 200


async def test_what_the_documents_leave_open_is_a_switch() -> None:
    """`[]`, `{}`, repeated mappings, UDP, the bound, and fields that the answer lacks."""
    twice = {"ports": [mapping(1, 1), mapping(1, 1)]}
    client_twice = {"ports": [mapping(1, 1), mapping(1, 2)]}
    async with calling(fleet=[line(1)]) as caller:
        assert (await caller.put(1, {})).http == 200
        await caller.order(
            switches={"empty_body_accepted": False, "empty_ports": "keep", "duplicates": "mapping"}
        )
        assert (await caller.put(1, {})).code == "EndPoint.0002"
        assert (await caller.put(1, {"ports": []})).value["ports"] == [mapping(8080, 80)]
        assert (await caller.put(1, twice)).code == "EndPoint.3043"
        assert (await caller.put(1, client_twice)).http == 200
        await caller.order(
            switches={
                "empty_ports": "clear",
                "duplicates": "accept",
                "udp_accepted": False,
                "ports_max": 2,
                "modify_omits": ["pool_id", "updated_at"],
            }
        )
        assert (await caller.put(1, {"ports": []})).value["ports"] == []
        cleared = await caller.put(1, twice)
        assert cleared.http == 200
        assert not {"pool_id", "updated_at"} & set(cleared.value)
        assert (await caller.put(1, {"ports": [mapping(1, 1, "UDP")]})).code == "EndPoint.3075"
        assert (await caller.put(1, {"ports": [mapping(k, k) for k in (1, 2, 3)]})).code == "EndPoint.3074"


async def test_rename_changes_the_middle_of_the_stored_name() -> None:
    """The answer has the short name alone."""
    async with calling(fleet=[line(1)]) as caller:
        path = service_path(1) + "/name"
        said = await caller.ask("PUT", path, {"endpoint_service_name": "web-b"})
        assert (said.http, said.value) == (200, {"endpoint_service_name": "web-b"})
        assert (await caller.get(1)).value["service_name"] == f"cn-north-4.web-b.{service_id(1)}"
        assert (await caller.ask("PUT", path, {"endpoint_service_name": "x" * 17})).code == "EndPoint.1003"
        assert (await caller.ask("PUT", path, {})).code == "EndPoint.2002"


async def test_a_created_service_is_available_after_its_delay() -> None:
    """Until then it is `creating` and refuses changes; with `create_fails` it ends as failed."""
    now_s = 1_000_000.0
    async with calling(switches=Switches(create_delay_s=60), clock=lambda: now_s) as caller:
        made = (await caller.ask("POST", SERVICES, NEW)).value
        path = f"{SERVICES}/{made['id']}"
        assert (made["status"], made["approval_enabled"]) == ("creating", True)
        assert (await caller.ask("PUT", path, {"ports": [mapping(1, 1)]})).code == "EndPoint.3045"
        now_s += 60
        assert (await caller.ask("GET", path)).value["status"] == "available"
        await caller.order(switches={"create_fails": True, "create_delay_s": 0})
        body = NEW | {"ports": [mapping(1, 1)]}
        second = f"{SERVICES}/{(await caller.ask('POST', SERVICES, body)).value['id']}"
        assert (await caller.ask("GET", second)).value["status"] == "failed"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"port_id": None}, "EndPoint.2002"),
        ({"vpc_id": "vpc-1"}, "EndPoint.0020"),
        ({"server_type": "CCE"}, "EndPoint.3021"),
        ({"service_type": "gateway"}, "EndPoint.0002"),
        ({"port_id": "nic-1"}, "EndPoint.3003"),
        ({"ports": []}, "EndPoint.2028"),
        ({"ports": [mapping(0, 1)]}, "EndPoint.3043"),
        ({"tags": "blue"}, "EndPoint.0002"),
        ({"tags": [{"key": f"k{k}", "value": ""} for k in range(21)]}, "EndPoint.3069"),
        ({"tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, "EndPoint.3067"),
        ({"tags": [{"key": "", "value": "1"}]}, "EndPoint.3066"),
        ({"tags": [{"key": 7, "value": "1"}]}, "EndPoint.3068"),
        ({"tags": [{"key": "a=b", "value": "1"}]}, "EndPoint.3068"),
        ({"tags": [{"key": "a", "value": " 1"}]}, "EndPoint.3068"),
        ({"tags": [{"key": "a" * 37, "value": "1"}]}, "EndPoint.3072"),
        ({"tags": [{"key": "a", "value": "1" * 44}]}, "EndPoint.3073"),
        ({"port_id": service_id(1)}, "EndPoint.3044"),
    ],
)
async def test_a_creation_against_the_rules_is_refused(change: dict[str, Any], code: str) -> None:
    """Each rule of API.md, section 1.5, has its code."""
    holder = line(1, port_id=service_id(1), vpc_id=VPC_ID, ports=[mapping(1, 8080)])
    async with calling(fleet=[holder]) as caller:
        said = await caller.ask("POST", SERVICES, NEW | change)
        assert (said.http, said.code) == (400, code)
        assert len(caller.simulator.fleet) == 1


async def test_a_creation_needs_ports_a_body_and_room_in_the_quota() -> None:
    """The quota's code has its odd spelling."""
    async with calling(switches=Switches(services_quota=1)) as caller:
        assert (await caller.ask("POST", SERVICES)).code == "EndPoint.0011"
        without = {name: value for name, value in NEW.items() if name != "ports"}
        assert (await caller.ask("POST", SERVICES, without)).code == "EndPoint.2028"
        tagged = NEW | {"service_name": "new", "tags": [{"key": "team", "value": "net"}]}
        made = await caller.ask("POST", SERVICES, tagged)
        assert (made.http, made.value["tags"]) == (200, [{"key": "team", "value": "net"}])
        assert made.value["service_name"] == f"cn-north-4.new.{made.value['id']}"
        assert (await caller.ask("POST", SERVICES, NEW)).code == "Endpoint.1018"


async def test_a_deleted_service_is_deleting_and_then_gone() -> None:
    """A service with endpoints stays; the status of the answer is a switch."""
    now_s = 1_000_000.0
    fleet = [line(1), line(2, connection_count=1), line(3), line(4, service_type="gateway")]
    async with calling(fleet=fleet, switches=Switches(delete_delay_s=30), clock=lambda: now_s) as caller:
        said = await caller.ask("DELETE", service_path(1))
        assert (said.http, said.raw) == (204, b"")
        assert (await caller.get(1)).value["status"] == "deleting"
        assert (await caller.ask("DELETE", service_path(1))).code == "EndPoint.3045"
        now_s += 30
        assert (await caller.get(1)).http == 404
        assert (await caller.ask("DELETE", service_path(1))).http == 404
        assert (await caller.ask("DELETE", service_path(2))).code == "EndPoint.3006"
        assert (await caller.ask("DELETE", service_path(4))).code == "EndPoint.0004"
        await caller.order(switches={"delete_http": 200, "delete_delay_s": 0})
        assert (await caller.ask("DELETE", service_path(3))).http == 200
        assert (await caller.get(3)).http == 404


async def test_reads_lag_behind_changes_when_told_to() -> None:
    """The answer to the PUT is true at once, list and detail later."""
    now_s = 1_000_000.0
    async with calling(fleet=[line(1)], switches=Switches(read_lag_s=5), clock=lambda: now_s) as caller:
        assert (await caller.put(1, {"ports": [mapping(1, 1)]})).value["ports"] == [mapping(1, 1)]
        made = (await caller.ask("POST", SERVICES, NEW)).value
        assert (await caller.get(1)).value["ports"] == [mapping(8080, 80)]
        assert (await caller.list()).value["total_count"] == 1
        assert (await caller.ask("GET", f"{SERVICES}/{made['id']}")).http == 404
        now_s += 5
        assert (await caller.get(1)).value["ports"] == [mapping(1, 1)]
        assert (await caller.list()).value["total_count"] == 2


async def test_every_put_that_took_effect_is_counted_and_nothing_else() -> None:
    """A repeated one is a duplicate; a refused one is not there."""
    async with calling(fleet=[line(1)]) as caller:
        body = {"ports": [mapping(1, 1)]}
        await caller.put(1, body)
        await caller.put(1, body)
        await caller.put(1, {"ports": []})
        applied = (await caller.ask("GET", "/_simulator/applied")).value["applied"]
        stats = (await caller.ask("GET", "/_simulator/stats")).value
    assert [(one["n"], one["is_duplicate"]) for one in applied] == [(1, False), (2, True)]
    assert (applied[0]["id"], applied[0]["project_id"], applied[0]["body"]) == (service_id(1), PROJECT, body)
    assert applied[0]["ports_before"] == [mapping(8080, 80)]
    assert applied[0]["ports_after"] == [mapping(1, 1)]
    assert (stats["applied"], stats["duplicates"], stats["requests"]) == (2, 1, {"modify": 3})
    assert stats["refusals"] == {"EndPoint.2028": 1}
    assert stats["in_flight_max"] == 1


@pytest.mark.parametrize("path", ["", "/name"])
async def test_the_length_of_names_is_a_switch(path: str) -> None:
    """Huawei Cloud Stack takes 64 characters."""
    member = "endpoint_service_name" if path else "service_name"
    async with calling(fleet=[line(1)], switches=Switches(service_name_chars_max=64)) as caller:
        put = f"{SERVICES}/{service_id(1)}{path}"
        assert (await caller.ask("PUT", put, {member: "x" * 64})).http == 200
        assert (await caller.ask("PUT", put, {member: "x" * 65})).code == "EndPoint.1003"
