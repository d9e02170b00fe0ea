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
from bulk.core.ledger.progress import Progress
from bulk.core.model import Outcome, Sigil
from bulk.core.pacing.describe import noise_text, wait_text
from bulk.core.reports.words import duration, figure, printable

REFRESH_PER_S = 5
PLAIN_EVERY_S = 30.0
_RATE_OVER_S = 10.0


def done(progress: Progress) -> int:
    """Return how many of the changes have ended; what is right already, or refused, is no change."""
    counts = progress.counts()
    left = counts[Outcome.NOT_ATTEMPTED] + counts[Outcome.IN_DOUBT]
    return max(0, progress.footprint.changes - left)


class Speed:
    """Changes ended per second, over the last seconds or, if it is asked less often, since it was asked."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._seen: list[tuple[float, int]] = [(watched.now(), done(watched.progress))]

    def per_s(self) -> float:
        """Return the speed now."""
        now, ended = self._watched.now(), done(self._watched.progress)
        self._seen.append((now, ended))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _RATE_OVER_S:  # noqa: PLR2004 - a first and a last
            del self._seen[0]
        first_at, first = self._seen[0]
        return (ended - first) / (now - first_at) if now > first_at else 0.0


def status_line(watched: Watched, per_s: float) -> str:
    """Return the progress of the run in one line, with the reason for waiting."""
    progress = watched.progress
    ended, changes = done(progress), progress.footprint.changes
    share = f" ({100 * ended // changes} %)" if changes else ""
    parts = [f"{figure(ended)}/{figure(changes)}{share}"]
    allowed = (f"{rate_per_s:.3g}/s allowed" for rate_per_s in watched.rates_per_s())
    parts.append(", ".join([f"{per_s:.1f}/s", *allowed, *map(noise_text, watched.noises())]))
    if ended < changes and per_s > 0:
        parts.append(f"about {duration((changes - ended) / per_s)} left")
    parts.extend(_not_applied(progress))
    if progress.refusals:
        parts.append(f"throttled {figure(progress.refusals)}")
    parts.extend(f"{kind} wait for {wait_text(wait)}" for kind, wait in watched.holds())
    parts.extend(f"rows wait for {wait_text(wait)}" for wait in watched.row_holds())
    return printable(" | ".join(parts))


def _not_applied(progress: Progress) -> Iterator[str]:
    """Return each outcome that needs a person with its count, the failed rows by code."""
    for outcome, rows in progress.counts().items():
        if rows and outcome.facts.sigil is Sigil.WRONG:
            codes = Counter(dict(progress.codes)).most_common(3) if outcome is Outcome.FAILED else []
            named = ", ".join(f"{code or 'other'} {figure(count)}" for code, count in codes)
            yield f"{figure(rows)} {outcome.facts.phrase}" + (f" ({named})" if named else "")


@contextmanager
def shown(watched: Watched, *, quiet: bool) -> Iterator[None]:
    """Show the run on stderr while the block runs."""
    if quiet or not watched.progress.footprint.changes:
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
        bar = ProgressBar(total=max(progress.footprint.changes, 1), completed=done(progress), width=20)
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
