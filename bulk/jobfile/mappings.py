"""Port mappings from the forms a job file may give them in: text, cells, JSON.

Equal mappings are one object (up to a bound), so that a million rows stay small.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from bulk.jobfile.memo import Memo
from bulk.jobfile.values import BLANKS, Problem, Wrong, shown, wrong
from bulk.model import MAPPINGS_MAX, PORT_MAX, PROTOCOLS, PortMapping, Ports, Protocol, port_mapping

PORT_HINT = f"write a whole number from 1 to {PORT_MAX}"
MAPPING_HINT = "write client:server/protocol, such as 8081:22/TCP"
OBJECT_HINT = 'write {"client_port": 8081, "server_port": 22, "protocol": "TCP"}'
LIST_HINT = f"{OBJECT_HINT} for each, in a list"
PROTOCOL_HINT = "write TCP or UDP"

_SEPARATOR_CHARS = f"{BLANKS};,"
_SEPARATORS = re.compile(f"[{_SEPARATOR_CHARS}]+")
_MAPPING = re.compile(r"([1-9][0-9]{0,4}):([1-9][0-9]{0,4})(?:/([A-Za-z]{3}))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_PROTOCOL_CHARS = 3


def _mapping_of_three(three: tuple[int, int, str]) -> PortMapping | None:
    client_port, server_port, protocol = three
    known = protocol.upper()
    if known in PROTOCOLS and 1 <= client_port <= PORT_MAX and 1 <= server_port <= PORT_MAX:
        return port_mapping(client_port, server_port, known)
    return None


_MAPPINGS = Memo(_mapping_of_three, room=65_536)
"""(client_port, server_port, protocol) -> the mapping; None where one of them cannot be."""


def ports_of_text(cell: str) -> Ports | Wrong:
    """Read `8081:22/TCP 8082:23/UDP` (blanks, `;` or `,` between), or a JSON array in the cell."""
    return _CELLS[cell]


def _ports(cell: str) -> Ports | Wrong:
    stripped = cell.strip(_SEPARATOR_CHARS)
    if stripped.startswith("["):
        return _ports_of_array(cell)
    return _together([_TOKENS[token] for token in _SEPARATORS.split(stripped)] if stripped else [])


def _ports_of_array(text: str) -> Ports | Wrong:
    try:
        return ports_of_json(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        return wrong(f"not a JSON array: {error.msg}", LIST_HINT)


def _mapping_of_text(token: str) -> PortMapping | Wrong:
    if found := _MAPPING.fullmatch(token):
        client_port, server_port, protocol = found.groups("TCP")
        if mapping := _MAPPINGS[int(client_port), int(server_port), protocol]:
            return mapping
    return _unreadable(token)


_TOKENS = Memo(_mapping_of_text, room=65_536)
_CELLS = Memo(_ports, room=4_096)


def _unreadable(token: str) -> Wrong:
    client_port, colon, rest = token.partition(":")
    server_port, slash, protocol = rest.partition("/")
    if not colon or ":" in rest:
        return wrong(f"{shown(token)} is not a mapping", MAPPING_HINT)
    cells = _cells_wrong(client_port, server_port, protocol if slash else "TCP")
    return Wrong(tuple(replace(p, message=f"{p.message} in {shown(token)}", part="") for p in cells.problems))


def mapping_of_cells(client_port: str, server_port: str, protocol: str) -> PortMapping | Wrong:
    """Read the three cells of the long layout; a blank protocol means TCP; `part` names the bad cell."""
    if _PORT.fullmatch(client_port) and _PORT.fullmatch(server_port) and len(protocol) <= _PROTOCOL_CHARS:
        mapping = _MAPPINGS[int(client_port), int(server_port), protocol or "TCP"]
        if mapping:
            return mapping
    return _cells_wrong(client_port, server_port, protocol or "TCP")


def _cells_wrong(client_port: str, server_port: str, protocol: str) -> Wrong:
    problems = [
        Problem(message=_port_message(cell), hint=PORT_HINT, part=part)
        for part, cell in (("client_port", client_port), ("server_port", server_port))
        if not (_PORT.fullmatch(cell) and int(cell) <= PORT_MAX)
    ]
    if protocol.upper() not in PROTOCOLS:
        problems.append(Problem(message=_protocol_message(protocol), hint=PROTOCOL_HINT, part="protocol"))
    return Wrong(tuple(problems))


def _port_message(raw: Any) -> str:
    return "the port is missing" if raw == "" else f"{shown(raw)} is not a port"


def _protocol_message(raw: Any) -> str:
    return f"{shown(raw)} is not a protocol"


def ports_of_json(raw: Any) -> Ports | Wrong:
    """Read the API's own form: a list of objects with client_port, server_port and perhaps protocol."""
    if type(raw) is not list:
        return wrong(f"{shown(raw)} is not a list of mappings", LIST_HINT)
    return _together([_mapping_of_json(entry) for entry in raw], name_parts=True)


