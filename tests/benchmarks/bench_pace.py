"""What the limiter makes of a fixed rate, on this machine, in real time: `python tests/benchmarks/bench_pace.py`.

Each rate is sent over loopback to a server in a process of its own, which writes down when each request
arrives. The table has the bars of the design beside what was measured: 0.99 to 1.00 of the rate in the
long run, at most R + 1 in any second and R/10 + 2 in any 100 ms. The last column is the processor time of
the sender, who waits with 64 workers. The first rates last longest; all together take about a minute.
"""

import asyncio
import os
import socket
import sys
import time
from array import array
from bisect import bisect_left
from math import ceil

from bulk.adapters.clock import SystemClock
from bulk.adapters.throttle import Limiter
from bulk.core.pacing import fixed

RATES = (1, 7, 20, 100, 500, 2000)
WORKERS = 64
REQUEST = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 269\r\n\r\n" + b"x" * 269
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SECONDS_MIN, REQUESTS_MIN = 8.0, 15


class Recorder(asyncio.Protocol):
    """Writes down when each request arrives, and answers it at once."""

    def __init__(self, arrivals: "array[float]") -> None:
        self.arrivals = arrivals
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take each piece for a request: they are small, and one at a time on each connection."""
        self.arrivals.append(time.monotonic())
        assert self.transport is not None
        assert len(data) == len(REQUEST)
        self.transport.write(REPLY)


async def serve(listener: socket.socket, report: int) -> None:
    """Record until the parent is gone, then write all arrivals to the pipe."""
    arrivals = array("d")
    left = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), left.set)
    server = await loop.create_server(lambda: Recorder(arrivals), sock=listener)
    await left.wait()
    server.close()
    os.write(report, b"")
    with os.fdopen(report, "wb") as out:
        arrivals.tofile(out)
