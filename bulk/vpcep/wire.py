"""One request over the network, one answer or the reason why there is none; never a second try.

aiohttp keeps the connections (its connector: pool, proxy, TLS, time-outs) and reads the replies (its protocol
and parser); `aiohttp_inside.py` has both, and says why not `ClientSession`.

Everything aiohttp may raise ends here, in one table.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from math import inf
from types import MappingProxyType
from typing import Protocol

import aiohttp
from multidict import CIMultiDict

from bulk.errors import CannotRun
from bulk.vpcep.aiohttp_inside import (
    Connection,
    Connector,
    Destination,
    HttpProcessingError,
    RawResponseMessage,
    connect,
    destination,
    exchange,
)
from bulk.vpcep.codes import NoReply
from bulk.vpcep.echoes import Echoes
from bulk.vpcep.key_probe import KeyProbe
from bulk.vpcep.keys import Secret
from bulk.vpcep.proxies import passwords_in, proxy_for
from bulk.vpcep.refusals import MESSAGE_CHARS_MAX, clean
from bulk.vpcep.regions import Endpoint
from bulk.vpcep.replies import Answer, Lost, succeeded
from bulk.vpcep.requests import Request, Timeouts
from bulk.vpcep.shortage import is_short

_SSL_OBJECT = re.compile(r" ssl:(?:<[^>]*>|\w+)")
"""What aiohttp puts into the text of an error: `ssl:default`, or an object with its address in memory."""
_SAME = ("Accept: */*", "Accept-Encoding: identity", "User-Agent: bulk")
"""Header lines of every request. Without compression the bound on a body is one on what it unpacks to."""


class WireClock(Protocol):
    """The clocks that a request needs."""

    def now(self) -> float:
        """Return the wall clock: seconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from a fixed but unknown start."""
        ...

    def boottime(self) -> float:
        """Return seconds since the machine booted, its sleep included."""
        ...


class Fate(Enum):
    """What a lost request leaves behind."""

    UNSENT = "it has not left"
    UNKNOWN = "it may have been carried out"
    HOPELESS = "no request will ever leave"


FATES: Mapping[type[BaseException], tuple[Fate, NoReply]] = MappingProxyType(
    {
        aiohttp.ClientConnectorCertificateError: (Fate.HOPELESS, NoReply.CERTIFICATE_REFUSED),
        aiohttp.ServerFingerprintMismatch: (Fate.HOPELESS, NoReply.CERTIFICATE_REFUSED),
        aiohttp.InvalidUrlRedirectClientError: (Fate.UNKNOWN, NoReply.MALFORMED_REPLY),
        aiohttp.NonHttpUrlRedirectClientError: (Fate.UNKNOWN, NoReply.MALFORMED_REPLY),
        aiohttp.InvalidURL: (Fate.HOPELESS, NoReply.INVALID_URL),
        aiohttp.NonHttpUrlClientError: (Fate.HOPELESS, NoReply.INVALID_URL),
        aiohttp.ClientSSLError: (Fate.UNSENT, NoReply.TLS_FAILED),
        aiohttp.ClientConnectorDNSError: (Fate.UNSENT, NoReply.DNS_FAILED),
        aiohttp.ClientConnectorError: (Fate.UNSENT, NoReply.CONNECT_FAILED),
        aiohttp.ConnectionTimeoutError: (Fate.UNSENT, NoReply.CONNECT_TIMEOUT),
        aiohttp.ServerTimeoutError: (Fate.UNKNOWN, NoReply.TIMEOUT),
        aiohttp.ClientHttpProxyError: (Fate.UNSENT, NoReply.PROXY_REFUSED),
        aiohttp.ClientPayloadError: (Fate.UNKNOWN, NoReply.MALFORMED_REPLY),
        aiohttp.ClientResponseError: (Fate.UNKNOWN, NoReply.MALFORMED_REPLY),
        HttpProcessingError: (Fate.UNKNOWN, NoReply.MALFORMED_REPLY),
        aiohttp.ClientError: (Fate.UNKNOWN, NoReply.CONNECTION_LOST),
        TimeoutError: (Fate.UNKNOWN, NoReply.TIMEOUT),
        OSError: (Fate.UNKNOWN, NoReply.CONNECTION_LOST),
    }
)
"""Where several fit, the nearest base class decides; the last ones catch what is not known yet."""


LOSSES = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What a request may end with in place of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How an endpoint is reached."""

    endpoint: Endpoint
    base: str
    """What stands before every path: `https://host[:port]`."""
    proxy: str | None


