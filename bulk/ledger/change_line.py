"""What the line of a `change` record says, without understanding all of it: a run reads each a few times.

Nothing here is a proof of damage: what a line does not plainly say is left open, and `records.change_of` then
reads it as a whole.
"""

from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson
from msgspec import UNSET, MsgspecError, Raw, defstruct
from msgspec.json import Decoder

from bulk.model import (
    AVAILABLE,
    STATE_FIELDS,
    Action,
    Listed,
    Ports,
    is_service_id,
    known_target,
    ports_of,
)
from bulk.puts import UNTOUCHED, UNTOUCHED_IF_SHOWN, Expected, Put


def head_of_change(line: bytes) -> bytes:
    """Return the JSON of a `change` line as far as its `note`: all but the service before and the bodies.

    No text has in it what this looks for, since a quotation mark within a text is escaped.
    """
    return line[: line.index(b',"before":')] + b"}"


def mappings_within(line: bytes) -> bytes:
    """Return the part of a `change` line from which its mappings follow: those before, those of the body.

    Of a line whose members have another order than the one in which they are written it is the whole line.
    """
    before = line.find(b',"before":')
    body = line.find(b',"body":', before)
    if min(before, body) < 0:
        return line
    if not line.startswith(_PORTS, body + len(b',"body":{')):
        return line[before:]  # few bodies have no ports, and these need no time
    ports = line[before:body].partition(_PORTS)[2].partition(b"]")[0]
    return ports + line[body : line.index(b"]", body)]


def alike_within(line: bytes) -> bytes:
    """Return the part of a `change` line from which all that reports add up follows; equal parts, equal sums.

    Of a body that names more than ports it is the whole service: what changes then depends on its values.
    """
    head, _, rest = line.partition(b',"note":')
    _, _, rest = rest.partition(b',"before":')
    before, _, behind = rest.partition(b',"body":')
    decision, behind = head.partition(b',"action":')[2], behind.rpartition(b',"sum":')[0]
    ports = behind.partition(b"]")[0]
    if ports.startswith(b'{"ports":[') and behind.startswith(b"]}", len(ports)):
        consumers = before.partition(b',"connection_count":')[2].partition(b",")[0].rstrip(b"}")
        before = before.partition(_PORTS)[2].partition(b"]")[0] + b"]" + consumers
    return b"\n".join((decision, before, behind))


_PORTS = b'"ports":['


def shows_before(line: bytes, live: Listed) -> bool:
    """Return whether a `change` line surely shows the service like this; False leaves it open."""
    return b',"before":%b,"body":' % live.json in line


_NOT_COMPARED = tuple(
    b',"%b":' % name.encode() for name in STATE_FIELDS[STATE_FIELDS.index("connection_count") :]
)
"""The last members of a service, which no comparison is about."""


def shows_as_asked(line: bytes, live: Listed) -> bool:
    """Return whether, by its `change` line, a row surely asks for this service as it is.

    It asks for the ports and for nothing else, and the plan saw all else so. False may also mean unknown.
    """
    # `{"id":…,"ports":[…],"status":…}`: nothing within a text looks like a member, and no mapping has a list.
    name, _, others = live.json.partition(b',"ports":')
    ports, _, rest = others.partition(b"]")
    for member in _NOT_COMPARED:
        rest = rest.partition(member)[0]
    asked, its_own = b',"body":{"ports":%b]}' % ports, b',"service_id":%b,' % name.removeprefix(b'{"id":')
    return asked in line and its_own in line and b"]%b" % rest.removesuffix(b"}") in line


_Target = defstruct("_Target", [("region", str), ("project_id", str), ("profile", str)], gc=False)
_Before = defstruct(
    "_Before",
    [("id", str), *((name, Any, None) for name in dict.fromkeys((*UNTOUCHED, *UNTOUCHED_IF_SHOWN)))],
    gc=False,
)
_Plain = defstruct(
    "_Plain",
    [
        ("row", int),
        ("target", _Target),
        ("service_id", str),
        ("before", _Before),
        ("body", Raw),
        ("action", str),
        ("after", list[int]),
        ("parking", Any, UNSET),
        ("after_parked", Any, UNSET),
    ],
    gc=False,
)
_plain_in = Decoder(_Plain).decode
_untouched, _untouched_if_shown = attrgetter(*UNTOUCHED), attrgetter(*UNTOUCHED_IF_SHOWN)
_UPDATE = Action.UPDATE.value
_KNOWN_BODY_BYTES_MAX = 4_096


def plain_put(line: bytes) -> Put | None:
    """Return the PUT of a `change` line whose row sets ports and has nothing to do with any other row.

    None for any other change, and for one whose members are not as they must be. The service before is only
    compared with what the reply shows.
    """
    try:
        plain: Any = _plain_in(line)
        body = bytes(plain.body)
        sent = _known_body(body) if len(body) <= _KNOWN_BODY_BYTES_MAX else _body_of_ports(body)
    except (MsgspecError, ValueError, RecursionError):
        return None
    before, service_id = plain.before, plain.service_id
    is_alone = not plain.after and plain.parking is UNSET and plain.after_parked is UNSET
    is_sound = before.id == service_id and is_service_id(service_id) and before.status == AVAILABLE
    if not (sent and is_alone and is_sound and plain.action == _UPDATE):
        return None
    content, ports = sent
    expected = Expected(ports, _untouched(before), _untouched_if_shown(before))
    target = known_target(plain.target.region, plain.target.project_id, plain.target.profile)
    return Put(plain.row, target, service_id, content, expected)


def _body_of_ports(json: bytes) -> tuple[bytes, Ports] | None:
    """Return a body as it is sent, with its ports; None for one that is not of ports and nothing else."""
    try:
        body = orjson.loads(json)
        is_plain = body.keys() == {"ports"} and type(body["ports"]) is list
        return (orjson.dumps(body), ports_of(body["ports"])) if is_plain else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


_known_body = lru_cache(1_024)(_body_of_ports)
"""A job asks for few different maps, so that each is understood once."""
