"""The three standard streams, as whatever started the command has left them."""

import errno
import io
import os
import select
import sys
from typing import Any, Literal


class Patient(io.FileIO):
    """A stream whose calls wait for the other end, and that goes on without it once it has gone.

    Any process that shares a pipe or a terminal can make it non-blocking for all; Python then loses what does
    not fit. A reader that has gone (`| head`), like a terminal that was closed, stops nothing: what a command
    says is not all that it does.
    """

    def __init__(self, fd: int, mode: Literal["r", "w"]) -> None:
        super().__init__(fd, mode, closefd=False)
        self._gone = {errno.EPIPE, errno.EIO} if self.isatty() else {errno.EPIPE}

    def write(self, content: Any) -> int:
        """Write some of the content and return the number of bytes."""
        try:
            while (written := super().write(content)) is None:
                select.select([], [self], [])
        except OSError as error:
            if error.errno not in self._gone:
                raise
            return len(content)
        return written

    def readinto(self, buffer: Any) -> int:
        """Read some bytes and return their number, 0 at the end."""
        while (read := super().readinto(buffer)) is None:
            select.select([self], [], [])
        return read

    def read(self, size: int | None = -1) -> Any:
        """Return at most so many bytes, or all that is left; what FileIO has would not wait."""
        return self.readall() if size is None else io.RawIOBase.read(self, size)

    def readall(self) -> Any:
        """Return all that is left."""
        return io.RawIOBase.readall(self)


def prepare() -> None:
    """Open what is closed, wait for what blocks, and show what an encoding lacks by its escape."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        encoding = getattr(getattr(sys, name), "encoding", "utf-8")
        _open_if_closed(fd)
        raw = Patient(fd, "r" if fd == 0 else "w")
        buffer = io.BufferedReader(raw) if fd == 0 else io.BufferedWriter(raw)
        errors = "replace" if fd == 0 else "backslashreplace"
        is_prompt = fd == 2 or raw.isatty()  # noqa: PLR2004 - stderr
        setattr(sys, name, io.TextIOWrapper(buffer, encoding, errors, line_buffering=is_prompt))


def has_reader(fd: int) -> bool:
    """Return False where a stream is a pipe whose reader has gone, so that nobody can see what is written."""
    end = select.poll()
    end.register(fd, 0)
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in end.poll(0))


def _open_if_closed(fd: int) -> None:
    """Let a closed stream (cron, `>&-`) lead nowhere, so that no other file takes its number."""
    try:
        os.fstat(fd)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
