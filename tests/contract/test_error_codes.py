"""The table of error codes against an extract of the API document."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.core.vpcep.code_table import ROWS
from bulk.core.vpcep.codes import CODES, classify, known

DOCUMENTED: list[dict[str, Any]] = orjson.loads((Path(__file__).parent / "error-codes.json").read_bytes())


def test_extract_has_all_codes_of_the_document() -> None:
    """The service's page has 156 codes: 140 of them with status 400, ten with 404, three with 504."""
    statuses = Counter(row["http"] for row in DOCUMENTED if row["code"].lower().startswith("endpoint."))
    assert statuses == {400: 140, 404: 10, 504: 3, 401: 1, 403: 1, 500: 1}


@pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: f"{row['code']}-{row['http']}")
def test_documented_code_has_its_class(row: dict[str, Any]) -> None:
    """Each is classified as documented, in whatever case it is written."""
    kind = row["class"].replace("-", "_")
    assert classify(row["code"], row["http"]) == kind
    assert classify(row["code"].upper(), row["http"]) == kind
    assert classify(row["code"].lower(), row["http"]) == kind


@pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: f"{row['code']}-{row['http']}")
def test_documented_code_has_its_status(row: dict[str, Any]) -> None:
    """The table repeats the documented status; only the code with seven of them is not in it."""
    found = known(row["code"])
    assert row["code"] == "APIGW.0201" if found is None else found.http == row["http"]


def test_table_has_nothing_but_documented_codes() -> None:
    """What is known is known from the document."""
    documented = {row["code"] for row in DOCUMENTED}
    assert {row[0] for row in ROWS} <= documented
    assert len(CODES) == len(ROWS)


def test_gateway_has_two_prefixes() -> None:
    """APIG. in one manual is APIGW. in the other."""
    assert known("APIG.0308") is known("apigw.0308") is not None
