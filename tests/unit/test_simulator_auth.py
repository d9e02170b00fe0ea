"""Credentials: what opens the simulator, what does not, and what locks a key."""

from dataclasses import replace

import pytest

from bulk.simulator.auth import (
    CLOCK_TOLERANCE_S,
    LOCK_S,
    Caller,
    IssuedToken,
    Key,
    Keyring,
    RawRequest,
    canonical_request,
    check_project,
    parse_sdk_date,
    signature,
)
from bulk.simulator.error_answers import ErrorAnswer
from tests.simulator_caller import outcome

NOW_S = parse_sdk_date("20260115T083000Z") or 0.0
KEY = Key(ak="AK1", sk="secret")
TEMPORARY = Key(ak="AK2", sk="other", security_token="proof", expires_at_s=NOW_S + 900)


def keyring() -> Keyring:
    """Return a ring with one permanent key, one temporary key and one token."""
    token = IssuedToken(value="t", project_id="p" * 32, expires_at_s=NOW_S + 60)
    return Keyring(keys={"AK1": KEY, "AK2": TEMPORARY}, tokens={"t": token})


def signed(key: Key = KEY, *, date: str = "20260115T083000Z", names: str = "host;x-sdk-date") -> RawRequest:
    """Return a request that `key` signed."""
    headers = {"host": "127.0.0.1:1", "x-sdk-date": date, "content-type": "application/json"}
    if key.security_token:
        headers["x-security-token"] = key.security_token
    request = RawRequest(method="PUT", path="/v1/a/b", query="z=1&a=%20", headers=headers, body=b"{}")
    value = signature(key.sk, date, canonical_request(request, names.split(";")))
    headers["authorization"] = f"SDK-HMAC-SHA256 Access={key.ak}, SignedHeaders={names}, Signature={value}"
    return request


def message(outcome: Caller | ErrorAnswer) -> str:
    """Return what a refusal says."""
    assert isinstance(outcome, ErrorAnswer), outcome
    assert (outcome.http, outcome.code) == (401, "APIGW.0301")
    return outcome.message


def test_a_right_signature_opens() -> None:
    """With a permanent key, and with a temporary one whose token is not even signed."""
    assert outcome(keyring().authenticate, signed(), NOW_S) == Caller(name="AK1", project_id=None)
    assert outcome(keyring().authenticate, signed(TEMPORARY), NOW_S) == Caller(name="AK2", project_id=None)


@pytest.mark.parametrize(
    "tampered",
    [
        {"body": b"{ }"},
        {"path": "/v1/a/c"},
        {"query": "z=1&a=%20&b="},
        {"method": "POST"},
    ],
)
def test_a_request_altered_after_signing_is_refused_with_the_canonical_request(
    tampered: dict[str, str],
) -> None:
    """Method, path, query and body are all covered; the answer shows what the server computed."""
    request = replace(signed(), **tampered)
    said = message(outcome(keyring().authenticate, request, NOW_S))
    assert canonical_request(request, ["host", "x-sdk-date"]) in said


def test_a_signed_header_that_changed_is_refused_and_an_unsigned_one_is_not() -> None:
    """Only headers named in SignedHeaders count."""
    request = signed()
    request.headers["content-type"] = "text/plain"
    assert isinstance(outcome(keyring().authenticate, request, NOW_S), Caller)
    request.headers["host"] = "elsewhere"
    assert "canonical request" in message(outcome(keyring().authenticate, request, NOW_S))


def test_the_canonical_form_decodes_the_path_and_sorts_the_query() -> None:
    """`%2F` becomes a slash, `~` stays, `*` and `+` are escaped, a slash is added."""
    request = RawRequest(
        method="GET", path="/v1/a%2Fb/~%2a", query="b=2&a=x+y&a=%7E&c", headers={"x-sdk-date": "d"}, body=b""
    )
    lines = canonical_request(request, ["x-sdk-date"]).split("\n")
    assert lines[1:3] == ["/v1/a/b/~%2A/", "a=x%2By&a=~&b=2&c="]


@pytest.mark.parametrize("off_s", [-CLOCK_TOLERANCE_S, 0, CLOCK_TOLERANCE_S])
def test_a_clock_within_15_minutes_is_accepted(off_s: int) -> None:
    """On both sides."""
    assert isinstance(outcome(keyring().authenticate, signed(), NOW_S + off_s), Caller)


