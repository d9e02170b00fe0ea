"""Whether it is this machine that has no room for one more connection."""

import errno
import os
from contextlib import ExitStack

import aiohttp

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""No open file left (to this process, to the machine), no memory, no port."""
PIPES = 2
"""A name is looked up, and a certificate checked, with a few files open at a time; a pipe takes two."""


def is_short(error: BaseException) -> bool:
    """Return whether a connection could not be made for want of open files, ports or memory here.

    A resolver, and what checks certificates, do not say that they could not open their files. So does what
    tells of several addresses at once. Then it is tried whether a few files can be opened now.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in SHORTAGES:
        return True
    is_silent = isinstance(error, aiohttp.ClientConnectorDNSError | aiohttp.ClientSSLError)
    is_silent = is_silent or (isinstance(error, aiohttp.ClientConnectorError) and number is None)
    return is_silent and not _can_open_files()


def _can_open_files() -> bool:
    with ExitStack() as opened:
        try:
            for _ in range(PIPES):
                for end in os.pipe():
                    opened.callback(os.close, end)
        except OSError:
            return False
    return True
