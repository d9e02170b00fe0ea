"""The ledger as a file: append-only, locked by its one writer, durable by group commit.

Appends queue up; one thread writes and syncs whatever has queued, and those who wait for their record
wake when it is durable. A slow disk therefore costs latency, not throughput. After a failed write or sync
nothing is tried again: what the kernel then holds of the file cannot be known (Rebello et al., "Can
Applications Recover from fsync Failures?", USENIX ATC 2020).

asyncio is imported where a ledger is written, since it brings ssl with it: reading a ledger needs neither.
"""

import hashlib
import os
import shlex
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

import orjson

from bulk.errors import CannotRun, LedgerBusy, LedgerDamaged, LedgerFailed, UsageError
from bulk.files.line_reader import Lines
from bulk.files.locks import lock, must_keep_others_away
from bulk.files.new_file import is_file, new_folder, new_partial, open_own, partial_of
from bulk.jobfile.files import LEDGER_SUFFIX
from bulk.ledger.chain import Chain, timestamp
from bulk.ledger.change_line import (
    alike_within,
    mappings_within,
    plain_put,
    shows_as_asked,
    shows_before,
)
from bulk.ledger.ends import head_of, last_session
from bulk.ledger.folding import take_in
from bulk.ledger.members import checked, checked_rest, checked_whole
from bulk.ledger.progress import Progress
from bulk.ledger.records import (
    LINE_BYTES_MAX,
    ChangeRecord,
    Json,
    Note,
    Record,
    change_of,
    record_json,
    record_type,
)
from bulk.ledger.summary_file import LedgerPoint, Segments, SummaryWriter, load
from bulk.model import Change, Listed
from bulk.puts import Put
from bulk.settings.zone import shown_zone
from bulk.text import counted, moment

if TYPE_CHECKING:
    import asyncio

_NAME_ONE = "name a ledger file (`runs/….ledger.jsonl`)"
_BUFFER_BYTES = 1_048_576
_LOCK_TRIES, _LOCK_PAUSE_S = 4, 0.05


_Waiter: TypeAlias = "asyncio.Future[None] | None"

OnRecord = Callable[[Json, Callable[[int], Change]], None]
"""A callback that gets each record once it is durable, and what returns the change of a row."""


def _loop() -> "asyncio.AbstractEventLoop":
    import asyncio  # noqa: PLC0415 - see above

    return asyncio.get_running_loop()


class Disk(Protocol):
    """What makes bytes durable; both raise OSError."""

    def write(self, fd: int, content: bytes) -> int:
        """Write some of the content and return the number of bytes."""
        ...

    def sync(self, fd: int) -> None:
        """Return once everything written is on the device."""
        ...


class SystemDisk:
    """The operating system's own calls."""

    write = staticmethod(os.write)
    sync = staticmethod(os.fdatasync if hasattr(os, "fdatasync") else os.fsync)


def records(path: Path, chain: Chain | None = None, *, whole: bool = True) -> Iterator[tuple[int, Json]]:
    """Return each record with its byte offset, verified by `chain`; a torn last line is passed over.

    Changes come `whole` or only their heads. Raises LedgerDamaged with the line's number, and UsageError
    where the file cannot be read.
    """
    chain = chain or Chain()
    read, line = checked_whole if whole else checked, b""
    try:
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            file.seek(chain.size_bytes)
            for line in iter(partial(file.readline, LINE_BYTES_MAX + 1), b""):
                offset = chain.size_bytes
                yield offset, read(chain.unseal(line, whole=whole))
    except OSError as error:
        raise _unreadable(path, error) from error
    except LedgerDamaged as error:
        if len(line) > LINE_BYTES_MAX:
            what = f"line {chain.n + 1} is longer than {counted(LINE_BYTES_MAX, 'byte')}"
        elif line.endswith(b"\n"):
            what = error.message
        else:
            return  # the last line, which its writer did not finish
        raise LedgerDamaged(f"{path}: {what}", hint=error.hint) from error


def steps(path: Path, progress: Progress, chain: Chain | None = None) -> Iterator[Json]:
    """Return each record once `progress` has taken it in, of a change its head; raises as `records` does."""
    for offset, record in records(path, chain, whole=False):
        try:
            take_in(progress, record, offset)
        except LedgerDamaged as error:
            raise LedgerDamaged(f"{path}: {error.message}", hint=error.hint) from error
        yield record


