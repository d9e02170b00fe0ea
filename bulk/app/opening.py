"""The opening of a job's window that a session works in: whether it is open, and waiting for it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, tzinfo
from math import inf

from bulk.app.attending import AGAIN_S, EVERY_S
from bulk.app.environment import Environment
from bulk.errors import UsageError, WindowClosed
from bulk.ledger.chain import timestamp
from bulk.ledger.decisions import StandingWord, decided, word_of
from bulk.ledger.file import LedgerFile
from bulk.ledger.records import Decision, DecisionKind, Held, Note, record_json
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, Wait
from bulk.plan.openings import Shift, next_shift
from bulk.run.brake import Brake
from bulk.run.deadlines import Hours
from bulk.settings import Job
from bulk.text import duration, weekday_moment


def shift_for(job: Job, environment: Environment, *, waits: bool = False, pages: int = 1) -> Shift | None:
    """Return the opening to work in; None for a job without a window, which may be sent at any time.

    With `waits` it may be one that is still to come. Raises WindowClosed where there is none, JobInvalid
    where the window cannot be used, UsageError where there is nothing to wait for.
    """
    calendar = job.when.calendar
    if calendar is None:
        if waits:
            raise UsageError(
                "--wait waits for a window, and this job has none", hint="add --window, or leave it out"
            )
        return None
    shift, now = next_shift(job, environment.local_time, pages=pages), environment.local_time()
    present = calendar.next_opening(now.timestamp(), now.tzinfo or UTC)
    is_spared = present is not None and present.opens_at <= now.timestamp()
    last = duration(job.spare_s(pages))
    state = f"in its last {last}, in which nothing new begins" if is_spared else "closed" if shift else "over"
    if shift is None:
        message = f"the window {calendar} is {state}; nothing was sent"
        raise WindowClosed(message, hint="name another one with --window")
    if not waits and not shift.is_open(now.timestamp()):
        opens_at, closes_at = shift.opening.opens_at, shift.opening.closes_at
        raise WindowClosed(
            f"the window {calendar} is {state}; it opens {_opens(shift, environment)}. Nothing was sent",
            hint="run the same command then, or now with --wait",
            opens_at=timestamp(opens_at),
            closes_at=timestamp(closes_at) if closes_at < inf else "",
        )
    return shift


def hours_of(shift: Shift | None, environment: Environment) -> Hours:
    """Return the hours in which a run may send, as its deadlines have them."""
    if shift is None:
        return Hours()
    opening = shift.opening
    ends = _moment(opening.closes_at, shift, environment, seconds=True) if opening.closes_at < inf else ""
    return Hours(
        opens_at=opening.opens_at,
        stops_at=shift.stops_at,
        closes_at=opening.closes_at,
        spared=f"the window ends at {ends}, and nothing new begins in its last {duration(shift.spare_s)}",
        ended=f"the window ended at {ends}",
    )


class Waiting:
    """Waits for an opening; what is waited for can be seen meanwhile, here and in the ledger.

    A person's commands are taken as a run at work takes them: what they put in force lasts into the opening.
    """

    def __init__(self, shift: Shift, ledger: LedgerFile, brake: Brake, environment: Environment) -> None:
        self._shift = shift
        self._ledger = ledger
        self._brake = brake
        self._environment = environment
        self._said = list(ledger.progress.decisions)
        self._has_news = False

    @property
    def left_s(self) -> float:
        """Return how long it takes until the opening, by the wall clock."""
        return self._shift.opening.opens_at - self._environment.clock.now()

    def text(self) -> str:
        """Return `opens Sat 28 Nov 01:00 CST (Fri 17:00 UTC), in 2 h 13 min`."""
        return f"opens {_opens(self._shift, self._environment)}"

    def holds(self) -> Iterator[Wait]:
        """Yield why nothing is sent."""
        yield Wait(hold=Hold.WINDOW, detail=self.text())
        if pause := self.pause:
            yield Wait(hold=Hold.OPERATOR, detail=f"paused by {pause.who}")

    @property
    def waves(self) -> None:
        """Return nothing: no wave has begun."""

    @property
    def pause(self) -> StandingWord | None:
        """Return who has paused the run, if somebody has."""
        return decided(self._said).pause

    def obey(self, word: Decision) -> None:
        """Have what a person says written down; a stop ends the wait, and of two the first one counts."""
        if word.what == DecisionKind.STOP and BrakeReason.OPERATOR not in self._brake.reasons:
            word = replace(word, cause=BrakeReason.OPERATOR)
            self._brake.pull(BrakeReason.OPERATOR, f"by {word_of(word).who}")
        self._said.append({"at": timestamp(self._environment.clock.now()), **record_json(word)})
        self._ledger.append(word)
        self.flush_soon()

    def flush_soon(self) -> None:
        """Have what was written down made durable."""
        self._has_news = True

    async def until_open(self, each_second: Callable[[], None]) -> None:
        """Return at the opening, or as soon as the run is to stop; nothing is sent meanwhile."""
        clock, stopped = self._environment.clock, asyncio.Event()
        self._brake.on_pull(stopped.set)
        noted_at, since = -inf, timestamp(clock.now())
        while not self._brake and self.left_s > 0:
            if clock.monotonic() - noted_at >= AGAIN_S:
                noted_at = clock.monotonic()
                until = timestamp(self._shift.opening.opens_at)
                held = Held(hold=Hold.WINDOW, who="rows", since=since, until=until)
                message = f"{self.text()}; nothing is sent before"
                await self._ledger.commit(Note(about="window", message=message, held=held))
            each_second()
            if self._has_news:
                self._has_news = False
                await self._ledger.flush()
            await clock.sleep(min(self.left_s, EVERY_S), wake=stopped)


def _opens(shift: Shift, environment: Environment) -> str:
    opens_at = shift.opening.opens_at
    at = _moment(opens_at, shift, environment)
    return f"{at}, in {duration(opens_at - environment.clock.now())}"


def _moment(at: float, shift: Shift, environment: Environment, *, seconds: bool = False) -> str:
    """Return a moment as the window's zone shows it; of a window in UTC, as the machine's does."""
    zone = _zone(shift, environment)
    year = environment.utc().astimezone(zone).year
    return weekday_moment(timestamp(at), zone, year=year, seconds=seconds)


def _zone(shift: Shift, environment: Environment) -> tzinfo:
    return environment.zone if shift.opening.zone is UTC else shift.opening.zone
