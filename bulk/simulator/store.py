"""What outlives the simulator: the fleet file and the log of applied PUTs, both JSON Lines.

Each line is handed to the kernel before the answer leaves, in one write and without a buffer of our own, so
killing every process loses nothing. (A power cut may: this is a simulator.)
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

LOCK_POLL_S = 0.05
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A link is not followed, and a pipe is not waited for."""


class StoreError(Exception):
    """The file cannot be used; the message says which, why, and what to do."""


class LineFile:
    """A JSON Lines file that one process appends to; opening locks it, closing (or dying) frees it."""

    def __init__(self, path: Path, *, lock_wait_s: float = 0.0) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _SAFELY, 0o600)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; name a file that can be written") from None
        try:
            self._must_be_a_file()
            self._lock(time.monotonic() + lock_wait_s)
            self._mend_tail()
        except BaseException:
            os.close(self._fd)
            raise

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (line number from 1, object) of every line that is not blank."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, self._parse(number, line)

    def append(self, record: bytes) -> None:
        """Write one line, newline added; it is the kernel's when this returns."""
        remaining = record + b"\n"
        while remaining:
            remaining = remaining[os.write(self._fd, remaining) :]

    def close(self) -> None:
        """Close the file and so free its lock."""
        os.close(self._fd)

    def _must_be_a_file(self) -> None:
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise StoreError(f"{self._path}: not a file; name one")

    def _lock(self, until_s: float) -> None:
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise StoreError(f"{self._path}: cannot be locked: {error.strerror}") from None
                if time.monotonic() >= until_s:
                    raise StoreError(
                        f"{self._path}: another simulator uses this file; stop it or name another file"
                    ) from None
                time.sleep(LOCK_POLL_S)
            else:
                return

    def _mend_tail(self) -> None:
        """Cut a last line that a kill left half-written; end one that only lacks its newline."""
        end, tail = os.fstat(self._fd).st_size, b""
        while end > 0 and b"\n" not in tail:
            start = max(0, end - 65_536)
            tail = os.pread(self._fd, end - start, start) + tail
            end = start
        tail = tail.rpartition(b"\n")[2]
        try:
            if tail:
                orjson.loads(tail)
                self.append(b"")
        except orjson.JSONDecodeError:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - len(tail))

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise StoreError(
                f"{self._path}:{number}: not JSON: {error}; correct or remove the line"
            ) from None
        if not isinstance(value, dict):
            raise StoreError(f"{self._path}:{number}: not a JSON object; correct or remove the line")
        return value