def fold(path: Path, chain: Chain | None = None) -> Progress:
    """Return the folded state of a ledger, without locking it, of a live, dead or finished run.

    Raises LedgerDamaged, also for a file without a complete plan, and UsageError.
    """
    progress = Progress()
    deque(steps(path, progress, chain), maxlen=0)
    if not progress.planned:
        raise LedgerDamaged(
            f"{path}: holds no complete plan",
            hint="it is not a ledger, or its planning was interrupted; plan anew",
        )
    return progress


def by_summary(path: Path, *, every_byte: bool) -> tuple[Progress, Chain, Segments] | None:
    """Return the state of a ledger by its summary and the lines behind that; None where it is to be folded.

    Beside it come its chain, and the segments of what the summary adds up. See `summary_file.load`.
    """
    if found := load(path, every_byte=every_byte):
        progress, chain, _ = found
        with suppress(LedgerDamaged, UsageError):  # the fold says what is wrong
            deque(steps(path, progress, chain), maxlen=0)
            return found
    return None


def state(path: Path, *, every_byte: bool) -> tuple[Progress, bool]:
    """Return the state of a ledger, and whether its summary gave it; raises as `fold` does."""
    if found := by_summary(path, every_byte=every_byte):
        return found[0], True
    return fold(path), False


def is_live(path: Path) -> bool:
    """Return whether a process holds the ledger now."""
    with path.open("rb") as file:
        try:
            lock(file.fileno(), path, shared=True)
        except BlockingIOError:
            return True
        except CannotRun:  # a session on it is refused for that
            return False
    return False


@contextmanager
def kept_at_rest(path: Path) -> Iterator[Callable[[], None]]:
    """Keep everybody from working on a ledger while the block runs, or until what is yielded is called.

    `is_live` does not take this for work, and others may do the same. Raises LedgerBusy where somebody works
    on it.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        try:
            lock(file.fileno(), path, shared=True)
        except BlockingIOError as error:
            raise _busy(path) from error
        yield file.close


class LedgerReader:
    """Random access to a ledger's changes and outcomes, by what `progress` knows of their place."""

    def __init__(self, path: Path, fd: int, progress: Progress) -> None:
        self.path = path
        self._fd = fd
        self.progress = progress
        self._line_at = Lines(fd).at

    def change(self, row: int) -> Change:
        """Return the planned change of a row; raises LedgerDamaged."""
        json = self.change_json(row)
        if unplanned := [each for each in json.get("after_parked", ()) if not self.progress.is_planned(each)]:
            raise self._damaged(
                f"line {json['n'] + 1} waits for row {unplanned[0]}, which is not in the plan"
            )
        return change_of(json)

    def plain_put(self, row: int) -> Put | None:
        """Return the PUT of a row that stands by itself; None where the whole `change` must be read."""
        return plain_put(self._line_at(self.progress.change_at[row - 1]))

    def change_json(self, row: int) -> Json:
        """Return the `change` record of a row; raises LedgerDamaged."""
        try:
            return checked_rest(self._record(self.progress.change_at[row - 1]))
        except LedgerDamaged as error:
            raise self._damaged(error.message) from error

    def matches_snapshot(self, row: int, live: Listed) -> bool:
        """Return whether the plan surely saw the row's service like this; False leaves it open."""
        return shows_before(self._line_at(self.progress.change_at[row - 1]), live)

    def shows_as_asked(self, row: int, live: Listed) -> bool:
        """Return whether a service is surely as its row asks, and else as planned; False may mean unknown."""
        return shows_as_asked(self._line_at(self.progress.change_at[row - 1]), live)

    def mappings_text(self, row: int) -> bytes:
        """Return the mappings of a row's change as they are written: where equal, so are the mappings."""
        return mappings_within(self._line_at(self.progress.change_at[row - 1]))

    def alike_text(self, row: int) -> bytes:
        """Return what reports add up of a row's change, as it is written: where equal, so are their sums."""
        return alike_within(self._line_at(self.progress.change_at[row - 1]))

    def outcome(self, row: int) -> Json | None:
        """Return the last `outcome` record of a row; None while it has none."""
        offset = self.progress.outcome_at[row - 1]
        return self._record(offset) if offset else None

    def _record(self, offset: int) -> Json:
        try:
            json: Json = orjson.loads(self._line_at(offset))
        except ValueError as error:  # the line was vouched for when the file was folded
            raise self._damaged("was changed while it was read") from error
        return json

    def _damaged(self, what: str) -> LedgerDamaged:
        return LedgerDamaged(f"{self.path}: {what}")


