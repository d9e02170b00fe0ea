"""Pages of the list: read in one go, and yet as each entry by itself is read."""

import random
from typing import Any

import orjson
import pytest

from bulk.model import Listed, state_json
from bulk.vpcep import pages
from bulk.vpcep.pages import read_page
from bulk.vpcep.services import listed_service, service
from tests.forging import spoilt
from tests.property.test_replies_fuzz import SERVICE

PLAIN: dict[str, Any] = SERVICE | {
    "vip_port_id": None,
    "service_name": 'cn-north-4."ö\\\x07\u2028.x',
    "description": "",
    "ip": "10.0.0.1",
    "error": [],
    "pool_id": "an unknown member",
    "tags": [{"key": "k", "value": ["]", '],"status":']}],
}


def page(*entries: Any, total_count: Any = 2) -> dict[str, Any]:
    """Return a page of the list as JSON."""
    return {"endpoint_services": [*entries], "total_count": total_count}


def read(body: bytes) -> tuple[tuple[Listed, ...], int] | str:
    """Return what a page says, or why it cannot be read."""
    try:
        return read_page(body)
    except ValueError as error:
        return str(error)


def read_by_entry(body: bytes) -> tuple[tuple[Listed, ...], int] | str:
    """Return the same, by the reading of single services."""
    try:
        json = orjson.loads(body)
        if not isinstance(json, dict) or not isinstance(json.get("endpoint_services", 0), list | None):
            return "no list"
        total_count = json.get("total_count")
        if type(total_count) is not int or total_count < 0:
            return "no count"
        states = [listed_service(entry) for entry in json["endpoint_services"] or ()]
    except ValueError as error:
        return str(error)
    services = [Listed(state.id, state.port_id, orjson.dumps(state_json(state))) for state in states]
    return tuple(services), total_count


@pytest.mark.parametrize("seed", range(40))
def test_a_page_is_what_its_entries_are(seed: int) -> None:
    """Whatever a server sends: the same services, in the bytes that a ledger has, or no page at all."""
    dice, understood = random.Random(seed), 0
    for _ in range(100):
        entries = [spoilt(dice, PLAIN) if dice.random() < 0.3 else PLAIN for _ in range(dice.randrange(4))]
        json = page(*entries, total_count=dice.choice((len(entries), 7, 10**13)))
        body = orjson.dumps(json, option=dice.choice((None, orjson.OPT_INDENT_2)))
        if dice.random() < 0.2:
            body = orjson.dumps(spoilt(dice, json))
        if dice.random() < 0.2:
            at = dice.randrange(len(body))
            body = body[:at] + dice.randbytes(dice.randrange(3)) + body[at + dice.randrange(3) :]
        found, expected = read(body), read_by_entry(body)
        assert isinstance(found, str) is isinstance(expected, str), body
        if not isinstance(expected, str):
            assert found == expected, body
            understood += 1
    assert understood > 40


def test_a_page_without_anything_odd_is_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """No entry by itself, which takes three times as long; ports may have any of their forms."""
    monkeypatch.setattr(pages, "listed_service", None)
    forms = PLAIN | {"ports": [{"server_port": "8443", "client_port": "443", "protocol": "udp"}]}
    many = PLAIN | {"ports": [{"client_port": n, "server_port": n} for n in range(1, 200)], "id": "UPPER"}
    listed, total_count = read_page(orjson.dumps(page(PLAIN, forms, many)))
    assert [entry.json for entry in listed] == [
        orjson.dumps(state_json(service(json))) for json in (PLAIN, forms, many)
    ]
    assert total_count == 2


@pytest.mark.parametrize("member", [b'"\xff"', b"[" * 2_000 + b"]" * 2_000, b'"\\ud800"', b"01", b"NaN"])
def test_what_is_no_json_is_refused_even_in_members_that_nobody_reads(member: bytes) -> None:
    """A reply that is broken in one place may be broken in others."""
    body = orjson.dumps(page(PLAIN)).replace(b'"an unknown member"', member)
    with pytest.raises(ValueError, match=r"line 1 column"):
        read_page(body)
