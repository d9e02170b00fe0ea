"""What `bulk watch` writes: a screen drawn anew each second, a line where there is none, an address."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from bulk.app.watching import Seen, Watch
from bulk.cli import output
from bulk.cli.streams import has_reader
from bulk.reports.watch_lines import plain_line, screen
from bulk.reports.words import Line
from bulk.text import printable

if TYPE_CHECKING:
    from bulk.app.watch_server import Address

_ROWS = 24
_STDOUT = 1


async def show(watch: Watch, *, json: bool) -> None:
    """Show a run until it has finished, a signal comes, or the reader of standard output has gone."""
    if sys.stdout.isatty() and not json:
        await _draw(watch)
        return
    async for seen in watch.looks():
        if seen.is_news:
            line = orjson.dumps(seen.status).decode() if json else plain_line(seen.view)
            output.write([f"{line}\n"])
        if seen.is_finished or not has_reader(_STDOUT):
            return


async def _draw(watch: Watch) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    def drawn(lines: Iterable[Line]) -> Group:
        spans = ([(printable(span.text), str(span.style)) for span in line] for line in lines)
        return Group(*(Text.assemble(*line, no_wrap=True) for line in spans))

    console = Console(highlight=False)
    last: Seen | None = None
    with output.on_the_side("stdout"), Live(console=console, screen=True, auto_refresh=False) as live:
        async for seen in watch.looks():
            last = seen
            live.update(drawn(screen(seen.view, *console.size)), refresh=True)
            if seen.is_finished:
                break
    if last:  # the screen as it was is back: what was seen last stays on it
        console.print(drawn(screen(last.view, console.width, _ROWS)))


async def serve(watch: Watch, address: "Address", names: tuple[str, ...]) -> None:
    """Serve the page of a run until a signal comes."""
    from bulk.app.lacking import has_metrics
    from bulk.app.watch_server import Published, serving

    published = Published(names, has_metrics=has_metrics())
    published.show(watch.look())
    async with serving(published.server, address) as at:
        output.notify("served to this machine alone, until Ctrl-C; the run goes on whatever happens here")
        output.write([f"{at}\n"])
        async for seen in watch.looks():
            published.show(seen)
