"""What holds for every reply and every request, however odd."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bulk.ledger.records import state_json
from bulk.model import (
    Abort,
    Done,
    Doubt,
    ModifyBody,
    PortMapping,
    Protocol,
    Retry,
    ServiceId,
    ServiceState,
)
from bulk.plan.guards import unexpected_differences
from bulk.puts import put_of
from bulk.vpcep.codes import CODES
from bulk.vpcep.keys import KeyPair, Stamp
from bulk.vpcep.refusals import CODE_CHARS_MAX, MESSAGE_CHARS_MAX, error_in, retry_after_s, stated_limit
from bulk.vpcep.replies import Answer, as_asked, listed, modified, shown
from bulk.vpcep.requests import modify_service, services_path
from bulk.vpcep.services import service
from bulk.vpcep.signing import canonical_query
from tests.canonical import canonical_path
from tests.values import change

ID = ServiceId("4189d3c2-8882-4871-a3c2-d380272eed83")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ports = st.integers(1, 65_535)
mappings = st.builds(
    PortMapping, client_port=ports, server_port=ports, protocol=st.sampled_from(list(Protocol))
)


@st.composite
def service_objects(draw: st.DrawFn) -> dict[str, Any]:
    """Return an object with the API's field names and any values, right or wrong."""
    names = ("id", "status", "ports", "port_id", "description", "approval_enabled", "connection_count")
    port = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("client_port", "server_port", "protocol"), json_values)
    )
    values = json_values | st.just(ID) | st.lists(port | json_values, max_size=3)
    return draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, values)))


bodies = (
    st.binary(max_size=200)
    | json_values.map(orjson.dumps)
    | service_objects().map(orjson.dumps)
    | st.sampled_from([code.code for code in CODES.values()]).map(
        lambda code: orjson.dumps({"error": {"code": code, "message": "no"}})
    )
)
headers = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "X-Request-Id"]), st.text(max_size=40), max_size=3
).map(CIMultiDict)
answers = st.builds(
    Answer, http=st.integers(200, 599), headers=headers, body=bodies, ms=st.just(1), now=st.just(1.0)
)


@given(answers)
def test_every_reply_has_a_verdict_on_every_request(got: Answer) -> None:
    """No bytes of a server make the reader raise, and a read never leaves a doubt."""
    modified(got, ID)
    assert not isinstance(shown(got, ID), Doubt)
    assert not isinstance(listed(got), Doubt)


@given(answers)
def test_put_is_taken_for_surely_refused_only_where_the_server_refused(got: Answer) -> None:
    """Success and server errors are never worth a blind second PUT."""
    verdict = modified(got, ID)
    if got.http < 300:
        assert isinstance(verdict, Done | Doubt)
    if got.http >= 500:
        assert not isinstance(verdict, Retry | Abort)


@given(st.text() | st.binary(max_size=10_000).map(lambda body: body.decode("latin-1")))
@example("x" * 100_000)
@example("limit:9" + " " * 5_000 + "time")
def test_message_is_always_one_bounded_printable_line(text: str) -> None:
    """Whatever a server says fits the screen and the ledger."""
    body = orjson.dumps({"error_code": text, "error_msg": text, "request_id": text})
    facts = error_in(body)
    assert all(part.isprintable() for part in facts)
    assert len(facts.message) <= MESSAGE_CHARS_MAX
    assert max(len(facts.code), len(facts.request_id)) <= CODE_CHARS_MAX
    stated_limit(facts.message)


@given(st.text(max_size=60))
@example("9" * 400)
@example("Thu, 15 Jan 2026 25:00:00 GMT")
@example("Thu, 15 Jan 2026 08:30:00 +9999")
@example("0 0 0 0")
def test_retry_after_is_never_negative(text: str) -> None:
    """And nonsense is no waiting time."""
    wait_s = retry_after_s({"Retry-After": text, "Date": text}, 0.0)
    assert wait_s is None or 0 <= wait_s < 1e12


