"""Files that hold credentials: read whole, and only where nobody else may write to them."""

import os
import shlex
import stat
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bulk.errors import CredentialsError
from bulk.files.new_file import others_may_write

BYTES_MAX = 1024 * 1024


class KeptText(NamedTuple):
    """The content of a file, and a warning where others may read it; empty where none may."""

    text: str
    warning: str = ""


def path_of(named: str, home: Path) -> Path:
    """Return the path of a file, whose name may begin with `~/`."""
    return home / named[2:] if named.startswith("~/") else Path(named)


def kept(path: Path, what: str) -> KeptText | None:
    """Return what a file holds; None where there is none. Raises CredentialsError where it cannot be used."""
    try:
        found = path.stat()
        read = _read if stat.S_ISREG(found.st_mode) else _read_once
        text, warning = read(path, what, (found.st_dev, found.st_ino))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, what, error) from None
    if len(text) > BYTES_MAX:
        raise CredentialsError(
            f"{what} {path} has more than {BYTES_MAX} characters", hint="name another file"
        )
    return KeptText(text, warning)


def _read(path: Path, what: str, _: tuple[int, int]) -> KeptText:
    with path.open(encoding="utf-8-sig") as file:
        warning = exposure(path, os.fstat(file.fileno()), what)
        return KeptText(file.read(BYTES_MAX + 1), warning)


_read_once = cache(_read)
"""A pipe has its content once, and credentials are looked for again for each region and project."""


def unreadable(path: Path, what: str, error: Exception) -> CredentialsError:
    """Return the error for a file that cannot be read.

    A parser's own message quotes the line, which may be the secret.
    """
    why = error.strerror if isinstance(error, OSError) else type(error).__name__
    return CredentialsError(f"{what} {path} cannot be read: {why}", hint="correct the file, or move it away")


def token_in(path: str) -> str:
    """Return the token that somebody keeps in a file; raises CredentialsError where there is none."""
    try:
        with Path(path).open(encoding="ascii") as file:
            token = file.read(BYTES_MAX).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(Path(path), "the token file", error) from None
    if token and token.isprintable() and " " not in token:
        return token
    raise CredentialsError(f"the token file {path} holds no token", hint="look at what writes it")


def exposure(path: Path, found: os.stat_result, what: str) -> str:
    """Return a warning where others may read a file of secrets; raise where they may write to it.

    Who writes to it says whose keys are used, and where they go. A pipe has no such rights. A file of root is
    read through its group by who is not root, as in a pod.
    """
    only_owner = f"chmod 600 {shlex.quote(str(path))}"
    if found.st_uid not in {0, os.geteuid()}:
        raise CredentialsError(
            f"{what} {path} belongs to another user (uid {found.st_uid})", hint="use a file of your own"
        )
    if not stat.S_ISREG(found.st_mode):
        return ""
    if others_may_write(found):
        raise CredentialsError(f"others may write to {what} {path}", hint=only_owner)
    others = stat.S_IROTH | (stat.S_IRGRP if found.st_uid == os.geteuid() else 0)
    return f"others may read {what} {path}: {only_owner}" if found.st_mode & others else ""
