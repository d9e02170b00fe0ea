"""What is borrowed from inside aiohttp: its pool of connections, and its protocol that reads replies.

`ClientSession`, which stands above both, is not used, for two reasons. It sends an idempotent request a
second time, silently, where a kept connection turns out to be closed, and takes every PUT for idempotent;
whether a lost PUT was carried out is ours to find out, and so is whether it ever left. And it takes three
times the processor time for each request, for cookies, redirects and tracing that nobody uses here.

aiohttp documents none of this for use from outside, so it may change with any minor version. Therefore it
stands in this file alone; each name has a test (tests/contract/test_aiohttp_inside.py); and pyproject.toml
admits only the minor versions with which the contract tests passed. `pytest -m slow tests/house` tries the
newest one: where that passes, the bound may be lifted.
"""

import asyncio
from collections.abc import Callable
from functools import cache, partial
from ssl import SSLContext
from typing import Any, TypeAlias

from aiohttp import (
    ClientRequest,
    ClientTimeout,
    InvalidURL,
    ServerDisconnectedError,
    StreamReader,
    TCPConnector,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from yarl import URL

from bulk.vpcep.replies import OK

__all__ = [
    "Connection",
    "Connector",
    "Destination",
    "HttpProcessingError",
    "Payload",
    "RawResponseMessage",
    "Talk",
    "connect",
    "destination",
    "exchange",
    "finish",
    "talk_of",
    "tls_of",
    "whole",
]

HEADER_BYTES_MAX = 65_536
"""IAM sends its token, several kilobytes long, in a header; aiohttp's own bound is 8 KiB."""

_PARSING: dict[str, Any] = {
    "read_until_eof": True,  # where a reply states no length
    "read_bufsize": 262_144,
    "max_line_size": HEADER_BYTES_MAX,
    "max_field_size": HEADER_BYTES_MAX,
}
"""How replies are read."""

Destination: TypeAlias = ClientRequest
"""A server, and the proxy on the way to it, in the form in which the connector is asked for a connection.

Of the request that it is, the connector reads the address and the proxy; it is never sent.
"""


Payload: TypeAlias = StreamReader
"""The body of a reply, as much of it as has come."""


class Talk(ResponseHandler):
    """A connection that can also call back when a reply begins, or will never come."""

    _replied: Callable[["Talk", RawResponseMessage, Payload], None] | None = None
    _lost: Callable[["Talk", BaseException], None]

    def say(
        self,
        content: bytes,
        replied: Callable[["Talk", RawResponseMessage, Payload], None],
        lost: Callable[["Talk", BaseException], None],
    ) -> None:
        """Write a request; one of both callbacks gets what comes of it, once and later."""
        if self.transport is None:
            raise ServerDisconnectedError
        self._replied, self._lost = replied, lost
        self.transport.write(content)

    def feed_data(self, data: tuple[RawResponseMessage, Payload], size: int = 0) -> None:
        """Take the beginning of a reply, as the parser has it; an interim one is passed over."""
        replied = self._replied
        if replied is None:  # sent by `exchange`, which awaits the queue that aiohttp fills here
            super().feed_data(data, size)
        elif data[0].code >= OK:
            self._replied = None
            replied(self, *data)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Learn that nothing more will come."""
        super().set_exception(exc, *cause)
        if self._replied is not None:
            self._replied = None
            self._lost(self, exc)


def talk_of(connection: Connection) -> Talk:
    """Return a new connection's protocol, ready for requests that call back."""
    talk = connection.protocol
    if not isinstance(talk, Talk) or not talk.is_connected():
        connection.close()
        raise ServerDisconnectedError
    talk.set_response_params(read_timeout=None, **_PARSING)
    return talk


class Connector(TCPConnector):
    """The pool, whose connections are a `Talk` each."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(limit=limit)
        # By this TCPConnector makes the protocol of a new connection; it takes no argument for another class.
        self._factory: Any = partial(Talk, loop=asyncio.get_running_loop())


def destination(base: str, proxy: str | None, tls: SSLContext | None) -> Destination:
    """Return the destination of `https://host[:port]`; raise InvalidURL where an address is none.

    `tls` says how certificates are verified; without it aiohttp does so by its own rules.
    """
    through = _url(proxy) if proxy else None
    # Any method would do: the connector groups connections by host, proxy and TLS alone.
    return ClientRequest("PUT", _url(base), proxy=through, ssl=tls or True, loop=asyncio.get_running_loop())


def _url(text: str) -> URL:
    try:
        return URL(text)
    except ValueError as error:
        raise InvalidURL(text, str(error)) from error


async def connect(connector: TCPConnector, to: Destination, connect_s: float) -> Connection:
    """Return a connection from the pool or a new one; raise what aiohttp raises where there is none."""
    while True:
        connection = await connector.connect(to, [], _timeout(connect_s))
        if connection.protocol is None or not connection.protocol.should_close:
            return connection
        connection.close()  # something came on it that nobody had asked for


@cache
def _timeout(connect_s: float) -> ClientTimeout:
    return ClientTimeout(connect=connect_s)


async def exchange(
    connection: Connection, content: bytes, *, read_s: float, body_bytes_max: int
) -> tuple[RawResponseMessage, bytes | None]:
    """Write a request, return its reply, give the connection back; a body that is too large is None.

    `read_s` bounds the silence between two pieces of the reply. Raises what aiohttp raises.
    """
    try:
        protocol, transport = _ends(connection)
        protocol.set_response_params(read_timeout=read_s, **_PARSING)
        protocol.start_timeout()
        transport.write(content)
        message, payload = await protocol.read()
        while message.code < OK:  # an interim answer; the real one follows
            message, payload = await protocol.read()
        body = await finish(protocol, payload, read_s=read_s, body_bytes_max=body_bytes_max)
    except BaseException:
        connection.close()  # else the next request would get this one's reply
        raise
    connection.release()
    return message, body


async def finish(
    protocol: ResponseHandler, payload: Payload, *, read_s: float, body_bytes_max: int
) -> bytes | None:
    """Return the whole body of a reply that has begun; None where it is larger than it may be."""
    protocol.read_timeout = read_s
    protocol.start_timeout()
    body = await _read(payload, body_bytes_max)
    protocol.read_timeout = None
    protocol.start_timeout()  # which ends it: it must not run on while the connection is idle
    return body


def _ends(connection: Connection) -> tuple[ResponseHandler, asyncio.Transport]:
    if connection.protocol is None or connection.transport is None:
        raise ServerDisconnectedError
    return connection.protocol, connection.transport


def tls_of(connection: Connection) -> tuple[str, dict[str, Any]]:
    """Return the version of TLS on a connection, and the server's certificate; both empty without TLS."""
    _, transport = _ends(connection)
    tls = transport.get_extra_info("ssl_object")
    return (tls.version(), tls.getpeercert()) if tls else ("", {})


def whole(content: Payload, body_bytes_max: int) -> bytes | None:
    """Return a body that has come to its end; None where it is larger than it may be."""
    body = content.read_nowait()
    return body if len(body) <= body_bytes_max else None


async def _read(content: StreamReader, body_bytes_max: int) -> bytes | None:
    """Return the whole body; None where it is larger than it may be."""
    if content.is_eof():  # as most are, all at once
        return whole(content, body_bytes_max)
    pieces, length = [], 0
    while piece := await content.readany():
        length += len(piece)
        if length > body_bytes_max:
            return None
        pieces.append(piece)
        if content.at_eof():
            break
    return b"".join(pieces)
