"""What a reply means: pure functions from an answer, or the lack of one, to a verdict.

The error code decides, then the HTTP status (API.md, section 3). A PUT whose answer does not
say surely what became of it is a Doubt; a read that was lost is a Retry.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, TypeAlias

import orjson
from msgspec import UNSET, MsgspecError, Raw, defstruct
from msgspec.json import Decoder

from bulk.model import (
    PUSH_BACK_MAX_S,
    Abort,
    AsAsked,
    Denied,
    Done,
    Doubt,
    ListVerdict,
    Missing,
    Page,
    Reject,
    Reply,
    Retry,
    ServiceId,
    ShowVerdict,
    Throttled,
    Verdict,
    value,
)
from bulk.puts import UNTOUCHED, UNTOUCHED_IF_SHOWN, Put
from bulk.vpcep.code_table import DENIED, PERMANENT, RETRYABLE, THROTTLED
from bulk.vpcep.codes import NoReply, advice_for, classify, decoding, ends_run, known
from bulk.vpcep.pages import read_page
from bulk.vpcep.refusals import (
    CODE_CHARS_MAX,
    MESSAGE_CHARS_MAX,
    clean,
    error_in,
    retry_after_s,
    server_clock,
    stated_limit,
)
from bulk.vpcep.services import known_ports, service

CLOCK_SKEW_MAX_S = 60.0
"""A clock that is this far off is reported; the server bears 15 minutes (API.md, section 4.2)."""

OK, REDIRECT, NOT_THERE, REQUEST_TIMEOUT, SERVER_ERROR = 200, 300, 404, 408, 500

MISSING = frozenset({"EndPoint.0005", "EndPoint.2003"})
"""The two ways to say that the service does not exist."""


@value
class Answer:
    """One reply as it came: nothing of it is understood yet."""

    http: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes
    ms: int
    now: float
    """Wall clock when the reply was complete, seconds since 1970."""
    where: str = ""
    """The host of the worker that sent the request; empty where it left from here."""


@value
class Lost:
    """No usable reply came."""

    code: NoReply
    message: str
    ms: int
    sent: bool
    """Whether the request may have reached the server."""
    hopeless: bool = False
    """Whether every other request would fare the same: a refused certificate, an unusable address."""
    where: str = ""
    """The host of the worker that was to send the request; empty where it was to leave from here."""

    @property
    def reply(self) -> Reply:
        """Return the facts in the words of the ledger."""
        return Reply(code=self.code, message=on_host(self.message, self.where), ms=self.ms)


Relayed: TypeAlias = Answer | Lost | Retry | Abort
"""A reply as it came, a refusal as well, or how it was lost.

A verdict where the request has not left, or where the API refused the secret: a retry if that has been
renewed since."""


def on_host(text: str, where: str) -> str:
    """Return a text as a person reads it who is elsewhere: its machine, network and clock are a worker's."""
    return f"on {where}: {text}" if where and text else text


def modified(got: Answer | Lost, service_id: ServiceId) -> Verdict:
    """Return what became of the PUT for `service_id`."""
    if isinstance(got, Lost) or not succeeded(got):
        return refused(got)
    try:
        state = service(orjson.loads(got.body))
    except ValueError as error:
        return Doubt(reply=_unreadable(got, str(error)))
    if state.id != service_id:
        return Doubt(reply=_unreadable(got, f"the reply is about another service: {state.id}"))
    return Done(reply=_success(got), state=state)


_Plain = defstruct(
    "_Plain",
    [
        ("id", str),
        ("ports", Raw),
        *((name, Any, None) for name in UNTOUCHED),
        *((name, Any, UNSET) for name in UNTOUCHED_IF_SHOWN),
    ],
    gc=False,
)
_plain_in = Decoder(_Plain).decode
_untouched, _untouched_if_shown = attrgetter(*UNTOUCHED), attrgetter(*UNTOUCHED_IF_SHOWN)
_NONE_SHOWN = (UNSET,) * len(UNTOUCHED_IF_SHOWN)


def as_asked(got: Answer, put: Put) -> AsAsked | None:
    """Return a success where the reply to a PUT of ports plainly shows them as asked and all else as it was.

    None leaves it open: `modified` then says what the reply means. It builds no ServiceState, which takes
    longer than all of this.
    """
    expected = put.expected
    if got.http != OK or expected is None:
        return None
    try:
        plain: Any = _plain_in(got.body)
        if not got.body.isascii():
            got.body.decode()  # msgspec does not look at what it passes over
        shown, ports = _untouched_if_shown(plain), known_ports(bytes(plain.ports))
    except (MsgspecError, ValueError, RecursionError):
        return None
    is_plain = (
        plain.id == put.service_id
        and _untouched(plain) == expected.untouched
        and (shown == _NONE_SHOWN or _agree(shown, expected.untouched_if_shown))
        and ports == expected.ports
    )
    return AsAsked(reply=_success(got)) if is_plain else None


