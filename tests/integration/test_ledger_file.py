"""The ledger on a real disk: durable before it counts, true after any damage, one writer at a time."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulk.errors import LedgerBusy, LedgerDamaged, LedgerFailed, UsageError
from bulk.files.new_file import PARTIAL
from bulk.ledger.chain import Chain
from bulk.ledger.file import (
    Disk,
    LedgerFile,
    LedgerReader,
    SystemDisk,
    fold,
    is_live,
    only_run,
    records,
)
from bulk.ledger.records import Intent, Json, Note, OutcomeRecord
from bulk.model import Outcome
from tests.fakes import FakeClock, FastDisk, inline, planned_ledger, write_plan
from tests.values import change, run_record

NOW = FakeClock().now
NAME = "run.ledger.jsonl"


def note(number: int) -> Note:
    """Return a record that is easy to recognise."""
    return Note(about="test", message=f"note {number}")


def opened(path: Path, disk: Disk | None = None) -> LedgerFile:
    """Return the ledger, opened to go on with it."""
    return LedgerFile.open(path, now=NOW, disk=disk)


async def closed(ledger: LedgerFile) -> None:
    """Close a ledger that nothing is to be written to."""
    async with ledger:
        pass


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def told(path: Path) -> list[Json]:
    """Return all records of a file."""
    return [record for _, record in records(path)]


async def written(folder: Path, rows: int = 2) -> Path:
    """Return a ledger file with a plan, a session, an applied and an asked row."""
    ledger = await planned_ledger(folder, [change(row + 1) for row in range(rows)])
    async with ledger:
        await ledger.commit(Intent(row=1, attempt=1))
        await ledger.commit(OutcomeRecord(row=1, outcome=Outcome.APPLIED))
        await ledger.commit(Intent(row=2, attempt=1))
    return ledger.path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a sound ledger."""
    path = asyncio.run(written(tmp_path_factory.mktemp("sound")))
    return path.read_bytes()


# Durable before it counts


class SlowDisk:
    """Lets a sync end only when told; keeps the order of what happened."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.begun, self.go = Event(), Event()
        self.breaks = False

    def write(self, fd: int, content: bytes) -> int:
        """Write all of it."""
        self.story.append("write " + str(bytes(content).count(b"\n")))
        return os.write(fd, content)

    def sync(self, fd: int) -> None:  # noqa: ARG002 - part of the interface
        """Wait to be let go."""
        self.begun.set()
        self.go.wait(10)
        if self.breaks:
            raise OSError(errno.EIO, "Input/output error")
        self.story.append("sync")


class CountingDisk:
    """The system's disk, counting."""

    def __init__(self) -> None:
        self.syncs = 0

    def write(self, fd: int, content: bytes) -> int:
        """Write."""
        return SystemDisk.write(fd, content)

    def sync(self, fd: int) -> None:
        """Sync, and count it."""
        self.syncs += 1
        SystemDisk.sync(fd)


async def test_a_waiter_wakes_only_after_its_sync(tmp_path: Path) -> None:
    """P2: neither `write` returns nor `progress` counts before the device has the bytes."""
    path = await written(tmp_path)
    disk = SlowDisk()
    async with opened(path, disk) as ledger:
        writing = asyncio.create_task(ledger.commit(OutcomeRecord(row=2, outcome=Outcome.APPLIED)))
        writing.add_done_callback(lambda _: disk.story.append("woken"))
        await asyncio.to_thread(disk.begun.wait, 10)
        assert not writing.done()
        assert ledger.progress.outcome(2) is Outcome.IN_DOUBT
        disk.go.set()
        await writing
        assert ledger.progress.outcome(2) is Outcome.APPLIED
    assert disk.story[:3] == ["write 1", "sync", "woken"]


async def test_appends_during_a_sync_share_the_next_one(tmp_path: Path) -> None:
    """Group commit: two syncs for a hundred records, none left behind, in the order they came."""
    disk = SlowDisk()
    path = await written(tmp_path)
    async with opened(path, disk) as ledger:
        first = asyncio.create_task(ledger.commit(note(0)))
        await asyncio.to_thread(disk.begun.wait, 10)
        others = [asyncio.create_task(ledger.commit(note(number))) for number in range(1, 100)]
        await asyncio.sleep(0)
        disk.go.set()
        await asyncio.wait([first, *others])
        assert disk.story == ["write 1", "sync", "write 99", "sync"]
    messages = [record["message"] for record in told(path) if record["type"] == "note"]
    assert messages == [f"note {number}" for number in range(100)]


