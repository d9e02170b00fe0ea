"""One request, one answer, and every way in which there is none."""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from math import inf, nan
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import aiohttp
import pytest

from bulk.errors import CannotRun, UsageError
from bulk.vpcep.codes import NoReply
from bulk.vpcep.flights import IDLE_S_MAX, Flights
from bulk.vpcep.regions import parse_endpoint
from bulk.vpcep.replies import Answer, Lost
from bulk.vpcep.requests import Request, Timeouts
from bulk.vpcep.wire import FATES, Fate, Route, Wire, open_wire
from tests.spellings import BASE64, SPELLINGS, parts_of

CERTIFICATE = Path(__file__).parent / "loopback.pem"
PUT = Request(method="PUT", path="/v1/a%2Fb", query="x=%7E&y=", body=b'{"ports":[]}')
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: r1\r\n\r\n{}"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Clock:
    """A clock on which each look at the stopwatch takes a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        """Return the wall clock."""
        return 1_768_465_800.0

    def monotonic(self) -> float:
        """Return the stopwatch."""
        self.seconds += 1
        return self.seconds

    def boottime(self) -> float:
        """Return the seconds of a machine that never sleeps."""
        return self.seconds


class Server:
    """Reads each request whole, keeps it, and lets `talk` answer it."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.requests: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk on one connection until the client goes or `talk` ends it."""
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.lower().splitlines() if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
                self.requests.append(head + body)
                await self._talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Server, str]]:
    """Run a server on loopback; give it and its address."""
    server = Server(talk)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield server, f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        listener.close()
        await listener.wait_closed()


def saying(reply: bytes, *, then_close: bool = False) -> Talk:
    """Return a talk that answers every request with these bytes."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()
        if then_close:
            writer.close()

    return talk


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close without an answer."""
    writer.close()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection without an answer."""
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def stay_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Answer nothing until the client goes."""
    await reader.read()
    raise ConnectionError


@asynccontextmanager
async def opened(env: Mapping[str, str] | None = None) -> AsyncIterator[Wire]:
    """Open a wire whose requests give up at once where nobody answers."""
    timeouts = Timeouts(connect_s=5.0, read_s=0.05, total_s=5.0)
    async with open_wire(clock=Clock(), env=env or {}, timeouts=timeouts) as wire:
        yield wire


class Sender:
    """One of the two ways in which a request leaves: in a task, or on a kept connection with a callback."""

    def __init__(self) -> None:
        self.flies = False
        self.flights: dict[Wire, dict[str, Flights]] = {}

    def flights_to(self, wire: Wire, url: str, body_bytes_max: int) -> Flights:
        """Return the connections that are kept to an address."""
        route = wire.route(parse_endpoint(url))
        return self.flights.setdefault(wire, {}).setdefault(url, Flights(wire, route, body_bytes_max))


SENDER = Sender()


@pytest.fixture(autouse=True, params=[False, True], ids=["task", "flight"])
def sender(request: pytest.FixtureRequest) -> None:
    """Let whatever is asked of one way be asked of the other."""
    SENDER.flies = request.param
    SENDER.flights.clear()


async def send(wire: Wire, url: str, *, request: Request = PUT, body_bytes_max: int = 1000) -> Answer | Lost:
    """Send one request to an address."""
    headers = {"Host": "here", "X-Proof": "p"}
    if not SENDER.flies:
        route = wire.route(parse_endpoint(url))
        return await wire.exchange(request, route, headers, body_bytes_max=body_bytes_max)
    came: asyncio.Future[Answer | Lost] = asyncio.get_running_loop().create_future()
    flights = SENDER.flights_to(wire, url, body_bytes_max)
    async with asyncio.TaskGroup() as group:
        flights.send(request, headers, came.set_result, group.create_task)
        return await came


async def outcome(talk: Talk, *, body_bytes_max: int = 1000) -> Answer | Lost:
    """Return what becomes of one PUT to a server that talks like this."""
    async with serving(talk) as (_, url), opened() as wire:
        return await send(wire, url, body_bytes_max=body_bytes_max)


