"""A command of ours in a process of its own, to be killed while it works."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

_LOOK_EVERY_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """How the process came to its end."""

    killed: bool
    """It was still at work and SIGKILL ended it."""
    exit_code: int
    """Negative for a signal."""
    said: str
    """What it wrote to stderr."""


async def kill_when(
    arguments: Sequence[str], *, env: Mapping[str, str], is_time: Callable[[], Awaitable[bool]]
) -> Victim:
    """Run `bulk` with these arguments; kill it with SIGKILL once `is_time` says so, or let it end."""
    with tempfile.TemporaryFile() as said:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bulk", *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=said,
            env=env,
            start_new_session=True,  # Ctrl-C is for us, and we end it
        )  # fmt: skip
        try:
            while child.returncode is None and not await is_time():
                with suppress(TimeoutError):
                    await asyncio.wait_for(child.wait(), _LOOK_EVERY_S)
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            exit_code = await child.wait()
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    return Victim(killed=exit_code == -signal.SIGKILL, exit_code=exit_code, said=text)
