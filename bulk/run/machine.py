"""What happens to the rows of a plan: events in, effects out; no await, no clock, no file, no socket.

`stages.py` has the table of places and moves. Events are methods; what they ask for comes out of `take`:

    granted -> Append intent    durable -> Send    answered -> Append, Wait    due -> Show    shown -> Append

`row.py` says what an event means for its row, `course.py` what follows from that, `lane.py` which row goes
next, `gates.py` what all lanes share, `first_look.py` how a session begins, `waves.py` how one wave follows
another, `last_look.py` how a lane ends.
"""

from collections.abc import Mapping

from bulk.ledger.decisions import StandingWord
from bulk.ledger.records import Decision, Note, Purpose
from bulk.ledger.row_life import Stage
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    Action,
    Denied,
    Done,
    LaneName,
    PutVerdict,
    Reply,
    Retry,
    ShowVerdict,
    Target,
)
from bulk.run.course import Course
from bulk.run.first_look import FirstLook
from bulk.run.interfaces import Dice, Limits, PlanReader
from bulk.run.lane import pushed_back
from bulk.run.last_look import LastLook
from bulk.run.renewed_looks import RenewedLooks
from bulk.run.row import Turn, answered, looked_again, proved, read_back, refused
from bulk.run.stages import Effect, Place, Show, Stop
from bulk.run.turns import Turns
from bulk.run.wave_course import WaveCourse

CROWDED = (
    "there is no room for more connections ({}); fewer requests are in flight from here on; "
    "to have more, raise the limit of open files (ulimit -n) where they leave, and run the same command again"
)


def _passed_over(_: int) -> None:
    """Do nothing with a row."""