async def test_answer_is_given_as_it_came() -> None:
    """Status, headers in any case, body, duration and the time of its arrival."""
    got = await outcome(saying(OK))
    assert isinstance(got, Answer)
    assert (got.http, got.headers["x-request-id"], got.body) == (200, "r1", b"{}")
    assert (got.ms, got.now) == (1000, 1_768_465_800.0)


async def test_request_leaves_byte_for_byte_as_it_was_signed() -> None:
    """Path, query and body are not encoded anew, and no header is added twice."""
    async with serving(saying(OK)) as (server, url), opened() as wire:
        await send(wire, url)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /v1/a%2Fb?x=%7E&y= HTTP/1.1"
    assert body == PUT.body
    names = [line.partition(b":")[0].lower() for line in lines[1:]]
    assert len(names) == len(set(names))
    assert b"Host: here" in lines
    assert b"Accept-Encoding: identity" in lines


async def test_connection_is_kept_for_the_next_request() -> None:
    """Ten requests need one connection."""
    async with serving(saying(OK)) as (server, url), opened() as wire:
        for _ in range(10):
            assert isinstance(await send(wire, url), Answer)
    assert (len(server.requests), server.connections) == (10, 1)


@pytest.mark.parametrize("talk", [hang_up, reset])
async def test_put_leaves_once_though_the_connection_breaks(talk: Talk) -> None:
    """Whether it was carried out is unknown; sending it again is not for the network to decide."""
    async with serving(talk) as (server, url), opened() as wire:
        got = await send(wire, url)
    assert isinstance(got, Lost)
    assert (got.code, got.sent, got.hopeless) == (NoReply.CONNECTION_LOST, True, False)
    assert len(server.requests) == 1


@pytest.mark.parametrize("talk", [hang_up, reset])
async def test_put_on_a_kept_connection_leaves_once_though_it_breaks(talk: Talk) -> None:
    """Here the library would send it a second time on its own."""
    answers = iter([saying(OK), talk])

    async def first_well_then_badly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(answers)(reader, writer)

    async with serving(first_well_then_badly) as (server, url), opened() as wire:
        first, second = await send(wire, url), await send(wire, url)
    assert isinstance(first, Answer)
    assert isinstance(second, Lost)
    assert second.sent
    assert (len(server.requests), server.connections) == (2, 1)


async def test_a_connection_that_waited_for_long_carries_no_request() -> None:
    """Servers close theirs after a minute or so; a request on its way then would leave a doubt."""
    SENDER.flies = True
    async with serving(saying(OK)) as (server, url), opened() as wire:
        for idle_s in (0.0, IDLE_S_MAX, 0.0):
            wire.clock.seconds += idle_s  # type: ignore[attr-defined]
            assert isinstance(await send(wire, url), Answer)
    assert (len(server.requests), server.connections) == (3, 2)


async def test_what_is_on_its_way_when_the_wire_is_closed_is_closed_with_it() -> None:
    """Nobody hears of it any more, and nothing is left open."""
    told: list[Answer | Lost] = []
    has_come = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        has_come.set()
        await stay_silent(reader, writer)

    async with serving(silent) as (_, url), opened() as wire, asyncio.TaskGroup() as group:
        SENDER.flights_to(wire, url, 1000).send(PUT, {}, told.append, group.create_task)
        await has_come.wait()
    assert told == []


async def send_by(wire: Wire, url: str, send_by: float) -> Answer | Lost:
    """Send one request, not after this moment."""
    route = wire.route(parse_endpoint(url))
    return await wire.exchange(PUT, route, {"Host": "here"}, body_bytes_max=1000, send_by=send_by)


