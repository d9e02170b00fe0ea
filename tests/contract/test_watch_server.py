"""The server of `bulk watch --serve`: whom it answers, with what, and whom it drops."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector

from bulk.app import watch_server
from bulk.app.watch_server import Address, Resource, WatchServer, address_of, may_ask, serving
from bulk.errors import CannotRun, UsageError

HERE = Address(host="127.0.0.1", port=0)
PAGE = Resource(body=b"<p>page</p>", content_type="text/html", policy="default-src 'none'; script-src 'x'")
RESOURCES = {
    "/": lambda: PAGE,
    "/status.json": lambda: Resource(body=b'{"rows":1}', content_type="application/json"),
}


@asynccontextmanager
async def served(address: Address = HERE, **how: object) -> AsyncIterator[tuple[WatchServer, Address]]:
    """Serve a page while the block runs."""
    server = WatchServer(RESOURCES, **how)  # type: ignore[arg-type]
    server.publish(7, b'{"done":1}')
    async with serving(server, address) as at:
        yield server, at


async def ask(at: Address, request: str) -> str:
    """Return the answer to a request that is written as it stands, with the connection closed behind it."""
    reader, writer = await asyncio.open_connection(at.host, at.port)
    writer.write(request.replace("\n", "\r\n").encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer.decode()


def get(path: str, host: str = "localhost", method: str = "GET", *more: str) -> str:
    """Return a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *more]
    return "\n".join([*lines, "", ""])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8765", Address(host="127.0.0.1", port=8765)),
        ("localhost:0", Address(host="127.0.0.1", port=0)),
        ("127.0.0.9:80", Address(host="127.0.0.9", port=80)),
        ("[::1]:80", Address(host="::1", port=80)),
        ("unix:/run/bulk/watch.sock", Address(path="/run/bulk/watch.sock")),
        ("unix:a b", Address(path="a b")),
    ],
)
def test_an_address_of_this_machine_alone_is_taken(text: str, address: Address) -> None:
    """A port, a loopback address with one, or the path of a socket."""
    assert address_of(text) == address


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:80", "[::]:80", ":::80", "10.0.0.1:80", "example.com:80", "*:80", "localhost.evil.example:80"],
)
def test_an_address_that_others_reach_is_refused_and_the_way_is_named(text: str) -> None:
    """Whatever it is: others come by `ssh -L`."""
    with pytest.raises(UsageError, match="is not this machine alone") as refused:
        address_of(text)
    assert "ssh -L 8765:127.0.0.1:8765 HOST" in refused.value.hint


@pytest.mark.parametrize("text", ["", "port", "65536", "-1", "٣", "localhost:", "unix:", "xunix:/a"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError, match="is no address"):
        address_of(text)


def test_an_address_is_shown_as_it_is_opened() -> None:
    """Also one of IPv6."""
    shown = [str(address_of(text)) for text in ("80", "[::1]:80", "unix:a")]
    assert shown == ["http://127.0.0.1:80/", "http://[::1]:80/", "unix:a"]


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("localhost", True), ("LOCALHOST:8765", True), ("localhost.", True), ("127.0.0.1:80", True),
        ("127.9.9.9", True), ("[::1]", True), ("[::1]:80", True), ("watch.example.com", True),
        ("Watch.Example.com.:443", True), ("evil.example", False), ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False), ("10.0.0.1", False), ("[::ffff:10.0.0.1]", False),
        ("0.0.0.0", False),  # noqa: S104 - it is refused
        ("[fe80::1]:80", False), ("", False), ("[", False), ("[]", False), ("::1", False),
    ],
)  # fmt: skip
def test_a_host_header_must_name_this_machine_or_be_allowed(host: str, may: bool) -> None:  # noqa: FBT001
    """A page elsewhere reaches this machine by a name of its own (DNS rebinding)."""
    assert may_ask([host], ["watch.example.com"]) is may