@pytest.mark.parametrize("off_s", [-CLOCK_TOLERANCE_S - 1, CLOCK_TOLERANCE_S + 1])
def test_a_clock_more_than_15_minutes_off_is_refused(off_s: int) -> None:
    """On both sides."""
    assert "15 minutes" in message(outcome(keyring().authenticate, signed(), NOW_S + off_s))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(signed(), headers={}), "x-auth-token not found"),
        (replace(signed(), headers={"authorization": "Basic eA=="}), "not of the form"),
        (replace(signed(), headers={"authorization": "V11-HMAC-SHA256 Credential=a"}), "not of the form"),
        (signed(Key(ak="AK9", sk="secret")), "AK AK9 not exist"),
        (signed(names="host"), "x-sdk-date is not signed"),
        (signed(date="yesterday"), "15 minutes"),
        (signed(replace(TEMPORARY, security_token=None)), "x-security-token"),
        (signed(replace(TEMPORARY, security_token="forged")), "x-security-token"),
        (signed(replace(KEY, security_token="unasked")), "x-security-token"),
    ],
)
def test_whatever_is_wrong_with_a_signature_is_said(request_: RawRequest, reason: str) -> None:
    """Each is 401 APIGW.0301 with its own text."""
    assert reason in message(outcome(keyring().authenticate, request_, NOW_S))


def test_a_signed_header_that_did_not_arrive_is_named() -> None:
    """A proxy may have dropped it."""
    request = signed()
    del request.headers["host"]
    assert "signed header not found: host" in message(outcome(keyring().authenticate, request, NOW_S))


def test_a_temporary_key_ends_with_its_life() -> None:
    """And may be ended early."""
    ring = keyring()
    assert "security token expires" in message(outcome(ring.authenticate, signed(TEMPORARY), NOW_S + 900))
    ring.expire_tokens()
    assert "security token expires" in message(outcome(ring.authenticate, signed(TEMPORARY), NOW_S))
    assert isinstance(outcome(ring.authenticate, signed(), NOW_S), Caller)


def test_the_sixth_failure_in_a_row_locks_a_key_for_five_minutes() -> None:
    """Five do not, however often; a right signature is refused while the lock lasts and accepted after it."""
    ring = keyring()
    wrong = signed(replace(KEY, sk="wrong"))
    for _ in range(3):
        for _ in range(5):
            outcome(ring.authenticate, wrong, NOW_S)
        assert isinstance(outcome(ring.authenticate, signed(), NOW_S), Caller)
    for _ in range(6):
        outcome(ring.authenticate, wrong, NOW_S)
    assert "reach the limit" in message(outcome(ring.authenticate, signed(), NOW_S + LOCK_S - 1))
    assert isinstance(outcome(ring.authenticate, signed(), NOW_S + LOCK_S), Caller)


def test_a_locked_key_does_not_lock_another() -> None:
    """Failures are counted per key."""
    ring = keyring()
    for _ in range(6):
        outcome(ring.authenticate, signed(replace(KEY, sk="wrong")), NOW_S)
    assert isinstance(outcome(ring.authenticate, signed(TEMPORARY), NOW_S), Caller)


def token_request(value: str) -> RawRequest:
    """Return a request with a token."""
    return RawRequest(method="GET", path="/", query="", headers={"x-auth-token": value}, body=b"")


def test_a_token_opens_its_project_until_it_ends() -> None:
    """After that the answer is 0307, which asks for a new one."""
    caller = outcome(keyring().authenticate, token_request("t"), NOW_S)
    assert caller == Caller(name="token", project_id="p" * 32)
    late = outcome(keyring().authenticate, token_request("t"), NOW_S + 60)
    assert isinstance(late, ErrorAnswer)
    assert (late.http, late.code) == (401, "APIGW.0307")
    assert "decrypt token fail" in message(outcome(keyring().authenticate, token_request("u"), NOW_S))


def test_a_project_that_is_not_the_callers_is_refused() -> None:
    """A token for another project is 0307, an X-Project-Id of another project is 403."""
    ours, other = "p" * 32, "q" * 32
    token = outcome(check_project, Caller(name="t", project_id=ours), other, None)
    header = outcome(check_project, Caller(name="AK1", project_id=None), other, ours)
    assert token is not None
    assert (token.http, token.code) == (401, "APIGW.0307")
    assert header is not None
    assert (header.http, header.code) == (403, "EndPoint.0004")
    assert outcome(check_project, Caller(name="AK1", project_id=None), ours, ours) is None
    assert outcome(check_project, Caller(name="t", project_id=ours), ours, None) is None
