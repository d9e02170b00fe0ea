"""The files that outlive the simulator: what a kill, a second process or a typing error does to them."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from bulk.simulator.store import LineFile, StoreError


def test_appended_lines_are_read_back_in_order(tmp_path: Path) -> None:
    """Also by the next one to open the file."""
    path = tmp_path / "fleet.jsonl"
    with closing(LineFile(path)) as file:
        file.append(b'{"id":1}')
        file.append(b'{"id":2}')
    with closing(LineFile(path)) as file:
        assert list(file.lines()) == [(1, {"id": 1}), (2, {"id": 2})]


@pytest.mark.parametrize("torn", [b'{"id":2', b'{"id":"' + b"x" * 200_000])
def test_a_torn_last_line_is_cut(tmp_path: Path, torn: bytes) -> None:
    """However long it is, and what is appended next stands on a line of its own."""
    path = tmp_path / "fleet.jsonl"
    path.write_bytes(b'{"id":1}\n' + torn)
    with closing(LineFile(path)) as file:
        file.append(b'{"id":3}')
        assert list(file.lines()) == [(1, {"id": 1}), (2, {"id": 3})]


def test_a_last_line_that_only_lacks_its_newline_is_kept(tmp_path: Path) -> None:
    """As an editor may leave it."""
    path = tmp_path / "fleet.jsonl"
    path.write_bytes(b'{"id":1}\n{"id":2}')
    with closing(LineFile(path)) as file:
        file.append(b'{"id":3}')
        assert [line for _, line in file.lines()] == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, path: str) -> None:
    """A device has no end, and a pipe keeps nothing."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="not a file"):
        LineFile(tmp_path / path)


def test_blank_lines_are_no_lines(tmp_path: Path) -> None:
    """But they count for the line number."""
    path = tmp_path / "fleet.jsonl"
    path.write_bytes(b'\n  \n{"id":1}\n')
    with closing(LineFile(path)) as file:
        assert list(file.lines()) == [(3, {"id": 1})]


@pytest.mark.parametrize("bad", [b"{oops\n", b"[1]\n"])
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, bad: bytes) -> None:
    """Damage before the end is never skipped."""
    path = tmp_path / "fleet.jsonl"
    path.write_bytes(b'{"id":1}\n' + bad + b'{"id":2}\n')
    with closing(LineFile(path)) as file, pytest.raises(StoreError, match=r"fleet\.jsonl:2: not"):
        list(file.lines())


def test_a_file_in_use_is_refused_until_it_is_closed(tmp_path: Path) -> None:
    """One writer at a time; the message says what to do."""
    path = tmp_path / "fleet.jsonl"
    with closing(LineFile(path)), pytest.raises(StoreError, match="another simulator uses this file"):
        LineFile(path, lock_wait_s=0.06)
    LineFile(path).close()


def test_a_path_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Here a folder."""
    with pytest.raises(StoreError, match="Is a directory; name a file"):
        LineFile(tmp_path)
