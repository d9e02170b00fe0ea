"""Standard streams that do not block, whose reader has gone, or that are closed or full."""

import os
import subprocess
import sys
from threading import Thread

import pytest

from bulk.cli.streams import Patient

MUCH = b"0123456789" * 100_000
"""More than a pipe holds."""


@pytest.fixture
def pipe() -> tuple[int, int]:
    """Return the two ends of a pipe that does not block."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    return ours, theirs


def test_what_does_not_fit_into_a_pipe_is_written_when_there_is_room(pipe: tuple[int, int]) -> None:
    """All of it, in its order."""
    ours, theirs = pipe
    counts: list[int] = []

    def write() -> None:
        try:
            while sum(counts) < len(MUCH):
                counts.append(Patient(theirs, "w").write(MUCH[sum(counts) :]))
        finally:
            os.close(theirs)

    writer = Thread(target=write)
    writer.start()
    got = b""
    os.set_blocking(ours, True)
    while piece := os.read(ours, 65_536):
        got += piece
    writer.join()
    os.close(ours)
    assert got == MUCH
    assert all(counts)


def test_a_reader_that_has_gone_takes_everything(pipe: tuple[int, int]) -> None:
    """A command is there for more than what it says."""
    ours, theirs = pipe
    os.close(ours)
    assert Patient(theirs, "w").write(MUCH) == len(MUCH)
    os.close(theirs)


def test_a_full_disk_is_no_reader_that_has_gone() -> None:
    """What cannot be kept is a failure."""
    with open("/dev/full", "wb") as full, pytest.raises(OSError, match="No space left"):  # noqa: PTH123
        Patient(full.fileno(), "w").write(b"x")


@pytest.mark.parametrize("whole", [True, False])
def test_what_has_not_come_yet_is_waited_for(
    whole: bool,  # noqa: FBT001 - one of two ways
    pipe: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Line by line or all at once; the end is the end of the writer."""
    ours, theirs = pipe
    waited: list[int] = []

    def select(readers: list[Patient], *_: object) -> None:
        assert readers[0].fileno() == ours
        waited.append(1)
        if len(waited) <= 3:
            os.write(theirs, b"row\n")
        else:
            os.close(theirs)

    monkeypatch.setattr("bulk.cli.streams.select.select", select)
    reader = Patient(ours, "r")
    got = reader.readall() if whole else b"".join(iter(lambda: reader.read(2) or b"", b""))
    assert got == b"row\n" * 3
    assert len(waited) == 4
    os.close(ours)


_PREPARED = """
import sys
from bulk.cli import streams
streams.prepare()
sys.stdout.write(f"{sys.stdin.errors} {sys.stdout.errors} {sys.stderr.line_buffering} \u8fc1")
"""


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_shown_as_its_escape(encoding: str) -> None:
    """On all three streams; the encoding stays that of the locale."""
    ended = subprocess.run(
        [sys.executable, "-c", _PREPARED],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    shown = "\u8fc1".encode(encoding, "backslashreplace")
    assert ended.stdout == b"replace backslashreplace True " + shown
