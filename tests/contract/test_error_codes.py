"""The table of error codes in the code against the tables of API.md."""

from collections import Counter

import pytest

from bulk.vpcep.code_table import ROWS
from bulk.vpcep.codes import CODES, classify, known
from tests.documents import Code, codes

DOCUMENTED = codes()


def test_the_document_has_all_codes_of_its_source() -> None:
    """The service's pages have 157 codes: 141 of them with status 400, ten with 404, three with 504."""
    statuses = Counter(row.http for row in DOCUMENTED if row.code.lower().startswith("endpoint."))
    assert statuses == {400: 141, 404: 10, 504: 3, 401: 1, 403: 1, 500: 1}


def _name(row: Code) -> str:
    return f"{row.code}-{row.http}"


@pytest.mark.parametrize("row", DOCUMENTED, ids=_name)
def test_documented_code_has_its_class(row: Code) -> None:
    """Each is classified as documented, in whatever case it is written."""
    for written in (row.code, row.code.upper(), row.code.lower()):
        assert classify(written, row.http) == row.kind


@pytest.mark.parametrize("row", DOCUMENTED, ids=_name)
def test_documented_code_has_its_status(row: Code) -> None:
    """The table repeats the documented status; only the code with seven of them is not in it."""
    found = known(row.code)
    assert row.code == "APIGW.0201" if found is None else found.http == row.http


def test_table_has_nothing_but_documented_codes() -> None:
    """What is known is known from the document."""
    assert {row[0] for row in ROWS} <= {row.code for row in DOCUMENTED}
    assert len(CODES) == len(ROWS)


def test_gateway_has_two_prefixes() -> None:
    """APIG. in one manual is APIGW. in the other."""
    assert known("APIG.0308") is known("apigw.0308") is not None
