"""A file that is there whole or not at all."""

from pathlib import Path

import pytest

from bulk.adapters.new_file import new_file
from bulk.core.errors import CannotRun, UsageError


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
