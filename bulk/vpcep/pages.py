"""One page of the list, read in one go: typed, by msgspec, into the form that a ledger has.

A look at a whole fleet reads up to a million entries, nearly all of them plainly fine. A page with one that
is not is read entry by entry, with the tolerance and the messages of `services.py`.
"""

from dataclasses import MISSING, Field, fields
from functools import lru_cache
from typing import Annotated, Any

import orjson
from msgspec import Meta, MsgspecError, Raw, defstruct
from msgspec.json import Decoder, Encoder

from bulk.model import COUNT_MAX, Listed, Ports, ServiceId, ServiceState, ports_json
from bulk.vpcep.services import KNOWN_BYTES_MAX, listed_service, ports_of

_COUNT = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
_NO_ERROR = Annotated[list[Any], Meta(max_length=0)] | None
_TYPES: dict[Any, Any] = {
    ServiceId: Annotated[str, Meta(min_length=1)],
    Ports: Raw,
    str: str,
    str | None: str | None,
    bool | None: bool | None,
    int | None: _COUNT | None,
}


def _member(each: "Field[Any]") -> tuple[Any, ...]:
    """Return name, type and default of a field of an entry that is plainly fine."""
    kind = _NO_ERROR if each.name == "error" else _TYPES[each.type]
    return (each.name, kind) if each.default is MISSING else (each.name, kind, each.default)


_Entry = defstruct("_Entry", map(_member, fields(ServiceState)), omit_defaults=True, gc=False)
_Page = defstruct("_Page", [("endpoint_services", list[_Entry]), ("total_count", _COUNT)])  # type: ignore[valid-type]
_decode = Decoder(_Page).decode
_encode = Encoder().encode


def read_page(body: bytes) -> tuple[tuple[Listed, ...], int]:
    """Return the services of a page and the count of all; raise ValueError saying what is not understood."""
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look at what it passes over
        page: Any = _decode(body)
        return tuple([_listed(entry) for entry in page.endpoint_services]), page.total_count
    except (MsgspecError, ValueError, RecursionError):
        return _read_one_by_one(orjson.loads(body))


def _listed(entry: Any) -> Listed:
    """Return an entry in the form that `state_json` has for the service."""
    name, ports = entry.id.lower(), bytes(entry.ports)
    entry.id, entry.error = name, None
    entry.ports = _known_ports(ports) if len(ports) <= KNOWN_BYTES_MAX else _ports(ports)
    return Listed(name, entry.port_id, _encode(entry))


def _ports(json: bytes) -> Raw:
    return Raw(orjson.dumps(ports_json(ports_of(orjson.loads(json)))))


_known_ports = lru_cache(4_096)(_ports)
"""A fleet has few different maps, so that each is understood once."""


def _read_one_by_one(json: Any) -> tuple[tuple[Listed, ...], int]:
    entries, total_count = (
        (json.get("endpoint_services"), json.get("total_count")) if isinstance(json, dict) else (None, None)
    )
    if entries is None and isinstance(json, dict) and "endpoint_services" in json:
        entries = []  # an empty list, as some servers write it (API.md, section 1.3)
    if not isinstance(entries, list):
        raise ValueError("the reply has no list endpoint_services")  # noqa: TRY004 - bad input
    if type(total_count) is not int or total_count < 0:
        raise ValueError(f"the reply's total_count is {total_count!r}, which is no count")
    return tuple(Listed.of(listed_service(entry)) for entry in entries), total_count
