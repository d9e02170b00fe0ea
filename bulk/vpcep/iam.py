"""What IAM and the metadata service answer: tokens, projects, temporary keys (API.md, section 4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar, assert_never

import orjson

from bulk.model import Abort, Denied, Doubt, Reject, Reply, Retry, Throttled
from bulk.vpcep.codes import NoReply, advice_for
from bulk.vpcep.keys import KeyPair, Token
from bulk.vpcep.refusals import server_clock
from bulk.vpcep.replies import Answer, Lost, refused, succeeded

TOKEN_LIFE_S = 86_400.0
"""What the document promises; stands in where a reply does not state it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project that the credentials may use in a region."""

    id: str
    name: str
    domain_id: str
    """The account that it belongs to."""

    @property
    def region(self) -> str:
        """Return the region that it is in: its name, or what its name begins with (API.md, section 4.3)."""
        return self.name.partition("_")[0]


def issued_token(got: Answer | Lost) -> Token | Retry | Abort:
    """Return the token of `POST /v3/auth/tokens`; its end is counted on this machine's clock."""
    return _understood(got, _token)


def projects(got: Answer | Lost) -> tuple[Project, ...] | Retry | Abort:
    """Return the projects of `GET /v3/projects`."""
    return _understood(got, _projects)


def needs_no_token(got: Answer | Lost) -> bool:
    """Return whether a metadata service without tokens answers so where one is asked for (version 1)."""
    return isinstance(got, Answer) and got.http in _NO_TOKENS


_NO_TOKENS = frozenset({404, 405, 503})


def temporary_key(got: Answer | Lost) -> KeyPair | Retry | Abort:
    """Return the temporary key that IAM, STS, the metadata service or the node of a container gave."""
    return _understood(got, _key)


def metadata_token(got: Answer | Lost) -> str | Retry | Abort:
    """Return the token with which the metadata service is asked."""
    return _understood(got, _metadata_token)


def _understood(got: Answer | Lost, read: Callable[[Answer], T]) -> T | Retry | Abort:
    if isinstance(got, Lost) or not succeeded(got):
        return _no_success(refused(got))
    try:
        return read(got)
    except (ValueError, KeyError, TypeError, AttributeError):
        message = "the reply cannot be understood"
        return Retry(reply=Reply(http=got.http, code=NoReply.UNREADABLE_REPLY, message=message, ms=got.ms))


def _no_success(verdict: Throttled | Retry | Doubt | Reject | Denied | Abort) -> Retry | Abort:
    """Return what a verdict means here, where nothing is written and no row is to blame."""
    match verdict:
        case Abort() | Retry():
            return verdict
        case Throttled() | Doubt():
            return Retry(
                reply=verdict.reply, retry_after_s=verdict.retry_after_s, shut_until=verdict.shut_until
            )
        case Denied(reply=reply, hint=hint):
            return Abort(reply=reply, hint=hint)
        case Reject(reply=reply):
            return Abort(reply=reply, hint=advice_for(reply.code, reply.http))
        case _:
            assert_never(verdict)


def _token(got: Answer) -> Token:
    value = got.headers.get("X-Subject-Token", "")
    if not _is_header_value(value):
        raise ValueError("there is no X-Subject-Token")
    return Token(value=value, expires_at=got.now + _life_s(got))


def _life_s(got: Answer) -> float:
    """Return how long the token lives by the server's own clock, so that ours may be wrong."""
    try:
        token = orjson.loads(got.body)["token"]
        begin = _seconds(token["issued_at"]) if "issued_at" in token else server_clock(got.headers) or got.now
        return max(0.0, _seconds(token["expires_at"]) - begin)
    except (ValueError, KeyError, TypeError):
        return TOKEN_LIFE_S


def _projects(got: Answer) -> tuple[Project, ...]:
    return tuple(
        Project(id=entry["id"], name=entry["name"], domain_id=entry.get("domain_id") or "")
        for entry in orjson.loads(got.body)["projects"]
    )


def _key(got: Answer) -> KeyPair:
    """Return a temporary key, whatever names its parts have: IAM, STS, metadata and nodes have their own."""
    reply = orjson.loads(got.body)
    key = reply.get("credential") or reply.get("credentials") or reply
    ak, sk, token, end = (_part(key, names) for names in _KEY_NAMES)
    return KeyPair(ak=ak, sk=sk, security_token=token, expires_at=_seconds(end))


_KEY_NAMES = (
    ("access", "accessKeyId", "access_key_id"),
    ("secret", "secretAccessKey", "secret_access_key"),
    ("securitytoken", "securityToken", "security_token"),
    ("expires_at", "expiration"),
)
"""As the official SDK has them (`StsAccessor._process_credential`)."""


def _part(key: Mapping[str, object], names: tuple[str, ...]) -> str:
    value = next(filter(None, map(key.get, names)), None)
    if isinstance(value, str) and _is_header_value(value):
        return value
    raise ValueError("that is no part of a key")


def _metadata_token(got: Answer) -> str:
    value = got.body.decode("ascii").strip()
    if not _is_header_value(value):
        raise ValueError("there is no token")
    return value


def _is_header_value(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _seconds(text: str) -> float:
    """Return seconds since 1970 of a UTC time, with or without a fraction and a `Z`."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
