"""The file of commands beside a ledger: its owner adds lines, and the run at work reads them.

It is only ever added to. A line that was written in part waits for its end, and becomes one of its own, which
is no command, where somebody else writes next. Nothing in it is trusted that another user could have written.
"""

import errno
import os
import stat
from collections.abc import Iterator
from fcntl import LOCK_EX, flock
from pathlib import Path

import orjson

from bulk.errors import Refused
from bulk.files.new_file import SAFELY, open_own, others_may_write
from bulk.ledger.commands import FILE_BYTES_MAX, Command, NotACommand, command_of, line_of
from bulk.ledger.records import Decision, decision_of

SUFFIX = ".commands.jsonl"
FAULTS_MAX = 20
"""Lines that are no commands and are named by one reader; what else there is of these is passed over."""


def beside(ledger: Path) -> Path:
    """Return the path of the file of commands of a ledger."""
    return ledger.with_name(ledger.name + SUFFIX)


class CommandReader:
    """Reads what was added since the last time; where there is nothing new, that takes one stat."""

    def __init__(self, ledger: Path) -> None:
        self._path = beside(ledger)
        self._owner = ledger.stat().st_uid
        self._read: tuple[int, int, int] | None = None
        """Device, inode and size of the file as it was read last."""
        self._offset = self._lines = 0
        self._faults: set[str] = set()

    def new(self) -> Iterator[Command | str]:
        """Yield each new command, and in words each new thing that is none, or why the file is not used."""
        try:
            found = self._path.lstat()
            if (found.st_dev, found.st_ino, found.st_size) != self._read:
                yield from self._added(found)
        except FileNotFoundError:
            return
        except OSError as error:
            yield from self._fault(f"{self._path.name}: {error.strerror or error}")

    def _added(self, found: os.stat_result) -> Iterator[Command | str]:
        if why := self._objection(found):
            yield from self._fault(f"{self._path.name} {why}: it is ignored")
            return
        is_same = self._read is not None and self._read[:2] == (found.st_dev, found.st_ino)
        if not is_same or found.st_size < self._offset:
            self._offset = self._lines = 0
        with os.fdopen(os.open(self._path, os.O_RDONLY | SAFELY), "rb") as file:
            if not os.path.samestat(os.fstat(file.fileno()), found):
                return  # another one took its place: the next time
            file.seek(self._offset)
            added = file.read(FILE_BYTES_MAX)
        self._read = (found.st_dev, found.st_ino, found.st_size)
        whole, _, _ = added.rpartition(b"\n")
        for line in whole.split(b"\n") if b"\n" in added else ():
            self._lines += 1
            self._offset += len(line) + 1
            yield from self._command(line)

    def _command(self, line: bytes) -> Iterator[Command | str]:
        try:
            yield command_of(line)
        except NotACommand as wrong:
            yield from self._fault(f"line {self._lines} of {self._path.name} {wrong}: it is ignored")

    def _objection(self, found: os.stat_result) -> str:
        if not stat.S_ISREG(found.st_mode):
            return "is not a file"
        if found.st_uid != self._owner:
            return f"belongs to another user (uid {found.st_uid}) than the ledger"
        if others_may_write(found):
            return "may be written by others"
        if found.st_size > FILE_BYTES_MAX:
            return f"is longer than {FILE_BYTES_MAX:,} bytes"
        return ""

    def _fault(self, words: str) -> Iterator[str]:
        """Yield what is wrong, once, and not for ever."""
        if words not in self._faults and len(self._faults) < FAULTS_MAX:
            self._faults.add(words)
            yield words


def add(ledger: Path, command: Command) -> None:
    """Add a command, which is on disk then; raise Refused, UsageError or OSError, with nothing written."""
    path = beside(ledger)
    try:
        line = line_of(command)
    except NotACommand as wrong:
        raise Refused(f"the command {wrong}; nothing was written", hint="write a shorter reason") from wrong
    if (owner := ledger.stat().st_uid) != os.geteuid():
        raise Refused(
            f"{ledger} belongs to another user (uid {owner}), who alone may command its run; "
            "nothing was written",
            hint="run the same command as that user",
        )
    fd = open_own(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        flock(fd, LOCK_EX)
        found = os.fstat(fd)
        if others_may_write(found):
            raise Refused(f"{path} may be written by others; nothing was written", hint=f"chmod 600 {path}")
        if found.st_size + len(line) + 1 > FILE_BYTES_MAX:
            raise Refused(
                f"{path} would be longer than {FILE_BYTES_MAX:,} bytes; nothing was written",
                hint="move it elsewhere: what was decided is in the ledger",
            )
        is_torn = found.st_size > 0 and os.pread(fd, 1, found.st_size - 1) != b"\n"
        _append(fd, b"\n" + line if is_torn else line, found.st_size, path)
    finally:
        os.close(fd)


def _append(fd: int, line: bytes, size: int, path: Path) -> None:
    """Append a line to a file of this size, whole or not at all; raise OSError, which names the file."""
    failed, appended = errno.ENOSPC, 0  # a disk that is nearly full takes a part, and reports no error
    try:
        appended = os.write(fd, line)
        os.fsync(fd)
    except OSError as error:
        failed, appended = error.errno or errno.EIO, 0
    if appended < len(line):
        os.ftruncate(fd, size)
        raise OSError(failed, os.strerror(failed), str(path))


def waiting(ledger: Path) -> tuple[Command, ...]:
    """Return all commands of a ledger's file, answered or not."""
    return tuple(each for each in CommandReader(ledger).new() if isinstance(each, Command))


class Answers:
    """Reads the decisions that are added to a ledger from here on."""

    def __init__(self, ledger: Path) -> None:
        self._path = ledger
        self._offset = ledger.stat().st_size

    def new(self) -> Iterator[Decision]:
        """Yield each decision that was written since the last time."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.split(b"\n"):
            if b'"type":"decision"' in line:
                yield decision_of(orjson.loads(line))
