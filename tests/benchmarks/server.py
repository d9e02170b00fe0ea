"""The API as fast as Python goes: `python -m tests.benchmarks.server SERVICES [SERVICES_PER_PROJECT]`.

List, detail and PUT of a generated fleet, by hand on one `asyncio.Protocol` under uvloop: true ids, paging
and echo of the ports, no signature check, no error but 404. It is told apart from the simulator by its
speed: a PUT costs it about a tenth of what a client's side costs, so it is never what a benchmark waits
for; every table says how busy it was.

The first line on stdout is its URL. It ends when its standard input does. Besides the API it answers
`GET /counts` (what it did, and the CPU it took, since it was last asked) and `GET /reset` (every service
as it was at the start).
"""

import asyncio
import contextlib
import gc
import os
import sys
import time
from typing import Any, cast

import orjson
import uvloop

from tests.benchmarks.fleet import BEFORE, service_json

_HEAD_END = b"\r\n\r\n"


class Fleet:
    """Services by number; only ports that a PUT has set take memory of their own."""

    def __init__(self, services: int, per_project: int) -> None:
        self._services, self._per_project = services, per_project
        self._cpu_s = 0.0
        self.reset()
        self._forget()

    def reset(self) -> None:
        """Take every service back to its first ports."""
        self._ports = [BEFORE] * self._services

    def _forget(self) -> None:
        self._counts = {"puts": 0, "gets": 0}
        self._first_put_at = self._last_put_at = 0.0
        self._cpu_s = time.process_time()

    def answer(self, method: bytes, path: bytes, body: bytes) -> bytes:
        """Return the whole reply to one request."""
        if method == b"PUT":
            return self._modify(int(path[-12:]), body)
        if path == b"/counts":
            return _reply(orjson.dumps(self.counts()))
        if path == b"/reset":
            self.reset()
            return _reply(b"{}")
        self._counts["gets"] += 1
        path, _, query = path.partition(b"?")
        if path.endswith(b"vpc-endpoint-services"):
            return self._page(int(path.split(b"/")[2], 16), query)
        return self._one(int(path[-12:]))

    def counts(self) -> dict[str, Any]:
        """Return requests, monotonic times of first and last PUT, CPU seconds; then count from nothing."""
        times = {"first_put_at": self._first_put_at, "last_put_at": self._last_put_at}
        counts = {**self._counts, **times, "cpu_s": time.process_time() - self._cpu_s}
        self._forget()
        return counts

    def _modify(self, number: int, body: bytes) -> bytes:
        self._last_put_at = time.monotonic()
        self._first_put_at = self._first_put_at or self._last_put_at
        self._counts["puts"] += 1
        if number >= self._services:
            return _NOT_FOUND
        self._ports[number] = orjson.dumps(orjson.loads(body)["ports"])
        return self._one(number)

    def _one(self, number: int) -> bytes:
        if number >= self._services:
            return _NOT_FOUND
        return _reply(service_json(number, number // self._per_project, self._ports[number]))

    def _page(self, project: int, query: bytes) -> bytes:
        asked = dict(pair.split(b"=") for pair in query.split(b"&"))
        first = project * self._per_project
        after = min(first + self._per_project, self._services)
        begin = min(first + int(asked.get(b"offset", 0)), after)
        end = min(begin + int(asked.get(b"limit", 10)), after)
        entries = b",".join(service_json(n, project, self._ports[n]) for n in range(begin, end))
        return _reply(b'{"endpoint_services":[%b],"total_count":%d}' % (entries, max(0, after - first)))


def _reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nX-Request-Id: 0f6c1d9a5b7e4c2f8a3d1e0b9c8f7a65\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (status, len(body), body)
    )


_NOT_FOUND = _reply(b'{"error_code":"EndPoint.0005","error_msg":"not found"}', b"404 Not Found")


class Conversation(asyncio.Protocol):
    """One connection: requests in, replies out, in order."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete; keep the rest."""
        data = self._rest + data
        while (head_end := data.find(_HEAD_END)) >= 0:
            head = data[:head_end]
            body_end = head_end + len(_HEAD_END) + _content_length(head)
            if len(data) < body_end:
                break
            method, path, _ = head.split(b" ", 2)
            body = data[head_end + len(_HEAD_END) : body_end]
            self._transport.write(self._fleet.answer(method, path, body))
            data = data[body_end:]
        self._rest = data


def _content_length(head: bytes) -> int:
    begin = head.lower().find(b"\r\ncontent-length:")
    return int(head[begin + 17 :].split(b"\r\n", 1)[0]) if begin >= 0 else 0


async def _serve(fleet: Fleet) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: Conversation(fleet), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    loop.add_reader(0, lambda: None if os.read(0, 4096) else over.set())
    await over.wait()
    server.close()


def main(services: int, per_project: int) -> None:
    """Serve on the last core, which the clients leave alone where there are several."""
    with contextlib.suppress(AttributeError):  # only Linux has it
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    fleet = Fleet(services, per_project)
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    uvloop.run(_serve(fleet))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[-1]))