async def test_nothing_leaves_after_its_time_and_the_connection_stays_usable() -> None:
    """Not one byte; at its last moment it leaves. Without a number as its time it never does."""
    async with serving(saying(OK)) as (server, url), opened() as wire:
        for seconds, leaves in (
            (1.0, True),
            (1.999, False),
            (-inf, False),
            (nan, False),
            (5.0, True),
            (inf, True),
        ):
            wire.clock.seconds = 0.0 if seconds == 1.0 else 1.0  # type: ignore[attr-defined]
            got = await send_by(wire, url, seconds)
            if leaves:
                assert isinstance(got, Answer)
            else:
                assert isinstance(got, Lost)
                assert (got.code, got.sent, got.hopeless) == (NoReply.LATE, False, False)
    assert (len(server.requests), server.connections) == (3, 1)


async def test_what_became_late_while_it_connected_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at once there is a connection, which the next request finds."""
    async with serving(saying(OK)) as (server, url), opened() as wire:
        clock, connect = wire.clock, wire.connect

        async def slowly(*args: Any) -> Any:
            connection = await connect(*args)
            clock.seconds += 4  # type: ignore[attr-defined]
            return connection

        with monkeypatch.context() as patch:
            patch.setattr(wire, "connect", slowly)
            got = await send_by(wire, url, clock.boottime() + 3)
        assert isinstance(got, Lost)
        assert (got.code, server.requests) == (NoReply.LATE, [])
        assert isinstance(await send_by(wire, url, clock.boottime() + 3), Answer)
    assert (len(server.requests), server.connections) == (1, 1)


async def test_late_reply_is_never_taken_for_that_of_the_next_request() -> None:
    """A connection that still owes a reply is closed with the request that waited for it."""
    owed = iter([b"first", b"second"])

    async def late_at_first(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        word = next(owed)
        if word == b"first":
            await asyncio.sleep(0.1)
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(word), word))
            await writer.drain()

    async with serving(late_at_first) as (server, url), opened() as wire:
        hasty = Timeouts(connect_s=5.0, read_s=5.0, total_s=0.05)
        route = wire.route(parse_endpoint(url))
        first = await wire.exchange(PUT, route, {"Host": "here"}, body_bytes_max=1000, timeouts=hasty)
        second = await send(wire, url)
    assert isinstance(first, Lost)
    assert (first.code, first.sent) == (NoReply.TIMEOUT, True)
    assert isinstance(second, Answer)
    assert second.body == b"second"
    assert server.connections == 2


async def test_a_reply_that_nobody_asked_for_answers_no_request() -> None:
    """What comes on an idle connection would be taken for the answer to the next request."""
    replies = iter([OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray", OK])

    async def twice_at_first(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(replies))
        await writer.drain()

    async with serving(twice_at_first) as (server, url), opened() as wire:
        for _ in range(2):
            got = await send(wire, url)
            assert isinstance(got, Answer)
            assert got.body == b"{}"
    assert server.connections == 2


async def test_interim_answer_is_passed_over() -> None:
    """`103 Early Hints` is no answer; the one that follows is."""
    got = await outcome(saying(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK))
    assert isinstance(got, Answer)
    assert (got.http, got.body) == (200, b"{}")


async def test_time_out_before_a_connection_stands_is_lost_before_sending() -> None:
    """What never left may be sent again without a look."""
    async with opened() as wire:
        route = wire.route(parse_endpoint("https://127.0.0.1:1"))
        at_once = Timeouts(connect_s=5.0, read_s=5.0, total_s=0.0)
        got = await wire.exchange(PUT, route, {"Host": "here"}, body_bytes_max=1000, timeouts=at_once)
    assert isinstance(got, Lost)
    assert (got.code, got.sent) == (NoReply.CONNECT_TIMEOUT, False)


async def test_silence_is_a_timeout_after_sending() -> None:
    """The request may have been carried out."""
    got = await outcome(stay_silent)
    assert isinstance(got, Lost)
    assert (got.code, got.sent) == (NoReply.TIMEOUT, True)
    assert got.message


@pytest.mark.parametrize(
    "reply",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_malformed_or_truncated_reply_is_lost_after_sending(reply: bytes) -> None:
    """Something answered, so something may have happened."""
    got = await outcome(saying(reply, then_close=True))
    assert isinstance(got, Lost)
    assert (got.code, got.sent) == (NoReply.MALFORMED_REPLY, True)


async def test_reply_may_end_with_the_connection() -> None:
    """Old proxies do without a length."""
    got = await outcome(saying(b"HTTP/1.1 200 OK\r\n\r\n{}", then_close=True))
    assert isinstance(got, Answer)
    assert got.body == b"{}"


@pytest.mark.parametrize("size", [1001, 300_000])
async def test_too_large_reply_is_lost_after_sending(size: int) -> None:
    """Memory is bounded whatever the server sends."""
    got = await outcome(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size))
    assert isinstance(got, Lost)
    assert (got.code, got.sent) == (NoReply.REPLY_TOO_LARGE, True)


async def test_reply_in_many_pieces_is_put_together() -> None:
    """A page of a thousand services comes in hundreds of pieces."""
    size = 300_000
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    got = await outcome(saying(reply), body_bytes_max=size)
    assert isinstance(got, Answer)
    assert len(got.body) == size


async def test_reply_with_a_long_header_is_read() -> None:
    """IAM's token is one."""
    got = await outcome(saying(b"HTTP/1.1 200 OK\r\nX-T: %b\r\nContent-Length: 0\r\n\r\n" % (b"t" * 20_000)))
    assert isinstance(got, Answer)
    assert len(got.headers["X-T"]) == 20_000


