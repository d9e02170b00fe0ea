"""Attending a run at work: a person's commands, and a note of whatever it waits for longer than a moment."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from bulk.ledger.chain import timestamp
from bulk.ledger.command_file import CommandReader, beside
from bulk.ledger.commands import ANSWERS_MAX, Command, answer
from bulk.ledger.decisions import Decided, StandingWord, decided
from bulk.ledger.file import LedgerFile
from bulk.ledger.members import NAME_CHARS_MAX
from bulk.ledger.records import Decision, Held, Note, record_json
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, Wait
from bulk.pacing.describe import detail_text, wait_text
from bulk.reports.words import about
from bulk.run.brake import Brake
from bulk.run.wave_course import WaveCourse
from bulk.text import duration

EVERY_S = 1.0
HOLD_S, AGAIN_S = 5.0, 30.0
"""How long something is waited for before that is noted, and how often it is noted again while it lasts."""
PAUSE_S_MAX = 12 * 3600.0
"""How long a session without a window waits for the end of a pause."""
UNSURE_S_MAX = 1800.0
"""How long a session without a window waits for a person's go where the judge of a wave stays unsure."""


@dataclass(slots=True)
class _Holding:
    """Something that is waited for since then (monotonic s), and when that was noted last."""

    wait: Wait
    since: float
    noted_at: float = -inf


class Holds:
    """What a run waits for, as notes: after `HOLD_S`, every `AGAIN_S`, and once it is over."""

    def __init__(self, wall: Callable[[], float]) -> None:
        """Take the wall clock: seconds since 1970-01-01 UTC."""
        self._wall = wall
        self._held: dict[tuple[str, Hold, int | None], _Holding] = {}

    def notes(self, waits: Iterator[tuple[str, Wait]], now: float) -> Iterator[Note]:
        """Yield what is to be written down of what is waited for now."""
        # For how long it has lasted is said of the whole wait, and not of one question to a judge.
        present = {(who, wait.hold, wait.row): replace(wait, lasts_s=0.0) for who, wait in waits}
        for key in self._held.keys() - present.keys():
            held = self._held.pop(key)
            if held.noted_at > -inf:
                waited = f"{key[0]} waited for {wait_text(replace(held.wait, left_s=0.0))}"
                words = f"over after {about(now - held.since)}: {waited}"
                yield self._note(words, key[0], held, now, is_over=True)
        for (who, hold, row), wait in present.items():
            words = f"{who} wait for {wait_text(wait)}"
            held = self._held.setdefault((who, hold, row), _Holding(wait, now))
            if hold is Hold.JUDGE and wait.detail != held.wait.detail:  # perhaps a person is waited for now
                held.noted_at = -inf
            held.wait = wait
            if now - held.since >= HOLD_S and now - held.noted_at >= AGAIN_S:
                held.noted_at = now
                yield self._note(f"{words} (for {about(now - held.since)} so far)", who, held, now)

    def _note(self, words: str, who: str, held: _Holding, now: float, *, is_over: bool = False) -> Note:
        wait, wall = held.wait, self._wall()
        noted = Held(
            hold=wait.hold,
            who=who,
            since=timestamp(wall - (now - held.since)),
            until=timestamp(wall + wait.left_s) if wait.left_s else "",
            detail=detail_text(wait)[:NAME_CHARS_MAX],
            is_over=is_over,
        )
        return Note(about="hold", message=words, row=wait.row, held=noted)


class Attended(Protocol):
    """A run that is attended: at work, or waiting for its opening."""

    @property
    def pause(self) -> StandingWord | None:
        """Return who has paused the run, if somebody has."""
        ...

    @property
    def waves(self) -> WaveCourse | None:
        """Return what may wait for a person's go; None where nothing has begun."""
        ...

    def holds(self) -> Iterator[Wait]:
        """Return why rows wait right now, but for the pace."""
        ...

    def obey(self, word: Decision) -> None:
        """Have what a person says written down, and let it be in force."""
        ...

    def flush_soon(self) -> None:
        """Have what was written down made durable."""
        ...


class Attendant:
    """Called twice a second, it attends once a second; no row ever waits for it."""

    def __init__(
        self,
        run: Attended,
        ledger: LedgerFile,
        brake: Brake,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        waits: Callable[[], Iterator[tuple[str, Wait]]],
        own_per_s: float,
        has_window: bool,
    ) -> None:
        """Take the run, both clocks, what waits, and the job's own rate (infinity: to be found)."""
        self._run = run
        self._ledger = ledger
        self._brake = brake
        self._now = now
        self._waits = waits
        self._own_per_s = own_per_s
        self._has_window = has_window
        self._commands = CommandReader(ledger.path)
        self._said = list(ledger.progress.decisions)
        """Decisions that commands may be about, of this session also those that are not on disk yet."""
        self._session = ledger.progress.begun
        self._noted = {note.get("message") for note in ledger.progress.notes}
        self._holds = Holds(wall)
        self._next_at = -inf
        self._paused_since = self._unsure_since = inf

    def attend(self, run: Attended) -> None:
        """Attend another run from here on: the one that begins at its opening."""
        self._run = run

    def holds(self) -> Iterator[Wait]:
        """Return why rows of the run wait right now, but for the pace."""
        return self._run.holds()

    def __call__(self) -> None:
        """Answer new commands, note what is waited for, and end a wait for a person that lasts too long."""
        if (now := self._now()) < self._next_at:
            return
        self._next_at = now + EVERY_S
        for said in self._commands.new():
            if isinstance(said, Command):
                self._answer(said)
            else:
                self._note_once(said)
        # That of an opening is written down by who waits for it.
        waits = (each for each in self._waits() if each[1].hold is not Hold.WINDOW)
        for note in self._holds.notes(waits, now):
            self.append(note)
        self._end_a_long_pause(now)
        self._end_a_long_wait_for_go(now)

    def _answer(self, command: Command) -> None:
        in_force = self._in_force()
        if command.id in in_force.ids:
            return
        if len(self._said) >= ANSWERS_MAX:
            name = beside(self._ledger.path).name
            self._note_once(f"{ANSWERS_MAX:,} decisions are on record: {name} is ignored from here on")
            return
        word = answer(
            command,
            in_force,
            session=self._session,
            own_per_s=self._own_per_s,
            awaits_go=self._run.waves.awaits_go if self._run.waves else None,
        )
        self._said.append({"at": "", **record_json(word)})
        self._run.obey(word)

    def _in_force(self) -> Decided:
        return decided(self._said)

    def _note_once(self, words: str) -> None:
        """Note something unless that is on record, since each session reads the file from its beginning."""
        if words not in self._noted:
            self._noted.add(words)
            self.append(Note(about="commands", message=words))

    def append(self, note: Note) -> None:
        """Write a note down, and have it made durable soon."""
        self._ledger.append(note)
        self._run.flush_soon()

    def _end_a_long_pause(self, now: float) -> None:
        pause = self._run.pause
        self._paused_since = min(self._paused_since, now) if pause else inf
        if pause and not self._has_window and now - self._paused_since >= PAUSE_S_MAX:
            message = f"paused for {duration(PAUSE_S_MAX)} by {pause.who}; the pause stays in force"
            self._brake.pull(BrakeReason.PAUSED, message)

    def _end_a_long_wait_for_go(self, now: float) -> None:
        waves = self._run.waves
        is_held = waves is not None and waves.is_held
        self._unsure_since = min(self._unsure_since, now) if is_held else inf
        if waves and not self._has_window and now - self._unsure_since >= UNSURE_S_MAX:
            waves.give_up()
            self._run.flush_soon()
