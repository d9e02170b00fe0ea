"""The columns of a job file, each written once: its words, its readings, its JSON Schema, its part of a row.

Whatever names columns takes them from here: header, layouts, JSON Lines, schema, rules, export, reports, and
by a test jobs/README.md. A new column is an entry here, a field in `model.py` and a line on that page; it
opens another file only for what it does.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum, auto
from typing import Any

from bulk.jobfile import values
from bulk.jobfile.mappings import ports_of_json, ports_of_text
from bulk.jobfile.values import Problem, string, trimmed, wrong
from bulk.model import LONG_NAME_CHARS_MAX, MAPPINGS_MAX, PORT_MAX, USUAL_NAME_CHARS_MAX, WAVES_MAX


class ColumnKind(Enum):
    """What part of a row a column is."""

    SERVICE = auto()  # the service that the row is about
    BODY = auto()  # a field of the PUT's body: what the service is to have
    EDIT = auto()  # what the PUT's `ports` are computed from, together with the live ones
    EXPECTATION = auto()  # what must be true of the service now, or the row is refused
    TARGET = auto()  # where the service is; where it names nothing, the job's own target holds
    WAVE = auto()  # when the row goes, where the job goes by that
    TEXT = auto()  # free text for people, which comes back in every report


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnForm:
    """What a value may be: in the words of jobs/README.md, as JSON Schema, and how it is read.

    `of_text` reads a CSV cell that is not blank, `of_json` a JSON value that is not null. Both return the
    value, or `Wrong` with the reasons. The schema accepts what `of_json` accepts, as far as it can say that.
    """

    takes: str
    schema: Mapping[str, Any]
    of_text: Callable[[str], Any]
    of_json: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the wide layout, which is one field of JSON Lines too.

    Its meaning stands in jobs/README.md and in the JSON Schema.
    """

    name: str
    kind: ColumnKind
    form: ColumnForm
    meaning: str

    @property
    def path(self) -> str:
        """Return where a `ServiceUpdate` holds the column's value, in the form that `attrgetter` takes."""
        return {ColumnKind.BODY: "body.", ColumnKind.TARGET: "target."}.get(self.kind, "") + self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingColumn:
    """One member of a port mapping: a column of the long layout, a field within `ports` in JSON Lines."""

    name: str
    takes: str
    meaning: str
    schema: Mapping[str, Any]
    is_required: bool = True


def _text(takes: str, read: Callable[[str], Any], pattern: str, **limits: int) -> ColumnForm:
    """Return the form of a text, whose pattern is that of `read`; blanks around a CSV cell do not count."""
    schema = {"type": "string", "pattern": f"^(?:{pattern})$", **limits}
    return ColumnForm(takes=takes, schema=schema, of_text=trimmed(read), of_json=string(read))


def _matching(takes: str, pattern: str, *, fault: str, hint: str) -> ColumnForm:
    """Return the form of a text that a pattern describes completely."""
    return _text(takes, values.matching(pattern, fault=fault, hint=hint), pattern)


def _filled_ports(empty_hint: str) -> ColumnForm:
    """Return the form of a list of mappings that may not be empty, with what to do about one that is."""
    empty = wrong("an empty list of mappings", empty_hint)
    return replace(
        _PORTS,
        schema={**_PORTS.schema, "minItems": 1},
        of_text=lambda cell: ports_of_text(cell) or empty,
        of_json=lambda raw: ports_of_json(raw) or empty,
    )


_PORTS = ColumnForm(
    takes="mappings",
    schema={"type": "array", "items": {"$ref": "#/$defs/mapping"}, "minItems": 0, "maxItems": MAPPINGS_MAX},
    of_text=ports_of_text,
    of_json=ports_of_json,
)
_TCP_PROXIES = ["close", "toa_open", "proxy_open", "open", "proxy_vni"]
_UUID = _text("UUID", values.uuid, values.UUID.pattern.replace("0-9a-f", "0-9A-Fa-f"))

