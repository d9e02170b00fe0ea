"""The judge as a process, or at a URL: whatever it does, one ruling comes back and nothing of it is left."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from bulk.app import judge_client
from bulk.app.judge_client import Judge, judge_environment, last_words
from bulk.clock import SystemClock
from bulk.ledger.file import LedgerFile
from bulk.ledger.records import Ruling
from bulk.settings import JudgeSetting
from tests.fakes import planned_ledger
from tests.sessions import rows
from tests.values import service_id

GO, STOP, UNSURE = Ruling.GO, Ruling.STOP, Ruling.UNSURE


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[LedgerFile]:
    """Return the ledger of a run of three rows."""
    made = await planned_ledger(tmp_path, rows(1, 2, 3))
    async with made:
        yield made


def judge_of(ledger: LedgerFile, setting: JudgeSetting, env: Mapping[str, str] | None = None) -> Judge:
    """Return a judge in the folder of a ledger."""
    return Judge(
        setting,
        ledger.path.parent,
        ledger,
        clock=SystemClock(),
        env=os.environ if env is None else env,
        hide=lambda text: text.replace("hidden", "[redacted]"),
    )


def script(ledger: LedgerFile, text: str) -> JudgeSetting:
    """Write a judge of these lines of shell, and return it."""
    path = ledger.path.parent / "probe.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return JudgeSetting(words=("./probe.sh", "one word"))


def is_alive(pid: int) -> bool:
    """Return whether a process is there, and no zombie."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def until_dead(*pids: int) -> None:
    """Return once these processes, which were killed, are gone."""
    async with asyncio.timeout(10):
        while any(map(is_alive, pids)):  # noqa: ASYNC110 - nobody says when
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("lines", "ruling", "words"),
    [
        ("echo 3 of 3 connect", GO, "3 of 3 connect"),
        ("true", GO, "exit code 0"),
        ("echo first; echo 'no route\t\033[31mhere\033[0m'; exit 1", STOP, "first; no route [31mhere[0m"),
        ("echo who knows >&2; exit 2", UNSURE, "exit code 2: who knows"),
        ("exit 77", UNSURE, "exit code 77"),
        ("kill -9 $$", UNSURE, "killed by signal 9"),
        ("exec 0<&-; exec 1>&-; exec 2>&-", GO, "exit code 0"),
        ("echo the key is hidden", GO, "the key is [redacted]"),
        ("yes no | head -c 10000000; echo; echo done", GO, "no; n; done"),
        ('echo "$1"; cat > /dev/null', GO, "one word"),
    ],
)
async def test_what_a_process_ends_with_is_its_ruling(
    ledger: LedgerFile, lines: str, ruling: Ruling, words: str
) -> None:
    """0 is go, 1 is stop, all else is unsure; its last words come along, printable and without secrets."""
    assert await judge_of(ledger, script(ledger, lines)).ask(1, [1, 2]) == (ruling, words)


async def test_a_process_that_cannot_be_started_is_unsure(ledger: LedgerFile) -> None:
    """Nor one whose file was changed by others since the run began; a format is no start either."""
    setting = script(ledger, "true")
    path = ledger.path.parent / "probe.sh"
    path.write_bytes(b"\x7fnothing")
    assert await judge_of(ledger, setting).ask(1, []) == (UNSURE, "it cannot be started: Exec format error")
    path.chmod(0o777)
    assert await judge_of(ledger, setting).ask(1, []) == (UNSURE, "./probe.sh may be written by others")
    path.unlink()
    assert await judge_of(ledger, setting).ask(1, []) == (UNSURE, "./probe.sh: No such file or directory")