async def test_many_writers_on_the_real_disk_need_fewer_syncs_than_records(tmp_path: Path) -> None:
    """A slow disk costs latency, not throughput."""
    disk = CountingDisk()
    path = await written(tmp_path)
    async with opened(path, disk) as ledger, asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(ledger.commit(note(number)))
    assert len(told(path)) == 8 + 200
    assert disk.syncs < 20


async def test_what_nobody_waits_for_is_durable_before_a_later_write_returns(tmp_path: Path) -> None:
    """`put` queues in order; `flush` and closing bring it down."""
    path = await written(tmp_path)
    disk = FastDisk()
    async with opened(path, disk) as ledger:
        ledger.append(note(1))
        await ledger.commit(note(2))
        assert [n["message"] for n in ledger.progress.notes] == ["note 1", "note 2"]
        ledger.append(note(3))
        await ledger.flush()
        assert (len(ledger.progress.notes), disk.synced_bytes) == (3, disk.written_bytes)
        ledger.append(note(4))
    assert told(path)[-1]["message"] == "note 4"
    assert disk.synced_bytes == disk.written_bytes


async def test_a_cancelled_waiter_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """Its record is written all the same."""
    disk = SlowDisk()
    path = await written(tmp_path)
    async with opened(path, disk) as ledger:
        first = asyncio.create_task(ledger.commit(note(1)))
        second = asyncio.create_task(ledger.commit(note(2)))
        await asyncio.to_thread(disk.begun.wait, 10)
        first.cancel()
        second.cancel()
        disk.go.set()
        await ledger.commit(note(3))
    assert [record["message"] for record in told(path)[-3:]] == ["note 1", "note 2", "note 3"]


async def test_everybody_who_asks_hears_of_each_durable_record_once(tmp_path: Path) -> None:
    """The display and the logs follow the disk."""
    path, heard = await written(tmp_path), list[Json]()
    async with LedgerFile.open(path, now=NOW, on_record=lambda record, _: heard.append(record)) as ledger:
        await ledger.commit(note(1))
        assert [record["message"] for record in heard] == ["note 1"]


async def test_a_listener_that_breaks_ends_the_writing_instead_of_hanging_it(tmp_path: Path) -> None:
    """A bug in the display must not leave workers waiting for ever."""
    path = await written(tmp_path)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(10), LedgerFile.open(path, now=NOW, on_record=broken) as ledger:
            await ledger.commit(note(1))


# Random access


async def test_changes_and_outcomes_are_read_at_their_place(tmp_path: Path) -> None:
    """Also lines longer than one read, and rows in another order than the plan."""
    changes = [change(3), replace(change(2), reason="é" * 9000)]
    async with await planned_ledger(tmp_path, [*changes, change(1)]) as ledger:
        assert [ledger.change(row) for row in (1, 2, 3)] == [change(1), changes[1], change(3)]
        assert ledger.outcome(3) is None
        await ledger.commit(OutcomeRecord(row=3, outcome=Outcome.ALREADY))
        found = ledger.outcome(3)
        assert found
        assert found["outcome"] == "already"
    fd = os.open(ledger.path, os.O_RDONLY)
    assert LedgerReader(ledger.path, fd, fold(ledger.path)).change(2).reason == "é" * 9000
    os.close(fd)


# Damage


def test_a_torn_last_line_of_any_length_is_cut_and_told(tmp_path: Path, sound: bytes) -> None:
    """P5: whatever part of the last line is there, the ledger goes on after the line before it."""
    whole = sound[: sound.rindex(b"\n", 0, -1) + 1]
    path = tmp_path / NAME

    async def go_on() -> None:
        async with opened(path, FastDisk()) as ledger:
            assert ledger.progress.outcome(2) is Outcome.NOT_ATTEMPTED

    for length in range(1, len(sound) - len(whole)):
        path.write_bytes(sound[: len(whole) + length])
        assert fold(path).outcome(2) is Outcome.NOT_ATTEMPTED
        assert path.stat().st_size == len(whole) + length, "looking must not cut"
        asyncio.run(go_on())
        *_, last = told(path)
        assert path.read_bytes().startswith(whole)
        assert last["about"] == "torn"
        assert last["message"].startswith(f"cut an unfinished last line of {length} byte")


