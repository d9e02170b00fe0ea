"""`bulk watch` on a terminal: the view of a run in the lines and columns that there are."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

from bulk.reports.watch_view import LaneView, View
from bulk.reports.words import Line, Span, Style, command_lines, text, wrapped
from bulk.text import counted, figure, printable

WIDE = 110
"""Columns from which on lanes and rows have more room."""
LOW = 30
"""Lines below which what needs a person has the room of waves that passed, and of the window."""
LANES_SHOWN = 6
_STYLES = {
    "good": Style.GOOD,
    "bad": Style.BAD,
    "change": Style.CHANGE,
    "faint": Style.FAINT,
    "": Style.PLAIN,
}
_LEVELS = " ▁▂▃▄▅▆▇█"


def screen(view: View, width: int, height: int) -> tuple[Line, ...]:
    """Return a view as the lines of a terminal of this size; what there is no room for is left out."""
    head = [
        *_head(view, width),
        *_progress(view, width),
        *_lanes(view, width),
        *_limits(view, width, is_low=height < LOW),
    ]
    foot = [text(), *commands] if (commands := [*_commands(view, width)]) else []
    room = height - len(head) - len(foot) - 1
    rows = [*_rows(view, width)]
    decisions = [*_decisions(view)]
    body: list[Line] = []
    if rows and room > 1:
        body += [text(), *rows[: room - 1]]
    if decisions and room - len(body) > 2:  # noqa: PLR2004 - a blank line and a heading
        body += [text(), *decisions[: room - len(body) - 1]]
    return tuple(_cut(line, width) for line in (*head, *body, *foot)[:height])


def plain_line(view: View) -> str:
    """Return a view in one line, as it is written where there is no terminal."""
    parts = [
        f"{view.job}: {view.state}",
        f"{figure(view.done)} of {figure(view.of)}{f' ({view.percent})' if view.percent else ''}",
        f"{view.reason}{view.reason_more}",
        *(words for tone, words in view.counts if tone == "bad"),
        view.left,
        view.trouble,
    ]
    return printable(" | ".join(filter(None, parts)))


def _head(view: View, width: int) -> Iterator[Line]:
    since, *others = view.who or ("",)
    yield (
        Span(printable(view.job), Style.STRONG),
        Span("  "),
        Span(view.state, _STYLES[view.tone]),
        Span(f"  {printable(since)}"),
    )
    line = ""
    for words in map(printable, others):
        if len(line) + len(words) + 2 <= width:
            line += f"{'  ' if line else ''}{words}"
    yield text(line, Style.FAINT)
    yield text()
    tone = Style.STRONG if view.tone in {"", "good"} else _STYLES[view.tone]
    for words, style in (
        (f"  {view.reason}{view.reason_more}", tone),
        (view.explained and f"  {view.explained}", Style.FAINT),
        (view.trouble and f"! {view.trouble}", Style.BAD),
    ):
        if words:
            yield from wrapped(text(printable(words), style), width, hang=2)
    yield text()


def _progress(view: View, width: int) -> Iterator[Line]:
    count = f"  {figure(view.done)} of {figure(view.of)}"
    ahead, behind = f"{count}  {view.percent:>5}  ", f"  {view.left}" if view.left else ""
    columns = max(10, width - len(ahead) - len(behind) - 2)
    yield (
        Span(count, Style.STRONG),
        Span(ahead[len(count) :]),
        *_meter(view.bar, columns),
        Span(behind),
    )
    parts = [Span(f"  {words}", _STYLES[tone]) for tone, words in view.counts]
    yield tuple(parts)
    if when := ", ".join(filter(None, (view.ends, view.window_more))):
        yield from wrapped(text(f"  {when}"), width, hang=2)
    yield text()


def _meter(parts: Sequence[tuple[str, float]], columns: int) -> Iterator[Span]:
    """Return a bar of so many columns; a part that there is has one at least."""
    used = 0
    for tone, share in parts:
        wide = min(columns - used, max(1, round(columns * share))) if share else 0
        used += wide
        yield Span("━" * wide, _STYLES[tone])
    yield Span("─" * (columns - used), Style.FAINT)


def _lanes(view: View, width: int) -> Iterator[Line]:
    names = [printable(lane.name) for lane in view.lanes]
    wide = max((len(name) for name in names), default=0)
    done = max((len(_done(lane)) for lane in view.lanes), default=0)
    limit = max((len(lane.limit) for lane in view.lanes), default=0)
    head = f"  {'lane':{wide}}  {'done':>{done}}  {'now':>7}  {'limit':>{limit}}  throttled  "
    columns = min(view.seconds, width - len(head))
    if not names:
        return
    yield text(f"{head}{view.seconds} s", Style.FAINT)
    for lane, name in [*zip(view.lanes, names, strict=True)][:LANES_SHOWN]:
        now, throttled = f"{lane.now_per_s:.1f}/s", figure(lane.throttled)
        figures = f"  {name:{wide}}  {_done(lane):>{done}}  {now:>7}  {lane.limit:>{limit}}  {throttled:>9}  "
        yield (Span(figures), Span(_sparks(lane.sent, columns), Style.STRONG))
    if (more := len(names) - LANES_SHOWN) > 0:
        yield text(f"  and {counted(more, 'more lane')}", Style.FAINT)


def _done(lane: LaneView) -> str:
    return f"{figure(lane.done)} of {figure(lane.of)}"


def _sparks(counts: Sequence[int], columns: int) -> str:
    """Return counts as a row of blocks, so many columns wide, each the mean of a stretch of time."""
    if columns < 1:
        return ""
    edges = [len(counts) * column // columns for column in range(columns + 1)]
    means = [sum(counts[a:b]) / (b - a) for a, b in pairwise(edges)]
    top = max(means) or 1.0
    return "".join(_LEVELS[ceil((len(_LEVELS) - 1) * mean / top)] for mean in means)


def _limits(view: View, width: int, *, is_low: bool) -> Iterator[Line]:
    """Return waves, budget and window, a line each."""
    lines: list[Line] = [
        (
            Span(f"{wave.sigil} ", _STYLES[wave.tone]),
            Span(f"wave {printable(wave.name)}"),
            Span(f"  {printable(wave.more)}", Style.FAINT),
        )
        for wave in (view.waves[-1:] if is_low else view.waves)
    ]
    if view.budget:
        words = f"  budget   {view.budget}  "
        lines.append((Span(words), *_meter(view.budget_bar, max(5, min(30, width - len(words) - 2)))))
    if view.window and not is_low:
        lines += wrapped(text(f"  window   {printable(view.window)}"), width, hang=11)
    if lines:
        yield text()
        yield from lines


def _rows(view: View, width: int) -> Iterator[Line]:
    yield text(f"  {view.rows_title}", Style.STRONG if view.rows else Style.FAINT)
    names = max((len(printable(row.name)) for row in view.rows), default=0)
    for row in view.rows:
        place = f"  {printable(row.place)}" if width >= WIDE else ""
        yield (
            Span(f"{row.sigil} ", _STYLES[row.tone]),
            Span(f"{printable(row.name):{names}}"),
            Span(place, Style.FAINT),
            Span(f"  {row.at}  ", Style.FAINT),
            Span(printable(row.why)),
        )
    for words in view.advice:
        yield text(f"  {printable(words)}", Style.FAINT)


def _decisions(view: View) -> Iterator[Line]:
    for at, words in view.decisions:
        yield (Span(f"  {at}  ", Style.FAINT), Span(printable(words)))


def _commands(view: View, width: int) -> Iterator[Line]:
    """Return the commands, as many on one line as fit; one that is too long has lines of its own."""
    line = ""
    for what, command in view.commands:
        words = f"{what}: {command}"
        if line and len(line) + len(words) + 4 > width:
            yield text(line)
            line = ""
        if len(words) > width:
            yield text(f"{what}:")
            yield from map(text, command_lines(command, width))
            continue
        line += f"{'    ' if line else ''}{words}"
    if line and len(line) + len(view.leaving) + 4 > width:
        yield text(line)
        line = ""
    if line or view.leaving:
        yield (Span(f"{line}    " if line and view.leaving else line), Span(view.leaving, Style.FAINT))


def _cut(line: Line, width: int) -> Line:
    """Return what of a line fits."""
    spans, left = list[Span](), width
    for span in line:
        if left < len(span.text):
            spans.append(Span(f"{span.text[: max(0, left - 1)]}…" if left else "", span.style))
            break
        spans.append(span)
        left -= len(span.text)
    return tuple(spans)
