"""Finds out whether this machine has no room for one more connection, or none to work at all."""

import errno
import os
import resource
from contextlib import ExitStack

import aiohttp

from bulk.errors import CannotRun

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""No open file left (to this process, to the machine), no memory, no port."""
PIPES = 2
"""A name is looked up, and a certificate checked, with a few files open at a time; a pipe takes two."""

PIPES_MIN = 9
"""A session has some 16 files open with its first connection: loop, locks, ledger, what it reads."""


def must_have_room() -> None:
    """Raise CannotRun where a session could not open its files; else it would try for more than a minute."""
    if not _can_open_files(PIPES_MIN):
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        raise CannotRun(
            f"this machine lets the command open too few files (at most {most}); nothing was sent",
            hint="raise the limit, for example with `ulimit -n 256`, and run the same command again",
        )


def is_short(error: BaseException) -> bool:
    """Return whether a connection could not be made for want of open files, ports or memory here.

    Errors of a resolver, of a certificate check and of several addresses at once do not say that a file could
    not be opened. After these it is tried whether a few files can be opened now.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in SHORTAGES:
        return True
    is_silent = isinstance(error, aiohttp.ClientConnectorDNSError | aiohttp.ClientSSLError)
    is_silent = is_silent or (isinstance(error, aiohttp.ClientConnectorError) and number is None)
    return is_silent and not _can_open_files(PIPES)


def _can_open_files(pipes: int) -> bool:
    with ExitStack() as opened:
        try:
            for _ in range(pipes):
                for end in os.pipe():
                    opened.callback(os.close, end)
        except OSError:
            return False
    return True