class LedgerFile(LedgerReader):
    """The ledger of one run, opened and locked for writing; `progress` holds what is durable."""

    def __init__(
        self, path: Path, fd: int, now: Callable[[], float], disk: Disk, on_record: OnRecord
    ) -> None:
        super().__init__(path, fd, Progress())
        self._now = now
        self._disk = disk
        self._on_record = on_record
        self._chain = Chain()
        self._lines: list[bytes] = []
        self._queued: list[tuple[Json, int, _Waiter]] = []
        self._committing = False
        self._size_bytes = 0
        """Bytes written so far."""
        self._failure: Exception | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._summary: SummaryWriter | None = SummaryWriter(path, fd, Segments())
        """None where something else wrote to the file as it was opened."""
        self._durable = LedgerPoint(0, "", 0)
        self._is_named = False

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        now: Callable[[], float],
        disk: Disk | None = None,
        on_record: OnRecord = lambda *_: None,
    ) -> Self:
        """Begin a new ledger, under a partial name until `publish`; mode 0600."""
        if not path.name:
            raise UsageError(f"{path}: a folder, not a file", hint="name a new file with --ledger or --out")
        try:
            new_folder(path.parent)
            fd = new_partial(path)
            must_keep_others_away(fd, partial_of(path))
        except OSError as error:
            raise UsageError(
                f"{path}: {error.strerror}", hint="choose another place with --ledger or --out"
            ) from error
        if os.path.lexists(path):
            partial_of(path).unlink(missing_ok=True)
            os.close(fd)
            raise _exists(path)
        return cls(path, fd, now, disk or SystemDisk(), on_record)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        now: Callable[[], float],
        disk: Disk | None = None,
        on_record: OnRecord = lambda *_: None,
    ) -> Self:
        """Open an existing ledger to continue it: lock, verify, fold, cut a torn last line.

        Raises LedgerBusy, LedgerDamaged, UsageError.
        """
        try:
            fd = open_own(path, os.O_RDWR | os.O_APPEND, hint=f"{_NAME_ONE} of your own, and no link to it")
        except OSError as error:
            raise _unreadable(path, error) from error
        _lock(fd, path)
        ledger = cls(path, fd, now, disk or SystemDisk(), on_record)
        try:
            ledger._fold()
        except BaseException:
            os.close(fd)
            raise
        return ledger

    def _fold(self) -> None:
        before = os.fstat(self._fd)
        if found := by_summary(self.path, every_byte=True):
            self.progress, self._chain, segments = found
            written_bytes = segments.size_bytes
            segments.read_on(self._fd, self._chain.size_bytes)
        else:
            self.progress, written_bytes = fold(self.path, self._chain), 0
            segments = Segments.of(self._fd, self._chain.size_bytes)
        size_bytes = self._size_bytes = self._chain.size_bytes
        torn_bytes = (now := os.fstat(self._fd)).st_size - size_bytes
        is_as_read = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        self._summary = SummaryWriter(self.path, self._fd, segments, written_bytes) if is_as_read else None
        self._durable, self._is_named = self._point(), True
        if torn_bytes:
            os.ftruncate(self._fd, size_bytes)
            self.append(
                Note(about="torn", message=f"cut an unfinished last line of {counted(torn_bytes, 'byte')}")
            )

    def _point(self) -> LedgerPoint:
        return LedgerPoint(self._chain.n, self._chain.sum, self._chain.size_bytes)

    async def commit(self, record: Record) -> None:
        """Return once the record is durable and counted in `progress`; raise LedgerFailed if it cannot be."""
        waiter = _loop().create_future()
        self._append(record, waiter)
        await waiter

    def append(self, record: Record) -> None:
        """Queue a record and do not wait; it is durable before any later `commit` or `flush` returns."""
        self._append(record, None)

    async def flush(self) -> None:
        """Return once everything queued is durable; raise LedgerFailed if it cannot be."""
        if self._failure:
            raise self._failure
        waiter = _loop().create_future()
        self._queued.append(({}, 0, waiter))
        self._commit_soon()
        await waiter

    async def publish(self) -> None:
        """Move the ledger to its name, since its plan is durable; raise UsageError if the name is taken."""
        try:
            _rename_new(partial_of(self.path), self.path)
            _sync_folder(self.path.parent)
            _sync_folder(self.path.parent.parent)
        except OSError as error:
            raise LedgerFailed(
                f"{self.path}: cannot be created: {error.strerror}",
                hint="choose a place on a local disk with --ledger or --out",
            ) from error
        self._is_named = True

    def discard(self) -> None:
        """Remove a ledger that was never published."""
        with suppress(FileNotFoundError):
            partial_of(self.path).unlink()

    async def __aenter__(self) -> Self:
        """Return the ledger itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what has queued, then close the file, which frees the lock."""
        try:
            if self._lines or self._committing or not kind:
                await self.flush()
            if self._summary and self._is_named and not kind:
                await self._summary.close(self.progress, self._durable)
        finally:
            self._thread.shutdown()
            if self._summary:
                self._summary.shut_down()
            os.close(self._fd)

    def _append(self, record: Record, waiter: _Waiter) -> None:
        if self._failure:
            raise self._failure
        json = {
            "n": self._chain.n,
            "at": timestamp(self._now()),
            "type": record_type(record),
            **record_json(record),
        }
        offset = self._chain.size_bytes
        line = self._chain.add(json, record.rest if isinstance(record, ChangeRecord) else b"")
        if len(line) > LINE_BYTES_MAX:
            raise LedgerFailed(
                f"{self.path}: a `{json['type']}` of {counted(len(line), 'byte')} does not fit in a line",
                hint="limit a run to fewer services, or apply the whole job",
            )
        self._lines.append(line)
        self._queued.append((json, offset, waiter))
        self._commit_soon()

    def _commit_soon(self) -> None:
        """Write what has queued, and what else queues in this turn of the loop."""
        if not self._committing and self._queued:
            self._committing = True
            _loop().call_soon(self._commit)

    def _commit(self) -> None:
        content, self._lines = b"".join(self._lines), []
        batch, self._queued = self._queued, []
        commit = _loop().run_in_executor(self._thread, self._write_and_sync, content)
        commit.add_done_callback(partial(self._committed, batch, self._point()))

    def _write_and_sync(self, content: bytes) -> None:
        if content:
            self._check_file()
        self._size_bytes += len(content)
        view = memoryview(content)
        while view:
            view = view[self._disk.write(self._fd, view) :]  # type: ignore[arg-type]
        if self._summary:
            self._summary.add(content)
        self._disk.sync(self._fd)

    def _check_file(self) -> None:
        """Raise LedgerFailed where the file is not as we wrote it: a lock stops only those who ask for it."""
        mine = os.fstat(self._fd)
        names = (self.path, partial_of(self.path))
        if mine.st_size != self._size_bytes:
            what = f"has {mine.st_size:,} bytes where {self._size_bytes:,} were written"
        elif not any(is_file(name, mine) for name in names):
            what = "was removed, or another file has its name"
        else:
            return
        raise LedgerFailed(
            f"{self.path} {what}: something else wrote to it; no further PUT was sent",
            hint="put it back from a copy and run the same command; without a copy begin anew with "
            "--new-run, which finds the services that were changed as already right",
        )

    def _committed(
        self,
        batch: list[tuple[Json, int, _Waiter]],
        point: LedgerPoint,
        commit: "asyncio.Future[None]",
    ) -> None:
        self._committing = False
        try:
            commit.result()
            for json, offset, _ in batch:
                if json:
                    take_in(self.progress, json, offset)
            self._tell(batch)
        except OSError as error:
            so, then = "nothing was sent", "repeat"
            if self.progress.begun:
                so = "stopped, no further PUT was sent; the next run reads what was in flight"
                then = "run the same command to continue"
            hint = f"free some space or repair the disk, then {then}"
            self._fail(LedgerFailed(f"{self.path}: {error.strerror}: {so}", hint=hint), batch)
        except Exception as error:  # noqa: BLE001 - a bug, too, must not leave anybody waiting
            self._fail(error, batch)
        else:
            for _, _, waiter in batch:
                if waiter and not waiter.done():
                    waiter.set_result(None)
            self._durable = point
            if self._summary and self._is_named:
                self._summary.write_soon(self.progress, point)
            self._commit_soon()

    def _tell(self, batch: list[tuple[Json, int, _Waiter]]) -> None:
        with suppress(OSError):  # the listener may have gone; what is written is written
            for json, _, _ in batch:
                if json:
                    self._on_record(json, self.change)

    def _fail(self, failure: Exception, batch: list[tuple[Json, int, _Waiter]]) -> None:
        self._failure = failure
        for _, _, waiter in batch + self._queued:
            if waiter and not waiter.done():
                waiter.set_exception(failure)
        self._queued, self._lines = [], []


