"""The summary beside a ledger: the state of its run up to a byte, so that opening it takes no fold.

It is a copy that may be lost: whatever about it is odd, such as another version, run, machine or byte, leads
to the fold. It is bound to the ledger by SHA-256 of its segments, and never written where somebody waits.

The file is a line with the SHA-256 of all behind it, a line of JSON, and the arrays one after the other.
"""

import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Self

import orjson

from bulk import __version__
from bulk.errors import BulkError
from bulk.files.new_file import new_partial, open_own, others_may_write, partial_of
from bulk.ledger.chain import Chain
from bulk.ledger.ends import TAIL_BYTES, head_of
from bulk.ledger.progress import Progress
from bulk.ledger.records import Json
from bulk.ledger.summary import packed, snapshot, unpacked

SUFFIX = ".summary"
SEGMENT_BYTES = 67_108_864
LEDGER_BYTES_MIN = 8_388_608
"""A shorter ledger is folded as quickly as its summary would be read, and has none."""
ROOM_BYTES_MIN = 268_435_456
"""On a disk with less room nothing is written but the ledger; a summary has at most 70 MB and some texts."""
_READ_BYTES = 1_048_576
_HEX = 64
_THREADS = 2


class LedgerPoint(NamedTuple):
    """Where the lines end that a state adds up, and what the ledger's chain is there."""

    n: int
    total: str
    size_bytes: int


class Segments:
    """The SHA-256 of each segment of the bytes so far."""

    def __init__(self) -> None:
        self._whole: list[str] = []
        self._rest = sha256()
        self.size_bytes = 0
        """How many bytes there were."""

    @classmethod
    def of(cls, fd: int, size_bytes: int) -> Self:
        """Return those of the first bytes of a file, read by two threads."""
        segments, whole = cls(), size_bytes // SEGMENT_BYTES
        # One SHA-256 cannot be shared among threads, those of segments can; hashing lets other threads run.
        with ThreadPoolExecutor(_THREADS) as threads:
            starts = range(0, whole * SEGMENT_BYTES, SEGMENT_BYTES)
            segments._whole = list(threads.map(lambda at: _digest(fd, at, at + SEGMENT_BYTES), starts))
        segments.size_bytes = whole * SEGMENT_BYTES
        segments.read_on(fd, size_bytes)
        return segments

    def read_on(self, fd: int, size_bytes: int) -> None:
        """Take in the bytes of a file behind those so far, up to a size."""
        for content in _pieces(fd, self.size_bytes, size_bytes):
            self.add(content)

    def add(self, content: bytes | memoryview) -> None:
        """Take in the next bytes."""
        view = memoryview(content)
        while view:
            now, view = view[: (room := SEGMENT_BYTES - self.size_bytes % SEGMENT_BYTES)], view[room:]
            self._rest.update(now)
            self.size_bytes += len(now)
            if len(now) == room:
                self._whole.append(self._rest.hexdigest())
                self._rest = sha256()

    def digests(self) -> list[str]:
        """Return the digest of each segment, the last of which may be short or empty."""
        return [*self._whole, self._rest.hexdigest()]


def path_of(ledger: Path) -> Path:
    """Return the path of a ledger's summary."""
    return ledger.with_name(ledger.name + SUFFIX)