def test_no_host_header_or_two_are_no_name() -> None:
    """What a proxy in between made of them is not known."""
    assert not may_ask([], [])
    assert not may_ask(["localhost", "localhost"], [])


async def test_a_rebound_name_gets_nothing_and_an_allowed_one_the_page() -> None:
    """Of no path."""
    async with served(names=["proxy.example"]) as (_, at):
        for path in ("/", "/events", "/status.json", "/nothing"):
            answer = await ask(at, get(path, host="evil.example"))
            assert answer.startswith("HTTP/1.1 421 ")
            assert "page" not in answer
        answer = await ask(at, "GET / HTTP/1.1\nConnection: close\n\n")
        assert answer.startswith("HTTP/1.0 400 ")
        assert (await ask(at, get("/", host="proxy.example"))).startswith("HTTP/1.1 200 ")


async def test_it_can_only_be_read() -> None:
    """GET and HEAD; every other method is refused, with those that are allowed."""
    async with served() as (_, at):
        for path in ("/", "/events", "/status.json"):
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"):
                answer = await ask(at, get(path, "localhost", method, "Content-Length: 0"))
                assert answer.startswith(("HTTP/1.1 405 ", "HTTP/1.0 400 ")), answer
                assert "page" not in answer
            answer = await ask(at, get(path, method="HEAD"))
            assert answer.startswith("HTTP/1.1 200 ")
            assert answer.endswith("\r\n\r\n")
        assert "Allow: GET, HEAD" in await ask(at, get("/", method="POST"))
        for path in ("/metrics", "/../etc/passwd", "//", "/%2e%2e/x", "http://localhost/"):
            assert (await ask(at, get(path))).startswith("HTTP/1.1 404 "), path


async def test_every_answer_says_that_nothing_of_it_is_kept_guessed_or_framed() -> None:
    """The page has a policy of its own; an error has none to run anything."""
    async with served() as (_, at):
        for path in ("/", "/status.json", "/nothing", "/events"):
            answer = await ask(at, get(path, method="HEAD"))
            assert "Cache-Control: no-store" in answer
            assert "X-Content-Type-Options: nosniff" in answer
        assert "script-src 'x'" in await ask(at, get("/?a=b"))
        assert "Content-Security-Policy: default-src 'none'; frame-ancestors" in await ask(
            at, get("/nothing")
        )


async def event(reader: asyncio.StreamReader) -> list[bytes]:
    """Return the lines of the next event, without the framing of the transfer."""
    found = b""
    while b"\n\n" not in found:
        found += await asyncio.wait_for(reader.readuntil(b"\n"), 10)
    return [line for line in found.split(b"\n") if line.startswith((b"id:", b"data:"))]


