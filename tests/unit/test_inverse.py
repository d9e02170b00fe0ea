"""Taking applied changes back."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.model import BODY_FIELDS, Action, Change, ModifyBody, PortMapping, ServiceState, SideEffect
from bulk.plan.inverse import inverse, with_side_effects, written
from tests.values import change, ports, service_id, update

BEFORE = ServiceState(
    id=service_id(1),
    ports=ports(1, 2),
    status="available",
    port_id="P",
    service_name=f"cn-north-4.web.{service_id(1)}",
    description="",
    approval_enabled=False,
    updated_at="2026-01-15T08:30:01Z",
)


def applied(before: ServiceState | None = BEFORE, **body: Any) -> Change:
    """Return a change that was applied, with all that a plan says about it."""
    return replace(
        change(1, after=(4, 5)),
        before=before,
        body=ModifyBody(**body),
        reason="3 consumers are connected",
        parking=ModifyBody(ports=ports(9)),
        after_parked=(6,),
        update=update(1, ModifyBody(), add_ports=ports(3), expect_ports=ports(1, 2), note="ticket 7"),
    )


def test_the_inverse_brings_back_the_fields_that_were_sent_and_no_others() -> None:
    """It starts from what was written, keeps place and note, asks for nothing else, and is ordered anew."""
    was = applied(ports=ports(3), approval_enabled=True)
    body = ModifyBody(ports=ports(1, 2), approval_enabled=False)
    assert inverse(was, row=8) == replace(
        was,
        update=replace(update(1, body, note="ticket 7"), row=8),
        before=replace(BEFORE, ports=ports(3), approval_enabled=True),
        body=body,
        reason="",
        after=(),
        parking=None,
        after_parked=(),
    )


@given(
    name=st.sampled_from(["web", ""]),
    new=st.sampled_from(["db", ""]),
    is_full=st.booleans(),
    description=st.sampled_from(["", "old"]),
)
def test_the_inverse_of_the_inverse_is_the_change(
    *, name: str, new: str, is_full: bool, description: str
) -> None:
    """Back and forth again sends the first body to the first state."""
    stored = ".".join(filter(None, ["cn-north-4", name, service_id(1)])) if is_full else name
    before = replace(BEFORE, service_name=stored, description=description)
    was = applied(before, service_name=new, description="new", port_id="Q", ports=ports(3))
    again = inverse(inverse(was, row=1), row=1)
    assert (again.body, again.before, again.action) == (was.body, was.before, Action.UPDATE)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (f"cn-north-4.web.{service_id(1)}", f"cn-north-4.db.{service_id(1)}"),
        (f"cn-north-4.{service_id(1)}", f"cn-north-4.db.{service_id(1)}"),
        ("web", "db"),
        ("", "db"),
        (None, "db"),
    ],
)
def test_a_name_was_written_in_the_form_in_which_the_api_tells_names(stored: str, expected: str) -> None:
    """So the list shows the written service as the inverse expects it."""
    state = written(applied(replace(BEFORE, service_name=stored), service_name="db"))
    assert state == replace(BEFORE, service_name=expected)


def test_a_name_taken_away_leaves_region_and_id() -> None:
    """That is how the API stores a service without a name."""
    state = written(applied(service_name=""))
    assert state is not None
    assert state.service_name == f"cn-north-4.{service_id(1)}"


@pytest.mark.parametrize(
    ("field", "value"),
    [("tcp_proxy", "open"), ("ip", "10.0.0.1"), ("vip_port_id", "V"), ("service_name", "x")],
)
@pytest.mark.parametrize("was", [None, ""])
def test_a_field_that_had_no_value_cannot_be_brought_back(field: str, value: str, was: str | None) -> None:
    """The row is refused and says which field is to be set by hand; an empty name can be sent."""
    back = inverse(applied(replace(BEFORE, **{field: was}), **{field: value}), row=1)
    if field == "service_name" and was == "":
        assert (back.action, back.body.service_name) == (Action.UPDATE, "")
    else:
        assert back.action is Action.REFUSE
        reason = f"no PUT can bring back {field}, which had no value before or was not shown; set it by hand"
        assert back.reason == reason


def test_a_service_that_had_no_ports_cannot_have_none_again() -> None:
    """The API takes no empty list."""
    back = inverse(applied(replace(BEFORE, ports=()), ports=ports(1)), row=1)
    assert back.action is Action.REFUSE


def test_what_no_put_can_say_is_refused_or_said_once() -> None:
    """More mappings than a PUT may carry cannot be brought back; one that is shown twice is sent once."""
    many = replace(BEFORE, ports=tuple(PortMapping(client_port=n, server_port=n) for n in range(1, 202)))
    refused = inverse(applied(many, ports=ports(3)), row=1)
    assert refused.action is Action.REFUSE
    assert "the service had 201" in refused.reason
    twice = replace(BEFORE, ports=(*ports(1, 2), *ports(1)))
    assert inverse(applied(twice, ports=ports(3)), row=1).body.ports == ports(1, 2)


def test_without_a_state_before_nothing_can_be_brought_back() -> None:
    """Every field that was sent is named."""
    back = inverse(applied(None, ports=ports(1), description="x"), row=1)
    assert (back.action, back.before) == (Action.REFUSE, None)
    assert back.reason.count("set it by hand") == 2


def test_every_field_of_a_body_is_one_of_the_state() -> None:
    """Whatever a PUT may set can be read, and so be brought back."""
    state = written(applied(**dict.fromkeys(BODY_FIELDS, "x")))
    assert all(getattr(state, name) for name in BODY_FIELDS)


NOTICED = (SideEffect("approval_enabled", value=True), SideEffect("status", "failed"))


def test_what_a_put_changed_unasked_is_taken_back_as_well() -> None:
    """The service is expected with it, so it has not drifted, and the body brings back what was before."""
    inverted = inverse(applied(ports=ports(5)), row=1)
    live = replace(BEFORE, ports=ports(5), approval_enabled=True)
    whole = with_side_effects(inverted, live, NOTICED)
    assert whole.body == ModifyBody(ports=ports(1, 2), approval_enabled=False)
    assert whole.before == live
    assert whole.update.body == whole.body


@pytest.mark.parametrize(
    "live",
    [replace(BEFORE, ports=ports(5)), replace(BEFORE, ports=ports(5), description="another"), None],
)
def test_what_nobody_noticed_is_not_taken_back(live: ServiceState | None) -> None:
    """Another value may be somebody's wish: the service is then drifted and left alone."""
    inverted = inverse(applied(ports=ports(5)), row=1)
    assert with_side_effects(inverted, live, NOTICED) == inverted
