"""The words that reports are written in: figures, durations, styled spans, and text made safe to print."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple, TypeAlias

from bulk.model import Action, Outcome, Sigil
from bulk.text import duration, figure, listed


class Style(StrEnum):
    """How a span looks; the values are rich's style names."""

    PLAIN = ""
    STRONG = "bold"
    FAINT = "dim"
    CHANGE = "yellow"
    LOSS = "red"
    GOOD = "green"
    BAD = "bold red"


class Span(NamedTuple):
    """A piece of a line and its style: what `rich.text.Text.assemble` takes."""

    text: str
    style: Style = Style.PLAIN


Line: TypeAlias = tuple[Span, ...]
"""One line of the terminal, without its newline."""

_STYLE = {
    Sigil.TO_CHANGE: Style.CHANGE,
    Sigil.DONE: Style.GOOD,
    Sigil.ALREADY_RIGHT: Style.FAINT,
    Sigil.WRONG: Style.BAD,
    Sigil.UNKNOWN: Style.BAD,
    Sigil.NOT_SENT: Style.FAINT,
}


def style_of(result: Action | Outcome) -> Style:
    """Return the style of what the plan decided or how a row ended; the page's class is its name."""
    return _STYLE[result.facts.sigil]


def plain(line: Line) -> str:
    """Return the text of a line without its styles."""
    return "".join(span.text for span in line)


def text(words: str = "", style: Style = Style.PLAIN) -> Line:
    """Return a line of one style."""
    return (Span(words, style),)


def wrapped(line: Line, width: int, *, hang: int) -> Iterator[Line]:
    """Return a line as several that fit, broken at blanks alone; all but the first begin with `hang` blanks.

    What has no blank in it and is wider stands on a line of its own.
    """
    part: list[Span] = []
    used = 0
    for gap, word in _words(line):
        length = sum(len(span.text) for span in word)
        if part and used + len(gap) + length > width:
            yield _joined(part)
            part, used = [Span(" " * hang)], hang
        elif gap:
            is_within = part and part[-1].style is word[0].style
            part.append(Span(gap, word[0].style if is_within else Style.PLAIN))
            used += len(gap)
        part.extend(word)
        used += length
    yield _joined(part)


def command_lines(command: str, width: int) -> Iterator[str]:
    """Return a command as lines that fit and can be typed as they are: all but the last end with a backslash.

    One with quotes stays whole, since a blank within them is no place for the end of a line.
    """
    if len(command) <= width or "'" in command:
        yield command
        return
    *lines, last = map(plain, wrapped(text(command), width - 2, hang=2))
    yield from (f"{line} \\" for line in lines)
    yield last


def _joined(spans: Iterable[Span]) -> Line:
    """Return spans with neighbours of one style in one."""
    groups = groupby(spans, key=lambda span: span.style)
    return tuple(Span("".join(span.text for span in group), style) for style, group in groups)


def _words(line: Line) -> Iterator[tuple[str, list[Span]]]:
    """Return what stands between blanks, each with the blanks before it and in the styles that it has."""
    gap, word = "", list[Span]()
    for span in line:
        for piece in _BLANKS.split(span.text):
            if piece.isspace():
                if word:
                    yield gap, word
                    gap, word = "", []
                gap += piece
            elif piece:
                word.append(Span(piece, span.style))
    if word:
        yield gap, word


_BLANKS = re.compile("( +)")


def limited(names: Sequence[str], total: int) -> str:
    """Return `a, b and 104 more`: some of `total` names."""
    more = total - len(names)
    return ", ".join(names) + (f" and {figure(more)} more" if more else "")


NOT_LOOKED_AT_AGAIN = ", not yet looked at again"
"""The words for applied rows while the last look, at the end of a run, has not shown them as asked."""


def parked_text(rows: Sequence[int]) -> str:
    """Return which rows have left their service parked, and what that means."""
    return f"{listed('row', rows)}: a service is parked, without some of its mappings until its row goes on"


def tallied(counts: Mapping[Outcome, int] | Mapping[Action, int]) -> str:
    """Return `250 applied, 3 failed`: what there is none of is left out."""
    return ", ".join(f"{figure(count)} {result.facts.phrase}" for result, count in counts.items() if count)


def about(length_s: float) -> str:
    """Return an estimate of a length of time: whole seconds, at least one."""
    seconds = max(1, round(length_s))
    return duration(seconds) if seconds >= _MINUTE_S else f"{seconds} s"


_MINUTE_S = 60


def throttled(times: int) -> str:
    """Return how often the API said that it is too fast: `never throttled`, `throttled 12 times`."""
    return {0: "never throttled", 1: "throttled once"}.get(times, f"throttled {figure(times)} times")


def as_text(value: object) -> str:
    """Return a field's value as text: ports as `8081:22/TCP 8082:23/UDP`, a missing value as nothing."""
    if isinstance(value, str):  # by far the most; matching a class takes three times as long
        return value
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)
