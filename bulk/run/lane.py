"""Which row of a lane goes next, and how many at a time.

A lane has a queue, knows who waits for whom, and learns from its answers.
"""

from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import islice
from math import inf

from bulk.ledger.records import Purpose
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    PUSH_BACK_MAX_S,
    Doubt,
    LaneName,
    PutVerdict,
    Reply,
    Retry,
    ShowVerdict,
    Throttled,
)
from bulk.pacing.pool import Answered, sizing, step, workers
from bulk.run.board import Board
from bulk.run.interfaces import Limits
from bulk.run.looks import ListPage
from bulk.run.renewal import AHEAD_S, ROWS_AHEAD_MAX, Renewal
from bulk.run.row import Work
from bulk.run.stages import IN_DOUBT, Place, Stop
from bulk.vpcep.codes import advice_for

SILENT_MIN = 3
"""Attempts in a row that found nobody before the API counts as down; two for each busy row, if more."""
SILENCE_S = 30.0
"""How long nobody may answer before the lane is cut."""
LOOKS_MAX = 32
"""Rows of a lane that are looked at again one by one at a time."""
_SERVER_ERROR = 500


def pushed_back(found: PutVerdict | ShowVerdict) -> Stop | None:
    """Return why nothing can be sent any more, where the API asks to be left alone for too long."""
    if isinstance(found, Throttled | Doubt | Retry) and found.shut_until:
        return Stop(BrakeReason.PUSHED_BACK, f"the API asks to be left alone until {found.shut_until}")
    return None


class Queue:
    """Rows that may go, in turn; those of `first` go before all others."""

    def __init__(self) -> None:
        self._first: deque[int] = deque()
        self._rest: array[int] = array("I")
        self._next = 0

    def __bool__(self) -> bool:
        """Return whether a row is in it."""
        return bool(self._first) or self._next < len(self._rest)

    @property
    def head(self) -> int:
        """Return the row whose turn it is; 0 for none."""
        if self._first:
            return self._first[0]
        return self._rest[self._next] if self._next < len(self._rest) else 0

    def ahead(self, most: int) -> Iterator[int]:
        """Yield the first rows, in turn."""
        yield from islice(self._first, most)
        yield from self._rest[self._next : self._next + max(most - len(self._first), 0)]

    def drop(self) -> None:
        """Take out the head."""
        if self._first:
            self._first.popleft()
        else:
            self._next += 1

    def add(self, row: int) -> None:
        """Let a row go behind all others."""
        self._rest.append(row)

    def add_again(self, row: int) -> None:
        """Let a row whose turn had come go before those whose turn has not."""
        self._first.append(row)

    def add_first(self, row: int) -> None:
        """Let a row go before all others."""
        self._first.appendleft(row)

    def sort(self, part: Callable[[int], int]) -> None:
        """Let the rows go part by part, the lowest first; the order is kept within each part."""
        self._rest = array("I", sorted([*self._first, *self._rest[self._next :]], key=part))
        self._first.clear()
        self._next = 0


