"""Lines to the terminal: results to stdout, everything else to stderr.

What would steer a terminal is taken out here, at the end of every way, wherever the text comes from: the API,
a job file, the name of a file.
"""

import io
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import tzinfo
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson

from bulk.errors import CannotRun
from bulk.reports.words import Line, plain, text, wrapped
from bulk.text import printable

if TYPE_CHECKING:
    from bulk.reports.report import Report

Stream: TypeAlias = Literal["stdout", "stderr"]

WIDTH = 80
_WIDTH_MIN = 40
_HANG = 6
_AT_ONCE = 500


def show(lines: Iterable[Line], *, to_stderr: bool = False) -> None:
    """Write styled lines, one each; colours only on a terminal and without NO_COLOR."""
    stream: Stream = "stderr" if to_stderr else "stdout"
    if not getattr(sys, stream).isatty():
        _write((printable(plain(line)) + "\n" for line in lines), stream)
        return
    from rich.console import Console  # only a terminal needs it
    from rich.text import Text

    console = Console(file=getattr(sys, stream), highlight=False, soft_wrap=True, width=None)
    for line in chain.from_iterable(wrapped(line, width(stream), hang=_HANG) for line in lines):
        spans = ((printable(span.text), str(span.style)) for span in line)
        with on_the_side(stream):
            console.print(Text.assemble(*spans))


def show_report(report: "Report", *, each: bool = False) -> None:
    """Write a report to stdout as lines for a person; with `each` every row has one."""
    from bulk.reports import as_table

    show(as_table.lines(replace(report, zone=zone()), width=width("stdout"), each=each))


def zone() -> tzinfo:
    """Return the zone in which times are shown."""
    from bulk.settings.zone import shown_zone

    return shown_zone(os.environ)


def width(stream: Stream) -> int:
    """Return the columns of the terminal that a stream is; those of most terminals where it is none."""
    if not getattr(sys, stream).isatty():
        return WIDTH
    return max(shutil.get_terminal_size((WIDTH, 0)).columns, _WIDTH_MIN)


@contextmanager
def on_the_side(stream: Stream) -> Iterator[None]:
    """Write to a stream; a result that cannot be written is a failure, what is said on the side is not."""
    try:
        yield
    except OSError as error:
        setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for what else is said
        if stream == "stdout":
            raise CannotRun(
                f"standard output: {error.strerror}", hint="free some space or check the path, and repeat"
            ) from error


def write(pieces: Iterable[str]) -> None:
    """Write text to stdout, piece by piece, without what would steer a terminal if it is one.

    Otherwise a program may read it: it is as it came, and UTF-8, whatever the locale.
    """
    if sys.stdout.isatty():
        _write(map(_harmless, pieces), "stdout")
        return
    with on_the_side("stdout"):
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
    _write(pieces, "stdout")


def _harmless(text: str) -> str:
    """Return a text of lines without what would steer a terminal."""
    return "\n".join(map(printable, text.split("\n")))


def _write(pieces: Iterable[str], stream: Stream) -> None:
    """Write pieces, some at once; what fails while they are made is no failure of the stream."""
    pieces = iter(pieces)
    while batch := list(islice(pieces, _AT_ONCE)):
        with on_the_side(stream):
            getattr(sys, stream).writelines(batch)
    with on_the_side(stream):
        getattr(sys, stream).flush()


def write_json(value: object) -> None:
    """Write one JSON document to stdout; bytes that are no UTF-8, as a path may have, as text shows them."""
    try:
        document = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except TypeError:
        document = orjson.dumps(_in_utf8(value), option=orjson.OPT_INDENT_2)
    write([document.decode(), "\n"])


def _in_utf8(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_in_utf8(name): _in_utf8(each) for name, each in value.items()}
        case list() | tuple():
            return [_in_utf8(each) for each in value]
        case _:
            return value


class _Form:
    """The form of lines on stderr, and the words of the command."""

    is_json = False
    words: tuple[str, ...] = ()


def speak(words: Iterable[str], *, json: bool) -> None:
    """Choose the form of the lines on stderr; `words` are those of the command."""
    _Form.is_json = json
    _Form.words = tuple(words)


def given() -> tuple[str, ...]:
    """Return the words of the command that was given."""
    return _Form.words


def command(*more: str) -> str:
    """Return the command that was given, with more words, as a shell takes it."""
    return shlex.join(["bulk", *_Form.words, *more])


def speaks_json() -> bool:
    """Return whether each line on stderr is one of JSON."""
    return _Form.is_json


def complain(message: str, hint: str = "", **facts: str) -> None:
    """Write on stderr what went wrong and what to do next; `facts` are further members in JSON."""
    hints = [f"      {hint}"] if hint else []
    aside("error", f"bulk: {message}", *hints, message=message, hint=hint, **facts)


def notify(message: str) -> None:
    """Write a message on stderr."""
    aside("message", message, message=message)


def aside(event: str, *lines: str, **fields: Any) -> None:
    """Write lines on stderr; in place of them one of JSON with these fields where that is the form."""
    with on_the_side("stderr"):
        if _Form.is_json:
            import structlog

            log = structlog.get_logger()
            (log.error if event == "error" else log.info)(event, **fields)
        else:
            fitting = chain.from_iterable(map(_fitting, map(printable, lines)))
            sys.stderr.writelines(line + "\n" for line in fitting)


def _fitting(line: str) -> Iterator[str]:
    """Return a line as a terminal can show it: not broken inside a word, a command on a line of its own."""
    columns = width("stderr")
    if not sys.stderr.isatty() or len(line) <= columns:
        yield line
        return
    words, colon, command = line.partition(": bulk ")
    yield from map(plain, wrapped(text(words + ":" * bool(colon)), columns, hang=_HANG))
    if colon:
        yield f"  bulk {command}"