@contextmanager
def only_run(runs: Path, job: str, ledger: Path | None = None) -> Iterator[None]:
    """Keep every other run of this job away while the block runs; raises LedgerBusy.

    Where nothing can be written in `runs`, as in a job mounted read-only, the lock is beside `ledger`.
    """
    folders = [runs] if ledger is None else [runs, ledger.parent]
    with os.fdopen(_lock_file(job, *folders)) as file:
        try:
            lock(file.fileno(), runs)
        except BlockingIOError as error:
            if at_work := next(filter(is_live, _ledgers_of(runs, job)), None):
                raise _held(at_work, f"works on {at_work}", f"another run of {job}") from error
            raise LedgerBusy(
                f"another run of {job} is at work; nothing was sent", hint=_WAIT_FOR_IT
            ) from error
        yield


@contextmanager
def only_run_of(rows_sha256: str, endpoint: str, state: Path) -> Iterator[None]:
    """Keep every other run of the same rows at an endpoint away while the block runs; raises LedgerBusy.

    Whatever the path by which they are named: the lock is in the user's state folder. Where nothing can be
    written there, only the locks of the job and its ledger hold.
    """
    name = hashlib.sha256(f"{rows_sha256} {endpoint}".encode()).hexdigest()[:32]
    path = state / "runs" / f"{name}.lock"
    try:
        new_folder(path.parent)
        fd = open_own(path, os.O_RDWR | os.O_CREAT)
    except OSError:
        yield
        return
    with os.fdopen(fd) as file:
        try:
            lock(file.fileno(), path)
        except BlockingIOError as error:
            raise LedgerBusy(
                "another run of the same rows is at work, under another name or from another ledger; "
                "nothing was sent",
                hint=_WAIT_FOR_IT,
            ) from error
        yield


