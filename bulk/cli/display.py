"""The live display: a bar on a terminal, one plain line now and then where there is none."""

import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from math import inf

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bulk.app.signals import shown_at_usr1
from bulk.app.watched import Watched
from bulk.cli import output
from bulk.ledger.decisions import decided
from bulk.ledger.progress import Progress, changes_ended
from bulk.model import LaneName, Outcome, Sigil
from bulk.pacing.describe import noise_text, wait_text
from bulk.reports.stopped import LETS_GO_ON, commands_awaited
from bulk.reports.words import about, command_lines
from bulk.text import counted, figure, per_second, printable

REFRESH_PER_S = 5
PLAIN_EVERY_S = 30.0
_RATE_OVER_S = 10.0
LANES_SHOWN = 12
_COUNTED_EVERY_S = 1e-6
"""For each row of the plan: counting by lane takes 0.05 s for a million, and is done once a second then."""


class Speed:
    """Changes ended per second, over the last seconds or, if it is asked less often, since it was asked."""

    def __init__(self, now: float, ended: int) -> None:
        self._seen: list[tuple[float, int]] = [(now, ended)]

    def per_s(self, now: float, ended: int) -> float:
        """Return the speed at `now` (monotonic seconds), when so many have ended."""
        self._seen.append((now, ended))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _RATE_OVER_S:  # noqa: PLR2004 - a first and a last
            del self._seen[0]
        first_at, first = self._seen[0]
        return (ended - first) / (now - first_at) if now > first_at else 0.0


class LaneSpeed:
    """One lane of several: how many of its changes have ended, and how fast."""

    def __init__(self, name: str, watched: Watched, changes: int, left: int) -> None:
        self.name = name
        self.left = left
        self.left_s = inf
        """Seconds that the rest takes at the speed of now; infinity while nothing moves."""
        self._changes = changes
        self._watched = watched
        self._speed = Speed(watched.now(), changes - left)

    def line(self, left: int, width: int) -> str:
        """Return the line of the lane, its name in a column of this width, when `left` have not ended."""
        ended = self._changes - left
        per_s = self._speed.per_s(self._watched.now(), ended)
        self.left = left
        self.left_s = (left / per_s if per_s else inf) if left else 0.0
        speed = " ".join(
            [f"{per_s:.1f}/s", *(f"of {per_second(most)}" for most in self._watched.rates_per_s())]
        )
        parts = [", ".join([speed, *map(noise_text, self._watched.noises())])] if left else ["done"]
        parts.extend(f"{kind} wait for {wait_text(wait)}" for kind, wait in self._watched.holds() if left)
        return printable(
            f"  {self.name:{width}}  {figure(ended)}/{figure(self._changes)}  {' | '.join(parts)}"
        )


class Lanes:
    """The lanes of a run that has several, a line each; nothing of a run with one."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._counted_at = -inf
        self._lines: list[str] = []
        changes, left = watched.changes_by_lane(left=False), watched.changes_by_lane(left=True)
        names = _lane_names(watched, changes)
        self._lanes = (
            {
                lane: LaneSpeed(names[lane], watched.of(lane), number, left[lane])
                for lane, number in changes.items()
            }
            if len(changes) > 1
            else {}
        )
        self._width = max(map(len, names.values()), default=0)

    @property
    def left_s(self) -> float:
        """Return the seconds that the slowest lane still takes; infinity while one of them does not move."""
        return max(lane.left_s for lane in self._lanes.values())

    def lines(self) -> list[str]:
        """Return a line for each lane, those at work first."""
        now, every_s = self._watched.now(), _COUNTED_EVERY_S * self._watched.progress.rows
        if self._lanes and now - self._counted_at >= every_s:
            self._counted_at, left = now, self._watched.changes_by_lane(left=True)
            lines = {lane: each.line(left[lane], self._width) for lane, each in self._lanes.items()}
            at_work = sorted(lines, key=lambda lane: not self._lanes[lane].left)
            self._lines = [lines[lane] for lane in at_work[:LANES_SHOWN]]
            if more := len(lines) - len(self._lines):
                self._lines.append(f"  and {counted(more, 'more lane')}")
        return self._lines

    def __bool__(self) -> bool:
        """Return whether there are several."""
        return bool(self._lanes)


def _lane_names(watched: Watched, lanes: Iterable[LaneName]) -> dict[LaneName, str]:
    """Return the regions of lanes, with a profile in front where several accounts have lanes in one."""
    regions = Counter(lane.region for lane in lanes)
    profiles: dict[LaneName, str] = {}
    for target, lane in watched.lanes.items():
        profiles.setdefault(lane, target.profile)
    return {
        lane: f"{profiles[lane]}@{lane.region}"
        if regions[lane.region] > 1 and profiles[lane]
        else lane.region
        for lane in lanes
    }


class Display:
    """The lines that say where a run stands: one for the run, and one for each lane where it has several."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._speed = Speed(watched.now(), changes_ended(watched.progress))
        self._lanes = Lanes(watched)

    def commands(self) -> list[str]:
        """Return the commands by which a person lets the run go on, where it waits for a person's word."""
        watched = self._watched
        return [command for _, command in commands_awaited(watched.progress, watched.run)]

    def lines(self) -> list[str]:
        """Return the lines as of now."""
        watched = self._watched
        per_s = self._speed.per_s(watched.now(), changes_ended(watched.progress))
        if not self._lanes:
            return [status_line(watched, per_s)]
        lanes = self._lanes.lines()
        return [status_line(watched.of(None), per_s, self._lanes.left_s), *lanes]


