"""The file of commands: what is read of it, when, and what is not trusted."""

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulk.errors import Refused, UsageError
from bulk.ledger.command_file import FAULTS_MAX, CommandReader, add, beside
from bulk.ledger.commands import FILE_BYTES_MAX, Command, line_of
from bulk.ledger.records import DecisionKind

PAUSE = Command(id="c7f2", what=DecisionKind.PAUSE, session=1, user="ann", host="bastion1")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Return a ledger, of which only the name and the owner count here."""
    path = tmp_path / "job.ledger.jsonl"
    path.touch()
    return path


def test_what_is_added_is_read_once_and_in_order(ledger: Path) -> None:
    """By each reader from the beginning."""
    reader = CommandReader(ledger)
    assert list(reader.new()) == []
    add(ledger, PAUSE)
    add(ledger, replace(PAUSE, id="b"))
    assert list(reader.new()) == [PAUSE, replace(PAUSE, id="b")]
    assert list(reader.new()) == []
    add(ledger, replace(PAUSE, id="c"))
    assert list(reader.new()) == [replace(PAUSE, id="c")]
    assert len(list(CommandReader(ledger).new())) == 3
    assert beside(ledger).stat().st_mode & 0o777 == 0o600


def test_a_half_line_waits_for_its_end(ledger: Path) -> None:
    """And one that is never finished becomes a line of its own once somebody else writes."""
    reader, line = CommandReader(ledger), line_of(PAUSE)
    beside(ledger).write_bytes(line[:10])
    assert list(reader.new()) == []
    beside(ledger).write_bytes(line)
    assert list(reader.new()) == [PAUSE]
    beside(ledger).write_bytes(line + line[:10])
    add(ledger, replace(PAUSE, id="b"))
    assert list(reader.new()) == [
        f"line 2 of {beside(ledger).name} is not JSON: it is ignored",
        replace(PAUSE, id="b"),
    ]


@pytest.mark.parametrize("room", [0, 3])
def test_a_command_for_which_the_disk_has_no_room_is_refused_and_leaves_nothing(
    room: int, ledger: Path
) -> None:
    """Not even its first bytes, and the error names the file."""
    add(ledger, PAUSE)
    before = beside(ledger).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, limits[1]))
    try:
        with pytest.raises(OSError, match=r"too large|No space left") as raised:
            add(ledger, replace(PAUSE, id="b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.filename == str(beside(ledger))
    assert beside(ledger).read_bytes() == before


def test_another_file_of_its_name_is_read_from_its_beginning(ledger: Path) -> None:
    """Whether it was moved away or cut."""
    reader = CommandReader(ledger)
    add(ledger, PAUSE)
    assert list(reader.new()) == [PAUSE]
    beside(ledger).rename(ledger.with_name("away"))
    add(ledger, replace(PAUSE, id="b"))
    assert list(reader.new()) == [replace(PAUSE, id="b")]
    beside(ledger).write_bytes(b"")
    assert list(reader.new()) == []
    add(ledger, replace(PAUSE, id="c"))
    assert list(reader.new()) == [replace(PAUSE, id="c")]


def test_a_file_that_another_could_have_written_is_ignored_and_named_once(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link, a folder, one that others may write, one of another user, one that is too long."""
    path = beside(ledger)
    add(ledger, PAUSE)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    reader = CommandReader(ledger)
    assert [*reader.new(), *reader.new()] == [f"{path.name} is not a file: it is ignored"]
    with pytest.raises(UsageError, match="is a symbolic link"):
        add(ledger, PAUSE)
    path.unlink()
    path.write_bytes(line_of(PAUSE))
    path.chmod(0o620)
    assert list(reader.new()) == [f"{path.name} may be written by others: it is ignored"]
    with pytest.raises(Refused, match="may be written by others"):
        add(ledger, PAUSE)
    path.chmod(0o600)
    monkeypatch.setattr(reader, "_owner", os.getuid() + 1)
    (fault,) = reader.new()
    assert isinstance(fault, str)
    assert "belongs to another user" in fault
    path.write_bytes(b"\n" * (FILE_BYTES_MAX + 1))
    (fault,) = CommandReader(ledger).new()
    assert isinstance(fault, str)
    assert "is longer than 1,048,576 bytes" in fault
    with pytest.raises(Refused, match="would be longer than"):
        add(ledger, PAUSE)


def test_who_does_not_own_the_ledger_cannot_command_its_run(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written."""
    monkeypatch.setattr(os, "geteuid", lambda: ledger.stat().st_uid + 1)
    with pytest.raises(Refused, match="belongs to another user"):
        add(ledger, PAUSE)
    assert not beside(ledger).exists()


def test_a_reason_that_is_too_long_is_refused(ledger: Path) -> None:
    """Nothing is written."""
    with pytest.raises(Refused, match="is longer than 4,096 bytes; nothing was written"):
        add(ledger, replace(PAUSE, reason="x" * 5000))
    assert not beside(ledger).exists()


def test_a_file_full_of_rubbish_is_not_named_line_by_line_for_ever(ledger: Path) -> None:
    """Nor does it keep a command behind it from being read."""
    beside(ledger).write_bytes(b"rubbish\n" * 1000 + line_of(PAUSE))
    found = list(CommandReader(ledger).new())
    assert found[-1] == PAUSE
    assert len(found) == FAULTS_MAX + 1


class Killed:
    """Kills this process at the n-th effect on a file: before it, behind it, or in the middle of a write."""

    def __init__(self, at: int) -> None:
        self._left = at

    def point(self) -> None:
        """Pass one point, or die there by SIGKILL."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call with a point before it and one behind it."""

        def effect(*args: Any, **kwargs: Any) -> Any:
            self.point()
            result = call(*args, **kwargs)
            self.point()
            return result

        return effect

    def write(self, fd: int, content: bytes) -> int:
        """Write a half, pass a point, and write the rest."""
        half = len(content) // 2
        os_write(fd, content[:half])
        self.point()
        return half + os_write(fd, content[half:])


os_write = os.write


def added_by_a_process(ledger: Path, command: Command, kill_at: int) -> bool:
    """Add a command in a process of its own that is killed at an effect; return whether it lived."""
    if child := os.fork():
        return os.waitpid(child, 0)[1] == 0
    killed = Killed(kill_at)
    for name in ("open", "pread", "fsync", "close"):
        setattr(os, name, killed.around(getattr(os, name)))
    os.write = killed.around(killed.write)  # type: ignore[assignment]
    try:
        add(ledger, command)
    finally:
        os._exit(0)


def test_a_terminal_that_is_killed_at_any_effect_leaves_its_command_whole_or_not_at_all(ledger: Path) -> None:
    """What it wrote in part is no command, whoever writes behind it; the next terminal is heard."""
    reader, kills, heard = CommandReader(ledger), 0, 0
    while not added_by_a_process(ledger, replace(PAUSE, id=f"id-{kills}"), kills + 1):
        add(ledger, replace(PAUSE, id=f"next-{kills}"))
        said = list(reader.new())
        assert said.pop() == replace(PAUSE, id=f"next-{kills}")
        assert all(isinstance(each, str) or each == replace(PAUSE, id=f"id-{kills}") for each in said)
        assert len(said) <= 1
        heard += any(isinstance(each, Command) for each in said)
        kills += 1
    assert kills > 8
    assert 0 < heard < kills