class Wire:
    """The connections of one run, shared by all its clients."""

    def __init__(
        self, *, connector: Connector, clock: WireClock, env: Mapping[str, str], timeouts: Timeouts
    ) -> None:
        self.clock = clock
        self._connector = connector
        self._env = env
        self.timeouts = timeouts
        self._at_end = ExitStack()
        self._idle: list[Callable[[], object]] = []
        """What closes connections that wait for a request."""
        self._destinations: dict[tuple[str, str | None], Destination] = {}
        """Each address with its proxy, made once: a ClientRequest is dear."""
        self._tls: ssl.SSLContext | None = None
        self._probes: dict[Secret, KeyProbe] = {}
        self.echoes = Echoes(*passwords_in(env))
        """The secrets in force, which no text of any server is to repeat."""

    def key_probe(self, secret: Secret) -> KeyProbe:
        """Return the state of a secret that all clients of the run share."""
        return self._probes.setdefault(secret, KeyProbe())

    def route(self, endpoint: Endpoint) -> Route:
        """Return the way to an endpoint.

        Raises UsageError where the environment names an unusable proxy, and CannotRun where the certificates
        cannot be read; these take a while and are read only where TLS is on the way.
        """
        route = Route(endpoint=endpoint, base=str(endpoint), proxy=proxy_for(endpoint, self._env))
        self._tls_of(route)
        return route

    async def exchange(
        self,
        request: Request,
        route: Route,
        headers: Mapping[str, str],
        *,
        body_bytes_max: int,
        timeouts: Timeouts | None = None,
        send_by: float = inf,
        gives_secret: bool = False,
    ) -> Answer | Lost:
        """Send one request and return its answer, or how it was lost; no exception of the network leaves.

        It does not leave after `send_by`, by the clock `boottime`: from this look to the write nothing waits.
        What the answer repeats of the secrets in force is hidden, but where it succeeds and is itself to give
        a secret, which may be one that is in force already.
        """
        began, limits, has_left = self.clock.monotonic(), timeouts or self.timeouts, False
        content = on_the_wire(request, headers)
        try:
            async with asyncio.timeout(limits.total_s):
                connection = await self.connect(route, limits)
                if not self.clock.boottime() <= send_by:  # which a time that is no number never is
                    connection.release()
                    return _late(self._ms_since(began))
                has_left = True
                message, body = await exchange(
                    connection, content, read_s=limits.read_s, body_bytes_max=body_bytes_max
                )
        except LOSSES as error:
            return self.lost(error, began, headers, has_left=has_left)
        got = self.answer(message, body, began, body_bytes_max)
        is_secret = gives_secret and isinstance(got, Answer) and succeeded(got)
        return got if is_secret else self.without_echoes(got, headers)

    async def connect(self, route: Route, limits: Timeouts | None = None) -> Connection:
        """Return a connection from the pool or a new one; raise one of `LOSSES` where there is none."""
        connect_s = (limits or self.timeouts).connect_s
        return await connect(self._connector, self._destination(route), connect_s)

    def lost(self, error: BaseException, began: float, sent: Mapping[str, str], *, has_left: bool) -> Lost:
        """Return what an error means for a request that began then, with these headers."""
        why = _SSL_OBJECT.sub("", str(error)) or type(error).__name__
        for echoes in (self.echoes, Echoes(_signature(sent))):
            why = echoes.hide_in_text(why, is_refusal=True)
        lost = _lost(error, why, self._ms_since(began), has_left=has_left)
        if (
            lost.code is NoReply.LOCAL_LIMIT
        ):  # what waits for a next request takes the place of one that has one
            for close_idle in self._idle:
                close_idle()
        return lost

    def answer(
        self, message: RawResponseMessage, body: bytes | None, began: float, body_bytes_max: int
    ) -> Answer | Lost:
        """Return a reply to a request that began then; a body that was too large is None."""
        if body is None:
            return _too_large(body_bytes_max, self._ms_since(began))
        return Answer(
            http=message.code,
            headers=message.headers,
            body=body,
            ms=self._ms_since(began),
            now=self.clock.now(),
        )

    def without_echoes(self, got: Answer | Lost, sent: Mapping[str, str]) -> Answer | Lost:
        """Return an answer without what it repeats of the secrets in force and of the request's signature."""
        if isinstance(got, Lost):
            return got
        signature = _signature(sent)
        whole = "\n".join(got.headers.values()).encode(errors="replace") + b"\n" + got.body
        is_refusal, repeats_it = not succeeded(got), bool(signature) and signature.encode() in whole
        if not (is_refusal or repeats_it) and self.echoes.hide_in(whole) is whole:
            return got  # as nearly all are
        body, headers = got.body, got.headers
        for echoes in (self.echoes, Echoes(signature)):
            hide = partial(echoes.hide_in_text, is_refusal=is_refusal)
            body = echoes.hide_in_body(body, is_refusal=is_refusal)
            headers = CIMultiDict((name, hide(value)) for name, value in headers.items())
        return replace(got, body=body, headers=headers)

    def repeats(self, text: str, sent: Mapping[str, str]) -> bool:
        """Return whether a text repeats a secret in force, or the signature of the request."""
        signature, raw = _signature(sent), text.encode(errors="replace")
        return self.echoes.hide_in(raw) is not raw or (bool(signature) and signature in text)

    def at_end(self, close: Callable[[], object]) -> None:
        """Have something called before the connections of the run are closed."""
        self._at_end.callback(close)

    def when_crowded(self, close_idle: Callable[[], object]) -> None:
        """Have something called when this machine has no room for one more connection."""
        self._idle.append(close_idle)

    def close(self) -> None:
        """Close what is not the connector's."""
        self._at_end.close()

    def _destination(self, route: Route) -> Destination:
        way = route.base, route.proxy
        if (found := self._destinations.get(way)) is None:
            found = self._destinations[way] = destination(*way, self._tls_of(route))
        return found

    def _tls_of(self, route: Route) -> ssl.SSLContext | None:
        is_used = any(url.startswith("https:") for url in (route.base, route.proxy or ""))
        self._tls = self._tls or (_trust(self._env) if is_used else None)
        return self._tls

    def _ms_since(self, began: float) -> int:
        return round((self.clock.monotonic() - began) * 1000)


