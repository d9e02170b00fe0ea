"""Single lines of a long file."""

import os
from itertools import accumulate
from pathlib import Path
from random import Random

import pytest

from bulk.files import line_reader as lines
from bulk.files.line_reader import Lines

LINES = [b"%d " % number + b"x" * (number * 37 % 900) for number in range(5000)]
STARTS = [0, *accumulate(len(line) + 1 for line in LINES[:-1])]


@pytest.fixture
def fd(tmp_path: Path) -> int:
    """Return a file of these lines, the last one without its end."""
    path = tmp_path / "lines"
    path.write_bytes(b"\n".join(LINES))
    return os.open(path, os.O_RDONLY)


@pytest.mark.parametrize("order", ["forwards", "backwards", "at random"])
def test_each_line_is_the_one_that_begins_there(fd: int, order: str) -> None:
    """In whatever order they are asked for."""
    numbers = list(range(len(LINES)))
    if order == "backwards":
        numbers.reverse()
    elif order == "at random":
        Random(1).shuffle(numbers)
    at = Lines(fd).at
    assert all(at(STARTS[number]) == LINES[number] for number in numbers)
    os.close(fd)


def test_a_file_that_is_gone_through_takes_few_reads(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read costs as much as several lines do, wherever the bytes come from."""
    reads, pread = [], os.pread

    def counted(*asked: int) -> bytes:
        reads.append(asked)
        return pread(*asked)

    monkeypatch.setattr(lines.os, "pread", counted)
    at = Lines(fd).at
    for start in STARTS:
        at(start)
    os.close(fd)
    assert len(reads) < 12, f"{len(reads)} reads of {STARTS[-1]:,} bytes"
