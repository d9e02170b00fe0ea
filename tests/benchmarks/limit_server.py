"""A server with the limits of `tests/pacing_table.py`: `python -m tests.benchmarks.limit_server CASE...`.

aiohttp on loopback, real clock. Each case has two ports of its own, one for each contender, and a limiter for
each whose time begins with the first PUT. A PUT takes as long as the path of the case does. The first line on
stdout is a JSON list of the pairs of URLs; it ends when its standard input does. `GET /answers` returns when
each PUT arrived, and whether it was taken.
"""

import asyncio
import sys
from math import inf
from random import Random

import orjson
from aiohttp import web

from tests.pacing_table import Case, cases

SEED = 1


class Limited:
    """One case for one contender."""

    def __init__(self, case: Case) -> None:
        self._run = case.run(SEED)
        self._others = iter(self._run.neighbour)
        self._other = next(self._others, inf)
        self._dice = Random(SEED)
        self._began_at: float | None = None
        self._at = 0.0
        self._answers: list[tuple[float, bool]] = []

    async def modify(self, _: web.Request) -> web.Response:
        """Answer a PUT, as its limiter has it when it arrives."""
        way_s = self._way_s()
        arrives_at = asyncio.get_running_loop().time() + way_s
        await asyncio.sleep(way_s)
        self._began_at = self._began_at or arrives_at
        # The timer may be late, which is no part of the path; who overtook it did so.
        at = self._at = max(self._at, arrives_at - self._began_at)
        while self._other <= at:
            self._run.server.admit(self._other)
            self._other = next(self._others, inf)
        is_taken = self._run.server.admit(at)
        self._answers.append((at, is_taken))
        told = {"at": at, "refusal": None if is_taken else self._run.server.refusal(at)}
        await asyncio.sleep(self._way_s())
        return web.Response(body=orjson.dumps(told), status=200 if is_taken else 429)

    async def answers(self, _: web.Request) -> web.Response:
        """Return all answers so far."""
        return web.Response(body=orjson.dumps(self._answers))

    def _way_s(self) -> float:
        path = self._run.path
        return (path.latency_s + self._dice.random() * path.jitter_s) / 2


async def serve(case: Case) -> str:
    """Serve one case for one contender; give the URL."""
    app, limited = web.Application(), Limited(case)
    app.router.add_get("/answers", limited.answers)
    app.router.add_put("/{path:.*}", limited.modify)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


async def _main(names: list[str]) -> None:
    known = {case.name: case for case in cases()}
    urls = [[await serve(known[name]) for _ in range(2)] for name in names]
    sys.stdout.write(orjson.dumps(urls).decode() + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
