"""The live display: a bar on a terminal, one plain line now and then where there is none."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bulk.app.session import Watched
from bulk.cli import output
from bulk.core.model import Sigil
from bulk.core.pacing.describe import noise_text, wait_text
from bulk.core.reports.words import duration, figure, printable

REFRESH_PER_S = 5
PLAIN_EVERY_S = 30.0
_RATE_OVER_S = 10.0


class Speed:
    """Rows ended per second, over the last seconds."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._seen: list[tuple[float, int]] = [(watched.now(), watched.progress.ended)]

    def per_s(self) -> float:
        """Return the speed now."""
        now, ended = self._watched.now(), self._watched.progress.ended
        self._seen.append((now, ended))
        while now - self._seen[0][0] > _RATE_OVER_S:
            del self._seen[0]
        first_at, first = self._seen[0]
        return (ended - first) / (now - first_at) if now > first_at else 0.0


def status_line(watched: Watched, per_s: float) -> str:
    """Return the progress of the run in one line, with the reason for waiting."""
    progress = watched.progress
    left = progress.rows - progress.ended
    parts = [f"{figure(progress.ended)}/{figure(progress.rows)}"]
    allowed = (f"{rate_per_s:.3g}/s allowed" for rate_per_s in watched.rates_per_s())
    parts.append(", ".join([f"{per_s:.1f}/s", *allowed, *map(noise_text, watched.noises())]))
    if left and per_s > 0:
        parts.append(f"{duration(left / per_s)} left")
    counts = progress.counts().items()
    failed = sum(rows for outcome, rows in counts if outcome.facts.sigil is Sigil.WRONG)
    if failed:
        codes = ", ".join(
            f"{code or 'other'} {count}" for code, count in Counter(dict(progress.codes)).most_common(3)
        )
        parts.append(f"{figure(failed)} not as asked" + (f" ({codes})" if codes else ""))
    parts.extend(f"{kind} wait for {wait_text(wait)}" for kind, wait in watched.holds())
    parts.extend(f"rows wait for {wait_text(wait)}" for wait in watched.row_holds())
    return printable(" | ".join(parts))


@contextmanager
def shown(watched: Watched, *, quiet: bool) -> Iterator[None]:
    """Show the run on stderr while the block runs."""
    if quiet:
        yield
    elif sys.stderr.isatty() and not output.speaks_json():
        with _bar(watched):
            yield
    else:
        with _plain_lines(watched):
            yield


@contextmanager
def _bar(watched: Watched) -> Iterator[None]:
    speed = Speed(watched)

    def render() -> Table:
        progress = watched.progress
        table = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(progress.rows, 1), completed=progress.ended, width=30)
        table.add_row(bar, Text(status_line(watched, speed.per_s())))
        return table

    console = Console(file=sys.stderr)
    live = Live(
        get_renderable=render, console=console, refresh_per_second=REFRESH_PER_S, redirect_stdout=False
    )
    live.start()
    try:
        yield
    finally:
        with output.on_the_side("stderr"):
            live.stop()


@contextmanager
def _plain_lines(watched: Watched) -> Iterator[None]:
    speed, ended = Speed(watched), threading.Event()

    def write() -> None:
        while not ended.wait(PLAIN_EVERY_S):
            line = status_line(watched, speed.per_s())
            output.aside("progress", line, message=line)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
