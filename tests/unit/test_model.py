"""The nouns: comparing states and maps, and the lines a person reads."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.model import (
    BODY_FIELDS,
    DISPLAY_FIELDS,
    DRIFT_FIELDS,
    SETTLING_FIELDS,
    SIDE_EFFECT_FIELDS,
    STATE_FIELDS,
    Issue,
    ModifyBody,
    PortMapping,
    Ports,
    Protocol,
    ServiceState,
    Target,
)
from tests.values import bodies, change, port_maps, ports, service_id, state, states

SERVICE = ServiceState(
    id=service_id(1),
    ports=ports(22, 23),
    status="available",
    service_name=f"cn-north-4.web-a.{service_id(1)}",
    description="",
    approval_enabled=True,
)


def test_a_mapping_reads_as_in_the_wide_layout() -> None:
    """client:server/protocol."""
    assert str(PortMapping(client_port=8081, server_port=22)) == "8081:22/TCP"
    assert str(PortMapping(client_port=1, server_port=2, protocol=Protocol.UDP)) == "1:2/UDP"


def test_a_target_names_profile_region_and_project() -> None:
    """What is not known yet is said in words."""
    assert str(Target(region="r", project_id="p")) == "r/p"
    assert str(Target(region="r", project_id="")) == "r/(project of the region)"
    assert str(Target(region="r", project_id="p", profile="ops")) == "ops@r/p"


def test_an_issue_says_place_field_problem_and_way_out() -> None:
    """The field is left out where the whole line is meant."""
    issue = Issue(place="a.csv:3:5", field="ports", message="is empty", hint="name one mapping")
    assert str(issue) == "a.csv:3:5: ports: is empty; name one mapping"
    assert str(Issue(place="a.csv:3", field="", message="m", hint="h")) == "a.csv:3: m; h"


def test_a_body_names_only_what_is_set() -> None:
    """None is not sent; false and the empty text are."""
    assert ModifyBody().named() == {}
    assert ModifyBody(approval_enabled=False, description="").named() == {
        "approval_enabled": False,
        "description": "",
    }
    assert ModifyBody(ports=ports(22)).named() == {
        "ports": [{"client_port": 1022, "server_port": 22, "protocol": "TCP"}]
    }


@pytest.mark.parametrize(
    ("stored", "short"),
    [
        (None, ""),
        ("", ""),
        (f"cn-north-4.web-a.{service_id(1)}", "web-a"),
        (f"cn-north-4.{service_id(1)}", ""),
        ("test123", "test123"),
    ],
)
def test_the_short_name_is_what_a_put_may_change(stored: str | None, short: str) -> None:
    """`region.name.id`, `region.id` and the bare form of the document's examples."""
    assert replace(SERVICE, service_name=stored).short_name == short


@given(states)
def test_a_state_does_not_differ_from_itself(service: ServiceState) -> None:
    """Drift needs a difference."""
    assert service.differences(service, DRIFT_FIELDS) == ()


@given(states, states)
def test_differences_are_mutual(one: ServiceState, other: ServiceState) -> None:
    """Before against live names the same fields as live against before."""
    found = one.differences(other, DRIFT_FIELDS)
    assert found == other.differences(one, DRIFT_FIELDS)
    assert set(found) <= set(DRIFT_FIELDS)


@given(states)
def test_the_order_of_ports_is_no_difference(service: ServiceState) -> None:
    """Maps are sets of (client_port, server_port, protocol)."""
    shuffled = tuple(reversed(service.ports))
    assert service.differences(replace(service, ports=shuffled), DRIFT_FIELDS) == ()
    assert replace(service, ports=shuffled).mismatches(ModifyBody(ports=service.ports)) == ()


@pytest.mark.parametrize("name", [name for name in DRIFT_FIELDS if name != "ports"])
def test_drift_sees_each_compared_field_but_not_what_a_reply_left_out(name: str) -> None:
    """A field that differs is named; one that either side does not tell is not."""
    values: list[Any] = ["this", "that", None]
    seen, other, missing = (replace(SERVICE, **{name: value}) for value in values)
    assert seen.differences(other, DRIFT_FIELDS) == (name,)
    assert seen.differences(missing, DRIFT_FIELDS) == missing.differences(seen, DRIFT_FIELDS) == ()