async def test_a_process_that_hangs_is_killed_with_its_children(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute, here a moment, it is unsure."""
    monkeypatch.setattr(judge_client, "ANSWER_S", 0.3)
    setting = script(ledger, "sleep 99 & echo $! > pids; echo $$ >> pids; echo waiting; wait")
    assert await judge_of(ledger, setting).ask(1, []) == (UNSURE, "no answer within 0.3 s: waiting")
    pids = [int(pid) for pid in (ledger.path.parent / "pids").read_text().split()]
    assert len(pids) == 2
    await until_dead(*pids)


async def test_children_that_outlive_a_process_hold_nothing_up(ledger: LedgerFile) -> None:
    """They are killed with its group; one that has left the group only keeps the pipe."""
    setting = script(ledger, "sleep 99 & echo $! > pids; echo done")
    assert await judge_of(ledger, setting).ask(1, []) == (GO, "done")
    await until_dead(int((ledger.path.parent / "pids").read_text()))
    setting = script(ledger, "setsid sleep 5 & echo done")
    async with asyncio.timeout(4):
        assert await judge_of(ledger, setting).ask(1, []) == (GO, "done")


async def test_a_question_that_is_given_up_ends_the_process(ledger: LedgerFile) -> None:
    """As the run ends."""
    judge = judge_of(ledger, script(ledger, "echo $$ > pids; sleep 99"))
    task = asyncio.ensure_future(judge.ask(1, []))
    pids = ledger.path.parent / "pids"
    async with asyncio.timeout(10):
        while not (pids.exists() and pids.read_text().strip()):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await until_dead(int(pids.read_text()))


async def test_a_judge_is_given_run_wave_and_services(ledger: LedgerFile) -> None:
    """As one JSON object on its standard input, a file, so that nobody is waited for who reads none of it."""
    setting = script(ledger, "cat > given; env > variables; pwd")
    env = {
        "PATH": os.environ["PATH"],
        "PROBE": "x",
        "HW_SECRET_KEY": "k",
        "BULK_RATE": "1/s",
        "OS_CLOUD": "c",
    }
    _, words = await judge_of(ledger, setting, env).ask(2, [2, 3])
    folder = ledger.path.parent
    assert words == str(folder)
    given = orjson.loads((folder / "given").read_bytes())
    services = given.pop("services")
    run = ledger.progress.run
    assert given == {"run": run["run_id"], "ledger": str(ledger.path), "job": run["job"], "wave": 2}
    assert [one["service_id"] for one in services] == [service_id(2), service_id(3)]
    assert services[0].keys() == {
        "service_id", "service_name", "region", "project_id", "ports", "outcome"
    }  # fmt: skip
    assert services[0]["ports"][0].keys() == {"client_port", "server_port", "protocol"}
    variables = dict(line.split("=", 1) for line in (folder / "variables").read_text().splitlines())
    assert {name for name in variables if name.startswith(("BULK_", "HW_", "OS_"))} == {
        "BULK_RUN",
        "BULK_WAVE",
    }
    assert (variables["BULK_RUN"], variables["BULK_WAVE"], variables["PROBE"]) == (str(ledger.path), "2", "x")


def test_no_key_is_among_the_variables_of_a_judge() -> None:
    """Nor what would steer a `bulk` that it runs."""
    names = ("HUAWEICLOUD_SDK_SK", "HW_ACCESS_KEY", "OS_PASSWORD", "BULK_ENDPOINT", "BULK_RUN")
    env = judge_environment({**dict.fromkeys(names, "hidden"), "PATH": "/bin"}, run="r", wave=0)
    assert env == {"PATH": "/bin", "BULK_RUN": "r", "BULK_WAVE": "0"}


def test_of_long_words_the_end_is_kept() -> None:
    """Of many lines the last three."""
    assert last_words("a\n\nb\r\nc\nd\n \n") == "b; c; d"
    assert last_words("x" * 999) == f"…{'x' * 299}"
    assert last_words("") == ""


async def answering(
    status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> tuple[web.AppRunner, str, list[dict[str, object]]]:
    """Return a server on this machine, its URL, and what it was asked."""
    asked: list[dict[str, object]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(
            {"method": request.method, "headers": dict(request.headers), "json": await request.json()}
        )
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application(client_max_size=10**9)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/ask", asked


@pytest.mark.parametrize(
    ("status", "body", "ruling", "words"),
    [
        (200, b"3 of 3 connect\n", GO, "3 of 3 connect"),
        (204, b"", GO, "HTTP 204"),
        (409, b"frozen: hidden", STOP, "frozen: [redacted]"),
        (302, b"", UNSURE, "HTTP 302"),
        (503, b"later", UNSURE, "HTTP 503: later"),
        (200, b"x\n" * 5_000_000 + b"end", GO, "x; x; end"),
    ],
)
async def test_what_a_url_answers_is_its_ruling(
    ledger: LedgerFile, status: int, body: bytes, ruling: Ruling, words: str
) -> None:
    """2xx is go, 4xx is stop, all else is unsure; a redirect is not followed, and no credentials are sent."""
    runner, url, asked = await answering(status, body, {"Location": "/elsewhere"} if status == 302 else None)
    try:
        assert await judge_of(ledger, JudgeSetting(url=url)).ask(1, [1]) == (ruling, words)
    finally:
        await runner.cleanup()
    (request,) = asked
    assert request["method"] == "POST"
    assert isinstance(request["json"], dict)
    assert request["json"]["wave"] == 1
    assert isinstance(request["headers"], dict)
    assert request["headers"]["Content-Type"] == "application/json"
    assert not {"authorization", "x-auth-token", "cookie"} & {name.lower() for name in request["headers"]}


async def test_a_url_where_nobody_answers_is_unsure(
    ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one that takes too long a yes."""
    nobody = judge_of(ledger, JudgeSetting(url="http://127.0.0.1:1/"))
    ruling, words = await nobody.ask(1, [])
    assert (ruling, words.startswith("it could not be asked: Cannot connect")) == (UNSURE, True)
    monkeypatch.setattr(judge_client, "ANSWER_S", 0.2)

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        slow = judge_of(ledger, JudgeSetting(url=f"http://127.0.0.1:{port}/"))
        assert await slow.ask(1, []) == (UNSURE, "no answer within 0.2 s")


async def test_what_cannot_be_handed_over_is_unsure(ledger: LedgerFile) -> None:
    """Such as where the disk is full, or the folder is gone."""
    setting = script(ledger, "true")
    judge = judge_of(ledger, setting)
    judge._ledger = type("Gone", (), {"path": ledger.path / "gone" / "x"})()  # type: ignore[assignment]
    ruling, words = await judge.ask(1, [])
    assert (ruling, words) == (UNSURE, "it could not be asked: Not a directory")
