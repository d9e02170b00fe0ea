"""A connection that was cut with bytes left for it, against a server that takes nothing any more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats import errors
from nats.aio.msg import Msg

from bulk.workers.link import Link, open_link
from bulk.workers.nats_login import NatsLogin
from tests.chaos.rig import until

INFO = b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"headers":true}\r\n'
LEFT = b"\r\n" * 6_000_000
"""More than the kernel takes for a connection that nobody reads."""


class DeafServer:
    """Speaks as NATS does until a connection has a subscription, and reads nothing of it from then on."""

    def __init__(self) -> None:
        self.connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections.append((reader, writer))
        writer.write(INFO)
        line = b"?"
        while line and not line.startswith(b"SUB"):
            line = await reader.readline()
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[DeafServer, Link, list[str]]]:
    """Open a link to a deaf server; yield both, and what is said of them."""
    deaf, said = DeafServer(), list[str]()
    server = await asyncio.start_server(deaf.accepted, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with open_link(url, NatsLogin(), {}, is_run=False, note=said.append) as link:
            yield deaf, link, said
    finally:
        server.close()
        for _, writer in deaf.connections:
            writer.transport.abort()


@asynccontextmanager
async def cut() -> AsyncIterator[tuple[DeafServer, Link, list[str]]]:
    """Open a link, with more left to be sent than its server takes, of which nats-py says that it is gone."""
    async with linked() as (deaf, link, said):
        await link.serve("subject", _take)
        await asyncio.sleep(0.1)
        link._client._transport.write(LEFT)
        await link._client._process_op_err(OSError("it answers no pings"))
        yield deaf, link, said


async def _take(_: object) -> None:
    pass


async def test_a_connection_that_takes_nothing_any_more_is_replaced_at_once() -> None:
    """Not once the kernel has given up what is left for it, which takes a quarter of an hour."""
    async with cut() as (deaf, link, said):
        await until(lambda: link.is_up and len(deaf.connections) == 2, 10)
        assert said[0].endswith("is gone")


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_a_connection_that_is_being_replaced_is_left_without_an_error(turns: int) -> None:
    """nats-py ends with a cancellation that nobody asked for, which ended a command without a word."""
    async with asyncio.timeout(10), cut():
        for _ in range(turns):
            await asyncio.sleep(0)


async def test_an_answer_to_a_ping_that_comes_too_late_does_not_end_the_reading() -> None:
    """As after a freeze: whoever waited for it has given up."""
    message: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(came: Msg) -> None:
        message.set_result(came.data)

    async with linked() as (deaf, link, _):
        await link.serve("subject", take)
        await link._client.flush()  # a ping overtakes a subscription
        with pytest.raises(errors.TimeoutError):
            await link._client.flush(timeout=0.05)
        deaf.connections[0][1].write(b"PONG\r\nMSG subject 1 2\r\nhi\r\n")
        async with asyncio.timeout(5):
            assert await message == b"hi"