COLUMNS = {
    column.name: column
    for column in (
        Column(
            name="service_id",
            kind=ColumnKind.SERVICE,
            form=_UUID,
            meaning="the endpoint service; the only column that every row needs",
        ),
        Column(
            name="ports",
            kind=ColumnKind.BODY,
            form=_filled_ports(
                "the API refuses a service without mappings; leave ports out, or name the mappings to remove "
                "in remove_ports"
            ),
            meaning="the whole new map: a mapping that is not in it is removed",
        ),
        Column(
            name="add_ports",
            kind=ColumnKind.EDIT,
            form=_filled_ports("name the mappings to add, or leave add_ports out"),
            meaning="mappings to add to the live map; those already there stay",
        ),
        Column(
            name="remove_ports",
            kind=ColumnKind.EDIT,
            form=_filled_ports("name the mappings to remove, or leave remove_ports out"),
            meaning="mappings to remove from the live map; those already gone are fine",
        ),
        Column(
            name="expect_ports",
            kind=ColumnKind.EXPECTATION,
            form=_PORTS,
            meaning="change the service only if this is its map now",
        ),
        Column(
            name="region",
            kind=ColumnKind.TARGET,
            form=_matching(
                "`cn-north-4`",
                "[a-z][a-z0-9]{0,15}(?:-[a-z0-9]{1,20}){1,4}",  # the client knows which exist
                fault="not a region",
                hint="write its id, such as cn-north-4",
            ),
            meaning="in place of the job's region",
        ),
        Column(
            name="project_id",
            kind=ColumnKind.TARGET,
            form=_text("32 hex digits", values.project_id, values.PROJECT_ID.pattern),
            meaning="in place of the job's project",
        ),
        Column(
            name="profile",
            kind=ColumnKind.TARGET,
            form=_matching(
                "name",
                "[A-Za-z0-9_.@-]{1,64}",
                fault="not the name of a profile",
                hint="use 1-64 of letters, digits and _ . @ -",
            ),
            meaning="in place of the job's credentials profile",
        ),
        Column(
            name="approval_enabled",
            kind=ColumnKind.BODY,
            form=ColumnForm(
                takes="`true`, `false`",
                schema={"type": "boolean"},
                of_text=values.truth_of_text,
                of_json=values.truth_of_json,
            ),
            meaning="whether new consumers need an approval",
        ),
        Column(
            name="port_id",
            kind=ColumnKind.BODY,
            form=_UUID,
            meaning="the backend's port; not together with `ip`",
        ),
        Column(
            name="vip_port_id",
            kind=ColumnKind.BODY,
            form=_UUID,
            meaning="the backend's virtual port; not together with `ip`; no reply may show it",
        ),
        Column(
            name="service_name",
            kind=ColumnKind.BODY,
            form=_matching(
                f"0-{USUAL_NAME_CHARS_MAX} of letters, digits, `_`, `-`; "
                f"{LONG_NAME_CHARS_MAX} on Huawei Cloud Stack",
                f"[A-Za-z0-9_-]{{0,{LONG_NAME_CHARS_MAX}}}",
                fault="not a service name",
                hint=f"use at most {USUAL_NAME_CHARS_MAX} of letters, digits, _ and -, "
                f"or {LONG_NAME_CHARS_MAX} on Huawei Cloud Stack",
            ),
            meaning="the middle part of the service's name",
        ),
        Column(
            name="description",
            kind=ColumnKind.BODY,
            form=replace(
                _text(
                    f"up to {values.DESCRIPTION_CHARS_MAX} characters, no `<` or `>`",
                    values.description,
                    f"[^<>{values.CONTROLS}]*",
                    maxLength=values.DESCRIPTION_CHARS_MAX,
                ),
                of_text=values.description,  # blanks around it are part of it
            ),
            meaning="the service's description",
        ),
        Column(
            name="tcp_proxy",
            kind=ColumnKind.BODY,
            form=replace(
                _matching(
                    ", ".join(f"`{value}`" for value in _TCP_PROXIES),
                    "|".join(_TCP_PROXIES),
                    fault="not a value of tcp_proxy",
                    hint=f"write one of {', '.join(_TCP_PROXIES)}",
                ),
                schema={"enum": _TCP_PROXIES},
            ),
            meaning="how the client's address is passed on",
        ),
        Column(
            name="ip",
            kind=ColumnKind.BODY,
            form=_matching(
                "IPv4 or a domain name",
                values.IP,
                fault="neither IPv4 nor a domain name",
                hint="write 192.0.2.7 or db.example.com",
            ),
            meaning="the backend's address",
        ),
        Column(
            name="wave",
            kind=ColumnKind.WAVE,
            form=ColumnForm(
                takes=f"1-{WAVES_MAX}",
                schema={"type": "integer", "minimum": 1, "maximum": WAVES_MAX},
                of_text=values.wave_of_text,
                of_json=values.wave_of_json,
            ),
            meaning='the wave in which the row goes; in each row, and only, with `waves = "column"`',
        ),
        Column(
            name="note",
            kind=ColumnKind.TEXT,
            form=replace(_text("text", values.note, r"[^\u0000]*"), of_text=values.note),
            meaning="your own text; the reports show it",
        ),
    )
}
"""Every column of the wide layout and every field of JSON Lines, by name."""

