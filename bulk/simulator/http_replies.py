"""Answers ready for the wire, good ones and corrupted ones."""

from dataclasses import dataclass

import orjson

from bulk.simulator.error_answers import html_page
from bulk.simulator.faults import FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """Status, body, content type and extra headers of one answer."""

    http: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def json_reply(value: object, *, http: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> HttpReply:
    """Return a reply with a JSON body."""
    return HttpReply(http=http, body=orjson.dumps(value), headers=headers)


def corrupted(served: HttpReply, kind: FaultKind) -> HttpReply:
    """Return a good reply turned bad in the way of a fault; one without ports keeps them right."""
    match kind:
        case FaultKind.HTML_BODY:
            return HttpReply(http=served.http, body=html_page(served.http), content_type="text/html")
        case FaultKind.EMPTY_BODY:
            return HttpReply(http=served.http)
        case FaultKind.BROKEN_JSON:
            return HttpReply(http=served.http, body=served.body[: len(served.body) // 2])
        case _:
            return _with_other_ports(served, kind)


def _with_other_ports(served: HttpReply, kind: FaultKind) -> HttpReply:
    """Return a reply whose ports are strings, or are not what is stored."""
    value = orjson.loads(served.body or b"{}")
    if "ports" not in value:
        return served
    if kind is FaultKind.STRING_PORTS:
        value["ports"] = [{name: str(part) for name, part in one.items()} for one in value["ports"]]
    else:
        value["ports"] = [*value["ports"][1:], {"client_port": 1, "server_port": 1, "protocol": "TCP"}]
    return json_reply(value, http=served.http)
