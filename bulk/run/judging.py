"""Asking the judge of a wave, beside the rows: nothing of a run waits for it but the rows of later waves."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bulk.model import Hold, Wait
from bulk.run.interfaces import Clock, Ledger, WaveJudge
from bulk.run.machine import Machine
from bulk.run.stages import AskJudge
from bulk.run.tasks import Tasks

if TYPE_CHECKING:
    import asyncio


class Judging:
    """Asks what the machine asks for, and reports to it; `drained` carries out what follows from that."""

    def __init__(
        self,
        judge: WaveJudge | None,
        ledger: Ledger,
        clock: Clock,
        machine: Machine,
        tasks: Tasks,
        drained: Callable[[], object],
    ) -> None:
        self._judge = judge
        self._ledger = ledger
        self._clock = clock
        self._machine = machine
        self._tasks = tasks
        self._drained = drained
        self.asked: dict[int, asyncio.Task[None]] = {}
        """The question that is being asked, by wave."""
        self._asked_at = 0.0

    def begin(self, question: AskJudge) -> None:
        """Begin to ask."""
        if self._judge:
            self._asked_at = self._clock.monotonic()
            self.asked[question.wave] = self._tasks.spawn(self._ask(self._judge, question))

    async def _ask(self, judge: WaveJudge, question: AskJudge) -> None:
        try:
            await self._ledger.flush()  # so that the judge reads outcomes that are on record
            ruling, words = await judge.ask(question.wave, question.rows)
        finally:
            del self.asked[question.wave]
        self._machine.waves.ruled(question.wave, ruling, words, self._asked_at, self._clock.monotonic())
        self._drained()
        await self._ledger.flush()  # perhaps nothing else is written for long

    def end_the_useless(self, *, is_over: bool) -> None:
        """End a question whose answer nobody waits for any more."""
        for wave, question in self.asked.items():
            if is_over or not self._machine.waves.is_asked_about(wave):
                question.cancel()

    def described(self, wait: Wait) -> Wait:
        """Return why rows wait for the judge: since when it is asked, and whether it is a person's turn."""
        if wait.hold is not Hold.JUDGE or self._judge is None:
            return wait
        wave = self._machine.waves.awaits_go
        if wave is None:
            return replace(wait, lasts_s=self._clock.monotonic() - self._asked_at)
        then = "a person has to say go" if self._machine.waves.is_held else "is asked again"
        return replace(wait, detail=f"{wait.detail}, {then}")
