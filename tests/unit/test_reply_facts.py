"""What replies to reads tell of the points that documents leave open."""

from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from bulk.vpcep.replies import Answer
from bulk.vpcep.reply_facts import (
    account_of,
    caller_of,
    error_form,
    first_id,
    limits_stated,
    list_facts,
    quotas,
    same_order,
)

ID = "4189d3c2-8882-4871-a3c2-d380272eed83"
USELESS = [b"", b"[]", b"{}", b"7", b'{"endpoint_services": 7, "total_count": 1}']


def service(**members: Any) -> dict[str, Any]:
    """Return an entry of the list."""
    ports = [{"client_port": 80, "server_port": 8080, "protocol": "TCP"}]
    return {"id": ID, "status": "available", "ports": ports, **members}


def page(*services: Any, **members: Any) -> bytes:
    """Return a page of the list."""
    return orjson.dumps({"endpoint_services": list(services), "total_count": len(services), **members})


def answer(body: bytes, **headers: str) -> Answer:
    """Return a refusal."""
    named = CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()})
    return Answer(http=404, headers=named, body=body, ms=1, now=0.0)


def test_a_page_is_described_by_what_its_services_have() -> None:
    """Each point with how many are which way."""
    shared = [
        {"client_port": "80", "server_port": "8080"},
        {"client_port": "81", "server_port": "8080"},
    ]
    facts = list_facts(
        page(
            service(created_at="2026-01-03T00:00:00Z", updated_at="x", colour="red"),
            service(ports=shared, created_at="2026-01-02T00:00:00.174", vip_port_id=None),
            service(ports=[{"client_port": 53, "server_port": 53, "protocol": "udp"}, 7]),
            service(ports=None),
        )
    )
    assert facts
    assert (facts.services, facts.total, facts.is_null, facts.unreadable) == (4, 4, False, 2)
    assert (facts.udp, facts.two_client_ports, facts.unknown) == (1, 1, ("colour",))
    assert facts.is_oldest_first is False
    assert facts.counted["ports as"] == {"numbers": 2, "texts": 2}
    assert facts.counted["times as"] == {"UTC (Z)": 1, "without a zone with a fraction": 1, "none": 2}
    assert facts.counted["updated_at"] == {"shown": 1, "hidden": 3}
    assert facts.counted["vip_port_id"] == {"shown": 1}
    assert facts.counted["protocol"] == {"TCP": 1, "None": 2, "udp": 1}


def test_an_empty_page_has_few_facts() -> None:
    """Whether it is null is one of them."""
    empty = list_facts(b'{"endpoint_services": null, "total_count": "many"}')
    assert empty
    assert (empty.services, empty.total, empty.is_null, empty.counted) == (0, None, True, {})
    assert empty.is_oldest_first is None
    in_order = list_facts(page(service(created_at="a"), service(created_at="b"), 7))
    assert in_order
    assert (in_order.services, in_order.is_oldest_first) == (2, True)


@pytest.mark.parametrize("body", [*USELESS, page({"status": "available"})])
def test_what_is_no_page_has_no_facts(body: bytes) -> None:
    """Nor has what is no list."""
    assert list_facts(body) is None
    assert first_id(body) is None


def test_the_first_service_is_looked_at() -> None:
    """Where there is one."""
    assert first_id(page(service())) == ID
    assert first_id(page()) is None


def test_names_from_outside_are_cleaned_and_bounded() -> None:
    """A server may call a member what it likes."""
    many = {f"member-{number:03}": 1 for number in range(99)}
    facts = list_facts(page(service(**many, **{"\x1b[2J" + "x" * 99: 1})))
    assert facts
    assert len(facts.unknown) == 20
    assert all(name.isprintable() and len(name) <= 64 for name in facts.unknown)


@pytest.mark.parametrize(
    ("ports", "is_same"),
    [([(1, 2), (3, 4)], True), ([(3, 4), (1, 2)], False), ([(1, 2)], None), ([(1, 2), (5, 6)], None)],
)
def test_the_order_of_ports_is_compared_where_both_have_the_same(
    ports: list[tuple[int, int]], *, is_same: bool | None
) -> None:
    """Numbers or texts."""
    listed = [{"client_port": "1", "server_port": "2"}, {"client_port": 3, "server_port": 4}]
    detail = [{"client_port": client, "server_port": server} for client, server in ports]
    assert same_order(page(service(ports=listed)), orjson.dumps({"ports": detail})) is is_same
    assert same_order(page(), b"{}") is None


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (
            b'{"error": {"code": "1", "message": "2"}, "request_id": "3"}',
            "error.code, error.message, request_id",
        ),
        (b'{"error_code": "1"}', "error_code"),
        (b"[]", "JSON, and no object"),
        (b"<html>", "no JSON"),
        (b"", "empty"),
    ],
)
def test_an_error_is_described_by_the_names_of_its_members(body: bytes, form: str) -> None:
    """And not by what stands in them."""
    assert error_form(answer(body)) == form


def test_limits_are_those_that_headers_state() -> None:
    """However they are spelled."""
    got = answer(b"", X_RateLimit_Limit="60", RateLimit_Remaining="3", Retry_After="7", Server="x")
    assert limits_stated(got) == {"X-RateLimit-Limit": "60", "RateLimit-Remaining": "3", "Retry-After": "7"}


def test_quotas_account_and_caller_are_read_where_they_are_said() -> None:
    """And nothing is read into other replies."""
    resources = [{"type": "endpoint_service", "used": 1, "quota": 20}]
    assert quotas(orjson.dumps({"quotas": {"resources": resources}})) == ["endpoint_service: 1 of 20"]
    assert account_of(b'{"domains": [{"name": "acme", "id": "d7"}]}') == ["acme (d7)"]
    caller = b'{"account_id": "d7", "principal_urn": "iam::d7:user:ann", "principal_id": "u7"}'
    assert caller_of(caller) == "iam::d7:user:ann of account d7"
    for body in USELESS:
        assert (quotas(body), account_of(body), caller_of(body)) == ([], [], "")
