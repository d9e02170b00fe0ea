"""Whose turn it is in a lane: from the head of its queue to the PUT that leaves."""

from bulk.ledger.records import Intent, Purpose
from bulk.ledger.row_life import after_intent
from bulk.model import Hold, LaneName, Wait
from bulk.run.course import Course
from bulk.run.lane import Lane
from bulk.run.row import Turn, Work, blocked, withdrawn
from bulk.run.stages import IN_DOUBT, Place, Renew, Send
from bulk.text import listed


class Turns:
    """Lets the rows of each lane begin, one at a time."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._board = course.board
        self._gates = course.gates
        self._lanes = course.lanes
        self._looks = course.board.looks
        self._tries = course.limits.tries

    def wants(self, key: LaneName, rate_per_s: float, now: float) -> bool:
        """Return whether a grant of the lane's pace would be used."""
        lane = self._lanes[key]
        lane.look_ahead(rate_per_s)
        return lane.has_room(rate_per_s) and not self._gates.has_closed(lane) and self._next(lane, now) > 0

    def is_looking(self, key: LaneName, now: float) -> bool:
        """Return whether a grant is worth keeping, since a row of the lane is being looked at again."""
        lane = self._lanes[key]
        if self._gates.pause:  # what is looked at meanwhile waits all the same
            return False
        head = lane.queue.head
        is_coming = bool(head) and self._looks.is_stale(head, now) and lane.waits_for_page(head, now)
        return (self._board.looking[lane.number] > 0 or is_coming) and not self._gates.has_closed(lane)

    def hold(self) -> Wait | None:
        """Return why rows that could go wait for others, where they do, or which one is in doubt."""
        could_go = any(lane.queue for lane in self._lanes.values()) and not self._gates.stopped
        if could_go and (pause := self._gates.pause):
            return Wait(hold=Hold.OPERATOR, detail=f"paused by {pause.who}")
        if could_go and self._gates.budget.is_used_up:
            return self._gates.budget.hold()
        begun = tuple(self._board.works)  # at once: who looks on is another thread
        in_doubt = next((row for row in begun if self._board.place(row) in IN_DOUBT), 0)
        if in_doubt:
            return Wait(hold=Hold.SETTLE, row=in_doubt)
        return self._gates.waves.hold() if could_go else None

    def granted(self, key: LaneName, now: float) -> int:
        """Begin the next PUT of a lane: its intent first; return its row, 0 where none may go any more."""
        lane = self._lanes[key]
        if lane.is_crowded or not (row := self._next(lane, now)):
            return 0
        lane.queue.drop()
        self._gates.first_puts.begin(self._board.target(row), lane.key.account, now)
        work = self._board.works[row]
        work.known = after_intent(work.known, work.known.attempts + 1, work.due)
        self._board.move(row, Place.NOTED)
        self._board.append(Intent(row=row, attempt=work.known.attempts, purpose=work.due), sends=row)
        return row

    def _next(self, lane: Lane, now: float) -> int:
        """Return the row that may go now, at the head of its lane's queue; 0 for none."""
        while row := lane.queue.head:
            is_gone = self._board.place(row) is not Place.READY or self._gates.bars(lane, row)
            is_stale = self._looks.is_stale(row, now)
            if not is_gone and (
                self._gates.holds(lane, row, now) or self._must_wait(lane, row, now, is_stale)
            ):
                return 0
            lane.queue.drop()  # before it is examined: that may put others in front
            if is_gone or not self._has_its_turn(lane, self._board.begin(row, self._tries)):
                continue
            if not is_stale:
                lane.queue.add_first(row)
                return row
            self._course.follow(row, Turn(Place.LOOKING))
        return 0

    def _must_wait(self, lane: Lane, row: int, now: float, is_stale: bool) -> bool:  # noqa: FBT001 - a fact
        """Have the page read that the next rows need; return whether this row waits for a look."""
        if (is_stale or lane.renewal.is_due(now)) and (page := lane.page_needed(now)):
            self._board.ask(Renew(lane.key, page))
        return is_stale and (not lane.may_look or lane.waits_for_page(row, now))

    def _has_its_turn(self, lane: Lane, work: Work) -> bool:
        """Return whether nobody stands in a row's way; else put it where it belongs."""
        predecessor = lane.dependencies.in_the_way(work)
        if predecessor is None:
            return work.due is not Purpose.PARK or self._fits(lane, work)
        match self._board.place(predecessor):
            case Place.LEFT:
                self._course.follow(work.row, Turn(Place.LEFT))
            case Place.ENDED if work.known.parked:
                work.due = Purpose.RESTORE
                return True
            case Place.ENDED:
                self._course.follow(work.row, blocked(work, predecessor))
            case _:
                lane.dependencies.wait(work.row, predecessor)
        return False

    def fit(self, key: LaneName, puts: float) -> None:
        """Learn how many PUTs of a lane, one behind the other, can still begin before the window is over."""
        self._lanes[key].puts_left = puts

    def _fits(self, lane: Lane, work: Work) -> bool:
        """Return whether a ring can end before the window is over; one that cannot is left as it is."""
        ring = sorted(lane.dependencies.needed_by(work.row))
        puts = len(ring) + sum(self._board.change(row).parking is not None for row in ring)
        if puts <= lane.puts_left:
            return True
        what = f"{listed('row', ring)}: a swap of {puts} PUTs would not end before the window is over"
        self._course.unfit.append(what)
        self._course.follow(work.row, Turn(Place.LEFT))
        return False

    def durable(self, row: int, now: float) -> None:
        """Send the PUT whose intent is on disk, if it still may go."""
        if self._board.place(row) is not Place.NOTED:
            return
        lane, work = self._course.lane(row), self._board.works[row]
        is_barred = self._gates.bars(lane, row)
        if is_barred or self._gates.holds_back(lane, row) or self._looks.is_stale(row, now):
            self._gates.first_puts.withdraw(self._board.target(row), lane.key.account)
            self._course.follow(row, withdrawn(work, Place.LEFT if is_barred else Place.LOOKING))
            return
        if work.due is Purpose.PARK:
            for needed in sorted(lane.dependencies.bind(row), reverse=True):
                if self._board.place(needed) is Place.READY:
                    lane.queue.add_first(needed)
        self._board.move(row, Place.FLYING)
        self._board.ask(Send(work.put))
