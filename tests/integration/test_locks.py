"""Locks that cannot be trusted are refused with the way out, before anything is sent."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bulk.errors import CannotRun
from bulk.files import locks
from bulk.ledger.file import LedgerFile, only_run
from tests.fakes import FakeClock, planned_ledger
from tests.values import change

Flock = Callable[[int, int], None]


def refuses(_: int, __: int) -> None:
    """Lock as a file system that has no locks does."""
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def does_nothing(_: int, __: int) -> None:
    """Lock as a file system does that says yes to everybody."""


@pytest.mark.parametrize(
    ("flock", "why"), [(refuses, "refuses locks (No locks available)"), (does_nothing, "keep nobody away")]
)
async def test_a_ledger_whose_lock_cannot_be_trusted_is_not_worked_on(
    flock: Flock, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a new one nor one that is there; the message says where to keep the run instead."""
    async with await planned_ledger(tmp_path, [change(1)]) as ledger:
        path = ledger.path
    monkeypatch.setattr(fcntl, "flock", flock)
    for make in (LedgerFile.open, LedgerFile.create):
        with pytest.raises(CannotRun) as refused:
            make(path if make == LedgerFile.open else tmp_path / "new", now=FakeClock().now)
        assert why in refused.value.message
        assert "nothing was sent" in refused.value.message
        assert "--ledger FILE" in refused.value.hint


def test_a_job_whose_lock_is_refused_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said as what it is, and is no error of bulk's own."""
    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(CannotRun, match="refuses locks"), only_run(tmp_path, "job"):
        pytest.fail("began")


@pytest.mark.parametrize(
    ("line", "is_local"),
    [
        ("36 35 0:49 / /mnt rw shared:1 - nfs4 host:/x rw,vers=4.2,local_lock=none", False),
        ("36 35 0:49 / /mnt rw shared:1 - nfs host:/x rw,vers=3,local_lock=flock", True),
        ("36 35 0:49 / /mnt rw shared:1 - nfs host:/x rw,vers=3,nolock,local_lock=none", True),
        ("36 35 0:49 / /mnt rw shared:1 - nfs host:/x rw,local_lock=all", True),
        ("36 35 0:50 / /mnt rw shared:1 - nfs host:/x rw,local_lock=all", False),
        ("36 35 0:49 / /mnt rw shared:1 - ext4 /dev/sda rw,nolock", False),
        ("torn", False),
    ],
)
def test_a_mount_whose_locks_are_local_is_known(line: str, *, is_local: bool) -> None:
    """By the device of the file and the options of the mount."""
    assert locks.is_local_only(f"1 1 8:1 / / rw - ext4 /dev/sda rw\n{line}\n", os.makedev(0, 49)) is is_local