_PORT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": PORT_MAX}

MAPPING_COLUMNS = {
    column.name: column
    for column in (
        MappingColumn(
            name="client_port",
            takes=f"1-{PORT_MAX}",
            meaning="the port that consumers dial",
            schema=_PORT_SCHEMA,
        ),
        MappingColumn(
            name="server_port", takes=f"1-{PORT_MAX}", meaning="the port of the backend", schema=_PORT_SCHEMA
        ),
        MappingColumn(
            name="protocol",
            takes="`TCP`, `UDP`",
            meaning="the transport; TCP if it is left out",
            schema={"type": "string", "pattern": "^(?:[Tt][Cc][Pp]|[Uu][Dd][Pp])$"},
            is_required=False,
        ),
    )
}
"""The columns that the long layout has in place of `ports`, by name, in the order of a `PortMapping`."""

OUTCOME_COLUMNS = ("outcome", "code", "message", "request_id", "attempts", "ms", "place", "ticket")
"""What the CSV report adds: passed over, so that a report can be edited and applied again."""

CSV_COLUMNS = (*COLUMNS, *MAPPING_COLUMNS)  # all that a CSV job file is read for


def names_of(*kinds: ColumnKind) -> tuple[str, ...]:
    """Return the names of the columns of these kinds, in the order of the table."""
    return tuple(column.name for column in COLUMNS.values() if column.kind in kinds)


_OTHER_NAMES = {
    "id": "service_id",
    "vpc_endpoint_service_id": "service_id",
    "endpoint_service_id": "service_id",
    "name": "service_name",
    "terminal_port": "client_port",
    "service_port": "server_port",
}
"""What the API's documents and people call some columns."""


_SUGGESTED_MAX = 20
_NAME_CHARS_MAX = 64
"""Longer names are not compared with those of the columns."""


def unknown_columns(unknown: Iterable[str], known: Iterable[str]) -> list[Problem]:
    """Return the problem of each column or field that does not exist, with the one that was perhaps meant.

    Of very many only the first are compared with what exists, which takes its time.
    """
    names = tuple(known)
    return [
        _unknown_column(name, names, is_compared=number < _SUGGESTED_MAX and len(name) <= _NAME_CHARS_MAX)
        for number, name in enumerate(unknown)
    ]


def _unknown_column(name: str, names: tuple[str, ...], *, is_compared: bool) -> Problem:
    lower = values.stripped(name).lower()
    near = [_OTHER_NAMES[lower]] if lower in _OTHER_NAMES else []
    if is_compared and not near:
        near = get_close_matches(lower, names, n=1)
    hint = f"did you mean {near[0]}?" if near and near[0] in names else f"known columns: {', '.join(names)}"
    return Problem(message=f"unknown column {values.shown(name)}", hint=hint)
