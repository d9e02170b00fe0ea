"""Classes and advice for refusals and for lost requests."""

import pytest

from bulk.app.ledgers import advice
from bulk.model import cause_of
from bulk.vpcep.code_table import CodeClass
from bulk.vpcep.codes import CODES, NoReply, advice_for, classify, ends_run, known


@pytest.mark.parametrize(
    ("http", "kind"),
    [
        (302, CodeClass.PERMANENT),
        (400, CodeClass.PERMANENT),
        (401, CodeClass.AUTH),
        (403, CodeClass.DENIED),
        (404, CodeClass.NOT_FOUND),
        (405, CodeClass.PERMANENT),
        (408, CodeClass.RETRYABLE),
        (409, CodeClass.CONFLICT),
        (418, CodeClass.PERMANENT),
        (425, CodeClass.RETRYABLE),
        (429, CodeClass.THROTTLED),
        (500, CodeClass.RETRYABLE),
        (501, CodeClass.PERMANENT),
        (599, CodeClass.RETRYABLE),
    ],
)
def test_unknown_code_goes_by_its_status(http: int, kind: CodeClass) -> None:
    """The list of codes grows; a new one is as good as none."""
    assert classify("EndPoint.9999", http) is kind
    assert classify("", http) is kind


def test_known_code_goes_before_the_status() -> None:
    """The same code means the same under any status."""
    assert classify("EndPoint.0022", 503) is CodeClass.THROTTLED


def test_unknown_code_is_not_known() -> None:
    """Nothing is made up about it."""
    assert known("EndPoint.9999") is None


def test_run_ends_where_every_row_would_be_refused() -> None:
    """Credentials, project and address; no single row's fault."""
    whole = {code.code for code in CODES.values() if code.ends_run and code.kind is not CodeClass.AUTH}
    assert whole == {"EndPoint.0014", "APIGW.0101", "APIGW.0310"}
    assert all(code.ends_run for code in CODES.values() if code.kind is CodeClass.AUTH)
    assert ends_run("EndPoint.9999", 401)
    assert not ends_run("EndPoint.9999", 403)
    assert ends_run("", 307)
    assert not ends_run("EndPoint.9999", 400)


def test_every_code_has_a_meaning_and_advice() -> None:
    """A report can say what to do about each."""
    assert all(code.meaning and code.advice for code in CODES.values())


@pytest.mark.parametrize("code", list(NoReply))
def test_every_way_to_lose_a_request_has_advice(code: NoReply) -> None:
    """Also where no server said anything."""
    assert advice_for(code, None)


def test_advice_goes_by_code_then_by_status() -> None:
    """The more exact one wins."""
    assert "200 mappings" in advice_for("endpoint.3074", 400)
    assert "redirects" in advice_for("", 302)
    assert "vpcep:epservices" in advice_for("", 403)
    assert "correct the row" in advice_for("", None)


@pytest.mark.parametrize(("code", "http"), [("", 302), ("", 403), ("", 503), ("EndPoint.3074", 400)])
def test_rows_that_are_counted_together_have_the_advice_of_each(code: str, http: int) -> None:
    """Also where a reply had no code."""
    assert advice(cause_of(code, http)) == advice_for(code, http)
