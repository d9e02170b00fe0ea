"""What one row comes to against its live service."""

from dataclasses import replace
from typing import Any

import pytest

from bulk.model import (
    MAPPINGS_MAX,
    Action,
    Caution,
    Change,
    ModifyBody,
    PortMapping,
    Ports,
    Protocol,
    ServiceState,
    ServiceUpdate,
    Target,
)
from bulk.plan.decision import decide
from tests.values import PROJECT, service_id

LIVE = ServiceState(
    id=service_id(1),
    ports=(PortMapping(client_port=80, server_port=8080), PortMapping(client_port=443, server_port=8443)),
    status="available",
    service_type="interface",
    server_type="LB",
    port_id="P",
    service_name=f"cn-north-4.web.{service_id(1)}",
    description="",
    approval_enabled=True,
)


def mapped(text: str) -> Ports:
    """Read `80:8080 443:8443/UDP`."""
    mappings = []
    for entry in text.split():
        numbers, _, protocol = entry.partition("/")
        client, server = numbers.split(":")
        mappings.append(
            PortMapping(
                client_port=int(client), server_port=int(server), protocol=Protocol(protocol or "TCP")
            )
        )
    return tuple(mappings)


def row(**wanted: Any) -> ServiceUpdate:
    """Return a row; ports in the wide form, and the fields of the body by their names."""
    mine = {name: mapped(wanted.pop(name)) for name in list(wanted) if name.endswith("_ports")}
    if "ports" in wanted:
        wanted["ports"] = mapped(wanted["ports"])
    return ServiceUpdate(
        row=1,
        place="a.csv:2",
        target=PROJECT,
        service_id=service_id(1),
        note="ticket 7",
        body=ModifyBody(**wanted),
        **mine,
    )


def decided(before: ServiceState | None = LIVE, **wanted: Any) -> Change:
    """Decide a row against the live service."""
    return decide(row(**wanted), before, PROJECT)


def test_a_map_that_differs_is_an_update_with_the_whole_new_list() -> None:
    """The body's ports are the row's, in the row's order; the row itself comes along."""
    change = decided(ports="443:9443 81:8081")
    assert change == Change(
        update=row(ports="443:9443 81:8081"),
        target=PROJECT,
        action=Action.UPDATE,
        body=ModifyBody(ports=mapped("443:9443 81:8081")),
        before=LIVE,
    )


def test_a_change_holds_its_row_as_it_was_written() -> None:
    """What the row adds and expects is not lost in the whole list that is computed from it."""
    update = row(add_ports="81:8081", expect_ports="80:8080 443:8443")
    assert decide(update, LIVE, PROJECT).update is update


def test_the_targets_own_project_is_told_once_it_is_known() -> None:
    """A change names the target that was listed, not the row's, whose project may not be looked up yet."""
    found = Target(region="cn-north-4", project_id="0" * 32)
    assert decide(row(ports="1:1"), LIVE, found).target == found


@pytest.mark.parametrize(
    "wanted",
    [
        {"ports": "443:8443 80:8080"},
        {"service_name": "web"},
        {"description": ""},
        {"approval_enabled": True, "ports": "80:8080 443:8443"},
        {"add_ports": "80:8080"},
        {"remove_ports": "81:8081"},
        {"remove_ports": "80:9999", "add_ports": "80:8080"},
        {"ports": "80:8080 443:8443", "expect_ports": "1:1"},
    ],
)
def test_what_is_already_so_is_kept_whatever_was_expected(wanted: dict[str, Any]) -> None:
    """A second plan of an applied job sends nothing: not for order, full names or used-up expectations."""
    change = decided(**wanted)
    assert (change.action, change.reason) == (Action.KEEP, "")


def test_one_field_that_differs_sends_all_fields_that_the_row_names() -> None:
    """Only what the row names is sent, and all of that."""
    change = decided(description="new", approval_enabled=True)
    assert change.action is Action.UPDATE
    assert change.body.named() == {"description": "new", "approval_enabled": True}


def test_a_field_that_the_list_does_not_tell_is_never_taken_as_right() -> None:
    """Where the API is silent about a field, the row is sent rather than called already so."""
    assert decided(tcp_proxy="close").action is Action.UPDATE


def test_ports_to_add_stand_behind_the_live_ones() -> None:
    """`add_ports` leaves the live list as it is and adds what is not in it."""
    change = decided(add_ports="80:8080 53:5353/UDP", description="dns")
    assert change.body == ModifyBody(ports=mapped("80:8080 443:8443 53:5353/UDP"), description="dns")


def test_ports_to_remove_leave_the_rest_in_its_order() -> None:
    """`remove_ports` takes mappings away, and what is not there need not be."""
    assert decided(remove_ports="80:8080 7:7").body.ports == mapped("443:8443")


def test_one_of_two_mappings_of_a_client_port_can_be_removed() -> None:
    """However the service came to have both: the mapping that the row names is there."""
    twice = replace(LIVE, ports=mapped("80:8080 80:9090 443:8443"))
    change = decided(twice, remove_ports="80:8080")
    assert (change.action, change.body.ports) == (Action.UPDATE, mapped("80:9090 443:8443"))


