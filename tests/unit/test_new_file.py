"""A file that is there whole or not at all, and never what somebody else put under its name."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulk.errors import CannotRun, LedgerBusy, UsageError
from bulk.files.new_file import new_file, new_folder, partial_of
from bulk.ledger.file import LedgerFile, only_run
from bulk.rehearsal.simulator_process import run_simulator


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    """Text goes to it as UTF-8 with the line ends that were given."""
    path = tmp_path / "fleet.csv"
    with new_file(path) as write:
        write("größe\n")
        assert not path.exists()
    assert path.read_bytes() == "größe\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither the file nor its partial one."""

    def fail() -> None:
        with new_file(tmp_path / "fleet.csv") as write:
            write("half")
            raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    """Not one that was there before, nor one that came meanwhile."""
    path = tmp_path / "fleet.csv"

    def write_over() -> None:
        with new_file(path) as write:
            write("mine")
            path.write_text("theirs")

    for _ in range(2):
        with pytest.raises(UsageError, match="exists"):
            write_over()
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With the path and what to do."""

    def write_nowhere() -> None:
        with new_file(tmp_path / "missing" / "fleet.csv"):
            raise AssertionError

    with pytest.raises(CannotRun, match=r"fleet\.csv: No such file") as caught:
        write_nowhere()
    assert "--out" in caught.value.hint


# What somebody else put under a name


def symlink(path: Path, victim: Path) -> None:
    """Plant a link to the victim's file."""
    path.symlink_to(victim)


def dangling_symlink(path: Path, victim: Path) -> None:
    """Plant a link to a file that is to be created."""
    path.symlink_to(victim.with_name("created"))


def hard_link(path: Path, victim: Path) -> None:
    """Plant another name of the victim's file."""
    path.hardlink_to(victim)


def pipe(path: Path, _: Path) -> None:
    """Plant a pipe, at which a writer would wait for a reader."""
    os.mkfifo(path)


def unix_socket(path: Path, _: Path) -> None:
    """Plant a socket."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))


def folder(path: Path, _: Path) -> None:
    """Plant a folder."""
    path.mkdir()


PLANTS = (symlink, dangling_symlink, pipe, unix_socket, folder)
Plant = Callable[[Path, Path], None]


@contextmanager
def refused(tmp_path: Path, planted: Path, hint: str = "remove it") -> Iterator[Path]:
    """Check that the block is refused by name, with the way out, and that the victim's file is as before."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    before = sorted(entry.name for entry in tmp_path.iterdir())
    with pytest.raises(UsageError) as caught:
        yield victim
    assert str(planted) in caught.value.message
    assert hint in caught.value.hint
    assert victim.read_text() == "precious"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted({*before, planted.name})


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("plant", [*PLANTS, hard_link])
def test_what_is_planted_where_a_file_is_to_be_written_is_refused_by_name(
    tmp_path: Path, plant: Plant
) -> None:
    """Exports, and ledgers as well: nothing is written through it, and nobody is waited for."""
    path = tmp_path / "new"
    with refused(tmp_path, partial_of(path)) as victim:
        plant(partial_of(path), victim)
        with new_file(path):
            raise AssertionError
    with pytest.raises(UsageError, match="uses only files of its own"):
        LedgerFile.create(path, now=lambda: 0.0)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_planted_as_lock_ledger_or_fleet_is_refused_by_name(tmp_path: Path, plant: Plant) -> None:
    """A link would lead elsewhere, and a pipe would keep the command waiting."""
    with refused(tmp_path, tmp_path / "job.lock") as victim:
        plant(tmp_path / "job.lock", victim)
        with only_run(tmp_path, "job"):
            raise AssertionError
    with pytest.raises(UsageError), only_run(tmp_path, "job", tmp_path / "elsewhere" / "ledger"):
        raise AssertionError  # what is planted is no reason to lock another place
    with refused(tmp_path, tmp_path / "ledger", "name a ledger file") as victim:
        plant(tmp_path / "ledger", victim)
        LedgerFile.open(tmp_path / "ledger", now=lambda: 0.0)


@pytest.mark.parametrize("plant", PLANTS)
async def test_what_is_planted_as_the_fleet_of_a_practice_is_refused_by_name(
    tmp_path: Path, plant: Plant
) -> None:
    """The simulator is not even started."""
    with refused(tmp_path, tmp_path / "fleet") as victim:
        plant(tmp_path / "fleet", victim)
        async with run_simulator(victim, tmp_path / "fleet"):
            raise AssertionError


def test_a_file_of_another_user_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They could write to it, or read what is written."""
    for name in ("new.partial", "job.lock", "ledger"):
        (tmp_path / name).write_text("theirs")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(UsageError, match=r"new\.partial belongs to another user"), new_file(tmp_path / "new"):
        raise AssertionError
    with pytest.raises(UsageError, match=r"job\.lock belongs to another user"), only_run(tmp_path, "job"):
        raise AssertionError
    with pytest.raises(UsageError, match="ledger belongs to another user"):
        LedgerFile.open(tmp_path / "ledger", now=lambda: 0.0)
    assert all((tmp_path / name).read_text() == "theirs" for name in ("new.partial", "job.lock", "ledger"))


@pytest.mark.parametrize("plant", [symlink, pipe])
def test_a_file_that_takes_the_place_of_a_checked_one_is_refused_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    """Between the look at a name and its opening somebody may be quick."""
    lock, open_file = tmp_path / "job.lock", os.open

    def slow_open(path: Path, flags: int, mode: int = 0o777) -> int:
        if path == lock:
            plant(lock, tmp_path / "victim")
        return open_file(path, flags, mode)

    monkeypatch.setattr(os, "open", slow_open)
    with pytest.raises(UsageError, match=r"job\.lock is a (symbolic|named)"), only_run(tmp_path, "job"):
        raise AssertionError


def test_what_a_dead_process_left_half_written_is_taken_away(tmp_path: Path) -> None:
    """Nobody holds its lock any more."""
    path = tmp_path / "fleet.csv"
    partial_of(path).write_text("half")
    with new_file(path) as write:
        write("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_process_is_writing_is_left_to_it(tmp_path: Path) -> None:
    """The second one ends, and the first one's file comes to be."""
    path = tmp_path / "fleet.csv"
    with new_file(path) as write:
        write("mine")
        with pytest.raises(LedgerBusy, match=r"fleet\.csv: another process is writing it"), new_file(path):
            raise AssertionError
    assert path.read_text() == "mine"


def test_a_new_file_that_another_process_took_for_a_left_one_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its creation and its lock it looks as if nobody wrote it."""
    path, lock = tmp_path / "fleet.csv", fcntl.flock
    quick = iter([True])

    def late_lock(fd: int, operation: int) -> None:
        if next(quick, False):
            partial_of(path).unlink()
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late_lock)
    with new_file(path) as write:
        write("whole")
    assert path.read_text() == "whole"


def test_files_and_folders_keep_others_out_whatever_the_umask(tmp_path: Path) -> None:
    """Mode 0600, and nobody else may add files beside them."""
    before = os.umask(0)
    try:
        new_folder(tmp_path / "above" / "runs")
        with new_file(tmp_path / "above" / "runs" / "fleet.csv") as write:
            write("")
        with only_run(tmp_path / "above" / "runs", "job"):
            pass
    finally:
        os.umask(before)
    above = tmp_path / "above"
    found = [above, above / "runs", *(above / "runs").iterdir()]
    assert [path.stat().st_mode & 0o777 for path in found] == [0o755, 0o755, 0o600, 0o600]
