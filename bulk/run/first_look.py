"""The look at every service before its first PUT: what it means for a row, and when a run may begin by it."""

from collections.abc import MutableSequence

from bulk.ledger.progress import ACTION_NUMBERS
from bulk.ledger.records import target_of
from bulk.ledger.row_life import NOT_BEGUN, SENT
from bulk.model import Action, LaneName, Target
from bulk.plan.waves import WaveFacts, WavePlan, assigned
from bulk.run.course import Course
from bulk.run.drift import Drift
from bulk.run.looks import ListPage
from bulk.run.row import Turn, looked_at, refused
from bulk.run.stages import Place
from bulk.run.wave_course import WaveCourse

_REFUSE = ACTION_NUMBERS[Action.REFUSE]


class FirstLook:
    """A row may go once its own service was looked at; in a strict run, or before a wave, once all were."""

    def __init__(self, course: Course, waves: WaveCourse) -> None:
        self._course = course
        self._begin_waves = waves.begin
        self._board = course.board
        self._gates = course.gates
        self._progress = course.board.progress
        self._rows_of = course.board.progress.rows_by_target()
        self._has_begun = False
        """Whether what had to wait for every lane's look has begun: a later look is one before a wave."""

    def unseen(self, key: LaneName) -> list[int]:
        """Return the rows of a lane whose services are to be looked at."""
        lane, actions = self._course.lanes[key], self._progress.actions
        if self._has_begun:
            return self._gates.next_rows(lane)
        return [row for row in self._board.unseen(lane.rows) if actions[row - 1] != _REFUSE]

    def first_page(self, target: Target, left: int) -> int:
        """Return the number of the page, from 0, at which the rows of a target that are left probably begin.

        Rows go in the order of the list, so that those which have ended stand in front.
        """
        planned, run = self._progress.planned or {}, self._progress.run
        pages = dict(zip(map(target_of, run["targets"]), planned.get("pages", ()), strict=False))
        rows = self._rows_of[target]
        return int(pages.get(target, 0) * (rows - left) // rows)

    def seen(self, row: int, found: Drift | None, asked_at: float, page: ListPage) -> None:
        """Learn how a service is: as the plan, or the run, left it (None), or otherwise."""
        if self._board.place(row) is not Place.UNSEEN and not self._has_begun:
            return
        self._board.looks.seen(row, asked_at, page)
        if not self._course.limits.strict:
            self._judge(row, found)
        elif found:
            self._gates.moved.add(row)

    def _judge(self, row: int, found: Drift | None) -> None:
        opened, action = self._progress.open.get(row), self._progress.action(row)
        if found is None and opened is None and action is Action.UPDATE:
            self._course.admit(row)
        else:
            self._course.follow(row, looked_at(row, action, opened or NOT_BEGUN, found))

    def ended(self, key: LaneName) -> None:
        """Learn that every service of a lane has been looked at."""
        self._course.lanes[key].is_looked_at = True

    def begin_if_all_seen(self) -> None:
        """Begin what had to wait until every lane had been looked at, once that is so."""
        if not self._gates.awaits_all or not self._gates.has_seen_all:
            return
        self._gates.awaits_all = False
        unsent = "no row of the next wave was sent" if self._has_begun else "nothing was sent"
        self._course.stop(self._gates.strict_objection(unsent))
        if self._has_begun:
            return
        self._has_begun = True
        if self._course.limits.strict:
            for row in sorted(self._progress.unended(), key=self._board.looks.place_in_list):
                self._judge_strictly(row)
        if self._course.limits.waves and not self._gates.stopped:
            self._begin_waves(self._waves(self._course.limits.waves))

    def _judge_strictly(self, row: int) -> None:
        if self._board.place(row) is not Place.UNSEEN or self._gates.bars(self._course.lane(row), row):
            return
        if row in self._gates.moved:  # a cycle is not continued over a service that moved
            self._course.follow(row, Turn(Place.LEFT))
        elif self._progress.action(row) is Action.REFUSE:
            self._course.follow(row, refused(self._board.change(row)))
        else:
            self._judge(row, None)

    def _waves(self, plan: WavePlan) -> MutableSequence[int]:
        """Return the number of the wave of each row that is sent, or was; what has begun goes at once."""
        return assigned(
            plan,
            filter(self._is_sent, self._progress.order),
            rows_max=max(self._progress.order, default=0),
            target=self._board.target,
            facts=lambda row: WaveFacts.of(self._board.change(row)),
            is_tied=self._progress.footprint.parked > 0,
            begun=[row for row in self._board.works if self._may_end(row)],
            passed=self._gates.waves.passed,
        ).of

    def _is_sent(self, row: int) -> bool:
        """Return whether a row was sent, in whatever session, or is to be."""
        if self._progress.action(row) is not Action.UPDATE:
            return False
        has_ended = self._board.place(row) > Place.LEFT
        return self._progress.outcome(row) in SENT if has_ended else self._may_end(row)

    def _may_end(self, row: int) -> bool:
        return self._board.place(row) <= Place.LEFT