def test_a_client_port_is_led_elsewhere_by_removing_and_adding() -> None:
    """Both together remap a client_port."""
    assert decided(remove_ports="80:8080", add_ports="80:9090").body.ports == mapped("443:8443 80:9090")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"remove_ports": "80:9999"}, "remove_ports names 80:9999/TCP, found 80:8080/TCP"),
        ({"add_ports": "80:9999"}, "add_ports names 80:9999/TCP, found 80:8080/TCP"),
        ({"remove_ports": "80:8080 443:8443"}, "no mapping would be left"),
        ({"ports": ""}, "no mapping would be left"),
        ({"ports": "1:1 1:2"}, "client_port 1/TCP would be in 2 mappings"),
        ({"ports": "1:1", "expect_ports": "80:8080"}, "expect_ports says 80:8080/TCP, found 80"),
        ({"ports": "1:1", "expect_ports": ""}, "expect_ports says no mapping"),
        ({"ports": " ".join(f"{n}:{n}" for n in range(1, MAPPINGS_MAX + 2))}, "201 mappings would result"),
    ],
)
def test_a_row_that_cannot_be_meant_or_sent_is_refused(wanted: dict[str, Any], reason: str) -> None:
    """The reason says what stands against it, and behind the semicolon what to do."""
    change = decided(**wanted)
    assert change.action is Action.REFUSE
    assert change.reason.startswith(reason)
    assert "; " in change.reason


def test_200_mappings_are_sent_and_one_client_port_may_serve_both_protocols() -> None:
    """The limits are the API's own."""
    most = " ".join(f"{n}:{n} {n}:{n}/UDP" for n in range(1, MAPPINGS_MAX // 2 + 1))
    assert decided(ports=most).action is Action.UPDATE


def test_what_was_expected_is_compared_as_a_set() -> None:
    """The order in which the API lists ports says nothing."""
    assert decided(ports="1:1", expect_ports="443:8443 80:8080").action is Action.UPDATE


def test_an_unknown_service_is_refused_with_the_target_named() -> None:
    """A wrong region or project is the usual cause, so the reason names them."""
    change = decided(None, ports="1:1")
    assert (change.action, change.before) == (Action.REFUSE, None)
    assert str(PROJECT) in change.reason


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"service_type": "gateway"}, "type is gateway, only interface"),
        ({"service_type": "gataway"}, "type is gataway, only interface"),
        ({"server_type": "SYSTEM"}, "server_type is SYSTEM, which no service of a tenant has"),
        ({"status": "creating"}, "status is creating, only available services change; wait"),
        ({"status": "failed"}, "status is failed, only available"),
        (
            {"status": "failed", "error": "EndPoint.4009 no port"},
            "status is failed (EndPoint.4009 no port), only available services change; repair",
        ),
        (
            {"status": "unreadable", "error": "port 0 is not from 1 to 65535"},
            "status is unreadable (port 0 is not from 1 to 65535), only available services change; report it",
        ),
        ({"status": "deleting"}, "status is deleting"),
        ({"status": "frozen"}, "status is frozen"),
    ],
)
@pytest.mark.parametrize("ports", ["1:1", "80:8080 443:8443"])
def test_only_available_interface_services_of_tenants_are_changed_or_kept(
    state: dict[str, str], reason: str, ports: str
) -> None:
    """Anything else is refused, even where its ports happen to be right."""
    change = decided(replace(LIVE, **state), ports=ports)
    assert change.action is Action.REFUSE
    assert change.reason.startswith(reason)


def test_a_type_that_the_api_does_not_tell_stands_against_nothing() -> None:
    """Older list answers leave service_type and server_type out."""
    before = replace(LIVE, service_type=None, server_type=None)
    assert decided(before, ports="1:1").action is Action.UPDATE


def test_refusals_of_one_cause_share_it_where_their_reasons_differ() -> None:
    """It has none of the particulars; where the reason is the same for all rows anyway, it is not needed."""
    one = decided(ports="1:1", expect_ports="1:9")
    other = decided(ports="1:1", expect_ports="1:8")
    assert (
        one.cause
        == other.cause
        == "expect_ports is not what was found; find out who changed it, then correct the row"
    )
    assert one.reason != other.reason
    broken = decided(replace(LIVE, status="failed", error="E.1: no backend"), ports="1:1")
    assert broken.cause == decided(replace(LIVE, status="failed"), ports="1:1").reason
    assert decided(replace(LIVE, service_type="gateway"), ports="1:1").cause == ""


def test_a_field_that_the_api_may_never_show_is_a_warning() -> None:
    """Where the list shows it, the edition of the API has it, and there is nothing to warn of."""
    assert decided(vip_port_id="V").reason == str(Caution.VIP_PORT_ID)
    assert decided(replace(LIVE, vip_port_id="W"), vip_port_id="V").reason == ""
    assert decided(replace(LIVE, vip_port_id="V"), vip_port_id="V").action is Action.KEEP


def test_the_first_mapping_of_udp_is_a_warning() -> None:
    """A region whose service has one already takes more of them; one that is taken away is no matter."""
    assert decided(add_ports="53:53/UDP").reason == decided(ports="53:53/UDP").reason == str(Caution.UDP)
    has_udp = replace(LIVE, ports=mapped("53:53/UDP 54:54"))
    assert decided(has_udp, add_ports="55:55/UDP").reason == ""
    assert decided(has_udp, remove_ports="53:53/UDP").reason == ""


def test_a_name_that_only_one_cloud_takes_is_a_warning() -> None:
    """A service that has such a name is of that cloud."""
    assert decided(service_name="x" * 16).reason == ""
    assert decided(service_name="x" * 17).reason == str(Caution.LONG_NAME)
    has_one = replace(LIVE, service_name=f"r.{'y' * 17}.{LIVE.id}")
    assert decided(has_one, service_name="x" * 64).reason == ""


def test_opening_a_service_to_everybody_is_a_warning() -> None:
    """Approval switched off lets new consumers in at once."""
    assert decided(approval_enabled=False).reason == "new consumers will be connected without approval"
    closed = replace(LIVE, approval_enabled=False)
    assert decided(closed, approval_enabled=False, description="x").reason == ""
    both = decided(add_ports="53:53/UDP", approval_enabled=False)
    assert both.reason.count("; ") == 1