async def test_redirect_is_an_answer_and_is_not_followed() -> None:
    """The signature would go to whoever is named there."""
    reply = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with serving(saying(reply)) as (server, url), opened() as wire:
        got = await send(wire, url)
    assert isinstance(got, Answer)
    assert got.http == 302
    assert len(server.requests) == 1


async def test_cookies_are_not_kept() -> None:
    """One row's reply never changes another row's request."""
    reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with serving(saying(reply)) as (server, url), opened() as wire:
        for _ in range(2):
            await send(wire, url.replace("127.0.0.1", "localhost"))
    assert len(server.requests) == 2
    assert not any(b"cookie" in request.lower() for request in server.requests)


async def test_nobody_listening_is_lost_before_sending() -> None:
    """It is safe to try again."""
    async with serving(hang_up) as (_, url):
        pass
    async with opened() as wire:
        got = await send(wire, url)
    assert isinstance(got, Lost)
    assert (got.code, got.sent, got.hopeless) == (NoReply.CONNECT_FAILED, False, False)
    assert "ssl:" not in got.message  # which aiohttp says of plain HTTP as well


def tls() -> ssl.SSLContext:
    """Return a server's side of TLS for 127.0.0.1 under a certificate that nobody knows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_unknown_certificate_is_hopeless() -> None:
    """TLS is always verified, and no other request would fare better."""
    async with serving(saying(OK), tls=tls()) as (server, url), opened() as wire:
        got = await send(wire, url)
    assert isinstance(got, Lost)
    assert (got.code, got.sent, got.hopeless) == (NoReply.CERTIFICATE_REFUSED, False, True)
    assert "127.0.0.1" in got.message
    assert "ssl:" not in got.message
    assert not server.requests


async def test_certificate_named_by_the_environment_is_trusted() -> None:
    """A private authority needs no code."""
    env = {"SSL_CERT_FILE": str(CERTIFICATE)}
    async with serving(saying(OK), tls=tls()) as (_, url), opened(env) as wire:
        assert isinstance(await send(wire, url), Answer)


async def test_broken_handshake_is_lost_before_sending() -> None:
    """Nothing has left while TLS is not agreed on."""

    async def no_handshake(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"no TLS here\r\n")
        writer.close()

    listener = await asyncio.start_server(no_handshake, "127.0.0.1", 0)
    async with listener, opened() as wire:
        got = await send(wire, f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    assert isinstance(got, Lost)
    assert (got.code, got.sent) == (NoReply.TLS_FAILED, False)


@pytest.mark.parametrize("content", [None, "nonsense"])
async def test_certificates_that_cannot_be_read_are_told(tmp_path: Path, content: str | None) -> None:
    """The message names the variable."""
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    async with opened({"SSL_CERT_FILE": str(path)}) as wire:
        with pytest.raises(CannotRun, match="SSL_CERT_FILE"):
            wire.route(parse_endpoint("https://a.example"))


async def test_certificates_are_read_only_where_tls_is_on_the_way(tmp_path: Path) -> None:
    """A simulator on this machine needs none; a proxy that is reached by TLS does."""
    env = {"SSL_CERT_FILE": str(tmp_path / "nothing.pem")}
    async with serving(saying(OK)) as (_, url), opened(env) as wire:
        assert isinstance(await send(wire, url), Answer)
    async with opened(env | {"HTTPS_PROXY": "https://p:3128"}) as wire:
        with pytest.raises(CannotRun, match="SSL_CERT_FILE"):
            wire.route(parse_endpoint("https://a.example"))


async def test_proxy_is_taken_from_the_environment() -> None:
    """Which one for which host: `tests/unit/test_proxies.py`."""
    async with opened({"HTTPS_PROXY": "p:3128", "NO_PROXY": "b.example"}) as wire:
        assert wire.route(parse_endpoint("https://a.example")).proxy == "http://p:3128"
        assert wire.route(parse_endpoint("https://b.example")).proxy is None


@asynccontextmanager
async def tunnelling() -> AsyncIterator[tuple[list[bytes], str]]:
    """Run a proxy that opens a tunnel to wherever it is asked; give what it was asked, and its address."""
    asked: list[bytes] = []

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        host, port = head.split(b" ")[1].decode().split(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        async with asyncio.TaskGroup() as both_ways:
            both_ways.create_task(pass_on(reader, far_writer))
            both_ways.create_task(pass_on(far_reader, writer))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield asked, f"http://user:word@127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def test_requests_go_through_a_proxy_and_keep_their_tunnel() -> None:
    """It is asked once, with its password, and sees nothing of what is sent: TLS reaches to the end."""
    async with (
        serving(saying(OK), tls=tls()) as (server, url),
        tunnelling() as (asked, proxy),
        opened({"SSL_CERT_FILE": str(CERTIFICATE)}) as wire,
    ):
        route = Route(endpoint=parse_endpoint(url), base=url, proxy=proxy)
        for _ in range(2):
            got = await wire.exchange(PUT, route, {"Host": "here", "X-Proof": "p"}, body_bytes_max=1000)
            assert isinstance(got, Answer), got
    assert len(server.requests) == 2
    [tunnel] = asked
    assert tunnel.startswith(f"CONNECT {url.removeprefix('https://')} ".encode())
    assert b"Proxy-Authorization: Basic " in tunnel
    assert b"X-Proof" not in tunnel
    assert b"Proxy-Authorization" not in server.requests[0]


async def test_a_reply_without_a_body_is_one() -> None:
    """204 has none, whatever it says about its length; the connection is kept."""
    async with serving(saying(b"HTTP/1.1 204 No Content\r\n\r\n")) as (server, url), opened() as wire:
        for _ in range(2):
            got = await send(wire, url)
            assert isinstance(got, Answer)
            assert (got.http, got.body) == (204, b"")
    assert server.connections == 1


async def test_a_server_that_closes_after_each_reply_costs_no_request() -> None:
    """`Connection: close` is heeded: the next request has a connection of its own."""
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    async with serving(saying(reply, then_close=True)) as (server, url), opened() as wire:
        for _ in range(3):
            assert isinstance(await send(wire, url), Answer)
    assert (len(server.requests), server.connections) == (3, 3)


async def test_proxy_that_refuses_is_lost_before_sending() -> None:
    """And its password is not in the message."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with serving(saying(refusal, then_close=True)) as (server, url):
        proxy = url.replace("http://", "http://user:hidden@")
        async with opened({"HTTPS_PROXY": proxy}) as wire:
            got = await send(wire, "https://a.example")
    assert isinstance(got, Lost)
    assert (got.code, got.sent) == (NoReply.PROXY_REFUSED, False)
    assert "hidden" not in got.message
    assert server.requests[0].startswith(b"CONNECT a.example:443 ")


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:hidden-word@127.0.0.1:1",
        "user:hidden-word@127.0.0.1:1",
        "https://:hidden-word@127.0.0.1:1",
        "socks5://user:hidden-word@127.0.0.1:1",
        "http://user:hidden/word@127.0.0.1:1",
        "http://user:hidden@word@127.0.0.1:1",
        "http://user:hidden word@127.0.0.1:port",
        "http://user:hidden?word@127.0.0.1:1",
        "http://user:hidden%2Fword@127.0.0.1:99999",
        "http://hidden-word@127.0.0.1:port",
        "http://user:hidden-word@",
        "://user:hidden-word@x",
    ],
)
async def test_a_password_in_a_proxys_address_is_in_no_message(proxy: str) -> None:
    """However the address is broken, and whether or not somebody listens there."""
    async with opened({"HTTPS_PROXY": proxy}) as wire:
        try:
            got = await send(wire, "https://a.example")
        except UsageError as error:
            message = f"{error.message}, {error.hint}"
        else:
            assert isinstance(got, Lost)
            assert not got.sent
            message = got.message
    assert "hidden" not in message
    assert "word" not in message


