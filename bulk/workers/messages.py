"""What runs and workers write to each other: MessagePack, compressed where it is long.

A run and its workers are of one version, which the hello makes sure of, so the values are those of the code.
"""

import zlib
from dataclasses import replace
from struct import Struct
from typing import Annotated, Any, TypeAlias, TypeVar, assert_never

from msgspec import Meta, MsgspecError, to_builtins
from msgspec.msgpack import Decoder, Encoder
from multidict import CIMultiDict

from bulk.errors import BulkError
from bulk.model import Abort, Owner, Retry, Target, value
from bulk.vpcep.iam import Project
from bulk.vpcep.replies import Answer, Lost, Relayed
from bulk.vpcep.requests import LIST_BYTES_MAX, Request, Timeouts

LONG_BYTES = 64 * 1024
"""From here on a message is compressed: the page of a list has megabytes, mostly the same words."""
MESSAGE_BYTES_MAX = 2 * LIST_BYTES_MAX
"""Longest message that is unpacked: a page, and what stands around it."""
_REQUEST_S_MAX = 3_600
"""What the settings take as the time of one request."""
_PLAIN, _COMPRESSED = b"\0", b"\1"

T = TypeVar("T")
BootTime: TypeAlias = Annotated[float, Meta(ge=-1e12, le=1e12)]
"""Seconds of a boot clock; no number that is none, before and after which everything would be."""


class Unreadable(BulkError):
    """A message that is none."""


Name: TypeAlias = Annotated[str, Meta(max_length=200, pattern=r"\A[^\s\x00-\x1f\x7f]+\Z")]
"""A name that fits into a subject, and into a line."""


@value
class Hello:
    """Who a worker is."""

    worker: Name
    host: Name
    version: Name
    clock_s: BootTime
    """Its boot clock as it writes this."""
    places: tuple[Name, ...] = ()
    """What it serves."""


@value
class OpenProject:
    """Asks for the client of a target, whose project may have to be looked up, and what is known of it."""

    target: Target
    regions: tuple[str, ...] = ()
    """The regions of all targets of the same credentials, as `connect` has them."""


@value
class Opened:
    """What a worker knows of a target."""

    target: Target
    host: str
    """The host of the API that the worker sends to."""
    account: str
    owner: Owner
    cloud: str
    """The domain of the cloud's edition; empty where none is known."""


@value
class ListProjects:
    """Asks for the projects that the credentials of a target see; `every` also of other regions, or fail."""

    target: Target
    every: bool


@value
class Relay:
    """Asks a worker to sign and send one request, not after `send_by` of its boot clock, and not twice."""

    key: str
    """By it the worker knows the question again."""
    target: Target
    host: str
    """The host of the API that the run has: another worker of the place may know another one."""
    request: Request
    send_by: BootTime
    body_bytes_max: int
    timeouts: Timeouts

    def __post_init__(self) -> None:
        """Raise ValueError for a request without usable time limits; a message with it is Unreadable."""
        limits = self.timeouts
        if not all(
            0 < limit_s <= _REQUEST_S_MAX for limit_s in (limits.connect_s, limits.read_s, limits.total_s)
        ):
            raise ValueError("no time limits")


@value
class Failure:
    """Why a worker cannot do what it was asked, as the error that it would have ended with itself."""

    kind: str
    message: str
    hint: str


@value
class Again:
    """Asks for the answer to a PUT once more; a PUT that has not come is refused from then on."""

    key: str
    send_by: BootTime


@value
class Ask:
    """One question to one worker; none at all asks whether it is there and may be asked."""

    open: OpenProject | None = None
    projects: ListProjects | None = None
    relay: Relay | None = None
    again: Again | None = None


