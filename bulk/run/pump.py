"""Carries out what the machine asks for and tells it what came of it; a loop for each lane.

What is granted in one turn of the event loop shares one commit. A stop travels as a brake that is looked at,
never as an exception through the TaskGroup, so a PUT that has landed is always recorded.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, assert_never

from bulk.ledger.decisions import StandingWord
from bulk.ledger.progress import Progress
from bulk.ledger.records import Decision, Note
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, LaneName, Outcome, PutVerdict, Target, Wait
from bulk.puts import Put
from bulk.run.brake import Brake
from bulk.run.deadlines import ANY_TIME, GAP_S, Deadlines, Hours
from bulk.run.interfaces import LaneClient, Ledger, Limits, Pace, WaveJudge
from bulk.run.judging import Judging
from bulk.run.machine import Machine
from bulk.run.patience import (
    Patience,
    raising_the_first,
    teach,
)
from bulk.run.reads import Reads
from bulk.run.stages import (
    Append,
    AskJudge,
    Cap,
    Effect,
    Look,
    Place,
    Probe,
    Renew,
    Send,
    Show,
    Stop,
    WaitFor,
)
from bulk.run.tasks import Tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """All that a session needs: where to write, whom to ask, what stops it, time, and how far to go."""

    ledger: Ledger
    clients: Mapping[Target, LaneClient]
    brake: Brake
    patience: Patience
    limits: Limits
    drain_s: float = 20.0
    """How long what is under way may take after a signal, all together."""
    hours: Hours = ANY_TIME
    judge: WaveJudge | None = None
    """Who rules on each wave; where there is none, its outcomes do."""


_NAMED_MAX = 10
RING_PUT_S = 1.0
"""How long a PUT of a ring is expected to take besides its turn; the next one waits for its answer."""


def _left_for(machine: Machine) -> Mapping[BrakeReason, list[str]]:
    """Return why rows are left: cut lanes, and services that cannot be read; by reason."""
    cuts: dict[Stop, list[LaneName]] = defaultdict(list)
    for key, lane in machine.lanes.items():
        if lane.cut:
            cuts[lane.cut].append(key)
    named: dict[BrakeReason, list[str]] = defaultdict(list)
    for cut, keys in cuts.items():  # those of one refused key are cut for one reason
        lanes = "" if len(machine.lanes) == 1 else f"{', '.join(map(str, keys))}: "
        named[cut.reason].append(f"{lanes}{cut.message}")
    if machine.unfit:
        named[BrakeReason.WINDOW] += machine.unfit
    if machine.unread:
        named[BrakeReason.UNREADABLE] += machine.unread
    return named


def _is_complete(progress: Progress, unverified: Collection[LaneName]) -> bool:
    """Return whether every row has its outcome, and the last look of every lane has seen it."""
    counts = progress.counts()
    left = counts[Outcome.NOT_ATTEMPTED] + counts[Outcome.IN_DOUBT]
    return not unverified and not left


class Pump:
    """Applies the plan in a ledger to its fleets, from wherever an earlier session stopped."""

    def __init__(self, context: RunContext) -> None:
        self._ledger = context.ledger
        self._clients = context.clients
        self._brake = context.brake
        self._clock = context.patience.clock
        lanes = {target: client.lane for target, client in context.clients.items()}
        self._machine = Machine(context.ledger, lanes, context.limits, context.patience.dice)
        self.waves = self._machine.waves
        self._paces: dict[LaneName, Pace] = {each.lane: each.writes for each in context.clients.values()}
        self._reads = Reads(
            context.ledger, context.clients, context.patience, self._machine, self._drain_soon
        )
        self._deadlines = Deadlines(
            self._clock,
            context.brake,
            hours=context.hours,
            drain_s=context.drain_s,
            on_gap=self._machine.gap,
        )
        self._tasks = Tasks()
        self._judging = Judging(
            context.judge, context.ledger, self._clock, self._machine, self._tasks, self._drain
        )
        self._each_tick: list[Callable[[], object]] = []
        self._unverified = set(self._machine.lanes)
        """Lanes at which the last look has not been made."""
        self._idle: dict[LaneName, tuple[asyncio.Event, Callable[[], bool]]] = {}
        """Lanes that wait until they may go on, and whether they may."""
        self._lists: dict[asyncio.Task[None], Callable[[], bool]] = {}
        """The lists that are being read, and whether each has become of no use."""
        self._soaks_until = 0.0
        """When the wave that soaks will have done so, or its judge is asked again."""
        self._granted: dict[int, float] = {}
        """When each PUT that is to leave was granted, by row."""
        self._noted: list[int] = []
        """Rows whose intents wait for the next commit."""
        self._is_draining = self._has_ended = False
        self._probes: list[asyncio.Task[None]] = []
        self._is_over = asyncio.Event()
        """Set once every lane is over: no wait is worth its while any more."""

    async def __call__(self) -> None:
        """Return when every row has its outcome or nothing may be sent any more; `progress` tells all.

        Raises LedgerFailed. Whatever else stops a run or a lane pulls the brake.
        """
        self._machine.begin()
        try:
            async with raising_the_first(), self._tasks.group:
                self._brake.on_pull(self._braked)
                lanes = [self._tasks.spawn(self._lane(key)) for key in self._machine.lanes]
                self._tasks.spawn(self._until_over(lanes))
                self._watch_the_time()
                self._drain()
        finally:
            self._has_ended = True
        await self._ledger.flush()
        if self._machine.undrained:
            self._brake.add_to_signal(self._machine.undrained)
        for reason, messages in _left_for(self._machine).items():
            self._brake.pull(reason, "; ".join(messages[:_NAMED_MAX]))
        if self._brake.reasons == (BrakeReason.WINDOW,) and _is_complete(
            self._ledger.progress, self._unverified
        ):
            self._brake.release()

    def holds(self) -> Iterator[Wait]:
        """Return why rows wait right now, but for the pace."""
        if hold := self._machine.turns.hold():
            has_timer = hold.hold in {Hold.SOAK, Hold.JUDGE}
            left_s = max(self._soaks_until - self._clock.monotonic(), 0.0) if has_timer else 0.0
            yield self._judging.described(replace(hold, left_s=left_s))

    def on_tick(self, listener: Callable[[], object]) -> None:
        """Have `listener` called twice a second while the run is at work."""
        self._each_tick.append(listener)

    def obey(self, word: Decision) -> None:
        """Have what a person says written down, and let it be in force."""
        self._machine.obey(word)
        self._drain()
        self.flush_soon()

    def flush_soon(self) -> None:
        """Have what was written down made durable, though nothing else may be sent for long."""
        self._tasks.spawn(self._ledger.flush())

    @property
    def pause(self) -> StandingWord | None:
        """Return who has paused the run, if somebody has."""
        return self._machine.pause

    def _watch_the_time(self) -> None:
        """Look at the clocks twice a second until every lane is over; leave what a drain has no time for."""
        if not self._is_over.is_set():
            overrun = self._deadlines.overrun()
            if overrun and not self._machine.undrained:
                self._machine.leave_all(overrun)
            for listener in self._each_tick:
                self._tasks.guarded(listener)
            left_s = self._deadlines.left_s()
            for key, pace in self._paces.items():
                self._machine.turns.fit(key, left_s / (1 / pace.rate_per_s + RING_PUT_S))
            self._drain_soon()  # some waits of lanes end by the time alone
            asyncio.get_running_loop().call_later(GAP_S / 4, self._watch_the_time)

    async def _until_over(self, lanes: list[asyncio.Task[None]]) -> None:
        if lanes:
            await asyncio.wait(lanes)
        self._is_over.set()
        for probe in self._probes:
            probe.cancel()
        self._judging.end_the_useless(is_over=True)

    def _braked(self) -> None:
        self._deadlines.now()  # a drain has its time from here on
        self._machine.stop(Stop(self._brake.reasons[0], self._brake.message))
        self._drain_soon()

    # The effects

    def _drain(self) -> None:
        """Carry out what the machine asks for, until it asks for nothing more and every lane knows."""
        self._is_draining = False
        while effects := self._machine.take() or self._wake_idle():
            for effect in effects:
                self._carry_out(effect)
        for stop in tuple(self._machine.stops):
            self._brake.pull(stop.reason, stop.message)
        for listing, is_useless in self._lists.items():
            if is_useless():
                listing.cancel()
        if self._judging.asked:
            self._judging.end_the_useless(is_over=False)
        for under_way in (self._tasks.puts, self._tasks.shows):
            for row, task in under_way.items():
                if self._machine.place(row) >= Place.LEFT:  # nobody waits for it any more
                    task.cancel()

    def _drain_soon(self) -> None:
        """Drain once what else happens in this turn of the loop has happened."""
        if not self._is_draining:
            self._is_draining = True
            asyncio.get_running_loop().call_soon(self._tasks.guarded, self._drain)

    def _wake_idle(self) -> list[Effect]:
        """Wake each lane that has something to do; return what the machine asks for since it was asked."""
        for wake, may_go_on in self._idle.values():
            if may_go_on():
                wake.set()
        for key in self._machine.lanes:
            if self._machine.has_closed(key):
                self._paces[key].close()
        return self._machine.take()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Append(record=record, sends=row):
                self._ledger.append(record)
                if row:
                    if not self._noted:
                        self._tasks.spawn(self._commit(is_late=self._deadlines.is_outside()))
                    self._noted.append(row)
            case Send(put=put):
                fleet, keep = (
                    self._clients[put.target].fleet,
                    partial(self._tasks.keep, self._tasks.puts, put.row),
                )
                fleet.send(put, partial(self._answered, put), keep)
            case Show(change=change, page=page):
                self._tasks.keep(self._tasks.shows, change.row, self._reads.show(change, page))
            case Renew(lane=key, page=page):
                closed = partial(self._machine.has_closed, key)
                self._tasks.spawn(self._list(self._reads.renew(key, page, self._is_over), closed))
            case Look(lane=key):
                closed = partial(self._machine.has_closed, key)
                self._tasks.spawn(self._list(self._reads.look(key), closed))
            case Probe(target=target):
                self._probes.append(self._tasks.spawn(self._reads.probe(target)))
            case Cap(most_per_s=most_per_s):
                for pace in self._paces.values():
                    pace.cap(most_per_s)
            case AskJudge():
                self._judging.begin(effect)
            case WaitFor(row=row, wait_s=wait_s):
                self._soaks_until = self._clock.monotonic() + wait_s if row <= 0 else self._soaks_until
                self._tasks.spawn(self._wait(row, wait_s))
            case _:
                assert_never(effect)

    async def _commit(self, *, is_late: bool) -> None:
        """Wait for one commit of all intents of this turn, then let their PUTs go.

        `is_late`: their records have a time outside the window, whatever the clock shows when they leave.
        """
        rows, self._noted = self._noted, []
        await self._ledger.flush()
        now = self._deadlines.now()
        for row in rows:
            self._machine.turns.durable(row, now)
        if is_late or self._deadlines.is_late:
            self._note_late(rows)
        self._drain()

    def _note_late(self, rows: list[int]) -> None:
        """Have written down which PUTs leave outside the window: a parked service waits for them."""
        for row in rows:
            if self._machine.place(row) is Place.FLYING:
                message = f"row {row}: a parked service waits for this PUT, so it is sent outside the window"
                self._ledger.append(Note(about="window", message=message, row=row))

    def _answered(self, put: Put, verdict: PutVerdict) -> None:
        """Learn what became of a PUT, in a callback; once the run has ended nobody wants to know."""
        if not self._has_ended:
            self._tasks.guarded(self._learn, put, verdict)

    def _learn(self, put: Put, verdict: PutVerdict) -> None:
        client, granted_at = self._clients[put.target], self._granted.pop(put.row)
        teach(client.writes, granted_at, verdict)
        self._machine.answered(put.row, verdict, self._clock.monotonic())
        self._drain_soon()

    async def _wait(self, row: int, wait_s: float) -> None:
        await self._clock.sleep(wait_s, wake=self._is_over)
        self._machine.due(row)
        self._drain_soon()

    # The lanes

    async def _lane(self, key: LaneName) -> None:
        """Look at a lane's services, send what may go until the lane is over, then look once more."""
        self._tasks.spawn(self._list(self._reads.look(key), partial(self._machine.has_closed, key)))
        await self._send(key)

        def is_useless() -> bool:  # a window that ends has time for it; one that has ended has none
            return self._machine.is_given_up(key) or self._deadlines.is_late

        self._deadlines.now()
        if not is_useless():
            await self._list(self._reads.verify(key), is_useless)
            await self._send(key)
            if not is_useless():
                self._unverified.discard(key)

    async def _send(self, key: LaneName) -> None:
        """Ask the pace for as many grants as the machine can use, until the lane is over."""
        while not self._machine.is_over(key):
            while self._wants(key):
                await self._grant(key)
            await self._woken(key, lambda: self._wants(key) or self._machine.is_over(key))

    def _wants(self, key: LaneName) -> bool:
        return self._machine.turns.wants(key, self._paces[key].rate_per_s, self._clock.monotonic())

    async def _grant(self, key: LaneName) -> None:
        """Begin a PUT at the next grant of the pace; the grant is kept for a row that is looked at again."""
        turns = self._machine.turns

        def is_looking() -> bool:
            return turns.is_looking(key, self._clock.monotonic())

        self._drain_soon()
        granted_at = await self._paces[key].acquire()
        if granted_at is None:
            return
        while not (row := turns.granted(key, self._deadlines.now())) and is_looking():
            await self._woken(key, lambda: self._wants(key) or not is_looking())
        if row:
            self._granted[row] = granted_at
        self._drain_soon()

    async def _woken(self, key: LaneName, may_go_on: Callable[[], bool]) -> None:
        """Return once a lane may go on; asked after everything that happens."""
        wake = asyncio.Event()
        self._idle[key] = wake, may_go_on
        self._drain()
        await wake.wait()
        del self._idle[key]

    async def _list(self, work: Coroutine[Any, Any, None], is_useless: Callable[[], bool]) -> None:
        """Read a list of a lane's services, unless and until it is of no use."""
        listing = self._tasks.spawn(work)
        self._lists[listing] = is_useless
        if is_useless():
            listing.cancel()
        await asyncio.wait({listing})
        del self._lists[listing]
        self._drain()
