"""The judge of a wave: a process of the job's own, or a URL; what it is given, and what its answer means."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import urlsplit

import aiohttp
import orjson

from bulk.app.judge_file import judge_issue, judge_path
from bulk.ledger.file import LedgerFile
from bulk.ledger.records import Json, Ruling
from bulk.model import ports_json
from bulk.run.interfaces import Clock
from bulk.settings import JudgeSetting
from bulk.text import printable
from bulk.vpcep.proxies import proxy_for
from bulk.vpcep.regions import parse_endpoint

ANSWER_S = 60.0
"""How long a judge may take."""
_REST_S = 1.0
"""How long the pipe of a judge that has ended is still read: a child of it may hold the pipe open."""
_TAIL_BYTES = 8_192
_READ_BYTES = 65_536
_LINES_MAX, _WORDS_CHARS_MAX = 3, 300
_SERVICES_AT_ONCE = 200
_RULINGS = {0: Ruling.GO, 1: Ruling.STOP}
_NOT_FOR_THE_JUDGE = ("BULK_", "HC_", "HUAWEICLOUD_", "HW_", "OS_")
"""Beginnings of variables that may hold keys, or steer a `bulk` that the judge runs."""


class Judge:
    """Asks the judge of a job about the waves of a run."""

    def __init__(
        self,
        setting: JudgeSetting,
        folder: Path,
        ledger: LedgerFile,
        *,
        clock: Clock,
        env: Mapping[str, str],
        hide: Callable[[str], str],
    ) -> None:
        """Take the job's folder, and what hides the secrets in force from a text.

        Raises UsageError where the proxy to the judge cannot be used.
        """
        self._setting = setting
        self._folder = folder
        self._ledger = ledger
        self._clock = clock
        self._env = env
        self._hide = hide
        self._proxy = _proxy(setting.url, env) if setting.url else None

    async def ask(self, wave: int, rows: Sequence[int]) -> tuple[Ruling, str]:
        """Return the ruling on a wave of these rows, all of which are as asked, and its last words."""
        try:
            with TemporaryFile(dir=self._ledger.path.parent) as document:
                await self._write(document, wave, rows)
                document.seek(0)
                ruling, said, otherwise = await (
                    self._post(document) if self._setting.url else self._run(document, wave)
                )
        except OSError as error:
            return Ruling.UNSURE, printable(f"it could not be asked: {error.strerror or error}")
        words = last_words(self._hide(said.decode(errors="replace")))
        if ruling is Ruling.UNSURE:  # what it says may not be why
            return ruling, f"{otherwise}: {words}" if words else otherwise
        return ruling, words or otherwise

    async def _write(self, document: IO[bytes], wave: int, rows: Sequence[int]) -> None:
        """Write what the judge is given; in a file, so that neither its size nor a slow reader counts."""
        progress = self._ledger.progress
        run, ticket = progress.run, progress.ticket
        head = {
            "run": run["run_id"],
            "ledger": str(self._ledger.path.absolute()),
            "job": run["job"],
            **({"ticket": ticket} if ticket else {}),
            "wave": wave,
        }
        document.write(orjson.dumps(head)[:-1] + b',"services":[')
        for first in range(0, len(rows), _SERVICES_AT_ONCE):
            lines = b",\n".join(map(self._service, rows[first : first + _SERVICES_AT_ONCE]))
            document.write((b",\n" if first else b"\n") + lines)
            await self._clock.sleep(0)
        document.write(b"]}\n")

    def _service(self, row: int) -> bytes:
        change = self._ledger.change(row)
        ports = change.body.ports
        if ports is None:
            ports = change.before.ports if change.before else ()
        service: Json = {
            "service_id": change.service_id,
            "service_name": change.before.service_name if change.before else "",
            "region": change.target.region,
            "project_id": change.target.project_id,
            "ports": ports_json(ports),
            "outcome": self._ledger.progress.outcome(row).value,
        }
        return orjson.dumps(service)

    # A process

    async def _run(self, document: IO[bytes], wave: int) -> tuple[Ruling, bytes, str]:
        """Run the judge's file; return the ruling, the end of what it wrote, and how it ended."""
        if issue := judge_issue(self._setting, self._folder):  # since the run began
            return Ruling.UNSURE, b"", issue.message
        env = judge_environment(self._env, run=str(self._ledger.path.absolute()), wave=wave)
        async with _output() as (write_end, output):
            try:
                child = await asyncio.create_subprocess_exec(
                    str(judge_path(self._setting, self._folder)),
                    *self._setting.words[1:],
                    stdin=document,
                    stdout=write_end,
                    stderr=write_end,
                    cwd=self._folder,
                    env=env,
                    start_new_session=True,
                )
            except OSError as error:
                return Ruling.UNSURE, b"", f"it cannot be started: {error.strerror or error}"
            finally:
                os.close(write_end)
            try:
                async with asyncio.timeout(ANSWER_S):
                    code = await child.wait()
            except TimeoutError:
                return Ruling.UNSURE, bytes(output.tail), f"no answer within {ANSWER_S:g} s"
            finally:
                await _end(child)
            with suppress(TimeoutError):
                async with asyncio.timeout(_REST_S):
                    await output.has_ended.wait()
        why = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return _RULINGS.get(code, Ruling.UNSURE), bytes(output.tail), why

    # A URL

    async def _post(self, document: IO[bytes]) -> tuple[Ruling, bytes, str]:
        """Ask the judge's URL; return the ruling, the end of its answer, and how it ended."""
        tail = bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                aiohttp.ClientSession(headers={"User-Agent": "bulk"}, auto_decompress=False) as session,
                session.post(
                    self._setting.url,
                    data=document,
                    headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
                    proxy=self._proxy,
                    allow_redirects=False,
                ) as reply,
            ):
                async for part in reply.content.iter_chunked(_READ_BYTES):
                    _keep(tail, part)
        except TimeoutError:
            return Ruling.UNSURE, bytes(tail), f"no answer within {ANSWER_S:g} s"
        except (aiohttp.ClientError, ValueError) as error:
            return Ruling.UNSURE, b"", printable(self._hide(f"it could not be asked: {error}"))
        rulings = {2: Ruling.GO, 4: Ruling.STOP}
        return rulings.get(reply.status // 100, Ruling.UNSURE), bytes(tail), f"HTTP {reply.status}"


def judge_environment(env: Mapping[str, str], *, run: str, wave: int) -> dict[str, str]:
    """Return the variables of a judge's process: no key of ours, and which run and wave it is about."""
    own = {"BULK_RUN": run, "BULK_WAVE": str(wave)}
    return {name: value for name, value in env.items() if not name.startswith(_NOT_FOR_THE_JUDGE)} | own


def last_words(said: str) -> str:
    """Return the last lines of what a judge said, in one line of bounded length."""
    lines = [line for each in said.splitlines() if (line := printable(each).strip())]
    words = "; ".join(lines[-_LINES_MAX:])
    return words if len(words) <= _WORDS_CHARS_MAX else f"…{words[1 - _WORDS_CHARS_MAX :]}"


def _proxy(url: str, env: Mapping[str, str]) -> str | None:
    parts = urlsplit(url)
    return proxy_for(parse_endpoint(f"{parts.scheme}://{parts.netloc}"), env)


def _keep(tail: bytearray, part: bytes) -> None:
    """Add a part of what a judge says, and forget all but the end."""
    tail += part
    del tail[:-_TAIL_BYTES]


class _Output:
    """The end of what comes out of a pipe."""

    def __init__(self) -> None:
        self.tail = bytearray()
        self.has_ended = asyncio.Event()

    def read(self, fd: int) -> None:
        """Read what is there; nothing means that nobody holds the other end any more."""
        with suppress(BlockingIOError):
            part = os.read(fd, _READ_BYTES)
            _keep(self.tail, part)
            if not part:
                asyncio.get_running_loop().remove_reader(fd)
                self.has_ended.set()


@asynccontextmanager
async def _output() -> AsyncIterator[tuple[int, _Output]]:
    """Yield the end of a pipe for a process to write to, which its owner closes, and what comes out of it.

    A pipe of our own: that of a `Process` would let `wait` last until its children have closed it as well.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    output, loop = _Output(), asyncio.get_running_loop()
    loop.add_reader(read_end, output.read, read_end)
    try:
        yield write_end, output
    finally:
        loop.remove_reader(read_end)
        os.close(read_end)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kill a process, unless it has ended, and all that it has left in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