@asynccontextmanager
async def open_wire(
    *, clock: WireClock, env: Mapping[str, str], timeouts: Timeouts | None = None
) -> AsyncIterator[Wire]:
    """Open the connections of a run; leaving closes them.

    Of `env` it reads `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`. TLS is
    always verified; cookies are not kept.
    """
    connector = Connector(limit=0)
    async with connector:
        wire = Wire(connector=connector, clock=clock, env=env, timeouts=timeouts or Timeouts())
        try:
            yield wire
        finally:
            wire.close()


def on_the_wire(request: Request, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a request (RFC 9112, section 2.1)."""
    lines = [f"{request.method} {request.url_tail} HTTP/1.1", *map(": ".join, headers.items()), *_SAME]
    if request.body or request.method != "GET":
        lines.append(f"Content-Length: {len(request.body)}")
    lines += ("", "")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1:  # whatever enters is checked where it does: this is a bug
        raise ValueError("a header has a line end in it")
    return head.encode() + request.body


def _signature(headers: Mapping[str, str]) -> str:
    """Return the signature in the headers of a request; empty where it has none."""
    return headers.get("Authorization", "").rpartition("Signature=")[2]


def _lost(error: BaseException, why: str, ms: int, *, has_left: bool) -> Lost:
    fate, code = next(FATES[base] for base in type(error).__mro__ if base in FATES)
    if not has_left and is_short(error):
        fate, code = Fate.UNSENT, NoReply.LOCAL_LIMIT
    elif fate is Fate.UNKNOWN and not has_left:
        fate = Fate.UNSENT
        code = NoReply.CONNECT_TIMEOUT if code is NoReply.TIMEOUT else NoReply.CONNECT_FAILED
    return Lost(
        code=code,
        message=clean(why, MESSAGE_CHARS_MAX),
        ms=ms,
        sent=fate is Fate.UNKNOWN,
        hopeless=fate is Fate.HOPELESS,
    )


def _late(ms: int) -> Lost:
    return Lost(code=NoReply.LATE, message="it could not leave in time", ms=ms, sent=False)


def _too_large(body_bytes_max: int, ms: int) -> Lost:
    message = f"the reply has more than {body_bytes_max} bytes"
    return Lost(code=NoReply.REPLY_TOO_LARGE, message=message, ms=ms, sent=True)


def _trust(env: Mapping[str, str]) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(
            cafile=env.get("SSL_CERT_FILE") or None, capath=env.get("SSL_CERT_DIR") or None
        )
    except OSError as error:
        raise CannotRun(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {error}",
            hint="name a file of PEM certificates, or unset the variable",
        ) from None
