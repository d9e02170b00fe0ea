"""Which worker a run asks: one for each place, until it is gone or silent; then another one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from typing import NoReturn, Protocol

from bulk import __version__
from bulk.errors import CannotRun, Refused
from bulk.run.lane import SILENCE_S
from bulk.run.patience import raising_the_first
from bulk.settings import SEND_WITHIN_S
from bulk.vpcep.wire import WireClock
from bulk.workers.link import Link, NoAnswer, Note
from bulk.workers.messages import Again, Ask, AskAnswer, Hello, Relay, Unreadable, packed, unpacked
from bulk.workers.nats_login import VARIABLE
from bulk.workers.subjects import ANYWHERE, Workplace

HELLO_S = 2.0
"""How long the first worker is waited for."""
ANYWHERE_S = 1.0
"""How long workers of other places are waited for, to name what is served where this place is not."""
BEAT_S = 2.0
"""How often the worker of a place is asked whether it is there."""
NEW_S, AGAIN_S = 8.0, 0.5
"""How long after a reconnection a worker may still lack its own, and how often it is looked for meanwhile."""
SILENT_BEATS = 2
"""Questions in a row without an answer after which another worker is looked for."""
LAST_ANSWERS_S = 3.0
"""How long a worker whose subjects are gone may still answer: it drains, or has lost its connection."""


class WorkplaceClock(WireClock, Protocol):
    """The clocks of a connection, and a sleep."""

    async def sleep(self, wait_s: float) -> None:
        """Return `wait_s` seconds later."""
        ...


@dataclass(slots=True, kw_only=True)
class TakenWorker:
    """A worker, as a run knows it."""

    hello: Hello
    offset_s: float
    """What to add to our boot clock not to be ahead of its own: the answer took a while to come."""
    round_trip_s: float
    is_gone: "asyncio.Future[None]"
    """Done once it will answer nothing any more of what it has been asked."""

    def give_up(self) -> None:
        """Let nobody wait for its answers any more."""
        if not self.is_gone.done():
            self.is_gone.set_result(None)

    @property
    def name(self) -> str:
        """Return how a person knows it."""
        return f"{self.hello.worker} on {self.hello.host}"


class WorkplaceWorkers:
    """The workers of one place, of which one is asked."""

    def __init__(self, place: Workplace, link: Link, clock: WorkplaceClock, note: Note) -> None:
        self.place = place
        self._link = link
        self._clock = clock
        self._note = note
        self._worker: TakenWorker | None = None
        self._suspects: set[str] = set()
        """Workers that were silent: they are asked where no other one is there."""
        self._looking, self._looks = asyncio.Lock(), 0
        """Only one of those who need a worker looks for it; how often that was done."""
        self._absent_since: float | None = None
        """Since when, by the boot clock, there is no worker, or no way to it."""
        self._missed_at = -inf
        """When one was last looked for in vain, by the boot clock."""
        self.elsewhere: tuple[str, ...] = ()
        """Other places that workers serve, as far as they said so when there was none here."""

    async def taken(self, within_s: float = 0.0) -> TakenWorker | None:
        """Return the worker to ask, if any; raise Refused where all that answer are of another version.

        Without a connection, or a worker, it is waited for.
        """
        ends_at = self._clock.boottime() + within_s
        while True:
            if self._link.is_up and (worker := await self._looked_for()):
                return worker
            self._learn(is_there=False)
            self._missed_at = self._clock.boottime()
            if self._missed_at >= ends_at:
                return None
            await self._clock.sleep(AGAIN_S)

    async def awaited(self) -> TakenWorker | None:
        """Return the worker to ask, if any, as `taken` does; one that may only just begin is waited for.

        As long as a run waits in its middle: it may have begun in the second in which NATS came back.
        """
        if worker := await self.taken():
            return worker
        wait_s = max(SILENCE_S - self._link.unchanged_s, 0.0)
        await self._look_elsewhere()
        if wait_s:
            others = f" (others serve {', '.join(self.elsewhere)})" if self.elsewhere else ""
            self._note(f"{self.place}: no worker answers{others}; one is waited for, for {wait_s:.0f} s")
        return await self.taken(wait_s)

    async def _look_elsewhere(self) -> None:
        """Learn which places are served: a region may be misspelt, or a profile be forgotten."""
        served = set[str]()

        def is_enough(data: bytes) -> bool:
            served.update(hello.places if (hello := _hello(data)) else ())
            return False

        await self._link.ask_all(ANYWHERE.hello, packed(Ask()), ANYWHERE_S, is_enough)
        self.elsewhere = tuple(sorted(served - {str(self.place)}))

    @property
    def lacks(self) -> str:
        """Return, in words, what is missing where there is no worker to ask."""
        is_up, url = self._link.is_up, self._link.url
        return "no worker answers" if is_up else f"NATS at {url} cannot be used: {self._link.why_not()}"

    @property
    def absent_s(self) -> float:
        """Return for how long there has been no worker, or no way to it."""
        return 0.0 if self._absent_since is None else self._clock.boottime() - self._absent_since

    @property
    def is_missed(self) -> bool:
        """Return whether there is no worker, or no way to it, and somebody looked for it lately."""
        is_there = self._worker is not None and self._link.is_up
        return not is_there and self._clock.boottime() - self._missed_at < SILENCE_S

    def _learn(self, *, is_there: bool) -> None:
        since = self._clock.boottime() if self._absent_since is None else self._absent_since
        self._absent_since = None if is_there else since

    async def _looked_for(self) -> TakenWorker | None:
        looks = self._looks
        async with self._looking:
            if self._worker is None and self._looks == looks:  # nobody has looked since this one waits
                self._looks += 1
                self._worker = await self._found()
                if self._worker and self._suspects:
                    self._note(self.chosen)
            return self._worker

    @property
    def chosen(self) -> str:
        """Return, in words, which worker is asked; empty while none is."""
        return f"{self.place}: requests go through worker {self._worker.name}" if self._worker else ""

    async def _found(self) -> TakenWorker | None:
        began = self._clock.boottime()
        heard: list[TakenWorker] = []

        def is_enough(data: bytes) -> bool:
            if (hello := _hello(data)) is None:
                return False
            now = self._clock.boottime()
            heard.append(
                TakenWorker(
                    hello=hello,
                    offset_s=hello.clock_s - now,
                    round_trip_s=now - began,
                    is_gone=asyncio.get_running_loop().create_future(),
                )
            )
            return hello.version == __version__ and hello.worker not in self._suspects

        got = await self._link.ask_all(self.place.hello, packed(Ask()), HELLO_S, is_enough)
        if got is NoAnswer.FORBIDDEN:
            raise forbidden(self.place.hello)
        usable = [worker for worker in heard if worker.hello.version == __version__]
        if heard and not usable:
            self._refuse(heard[0])
        usable.sort(key=lambda worker: worker.hello.worker in self._suspects)
        return usable[0] if usable else None

    def _refuse(self, worker: TakenWorker) -> NoReturn:
        raise Refused(
            f"worker {worker.name}, which serves {self.place}, is bulk {worker.hello.version}, and this is "
            f"{__version__}",
            hint="install one version on both sides; nothing was sent",
        )

    async def ask(
        self, ask: Ask, wait_s: float, worker: TakenWorker, *, writes: bool = False
    ) -> AskAnswer | NoAnswer:
        """Ask one worker; return SILENCE where it turns out meanwhile that it has ended."""
        name = worker.hello.worker
        subject = self.place.write(name) if writes else self.place.read(name)
        began, question = self._clock.boottime(), packed(ask)
        ends_at = began + wait_s
        got = await self._link.ask(subject, question, wait_s, given_up=worker.is_gone)
        while got is NoAnswer.NOBODY and self._is_new and self._clock.boottime() < began + SEND_WITHIN_S:
            await self._clock.sleep(AGAIN_S)
            got = await self._link.ask(subject, question, wait_s, given_up=worker.is_gone)
        if got is NoAnswer.CUT and ask.relay and writes:
            got = await self._asked_again(ask.relay, worker, ends_at)
        return self._understood(got, worker)

    async def _asked_again(self, asked: Relay, worker: TakenWorker, ends_at: float) -> bytes | NoAnswer:
        """Return the answer to a PUT, once more, where it may have been lost on the way."""
        subject = self.place.read(worker.hello.worker)
        again = packed(Ask(again=Again(key=asked.key, send_by=asked.send_by)))
        while (wait_s := ends_at - self._clock.boottime()) > 0 and not worker.is_gone.done():
            got = await self._link.ask(subject, again, wait_s, given_up=worker.is_gone)
            if not isinstance(got, NoAnswer):
                return got
            if self._link.is_up and not self._is_new:
                break
            await self._clock.sleep(AGAIN_S)
        return NoAnswer.SILENCE  # it may have taken it

    @property
    def _is_new(self) -> bool:
        """Return whether the connection is so new that a worker may not have its own again."""
        return asyncio.get_running_loop().time() - self._link.up_since < NEW_S

    def _understood(self, got: bytes | NoAnswer, worker: TakenWorker) -> AskAnswer | NoAnswer:
        if isinstance(got, NoAnswer):
            if self._link.is_up and not self._is_new and got in {NoAnswer.NOBODY, NoAnswer.SILENCE}:
                self._lose(worker, is_gone=got is NoAnswer.NOBODY)
            return got
        try:
            answered = unpacked(AskAnswer, got)
        except Unreadable:
            return NoAnswer.SILENCE
        worker.offset_s = answered.clock_s - self._clock.boottime()
        self._learn(is_there=True)
        return answered

    def _lose(self, worker: TakenWorker, *, is_gone: bool) -> None:
        """Look for another worker from here on."""
        if is_gone:
            asyncio.get_running_loop().call_later(LAST_ANSWERS_S, worker.give_up)
        if self._worker is worker:
            self._worker = None
            self._learn(is_there=False)
            self._suspects.add(worker.hello.worker)
            self._note(f"{self.place}: worker {worker.name} {'is gone' if is_gone else 'does not answer'}")

    async def beat(self) -> NoReturn:
        """Ask the worker every now and then whether it is there, so that one that is not is known early."""
        silent = 0
        while True:
            await self._clock.sleep(BEAT_S)
            if (worker := self._worker) is None:
                continue
            if not self._link.is_up:
                self._learn(is_there=False)
                if self.absent_s >= SILENCE_S:
                    self._worker = None
                    worker.give_up()
                continue
            subject = self.place.read(worker.hello.worker)
            got = await self._link.ask(subject, packed(Ask()), BEAT_S)
            silent = silent + 1 if got is NoAnswer.SILENCE else 0
            if got is not NoAnswer.SILENCE or silent >= SILENT_BEATS:
                self._understood(got, worker)
            silent = silent if self._worker is worker else 0  # the next one has been asked nothing yet


class Workplaces:
    """All places of a run, each with the worker that is asked."""

    def __init__(
        self,
        link: Link,
        clock: WorkplaceClock,
        note: Note,
        serve: Callable[[Workplace], Awaitable[None]] | None,
        beats: asyncio.TaskGroup,
    ) -> None:
        self._link = link
        self._clock = clock
        self._note = note
        self._serve = serve
        """Serves a place on this machine, where that is what is wanted."""
        self._found: dict[Workplace, WorkplaceWorkers] = {}
        self._beats = beats
        self._beating: list[asyncio.Task[NoReturn]] = []

    async def of(self, place: Workplace) -> WorkplaceWorkers:
        """Return the workers of a place."""
        if place not in self._found:
            if self._serve:
                await self._serve(place)
            workplace = self._found[place] = WorkplaceWorkers(place, self._link, self._clock, self._note)
            self._beating.append(self._beats.create_task(workplace.beat()))
        return self._found[place]

    def chosen(self) -> list[str]:
        """Return, in words, which workers are asked."""
        return [workplace.chosen for workplace in self._found.values() if workplace.chosen]

    def missed(self) -> str:
        """Return, in words, the places of which a worker is waited for; empty where none is."""
        missed = ", ".join(str(each.place) for each in self._found.values() if each.is_missed)
        return f"{missed} (NATS: {self._link.why_not()})" if missed and not self._link.is_up else missed

    def close(self) -> None:
        """Ask no worker any more whether it is there."""
        for beat in self._beating:
            beat.cancel()


@asynccontextmanager
async def open_workplaces(
    link: Link, clock: WorkplaceClock, note: Note, serve: Callable[[Workplace], Awaitable[None]] | None = None
) -> AsyncIterator[Workplaces]:
    """Open the places of a run; leaving ends the questions whether their workers are there."""
    async with raising_the_first(), asyncio.TaskGroup() as beats:
        workplaces = Workplaces(link, clock, note, serve, beats)
        try:
            yield workplaces
        finally:
            workplaces.close()


def _hello(data: bytes) -> Hello | None:
    try:
        return unpacked(Hello, data)
    except Unreadable:
        return None


def forbidden(subject: str) -> CannotRun:
    """Return the error of a user who may not publish to a subject."""
    return CannotRun(
        f"NATS does not let this user publish to {subject}",
        hint=f"check the rights of the user that {VARIABLE} names",
    )
