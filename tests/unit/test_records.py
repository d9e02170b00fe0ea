"""Every record comes back from its line as it went in."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulk.ledger.chain import Chain
from bulk.ledger.change_line import mappings_within, plain_put, shows_as_asked, shows_before
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    Decision,
    Held,
    Json,
    OutcomeRecord,
    PaceRecord,
    Record,
    body_of,
    change_of,
    decision_of,
    pace_of,
    ports_of,
    record_json,
    record_type,
    state_json,
    state_of,
)
from bulk.model import (
    BODY_FIELDS,
    STATE_FIELDS,
    Action,
    Change,
    Hold,
    Listed,
    ModifyBody,
    Outcome,
    Ports,
    Reply,
    ServiceId,
    ServiceState,
    is_service_id,
    ports_json,
)
from bulk.puts import put_of
from tests.values import RECORDS, bodies, change, changes, port_maps, ports, state, states

ENVELOPE = {"n", "at", "type", "sum"}


def through_a_line(record: Record) -> Json:
    """Return the members of a record after they were written and read."""
    line = Chain().add({"n": 0, "at": "", "type": "x", **record_json(record)})
    json: Json = Chain().unseal(line)
    return json


def read_back(kind: type[Any], json: Json) -> Any:
    """Return the record of a line, by rules written anew here."""
    if kind is Change:
        return change_of(json)
    members = {name: value for name, value in json.items() if name not in ENVELOPE}
    if reader := {PaceRecord: pace_of, Decision: decision_of}.get(kind):
        return reader(json)
    if kind is Attempt:
        hold = members.pop("hold")
        members["hold"] = None if hold == AttemptResult(json["verdict"]).facts.hold else hold
    if kind in {Attempt, OutcomeRecord}:
        members["reply"] = Reply(**{name: members.pop(name) for name in Reply.__slots__ if name in members})
    if "unconfirmed" in members:
        members["unconfirmed"] = tuple(members["unconfirmed"])
    if members.get("observed"):
        members["observed"] = state_of(members["observed"])
    if members.get("held"):
        members["held"] = Held(**members["held"] | {"hold": Hold(members["held"]["hold"])})
    return kind(**members)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_record_comes_back_from_its_line(kind: type[Record], data: st.DataObject) -> None:
    """Nothing is lost, nothing is added, for any content of any type of record."""
    record = data.draw(RECORDS[kind])
    assert read_back(kind, through_a_line(record)) == record


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_no_member_collides_with_the_lines_own(kind: type[Record], data: st.DataObject) -> None:
    """`n`, `at`, `type` and `sum` belong to the line."""
    assert not ENVELOPE & record_json(data.draw(RECORDS[kind])).keys()


def test_each_record_names_its_type() -> None:
    """The eleven types of the format, each once."""
    kinds = {record_type(change(1)) if kind is Change else getattr(kind, "type", "") for kind in RECORDS}
    assert kinds == {
        "run", "change", "planned", "session", "intent", "attempt", "outcome", "pace", "decision", "note",
        "end",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("read", "record"),
    [(pace_of, RECORDS[PaceRecord]), (decision_of, RECORDS[Decision])],
    ids=["pace", "decision"],
)
@given(data=st.data())
def test_a_member_that_is_not_known_is_passed_over_and_a_known_one_must_make_sense(
    read: Callable[[Json], Record], record: st.SearchStrategy[Record], data: st.DataObject
) -> None:
    """A later version may add members; what this one knows it does not take for something else."""
    drawn = data.draw(record)
    json = through_a_line(drawn)
    assert read({**json, "left": 7}) == drawn
    name = data.draw(st.sampled_from(sorted(json.keys() - ENVELOPE)))
    with pytest.raises((KeyError, TypeError, ValueError)):
        read({**json, name: ["strange"]})


@given(port_maps)
def test_ports_come_back_from_the_apis_form(ports: Ports) -> None:
    """Order and protocol are kept."""
    assert ports_of(orjson.loads(orjson.dumps(ports_json(ports)))) == ports


@given(states)
def test_a_state_comes_back_and_unknown_fields_stay_unknown(service: ServiceState) -> None:
    """What the API did not say is not written, so it is None again."""
    json = state_json(service)
    assert state_of(orjson.loads(orjson.dumps(json))) == service
    assert json.keys() == {name for name in STATE_FIELDS if getattr(service, name) is not None}


@given(bodies)
def test_a_body_comes_back_and_only_named_fields_are_written(body: ModifyBody) -> None:
    """The ledger holds exactly the JSON object that is sent."""
    json = body.named()
    assert body_of(orjson.loads(orjson.dumps(json))) == body
    assert json.keys() == {name for name in BODY_FIELDS if getattr(body, name) is not None}


@given(changes)
def test_a_changes_line_needs_nothing_else_to_be_applied(planned: Change) -> None:
    """Target, id, state before, exact body and what the row asked all come from the one line."""
    assert change_of(through_a_line(planned)) == planned


def asked(change: Change) -> Json:
    """Return what the change's line says of the row besides the body."""
    json: Json = through_a_line(change).get("asked", {})
    return json