def test_drift_sees_ports_and_not_timestamps_or_connections() -> None:
    """Timestamps vary in form; consumers come and go."""
    assert SERVICE.differences(replace(SERVICE, ports=ports(22)), DRIFT_FIELDS) == ("ports",)
    busy = replace(SERVICE, updated_at="now", created_at="then", connection_count=7)
    idle = replace(SERVICE, updated_at="x", created_at="y", connection_count=1)
    assert idle.differences(busy, DRIFT_FIELDS) == ()


def test_a_failed_service_says_what_is_wrong_with_it() -> None:
    """The status alone helps nobody."""
    assert SERVICE.standing == "available"
    assert replace(SERVICE, status="failed", error="no port").standing == "failed (no port)"


def test_each_comparison_has_its_fields() -> None:
    """A status that changes is drift and no side effect; what a PUT may set counts in every comparison.

    What no PUT names counts only as a side effect: others may change it between plan and run.
    """
    by_itself = {"id", "project_id", "connection_count", "created_at", "updated_at", "error"}
    by_nobody = {"enable_policy", "public_border_group"}
    assert set(DRIFT_FIELDS) == set(STATE_FIELDS) - by_itself - by_nobody
    assert SETTLING_FIELDS == DISPLAY_FIELDS == DRIFT_FIELDS
    assert set(SIDE_EFFECT_FIELDS) == {*DRIFT_FIELDS, *by_nobody} - {"status"}
    assert set(BODY_FIELDS) <= set(SIDE_EFFECT_FIELDS)


def test_what_a_state_has_otherwise_than_a_body_asks_is_named() -> None:
    """Only fields that the body names count, the name by its short form."""
    body = ModifyBody(ports=ports(22), service_name="web-b", approval_enabled=False, description="")
    assert SERVICE.mismatches(body) == ("ports", "approval_enabled", "service_name")
    assert SERVICE.mismatches(ModifyBody(ports=ports(23, 22), service_name="web-a", tcp_proxy="close")) == ()
    assert replace(SERVICE, service_name=None).mismatches(ModifyBody(service_name="web-b")) == ()


@given(states, bodies)
def test_a_state_confirms_a_body_only_where_it_shows_every_field(
    service: ServiceState, body: ModifyBody
) -> None:
    """A field that the reply left out is no mismatch, and no proof either."""
    seen = all(getattr(service, name) is not None for name in body.named())
    assert service.confirms(body) == (seen and service.mismatches(body) == ())


def test_a_missing_field_neither_confirms_nor_contradicts() -> None:
    """Only a read that shows it settles whether it landed."""
    body = ModifyBody(ports=SERVICE.ports, tcp_proxy="close")
    assert (SERVICE.mismatches(body), SERVICE.confirms(body)) == ((), False)
    assert SERVICE.unshown(body) == ("tcp_proxy",)
    assert replace(SERVICE, tcp_proxy="close").confirms(body)


@given(bodies)
def test_a_state_made_of_a_body_has_no_mismatch(body: ModifyBody) -> None:
    """What was asked, once told back, is as asked."""
    fields = {name: value for name in body.named() if (value := getattr(body, name)) is not None}
    name = f"r.{body.service_name}.{service_id(1)}" if body.service_name else None
    live = replace(SERVICE, **{**fields, "service_name": name})
    assert live.mismatches(body) == ()


@given(port_maps, st.none() | port_maps)
def test_added_kept_and_removed_make_up_both_maps(before: Ports, wanted: Ports | None) -> None:
    """Kept and removed are what is there, kept and added what is to be; no ports named: all are kept."""
    planned = replace(change(1), body=ModifyBody(ports=wanted), before=replace(SERVICE, ports=before))
    after = before if wanted is None else wanted
    assert set(planned.kept) | set(planned.removed) == set(before)
    assert set(planned.kept) | set(planned.added) == set(after)
    assert not set(planned.added) & set(before)
    assert not set(planned.removed) & set(after)


def test_a_service_that_was_not_found_has_nothing_to_lose() -> None:
    """Without a state before, everything asked is an addition."""
    lost = replace(change(1), before=None, body=ModifyBody(ports=ports(1)))
    assert (lost.added, lost.removed, lost.kept) == (ports(1), (), ())


def test_a_parked_service_lacks_what_its_intermediate_map_lacks() -> None:
    """From the intermediate PUT to the last one those mappings are out of service; else none."""
    parked = replace(change(1), before=state(1, 22, 23), parking=ModifyBody(ports=ports(23)))
    assert parked.out_of_service == ports(22)
    assert change(1).out_of_service == ()
