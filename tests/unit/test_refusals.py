"""What an error reply says: code, message, waiting time, limit, clock."""

import orjson
import pytest

from bulk.model import Limit
from bulk.vpcep.refusals import (
    CENTURY_S,
    ENCODED_CHARS_MAX,
    MESSAGE_CHARS_MAX,
    ErrorFacts,
    clean,
    error_in,
    retry_after_s,
    server_clock,
    stated_limit,
)

NOW = 1_768_465_800.0  # 2026-01-15T08:30:00Z


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"error":{"message":"no","code":"EndPoint.3044"}}', "EndPoint.3044", "no"),
        (b'{"error_code":"EndPoint.0002","error_msg":"no"}', "EndPoint.0002", "no"),
        (b'{"errorCode":"EndPoint.0002","errorMsg":"no"}', "EndPoint.0002", "no"),
        (b'{"error":{"error_msg":"no","error_code":"IAM.0011"}}', "IAM.0011", "no"),
        (b'{"error":{"code":401,"message":"no","title":"Unauthorized"}}', "", "no"),
        (b'{"error":{"code":"401","title":"Unauthorized"}}', "", "Unauthorized"),
        (b'{"error":[{"code":"EndPoint.4009","message":"no"}]}', "EndPoint.4009", "no"),
        (b'{"error":[{"error_code":"EndPoint.4009","error_message":"no"}]}', "EndPoint.4009", "no"),
        (b'[{"code":"EndPoint.4009","message":"no"}]', "EndPoint.4009", "no"),
        (b'{"code":"EndPoint.0001","message":"no"}', "EndPoint.0001", "no"),
        (b'{"error":"no"}', "", "no"),
        (b'{"forbidden":{"code":"PAP5.0001","message":"no"}}', "PAP5.0001", "no"),
        (b'{"badRequest":{"code":400,"message":"no"}}', "", "no"),
        (b'{"NeutronError":{"type":"X","message":"no","detail":""}}', "", "no"),
        (b'{"errors":[{"error_code":"EndPoint.0002","error_msg":"no"}]}', "EndPoint.0002", "no"),
        (b'{"exceptionCode":"EndPoint.0001","exceptionMessage":"no"}', "EndPoint.0001", "no"),
        (b'{"other":{"message":"yes"},"error":{"forbidden":{"message":"no"}}}', "", "no"),
        (b'{"error_code":"EndPoint.0002"}', "EndPoint.0002", ""),
        (b'{"reason":"no"}', "", '{"reason":"no"}'),
        (b'{"error":{"code":null,"message":["no"]}}', "", '{"error":{"code":null,"message":["no"]}}'),
        (b"7", "", "7"),
        (b"", "", ""),
        (b"<html><head><title>502 Bad\nGateway</title></head><body>x</body></html>", "", "502 Bad Gateway"),
        (b"<p>out of <b>order</b><script>x=1</script>", "", "out of order"),
        (b"\xff\xfebroken", "", "�� broken"),
    ],
)
def test_code_and_message_are_found_in_every_shape(body: bytes, code: str, message: str) -> None:
    """All documented shapes of an error body, and those of what stands in between, are understood."""
    facts = error_in(body)
    assert (facts.code, facts.message.replace(" ", "")) == (code, message.replace(" ", ""))


def test_request_id_of_the_gateway_is_found_in_the_body() -> None:
    """The gateway repeats it there."""
    body = b'{"error_code":"APIGW.0301","error_msg":"no","request_id":"0f6c1d9a"}'
    assert error_in(body) == ErrorFacts("APIGW.0301", "no", "0f6c1d9a")


@pytest.mark.parametrize("wrap", [b"%s", b'{"error":%s}', b'{"forbidden":%s}'])
def test_encoded_reason_of_a_denial_is_kept_whole(wrap: bytes) -> None:
    """It is far longer than any message, and only the whole of it can be decoded."""
    encoded = "aB3/+=" * (ENCODED_CHARS_MAX // 6)
    body = b'{"error_code":"PAP5.0001","error_msg":"no","encoded_authorization_message":"%s"}'
    assert error_in(wrap % (body % encoded.encode())) == ErrorFacts("PAP5.0001", "no", "", encoded)


@pytest.mark.parametrize("encoded", ["", "a" * (ENCODED_CHARS_MAX + 1), "a\\nb", "a b", "\\u202e", "ä"])
def test_encoded_reason_that_is_none_is_not_kept(encoded: str) -> None:
    """Whatever could harm a terminal, or fill the ledger, is no such text."""
    body = f'{{"error_msg":"no","encoded_authorization_message":"{encoded}"}}'
    assert error_in(body.encode()) == ErrorFacts("", "no", "")


@pytest.mark.parametrize("body", [b'{"a":' * 500 + b"1" + b"}" * 500, b"[" + b"{}," * 9999 + b"{}]"])
def test_body_of_any_shape_is_searched_in_bounds(body: bytes) -> None:
    """However deep or wide it is, what is not found is shown as it is, cut."""
    assert len(error_in(body).message) == MESSAGE_CHARS_MAX


def test_message_is_one_bounded_line() -> None:
    """Nothing in it can move the cursor, reverse the text or fill the screen."""
    message = clean("a\x1b[31m\nb\u202e\x00" + "c" * 600, MESSAGE_CHARS_MAX)
    assert message.startswith("a [31m b c")
    assert message.isprintable()
    assert len(message) == MESSAGE_CHARS_MAX
    assert message.endswith("…")


CANONICAL = (
    "verify aksk signature fail, canonical request:PUT\n/v1/p/\n\nhost:h\nx-sdk-date:20260115T083000Z\n"
    "x-security-token:gQpjbi1ub3J0/+==\nx-auth-token: MIIabc\n\nhost;x-security-token\nabcd"
)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (CANONICAL, "gQpjbi1ub3J0"),
        (CANONICAL, "MIIabc"),
        (CANONICAL.replace("\n", "\\n"), "gQpjbi1ub3J0"),
        ('{"X-Auth-Token": "MIIabc"}', "MIIabc"),
        ("Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=00ff", "00ff"),
        ("Signature=00ff", "00ff"),
        ('no such user: {"name": "u", "password": "p4ss"}', "p4ss"),
        ("cannot reach http://user:pass@proxy:3128/", "pass"),
    ],
)
def test_secrets_in_a_message_are_redacted(text: str, secret: str) -> None:
    """The gateway's answer to a wrong signature quotes the request, tokens included."""
    message = clean(text, MESSAGE_CHARS_MAX)
    assert secret not in message
    assert "[redacted]" in message