def _agree(shown: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    """Return whether what a reply shows of some members is as expected."""
    return all(one is UNSET or one == other for one, other in zip(shown, expected, strict=True))


def shown(got: Answer | Lost, service_id: ServiceId) -> ShowVerdict:
    """Return one service, or Missing where the API does not have it."""
    verdict = modified(got, service_id)
    match verdict:
        case Doubt():
            return _again(verdict)
        case Denied(reply=reply):  # this one service: the list of all was allowed
            return Reject(reply=reply)
        case Reject(reply=reply):
            found = known(reply.code)
            is_missing = found.code in MISSING if found else reply.http == NOT_THERE
            return Missing(reply=reply) if is_missing else verdict
        case _:
            return verdict


def listed(got: Answer | Lost) -> ListVerdict:
    """Return one page of services with the count of all."""
    if isinstance(got, Lost) or not succeeded(got):
        match refused(got):
            case Doubt() as doubt:
                return _again(doubt)
            case Denied(reply=reply, hint=hint):
                return Abort(reply=reply, hint=hint)
            case verdict:
                return verdict
    try:
        services, total_count = read_page(got.body)
    except ValueError as error:
        return Retry(reply=_unreadable(got, str(error)))
    return Page(reply=_success(got), services=services, total_count=total_count)


def _again(doubt: Doubt) -> Retry:
    """Return what a doubt means for a read: doing it twice does no harm, so none is ever in doubt."""
    return Retry(reply=doubt.reply, retry_after_s=doubt.retry_after_s, shut_until=doubt.shut_until)


def succeeded(got: Answer) -> bool:
    """Return whether the status is one of success."""
    return OK <= got.http < REDIRECT


def refused(got: Answer | Lost) -> Throttled | Retry | Doubt | Reject | Denied | Abort:
    """Return what a reply that is no success, or the lack of one, means in the sense of a PUT."""
    if isinstance(got, Lost):
        return _lost(got)
    reply = refusal_reply(got)
    kind = classify(reply.code, got.http)
    wait_s, until = _push_back(got)
    doubt = Doubt(reply=reply, retry_after_s=wait_s, shut_until=until)
    # What fails as well (5xx) may have passed the request on: a doubt, whatever its code.
    if got.http < SERVER_ERROR and THROTTLED in {kind, classify("", got.http)}:
        limit = stated_limit(reply.message)
        return Throttled(reply=reply, retry_after_s=wait_s, limit=limit, shut_until=until)
    if got.http >= SERVER_ERROR:
        # Two codes come with a 504 that is no timeout: the document calls them permanent.
        found = known(reply.code)
        is_permanent = found is not None and found.http == reply.http and found.kind is PERMANENT
        return Reject(reply=reply) if is_permanent else doubt
    if got.http == REQUEST_TIMEOUT:
        return doubt
    if ends_run(reply.code, got.http):
        return Abort(reply=reply, hint=_hint(reply, got))
    if kind is DENIED:
        return Denied(reply=reply, hint=_hint(reply, got))
    # What failed inside may have taken effect before it failed, whatever the status says.
    return doubt if kind is RETRYABLE else Reject(reply=reply)


def _push_back(got: Answer) -> tuple[float | None, str]:
    """Return how long the API asks to be left alone, or until when where that is not waited for."""
    wait_s = retry_after_s(got.headers, got.now)
    if wait_s is None or wait_s <= PUSH_BACK_MAX_S:
        return wait_s, ""
    return None, f"{datetime.fromtimestamp(got.now + wait_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def refusal_reply(got: Answer) -> Reply:
    """Return the facts of a refusal: code, message and request id out of body and headers."""
    facts = error_in(got.body)
    return Reply(
        http=got.http,
        code=facts.code,
        message=facts.message,
        request_id=_request_id(got) or facts.request_id,
        ms=got.ms,
        encoded_authorization_message=facts.encoded_authorization_message,
    )


def _lost(lost: Lost) -> Abort | Retry | Doubt:
    if lost.hopeless:
        return Abort(reply=lost.reply, hint=on_host(advice_for(lost.code, None), lost.where))
    if lost.sent:
        return Doubt(reply=lost.reply)
    return Retry(reply=lost.reply, is_local=lost.code is NoReply.LOCAL_LIMIT)


def _success(got: Answer) -> Reply:
    return Reply(http=got.http, request_id=_request_id(got), ms=got.ms)


def _hint(reply: Reply, got: Answer) -> str:
    advice = advice_for(reply.code, reply.http)
    if reply.encoded_authorization_message:
        advice = f"{advice}; {decoding(reply.encoded_authorization_message)}"
    server = server_clock(got.headers)
    if server is not None and abs(server - got.now) >= CLOCK_SKEW_MAX_S:
        off_min = round(abs(server - got.now) / 60)
        side = "behind" if server > got.now else "ahead of"
        advice = f"set this machine's clock: it is {off_min} min {side} the server's; then {advice}"
    return on_host(advice, got.where)


def _unreadable(got: Answer, why: str) -> Reply:
    return Reply(
        http=got.http,
        code=NoReply.UNREADABLE_REPLY,
        message=clean(why, MESSAGE_CHARS_MAX),
        request_id=_request_id(got),
        ms=got.ms,
    )


def stated_id(got: Answer) -> str:
    """Return the id of a request as its reply states it, whole; empty where it has none."""
    return got.headers.get("X-Request-Id") or got.headers.get("X-IAM-Trace-Id") or ""


def _request_id(got: Answer) -> str:
    return clean(found, CODE_CHARS_MAX) if (found := stated_id(got)) else ""