def test_a_line_says_what_was_asked_where_the_body_does_not() -> None:
    """An edit and an expectation, and that the row named no ports; a plain row's line says nothing of it."""
    plain = change(1)
    assert "asked" not in record_json(plain)
    assert "asked" not in record_json(replace(plain, body=replace(plain.body)))
    edit = replace(plain.update, body=ModifyBody(), add_ports=ports(2), expect_ports=())
    assert asked(replace(plain, update=edit)) == {
        "ports": None,
        "add_ports": ports_json(ports(2)),
        "expect_ports": [],
    }
    unnamed = replace(plain.update, body=ModifyBody(description=""))
    assert asked(replace(plain, update=unnamed)) == {"ports": None, "description": ""}


def test_whatever_a_later_column_asks_is_passed_over() -> None:
    """A reader knows its own columns; what it does know is read."""
    json = through_a_line(replace(change(1), update=replace(change(1).update, expect_ports=ports(1))))
    json["asked"]["a_later_column"] = "x"
    assert change_of(json).update == replace(change(1).update, expect_ports=ports(1))


def test_an_outcome_as_asked_has_no_observed_state() -> None:
    """`observed` is there only where something else was seen."""
    plain = record_json(OutcomeRecord(row=1, outcome=Outcome.APPLIED))
    assert not {"observed", "left", "unconfirmed", "encoded_authorization_message"} & plain.keys()
    assert record_json(OutcomeRecord(row=1, outcome=Outcome.CONFLICT, observed=state(1, 3)))["observed"][
        "ports"
    ]


@given(changes, states)
def test_a_line_shows_the_service_that_the_plan_saw_and_no_other(change: Change, other: ServiceState) -> None:
    """A look at the bytes never takes one service for another, whatever stands in its texts."""
    line = Chain().add({"n": 0, "at": "", "type": "change", **record_json(change)})
    if change.before:
        other_text = replace(change.before, description=f"{change.before.description}.")
        assert shows_before(line, Listed.of(change.before))
        assert not shows_before(line, Listed.of(other_text))
    assert not shows_before(line, Listed.of(other)) or other == change.before


@given(changes, states)
def test_a_line_shows_a_service_that_is_as_asked_and_no_other(change: Change, other: ServiceState) -> None:
    """It is only sure of the row's own service, of a body that asks for nothing but ports, all else kept."""
    line = Chain().add({"n": 0, "at": "", "type": "change", **record_json(change)})
    asks_for_ports = change.body == ModifyBody(ports=change.body.ports) and change.body.ports is not None
    if asks_for_ports and change.before and change.body.ports:
        live = replace(change.before, id=change.service_id, ports=change.body.ports, updated_at="later")
        others = (
            replace(live, id=ServiceId("another")),
            replace(live, status="failed" if live.status != "failed" else "no"),
            replace(live, description=f"{live.description}."),
        )
        assert shows_as_asked(line, Listed.of(live))
        assert not any(shows_as_asked(line, Listed.of(another)) for another in others)
    if shows_as_asked(line, Listed.of(other)):
        assert (other.id, ModifyBody(ports=other.ports)) == (change.service_id, change.body)