@pytest.mark.parametrize(
    "text",
    ["limit:9" + " " * 900_000 + "time", "x" + " ," * 300_000, "/" * 900_000, "a//b@" * 200_000],
    ids=["blanks", "commas", "slashes", "addresses"],
)
@pytest.mark.parametrize("is_json", [True, False], ids=["json", "text"])
def test_a_message_of_a_megabyte_is_gone_through_once(text: str, *, is_json: bool) -> None:
    """No pattern is tried from each place anew: that would take days, and stop the run meanwhile."""
    body = orjson.dumps({"error_code": "X.1", "error_msg": text}) if is_json else text.encode()
    facts = error_in(body)
    assert len(facts.message) <= MESSAGE_CHARS_MAX
    assert stated_limit(facts.message) is None


def test_redaction_keeps_what_helps_to_find_the_mistake() -> None:
    """The rest of the canonical request stays readable."""
    assert "x-sdk-date:20260115T083000Z" in clean(CANONICAL, MESSAGE_CHARS_MAX)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "+7"}, None),
        ({"Retry-After": "\u0667"}, None),
        ({"Retry-After": "978307200"}, 978_307_200.0),
        ({"Retry-After": "9" * 40}, CENTURY_S),
        ({"Retry-After": "9" * 4_000}, CENTURY_S),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, CENTURY_S),
        ({"Retry-After": "Mon, 01 Jan 0001 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"Retry-After": "Thu, 15 Jan 2026 08:31:00 GMT"}, 60.0),
        ({"Retry-After": "Thu, 15 Jan 2026 08:29:00 GMT"}, 0.0),
        ({"Retry-After": "Thu, 15 Jan 2026 08:31:00 GMT", "Date": "Thu, 15 Jan 2026 08:30:50 GMT"}, 10.0),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(headers: dict[str, str], wait_s: float | None) -> None:
    """A date counts by the server's clock where it tells it; the past is now, the farthest is a century."""
    assert retry_after_s(headers, NOW) == wait_s


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        (
            "The throttling threshold has been reached: policy user over ratelimit,limit:60,time:1 minute",
            Limit(requests=60, window_s=60.0, policy="user"),
        ),
        (
            "The throttling threshold has been reached: policy user over ratelimit,limit:200,time:5 minute",
            Limit(requests=200, window_s=300.0, policy="user"),
        ),
        (
            "policy ip over ratelimit,limit:5,time:1 second",
            Limit(requests=5, window_s=1.0, policy="ip"),
        ),
        (
            "policy ip over ratelimit, limit: 5, time: 5 seconds",
            Limit(requests=5, window_s=5.0, policy="ip"),
        ),
        (
            "policy api over ratelimit,limit:2000,time:1minute",
            Limit(requests=2000, window_s=60, policy="api"),
        ),
        ("POLICY APP over ratelimit,LIMIT:9,TIME:2 HOURS", Limit(requests=9, window_s=7_200, policy="app")),
        ("limit:10,time:1 day", Limit(requests=10, window_s=86_400)),
        ("remain:0,limit:10,time:10 second", Limit(requests=10, window_s=10)),
        ("limit=10; time=minute", Limit(requests=10, window_s=60)),
        ("limit:10,time:30 sec", Limit(requests=10, window_s=30)),
        ("no more than 100 times per 60 seconds", Limit(requests=100, window_s=60)),
        ("100 times per minute", Limit(requests=100, window_s=60)),
        ("limit:0,time:1 minute", None),
        ("limit:10,time:0 second", None),
        ("limit:10,time:1 fortnight", None),
        ("slow down", None),
    ],
)
def test_limit_is_read_from_the_message(message: str, limit: Limit | None) -> None:
    """Every unit, singular and plural, with and without blanks, for whomever the policy counts."""
    assert stated_limit(message) == limit


def test_server_clock_is_read_from_the_date_header() -> None:
    """It is seconds since 1970; nonsense is no clock."""
    assert server_clock({"Date": "Thu, 15 Jan 2026 08:30:00 GMT"}) == NOW
    assert server_clock({"Date": "yesterday"}) is None
    assert server_clock({"Date": "Thu, 15 Jan 99999 08:30:00 GMT"}) is None
    assert server_clock({}) is None