def _mapping_of_json(entry: Any) -> PortMapping | Wrong:
    if type(entry) is not dict:
        return wrong(f"{shown(entry)} is not a mapping", OBJECT_HINT)
    client_port: Any = entry.get("client_port")
    server_port: Any = entry.get("server_port")
    protocol: Any = entry.get("protocol", "TCP")
    typed = type(client_port) is int and type(server_port) is int and type(protocol) is str
    if typed and len(protocol) <= _PROTOCOL_CHARS:
        mapping = _MAPPINGS[client_port, server_port, protocol]
        if mapping and len(entry) == 2 + ("protocol" in entry):
            return mapping
    return Wrong(tuple(_object_problems(entry)))


def _object_problems(entry: dict[str, Any]) -> Iterable[Problem]:
    for name in ("client_port", "server_port"):
        if name not in entry:
            yield Problem(message="the port is missing", hint=PORT_HINT, part=f".{name}")
        elif type(port := entry[name]) is not int or not 1 <= port <= PORT_MAX:
            yield Problem(message=_port_message(port), hint=f"{PORT_HINT}, without quotes", part=f".{name}")
    protocol = entry.get("protocol", "TCP")
    if type(protocol) is not str or protocol.upper() not in PROTOCOLS:
        yield Problem(message=_protocol_message(protocol), hint=PROTOCOL_HINT, part=".protocol")
    for name in entry.keys() - {"client_port", "server_port", "protocol"}:
        yield Problem(message=f"unknown field {shown(name)}", hint=OBJECT_HINT)


def _together(parts: Sequence[PortMapping | Wrong], *, name_parts: bool = False) -> Ports | Wrong:
    """Return the mappings if each is valid and the rules for all of them hold; else every reason why not."""
    mappings = [part for part in parts if isinstance(part, PortMapping)]
    problems: list[Problem] = []
    if len(mappings) != len(parts):
        for position, part in enumerate(parts):
            if isinstance(part, Wrong):
                at = f"[{position}]" if name_parts else ""
                problems += [replace(problem, part=at + problem.part) for problem in part.problems]
    if len({mapping.client_port for mapping in mappings}) != len(mappings):
        problems += _repeats(mappings)
    if len(mappings) > MAPPINGS_MAX:
        problems.append(too_many(len(mappings)))
    return Wrong(tuple(problems)) if problems else tuple(mappings)


def too_many(count: int) -> Problem:
    """Return the issue of a service with more mappings than the API accepts."""
    return Problem(message=f"{count} mappings", hint=f"the API takes at most {MAPPINGS_MAX} in one service")


def _repeats(mappings: Iterable[PortMapping]) -> Iterable[Problem]:
    first: dict[tuple[int, Protocol], PortMapping] = {}
    for mapping in mappings:
        key = (mapping.client_port, mapping.protocol)
        if key in first:
            yield repeated(mapping, first[key])
        else:
            first[key] = mapping


def repeated(mapping: PortMapping, earlier: PortMapping) -> Problem:
    """Return the issue of a service that maps one (client_port, protocol) twice."""
    if mapping == earlier:
        return Problem(message=f"{mapping} is given twice", hint="keep one of them")
    return Problem(
        message=f"{mapping} and {earlier} share the client port {mapping.client_port}/{mapping.protocol}",
        hint="map each client port once for each protocol",
    )