class Dependencies:
    """Which rows wait for which, and which must be finished since a parked service waits for them."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._waiting: dict[int, list[int]] = defaultdict(list)
        """Rows at WAITS, by the row that they wait for."""
        self._bound: dict[int, frozenset[int]] = {}
        """Rows that must be finished, by the row that is, or may be, parked."""

    def __bool__(self) -> bool:
        """Return whether something must be finished."""
        return bool(self._bound)

    def in_the_way(self, work: Work) -> int | None:
        """Return the first row that is not where the next PUT of this one needs it."""
        if work.is_plain:
            return None
        change, place = work.change, self._board.place
        match work.due:
            case Purpose.CHANGE if work.known.restore_rejected:  # it has no other way out
                return None
            case Purpose.CHANGE if change.after or change.after_parked:
                for row in change.after_parked:
                    if not self._is_out_of_the_way(row) and place(row) is not Place.DONE:
                        return row
                return next((row for row in change.after if place(row) is not Place.DONE), None)
            case Purpose.PARK:  # for nothing, where a row is known not to do its part
                needed = sorted(self.needed_by(change.row))
                return next((row for row in needed if place(row) in {Place.LEFT, Place.ENDED}), None)
            case _:
                return None

    def _is_out_of_the_way(self, row: int) -> bool:
        """Return whether a row is parked and is not about to be restored, which takes its ports back."""
        work = self._board.works.get(row)
        return row in self._board.parked and (work is None or work.due is not Purpose.RESTORE)

    def needed_by(self, row: int) -> frozenset[int]:
        """Return a row and all rows that it waits for, they wait for, and so on."""
        found, waiting = set[int](), [row]
        while waiting:
            if (needed := waiting.pop()) not in found:
                found.add(needed)
                change = self._board.change(needed)
                waiting += (*change.after, *change.after_parked)
        return frozenset(found)

    def wait(self, row: int, predecessor: int) -> None:
        """Let a row wait until its predecessor ends, is parked or is left."""
        self._board.move(row, Place.WAITS)
        self._waiting[predecessor].append(row)

    def released_by(self, row: int) -> list[int]:
        """Return the rows that waited for this one."""
        return self._waiting.pop(row, [])

    def bind(self, row: int) -> frozenset[int]:
        """Return the rows that must be finished from here on, as this one is or may be parked."""
        return self._bound.setdefault(row, self.needed_by(row))

    def free(self, row: int) -> list[int]:
        """Let no row be must-finish for this one any more; if some were, return those that still are."""
        if self._bound.pop(row, None) is None:
            return []
        return sorted({needed for bound in self._bound.values() for needed in bound}, reverse=True)

    def must_finish(self, row: int) -> bool:
        """Return whether a parked service waits for a row."""
        return bool(self._bound) and any(row in needed for needed in self._bound.values())


class Lane:
    """The rows that share one rate limit."""

    def __init__(self, key: LaneName, number: int, board: Board, limits: Limits) -> None:
        self.key = key
        self.number = number
        self.rows: array[int] = array("I")
        """All rows of the lane, in the order of the plan."""
        self.queue = Queue()
        self.dependencies = Dependencies(board)
        self.is_looked_at = False
        """Whether every service has been looked at."""
        self.renewal = Renewal(board.looks)
        self.puts_left = inf
        """How many PUTs, one behind the other, can still begin before the window is over."""
        self.rows_ahead = 1
        """Rows that are to be looked at again in time."""
        self.cut: Stop | None = None
        """Why nothing can be sent here any more."""
        self._board = board
        self._limits = limits
        self._sizing = sizing(limits.workers)
        self._in_flight_max = limits.workers
        """Fewer than may be, once this machine had no room for so many connections."""
        self._silent, self._silent_since = 0, 0.0
        """Attempts in a row that found nobody, and when the first of them was answered for."""
        self._pushed_since: float | None = None
        """Since when every answer asks to be left alone; None where the last one did not."""
        self.proved: frozenset[str] = frozenset()
        """Fields that a reply did not show, and that were found as they had been before the PUT."""
        self._unproved: set[int] = set()
        """Rows whose replies did not show other fields than these."""

    @property
    def may_look(self) -> bool:
        """Return whether one row more may be looked at again by itself."""
        return self._board.looking[self.number] < min(self.rows_ahead, LOOKS_MAX)

    def look_ahead(self, rate_per_s: float) -> None:
        """Learn how fast the rows go, and so how many must be looked at again in time."""
        self.rows_ahead = min(max(int(rate_per_s * AHEAD_S), 2), ROWS_AHEAD_MAX)

    def page_needed(self, now: float) -> ListPage | None:
        """Return the page of the list to be read now, so that the rows ahead are looked at in time."""
        return self.renewal.next_page(self.queue.ahead(self.rows_ahead), now)

    def waits_for_page(self, row: int, now: float) -> bool:
        """Return whether a page that comes will serve a row that has to be looked at again."""
        return self.renewal.will_serve(row, self.queue.ahead(self.rows_ahead), now)

    @property
    def is_busy(self) -> bool:
        """Return whether something is under way, or a wait comes due."""
        return self._board.busy[self.number] > 0

    def has_room(self, rate_per_s: float) -> bool:
        """Return whether one request more may be in flight."""
        most = workers(self._sizing, rate_per_s) if self._limits.elastic else self._limits.workers
        return self._board.in_flight[self.number] < most and not self.is_crowded

    @property
    def is_crowded(self) -> bool:
        """Return whether this machine has no room for one request more in flight."""
        return self._board.in_flight[self.number] >= self._in_flight_max

    def shrink(self) -> None:
        """Keep fewer requests in flight from now on: this machine has no room for the last one of them."""
        if (in_flight := self._board.in_flight[self.number]) > 1:
            self._in_flight_max = min(self._in_flight_max, in_flight - 1)

    # What replies do not show, the first row of which they do not show it has to prove by itself

    def await_proof(self, row: int) -> None:
        """Learn that the reply to a row's PUT did not show fields of which nothing has been proved yet."""
        self._unproved.add(row)

    @property
    def awaits_proof(self) -> bool:
        """Return whether fields that a reply did not show are being read, to prove them."""
        if self._unproved:
            self._unproved = {row for row in self._unproved if self._board.place(row) in IN_DOUBT}
        return bool(self._unproved)

    # What answers teach

    def learn(self, verdict: PutVerdict, now: float) -> Stop | None:
        """Learn from an answer, or the lack of one; return why the lane is to be cut, if it is."""
        reply = verdict.reply
        says_nothing = isinstance(verdict, Retry) and (verdict.is_local or verdict.absent_s)
        if self._limits.elastic and not says_nothing:
            self._size(reply)
        if reply.http is not None:
            self._silent = 0
            return self._push_back(verdict, now)
        if isinstance(verdict, Retry):
            self._silent_since = self._silent_since if self._silent else now
            self._silent += 1
            silent_s = max(now - self._silent_since, verdict.absent_s)
            if silent_s >= SILENCE_S and (self.is_silent or verdict.absent_s >= SILENCE_S):
                why = f"{reply.code}, {reply.message}; {advice_for(reply.code, None)}"
                return Stop(
                    BrakeReason.UNREACHED, f"the API could not be reached for {silent_s:.0f} s: {why}"
                )
        return None

    def _push_back(self, verdict: PutVerdict, now: float) -> Stop | None:
        """Return why the lane is to be cut, if the API asks to be left alone for too long, once or in all."""
        if stop := pushed_back(verdict):
            return stop
        asks_to_wait = isinstance(verdict, Doubt) and verdict.retry_after_s
        if not (isinstance(verdict, Throttled) or asks_to_wait):
            self._pushed_since = None
            return None
        if self._pushed_since is None:
            self._pushed_since = now
        if now - self._pushed_since <= PUSH_BACK_MAX_S:
            return None
        minutes = f"{(now - self._pushed_since) / 60:.0f} min"
        return Stop(
            BrakeReason.PUSHED_BACK,
            f"for {minutes} the API has taken nothing: every PUT was too fast for it, or it asked to wait",
        )

    def _size(self, reply: Reply) -> None:
        is_failure = reply.http is None or reply.http >= _SERVER_ERROR
        self._sizing = step(self._sizing, Answered(latency_s=reply.ms / 1000, is_failure=is_failure))

    @property
    def is_silent(self) -> bool:
        """Return whether so many attempts in a row found nobody that no row is to blame."""
        return self._silent >= max(SILENT_MIN, 2 * self._board.busy[self.number])

    @property
    def only_probes(self) -> bool:
        """Return whether no further row is to begin, as nobody answers those that still try."""
        return self._silent >= SILENT_MIN and self.is_busy