def test_any_changed_byte_is_refused_with_its_line(tmp_path: Path, sound: bytes) -> None:
    """Bytes all over the file, newlines among them, made others; only the last newline's loss looks torn."""
    path = tmp_path / NAME
    newlines = {position for position, byte in enumerate(sound) if byte == ord("\n")}
    for position in newlines | set(range(0, len(sound), 5)):
        edited = bytearray(sound)
        edited[position] ^= 0x01
        path.write_bytes(edited)
        if position == len(sound) - 1:
            assert fold(path).outcome(2) is Outcome.NOT_ATTEMPTED
            continue
        line = sound.count(b"\n", 0, position) + 1
        with pytest.raises(LedgerDamaged, match=rf": line {line} "):
            fold(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_lines_lost_doubled_or_exchanged_are_refused(
    data: st.DataObject, tmp_path: Path, sound: bytes
) -> None:
    """Any other sequence of the same lines is damage, unless it is a beginning of the true one."""
    lines = sound.splitlines(keepends=True)
    shuffled = data.draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 2))
    path = tmp_path / NAME
    path.write_bytes(b"".join(shuffled))
    if shuffled == lines[: len(shuffled)] and len(shuffled) >= 4:
        assert fold(path).rows == 2
        return
    with pytest.raises(LedgerDamaged, match=r": (line \d+|holds no complete plan)"):
        fold(path)


@pytest.mark.parametrize("which", range(8))
def test_a_lost_line_is_refused_at_the_next(tmp_path: Path, sound: bytes, which: int) -> None:
    """Losing the last line alone cannot show: it was never promised to the reader."""
    lines = sound.splitlines(keepends=True)
    path = tmp_path / NAME
    path.write_bytes(b"".join(lines[:which] + lines[which + 1 :]))
    if which == len(lines) - 1:
        assert fold(path).outcome(2) is Outcome.NOT_ATTEMPTED
        return
    with pytest.raises(LedgerDamaged, match=rf": line {which + 1} "):
        fold(path)


@pytest.mark.parametrize("content", [b"", b"notes", b'{"service_id": "x"}', b"a,b\n1,2\n", b"\x00" * 5000])
async def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """A job file named by mistake, with or without a newline, must not be cut as if it were torn."""
    path = tmp_path / NAME
    path.write_bytes(content)
    for look in (fold, opened):
        with pytest.raises(LedgerDamaged, match=NAME):
            look(path)
    assert path.read_bytes() == content


def test_a_plan_cut_short_is_refused(tmp_path: Path, sound: bytes) -> None:
    """Without its `planned` line nobody knows what was approved."""
    path = tmp_path / NAME
    lines = sound.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:-1])
    with pytest.raises(LedgerDamaged, match="holds no complete plan"):
        opened(path)
    assert path.read_bytes().endswith(lines[3][:-1])


def test_an_impossible_story_is_refused_with_its_line(tmp_path: Path, sound: bytes) -> None:
    """Right sums, but row 2 is asked twice."""
    chain, path, last = Chain(), tmp_path / NAME, Json()
    for line in sound.splitlines(keepends=True):
        last = chain.unseal(line)
    twice = {name: value for name, value in last.items() if name != "sum"} | {"n": chain.n}
    path.write_bytes(sound + chain.add(twice))
    with pytest.raises(LedgerDamaged, match=rf"{NAME}: line {chain.n} sends row 2 while an earlier PUT"):
        fold(path)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
async def test_a_file_that_cannot_be_opened_is_a_wrong_argument(tmp_path: Path, name: str) -> None:
    """Missing, or a folder."""
    for look in (fold, opened):
        with pytest.raises(UsageError) as caught:
            look(tmp_path / name)
        assert "name a ledger file" in caught.value.hint


# A disk that fails