def _lock_file(job: str, folder: Path, *others: Path) -> int:
    """Return the descriptor of a job's lock in the first folder that lets us write; raises UsageError."""
    path = folder / f"{job}.lock"
    try:
        new_folder(folder)
        return open_own(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        if others:
            return _lock_file(job, *others)
        raise UsageError(
            f"{path}: {error.strerror}",
            hint="runs are kept beside the job: make its folder writable, or keep this one elsewhere with "
            "`bulk apply --ledger FILE`",
        ) from error


def _lock(fd: int, path: Path) -> None:
    try:
        _lock_patiently(fd, path)
        must_keep_others_away(fd, path)
    except BlockingIOError as error:
        os.close(fd)
        raise _busy(path) from error
    except CannotRun:
        os.close(fd)
        raise


def _lock_patiently(fd: int, path: Path) -> None:
    """Take the lock; a `status` that looks whether it is taken holds it for an instant."""
    for _ in range(_LOCK_TRIES - 1):
        with suppress(BlockingIOError):
            return lock(fd, path)
        time.sleep(_LOCK_PAUSE_S)
    return lock(fd, path)


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: {error.strerror}", hint=_NAME_ONE)


def _busy(path: Path) -> LedgerBusy:
    """Return the refusal of a ledger that somebody holds: for a session on it, or to plan its rollback."""
    if is_live(path):
        return _held(path, f"works on {path}", "another run")
    return _held_by(f"a rollback of {path} is being planned", path)


def _held(path: Path, does: str, what: str) -> LedgerBusy:
    """Return the refusal that names who works on a ledger, by its last session, or else `what`."""
    if last := last_session(path):
        since = moment(last["at"], shown_zone(os.environ))
        return _held_by(
            f"{last['user']} on {last['host']} (process {last['pid']}) {does} since {since}", path
        )
    return _held_by(f"{what} {does}", path)


def _held_by(who: str, path: Path) -> LedgerBusy:
    return LedgerBusy(
        f"{who}; nothing was sent",
        hint=f"{_WAIT_FOR_IT}; to see it: bulk status {shlex.quote(str(path))}",
    )


_WAIT_FOR_IT = "wait for it, or stop it and run the same command"


def _ledgers_of(runs: Path, lock: str) -> Iterator[Path]:
    """Return the ledgers in a folder of runs whose job has this lock, the latest first."""
    ledgers = sorted(runs.glob(f"*{LEDGER_SUFFIX}"), reverse=True)
    for path in ledgers:
        head = head_of(path)
        if lock in {job := head.get("job"), f"{job}{Path(head.get('file', '')).suffix}"}:
            yield path


def _rename_new(source: Path, destination: Path) -> None:
    """Rename without ever replacing a file that is there."""
    try:
        os.link(source, destination)
    except FileExistsError as error:
        raise _exists(destination) from error
    source.unlink()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _exists(path: Path) -> UsageError:
    shown = f"`bulk status {shlex.quote(str(path))}` shows what is in it"
    hint = f"{shown}; a new plan or run needs another name, since no ledger is ever overwritten"
    return UsageError(f"{path} already exists", hint=hint)