@given(st.lists(mappings, max_size=5))
def test_mappings_come_back_as_they_went_out(given_ports: list[PortMapping]) -> None:
    """The body of a PUT, echoed, is the state that was asked for."""
    body = ModifyBody(ports=tuple(given_ports), description="d")
    sent = orjson.loads(put_of(change(1), body).content)
    state = service({"id": ID, **sent})
    assert state.ports == tuple(given_ports)
    assert state.mismatches(body) == ()


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_query_is_decoded_to_what_was_encoded(pairs: list[tuple[str, str]]) -> None:
    """Sorted, and without a character that could end a value early."""
    query = canonical_query(pairs)
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=bool(pairs)) == sorted(pairs)
    assert "+" not in query


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="%")))
def test_path_is_decoded_to_what_was_encoded(path: str) -> None:
    """With exactly one slash at the end, and the same for a path that is encoded already."""
    canonical = canonical_path(path)
    assert unquote(canonical).removesuffix("/") == path.removesuffix("/")
    assert canonical_path(canonical) == canonical


@given(st.text(alphabet="0123456789abcdef-", min_size=1), st.text(min_size=1, max_size=40))
def test_requests_path_is_signed_as_it_is_sent(service_id: str, project_id: str) -> None:
    """The path needs a slash at its end and nothing else to be canonical."""
    path = modify_service(services_path(project_id), ServiceId(service_id), b"{}").path
    if "%2F" not in path:
        assert canonical_path(path) == f"{path}/"


@pytest.mark.parametrize("place", ["date", "body", "path", "query", "method"])
def test_signature_depends_on_everything_that_is_sent(place: str) -> None:
    """Changing any part changes it."""
    parts = {"method": "PUT", "path": "/a/", "query": "x=1", "date": "20260115T083000Z", "body": b"{}"}
    signer = Stamp(KeyPair(ak="AK", sk="SK"), {"Host": "h"})._signer
    assert signer
    other = parts | {place: b"other" if place == "body" else "other"}
    assert signer.authorization(**parts) != signer.authorization(**other)  # type: ignore[arg-type]


texts = st.none() | st.text(max_size=4)
sound = st.builds(
    ServiceState,
    id=st.just(ID),
    ports=st.lists(mappings, max_size=3, unique=True).map(tuple),
    status=st.sampled_from(["available", "failed", "creating", ""]),
    description=texts,
    service_name=texts | st.just(f"cn-north-4.web.{ID}"),
    approval_enabled=st.none() | st.booleans(),
    port_id=texts,
)
asked = st.builds(
    ModifyBody,
    ports=st.lists(mappings, max_size=3, unique=True).map(tuple),
    description=st.none() | st.just(""),
    approval_enabled=st.none() | st.booleans(),
)
odd = st.dictionaries(
    st.sampled_from(["id", "status", "ports", "port_id", "description", "service_name", "approval_enabled"]),
    json_values | st.lists(st.fixed_dictionaries({"client_port": json_values, "server_port": st.just(1)})),
    max_size=1,
)


@given(
    before=sound,
    body=asked | st.builds(ModifyBody, description=st.text(max_size=3)),
    odd=odd,
    takes_ports_only=st.booleans(),
)
@example(
    before=ServiceState(id=ID, ports=(), status="available"),
    body=ModifyBody(ports=(PortMapping(client_port=1, server_port=1),)),
    odd={"ports": [{"client_port": True, "server_port": 1.0, "protocol": "TCP"}]},
    takes_ports_only=False,
)
@example(
    before=ServiceState(id=ID, ports=(), status="available", approval_enabled=True),
    body=ModifyBody(ports=(), approval_enabled=False),
    odd={},
    takes_ports_only=True,
)
def test_what_is_taken_for_plainly_as_asked_is_so(
    before: ServiceState, body: ModifyBody, odd: dict[str, Any], *, takes_ports_only: bool
) -> None:
    """Taken apart, the same reply shows what was asked, a sound service, and nothing else changed."""
    planned = replace(change(1), before=before, body=body)
    planned = replace(planned, update=replace(planned.update, service_id=ID))
    taken = {name: value for name, value in body.named().items() if name == "ports" or not takes_ports_only}
    reply = state_json(before) | taken | odd
    got = Answer(http=200, headers=CIMultiDict(), body=orjson.dumps(reply), ms=1, now=1.0)
    verdict = modified(got, ID)
    if plain := as_asked(got, put_of(planned, body)):
        assert isinstance(verdict, Done)
        assert plain.reply == verdict.reply
        assert not unexpected_differences(before, verdict.state, body)
    else:
        assert odd or not before.is_sound or body != ModifyBody(ports=body.ports or ())