@value
class AskAnswer:
    """The answer to a question: one of its members, and the worker's boot clock as it writes this."""

    clock_s: BootTime = 0.0
    opened: Opened | None = None
    projects: tuple[Project, ...] | None = None
    answer: Answer | None = None
    lost: Lost | None = None
    retry: Retry | None = None
    abort: Abort | None = None
    failure: Failure | None = None

    @property
    def relayed(self) -> Relayed | None:
        """Return what came back of a request that was relayed; None where nothing did."""
        if self.answer:  # a header is looked up without regard to case
            return replace(self.answer, headers=CIMultiDict(self.answer.headers))
        return self.lost or self.retry or self.abort


def answered(relayed: Relayed) -> AskAnswer:
    """Return the answer that carries what came back of a request."""
    match relayed:
        case Answer():
            return AskAnswer(answer=replace(relayed, headers=dict(relayed.headers)))
        case Lost():
            return AskAnswer(lost=relayed)
        case Retry():
            return AskAnswer(retry=relayed)
        case Abort():
            return AskAnswer(abort=relayed)
        case _:
            assert_never(relayed)


_encode = Encoder().encode


def packed(message: Hello | Ask | AskAnswer) -> bytes:
    """Return a message as bytes; what is no UTF-8 in a text, as in a header of a reply, comes as `?`."""
    try:
        plain = _encode(message)
    except UnicodeEncodeError:
        plain = _encode(_as_utf8(to_builtins(message, builtin_types=(bytes,))))
    return _COMPRESSED + zlib.compress(plain, 1) if len(plain) > LONG_BYTES else _PLAIN + plain


def _as_utf8(found: Any) -> Any:
    match found:
        case str():
            return found.encode(errors="replace").decode()
        case dict():
            return {_as_utf8(name): _as_utf8(each) for name, each in found.items()}
        case list() | tuple():
            return [_as_utf8(each) for each in found]
        case _:
            return found


def unpacked(kind: type[T], data: bytes) -> T:
    """Return the message in these bytes; raises Unreadable where there is none of this kind."""
    try:
        return Decoder(kind).decode(_plain(data[:1], data[1:]))
    except (MsgspecError, zlib.error, RecursionError) as error:
        raise Unreadable(f"this is no {kind.__name__}: {error}") from None


def _plain(form: bytes, data: bytes) -> bytes:
    if form == _PLAIN:
        return data
    if form != _COMPRESSED:
        raise Unreadable("this is no message")
    inflate = zlib.decompressobj()
    plain = inflate.decompress(data, MESSAGE_BYTES_MAX)
    if inflate.unused_data or not inflate.eof:
        raise Unreadable(f"the message has more than {MESSAGE_BYTES_MAX} bytes, or was cut")
    return plain


_FRAME_HEAD = Struct(">HH")
FRAMES_MAX = 64


def frames(data: bytes, payload_max: int) -> list[bytes]:
    """Return a message in parts that NATS takes, each with its number and the number of all.

    Raises Unreadable for a message of more than `FRAMES_MAX` parts.
    """
    room = payload_max - _FRAME_HEAD.size
    parts = [data[begin : begin + room] for begin in range(0, len(data), room)] if room > 0 else []
    if not 0 < len(parts) <= FRAMES_MAX:
        raise Unreadable(f"a message of {len(data)} bytes does not fit into {FRAMES_MAX} of {payload_max}")
    return [_FRAME_HEAD.pack(number, len(parts)) + part for number, part in enumerate(parts)]


class Frames:
    """The parts of one message, as they come."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}

    def add(self, frame: bytes) -> bytes | None:
        """Take in a part; return the whole message once it is complete. Raises Unreadable."""
        if len(frame) < _FRAME_HEAD.size:
            raise Unreadable("this is no part of a message")
        number, count = _FRAME_HEAD.unpack_from(frame)
        if not number < count <= FRAMES_MAX:
            raise Unreadable("this is no part of a message")
        self._parts[number] = frame[_FRAME_HEAD.size :]
        if len(self._parts) < count:
            return None
        return b"".join(part for _, part in sorted(self._parts.items()))
