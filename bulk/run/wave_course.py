"""What a run in waves learns from outside: that a wait is over, what its judge says, a person's go."""

from collections.abc import MutableSequence
from typing import assert_never

from bulk.ledger.commands import ANSWERS_MAX
from bulk.ledger.records import DecidedBy, Decision, DecisionKind, Ruling
from bulk.run.course import Course


class WaveCourse:
    """Lets the next wave begin, or the run stop."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._board = course.board
        self._gate = course.gates.waves

    def begin(self, wave_of: MutableSequence[int]) -> None:
        """Let the rows go wave by wave; `wave_of` has the number of the wave of each row, by row."""
        for lane in self._course.lanes.values():
            lane.queue.sort(wave_of.__getitem__)
        self._gate.begin(wave_of)
        self._course.judge_waves()

    def due(self, wave: int) -> None:
        """Learn that a wave was left alone long enough, or that its judge is to be asked again."""
        self._gate.due(wave)
        self._course.judge_waves()

    def is_asked_about(self, wave: int) -> bool:
        """Return whether the judge is being asked about a wave, and somebody waits for the answer."""
        return self._gate.is_asked_about(wave)

    @property
    def awaits_go(self) -> int | None:
        """Return the wave for which a person may say go, since its judge is unsure; None for none."""
        return self._gate.awaits_go

    @property
    def is_held(self) -> bool:
        """Return whether the judge is not asked any more, so that only a person can let the run go on."""
        return self._gate.nobody_said_go() is not None

    def ruled(self, wave: int, ruling: Ruling, words: str, asked_at: float, now: float) -> None:
        """Learn what the judge says that was asked then; where nobody asks any more, it does no harm."""
        if not self._gate.is_asked_about(wave):
            return
        match ruling:
            case Ruling.GO:
                self._course.wave_passed(self._gate.go(DecidedBy.JUDGE, words))
            case Ruling.STOP:
                self._course.stop(self._gate.stop(words))
            case Ruling.UNSURE:
                record, wait = self._gate.doubt(words, asked_at, now)
                if (
                    record and len(self._board.progress.decisions) < ANSWERS_MAX
                ):  # its words may change for ever
                    self._board.append(record)
                if wait:
                    self._board.ask(wait)
            case _ as never:
                assert_never(never)

    def obey(self, word: Decision) -> bool:
        """Take a person's go, where the run waits for one; return whether the word is a go."""
        if word.what != DecisionKind.WAVE:
            return False
        self._course.wave_passed(word)
        return True

    def give_up(self) -> None:
        """Stop where a wave waits for a person, and nobody came."""
        self._course.stop(self._gate.nobody_said_go())
