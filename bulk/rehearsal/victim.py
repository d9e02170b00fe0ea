"""A command of ours in a process of its own, to be killed while it works."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

_LOOK_EVERY_S = 0.01


async def kill_when(
    arguments: Sequence[str], *, env: Mapping[str, str], is_time: Callable[[], Awaitable[bool]]
) -> int:
    """Run `bulk` with these arguments; kill it with SIGKILL once `is_time` returns true, or let it end.

    Return the exit code: -SIGKILL where it was still at work and was killed.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "bulk", *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
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
    return exit_code
