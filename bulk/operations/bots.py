"""The webhooks of group bots: what they take, how a message is signed for them, and what their reply means.

Each refuses with HTTP 200 as well: only a code of 0 in the reply is a message that was taken.

* Feishu and Lark, "Custom bot usage guide" (open.larkoffice.com/document/ukTMukTMukTM/ucTM5YjL3ETO24yNxkjN):
  20 KB a request; 100 messages a minute and 5 a second (code 11232)
* DingTalk, "Custom robot access" and "security settings" (open.dingtalk.com/document/robots/
  custom-robot-access): 20 messages a minute (errcode 130101); no bound of a text is stated
* WeCom, "Message push configuration" (developer.work.weixin.qq.com/document/path/91770): 2,048 bytes of
  text; 20 messages a minute (errcode 45009)
"""

import hmac
from base64 import b64encode
from typing import Any, assert_never
from urllib.parse import quote

import orjson

from bulk.model import value
from bulk.operations.notices import BotForm

WHOLE_BYTES_MAX = 18_000
"""Most bytes of a text where the request may have 20 KB: the rest is for its frame and for escapes."""
WECOM_BYTES_MAX = 2_048
_CODES = ("code", "errcode", "StatusCode")
"""The members that say whether a message was taken; `StatusCode` is that of Feishu's first version."""
_MESSAGES = ("msg", "errmsg", "StatusMessage", "message", "error_msg")
_NAMES = ("error_code", "code")
"""Where SMN and the gateway before it have the name of an error."""
_BUSY = frozenset({11_232, 130_101, 45_009})
"""The codes of those that were sent too many messages."""
_MESSAGE_CHARS_MAX = 200


@value
class Content:
    """What a webhook is sent: a body, and what its URL gets besides."""

    body: bytes
    query: str = ""


@value
class Refusal:
    """Why a message was not taken."""

    why: str
    may_pass: bool
    """Whether the same message may be taken a little later."""


def content_for(form: BotForm, text: str, status: Any, *, secret: str, now: float) -> Content:
    """Return the request of a message; `now` is the wall clock, and an empty secret signs nothing."""
    match form:
        case BotForm.FEISHU:
            whole = {"msg_type": "text", "content": {"text": shortened(text, WHOLE_BYTES_MAX)}}
            return Content(body=orjson.dumps(_signed_for_feishu(secret, int(now)) | whole))
        case BotForm.DINGTALK:
            whole = {"msgtype": "text", "text": {"content": shortened(text, WHOLE_BYTES_MAX)}}
            return Content(body=orjson.dumps(whole), query=_query_for_dingtalk(secret, int(now * 1000)))
        case BotForm.WECOM:
            whole = {"msgtype": "text", "text": {"content": shortened(text, WECOM_BYTES_MAX)}}
            return Content(body=orjson.dumps(whole))
        case BotForm.JSON:
            return Content(body=orjson.dumps(status))
        case _:
            assert_never(form)


def _signed_for_feishu(secret: str, second: int) -> dict[str, Any]:
    """Return the members that sign: the text to sign is the key, and nothing is what it signs."""
    if not secret:
        return {}
    key = f"{second}\n{secret}".encode()
    return {"timestamp": str(second), "sign": b64encode(hmac.digest(key, b"", "sha256")).decode()}


def _query_for_dingtalk(secret: str, millisecond: int) -> str:
    """Return the parameters that sign; base64 is encoded for a URL once."""
    if not secret:
        return ""
    signature = hmac.digest(secret.encode(), f"{millisecond}\n{secret}".encode(), "sha256")
    return f"timestamp={millisecond}&sign={quote(b64encode(signature), safe='')}"


def shortened(text: str, bytes_max: int) -> str:
    """Return a text of at most so many bytes as UTF-8, cut between characters."""
    raw = text.encode(errors="replace")
    if len(raw) <= bytes_max:
        return raw.decode()
    return raw[: bytes_max - len("…".encode())].decode(errors="ignore") + "…"


def refusal(form: BotForm | None, http: int, body: bytes) -> Refusal | None:
    """Return why a message was not taken; None where it was. Without a form it went to SMN."""
    answer = _object(body)
    code = next((answer[name] for name in _CODES if type(answer.get(name)) is int), None)
    said = next((str(answer[name]) for name in _MESSAGES if answer.get(name)), "")
    is_ok = 200 <= http < 300  # noqa: PLR2004 - as HTTP has it
    if is_ok and (form in {None, BotForm.JSON} or code == 0):
        return None
    if is_ok and code is None:
        return Refusal(why=f"HTTP {http} without a code: it is no {form} bot that answered", may_pass=False)
    given = "" if code is None else f", code {code}"
    named = next((f" {answer[name]}" for name in _NAMES if isinstance(answer.get(name), str)), "")
    words = f": {said[:_MESSAGE_CHARS_MAX]}" if said else ""
    may_pass = code in _BUSY or http == 429 or http >= 500  # noqa: PLR2004 - as HTTP has it
    return Refusal(why=f"HTTP {http}{given}{named}{words}", may_pass=may_pass)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
