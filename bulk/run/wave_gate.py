"""The wave under way: which rows wait until it has passed, what its rows came to, what its judge says."""

from collections.abc import Collection, Iterable, Mapping, MutableSequence
from enum import Enum, auto

from bulk.ledger.records import DecidedBy, Decision, DecisionKind, Ruling
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, LaneName, Wait
from bulk.run.board import Board
from bulk.run.lane import Lane
from bulk.run.stages import CHECKED, AskJudge, Place, Stop, WaitFor
from bulk.text import counted, listed

BEFORE_ALL = 0
"""The wave without rows that is judged before the first PUT."""
ASK_AGAIN_S = 15.0
"""How long after an unsure ruling the judge is asked again."""


class Phase(Enum):
    """How far the wave under way has come."""

    SENDING = auto()
    SOAKING = auto()
    """Its rows ended as asked, and it is left alone for a while."""
    SOAKED = auto()
    ASKING = auto()
    """The judge is being asked."""
    RESTING = auto()
    """The judge was unsure, and will be asked again."""
    HELD = auto()
    """The judge was unsure for as long as it is asked again: a person has to say go."""


class WaveGate:
    """Holds the rows of later waves; has nothing to do where a run has none."""

    def __init__(
        self,
        board: Board,
        lanes: Mapping[LaneName, Lane],
        passed: Collection[int],
        soak_s: float,
        judge_within_s: float | None = None,
    ) -> None:
        """Take the waves that passed in earlier sessions, and how long an unsure judge is asked again.

        That is None where nobody judges but the outcomes of the rows.
        """
        self._board = board
        self._lanes = lanes
        self.passed = passed
        self._of: MutableSequence[int] | None = None
        """The wave of each row, by row; None where no wave is under way that others wait for."""
        self._later: list[int] = []
        """Waves that have not begun, the next one last."""
        self.number = BEFORE_ALL
        self._soak_s = soak_s
        self._judge_within_s = judge_within_s
        self.phase = Phase.SENDING
        self.unsure: str | None = None
        """The last words with which the judge was unsure about this wave; None where it was not."""
        self._asked_since = 0.0
        self._open: set[int] = set()
        """Rows of the wave under way that have not come to their end."""

    def holds(self, row: int) -> bool:
        """Return whether a row has to wait for the wave under way."""
        return self._of is not None and self._of[row] > self.number

    def hold(self) -> Wait | None:
        """Return what the rows of later waves wait for; None where there are none."""
        if self._of is None:
            return None
        wave = f"wave {self.number}"
        match self.phase:
            case Phase.SENDING:
                return Wait(hold=Hold.WAVE, detail=wave)
            case Phase.SOAKING | Phase.SOAKED:
                return Wait(hold=Hold.SOAK, detail=wave)
            case _ if self.unsure is None:
                return Wait(hold=Hold.JUDGE, detail=f"asked about {wave}")
            case _:
                return Wait(
                    hold=Hold.JUDGE, detail=f"unsure about {wave}{self.unsure and f' ({self.unsure})'}"
                )

    def begin(self, wave_of: MutableSequence[int]) -> None:
        """Begin the first wave that has not passed; `wave_of` has the number of the wave of each row."""
        self._of = wave_of
        waves = {*wave_of} - {BEFORE_ALL}
        if waves and self._judge_within_s is not None:
            waves.add(BEFORE_ALL)
        self._later = sorted(waves - {*self.passed}, reverse=True)
        self.begin_next()

    def begin_next(self) -> None:
        """Begin the next wave; for the last one nothing waits, so that nobody judges it."""
        if len(self._later) <= 1 or self._of is None:
            self.end()
            return
        self.number, self.phase, self.unsure = self._later.pop(), Phase.SENDING, None
        of, place = self._of, self._board.place
        cut = {lane.number for lane in self._lanes.values() if lane.cut}
        for row in range(1, len(of)):
            if 0 < of[row] <= self.number and place(row) < Place.SUSPECT:
                of[row] = self.number
                if self._board.lane_number(row) not in cut:
                    self._open.add(row)

    def leave(self, rows: Iterable[int]) -> None:
        """Learn that rows come to nothing more."""
        if self._of is not None:
            self._open.difference_update(rows)

    def due(self, wave: int) -> None:
        """Learn that a wave was left alone long enough, or that its judge is to be asked again."""
        if wave == self.number and self.phase in {Phase.SOAKING, Phase.RESTING}:
            self.phase = Phase.SOAKED

    def end(self) -> None:
        """Hold nothing any more, and judge nothing."""
        self._of, self.phase, self.unsure = None, Phase.SENDING, None
        self._open.clear()

    def ruling(self) -> Decision | Stop | WaitFor | AskJudge | None:
        """Return the ruling on the wave under way, or why nothing can be said of it; None before its end.

        A wave that could pass is left alone first, for as long as the timer says, and is then judged.
        """
        if self._of is None or self._open:
            return None
        place, wave = self._board.place, f"wave {self.number}"
        rows = [row for row in range(1, len(self._of)) if self._of[row] == self.number != BEFORE_ALL]
        undone = [row for row in rows if place(row) is not Place.DONE]
        if any(place(row) in CHECKED for row in undone):
            return None
        for lane in self._lanes.values():  # no fault of the rows: the others of the wave have finished
            if lane.cut and any(self._board.lane_number(row) == lane.number for row in undone):
                return lane.cut
        services = f"{counted(len(rows), 'service')} of {wave}"
        if wrong := sum(place(row) is Place.ENDED for row in undone):
            which = f"{wrong} of the {services}" if len(rows) > 1 else f"the only service of {wave}"
            return Stop(BrakeReason.WAVE, f"{which} did not end as asked", wave=self.number)
        if undone:
            what = f"{listed('row', undone)} of {wave} could not be read"
            return Stop(BrakeReason.UNREADABLE, f"{what}; the others were not sent")
        return self._next_step(rows, f"{services} ended as asked")

    def _next_step(self, rows: list[int], as_asked: str) -> Decision | WaitFor | AskJudge | None:
        """Return what a wave of which all rows ended as asked needs: time, its judge, or nothing."""
        if self.phase is Phase.SENDING and self._soak_s and self.number != BEFORE_ALL:
            self.phase = Phase.SOAKING
            return WaitFor(-self.number, self._soak_s)
        if self.phase not in {Phase.SENDING, Phase.SOAKED}:
            return None
        if self._judge_within_s is None:
            return self.go(DecidedBy.LIMIT, as_asked)
        self.phase = Phase.ASKING
        return AskJudge(self.number, rows)

    # What the judge says

    def is_asked_about(self, wave: int) -> bool:
        """Return whether the judge is being asked about a wave, and somebody waits for the answer."""
        return self._of is not None and self.phase is Phase.ASKING and wave == self.number

    @property
    def awaits_go(self) -> int | None:
        """Return the wave for which a person may say go, since its judge is unsure; None for none."""
        return None if self.unsure is None else self.number

    def go(self, by: DecidedBy, reason: str) -> Decision:
        """Return the ruling by which the next wave may begin."""
        return self._ruling(by, Ruling.GO, reason)

    def doubt(self, words: str, asked_at: float, now: float) -> tuple[Decision | None, WaitFor | None]:
        """Learn that the judge that was asked then is unsure; return what is to be written down, and a wait.

        Words that are those of before are not written down again. Once the judge was asked for long enough,
        it is not asked again, and there is no wait.
        """
        is_news = words != self.unsure
        self._asked_since = asked_at if self.unsure is None else self._asked_since
        self.unsure = words
        record = self._ruling(DecidedBy.JUDGE, Ruling.UNSURE, words) if is_news else None
        if now + ASK_AGAIN_S - self._asked_since > (self._judge_within_s or 0.0):
            self.phase = Phase.HELD
            return record, None
        self.phase = Phase.RESTING
        return record, WaitFor(-self.number, ASK_AGAIN_S)

    def stop(self, words: str) -> Stop:
        """Return the stop that the judge asks for."""
        message = f"the judge says stop {self._after}{words and f': {words}'}"
        return Stop(BrakeReason.JUDGE, message, wave=self.number, ruling=Ruling.STOP)

    def nobody_said_go(self) -> Stop | None:
        """Return the stop of a wave that waits for a person; None where none does."""
        if self.phase is not Phase.HELD:
            return None
        words = self.unsure and f" ({self.unsure})"
        message = f"the judge is unsure {self._after}{words}, and nobody said go"
        return Stop(BrakeReason.JUDGE, message, wave=self.number, ruling=Ruling.UNSURE)

    @property
    def _after(self) -> str:
        return "before the first PUT" if self.number == BEFORE_ALL else f"after wave {self.number}"

    def _ruling(self, by: DecidedBy, ruling: Ruling, reason: str) -> Decision:
        return Decision(by=by, what=DecisionKind.WAVE, wave=self.number, ruling=ruling, reason=reason)
