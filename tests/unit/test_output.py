"""The last step of every text to a screen."""

import pytest

from bulk.cli import output
from bulk.core.reports.words import text

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


def test_data_is_whole_where_it_goes_to_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe or a file has it as it was."""
    output.write([EVIL, "\n"])
    assert capsys.readouterr().out == f"{EVIL}\n"
