"""Each limit that the pace must keep to, on a real server, beside botocore's adaptive mode.

The cases and bars of `tests/pacing_table.py` with the product's own limiter, real sockets and the real clock,
for as long as in virtual time, in about 40 minutes: groups of cases at a time, first ours, then botocore on a
server just like it. A bar is that of the table, for one run; the ratio is that of what was accepted a second
in the whole run, search included. botocore always searches, also where a rate is set and nothing limits it.

`starved` is the share of the time of ours in which sender or server was ready to run and got no core: what a
busy machine takes away. More than some hundredths of it disturb what is measured.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import orjson
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from bulk.clock import SystemClock
from bulk.model import Limit, Reply, Throttled
from bulk.pacing.limiter import Limiter
from tests.benchmarks.bars import Bar, Row, show
from tests.benchmarks.fleet import BODY
from tests.benchmarks.limit_server import SEED
from tests.benchmarks.measure import ROOT, python, serving, start, starved_s
from tests.limiters import Answer
from tests.pacing_table import Case, cases, refused

TOGETHER_PER_S, TOGETHER = 1000.0, 64
"""Requests a second and cases at most in a group, so that neither server nor sender is ever short of time."""

IN_FLIGHT_MAX = 10_000
"""Requests in flight at most where a case does not bound them."""


async def send(case: Case, url: str, session: ClientSession) -> list[Answer]:
    """Send PUTs as the limiter allows, as long as the case takes; give what came of each."""
    run, answers = case.run(SEED), list[Answer]()
    limiter = Limiter(run.pacing, clock=SystemClock())

    async def put(granted_at: float) -> None:
        rate_per_s = limiter.rate_per_s
        async with session.put(url, data=BODY) as reply:
            told = orjson.loads(await reply.read())
        if (refusal := told["refusal"]) is None:
            limiter.accepted(granted_at)
        else:
            limit = refusal["limit"] and Limit(**refusal["limit"])
            retry_after_s = refusal["retry_after_s"]
            limiter.refused(
                granted_at, Throttled(reply=Reply(http=429), retry_after_s=retry_after_s, limit=limit)
            )
        answers.append(Answer(at=told["at"], taken=refusal is None, rate_per_s=rate_per_s))

    asyncio.get_running_loop().call_later(run.seconds, limiter.close)
    room = asyncio.Semaphore(int(min(run.path.in_flight, IN_FLIGHT_MAX)))
    async with asyncio.TaskGroup() as flying:
        while await room.acquire() and (granted_at := await limiter.acquire()) is not None:
            flying.create_task(put(granted_at)).add_done_callback(lambda _: room.release())
    return sorted(answers, key=lambda answer: answer.at)


async def _send_all(group: list[Case], urls: list[str]) -> list[list[Answer]]:
    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=60)) as session:
        tasks = [send(case, f"{url}/", session) for case, url in zip(group, urls, strict=True)]
        return await asyncio.gather(*tasks)


async def _answers(urls: list[str]) -> list[list[Answer]]:
    async with ClientSession() as session:
        raw = [orjson.loads(await (await session.get(f"{url}/answers")).read()) for url in urls]
    return [[Answer(at=at, taken=taken, rate_per_s=0.0) for at, taken in answers] for answers in raw]


def _run_botocore(group: list[Case], urls: list[str], home: Path) -> None:
    with ExitStack() as stack:
        children = []
        for case, url in zip(group, urls, strict=True):
            said = stack.enter_context(TemporaryFile())
            seconds = case.run(SEED).seconds
            rows = round(2 * case.rate_per_s * seconds)
            command = python("tests.benchmarks.adaptive", url, str(rows), str(seconds))
            children.append((stack.enter_context(start(command, home=home, out=said)), said))
        for child, said in children:
            child.wait(said)


def grouped(all_of_them: list[Case]) -> Iterator[list[Case]]:
    """Return the cases in groups that one server bears at a time, those that take as long together."""
    group = list[Case]()
    for case in sorted(all_of_them, key=lambda case: (-case.run(SEED).seconds, case.rate_per_s)):
        is_full = sum(each.rate_per_s for each in group) + case.rate_per_s > TOGETHER_PER_S
        if group and (is_full or len(group) == TOGETHER):
            yield group
            group = []
        group.append(case)
    yield group


def measured(group: list[Case], home: Path) -> Iterator[Row]:
    """Return the row of each case of a group."""
    names = [case.name for case in group]
    with serving(python("tests.benchmarks.limit_server", *names), home=home) as server:
        urls = orjson.loads(server.url)
        pids = (os.getpid(), server.pid)
        before, began = sum(map(starved_s, pids)), time.monotonic()
        ours = asyncio.run(_send_all(group, [mine for mine, _ in urls]))
        starved = (sum(map(starved_s, pids)) - before) / (time.monotonic() - began)
        _run_botocore(group, [theirs for _, theirs in urls], home)
        theirs = asyncio.run(_answers([theirs for _, theirs in urls]))
    for case, mine, other in zip(group, ours, theirs, strict=True):
        yield _row(case, mine, other, starved)


def _row(case: Case, ours: list[Answer], theirs: list[Answer], starved: float) -> Row:
    figures = [figure for figure in case.judge(ours) if figure.name != "rate"]
    ours_per_s, theirs_per_s = _accepted_per_s(ours), _accepted_per_s(theirs)
    return Row(
        section="real",
        name=case.name,
        figures={figure.name: figure.value for figure in figures}
        | {
            "accepted_per_s": ours_per_s,
            "all_refused": refused(ours),
            "botocore_per_s": theirs_per_s,
            "botocore_refused": refused(theirs),
            "ratio": ours_per_s / theirs_per_s,
            "starved": starved,
        },
        bars=tuple(Bar(figure=figure.name, at_least=figure.least, at_most=figure.most) for figure in figures),
    )


def _accepted_per_s(answers: list[Answer]) -> float:
    """Return how many were accepted a second, from the first PUT to the last."""
    return sum(answer.taken for answer in answers) / max(1.0, answers[-1].at)


def main(word: str = "") -> int:
    """Measure every case that the pace must keep to, or those with the word in their name."""
    rows = list[Row]()
    musts = [case for case in cases() if not case.is_goal and word in case.name]
    with TemporaryDirectory() as home:
        for group in grouped(musts):
            for row in measured(group, Path(home)):
                show(row)
                rows.append(row)
            sys.stdout.write(f"         load average {os.getloadavg()[0]:.2f}\n")
            sys.stdout.flush()
    kept = sum(row.kept is True for row in rows)
    faster = sum(row.figures["ratio"] >= 1 for row in rows)
    sys.stdout.write(f"{kept} of {len(rows)} kept; at least as fast as botocore: {faster}\n")
    report = ROOT / "build" / "shapes.json"
    report.parent.mkdir(exist_ok=True)
    report.write_bytes(orjson.dumps([row.json() for row in rows], option=orjson.OPT_INDENT_2))
    return 0 if kept == len(rows) else 4
