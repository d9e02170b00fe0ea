"""The order of effects when a plan is applied.

One loop: N workers pull PUTs from one iterator, a row is in exactly one worker at exactly one step:

    wait for predecessors -> wait for the pace -> intent (durable) -> PUT -> verdict -> outcome (durable)

A stop travels as a brake that workers look at, never as an exception through the TaskGroup, so a PUT that
has landed is always recorded. A row whose earlier PUT is in doubt is settled by reading before anything else.

A parked service is out of order until its last PUT: with its intermediate PUT, the rows that this last PUT
waits for become must-finish, and a pulled brake lets them go first. Where one of them fails, the parked
service gets back what it had.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice

from bulk.core.errors import BulkError, FleetUnreadable
from bulk.core.ledger.progress import Stage
from bulk.core.ledger.records import Purpose
from bulk.core.ledger.stops import BrakeReason
from bulk.core.model import Change, Outcome, Reply
from bulk.core.plan import Step, steps
from bulk.engine.crew import Crew
from bulk.engine.puts import put_for
from bulk.engine.read import raising_the_first
from bulk.engine.sending import Sender
from bulk.engine.session import Tools
from bulk.engine.sweeps import DriftSweep, verify_sweep


class Run:
    """Applies the plan in a ledger to its fleet, from wherever an earlier session stopped."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._ledger = tools.ledger
        self._progress = tools.ledger.progress
        self._brake = tools.brake
        self._crew = Crew(tools.limits, (lane.writes for lane in tools.lanes.values()))
        self._in_hand: dict[tuple[int, bool], asyncio.Event | None] = {}
        """PUTs that a worker has, by row and whether it is the row's last; set as it lets go, if asked."""
        self._sender = Sender(
            tools, heard=self._crew.heard, obliged=self._obliged, in_hand=self._in_hand.__len__
        )
        self._working = 0
        self._tied: dict[int, set[int]] = {}
        """By row of a parked change: all rows that its last PUT waits for, and itself."""
        self._is_sweeping = False
        self._sweep = DriftSweep(tools)
        tools.brake.on_pull(self._release)

    async def __call__(self) -> None:
        """Return when every row has its outcome or the brake has been pulled; `progress` tells all.

        Raises FleetUnreadable, CredentialsError and LedgerFailed.
        """
        for row in list(self._progress.open):
            self._tie(self._ledger.change(row))
        if self._needs_all_looked_at:
            await self._swept(self._sweep())
            self._settle_strictly()
            await self._ledger.flush()
            if self._brake:
                return
            await self._canaries()
            await self._send(self._progress.unsent())
        else:
            await self._send(self._progress.unsent(), beside=self._sweep)
        if not self._brake:
            await self._swept(verify_sweep(self._tools, self._sender))

    @property
    def _needs_all_looked_at(self) -> bool:
        """Say whether no PUT may leave before the last service was looked at.

        Else each may leave once its own was: a large fleet takes a while to be listed.
        """
        limits = self._tools.limits
        return limits.strict or bool(limits.canary_rows) or bool(self._progress.footprint.parked)

    def _settle_strictly(self) -> None:
        drifted = sorted(self._sweep.drifted)
        if not self._tools.limits.strict or self._brake:
            return
        if drifted:
            rows = ", ".join(map(str, drifted[:10]))
            told = f"{len(drifted)} services moved since the plan (rows {rows}); nothing was sent"
            self._brake.pull(BrakeReason.STRICT, told)
            return
        self._sweep.settle()

    async def _swept(self, sweep: Awaitable[None]) -> None:
        """Wait for a sweep; a pulled brake ends it at once."""
        self._is_sweeping = True
        try:
            await sweep
        except FleetUnreadable:
            if not self._brake:
                raise
        finally:
            self._is_sweeping = False

    async def _canaries(self) -> None:
        first = set(islice(self._progress.unsent(), self._tools.limits.canary_rows))
        for row in tuple(first):
            if self._ledger.change(row).parking:  # a cycle is begun and ended in one go
                first |= self._tied_to(row)
        await self._send([row for row in self._progress.unsent() if row in first])
        if not all(map(self._is_as_asked, first)):
            told = f"not all of the first {len(first)} rows ended as asked"
            self._brake.pull(BrakeReason.CANARY, told)

    # The loop

    async def _send(
        self, rows: Iterable[int], *, beside: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Send these rows; what runs `beside` them is given up when the brake is pulled."""
        puts = steps(map(self._ledger.change, rows), self._has_ended)
        failures: list[BulkError] = []
        async with raising_the_first(), asyncio.TaskGroup() as group:  # such as a failure of the ledger
            if beside:
                self._brake.on_pull(group.create_task(self._watched(beside, failures)).cancel)
            self._hire(group, puts)
        for failure in failures:
            raise failure
        await self._ledger.flush()

    async def _watched(self, work: Callable[[], Awaitable[None]], failures: list[BulkError]) -> None:
        """Do some work; where it fails, let what is in flight end and be recorded first."""
        try:
            await work()
        except BulkError as failure:
            failures.append(failure)
            self._brake.pull(BrakeReason.ABORTED, f"{failure.message}; {failure.hint}")

    def _hire(self, group: asyncio.TaskGroup, puts: Iterator[Step]) -> None:
        while self._working < self._crew.wanted:
            self._working += 1
            group.create_task(self._work(group, puts))

    async def _work(self, group: asyncio.TaskGroup, puts: Iterator[Step]) -> None:
        while self._working <= self._crew.wanted and (step := self._next(puts)) is not None:
            key = (step.change.row, step.is_last)
            self._in_hand[key] = None
            await self._row(step)
            if let_go := self._in_hand.pop(key):
                let_go.set()
            if self._brake:
                self._release()
            self._hire(group, puts)
        self._working -= 1

    async def _let_go(self, row: int, *, is_last: bool) -> None:
        """Return when no worker has this PUT in hand."""
        key = (row, is_last)
        if key in self._in_hand:
            let_go = self._in_hand[key] = self._in_hand[key] or asyncio.Event()
            await let_go.wait()

    def _next(self, puts: Iterator[Step]) -> Step | None:
        """Give the next PUT that may go; with the brake pulled, only what must be finished."""
        while self._may_go_on() and (step := next(puts, None)) is not None:
            if not self._stopped(step.change.row):
                return step
        return None

    def _may_go_on(self) -> bool:
        return not self._brake or (not self._is_cut_off and any(map(self._is_parked, self._tied)))

    def _stopped(self, row: int) -> bool:
        return bool(self._brake) and (self._is_cut_off or not self._obliged(row))

    @property
    def _is_cut_off(self) -> bool:
        """Return whether nothing can be sent any more, whatever should be."""
        return BrakeReason.ABORTED in self._brake.reasons or self._sender.is_cut_off

    async def _row(self, step: Step) -> None:
        change = step.change
        purpose = Purpose.CHANGE if step.is_last else Purpose.PARK
        if not await self._sweep.lets(change.row):
            return
        if step.is_last:
            await self._let_go(change.row, is_last=False)
        # First of all: a row that was asked cannot become blocked.
        if not await self._settled(change) or not self._is_due(change, purpose):
            return
        holder = await self._predecessor_in_the_way(change) if step.is_last else self._amiss(change)
        if holder is not None:
            await self._blocked(change, holder)
            return
        self._tie(change)
        if not self._sender.gave_up(change.row):
            await self._until_done(change, purpose)
        if self._sender.gave_up(change.row):
            await self._until_done(change, Purpose.RESTORE)

    async def _settled(self, change: Change) -> bool:
        """Settle the doubt that an earlier session left; say whether the row is to go on."""
        if self._progress.stage(change.row) is not Stage.ASKED:
            return True
        put = put_for(change, self._progress.open[change.row].purpose)
        again = await self._sender.settle(put)
        await self._known(change)
        return again or self._progress.stage(change.row) is Stage.PARKED

    def _is_due(self, change: Change, purpose: Purpose) -> bool:
        opened = self._progress.open.get(change.row)
        is_parked = opened is not None and opened.parked
        if self._has_ended(change.row):
            return False
        return is_parked == (purpose is Purpose.CHANGE) if change.parking else True

    async def _until_done(self, change: Change, purpose: Purpose) -> None:
        put = put_for(change, purpose)
        while not self._stopped(change.row) and await self._sender.attempt(put, stopped=self._stopped):
            pass
        await self._known(change)

    async def _known(self, change: Change) -> None:
        """Return when `progress` knows what a change has come to, if it is one that is looked at again."""
        if change.parking:
            await self._ledger.flush()

    def _amiss(self, change: Change) -> int | None:
        """Give a row that is known not to do what the last PUT of a change waits for: then why park it."""
        tied = sorted(self._tied_to(change.row))
        return next((row for row in tied if self._has_ended(row) and not self._is_as_asked(row)), None)

    def _is_as_asked(self, row: int) -> bool:
        return self._progress.outcome(row).facts.as_asked

    async def _predecessor_in_the_way(self, change: Change) -> int | None:
        """Wait for the rows that must go first; give the first that did not do what it had to."""
        for row in (*change.after_parked, *change.after):
            # It stands earlier in the plan, so another worker has it in hand, or had it and let go.
            need_be_parked = row in change.after_parked
            await self._let_go(row, is_last=not need_be_parked)
            if not self._has_ended(row):
                await self._ledger.flush()
            opened = self._progress.open.get(row)
            is_out_of_the_way = need_be_parked and opened is not None and opened.parked
            if not is_out_of_the_way and not self._is_as_asked(row):
                return row
        return None

    async def _blocked(self, change: Change, holder: int) -> None:
        """End a row whose predecessor failed; one that is parked gets back what it had."""
        if not self._has_ended(holder):
            return  # it stays open, and so does this one: the next session goes on with both
        opened = self._progress.open.get(change.row)
        if opened and opened.parked:
            await self._until_done(change, Purpose.RESTORE)
            return
        told = f"row {holder}, which must go first, did not end as asked"
        self._sender.end(change.row, Outcome.BLOCKED, Reply(code="blocked", message=told))

    # Stopping

    def _has_ended(self, row: int) -> bool:
        return self._progress.stage(row) >= Stage.APPLIED

    def _tie(self, change: Change) -> None:
        """Know which rows must be finished once this change, if it is one to be parked, is parked."""
        if change.parking and change.row not in self._tied:
            self._tied[change.row] = self._tied_to(change.row)

    def _tied_to(self, row: int) -> set[int]:
        """Give a row and all rows that it waits for, they wait for, and so on."""
        found, waiting = set[int](), [row]
        while waiting:
            if (needed := waiting.pop()) not in found:
                found.add(needed)
                change = self._ledger.change(needed)
                waiting += (*change.after, *change.after_parked)
        return found

    def _is_parked(self, row: int) -> bool:
        """Say whether a change's service is, or may be, without what its intermediate PUT took away."""
        opened = self._progress.open.get(row)
        if opened is None:
            return False
        is_parking = opened.purpose is Purpose.PARK and self._progress.stage(row) is Stage.ASKED
        return opened.parked or is_parking

    def _obliged(self, row: int) -> bool:
        """Say whether a row must be finished, since a parked service waits for it."""
        return any(row in tied and self._is_parked(parked) for parked, tied in self._tied.items())

    def _release(self) -> None:
        """Wake the workers that wait for their turn, unless something must still be sent."""
        if self._is_cut_off or not any(map(self._is_parked, self._tied)):
            for lane in self._tools.lanes.values():
                lane.writes.close()
                if self._is_sweeping:
                    lane.reads.close()
