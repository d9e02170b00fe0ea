"""The JSON Schema of a row says what the reading of a row does."""

import io
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.core.model import ServiceUpdate, Target
from bulk.core.rows import Format, read_rows, row_schema
from bulk.core.rows.columns import COLUMNS
from tests.scenarios.bad_jobs import A, NIC

SCHEMA = row_schema()


def is_valid(value: Any, schema: dict[str, Any] = SCHEMA) -> bool:
    """Judge a value by the part of JSON Schema that the row's schema uses; refuse to judge by another."""
    return all(_keyword_holds(keyword, wanted, value, schema) for keyword, wanted in schema.items())


_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


def _keyword_holds(keyword: str, wanted: Any, value: Any, schema: dict[str, Any]) -> bool:
    match keyword:
        case "$schema" | "title" | "description" | "$defs":
            return True
        case "$ref":
            return is_valid(value, SCHEMA["$defs"][wanted.removeprefix("#/$defs/")])
        case "type":
            return isinstance(value, _TYPES[wanted]) and not (wanted == "integer" and isinstance(value, bool))
        case "enum":
            return value in wanted
        case "anyOf":
            return any(is_valid(value, each) for each in wanted)
        case "allOf":
            return all(is_valid(value, each) for each in wanted)
        case "not":
            return not is_valid(value, wanted)
        case "properties":
            return not isinstance(value, dict) or all(
                is_valid(value[name], each) for name, each in wanted.items() if name in value
            )
        case "required":
            return not isinstance(value, dict) or all(name in value for name in wanted)
        case "additionalProperties":
            return not isinstance(value, dict) or value.keys() <= schema["properties"].keys()
        case "items":
            return not isinstance(value, list) or all(is_valid(each, wanted) for each in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= wanted
        case "maxItems":
            return not isinstance(value, list) or len(value) <= wanted
        case "minimum":
            return not isinstance(value, int) or value >= wanted
        case "maximum":
            return not isinstance(value, int) or value <= wanted
        case "maxLength":
            return not isinstance(value, str) or len(value) <= wanted
        case "pattern":
            return not isinstance(value, str) or re.search(wanted.replace("$", r"\Z"), value) is not None
    raise AssertionError(keyword)


def is_read(row: dict[str, Any]) -> bool:
    """Tell whether the row can be used."""
    lines = io.BytesIO(orjson.dumps(row) + b"\n")
    default = Target(region="cn-north-4", project_id="")
    return all(
        isinstance(each, ServiceUpdate)
        for each in read_rows(lines, name="s", format=Format.JSONL, default=default)
    )


def test_the_schema_has_every_field_and_no_other() -> None:
    """A column that is added to the reading is added to the schema."""
    assert SCHEMA["properties"].keys() == COLUMNS.keys()


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
_texts = st.sampled_from(
    ["", "web-a", "a" * 16, "a" * 17, "<", "\a", "x" * 128, "x" * 129, "é\n", "cn-north-4", "192.0.2.7", "192.0.2.256",
     "192.0.2", "db.example.com", "-a.b", "0" * 32, "A" * 32, "close", "on", "a.b\n", 5, True, None]
)  # fmt: skip
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
        **{
            name: _texts
            for name in ("region", "project_id", "profile", "service_name", "description", "tcp_proxy", "ip", "note")
        },
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
    drawn = value.draw(_maps if name.endswith("ports") else _ids | _texts)
    row = {"service_id": A, "description": "x", name: drawn}
    assert is_valid(row) == is_read(row)
