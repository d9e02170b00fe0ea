"""The wave under way: which rows wait until it has passed, and what its rows came to."""

from collections.abc import Collection, Iterable, Mapping, MutableSequence

from bulk.ledger.records import DecidedBy, Decision, DecisionKind, Ruling
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, LaneName, Wait
from bulk.run.board import Board
from bulk.run.lane import Lane
from bulk.run.stages import THE_WAVE, Place, Stop, WaitFor
from bulk.text import counted, listed

_CHECKED = frozenset({Place.SUSPECT, Place.CHECKING})


class WaveGate:
    """Holds the rows of later waves; has nothing to do where a run has none."""

    def __init__(
        self, board: Board, lanes: Mapping[LaneName, Lane], passed: Collection[int], soak_s: float
    ) -> None:
        self._board = board
        self._lanes = lanes
        self.passed = passed
        """Waves that passed in earlier sessions."""
        self._of: MutableSequence[int] | None = None
        """The wave of each row, by row; None where no wave is under way that others wait for."""
        self._later: list[int] = []
        """Waves that have not begun, the next one last."""
        self._number = 0
        self._soak_s = soak_s
        self.is_soaking = False
        """Whether a wave whose rows have ended as asked is left alone for a while before it passes."""
        self._has_soaked = False
        self._open: set[int] = set()
        """Rows of the wave under way that have not come to their end."""

    def holds(self, row: int) -> bool:
        """Return whether a row has to wait for the wave under way."""
        return self._of is not None and self._of[row] > self._number

    def hold(self) -> Wait | None:
        """Return what the rows of later waves wait for; None where there are none."""
        if self._of is None:
            return None
        detail = f"wave {self._number}"
        return Wait(hold=Hold.SOAK if self.is_soaking else Hold.WAVE, detail=detail)

    def begin(self, wave_of: MutableSequence[int]) -> None:
        """Begin the first wave that has not passed; `wave_of` has the number of the wave of each row."""
        self._of = wave_of
        self._later = sorted({*wave_of} - {0, *self.passed}, reverse=True)
        self.begin_next()

    def begin_next(self) -> None:
        """Begin the next wave; for the last one nothing waits, so that nobody judges it."""
        if len(self._later) <= 1 or self._of is None:
            self.end()
            return
        self._number, self.is_soaking, self._has_soaked = self._later.pop(), False, False
        of, place = self._of, self._board.place
        cut = {lane.number for lane in self._lanes.values() if lane.cut}
        for row in range(1, len(of)):
            if 0 < of[row] <= self._number and place(row) < Place.SUSPECT:
                of[row] = self._number
                if self._board.lane_number(row) not in cut:
                    self._open.add(row)

    def leave(self, rows: Iterable[int]) -> None:
        """Learn that rows come to nothing more."""
        if self._of is not None:
            self._open.difference_update(rows)

    def soaked(self) -> None:
        """Learn that the wave under way was left alone long enough."""
        self.is_soaking, self._has_soaked = False, True

    def end(self) -> None:
        """Hold nothing any more, and judge nothing."""
        self._of, self.is_soaking = None, False
        self._open.clear()

    def ruling(self) -> Decision | Stop | WaitFor | None:
        """Return the ruling on the wave under way, or why nothing can be said of it; None before its end.

        A wave that could pass is left alone first, for as long as the timer says.
        """
        if self._of is None or self._open:
            return None
        place, wave = self._board.place, f"wave {self._number}"
        rows = [row for row in range(1, len(self._of)) if self._of[row] == self._number]
        undone = [row for row in rows if place(row) is not Place.DONE]
        if any(place(row) in _CHECKED for row in undone):
            return None
        for lane in self._lanes.values():  # no fault of the rows: the others of the wave have finished
            if lane.cut and any(self._board.lane_number(row) == lane.number for row in undone):
                return lane.cut
        services = f"{counted(len(rows), 'service')} of {wave}"
        if wrong := sum(place(row) is Place.ENDED for row in undone):
            which = f"{wrong} of the {services}" if len(rows) > 1 else f"the only service of {wave}"
            return Stop(BrakeReason.WAVE, f"{which} did not end as asked", wave=self._number)
        if undone:
            what = f"{listed('row', undone)} of {wave} could not be read"
            return Stop(BrakeReason.UNREADABLE, f"{what}; the others were not sent")
        if self._soak_s and not self._has_soaked:
            timer = None if self.is_soaking else WaitFor(THE_WAVE, self._soak_s)
            self.is_soaking = True
            return timer
        return Decision(
            by=DecidedBy.LIMIT,
            what=DecisionKind.WAVE,
            wave=self._number,
            ruling=Ruling.GO,
            reason=f"{services} ended as asked",
        )