@given(changes)
@example(change(1))
@example(change(2, after=(1,)))
@example(change(1, action=Action.REFUSE))
@example(replace(change(1), parking=ModifyBody(ports=())))
@example(replace(change(1), after_parked=(2,)))
@example(replace(change(1), body=ModifyBody(ports=ports(1), description="")))
def test_a_put_read_from_its_line_is_that_of_the_change(change: Change) -> None:
    """It stands for the change only where the row sets ports and has nothing to do with another row."""
    json = through_a_line(change)
    plain, whole = plain_put(orjson.dumps(json)), change_of(json)
    is_alone = not (change.after or change.after_parked or change.parking)
    if plain:
        assert plain == put_of(whole, whole.body)
        assert plain.expected
        assert is_alone
        assert change.action is Action.UPDATE
    elif is_alone and change.action is Action.UPDATE and is_service_id(change.service_id):
        assert put_of(whole, whole.body).expected is None or whole.before.id != change.service_id


@pytest.mark.parametrize(
    "forged",
    [
        {"service_id": "a\r\nHost: elsewhere"},
        {"service_id": 7},
        {"before": None},
        {"before": []},
        {"before": {"status": "available"}},
        {"body": []},
        {"body": {"ports": {}}},
        {"body": {"ports": [{"client_port": 0, "server_port": 1, "protocol": "TCP"}]}},
        {"body": {"ports": [], "what_else": 1}},
        {"target": {"region": []}},
    ],
    ids=str,
)
def test_a_forged_line_has_no_put(forged: dict[str, Any]) -> None:
    """Nothing leaves that was not checked; what is wrong is said where the change is read as a whole."""
    assert plain_put(orjson.dumps(through_a_line(change(1))))
    assert plain_put(orjson.dumps(through_a_line(change(1)) | forged)) is None


@given(changes, changes)
def test_changes_whose_mappings_are_written_alike_have_the_same(one: Change, other: Change) -> None:
    """So that of many alike one is read; nothing else counts where the body has any."""

    def text_and_counts(change: Change) -> tuple[bytes, tuple[int, int, int]]:
        counts = len(change.added), len(change.removed), len(change.kept)
        return mappings_within(orjson.dumps(record_json(change))), counts

    same = replace(other, body=replace(other.body, ports=one.body.ports), before=one.before)
    if one.before and other.before:
        same = replace(same, before=replace(other.before, ports=one.before.ports))
    (text, counts), (other_text, other_counts), (same_text, same_counts) = map(
        text_and_counts, (one, other, same)
    )
    assert text != other_text or counts == other_counts
    assert counts == same_counts
    assert text == same_text or one.body.ports is None


def test_a_member_of_a_service_that_a_later_version_adds_is_passed_over() -> None:
    """The ledger of a newer version can still be read, as its format is the same."""
    state = change(1).before
    assert state is not None
    assert state_of(state_json(state) | {"later": [1]}) == state


def test_a_side_effect_on_a_field_that_no_service_has_is_none() -> None:
    """Here only a forger gets to."""
    with pytest.raises(ValueError, match="effects: 'colour'"):
        decision_of({"by": "limit", "what": "stop", "reason": "", "effects": {"colour": "red"}})


@pytest.mark.parametrize("last", [("before",), ("body", "before"), ("before", "body")])
def test_a_change_whose_members_stand_in_another_order_has_mappings_of_its_own(last: tuple[str, ...]) -> None:
    """A forged line is like no other one, and no error."""
    json = record_json(change(1))
    moved = {name: json[name] for name in json if name not in last} | {name: json[name] for name in last}
    line = orjson.dumps(moved)
    is_in_order = [*moved].index("before") < [*moved].index("body")
    assert (mappings_within(line) == line) is not is_in_order
    without = orjson.dumps({name: value for name, value in json.items() if name != "body"})
    assert mappings_within(without) == without
