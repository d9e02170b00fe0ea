"""The columns of a job file: every name, and how its value is read from text and from JSON."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from bulk.core.rows import values
from bulk.core.rows.mappings import filled, ports_of_json, ports_of_text
from bulk.core.rows.values import Problem, string, trimmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One named field of a row; both readings give a value or `Wrong`."""

    name: str
    of_text: Callable[[str], Any]
    """Reads a CSV cell that is not blank."""
    of_json: Callable[[Any], Any]
    """Reads a JSON value."""


def _plain(name: str, of_text: Callable[[str], Any]) -> Column:
    return Column(name=name, of_text=trimmed(of_text), of_json=string(of_text))


def _ports(name: str, hint: str) -> Column:
    return Column(
        name=name, of_text=filled(ports_of_text, hint=hint), of_json=filled(ports_of_json, hint=hint)
    )


_EMPTY_PORTS_HINT = (
    "the API refuses a service without mappings; leave ports out, or name those to go in remove_ports"
)

COLUMNS = {
    column.name: column
    for column in (
        _plain("service_id", values.uuid),
        _ports("ports", _EMPTY_PORTS_HINT),
        _ports("add_ports", "name the mappings to add, or leave add_ports out"),
        _ports("remove_ports", "name the mappings to remove, or leave remove_ports out"),
        Column(name="expect_ports", of_text=ports_of_text, of_json=ports_of_json),
        _plain("region", values.region),
        _plain("project_id", values.project_id),
        _plain("profile", values.profile),
        Column(name="approval_enabled", of_text=values.truth_of_text, of_json=values.truth_of_json),
        _plain("port_id", values.uuid),
        _plain("vip_port_id", values.uuid),
        _plain("service_name", values.service_name),
        Column(name="description", of_text=values.description, of_json=string(values.description)),
        _plain("tcp_proxy", values.tcp_proxy),
        _plain("ip", values.ip),
        Column(name="note", of_text=values.note, of_json=string(values.note)),
    )
}
"""Every column of the wide layout and every field of JSON Lines, by name."""

MAPPING_COLUMNS = ("client_port", "server_port", "protocol")
"""The columns that the long layout has in place of `ports`."""

OUTCOME_COLUMNS = ("outcome", "code", "message", "request_id", "attempts", "ms", "place")
"""What the CSV report adds: passed over, so that a report can be edited and applied again."""

_OTHER_NAMES = {
    "id": "service_id",
    "vpc_endpoint_service_id": "service_id",
    "endpoint_service_id": "service_id",
    "name": "service_name",
    "terminal_port": "client_port",
    "service_port": "server_port",
}
"""What the API's documents and people call some columns."""


def unknown_column(name: str, known: Iterable[str]) -> Problem:
    """Say that a column or field does not exist, and which one was perhaps meant."""
    names = tuple(known)
    lower = name.strip().lower()
    near = [_OTHER_NAMES[lower]] if lower in _OTHER_NAMES else get_close_matches(lower, names, n=1)
    hint = f"did you mean {near[0]}?" if near and near[0] in names else f"known are {', '.join(names)}"
    return Problem(message=f"unknown column {values.shown(name)}", hint=hint)
