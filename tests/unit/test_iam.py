"""What IAM and the metadata service answer."""

from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from bulk.model import Abort, Retry
from bulk.vpcep.codes import NoReply
from bulk.vpcep.iam import (
    TOKEN_LIFE_S,
    Project,
    issued_token,
    metadata_token,
    projects,
    temporary_key,
)
from bulk.vpcep.keys import KeyPair, Token
from bulk.vpcep.replies import Answer, Lost

NOW = 1_768_465_800.0  # 2026-01-15T08:30:00Z


def answer(http: int, body: Any = b"", **headers: str) -> Answer:
    """Return a reply with these headers; a body that is no bytes is written as JSON."""
    return Answer(
        http=http,
        headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}),
        body=body if isinstance(body, bytes) else orjson.dumps(body),
        ms=1,
        now=NOW,
    )


def test_token_lives_by_the_servers_clock_and_ends_on_ours() -> None:
    """Issued and expires differ by an hour, whatever our clock shows."""
    times = {"issued_at": "2020-01-02T09:05:22.701000Z", "expires_at": "2020-01-02T10:05:22.701000Z"}
    got = issued_token(answer(201, {"token": times}, X_Subject_Token="MII"))
    assert got == Token(value="MII", expires_at=NOW + 3600)


def test_token_without_its_beginning_lives_from_the_replys_date() -> None:
    """And without that from its arrival."""
    body = {"token": {"expires_at": "2026-01-15T09:30:00Z"}}
    dated = issued_token(answer(201, body, X_Subject_Token="MII", Date="Thu, 15 Jan 2026 09:00:00 GMT"))
    undated = issued_token(answer(201, body, X_Subject_Token="MII"))
    assert dated == Token(value="MII", expires_at=NOW + 1800)
    assert undated == Token(value="MII", expires_at=NOW + 3600)


@pytest.mark.parametrize("body", [b"", b"{}", {"token": {}}, {"token": 7}, {"token": {"expires_at": "soon"}}])
def test_token_without_times_lives_a_day(body: Any) -> None:
    """The document promises 24 hours."""
    assert issued_token(answer(201, body, X_Subject_Token="MII")) == Token(
        value="MII", expires_at=NOW + TOKEN_LIFE_S
    )


@pytest.mark.parametrize("headers", [{}, {"X_Subject_Token": ""}, {"X_Subject_Token": "a\tb"}])
def test_reply_without_a_usable_token_is_asked_for_again(headers: dict[str, str]) -> None:
    """What cannot be sent on is no token."""
    got = issued_token(answer(201, b"", **headers))
    assert isinstance(got, Retry)
    assert got.reply.code == NoReply.UNREADABLE_REPLY


def test_projects_have_id_name_and_account() -> None:
    """A missing account is no obstacle."""
    body = {"projects": [{"id": "1", "name": "cn-north-4", "domain_id": "d"}, {"id": "2", "name": "x"}]}
    assert projects(answer(200, body)) == (
        Project(id="1", name="cn-north-4", domain_id="d"),
        Project(id="2", name="x", domain_id=""),
    )


@pytest.mark.parametrize("body", [b"<html>", b"[]", {"projects": 7}, {"projects": [7]}, {"projects": [{}]}])
def test_projects_that_cannot_be_read_are_asked_for_again(body: Any) -> None:
    """Whatever the shape of the nonsense."""
    assert isinstance(projects(answer(200, body)), Retry)


def test_temporary_key_ends_when_the_service_says() -> None:
    """Times without a zone are UTC."""
    body = {"access": "AK", "secret": "SK", "securitytoken": "T", "expires_at": "2026-01-15T09:30:00.000"}
    key = KeyPair(ak="AK", sk="SK", security_token="T", expires_at=NOW + 3600)
    assert temporary_key(answer(200, {"credential": body})) == key


def test_metadata_token_is_the_body() -> None:
    """Plain text, perhaps with a line end."""
    assert metadata_token(answer(200, b"abc\n")) == "abc"


@pytest.mark.parametrize("body", [b"", b"a\x00b", "ä".encode()])
def test_metadata_token_that_fits_no_header_is_none(body: bytes) -> None:
    """It could not be sent on."""
    assert isinstance(metadata_token(answer(200, body)), Retry)


@pytest.mark.parametrize("http", [408, 429, 500, 503])
def test_trouble_at_iam_is_worth_another_attempt(http: int) -> None:
    """Throttled, late or broken: later it may do."""
    assert isinstance(issued_token(answer(http)), Retry)


@pytest.mark.parametrize("http", [400, 401, 403, 404])
def test_refusal_by_iam_is_final(http: int) -> None:
    """Trying a wrong password again locks the account; the hint says what to check."""
    got = issued_token(answer(http, {"error": {"code": http, "message": "no"}}))
    assert isinstance(got, Abort)
    assert got.hint


def test_wrong_password_is_told_with_the_names_of_the_variables() -> None:
    """The person who reads it knows what to change."""
    got = issued_token(answer(401, {"error_code": "IAM.0062", "error_msg": "no"}))
    assert isinstance(got, Abort)
    assert "HW_USER_PASSWORD" in got.hint


def test_iam_out_of_reach_is_worth_another_attempt_unless_it_is_hopeless() -> None:
    """A refused certificate stays refused."""
    gone = Lost(code=NoReply.CONNECT_FAILED, message="no", ms=1, sent=False)
    forged = Lost(code=NoReply.CERTIFICATE_REFUSED, message="no", ms=1, sent=False, hopeless=True)
    assert isinstance(projects(gone), Retry)
    assert isinstance(projects(forged), Abort)
