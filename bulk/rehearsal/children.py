"""What other processes may know: our children no secret, and nobody what is in our memory."""

import asyncio
import ctypes
import resource
import sys
from collections.abc import Mapping

_NEEDED = frozenset({"HOME", "LANG", "LANGUAGE", "NO_COLOR", "PATH", "TERM", "TMPDIR", "TZ", "VIRTUAL_ENV"})
_NEEDED_PREFIXES = ("DYLD_", "LC_", "LD_", "PYTHON", "XDG_")
STOP_S = 5.0
"""How long a child may take to end once its standard input has."""
_PR_SET_DUMPABLE = 4
"""The option of prctl(2) that says whether a crash may write the memory to a file."""


def bare(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that any program needs to run; no key, password or address is among them.

    Nor is the encoding in which a person wants to read this command: what a child says is read here.
    """
    return {
        name: value
        for name, value in env.items()
        if (name in _NEEDED or name.startswith(_NEEDED_PREFIXES)) and name != "PYTHONIOENCODING"
    }


def keep_out_of_core_files() -> None:
    """Let no crash of this process write its memory, which holds keys, to a file; nor others look into it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A core that is piped to a handler heeds no limit.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


async def ended_with_stdin(child: asyncio.subprocess.Process) -> None:
    """Close the standard input of a child, which ends it, and return once it has; kill it if need be."""
    if child.stdin:
        child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), STOP_S)
    except TimeoutError:
        child.kill()
        await child.wait()
