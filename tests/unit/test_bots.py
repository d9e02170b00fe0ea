"""The webhooks of group bots: what they are sent, how it is signed, which replies mean that it was taken."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from bulk.operations.bots import WECOM_BYTES_MAX, WHOLE_BYTES_MAX, content_for, refusal, shortened
from bulk.operations.notices import BotForm

NOW = 1_599_360_473.25
TEXT = "bulk: move-ssh: done\nbulk report x"


def sent(form: BotForm, text: str = TEXT, secret: str = "") -> dict[str, Any]:
    """Return the body for a bot."""
    body: dict[str, Any] = orjson.loads(content_for(form, text, {"a": 1}, secret=secret, now=NOW).body)
    return body


def test_each_bot_is_sent_a_text_in_the_form_that_it_takes() -> None:
    """Feishu has names of its own; the webhook without a bot gets the status as it is."""
    assert sent(BotForm.FEISHU) == {"msg_type": "text", "content": {"text": TEXT}}
    assert sent(BotForm.DINGTALK) == {"msgtype": "text", "text": {"content": TEXT}}
    assert sent(BotForm.WECOM) == {"msgtype": "text", "text": {"content": TEXT}}
    assert sent(BotForm.JSON) == {"a": 1}


def test_feishu_is_signed_with_timestamp_and_secret_as_the_key_over_nothing() -> None:
    """HMAC-SHA256, as base64, beside the second, in the body."""
    body = sent(BotForm.FEISHU, secret="demo")
    expected = hmac.new(b"1599360473\ndemo", b"", hashlib.sha256).digest()
    assert body["timestamp"] == "1599360473"
    assert base64.b64decode(body["sign"]) == expected
    assert body["msg_type"] == "text"


def test_dingtalk_is_signed_in_the_query_encoded_once() -> None:
    """The secret is the key; base64 has + / = for many a millisecond, and each is encoded exactly once."""
    for millisecond in range(50):
        now = NOW + millisecond / 1000
        query = content_for(BotForm.DINGTALK, TEXT, {}, secret="SECdemo", now=now).query
        stamp = str(int(now * 1000))
        found = parse_qs(query, strict_parsing=True)
        expected = hmac.new(b"SECdemo", f"{stamp}\nSECdemo".encode(), hashlib.sha256).digest()
        assert found["timestamp"] == [stamp]
        assert base64.b64decode(found["sign"][0], validate=True) == expected
        assert "%25" not in query


@pytest.mark.parametrize("form", BotForm)
def test_without_a_secret_nothing_is_signed(form: BotForm) -> None:
    """A bot that is secured by keyword or address takes no signature."""
    content = content_for(form, TEXT, {}, secret="", now=NOW)
    assert content.query == ""
    assert b"sign" not in content.body


@pytest.mark.parametrize(
    ("form", "bytes_max"),
    [
        (BotForm.WECOM, WECOM_BYTES_MAX),
        (BotForm.FEISHU, WHOLE_BYTES_MAX),
        (BotForm.DINGTALK, WHOLE_BYTES_MAX),
    ],
)
def test_a_text_keeps_to_the_limit_in_bytes(form: BotForm, bytes_max: int) -> None:
    """Also where a character has three bytes, which are not torn apart."""
    body = sent(form, "口" * bytes_max)
    text = body.get("text", body.get("content"))
    said = text.get("content", text.get("text"))
    assert bytes_max - 3 <= len(said.encode()) <= bytes_max
    assert set(said) == {"口", "…"}


def test_a_text_that_fits_is_left_as_it_is() -> None:
    """To the byte."""
    assert shortened("äb", 3) == "äb"
    assert shortened("äbc", 4) == "äbc"
    assert shortened("äbcd", 4) == "…"


TAKEN: list[tuple[BotForm | None, int, bytes]] = [
    (BotForm.FEISHU, 200, b'{"code":0,"msg":"success","data":{}}'),
    (BotForm.FEISHU, 200, b'{"StatusCode":0,"StatusMessage":"success"}'),
    (BotForm.DINGTALK, 200, b'{"errcode":0,"errmsg":"ok"}'),
    (BotForm.WECOM, 200, b'{"errcode":0,"errmsg":"ok"}'),
    (BotForm.JSON, 204, b""),
    (None, 200, b'{"request_id":"1","message_id":"2"}'),
]


@pytest.mark.parametrize(("form", "http", "body"), TAKEN)
def test_what_was_taken_is_no_refusal(form: BotForm | None, http: int, body: bytes) -> None:
    """A code of 0 in a 200; for one's own webhook and SMN a success in HTTP."""
    assert refusal(form, http, body) is None


REFUSED: list[tuple[BotForm | None, int, bytes, str, bool]] = [
    (BotForm.FEISHU, 200, b'{"code":19021,"msg":"sign match fail"}', "19021: sign match fail", False),
    (BotForm.FEISHU, 200, b'{"code":11232,"msg":"too many"}', "11232", True),
    (BotForm.DINGTALK, 200, b'{"errcode":310000,"errmsg":"sign not match"}', "310000: sign not match", False),
    (BotForm.DINGTALK, 200, b'{"errcode":130101,"errmsg":"send too fast"}', "130101", True),
    (BotForm.WECOM, 200, b'{"errcode":93000,"errmsg":"invalid webhook url"}', "93000", False),
    (BotForm.WECOM, 200, b'{"errcode":45009,"errmsg":"freq out of limit"}', "45009", True),
    (BotForm.WECOM, 200, b"<html>", "no wecom bot", False),
    (BotForm.WECOM, 200, b"[1]", "no wecom bot", False),
    (BotForm.JSON, 302, b"", "HTTP 302", False),
    (BotForm.JSON, 404, b"", "HTTP 404", False),
    (BotForm.JSON, 429, b"", "HTTP 429", True),
    (BotForm.JSON, 503, b"", "HTTP 503", True),
    (None, 403, b'{"error_code":"SMN.00010008","error_msg":"x","message":"denied"}', "SMN.00010008", False),
]


@pytest.mark.parametrize(("form", "http", "body", "words", "may_pass"), REFUSED)
def test_what_was_refused_says_why_and_whether_to_try_again(
    form: BotForm | None,
    http: int,
    body: bytes,
    words: str,
    may_pass: bool,  # noqa: FBT001
) -> None:
    """A refusal in a 200 is one; too many messages, and a server's failure, may pass."""
    refused = refusal(form, http, body)
    assert refused is not None
    assert words in refused.why
    assert refused.may_pass is may_pass