async def watching(at: Address, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection that has asked for events."""
    reader, writer = await asyncio.open_connection(at.host, at.port)
    writer.write(get("/events", "localhost", "GET", *headers).replace("\n", "\r\n").encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_whoever_connects_again_has_missed_nothing() -> None:
    """The first event is the latest view, whole, whatever was seen last; then each as it comes."""
    async with served() as (server, at):
        reader, writer = await watching(at)
        assert await event(reader) == [b"id: 7", b'data: {"done":1}']
        writer.close()
        for n in range(8, 12):
            server.publish(n, b'{"done":%d}' % (n - 6))
        reader, writer = await watching(at, "Last-Event-ID: 7")
        assert await event(reader) == [b"id: 11", b'data: {"done":5}']
        server.publish(12, b'{"done":6}')
        assert await event(reader) == [b"id: 12", b'data: {"done":6}']
        writer.close()


async def test_fifty_viewers_get_the_same_bytes() -> None:
    """What is published is made once."""
    async with served() as (server, at):
        viewers = [await watching(at) for _ in range(50)]
        assert server.viewers == 50
        for reader, _ in viewers:
            assert await event(reader) == [b"id: 7", b'data: {"done":1}']
        server.publish(8, b'{"done":2}')
        for reader, writer in viewers:
            assert await event(reader) == [b"id: 8", b'data: {"done":2}']
            writer.close()


async def test_a_viewer_that_does_not_read_is_dropped_and_the_others_go_on() -> None:
    """It is not waited for, and what it does not take is not kept for it."""
    async with served(slow_s=0.2) as (server, at):
        reader, writer = await watching(at)
        slow = socket.create_connection((at.host, at.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(get("/events").replace("\n", "\r\n").encode())
        big = b'"' + b"x" * 1_000_000 + b'"'
        await event(reader)
        for n in range(8, 40):
            server.publish(n, big)
            assert (await event_of(reader))[0] == b"id: %d" % n
            if server.viewers == 1:
                break
        else:
            while server.viewers > 1:  # noqa: ASYNC110 - it ends by itself
                await asyncio.sleep(0.01)
        slow.close()
        server.publish(50, b"{}")
        assert await event(reader) == [b"id: 50", b"data: {}"]
        writer.close()


async def event_of(reader: asyncio.StreamReader) -> list[bytes]:
    """Return the id of the next event, which is long, once all of it has come."""
    found = b""
    while b"\n\n" not in found[-8:].replace(b"\r\n", b""):
        found += await asyncio.wait_for(reader.read(1_000_000), 10)
        if found.endswith(b'"\n\n\r\n'):
            break
    return [line for line in found.split(b"\n") if line.startswith(b"id:")]


async def test_viewers_and_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told so, or not answered; those before it stay."""
    monkeypatch.setattr(watch_server, "VIEWERS_MAX", 2)
    monkeypatch.setattr(watch_server, "CONNECTIONS_MAX", 3)
    async with served() as (server, at):
        viewers = [await watching(at) for _ in range(2)]
        assert (await ask(at, get("/events"))).startswith("HTTP/1.1 503 ")
        idle = await asyncio.open_connection(at.host, at.port)
        await asyncio.sleep(0)
        assert await ask(at, get("/")) == ""
        assert server.viewers == 2
        for _, writer in (*viewers, idle):
            writer.close()


async def test_a_socket_in_a_folder_is_this_users_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    """One that a killed server left is taken over; anything else there stays and is named."""
    path = tmp_path / "watch.sock"
    async with served(Address(path=str(path))) as (_, at):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with ClientSession(connector=UnixConnector(str(path))) as session:
            async with session.get("http://localhost/status.json") as answer:
                assert (answer.status, await answer.json()) == (200, {"rows": 1})
            async with session.get("http://evil.example/status.json") as answer:
                assert answer.status == 421
        with pytest.raises(UsageError, match="somebody serves there already"):
            async with served(at):
                pass
    assert not path.exists()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    async with served(Address(path=str(path))):
        pass
    path.write_text("mine")
    with pytest.raises(UsageError, match="no socket of yours"):
        async with served(Address(path=str(path))):
            pass
    assert path.read_text() == "mine"
    with pytest.raises(CannotRun, match="cannot be served") as long:
        async with served(Address(path=str(tmp_path / ("x" * 200)))):
            pass
    assert long.value.hint == "choose another path"


async def test_a_port_that_is_taken_is_named() -> None:
    """With what to do."""
    async with served() as (_, at):
        with pytest.raises(CannotRun, match=f":{at.port}/ cannot be served: Address already in use"):
            async with served(at):
                pass


async def test_the_end_of_the_server_ends_every_stream() -> None:
    """At once: nobody waits for a viewer."""
    async with served() as (_, at):
        reader, writer = await watching(at)
        await event(reader)
    assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"0\r\n\r\n")
    writer.close()


async def test_the_loopback_of_ipv6_is_served() -> None:
    """Where this machine has one."""
    try:
        async with served(Address(host="::1", port=0)) as (_, at):
            assert (await ask(at, get("/", host=f"[::1]:{at.port}"))).startswith("HTTP/1.1 200 ")
    except CannotRun:
        pytest.skip("no IPv6 here")
