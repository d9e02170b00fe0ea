"""The look at every service that was sent, at the end of a lane: what it means for its rows."""

from bulk.ledger.row_life import MAY_END_AGAIN
from bulk.model import LaneName, ServiceState, ShowVerdict
from bulk.run.course import Course
from bulk.run.row import Suspicion, Turn, checked
from bulk.run.stages import Place


class LastLook:
    """What the last list shows otherwise than its row ended is read by itself before the outcome changes."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._board = course.board
        self._suspicions: dict[int, Suspicion] = {}

    def sent(self, key: LaneName) -> list[int]:
        """Return the rows of a lane that the last look is to confirm."""
        stage = self._board.progress.stage
        return [row for row in self._course.lanes[key].rows if stage(row) in MAY_END_AGAIN]

    def suspect(self, row: int, listed: ServiceState | None) -> None:
        """Learn that the last list shows a service otherwise than its row ended; None: it is not there."""
        self._suspicions[row] = Suspicion(listed)
        self._course.follow(row, Turn(Place.SUSPECT, wait_s=self._course.limits.settle_s))

    def checked(self, row: int, found: ShowVerdict) -> Turn:
        """Return what becomes of a row whose service was read once more."""
        ended = self._board.plan.outcome(row) or {}
        change, suspicion = self._board.change(row), self._suspicions[row]
        return checked(change, ended, found, suspicion, self._course.limits)