@pytest.mark.parametrize("word", ["hidden-word", "dXNlcjpoaWRkZW4td29yZA==", "hidden%2Dword"])
async def test_a_proxy_that_repeats_its_password_is_not_quoted(word: str) -> None:
    """The reason phrase of a refusal is the proxy's own text."""
    refusal = f"HTTP/1.1 407 I dislike {word}\r\nContent-Length: 0\r\n\r\n".encode()
    async with serving(saying(refusal, then_close=True)) as (_, url):
        proxy = url.replace("http://", "http://user:hidden-word@")
        async with opened({"HTTPS_PROXY": proxy}) as wire:
            got = await send(wire, "https://a.example")
    assert isinstance(got, Lost)
    assert "I dislike [redacted]" in got.message


SECRET = "q+W/e=R.t-Y_u1I2o3P4a5S6d7F8g9H0j1K2l3"


@pytest.mark.parametrize("http", [200, 400])
@pytest.mark.parametrize("spelling", [*SPELLINGS, *BASE64])
async def test_a_secret_in_force_is_in_no_answer(spelling: str, http: int) -> None:
    """Neither in its body nor in a header, whether it succeeds or not; the rest is as it came."""
    echo = {**SPELLINGS, **BASE64}[spelling](SECRET)
    body = f'{{"note":"{echo}"}}'.encode()
    fields = f"X-Request-Id: a {echo}\r\nRetry-After: 3\r\nContent-Length: {len(body)}\r\n\r\n"
    head = f"HTTP/1.1 {http} X\r\n{fields}"
    async with serving(saying(head.encode() + body)) as (_, url), opened() as wire:
        wire.echoes.add(SECRET)
        got = await send(wire, url)
    assert isinstance(got, Answer)
    assert got.headers["retry-after"] == "3"
    for text in (got.body.decode(), *got.headers.values()):
        assert not [part for part in parts_of(SECRET) if part in text.lower()]
    assert b"[redacted]" in got.body
    assert "[redacted]" in got.headers["X-Request-Id"]


