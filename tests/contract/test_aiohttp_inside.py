"""What is borrowed from inside aiohttp is there, is used as it can be used, and stands in one file.

These tests also run against the newest aiohttp (tests/house/test_packaging.py).
"""

import ast
import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from yarl import URL

from bulk.vpcep import aiohttp_inside

BULK = Path(aiohttp_inside.__file__).parents[1]
SOURCE = Path(aiohttp_inside.__file__).read_text(encoding="utf-8")

SELF = object()
CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "ClientRequest": (
        aiohttp.ClientRequest,
        ("PUT", URL("http://a")),
        {"proxy": None, "ssl": True, "loop": None},
    ),
    "ClientTimeout": (aiohttp.ClientTimeout, (), {"connect": 1.0}),
    "InvalidURL": (aiohttp.InvalidURL, ("address", "why"), {}),
    "ServerDisconnectedError": (aiohttp.ServerDisconnectedError, (), {}),
    "connect": (aiohttp.TCPConnector.connect, (SELF, "request", [], "timeout"), {}),
    "close": (Connection.close, (SELF,), {}),
    "release": (Connection.release, (SELF,), {}),
    "set_response_params": (
        ResponseHandler.set_response_params,
        (SELF,),
        {"read_timeout": 1.0, **aiohttp_inside._PARSING},
    ),
    "start_timeout": (ResponseHandler.start_timeout, (SELF,), {}),
    "feed_data": (ResponseHandler.feed_data, (SELF, ("message", "payload"), 0), {}),
    "set_exception": (ResponseHandler.set_exception, (SELF, OSError(), OSError()), {}),
    "is_connected": (ResponseHandler.is_connected, (SELF,), {}),
    "__init__": (aiohttp.TCPConnector, (), {"limit": 0}),
    "read": (ResponseHandler.read, (SELF,), {}),
    "is_eof": (aiohttp.StreamReader.is_eof, (SELF,), {}),
    "at_eof": (aiohttp.StreamReader.at_eof, (SELF,), {}),
    "read_nowait": (aiohttp.StreamReader.read_nowait, (SELF,), {}),
    "readany": (aiohttp.StreamReader.readany, (SELF,), {}),
}
"""Each function or class that is called, and how."""

ATTRIBUTES: dict[str, type] = {
    "protocol": Connection,
    "transport": Connection,
    "should_close": ResponseHandler,
    "read_timeout": ResponseHandler,
    "code": RawResponseMessage,
    "headers": RawResponseMessage,
}
"""Each attribute that is read, and whose it is."""

TYPES = {"_factory", "Connection", "ResponseHandler", "StreamReader", "TCPConnector"} | {
    kind.__name__ for kind in (RawResponseMessage, HttpProcessingError)
}
NOT_OF_AIOHTTP = {"get_running_loop", "Transport", "write", "append", "join", "_replied", "_lost"} | {
    "get_extra_info", "version", "getpeercert",
}  # fmt: skip
"""Names of asyncio, ssl and our own."""


@pytest.mark.parametrize("name", CALLS)
def test_what_is_called_takes_what_it_is_given(name: str) -> None:
    """The signature of each borrowed function binds the arguments with which it is called."""
    function, positional, named = CALLS[name]
    inspect.signature(function).bind(*positional, **named)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_what_is_read_is_an_attribute(name: str) -> None:
    """Each borrowed attribute is there under its name."""
    assert hasattr(ATTRIBUTES[name], name)


async def test_the_pool_makes_its_connections_by_its_factory() -> None:
    """`_factory` takes no argument and gives the protocol of each new connection; here it is a Talk."""
    async with aiohttp.TCPConnector() as plain, aiohttp_inside.Connector(limit=0) as ours:
        assert type(plain._factory()) is ResponseHandler
        assert type(ours._factory()) is aiohttp_inside.Talk


@pytest.mark.parametrize("pieces", [1, 9])
async def test_the_parser_feeds_a_reply_once_and_its_body_with_it(pieces: int) -> None:
    """`feed_data` gets (message, payload) as soon as the head is whole; one that comes at once is whole."""
    talk = aiohttp_inside.Talk(asyncio.get_running_loop())
    talk.set_response_params(read_timeout=None, **aiohttp_inside._PARSING)
    talk.transport = asyncio.Transport()
    fed: list[tuple[int, bool]] = []
    talk._replied = lambda _, message, payload: fed.append((message.code, payload.is_eof()))
    reply = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    size = -(-len(reply) // pieces)
    for begin in range(0, len(reply), size):
        talk.data_received(reply[begin : begin + size])
    assert fed == [(200, pieces == 1)]


async def test_the_time_out_of_a_read_can_be_changed_and_ended() -> None:
    """Setting `read_timeout` to None and starting it anew leaves no timer behind on an idle connection."""
    protocol = ResponseHandler(asyncio.get_running_loop())
    protocol.set_response_params(read_timeout=60.0)
    protocol.start_timeout()
    assert protocol.read_timeout == 60.0
    protocol.read_timeout = None
    protocol.start_timeout()
    assert protocol._read_timeout_handle is None


def test_errors_of_the_protocol_are_exceptions_of_their_own() -> None:
    """HttpProcessingError is no ClientError, which is why the wire's table of fates names it."""
    assert issubclass(HttpProcessingError, Exception)
    assert not issubclass(HttpProcessingError, aiohttp.ClientError)


def test_every_borrowed_name_has_a_test() -> None:
    """Whatever the file imports from aiohttp or reads off another object stands in a table above."""
    tree = ast.parse(SOURCE)
    imported = {name for module, name in _imports(tree) if module.split(".")[0] == "aiohttp"}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert imported | used <= TYPES | set(CALLS) | set(ATTRIBUTES) | NOT_OF_AIOHTTP


def test_no_other_file_reaches_inside() -> None:
    """The others import `aiohttp` and `aiohttp.web`, and take documented names of them only."""
    for path in BULK.rglob("*.py"):
        if path == Path(aiohttp_inside.__file__):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for module, name in _imports(tree):
            assert not module.startswith("aiohttp.") or module == "aiohttp.web", (path, module)
            assert module != "aiohttp" or name in {"", "web"}, (path, name)
        names = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "aiohttp"
        }
        assert names <= set(aiohttp.__all__) - {"ClientRequest", "StreamReader"}, path


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of each import; the name is empty where the module itself is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
