"""When each PUT of a plan would leave and end, by the rules of the run's own loop.

N workers take the PUTs in the order of the plan. A worker waits for what must go first, then queues for the
pace with all others of its profile and region, first come first served; a PUT ends a while after it left, and
its worker takes the next one. So a chain of services behind one port waits in the queue once for each link.
"""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import TypeAlias

from bulk.plan.sequence import Step

_Put: TypeAlias = tuple[int, bool]
"""A PUT: its row, and whether it is the row's last."""


class Timetable:
    """A run on paper: each PUT has its worker for `hold_s`, from leaving to its end.

    The PUTs go in one wave, or in several: each begins once the one before has ended and has soaked.
    """

    def __init__(
        self, *waves: Iterable[Step], rate_per_s: float, workers: int, hold_s: float, soak_s: float = 0.0
    ) -> None:
        self.duration_s = 0.0
        """When the last PUT ends."""
        self.wave_ends_s: list[float] = []
        """When the last PUT of each wave ends."""
        self.soaked_s = soak_s * max(0, len(waves) - 1)
        """How much of it the waves are left alone."""
        self.gap_s: dict[int, float] = {}
        """For each parked row: from the end of its intermediate PUT to the end of its last one."""
        self._puts: Iterator[Step] = iter(())
        self._interval_s = 1 / rate_per_s
        self._hold_s = hold_s
        self._turn_s: dict[tuple[str, str], float] = {}
        """When the next PUT of a profile and region may leave."""
        self._in_hand: dict[_Put, list[Step]] = {}
        """PUTs that a worker has, each with those that wait for its end."""
        self._ends: list[tuple[float, int, bool]] = []
        self._parked_s: dict[int, float] = {}
        for number, wave in enumerate(waves):
            self._puts = iter(wave)
            begins_s = self.duration_s + soak_s * (number > 0)
            for _ in range(workers):
                self._take(begins_s)
            while self._ends:
                self._end(*heappop(self._ends))
            self.wave_ends_s.append(self.duration_s)

    def _take(self, now_s: float) -> None:
        if step := next(self._puts, None):
            self._in_hand[step.change.row, step.is_last] = []
            self._queue(step, now_s)

    def _queue(self, step: Step, now_s: float) -> None:
        """Let a PUT wait for another one in hand, or else for its turn."""
        for put in _first(step):
            if put in self._in_hand:
                self._in_hand[put].append(step)
                return
        target = step.change.target
        budget = (target.profile, target.region)
        leaves_s = max(now_s, self._turn_s.get(budget, 0.0))
        self._turn_s[budget] = leaves_s + self._interval_s
        heappush(self._ends, (leaves_s + self._hold_s, step.change.row, step.is_last))

    def _end(self, now_s: float, row: int, is_last: bool) -> None:  # noqa: FBT001 - a member of the heap's tuple
        self.duration_s = now_s
        if not is_last:
            self._parked_s[row] = now_s
        elif row in self._parked_s:
            self.gap_s[row] = now_s - self._parked_s.pop(row)
        for step in self._in_hand.pop((row, is_last)):
            self._queue(step, now_s)
        self._take(now_s)


def _first(step: Step) -> Iterator[_Put]:
    """Return the PUTs that must have ended before this one may leave."""
    if step.is_last:
        yield from ((row, False) for row in (*step.change.after_parked, step.change.row))
        yield from ((row, True) for row in step.change.after)
