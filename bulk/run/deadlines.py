"""What the clocks say of a run: that its window is over, that nobody was awake, that the drain is over."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from bulk.ledger.stops import BrakeReason
from bulk.run.brake import Brake
from bulk.run.interfaces import Clock

GAP_S = 2.0
"""A loop that did not turn for so long, or a wall clock that jumped so far, ends what looks are worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When a run may send, by the wall clock (UTC seconds); without a window at any time."""

    opens_at: float = -inf
    stops_at: float = inf
    """From here on nothing new begins: what is left until the end is for finishing and the last look."""
    closes_at: float = inf
    """From here on only what a parked service waits for is sent, and each such PUT is noted as late."""
    spared: str = ""
    """What a person reads of a run that was stopped before the end."""
    ended: str = "the window ended"
    """What a person reads of one that was stopped only after it, as nobody was awake at its end."""


ANY_TIME = Hours()


class Gaps:
    """Notices times in which the process did not run, or the machine slept: anything may have happened."""

    def __init__(self, clock: Clock) -> None:
        self._loop = asyncio.get_running_loop()
        self._turned_at = self._loop.time()
        self._offset_s = clock.now() - clock.monotonic()

    def has_come(self, wall: float, now: float) -> bool:
        """Return whether there was such a time since the last call; by the wall and the monotonic clock."""
        turned_at, offset_s = self._loop.time(), wall - now
        has_come = turned_at - self._turned_at > GAP_S or abs(offset_s - self._offset_s) > GAP_S
        self._turned_at, self._offset_s = turned_at, offset_s
        return has_come


class Deadlines:
    """Pulls the brake when the window is over, reports gaps, and ends the drain after a signal."""

    def __init__(
        self,
        clock: Clock,
        brake: Brake,
        *,
        hours: Hours,
        drain_s: float,
        on_gap: Callable[[float], None],
    ) -> None:
        self._clock = clock
        self._brake = brake
        self._hours = hours
        self._drain_s = drain_s
        self._drains_until = inf
        self.is_late = False
        """Whether the window was not open when the clocks were last asked."""
        self._gaps = Gaps(clock)
        self._on_gap = on_gap

    def now(self) -> float:
        """Return the monotonic time; what the clocks say of the window and of gaps is known from here on."""
        now, wall = self._clock.monotonic(), self._clock.now()
        hours = self._hours  # by the wall clock: a timer would sleep as the machine does
        if not hours.opens_at <= wall < hours.stops_at:
            why = "the clock was set back to before the opening of the window"
            if wall >= hours.stops_at:
                why = hours.ended if wall >= hours.closes_at else hours.spared
            self._brake.pull(BrakeReason.WINDOW, why)
            self.is_late = not hours.opens_at <= wall < hours.closes_at
        if self._gaps.has_come(wall, now):
            self._on_gap(now)
        if self._brake.is_signalled:
            self._drains_until = min(self._drains_until, now + self._drain_s)
        return now

    def is_outside(self) -> bool:
        """Return whether the window is not open now."""
        return not self._hours.opens_at <= self._clock.now() < self._hours.closes_at

    def left_s(self) -> float:
        """Return for how long something new may still begin; infinity without an end."""
        return self._hours.stops_at - self._clock.now()

    def overrun(self) -> str:
        """Return for how long after a signal everything under way was waited for; empty while it still is."""
        return f"{self._drain_s:g} s after the signal" if self.now() >= self._drains_until else ""
