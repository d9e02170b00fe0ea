"""What the limiter makes of a fixed rate, in real time.

Each rate is sent over loopback to a server in a process of its own, which writes down when each request
arrives: the share of the rate in the long run, the most arrivals in any second and in any 100 ms, and the
share of a core that the sender took, with 64 workers waiting.
"""

import asyncio
import multiprocessing
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from bulk.clock import SystemClock
from bulk.pacing import fixed
from bulk.pacing.limiter import Limiter
from tests.benchmarks.bars import Bar, Row, at_most

WORKERS = 64
REQUEST = b"x" * 512
REPLY = b"y" * 653
SECONDS_MIN, REQUESTS_MIN = 10.0, 20


class Recorder(asyncio.Protocol):
    """Writes down when each request arrives, and answers it at once."""

    def __init__(self, arrivals: list[float]) -> None:
        self.arrivals = arrivals

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take each piece for a request: they are small, and one at a time on each connection."""
        assert len(data) == len(REQUEST)
        self.arrivals.append(time.monotonic())
        self.transport.write(REPLY)


def record(pipe: Connection) -> None:
    """Serve in this process: send the port, and the arrivals so far whenever asked."""
    asyncio.run(_record(pipe))


async def _record(pipe: Connection) -> None:
    arrivals: list[float] = []
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def answer() -> None:
        if pipe.recv() == "end":
            over.set()
        pipe.send(arrivals[:])
        arrivals.clear()

    server = await loop.create_server(lambda: Recorder(arrivals), "127.0.0.1", 0)
    async with server:
        pipe.send(server.sockets[0].getsockname()[1])
        loop.add_reader(pipe.fileno(), answer)
        await over.wait()


async def send(rate: float, port: int) -> float:
    """Send at `rate` for as long as it takes to judge it; give the share of a core that it took."""
    limiter = Limiter(fixed(rate), clock=SystemClock())
    asyncio.get_running_loop().call_later(max(SECONDS_MIN, REQUESTS_MIN / rate), limiter.close)
    began, cpu = time.monotonic(), time.process_time()
    async with asyncio.TaskGroup() as workers:
        for _ in range(WORKERS):
            workers.create_task(work(limiter, port))
    return (time.process_time() - cpu) / (time.monotonic() - began)


async def work(limiter: Limiter, port: int) -> None:
    """Send one request for each grant, over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while await limiter.acquire() is not None:
        writer.write(REQUEST)
        await reader.readexactly(len(REPLY))
    writer.close()


def most(arrivals: list[float], window_s: float) -> int:
    """Return the most arrivals in any window of that length."""
    return max(bisect_left(arrivals, at + window_s) - number for number, at in enumerate(arrivals))


def held(rates: Sequence[float]) -> Iterator[Row]:
    """Return the row of each rate, at least ten seconds of each."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=record, args=(theirs,))
    server.start()
    try:
        port = ours.recv()
        for rate in rates:
            core = asyncio.run(send(rate, port))
            ours.send("next")
            yield _row(rate, ours.recv(), core)
        ours.send("end")
        ours.recv()
        server.join(10)
    finally:
        server.kill()


def _row(rate: float, arrivals: list[float], core: float) -> Row:
    figures = {
        "share": (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) / rate,
        "most_in_1_s": most(arrivals, 1.0),
        "most_in_100_ms": most(arrivals, 0.1),
        "core": core,
    }
    bars = (
        Bar(figure="share", at_least=0.99, at_most=1.0),
        at_most("most_in_1_s", rate + 1),
        at_most("most_in_100_ms", rate / 10 + 2),
    )
    return Row(section="pace", name=f"fixed {rate:g}/s", figures=figures, bars=bars)
