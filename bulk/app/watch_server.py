"""The page of `bulk watch --serve`, and what it is made of: read-only, on this machine alone.

Whoever can reach a port of this machine may read it, so nothing is served to others: TLS and log-in are those
of `ssh -L`, `kubectl port-forward` or a reverse proxy. A page elsewhere that a browser here has open may ask
this machine under a name of its own (DNS rebinding), so the Host header must be a name of this machine.

Each event is the whole view, and its id is the number of the ledger's last record: a browser that connects
again has missed nothing. All viewers get the same bytes; one that does not take them is dropped.
"""

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from bulk.errors import CannotRun, UsageError
from bulk.reports.as_html import watch_page
from bulk.reports.as_prom import render, samples

if TYPE_CHECKING:
    from bulk.app.watching import Seen

VIEWERS_MAX = 200
CONNECTIONS_MAX = 400
SLOW_S = 10.0
"""How long a viewer may take for one event."""
KEPT_S, CLOSING_S = 15.0, 1.0
"""How long a connection without a request is kept, and how long the end of the server takes."""
_SOCKET_MODE = 0o600
_PORT_MAX = 65_535
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The text format of Prometheus."""
_LOOPBACK = "127.0.0.1"
_REACH = (
    "it is served to this machine alone: with `--serve 8765` here, "
    "`ssh -L 8765:127.0.0.1:8765 HOST` there shows it at http://127.0.0.1:8765/"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LOG = logging.getLogger("bulk.watch")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False  # what a stranger sends is no trouble of ours
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page is served: a port of a loopback address, or a socket in a folder."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        """Return what to open, or to name to `curl --unix-socket`."""
        if self.path:
            return f"unix:{self.path}"
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


def address_of(text: str) -> Address:
    """Return the address that `[HOST:]PORT` or `unix:PATH` is; raise UsageError for one that others reach."""
    kind, colon, path = text.partition("unix:")
    if not kind and colon and path:
        return Address(path=path)
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) <= _PORT_MAX):
        raise UsageError(
            f"--serve {text!r} is no address", hint="write a port, such as 8765, or unix:PATH of a new socket"
        )
    name = host.removeprefix("[").removesuffix("]")
    if name and not is_loopback(name):
        raise UsageError(f"--serve {text!r}: {name} is not this machine alone", hint=_REACH)
    return Address(host=_LOOPBACK if name in {"", "localhost"} else name, port=int(port))


def is_loopback(name: str) -> bool:
    """Return whether a name or an address means this machine, without asking anybody."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def may_ask(hosts: Collection[str], names: Collection[str]) -> bool:
    """Return whether the Host headers of a request are one, of this machine or one of these names."""
    if len(hosts) != 1:
        return False
    [host] = hosts
    literal, bracket, _ = host.removeprefix("[").partition("]")
    name = literal if bracket and host.startswith("[") else host.partition(":")[0]
    name = name.lower().removesuffix(".")
    return is_loopback(name) or name in {each.lower().removesuffix(".") for each in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What a path of the server holds now."""

    body: bytes
    content_type: str
    policy: str = _NO_PAGE


class WatchServer:
    """Serves what `publish` was given last, and an event for each time."""

    def __init__(
        self,
        resources: dict[str, Callable[[], Resource]],
        *,
        names: Collection[str] = (),
        slow_s: float = SLOW_S,
    ) -> None:
        """Take what each path holds when it is asked, and the names by which a proxy may ask."""
        self._resources = resources
        self._names = names
        self._slow_s = slow_s
        self._event = b""
        self._published = asyncio.Event()
        self._closing = False
        self.viewers = 0
        """How many have the stream of events open."""

    def publish(self, n: int, view: bytes) -> None:
        """Send a view, JSON on one line, to everybody who looks on; `n` is the last record of the ledger."""
        self._event = b"id: %d\ndata: %b\n\n" % (n, view)
        self._wake()

    def close(self) -> None:
        """End all streams."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        published, self._published = self._published, asyncio.Event()
        published.set()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if not may_ask(request.headers.getall("Host", []), self._names):
            words = "the Host header names another machine; a proxy's name is allowed by --host-name"
            return _plain(web.HTTPMisdirectedRequest.status_code, words)
        path = request.raw_path.partition("?")[0]
        if path != "/events" and path not in self._resources:
            return _plain(404, f"there are {', '.join(['/events', *self._resources])}")
        if request.method not in {"GET", "HEAD"}:
            response = _plain(405, "it can only be read")
            response.headers["Allow"] = "GET, HEAD"
            return response
        if path == "/events":
            return await self._stream(request)
        found = self._resources[path]()
        return web.Response(
            body=found.body,
            headers=_HEADERS | {"Content-Type": found.content_type, "Content-Security-Policy": found.policy},
        )

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = _HEADERS | {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return web.Response(headers=headers)
        if self.viewers >= VIEWERS_MAX:
            return _plain(503, f"{VIEWERS_MAX} look on already")
        response = web.StreamResponse(headers=headers)
        self.viewers += 1
        try:
            await response.prepare(request)
            await self._send(response)
        except TimeoutError:
            if request.transport:
                request.transport.abort()
        except ConnectionError:
            pass
        finally:
            self.viewers -= 1
        return response

    async def _send(self, response: web.StreamResponse) -> None:
        """Send the latest event, and each later one; raise TimeoutError where the viewer takes none."""
        while not self._closing:
            event, published = self._event, self._published
            async with asyncio.timeout(self._slow_s):
                await response.write(event)
            await published.wait()


class Published:
    """The run as the server shows it: what was seen last, for everybody."""

    def __init__(self, names: Collection[str], *, has_metrics: bool) -> None:
        """Take the names by which a proxy may ask, and whether what writes metrics is installed."""
        page, policy = watch_page()
        fixed = Resource(body=page.encode(), content_type="text/html; charset=utf-8", policy=policy)
        resources = {"/": lambda: fixed, "/status.json": self._status}
        metrics = {"/metrics": self._metrics} if has_metrics else {}
        self._seen: Seen | None = None
        self.server = WatchServer(resources | metrics, names=names)

    def show(self, seen: "Seen") -> None:
        """Show a look to everybody who looks on: the figures of `status`, and the view."""
        self._seen = seen
        event = {"n": seen.n, "status": seen.status, "view": seen.view}
        self.server.publish(seen.n, orjson.dumps(event))

    def _status(self) -> Resource:
        return Resource(body=orjson.dumps(self._seen and self._seen.status), content_type="application/json")

    def _metrics(self) -> Resource:
        families = samples(self._seen.standing) if self._seen else ()
        return Resource(body=render(families), content_type=METRICS_TYPE)


def _plain(status: int, words: str) -> web.Response:
    return web.Response(
        status=status,
        text=f"{words}\n",
        headers=_HEADERS | {"Content-Security-Policy": _NO_PAGE},
    )


class _Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()


@asynccontextmanager
async def serving(server: WatchServer, address: Address) -> AsyncIterator[Address]:
    """Serve at an address while the block runs, and yield it with its port; raises UsageError, CannotRun."""
    web_server = web.Server(server.answer, access_log=None, logger=_LOG, keepalive_timeout=KEPT_S)

    def connected() -> asyncio.Protocol:
        return web_server() if len(web_server.connections) < CONNECTIONS_MAX else _Refused()

    with _bound(address) as sock:
        listener = await asyncio.get_running_loop().create_server(connected, sock=sock)
        try:
            yield Address(
                host=address.host, port=0 if address.path else sock.getsockname()[1], path=address.path
            )
        finally:
            listener.close()
            server.close()
            await web_server.shutdown(CLOSING_S)


@contextmanager
def _bound(address: Address) -> Iterator[socket.socket]:
    """Yield a socket bound to an address; that in a folder is this user's alone."""
    family = socket.AF_UNIX if address.path else socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        try:
            if address.path:
                _remove_left_behind(Path(address.path))
                os.fchmod(sock.fileno(), _SOCKET_MODE)  # before it has a name: nobody connects in between
                sock.bind(address.path)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address.host, address.port))
        except OSError as error:
            raise CannotRun(
                f"{address} cannot be served: {error.strerror or error}",
                hint="choose another path" if address.path else "choose another port, or 0 for any free one",
            ) from error
        try:
            yield sock
        finally:
            if address.path:
                Path(address.path).unlink(missing_ok=True)


def _remove_left_behind(path: Path) -> None:
    """Remove a socket of this user that nobody serves any more; raise UsageError for anything else there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise UsageError(f"{path} is there already, and no socket of yours", hint="choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise UsageError(f"{path}: somebody serves there already", hint="choose another path")
    path.unlink()
