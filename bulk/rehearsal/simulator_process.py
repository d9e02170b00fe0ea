"""The bundled simulator as a child process, for jobs whose endpoint is `simulator`.

It listens on a free loopback port, keeps its fleet in a file so that several runs tell one story, and ends
when this process does, even by kill -9: its standard input then closes.
"""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import aiohttp
import orjson

from bulk.errors import CannotRun, UsageError
from bulk.files.new_file import new_binary, new_folder, open_own
from bulk.rehearsal.children import STOP_S, bare, ended_with_stdin

_START_S = 20.0
_WRONG_USAGE = 2
"""The simulator's exit code for a flag that it cannot use."""
_FLEET_HINT = "`fleet` in job.toml must name the fleet file to begin with"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSimulator:
    """Where the simulator listens and the key pair it was given."""

    url: str
    ak: str
    sk: str = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables by which `bulk` and the official SDK find its keys and its IAM."""
        return {
            "HUAWEICLOUD_SDK_AK": self.ak,
            "HUAWEICLOUD_SDK_SK": self.sk,
            "HUAWEICLOUD_SDK_IAM_ENDPOINT": self.url,
        }

    async def stats(self) -> dict[str, Any]:
        """Return what the simulator has counted: requests by operation, refusals by code, duplicates."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/_simulator/stats") as reply:
            counts: dict[str, Any] = orjson.loads(await reply.read())
            return counts


@asynccontextmanager
async def run_simulator(
    seed: Path, fleet: Path, *, flags: Sequence[str] = ()
) -> AsyncIterator[RunningSimulator]:
    """Run the simulator on the fleet file, which begins as a copy of `seed` where there is none.

    `flags` are those of `bulk simulator`. Raises UsageError where one of them is wrong, else CannotRun.
    """
    _sow(seed, fleet)
    ak, sk = "PRACTICE" + secrets.token_hex(6).upper(), secrets.token_hex(20)
    with tempfile.TemporaryFile() as said:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "bulk.simulator", "--stop-with-stdin", "--fleet", str(fleet), *flags,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            env={**bare(os.environ), "BULK_SIMULATOR_AK": ak, "BULK_SIMULATOR_SK": sk},
            start_new_session=True,  # Ctrl-C is for us: requests in flight still need their answers
        )  # fmt: skip
        try:
            yield RunningSimulator(url=await _url(child, said), ak=ak, sk=sk)
        finally:
            await ended_with_stdin(child)


def _sow(seed: Path, fleet: Path) -> None:
    try:
        new_folder(fleet.parent)
        with suppress(FileNotFoundError):
            os.close(open_own(fleet, os.O_RDWR))
            return
        if seed.exists() and not seed.is_file():  # a device would fill the disk
            raise CannotRun(f"{seed}: not a file", hint=_FLEET_HINT)
        with seed.open("rb") as first, new_binary(fleet) as file:
            shutil.copyfileobj(first, file)
    except OSError as error:
        raise CannotRun(f"{error.filename}: {error.strerror}", hint=_FLEET_HINT) from error


async def _url(child: asyncio.subprocess.Process, said: IO[bytes]) -> str:
    first = b""
    with suppress(TimeoutError):
        first = await asyncio.wait_for(child.stdout.readline(), _START_S) if child.stdout else b""
    if not first.startswith(b"http://"):
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), STOP_S)
        said.seek(0)
        why = said.read().decode(errors="replace").strip()
        if child.returncode == _WRONG_USAGE:
            raise UsageError(why, hint="`bulk simulator --help` shows what it takes")
        raise CannotRun(
            f"the simulator did not start: {why or 'no answer'}",
            hint="another run may hold its fleet file: wait for it, or see `bulk simulator --help`",
        )
    return first.decode().strip()