def status_line(watched: Watched, per_s: float, left_s: float | None = None) -> str:
    """Return the progress of the run in one line, with the reason for waiting.

    `left_s` is how long it still takes, where its speed of now does not say so.
    """
    progress = watched.progress
    ended, changes = changes_ended(progress), progress.footprint.changes
    share = f" ({100 * ended // changes} %)" if changes else ""
    parts = [f"{figure(ended)}/{figure(changes)}{share}"]
    allowed = (f"{per_second(rate_per_s)} allowed" for rate_per_s in watched.rates_per_s())
    parts.append(", ".join([f"{per_s:.1f}/s", *allowed, *map(noise_text, watched.noises())]))
    if rate := decided(progress.decisions).rate:
        parts.append(f"at most {rate.rate_per_s:g}/s by {rate.who}")
    if left_s is None:
        left_s = (changes - ended) / per_s if per_s > 0 else inf
    if ended < changes and left_s < inf:
        parts.append(f"about {about(left_s)} left")
    parts.extend(_not_applied(progress))
    if progress.refusals:
        parts.append(f"throttled {figure(progress.refusals)}")
    parts.extend(f"{who} wait for {wait_text(wait)}" for who, wait in watched.waits())
    return printable(" | ".join(parts))


def _not_applied(progress: Progress) -> Iterator[str]:
    """Return each outcome that needs a person with its count, the failed rows by code."""
    for outcome, rows in progress.counts().items():
        if rows and outcome.facts.sigil is Sigil.WRONG:
            codes = (+Counter(dict(progress.codes))).most_common(3) if outcome is Outcome.FAILED else []
            named = ", ".join(f"{code} {figure(count)}" for code, count in codes)
            yield f"{figure(rows)} {outcome.facts.phrase}" + (f" ({named})" if named else "")


def _write_lines(display: Display) -> None:
    line, *lanes = display.lines()
    commands = display.commands()
    lines = (line, *lanes, *(f"{LETS_GO_ON} {command}" for command in commands))
    output.aside("progress", *lines, message=line, lanes=[lane.strip() for lane in lanes], commands=commands)


@contextmanager
def shown(watched: Watched, *, quiet: bool) -> Iterator[None]:
    """Show the run on stderr while the block runs, and at each USR1, also where it is quiet."""
    display = Display(watched)
    with shown_at_usr1(lambda: _write_lines(display)), _progress(watched, display, quiet=quiet):
        yield


@contextmanager
def _progress(watched: Watched, display: Display, *, quiet: bool) -> Iterator[None]:
    if quiet or not watched.progress.footprint.changes:
        yield
    elif sys.stderr.isatty() and not output.speaks_json():
        with _bar(watched, display):
            yield
    else:
        with _plain_lines(display):
            yield


@contextmanager
def _bar(watched: Watched, display: Display) -> Iterator[None]:
    def render() -> Group:
        progress = watched.progress
        table = Table.grid(padding=(0, 1))
        bar = ProgressBar(
            total=max(progress.footprint.changes, 1), completed=changes_ended(progress), width=20
        )
        line, *lanes = display.lines()
        table.add_row(bar, Text(line))
        commands = chain.from_iterable(
            (LETS_GO_ON, *command_lines(command, console.width)) for command in display.commands()
        )
        return Group(table, *map(Text, (*lanes, *commands)))

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
def _plain_lines(display: Display) -> Iterator[None]:
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(PLAIN_EVERY_S):
            _write_lines(display)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