class FailingDisk:
    """Fails at the n-th call, once, in one of three ways; counts what is tried afterwards."""

    def __init__(self, fails_at: int, way: str) -> None:
        self.left, self.way = fails_at, way
        self.calls_after = 0
        self.failed = False

    def write(self, fd: int, content: bytes) -> int:
        """Write all of it, part of it, or fail having written part of it."""
        if self._fails():
            os.write(fd, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.way == "short":
            content = content[: max(1, len(content) // 3)]
        return os.write(fd, content)

    def sync(self, fd: int) -> None:  # noqa: ARG002 - part of the interface
        """Call it down, or fail."""
        if self._fails():
            raise OSError(errno.EIO, "Input/output error")

    def _fails(self) -> bool:
        self.calls_after += self.failed
        self.left -= 1
        self.failed = self.failed or self.left == 0
        return self.left == 0


@pytest.mark.parametrize("way", ["whole", "short"])
async def test_whichever_disk_call_fails_nothing_acknowledged_is_lost_and_nothing_is_retried(
    tmp_path: Path, way: str
) -> None:
    """P6, for the n-th write or sync, n = 1, 2, 3 … until a run passes."""
    for fails_at in count(1):
        folder = tmp_path / str(fails_at)
        folder.mkdir()
        path = await written(folder)
        disk, acknowledged = FailingDisk(fails_at, way), list[int]()
        passed = await _write_ten(path, disk, acknowledged)
        messages = [record["message"] for record in told(path) if record["type"] == "note"]
        assert messages[: len(acknowledged)] == [f"note {number}" for number in acknowledged]
        assert disk.calls_after == 0, "after a failure nothing may be tried again"
        if passed:
            assert len(acknowledged) == 10
            break
        assert disk.failed
        async with opened(path) as ledger:
            await ledger.commit(note(99))
    assert fails_at > 10


async def _write_ten(path: Path, disk: Disk, acknowledged: list[int]) -> bool:
    """Write ten notes one after the other; say whether all went down."""
    try:
        async with opened(path, disk) as ledger:
            for number in range(10):
                await ledger.commit(note(number))
                acknowledged.append(number)
    except LedgerFailed:
        return False
    return True


def _truncate(path: Path) -> None:
    os.truncate(path, 0)


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"{}\n")


def _remove(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


@pytest.mark.parametrize("harm", [_truncate, _append, _remove, _replace])
async def test_a_file_that_somebody_else_touched_is_written_to_no_more(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """The lock keeps neither rm nor logrotate away; the next commit sees it before its intent counts."""
    ledger = await planned_ledger(tmp_path, [change(1)])
    await ledger.commit(note(1))
    harm(ledger.path)
    left = ledger.path.read_bytes() if ledger.path.exists() else None
    with pytest.raises(LedgerFailed, match="something else wrote to it"):
        await ledger.commit(Intent(row=1, attempt=1))
    with pytest.raises(LedgerFailed):
        ledger.append(note(2))
    with pytest.raises(LedgerFailed):
        await closed(ledger)
    assert (ledger.path.read_bytes() if ledger.path.exists() else None) == left


async def test_after_a_failure_every_append_is_refused(tmp_path: Path) -> None:
    """The disk has room again, but what the file holds is not known any more: the process must end."""
    disk = FastDisk()
    ledger = opened(await written(tmp_path), disk)
    disk.full = True
    with pytest.raises(LedgerFailed, match="No space left on device: stopped, no further PUT was sent"):
        await ledger.commit(note(1))
    disk.full = False
    for append in (ledger.commit(note(2)), ledger.flush(), ledger.__aexit__(None, None, None)):
        with pytest.raises(LedgerFailed, match="No space left"):
            await append
    with pytest.raises(LedgerFailed, match="No space left"):
        ledger.append(note(3))
    assert (disk.written_bytes, disk.syncs) == (0, 0)


async def test_a_disk_that_is_full_before_the_first_session_is_not_called_a_stopped_run(
    tmp_path: Path,
) -> None:
    """Of a plan nothing was in flight."""
    disk = FastDisk()
    ledger = LedgerFile.create(tmp_path / NAME, now=NOW, disk=disk)
    await write_plan(ledger, [change(1)])
    disk.full = True
    with pytest.raises(LedgerFailed, match=r"No space left on device: nothing was sent$"):
        await ledger.commit(note(1))
    with pytest.raises(LedgerFailed):
        await closed(ledger)


async def test_a_failure_nobody_waited_for_is_told_at_the_closing(tmp_path: Path) -> None:
    """A last `put` that cannot be written must not pass for written."""
    disk = FastDisk()
    ledger = inline(opened(await written(tmp_path), disk))
    disk.full = True
    ledger.append(note(1))
    for _ in range(3):
        await asyncio.sleep(0)
    with pytest.raises(LedgerFailed):
        await ledger.__aexit__(None, None, None)


async def test_a_line_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    """A reader takes lines up to a length, so that no file can fill the memory."""
    path = await written(tmp_path)
    async with opened(path) as ledger:
        with pytest.raises(LedgerFailed, match=r"a `note` of 5,000,\d\d\d bytes does not fit in a line"):
            ledger.append(Note(about="x", message="m" * 5_000_000))


async def test_all_who_wait_learn_of_a_failure(tmp_path: Path) -> None:
    """Those in the failing batch and those behind it, which is never written."""
    disk = SlowDisk()
    disk.breaks = True
    ledger = opened(await written(tmp_path), disk)
    writing = [asyncio.create_task(ledger.commit(note(number))) for number in range(3)]
    await asyncio.to_thread(disk.begun.wait, 10)
    disk.go.set()
    results = await asyncio.gather(*writing, return_exceptions=True)
    assert [type(result) for result in results] == [LedgerFailed] * 3
    assert disk.story == ["write 3"]
    with pytest.raises(LedgerFailed):
        await ledger.__aexit__(None, None, None)


# One writer


async def test_a_second_opener_is_told_who_holds_the_ledger(tmp_path: Path) -> None:
    """P4, with user, host, process and since when; looking stays possible."""
    async with await planned_ledger(tmp_path, [change(1)]) as ledger:
        holder = rf"\w+ on bastion \(process {os.getpid()}\) works on {ledger.path} since 2026-01-15 "
        with pytest.raises(LedgerBusy, match=holder):
            opened(ledger.path)
        assert is_live(ledger.path)
        assert fold(ledger.path).rows == 1
    assert not is_live(ledger.path)
    await closed(opened(ledger.path))


async def test_a_holder_that_has_not_begun_is_busy_without_a_pid(tmp_path: Path) -> None:
    """A saved plan has no session yet."""
    async with LedgerFile.create(tmp_path / NAME, now=NOW) as ledger:
        await write_plan(ledger, [change(1)])
        with pytest.raises(LedgerBusy, match=r"another run works on .*; nothing was sent$"):
            opened(ledger.path)


HOLDER = """
import asyncio, os, sys
from pathlib import Path
from bulk.ledger.file import LedgerFile
from bulk.ledger.records import Session

async def hold():
    async with LedgerFile.open(Path(sys.argv[1]), now=lambda: 0.0) as ledger:
        members = dict(pid=os.getpid(), user="ops", settings={}, digest="", counts={})
        await ledger.commit(Session(host="elsewhere", **members))
        print(os.getpid(), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(hold())
"""


def test_another_process_is_told_apart_and_its_death_frees_the_ledger(tmp_path: Path) -> None:
    """The kernel drops the lock of a process that was killed."""
    path = asyncio.run(written(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout
            pid = holder.stdout.readline().strip()
            with pytest.raises(
                LedgerBusy, match=rf"on elsewhere \(process {pid}\) works on {path} since 1970"
            ):
                opened(path)
            assert is_live(path)
        finally:
            holder.kill()
    assert not is_live(path)
    asyncio.run(closed(opened(path)))


async def test_a_plan_under_way_is_busy_without_a_name(tmp_path: Path) -> None:
    """Two plans for one name: the second waits for nobody and destroys nothing."""
    path = tmp_path / NAME
    async with LedgerFile.create(path, now=NOW) as ledger:
        with pytest.raises(LedgerBusy, match=r"another process is writing it$"):
            LedgerFile.create(path, now=NOW)
        await write_plan(ledger, [change(1)])
    assert fold(path).rows == 1


async def test_reading_while_it_is_written_sees_only_whole_and_true_records(tmp_path: Path) -> None:
    """A reader in another thread folds again and again; rows only ever grow."""
    path = await written(tmp_path)
    seen: list[int] = []

    def look() -> None:
        while not done.is_set():
            seen.append(len(told(path)))

    done = Event()
    async with opened(path) as ledger:
        looking = asyncio.create_task(asyncio.to_thread(look))
        for number in range(150):
            await ledger.commit(note(number))
        done.set()
        await looking
    assert seen == sorted(seen)
    assert seen[0] >= 8
    assert seen[-1] <= 8 + 150


def test_a_job_has_one_run_at_a_time(tmp_path: Path) -> None:
    """Also where the other one has no ledger yet; another job is free, and so is this one afterwards."""
    with only_run(tmp_path / "runs", "demo"):
        with (
            pytest.raises(LedgerBusy, match="another run of demo is at work"),
            only_run(tmp_path / "runs", "demo"),
        ):
            pass
        with only_run(tmp_path / "runs", "other"):
            pass
    with only_run(tmp_path / "runs", "demo"):
        pass


def test_a_folder_for_runs_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Its name is taken by a file."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(UsageError, match=r"demo\.lock: File exists"), only_run(tmp_path / "runs", "demo"):
        pass


def test_a_job_without_a_folder_for_runs_is_locked_beside_its_ledger(tmp_path: Path) -> None:
    """A second run with the same ledger is kept away; a ledger in no better place helps nobody."""
    runs, ledger = tmp_path / "runs", tmp_path / "elsewhere" / "ledger"
    runs.write_text("")
    with only_run(runs, "demo", ledger):
        with pytest.raises(LedgerBusy), only_run(runs, "demo", ledger):
            pass
        assert [file.name for file in ledger.parent.iterdir()] == ["demo.lock"]
    with pytest.raises(UsageError, match=r"runs/demo\.lock: "), only_run(runs, "demo", runs / "ledger"):
        pass


# Its name


async def test_a_ledger_is_private_and_has_no_name_before_its_plan_is_complete(tmp_path: Path) -> None:
    """Mode 0600; until `publish` only the partial name is there; then only the real one."""
    path = tmp_path / "runs" / NAME
    before = os.umask(0)
    try:
        ledger = LedgerFile.create(path, now=NOW)
    finally:
        os.umask(before)
    async with ledger:
        assert names(path.parent) == [NAME + PARTIAL]
        await write_plan(ledger, [change(1)])
        assert ledger.progress.planned
    assert names(path.parent) == [NAME]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_what_a_killed_plan_left_is_begun_anew(tmp_path: Path) -> None:
    """A partial ledger of a dead process has no value."""
    path = tmp_path / NAME
    path.with_name(NAME + PARTIAL).write_bytes(b"left over")
    async with LedgerFile.create(path, now=NOW) as ledger:
        await write_plan(ledger, [change(1)])
    assert fold(path).rows == 1


async def test_a_name_that_is_taken_is_refused_before_anything_is_planned(tmp_path: Path) -> None:
    """And nothing is left lying about."""
    path = await written(tmp_path)
    content = path.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        LedgerFile.create(path, now=NOW)
    assert path.read_bytes() == content
    assert names(tmp_path) == [NAME]


async def test_a_kill_while_publishing_does_not_cost_the_plan(tmp_path: Path) -> None:
    """Between its two names the file has both; planning the same name again must not empty it."""
    path = await written(tmp_path)
    content = path.read_bytes()
    path.with_name(NAME + PARTIAL).hardlink_to(path)
    with pytest.raises(UsageError, match="exists"):
        LedgerFile.create(path, now=NOW)
    assert path.read_bytes() == content
    assert names(tmp_path) == [NAME]


async def test_publishing_never_replaces_a_file(tmp_path: Path) -> None:
    """Also one that came while planning."""
    path = tmp_path / NAME
    async with LedgerFile.create(path, now=NOW) as ledger:
        path.write_text("precious")
        with pytest.raises(UsageError, match="exists"):
            await write_plan(ledger, [change(1)])
        ledger.discard()
        ledger.discard()
    assert path.read_text() == "precious"
    assert names(tmp_path) == [NAME]


async def test_a_name_that_cannot_be_given_is_told(tmp_path: Path) -> None:
    """A file system without hard links, a folder that vanished: no traceback."""
    async with LedgerFile.create(tmp_path / NAME, now=NOW) as ledger:
        await ledger.commit(run_record())
        ledger.discard()
        with pytest.raises(LedgerFailed, match="cannot be created: No such file"):
            await ledger.publish()


async def test_a_place_that_cannot_be_written_is_a_wrong_argument(tmp_path: Path) -> None:
    """The folder's name is taken by a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"Not a directory|File exists"):
        LedgerFile.create(tmp_path / "file" / NAME, now=NOW)
