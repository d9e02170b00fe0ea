"""The signature against vectors that the official signer made."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.vpcep.signing import DATE_HEADER, Signer, canonical_query, sdk_date
from tests.canonical import canonical_path

VECTORS = [
    vector
    for vector in orjson.loads((Path(__file__).parent / "signing-vectors.json").read_bytes())["vectors"]
    if vector["name"] != "derived-v11"  # another algorithm, which this API does not use
]


def pairs(query: list[Any]) -> list[tuple[str, str]]:
    """Write the vector's values as the texts that a URL carries."""
    flat = ((name, one) for name, value in query for one in (value if isinstance(value, list) else [value]))
    return [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in flat]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_authorization_equals_that_of_the_official_signer(vector: dict[str, Any]) -> None:
    """For every vector the header is the official one, byte for byte."""
    given, expect = vector["input"], vector["expect"]
    headers = {name: value for name, value in expect["sent_headers"].items() if name != "Authorization"}
    date = headers.pop(DATE_HEADER)
    signer = Signer(ak=given["ak"], sk=given["sk"], headers=headers)
    assert (
        signer.authorization(
            method=given["method"],
            path=canonical_path(given["path"]),
            query=canonical_query(pairs(given["query"])),
            date=date,
            body=(given["body"] or "").encode(),
        )
        == expect["authorization"]
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_query_is_sent_as_it_is_signed(vector: dict[str, Any]) -> None:
    """The canonical query is also the one on the wire."""
    sent = vector["expect"]["sent_uri"].partition("?")[2]
    assert canonical_query(pairs(vector["input"]["query"])) == sent


def test_date_is_written_in_utc_to_the_second() -> None:
    """A fraction of a second is dropped and the zone is UTC."""
    assert sdk_date(1_768_465_800.9) == "20260115T083000Z"
