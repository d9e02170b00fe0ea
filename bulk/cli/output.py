"""Lines to the terminal: results to stdout, everything else to stderr.

What would steer a terminal is taken out here, at the end of every way, wherever the text comes from: the API,
a job file, the name of a file.
"""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import orjson

from bulk.core.reports.words import Line, plain
from bulk.core.text import printable


def show(lines: Iterable[Line], *, to_stderr: bool = False) -> None:
    """Write styled lines, one each; colours only on a terminal and without NO_COLOR."""
    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty():
        for line in lines:
            stream.write(printable(plain(line)) + "\n")
        stream.flush()
        return
    from rich.console import Console  # only a terminal needs it
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=True, width=None)
    for line in lines:
        console.print(Text.assemble(*((printable(span.text), str(span.style)) for span in line)))


@contextmanager
def on_the_side(stream: Literal["stdout", "stderr"]) -> Iterator[None]:
    """Write to a stream what perhaps nobody reads any more: a gone reader or terminal stops nothing."""
    try:
        yield
    except OSError as error:
        if stream == "stdout" and error.errno not in _GONE:
            raise
        setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for what else is said


_GONE = frozenset({errno.EPIPE, errno.EIO})
"""A pipe without a reader; a terminal that was closed."""


def write(pieces: Iterable[str]) -> None:
    """Write text to stdout piece by piece."""
    for piece in pieces:
        write_piece(piece)
    sys.stdout.flush()


def write_piece(text: str) -> None:
    """Write text to stdout: as it is, it may be data; without what steers it to a terminal."""
    sys.stdout.write("\n".join(map(printable, text.split("\n"))) if sys.stdout.isatty() else text)


def write_json(value: object) -> None:
    """Write one JSON document to stdout."""
    write([orjson.dumps(value, option=orjson.OPT_INDENT_2).decode(), "\n"])


def complain(message: str, hint: str = "") -> None:
    """Write on stderr what went wrong and what to do next."""
    with on_the_side("stderr"):
        sys.stderr.write(f"bulk: {printable(message)}\n" + (f"      {printable(hint)}\n" if hint else ""))


def notify(message: str) -> None:
    """Write a message on stderr."""
    with on_the_side("stderr"):
        sys.stderr.write(printable(message) + "\n")