def load(ledger: Path, *, every_byte: bool) -> tuple[Progress, Chain, Segments] | None:
    """Return the state in a ledger's summary, the chain at its end, and the segments of what it adds up.

    With `every_byte` all of that is held against the ledger; else inode, size and last 64 KiB are, and the
    segments stay empty. None where there is no summary, or anything about it is odd.
    """
    try:
        with os.fdopen(open_own(path_of(ledger), os.O_RDONLY), "rb") as file, ledger.open("rb") as lines:
            if others_may_write(os.fstat(file.fileno())):
                return None
            header, arrays = _content(file.read())
            segments = _fitting(header, lines.fileno(), every_byte=every_byte)
            progress = unpacked(header["state"], arrays)
            if segments is None or progress.run != head_of(ledger):
                return None
            total, size = header["sum"].encode(), header["size"]
            return progress, Chain(n=header["n"], total=total, size_bytes=size, is_fixed=True), segments
    except (OSError, BulkError, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return None


def _content(content: bytes) -> tuple[Json, dict[str, memoryview]]:
    """Return header and arrays of a summary; raise ValueError where a byte is not as it was written."""
    view = memoryview(content)
    if content[:_HEX] != sha256(view[_HEX + 1 :]).hexdigest().encode():
        raise ValueError
    end = content.index(b"\n", _HEX + 1)
    header, at, arrays = orjson.loads(view[_HEX + 1 : end]), end + 1, {}
    for name, length in header["arrays"]:
        arrays[name] = view[at : at + length]
        at += length
    return header, arrays


def _fitting(header: Json, fd: int, *, every_byte: bool) -> Segments | None:
    """Return the segments of a ledger that a summary with this header fits; None where it does not fit."""
    found, size = os.fstat(fd), header["size"]
    types = tuple(type(header[name]) for name in ("n", "sum", "size"))
    if tuple(header["writer"]) != _writer() or types != (int, str, int) or found.st_size < size:
        return None
    if every_byte:
        segments = Segments.of(fd, size)
        return segments if segments.digests() == header["segments"] else None
    is_same = found.st_ino == header["inode"] and header["tail"] == _tail(fd, size)
    return Segments() if is_same else None


def _writer() -> tuple[str, str, str]:
    """Return what must be the same where a summary is read: version, machine, and order of the bytes."""
    return __version__, socket.gethostname(), sys.byteorder


def _tail(fd: int, size_bytes: int) -> str:
    return _digest(fd, max(0, size_bytes - TAIL_BYTES), size_bytes)


def _digest(fd: int, begin: int, end: int) -> str:
    total = sha256()
    for piece in _pieces(fd, begin, end):
        total.update(piece)
    return total.hexdigest()


def _pieces(fd: int, begin: int, end: int) -> Iterator[memoryview]:
    """Yield the bytes of a file in pieces, each of which lasts until the next; raise OSError for too few."""
    view = memoryview(bytearray(_READ_BYTES))
    while begin < end:
        got = os.preadv(fd, [view[: end - begin]], begin)
        if not got:
            raise OSError("the file ends too soon")
        yield view[:got]
        begin += got


class SummaryWriter:
    """Writes the summary of one ledger again and again, in a thread, from states that are copied at once."""

    def __init__(self, ledger: Path, fd: int, segments: Segments, written_bytes: int = 0) -> None:
        """Take the segments of the ledger so far, and how much of it its summary adds up."""
        self._ledger = ledger
        self._fd = fd
        self._segments = segments
        self._written_bytes = written_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="summary")
        self._writing: Future[None] | None = None

    def add(self, content: bytes) -> None:
        """Take in what was written to the ledger; to be called in one thread at a time, as all of this."""
        self._segments.add(content)

    def write_soon(self, progress: Progress, point: LedgerPoint) -> None:
        """Begin to write the summary once the plan is complete, and again for each 64 MiB of the ledger."""
        grown_bytes = point.size_bytes - self._written_bytes
        enough_bytes = SEGMENT_BYTES if self._written_bytes else LEDGER_BYTES_MIN
        is_idle = self._writing is None or self._writing.done()
        if grown_bytes >= enough_bytes and is_idle and progress.planned:
            self._writing = self._thread.submit(self._write, *self._taken(progress, point))

    async def close(self, progress: Progress, point: LedgerPoint) -> None:
        """Write the summary of the last state, once what is being written is done."""
        import asyncio  # noqa: PLC0415 - it brings ssl with it: reading a summary needs neither

        if self._writing:
            await asyncio.wrap_future(self._writing)
        is_worth_it = point.size_bytes >= LEDGER_BYTES_MIN and point.size_bytes > self._written_bytes
        if is_worth_it and progress.planned:
            await asyncio.wrap_future(self._thread.submit(self._write, *self._taken(progress, point)))

    def shut_down(self) -> None:
        """End the thread, once what is being written is done."""
        self._thread.shutdown()

    def _taken(self, progress: Progress, point: LedgerPoint) -> tuple[Progress, list[str], LedgerPoint]:
        self._written_bytes = point.size_bytes
        return snapshot(progress), self._segments.digests(), point

    def _write(self, state: Progress, segments: list[str], point: LedgerPoint) -> None:
        """Let this be the summary, all at once; where it cannot be written it is left out."""
        with suppress(Exception):
            path, disk = path_of(self._ledger), os.fstatvfs(self._fd)
            if disk.f_bavail * disk.f_frsize < ROOM_BYTES_MIN:  # which the ledger may need
                return
            with os.fdopen(new_partial(path), "wb") as file:
                try:
                    file.writelines(self._parts(state, segments, point))
                    file.flush()
                    partial_of(path).replace(path)
                finally:
                    partial_of(path).unlink(missing_ok=True)

    def _parts(
        self, state: Progress, segments: list[str], point: LedgerPoint
    ) -> Iterator[bytes | memoryview]:
        json, arrays = packed(state)
        contents = {name: memoryview(values).cast("B") for name, values in arrays.items()}
        header = {
            "writer": _writer(),
            "inode": os.fstat(self._fd).st_ino,
            "size": point.size_bytes,
            "n": point.n,
            "sum": point.total,
            "segments": segments,
            "tail": _tail(self._fd, point.size_bytes),
            "arrays": [[name, len(content)] for name, content in contents.items()],
            "state": json,
        }
        parts: list[bytes | memoryview] = [orjson.dumps(header), b"\n", *contents.values()]
        total = sha256()
        for part in parts:
            total.update(part)
        yield total.hexdigest().encode() + b"\n"
        yield from parts