@pytest.mark.parametrize("http", [200, 400])
@pytest.mark.parametrize("where", ["body", "header"])
async def test_the_signature_of_a_request_is_not_in_its_answer(where: str, http: int) -> None:
    """For 15 minutes whoever has it could send the request again."""
    signature = "0123456789abcdef" * 4
    body, header = (signature, "id") if where == "body" else ("", signature)
    reply = f"HTTP/1.1 {http} X\r\nX-Request-Id: {header}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    async with serving(saying(reply.encode())) as (_, url), opened() as wire:
        headers = {"Authorization": f"SDK-HMAC-SHA256 Access=a, Signature={signature}"}
        got = await wire.exchange(PUT, wire.route(parse_endpoint(url)), headers, body_bytes_max=1000)
    assert isinstance(got, Answer)
    assert signature[:16] not in got.body.decode() + got.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "reply",
    [
        "HTTP/1.1 200 X\r\n{}\x01: y\r\n\r\n",
        "HTTP/1.1 {} X\r\n\r\n",
        "{}\r\n\r\n",
        "HTTP/1.1 200 X\r\n{}\r\n\r\n",
    ],
)
async def test_a_broken_reply_is_not_quoted_with_its_secrets(reply: str) -> None:
    """The message about it has a piece of it."""
    signature = "0123456789abcdef" * 4
    said = reply.format(f"{SECRET} {signature}").encode()
    async with serving(saying(said, then_close=True)) as (_, url), opened() as wire:
        wire.echoes.add(SECRET)
        headers = {"Authorization": f"SDK-HMAC-SHA256 Access=a, Signature={signature}"}
        got = await wire.exchange(PUT, wire.route(parse_endpoint(url)), headers, body_bytes_max=1000)
    assert isinstance(got, Lost)
    assert got.code is NoReply.MALFORMED_REPLY
    assert not [part for part in parts_of(SECRET) | parts_of(signature) if part in got.message.lower()]