class Machine:
    """The rows of a plan on their way to their outcomes."""

    def __init__(
        self, plan: PlanReader, lane_of: Mapping[Target, LaneName], limits: Limits, dice: Dice
    ) -> None:
        self._course = course = Course(plan, dict.fromkeys(lane_of.values()), limits, dice)
        self._board = course.board
        self._gates = course.gates
        self._progress = plan.progress
        self._lane_of = lane_of
        self._limits = course.limits
        self._dice = dice
        self.lanes = course.lanes
        self.waves = WaveCourse(course)
        self.look = FirstLook(course, self.waves)
        self.turns = Turns(course)
        self.last_look = LastLook(course)
        self.renewed_looks = RenewedLooks(course)
        self._is_crowded = False
        """Whether this machine had no room for as many connections as there were to be."""

    @property
    def stops(self) -> list[Stop]:
        """Return every reason for which the run was stopped."""
        return self._gates.stops

    @property
    def unread(self) -> list[str]:
        """Return why rows are left although nothing stops them."""
        return self._course.unread

    @property
    def unfit(self) -> list[str]:
        """Return which rings did not begin, since the window is over before they could end."""
        return self._course.unfit

    def take(self) -> list[Effect]:
        """Return what is to be done, in order, and forget it."""
        self.look.begin_if_all_seen()
        self._course.end_denied_if_nothing_else_goes()
        self._course.stop_if_exhausted()
        return self._board.take()

    def place(self, row: int) -> Place:
        """Return where a row stands."""
        return self._board.place(row)

    # The beginning

    def begin(self) -> None:
        """Take over the state of the ledger; an earlier doubt waits the whole settle time from now."""
        progress = self._progress
        self._course.begin()
        keys = map(
            self._lane_of.get, progress.targets
        )  # None for a target that the plan refused: it is unusable
        lanes = [self.lanes[key] if key else None for key in keys]
        self._board.enter([lane.number if lane else 0 for lane in lanes])
        rows_of = [lane.rows.append if lane else _passed_over for lane in lanes]
        target_of, opened = progress.target_of, progress.open
        for row in progress.order:  # perhaps a million
            rows_of[target_of[row - 1]](row)
        refused_rows = () if self._limits.strict else progress.rows_left(Action.REFUSE)
        for row in filter({*opened, *refused_rows}.__contains__, progress.order):
            if row in opened:
                self._take_up(row, is_in_doubt=progress.stage(row) is Stage.IN_FLIGHT)
            else:
                self._course.follow(row, refused(self._board.change(row)))
        for target in progress.accepted & self._lane_of.keys():
            self._gates.denials.accept(self._lane_of[target].account)
        self._course.stop(self._gates.budget.begin())

    def _take_up(self, row: int, *, is_in_doubt: bool) -> None:
        work = self._board.begin(row, self._limits.tries, is_in_doubt=is_in_doubt)
        if is_in_doubt:
            self._course.follow(row, Turn(Place.SETTLING, wait_s=self._limits.settle_s))
        if work.known.parked or (is_in_doubt and work.due is Purpose.PARK):
            self._course.lane(row).dependencies.bind(row)

    def gap(self, now: float) -> None:
        """Learn that nothing was noticed for a while: no look from before now counts any more."""
        self._board.looks.gap(now)

    # What came of it

    def answered(self, row: int, verdict: PutVerdict, now: float) -> None:
        """Learn what became of a PUT."""
        if self._board.place(row) is not Place.FLYING:  # nobody waits for it any more
            return
        lane, work = self._course.lane(row), self._board.works[row]
        self._gates.first_puts.answered(self._board.target(row), lane.key.account)
        stop = lane.learn(verdict, now)
        is_silent = lane.is_silent
        if stop:
            self.cut(lane.key, stop)
        if isinstance(verdict, Retry) and verdict.is_local:
            self.crowded(lane.key, verdict.reply)
        turn = answered(
            work,
            verdict,
            self._limits,
            self._dice,
            is_silent=is_silent,
            is_key_accepted=self._gates.denials.is_accepted(lane.key.account),
        )
        self._course.follow(row, turn)
        if work.hidden - lane.proved:
            lane.await_proof(row)
        if isinstance(verdict, Denied):
            self._course.denied(row, verdict)

    def probed(self, target: Target, refused: str) -> None:
        """Learn whether the key of a target may still do anything; `refused` says why not."""
        key = self._lane_of[target]
        self._gates.denials.probed(key.account)
        if refused:
            self.cut(key, Stop(BrakeReason.ABORTED, refused))

    def crowded(self, key: LaneName, reply: Reply) -> None:
        """Learn that this machine has no room for as many connections as a lane would have; say so once."""
        self.lanes[key].shrink()
        if not self._is_crowded:
            self._is_crowded = True
            self._board.append(Note(about="lane", message=CROWDED.format(reply.message)))

    def due(self, row: int) -> None:
        """Go on with a row, or the wave, after its wait; one that is not wanted any more does no harm."""
        if row <= 0:
            self.waves.due(-row)
            return
        match self._board.place(row):
            case Place.RESTING:
                self._course.follow(row, Turn(Place.READY))
            case Place.SETTLING:
                self._show(row, Place.READING)
            case Place.SUSPECT:
                self._show(row, Place.CHECKING)
            case _:
                pass

    def _show(self, row: int, place: Place) -> None:
        self._board.move(row, place)
        self._board.ask(Show(self._board.change(row)))

    def shown(self, row: int, found: ShowVerdict, asked_at: float) -> None:
        """Learn what a service is that was asked for then; what is not wanted any more does no harm."""
        place = self._board.place(row)
        if place >= Place.LEFT:
            return
        if place in {Place.READING, Place.PROVING}:
            turn = self._settled(row, found)
        elif place is Place.LOOKING:
            turn = looked_again(self._board.works[row], found, self._gates.noticed)
        else:
            turn = self.last_look.checked(row, found)
        self._board.looks.seen(row, asked_at)
        self._course.follow(row, turn)
        if stop := pushed_back(found):
            self.cut(self._course.lane(row).key, stop)
        if place is Place.LOOKING and self._limits.strict and turn.to is Place.ENDED:
            message = f"row {row}: its service moved since the plan, after others had been sent"
            self._course.stop(Stop(BrakeReason.STRICT, message))

    def _settled(self, row: int, found: ShowVerdict) -> Turn:
        """Return what a read, or the page of the list that proves it, means for a row in doubt."""
        lane, work = self._course.lane(row), self._board.works[row]
        if self._board.place(row) is Place.PROVING:
            return proved(work, found.state if isinstance(found, Done) else None, self._limits)
        turn = read_back(work, found, self._limits, self._dice, self._gates.noticed, lane.proved)
        is_on_no_page = turn.to is Place.PROVING and not self._board.looks.page(row)
        return proved(work, None, self._limits) if is_on_no_page else turn

    # The end

    def obey(self, word: Decision) -> None:
        """Learn what a person says of the run: it is written down, and in force."""
        if not self.waves.obey(word):
            self._course.obey(word)

    @property
    def pause(self) -> StandingWord | None:
        """Return who has paused the run, if somebody has."""
        return self._gates.pause

    def stop(self, stop: Stop) -> None:
        """Begin nothing new in any lane but what a parked service waits for."""
        self._course.stop(stop)

    def leave_all(self, message: str) -> None:
        """Leave everything that is under way as its records say; `message` says why."""
        self._course.leave_all(message)

    @property
    def undrained(self) -> str:
        """Return what was under way when it was not waited for any more; empty where that was not so."""
        return self._course.undrained

    def cut(self, key: LaneName, stop: Stop) -> None:
        """Send nothing any more in a lane; where its key is refused, in no lane of that key."""
        self._course.cut(key, stop)

    def has_closed(self, key: LaneName) -> bool:
        """Return whether no row of a lane will ever begin any more."""
        return self._gates.has_closed(self.lanes[key])

    def is_given_up(self, key: LaneName) -> bool:
        """Return whether even the last look at a lane is not worth its while any more."""
        return self._gates.is_given_up(self.lanes[key])

    def is_over(self, key: LaneName) -> bool:
        """Return whether nothing more is sent in a lane, and nothing of it is under way."""
        lane = self.lanes[key]
        if lane.is_busy:
            return False
        if self._gates.has_closed(lane):
            return True
        return lane.is_looked_at and not lane.queue and not self._gates.awaits_all
