"""Each comparison is what it was when one list served them all; this file goes once that is shown."""

from dataclasses import fields, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bulk.core.guards import side_effects
from bulk.core.inverse import inverse
from bulk.core.model import (
    BODY_FIELDS,
    DISPLAY_FIELDS,
    DRIFT_FIELDS,
    SETTLING_FIELDS,
    Action,
    ModifyBody,
    PortMapping,
    Protocol,
    ServiceState,
)
from tests.nouns import change, service_id

COMPARED = (
    "ports", "status", "service_type", "server_type", "port_id", "vip_port_id", "vpc_id",
    "service_name", "description", "approval_enabled", "tcp_proxy", "ip",
)  # fmt: skip


def differences(one: ServiceState, other: ServiceState) -> tuple[str, ...]:
    """Give what it gave."""
    return tuple(
        name
        for name in COMPARED
        if (mine := getattr(one, name)) != (theirs := getattr(other, name))
        and mine is not None
        and theirs is not None
        and not (name == "ports" and set(mine) == set(theirs))
    )


def has(state: ServiceState, name: str, wanted: Any) -> bool:
    """Give what it gave."""
    if name == "ports":
        return state.ports == wanted or set(state.ports) == set(wanted)
    if name == "service_name":
        return state.service_name is None or state.short_name == wanted
    present = getattr(state, name)
    return present is None or present == wanted


def unlike(state: ServiceState, body: ModifyBody) -> tuple[str, ...]:
    """Give what it gave."""
    return tuple(
        name
        for name in BODY_FIELDS
        if (wanted := getattr(body, name)) is not None and not has(state, name, wanted)
    )


def surely_has(state: ServiceState, body: ModifyBody) -> bool:
    """Give what it gave."""
    untold = (getattr(body, name) is not None and getattr(state, name) is None for name in BODY_FIELDS)
    return not any(untold) and not unlike(state, body)


def former_side_effects(before: ServiceState, after: ServiceState, body: ModifyBody) -> tuple[str, ...]:
    """Give what it gave."""
    return tuple(
        name
        for name in differences(before, after)
        if name != "status"
        and getattr(body, name, None) is None
        and not (name == "service_name" and before.short_name == after.short_name)
    )


MAPPINGS = st.builds(
    PortMapping,
    client_port=st.sampled_from([1, 2]),
    server_port=st.sampled_from([1, 2]),
    protocol=st.sampled_from(Protocol),
)
MAPS = st.lists(MAPPINGS, max_size=3).map(tuple)
ID = service_id(1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.just(ID),
    "ports": MAPS,
    "status": st.sampled_from(["available", "failed", ""]),
    "approval_enabled": st.sampled_from([None, True, False]),
    "service_name": st.sampled_from([None, "", "a", "b", f"r.a.{ID}", f"r.b.{ID}", f"r.{ID}", f"s.a.{ID}"]),
    "connection_count": st.sampled_from([None, 0, 1]),
}
FEW = st.sampled_from([None, "", "a", "b"])
STATES = st.builds(
    ServiceState, **{field.name: VALUES.get(field.name, FEW) for field in fields(ServiceState)}
)
BODIES = st.builds(
    ModifyBody,
    **{name: FEW for name in BODY_FIELDS if name not in {"ports", "approval_enabled"}},
    ports=st.none() | MAPS,
    approval_enabled=VALUES["approval_enabled"],
)


@settings(max_examples=5_000)
@given(STATES, STATES, BODIES)
def test_each_comparison_is_what_it_was(one: ServiceState, other: ServiceState, body: ModifyBody) -> None:
    """Of any two states and any body."""
    for comparison in (DRIFT_FIELDS, SETTLING_FIELDS, DISPLAY_FIELDS):
        assert one.differences(other, comparison) == differences(one, other)
    assert side_effects(one, other, body) == former_side_effects(one, other, body)
    assert one.mismatches(body) == unlike(one, body)
    assert one.confirms(body) == surely_has(one, body)


@settings(max_examples=2_000)
@given(STATES, BODIES)
def test_what_can_be_taken_back_is_what_it_was(before: ServiceState, body: ModifyBody) -> None:
    """A field goes back to nothing where a PUT can set it to nothing."""
    may_be_empty = {"service_name", "description", "approval_enabled"}

    def value(name: str) -> Any:
        is_named = name == "service_name" and before.service_name is not None
        return before.short_name if is_named else getattr(before, name)

    gaps = [
        name
        for name in BODY_FIELDS
        if getattr(body, name) is not None
        and (value(name) is None or (not value(name) and name not in may_be_empty))
    ]
    back = inverse(replace(change(1), before=before, body=body), row=1)
    assert [part.split()[0] for part in filter(None, back.reason.split("; "))][::2] == gaps
    assert (back.action is Action.REFUSE) == bool(gaps)
