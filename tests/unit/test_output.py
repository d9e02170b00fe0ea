"""The last step of every text to a screen."""

from collections.abc import Iterator

import orjson
import pytest

from bulk.cli import main, output
from bulk.reports.words import text

STEERING = "\x1b\x9b\u202e\r"
EVIL = "a\x1b[2J\x9b\u202eb\r\nc"


def test_every_line_is_one_line_that_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whether or not a report has seen to it before."""
    output.show([text(EVIL)])
    output.show([text(EVIL)], to_stderr=True)
    output.complain(EVIL, EVIL)
    output.notify(EVIL)
    told = capsys.readouterr()
    assert told.out == "a[2Jb c\n"
    assert told.err == "a[2Jb c\nbulk: a[2Jb c\n      a[2Jb c\na[2Jb c\n"


@pytest.fixture
def _json() -> Iterator[None]:
    main.speak([], json=True)
    yield
    main.speak([], json=False)


@pytest.mark.usefixtures("_json")
def test_a_line_of_json_has_all_and_steers_no_terminal_either(capsys: pytest.CaptureFixture[str]) -> None:
    """What would steer one stands there as its escape."""
    output.complain(EVIL, EVIL)
    output.notify(EVIL)
    told = capsys.readouterr().err
    assert not set(STEERING) & set(told)
    assert [orjson.loads(line)["message"] for line in told.splitlines()] == [EVIL, EVIL]


def test_data_is_whole_where_it_goes_to_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe or a file has it as it was."""
    output.write([EVIL, "\n"])
    assert capsys.readouterr().out == f"{EVIL}\n"


def test_json_shows_bytes_of_a_path_that_are_no_utf_8(capsys: pytest.CaptureFixture[str]) -> None:
    """As text shows them, in names and values, however deep."""
    output.write_json({"a\udcff": ["b\udcff", ("c", {"d": 1})]})
    assert orjson.loads(capsys.readouterr().out) == {r"a\udcff": [r"b\udcff", ["c", {"d": 1}]]}