BEFORE, AFTER, NEVER = Fate.UNSENT, Fate.UNKNOWN, Fate.HOPELESS
EXPECTED = {
    "ClientConnectionError": AFTER,
    "ClientConnectionResetError": AFTER,
    "ClientConnectorCertificateError": NEVER,
    "ClientConnectorDNSError": BEFORE,
    "ClientConnectorError": BEFORE,
    "ClientConnectorSSLError": BEFORE,
    "ClientError": AFTER,
    "ClientHttpProxyError": BEFORE,
    "ClientOSError": AFTER,
    "ClientPayloadError": AFTER,
    "ClientProxyConnectionError": BEFORE,
    "ClientResponseError": AFTER,
    "ClientSSLError": BEFORE,
    "ConnectionTimeoutError": BEFORE,
    "ContentTypeError": AFTER,
    "InvalidURL": NEVER,
    "InvalidUrlClientError": NEVER,
    "InvalidUrlRedirectClientError": AFTER,
    "NonHttpUrlClientError": NEVER,
    "NonHttpUrlRedirectClientError": AFTER,
    "RedirectClientError": AFTER,
    "ServerConnectionError": AFTER,
    "ServerDisconnectedError": AFTER,
    "ServerFingerprintMismatch": NEVER,
    "ServerTimeoutError": AFTER,
    "SocketTimeoutError": AFTER,
    "TooManyRedirects": AFTER,
    "UnixClientConnectorError": BEFORE,
    "UploadAbortedError": AFTER,
    "WSServerHandshakeError": AFTER,
}
"""Decided by hand: whether the request had left when the library raises this."""


def kinds(base: type[BaseException]) -> set[type[BaseException]]:
    """Return a class with all its subclasses."""
    return {base}.union(*(kinds(kind) for kind in base.__subclasses__()))


@pytest.mark.parametrize(
    "kind",
    sorted(
        (kind for kind in kinds(aiohttp.ClientError) if kind.__module__.startswith("aiohttp.")),
        key=str,
    ),
    ids=lambda kind: kind.__name__,
)
def test_every_exception_of_the_library_has_its_fate(kind: type[BaseException]) -> None:
    """A class that a new release brings fails here until somebody has decided about it."""
    fate, _ = next(FATES[base] for base in kind.__mro__ if base in FATES)
    assert fate is EXPECTED[kind.__name__]


@pytest.mark.parametrize("kind", [TimeoutError, OSError, ConnectionResetError, ssl.SSLError, BrokenPipeError])
def test_exception_of_the_system_leaves_a_doubt(kind: type[BaseException]) -> None:
    """What nobody can place is taken for sent."""
    fate, _ = next(FATES[base] for base in kind.__mro__ if base in FATES)
    assert fate is Fate.UNKNOWN
