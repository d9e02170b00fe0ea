"""The JSON Schema of a row says what the reading of a row does."""

import io
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.jobfile import Format, read_rows, row_schema
from bulk.jobfile.columns import COLUMNS
from bulk.model import ServiceUpdate, Target
from tests.scenarios.bad_jobs import NIC, A

SCHEMA = row_schema()


def is_valid(value: Any, schema: dict[str, Any] = SCHEMA) -> bool:
    """Judge a value by the part of JSON Schema that the row's schema uses; fail at any other."""
    return all(
        not isinstance(value, kind) or holds(value, wanted, schema)
        for keyword, wanted in schema.items()
        if keyword not in WORDS
        for kind, holds in (KEYWORDS[keyword],)
    )


def is_of_type(value: Any, wanted: str) -> bool:
    """Tell whether a value has a JSON type; in JSON, true is no integer."""
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    return isinstance(value, types[wanted]) and (wanted == "boolean" or not isinstance(value, bool))


WORDS = {"$schema", "title", "description", "$defs"}
KEYWORDS: dict[str, tuple[type, Callable[[Any, Any, dict[str, Any]], bool]]] = {
    "$ref": (
        object,
        lambda value, wanted, _: is_valid(value, SCHEMA["$defs"][wanted.removeprefix("#/$defs/")]),
    ),
    "type": (object, lambda value, wanted, _: is_of_type(value, wanted)),
    "enum": (object, lambda value, wanted, _: value in wanted),
    "anyOf": (object, lambda value, wanted, _: any(is_valid(value, each) for each in wanted)),
    "allOf": (object, lambda value, wanted, _: all(is_valid(value, each) for each in wanted)),
    "not": (object, lambda value, wanted, _: not is_valid(value, wanted)),
    "properties": (
        dict,
        lambda value, wanted, _: all(is_valid(value[n], wanted[n]) for n in wanted if n in value),
    ),
    "required": (dict, lambda value, wanted, _: all(name in value for name in wanted)),
    "additionalProperties": (dict, lambda value, _, schema: value.keys() <= schema["properties"].keys()),
    "items": (list, lambda value, wanted, _: all(is_valid(each, wanted) for each in value)),
    "minItems": (list, lambda value, wanted, _: len(value) >= wanted),
    "maxItems": (list, lambda value, wanted, _: len(value) <= wanted),
    "minimum": (int, lambda value, wanted, _: value >= wanted),
    "maximum": (int, lambda value, wanted, _: value <= wanted),
    "maxLength": (str, lambda value, wanted, _: len(value) <= wanted),
    "pattern": (str, lambda value, wanted, _: re.search(wanted.replace("$", r"\Z"), value) is not None),
}


def is_read(row: dict[str, Any]) -> bool:
    """Tell whether the row can be used."""
    lines = io.BytesIO(orjson.dumps(row) + b"\n")
    default = Target(region="cn-north-4", project_id="")
    return all(
        isinstance(each, ServiceUpdate)
        for each in read_rows(
            lines, name="s", format=Format.JSONL, default=default, names_waves="wave" in row
        )
    )


def test_the_schema_has_every_field_and_no_other() -> None:
    """A column that is added to the reading is added to the schema."""
    assert SCHEMA["properties"].keys() == COLUMNS.keys()


_waves = st.sampled_from([-1, 0, 1, 1001, "1", 1.5, True, [1]])
_ports = st.sampled_from([0, 1, 22, 80, 65535, 65536, "22", 22.0, True, None])
_mapping = st.fixed_dictionaries(
    {},
    optional={
        "client_port": _ports,
        "server_port": st.sampled_from([22, 22, 80, -1]),
        "protocol": st.sampled_from(["TCP", "tcp", "Udp", "ICMP", "", "TCP\n", 6, None]),
        "proto": st.just("TCP"),
    },
)
_good = {"client_port": 8081, "server_port": 22}
_maps = st.sampled_from([[_good], [_good], [], "8081:22", None, [5]]) | st.lists(_mapping, max_size=1)
_ids = st.sampled_from([A, A.upper(), f"{A}\n", f"urn:uuid:{A}", "", 5, None])
_TEXTS = [
    *("", "web-a", "a" * 64, "a" * 65, "<", "\a", "x" * 512, "x" * 513, "é\n", "cn-north-4", "192.0.2.7"),
    *("192.0.2.256", "192.0.2", "db.example.com", "-a.b", "0" * 32, "A" * 32, "close", "on", "a.b\n"),
    *(5, True, None),
]
_texts = st.sampled_from(_TEXTS)
_TEXT_FIELDS = ("region", "project_id", "profile", "service_name", "description", "tcp_proxy", "ip", "note")
ROWS = st.fixed_dictionaries(
    {"service_id": st.just(A) | _ids},
    optional={
        "ports": _maps,
        "add_ports": _maps,
        "remove_ports": st.sampled_from([[{"client_port": 1, "server_port": 1}], []]),
        "expect_ports": _maps,
        "port_id": st.just(NIC) | _ids,
        "vip_port_id": st.just(NIC),
        "approval_enabled": st.sampled_from([True, False, "true", 1]),
        "prots": st.just([]),
        **dict.fromkeys(_TEXT_FIELDS, _texts),
    },
)


@given(ROWS)
def test_the_schema_and_the_reading_agree(row: dict[str, Any]) -> None:
    """What an editor accepts is what `check` accepts, and the other way round."""
    assert is_valid(row) == is_read(row)


@pytest.mark.parametrize("name", [name for name in COLUMNS if name not in {"service_id", "expect_ports"}])
@given(value=st.data())
def test_each_field_alone_is_judged_alike(name: str, value: st.DataObject) -> None:
    """The same for one field at a time, so that no other field hides it."""
    drawn = value.draw({"wave": _waves}.get(name, _maps if name.endswith("ports") else _ids | _texts))
    row = {"service_id": A, "description": "x", name: drawn}
    assert is_valid(row) == is_read(row)
