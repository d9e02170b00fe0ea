"""The files that bulk creates or replaces: whole under their name or not at all, and private.

A folder may be shared. What somebody else put under a name that is about to be used (a link, a pipe, a file
of theirs) is neither followed nor written to: a new file is refused by name, `replace_file` takes its place.
What a process of ours left half-written when it died is taken away.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bulk.errors import CannotRun, LedgerBusy, UsageError
from bulk.files.locks import lock

PARTIAL = ".partial"
"""Ending of a file while it is written."""

_MODE = 0o600
_FOLDER_MODE = 0o755
"""Others never add files beside ours, whatever the umask."""
SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags of `open`: a link is not followed, and a pipe that nobody reads is not waited for."""
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def new_file(path: Path) -> Iterator[Callable[[str], object]]:
    """Yield a function that writes text, as UTF-8, to a new file; see `new_binary`."""
    with new_binary(path) as file:
        yield lambda text: file.write(text.encode())


@contextmanager
def new_binary(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file, which gets its name when the block ends without an error.

    Raises UsageError where the name is taken, and CannotRun where the file cannot be written.
    """
    if os.path.lexists(path):
        raise _taken(path)
    try:
        with os.fdopen(new_partial(path), "wb") as file:
            try:
                yield file
                file.flush()
                os.link(partial_of(path), path)
            finally:
                partial_of(path).unlink(missing_ok=True)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise CannotRun(
            f"{path}: {error.strerror or error}", hint="choose another place for --out"
        ) from error


def replace_file(path: Path, content: bytes, mode: int = _MODE) -> None:
    """Put a whole file in the place of what has its name now, if anything has.

    Raises OSError where it cannot be written; what was there then stays.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)  # whatever the umask
            file.write(content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def partial_of(path: Path) -> Path:
    """Return the name of a file while it is written."""
    return path.with_name(path.name + PARTIAL)


def new_partial(path: Path) -> int:
    """Create the partial file of `path` and return its descriptor, locked, for reading and appending.

    Raises UsageError where something else has its name, LedgerBusy where another process is writing it, and
    OSError.
    """
    partial = partial_of(path)
    while True:
        with suppress(FileExistsError):
            fd = os.open(partial, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | SAFELY, _MODE)
            if _is_locked(fd, partial) and is_file(partial, os.fstat(fd)):
                return fd
            os.close(fd)  # another process took it for one that was left behind, and took it away
            continue
        _remove_left_behind(partial, path)


WAY_OUT = "remove it, or choose a place where nobody else can create files"


def open_own(path: Path, flags: int, *, hint: str = WAY_OUT) -> int:
    """Open a regular file that belongs to this user, or create it, where `flags` say so, with mode 0600.

    Raises UsageError with the hint where something else has its name, and OSError.
    """
    with suppress(FileNotFoundError):
        _must_be_own(path, path.lstat(), hint)
    try:
        fd = os.open(path, flags | SAFELY, _MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            _must_be_own(path, path.lstat(), hint)
        raise
    try:
        _must_be_own(path, os.fstat(fd), hint)
    except UsageError:
        os.close(fd)
        raise
    return fd


def new_folder(path: Path) -> None:
    """Create a folder, and those above it, unless it is there; others never get leave to add files."""
    if not path.is_dir():
        new_folder(path.parent)
        path.mkdir(_FOLDER_MODE, exist_ok=True)


def others_may_write(found: os.stat_result) -> bool:
    """Return whether the mode of a file lets its group or anybody write to it."""
    return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def is_file(path: Path, wanted: os.stat_result) -> bool:
    """Return whether a path names this very file."""
    try:
        return os.path.samestat(path.lstat(), wanted)
    except FileNotFoundError:
        return False


def _remove_left_behind(partial: Path, path: Path) -> None:
    """Remove a partial file that a dead process of ours left; raise where it is anything else."""
    with suppress(FileNotFoundError):
        fd = open_own(partial, os.O_RDWR)
        try:
            found = os.fstat(fd)
            # A kill while it gets its name leaves it both.
            if found.st_nlink > 1 and not is_file(path, found):
                raise _planted(partial, "has another name as well (a hard link)", WAY_OUT)
            if not _is_locked(fd, partial):
                raise LedgerBusy(
                    f"{path}: another process is writing it",
                    hint="wait for it, or stop it and run the same command",
                )
            if is_file(partial, found):
                partial.unlink()
        finally:
            os.close(fd)


def _is_locked(fd: int, path: Path) -> bool:
    """Take the lock of a file; return whether it is ours now."""
    try:
        lock(fd, path)
    except BlockingIOError:
        return False
    return True


def _must_be_own(path: Path, found: os.stat_result, hint: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(found.st_mode)), "a device")
        raise _planted(path, f"is {kind}, not a file", hint)
    if found.st_uid != os.geteuid():
        raise _planted(path, f"belongs to another user (uid {found.st_uid})", hint)


def _planted(path: Path, why: str, hint: str) -> UsageError:
    return UsageError(f"{path} {why}; bulk uses only files of its own there", hint=hint)


def _taken(path: Path) -> UsageError:
    return UsageError(f"{path} already exists", hint="choose another name; bulk never replaces a file")
