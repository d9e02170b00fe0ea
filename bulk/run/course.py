"""What follows from a row's turn: for its lane, for the rows that wait for it, for the whole run."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from math import inf
from typing import assert_never

from bulk.ledger.decisions import word_of
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    DecisionKind,
    Note,
    OutcomeRecord,
    Purpose,
    Record,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import Denied, LaneName, Outcome
from bulk.run.board import Board
from bulk.run.denials import Denial
from bulk.run.gates import Gates
from bulk.run.interfaces import Dice, Limits, PlanReader
from bulk.run.lane import Lane
from bulk.run.row import Turn, denied
from bulk.run.stages import CHECKED, IN_DOUBT, IN_FLIGHT, Cap, Look, Place, Probe, Show, Stop, WaitFor
from bulk.text import listed

_GOES_ON = frozenset({Place.READY, Place.RESTING, Place.DENIED})
"""Places from which a row is sent later: a stop may turn them into LEFT."""
_BEFORE_A_PUT = frozenset({Place.RESTING, Place.LOOKING, Place.DENIED})
"""Places of a row that has nothing under way which could have changed its service."""
_ID_DIGITS = 6
"""Hexadecimal digits by which a person names a stop; nobody can know them before it."""
_WAITS = frozenset({Place.SETTLING, Place.RESTING, Place.SUSPECT})
"""Places that a row leaves when its wait comes due."""


class Course:
    """Lets rows take their turns; stops the run and cuts lanes."""

    def __init__(self, plan: PlanReader, keys: Collection[LaneName], limits: Limits, dice: Dice) -> None:
        self.board = Board(plan, keys, limits.max_look_age_s)
        self.lanes = {key: Lane(key, number, self.board, limits) for number, key in enumerate(keys)}
        self.gates = Gates(self.board, self.lanes, limits)
        self.limits = replace(limits, allowed=self.gates.allowed)
        self._dice = dice
        nowhere = Lane(LaneName(host="", region="", account=""), 0, self.board, limits)
        self.undrained = ""
        """What was still under way when it was not waited for any more."""
        self.unread: list[str] = []
        """Why rows are left although nothing stops them; the run names it at its end."""
        self.unfit: list[str] = []
        """Which rings did not begin, since the window is over before they could end."""
        self._numbered = tuple(self.lanes.values()) or (nowhere,)
        """Lanes by number; where no row has a usable target, one that nothing is ever sent in."""

    def lane(self, row: int) -> Lane:
        """Return the lane of a row."""
        return self._numbered[self.board.lane_number(row)]

    def admit(self, row: int) -> None:
        """Let a row go in its turn: what `follow` comes to where a first look shows all as it was left."""
        lane = self.lane(row)
        if self.gates.bars(lane, row):
            self.follow(row, Turn(Place.READY))
        else:
            self.board.move(row, Place.READY)
            self._queue(lane, row, is_fresh=True)

    def follow(self, row: int, turn: Turn) -> None:
        """Move a row, and carry out what follows for its lane, for other rows and for the run."""
        board, lane, to = self.board, self.lane(row), turn.to
        is_fresh = board.place(row) is Place.UNSEEN
        failed: Stop | None = None
        if turn.stop:  # on record before what its row came to: a kill between must not forget it
            self._decide(turn.stop)
        for record in turn.records:
            board.append(record)
            if isinstance(record, OutcomeRecord):
                failed = self.gates.budget.count(row, record)
        if turn.due:
            board.works[row].due = turn.due
        if to in _GOES_ON and self.gates.bars(lane, row):
            to = Place.LEFT
        if turn.in_doubt:
            board.left_in_doubt.add(row)
        board.move(row, to)
        if to in _WAITS:
            board.ask(WaitFor(row, turn.wait_s))
        elif to is Place.LOOKING:
            board.ask(Show(board.change(row)))
        elif to is Place.PROVING:
            board.ask(Show(board.change(row), board.looks.page(row)))
        elif to is Place.READY:
            self._queue(lane, row, is_fresh=is_fresh)
        self._tell_others(lane, row, to, is_parked_now=turn.due is Purpose.CHANGE)
        self.stop(failed)  # after the wave has been judged, since both reasons count
        self._affect_others(lane, turn)

    def _affect_others(self, lane: Lane, turn: Turn) -> None:
        """Let a turn have its consequences for the whole run and for those of its key."""
        if turn.refused_key:
            self.cut(lane.key, Stop(BrakeReason.ABORTED, turn.refused_key))
        self.stop(turn.stop)
        lane.proved |= turn.proved
        if turn.unread:
            self.unread.append(turn.unread)
        if turn.records and any(map(_is_accepted, turn.records)):
            self._accepted(lane)

    # What answers say of a key

    def _accepted(self, lane: Lane) -> None:
        """Learn that a PUT was accepted: one denied with the same key is denied for its service alone."""
        self.gates.budget.accepted()
        account = lane.key.account
        if self.gates.denials.accept(account):
            # One by one: the end of one may leave others.
            while row := next((row for row in self.board.denied if self.lane(row).key.account == account), 0):
                self.follow(row, denied(self.board.works[row]))

    def denied(self, row: int, verdict: Denied) -> None:
        """Learn from a 403 about the others of its key."""
        lane, reply = self.lane(row), verdict.reply
        match self.gates.denials.deny(lane.key.account):
            case Denial.KEY_MAY_NOTHING:
                why = f"{reply.cause}: {reply.message}; {verdict.hint}"
                self.cut(lane.key, Stop(BrakeReason.ABORTED, f"every PUT was denied: {why}"))
            case Denial.ASK:
                self.board.ask(Probe(self.board.target(row)))
            case Denial.NOTHING:
                pass
            case _ as never:
                assert_never(never)

    def end_denied_if_nothing_else_goes(self) -> None:
        """Let denied rows fail once no other PUT can show any more what their 403 is about."""
        for row in list(self.board.denied):
            lane = self.lane(row)
            if row not in self.board.denied or lane.is_busy or not lane.is_looked_at or self.gates.awaits_all:
                continue
            if not lane.queue:
                self.follow(row, denied(self.board.works[row]))
            elif (
                not self.gates.pause and not any(self.board.busy) and self.gates.holds(lane, lane.queue.head)
            ):
                reply = self.board.works[row].reply
                why = f"row {row} was denied ({reply.cause}: {reply.message})"
                message = f"{why}, and no other may go that could show whether the key may change anything"
                self.cut(lane.key, Stop(BrakeReason.ABORTED, message))

    # What follows for others

    def _queue(self, lane: Lane, row: int, *, is_fresh: bool = False) -> None:
        """Let a row go in its turn; when that had come, before; what a parked service waits for, first."""
        if lane.dependencies.must_finish(row):
            lane.queue.add_first(row)
        elif is_fresh:
            lane.queue.add(row)
        else:
            lane.queue.add_again(row)

    def _tell_others(self, lane: Lane, row: int, to: Place, *, is_parked_now: bool) -> None:
        """Free or release the rows that are bound to this one, and those that wait for it."""
        is_at_end = to >= Place.LEFT
        if is_at_end or (to not in IN_DOUBT and row not in self.board.parked):
            for needed in lane.dependencies.free(row):  # what this row had put in front goes behind them
                if self.board.place(needed) is Place.READY:
                    lane.queue.add_first(needed)
        if is_at_end or is_parked_now:
            for follower in lane.dependencies.released_by(row):
                if self.board.place(follower) is not Place.WAITS:  # left before the row that it waited for
                    continue
                self.board.move(follower, Place.READY)
                self._queue(lane, follower)
        if is_at_end:
            if to is not Place.LEFT:
                self.board.works.pop(row, None)
            self.leave_wave((row,))

    def stop(self, stop: Stop | None) -> None:
        """Begin nothing new in any lane but what a parked service waits for; None is no reason to stop."""
        if stop is None:
            return
        if (
            stop.reason is BrakeReason.WINDOW
        ):  # a wave that waits for a person must not be judged anew by itself
            self.stop(self.gates.waves.nobody_said_go())
        self._decide(stop)
        self._halt(stop)

    def _halt(self, stop: Stop) -> None:
        is_first = not self.gates.stopped
        self.gates.stop(stop)
        if is_first:
            self._leave_resting()

    def obey(self, word: Decision) -> None:
        """Write down what a person says, and let it be in force; of two stops the first one counts."""
        has_stopped = self.gates.has_stopped_for(BrakeReason.OPERATOR)
        is_stop = word.what == DecisionKind.STOP and not has_stopped
        self.board.append(replace(word, cause=BrakeReason.OPERATOR) if is_stop else word)
        self.gates.heed(word)
        if word.what == DecisionKind.RATE:
            self.board.ask(Cap(self.gates.most_per_s))
        if is_stop:
            self.gates.stop_ids.add(word.id)
            self._halt(Stop(BrakeReason.OPERATOR, f"by {word_of(word).who}"))

    def begin(self) -> None:
        """Take over what earlier decisions left in force: their stops stop the run now, a rate is kept."""
        for standing in self.gates.standing:
            message = f"{standing.why} ({standing.at}, stop {standing.id})"
            self.gates.stop(Stop(standing.cause, message))
        if self.gates.most_per_s < inf:
            self.board.ask(Cap(self.gates.most_per_s))

    def _decide(self, stop: Stop) -> None:
        """Put a stop on record that later sessions keep to; a side effect once for each new value."""
        is_known = (
            self.gates.noticed.issuperset(stop.effects)
            if stop.effects
            else self.gates.has_stopped_for(stop.reason)
        )
        if is_known or not stop.reason.facts.stands:
            return
        self.board.append(
            Decision(
                by=DecidedBy.JUDGE if stop.ruling else DecidedBy.LIMIT,
                what=DecisionKind.STOP,
                ruling=stop.ruling,
                cause=stop.reason,
                reason=stop.message,
                id=self._stop_id(),
                effects=stop.effects,
                failures_max=self.limits.failures_max if stop.reason is BrakeReason.FAILURE_LIMIT else None,
                wave=stop.wave,
            )
        )
        self.gates.noticed |= frozenset(stop.effects)

    def _stop_id(self) -> str:
        """Return an id that no other stop of this run has, by which a person may name it."""
        number = int(self._dice.random() * 16**_ID_DIGITS)
        while (named := f"{number:0{_ID_DIGITS}x}") in self.gates.stop_ids:
            number = (number + 1) % 16**_ID_DIGITS
        self.gates.stop_ids.add(named)
        return named

    def leave_wave(self, rows: Iterable[int]) -> None:
        """Learn that rows come to nothing more: once no row of a wave is left, it is judged."""
        self.gates.waves.leave(rows)
        self.judge_waves()

    def judge_waves(self) -> None:
        """Begin the next wave where the one under way has passed; stop where it has not."""
        while ruling := self.gates.waves.ruling():
            match ruling:
                case Stop():
                    self.stop(ruling)
                case Decision():
                    self.wave_passed(ruling)
                case _:
                    self.board.ask(ruling)

    def wave_passed(self, ruling: Decision) -> None:
        """Write down that a wave has passed, and begin the next one."""
        self.board.append(ruling)
        self.gates.waves.begin_next()
        if self.limits.strict:
            self._look_again()
        self.judge_waves()

    def _look_again(self) -> None:
        """Have the rows that may begin now looked at once more, before any of them does."""
        for lane in self._numbered:
            if lane.cut is None and self.gates.next_rows(lane):
                lane.is_looked_at, self.gates.awaits_all = False, True
                self.board.ask(Look(lane.key))

    def stop_if_exhausted(self) -> None:
        """Stop where nothing under way can free the failure budget any more."""
        if self.limits.failures_max is not None and not self.gates.stopped:
            closed = frozenset(lane.number for lane in self._numbered if lane.cut and not lane.is_busy)
            self.stop(self.gates.budget.exhausted(closed))

    def cut(self, key: LaneName, stop: Stop) -> None:
        """Send nothing any more in a lane; where its key is refused, in no lane of that key."""
        is_key_refused = stop.reason is BrakeReason.ABORTED
        for lane in self._numbered:
            if not lane.cut and (lane.key == key or (is_key_refused and lane.key.account == key.account)):
                self._cut(lane, stop)
        self._leave_resting()

    def _cut(self, lane: Lane, stop: Stop) -> None:
        lane.cut = stop
        if len(self._numbered) > 1:
            self.board.append(Note(about="lane", message=f"{lane.key}: {stop.message}"))
        idle = (row for row in lane.rows if self.board.place(row) <= Place.WAITS)
        self.leave_wave(idle)
        if self.limits.strict and not lane.is_looked_at:
            self.stop(stop)

    def leave_all(self, message: str) -> None:
        """Leave everything that is under way as its records say: in doubt, parked, or to be sent."""
        self.gates.is_drained = True
        place = self.board.place
        for lane in self._numbered:
            for row in [row for row in lane.rows if place(row) in CHECKED]:
                is_as_asked = self.board.progress.outcome(row).facts.as_asked
                self.board.move(row, Place.DONE if is_as_asked else Place.ENDED)
        for row in [row for row in self.board.works if place(row) < Place.LEFT]:
            self.follow(row, Turn(Place.LEFT, in_doubt=place(row) in IN_FLIGHT | IN_DOUBT))
        if doubts := sorted(self.board.left_in_doubt):
            message += f": {listed('row', doubts)} in doubt"
        if self.board.parked:
            message += f"; {listed('row', sorted(self.board.parked))} with a parked service"
        self.board.append(Note(about="drain", message=message))
        self.undrained = message

    def _leave_resting(self) -> None:
        """End the backoffs and the looks after which nothing could be sent any more."""
        for row in [row for row in self.board.works if self.board.place(row) in _BEFORE_A_PUT]:
            if self.gates.bars(self.lane(row), row):
                self.follow(row, Turn(Place.LEFT))


def _is_accepted(record: Record) -> bool:
    """Return whether a record says that the API took a PUT of its row."""
    match record:
        case OutcomeRecord(outcome=Outcome.APPLIED) | Attempt(verdict=AttemptResult.PARKED):
            return True
        case _:
            return False
