"""The order of effects when a plan is applied.

One loop: N workers pull rows from one iterator, a row is in exactly one worker at exactly one step:

    wait for predecessors -> wait for the pace -> intent (durable) -> PUT -> verdict -> outcome (durable)

A stop travels as a brake that workers look at, never as an exception through the TaskGroup, so a PUT that
has landed is always recorded. A row whose earlier PUT is in doubt is settled by reading before anything else.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from bulk.core.backoff import backoff_s
from bulk.core.ledger.progress import Stage
from bulk.core.ledger.records import Attempt, BrakeReason, Ended, Intent, Note, Verb
from bulk.core.model import (
    AS_ASKED,
    Abort,
    Action,
    Change,
    Done,
    Doubt,
    Missing,
    Outcome,
    Reject,
    Reply,
    Retry,
    ServiceId,
    ServiceState,
    Target,
    Throttled,
    Verdict,
)
from bulk.engine.brake import Brake
from bulk.engine.interfaces import Fleet, Ledger, Pace
from bulk.engine.read import Patience, list_services, show_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What reaches one target: its client, and the paces it shares with its account and region."""

    fleet: Fleet
    reads: Pace
    writes: Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a run may go."""

    workers: int
    tries: int = 5
    """PUTs of one row that may fail before it counts as failed; throttled ones are free."""
    settle_s: float = 2.0
    """How long after it was sent a request may still take effect; reading sooner proves nothing."""
    failures_max: int | None = None
    canary_rows: int = 0
    """So many rows go first; the others only if all of them end as asked."""
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A service that is not what the plan saw."""

    observed: ServiceState | None
    """None where it is gone."""
    as_asked: bool
    """Somebody else already did what the row asks."""


class Run:
    """Applies the plan in a ledger to its fleet, from wherever an earlier session stopped."""

    def __init__(
        self, ledger: Ledger, lanes: Mapping[Target, Lane], brake: Brake, patience: Patience, limits: Limits
    ) -> None:
        self._ledger = ledger
        self._progress = ledger.progress
        self._lanes = lanes
        self._brake = brake
        self._patience = patience
        self._clock = patience.clock
        self._limits = limits
        self._in_hand: dict[int, asyncio.Event] = {}
        """Rows that a worker has; the event is set when it lets go."""
        self._failures = 0
        for pace in {id(lane.writes): lane.writes for lane in lanes.values()}.values():
            brake.on_pull(pace.close)

    async def __call__(self) -> None:
        """Return when every row has its outcome or the brake has been pulled; `progress` tells all.

        Raises FleetUnreadable, CredentialsError and LedgerFailed.
        """
        drifted = await self._drift_sweep()
        if drifted and self._limits.strict:
            rows = ", ".join(str(row) for row in sorted(drifted)[:10])
            self._brake.pull(
                BrakeReason.STRICT,
                f"{len(drifted)} services moved since the plan (rows {rows}); nothing was sent",
            )
            return
        self._settle_unsent(drifted)
        await self._ledger.flush()
        canaries = self._limits.canary_rows
        if canaries:
            first = [row for row, _ in zip(self._progress.unended(), range(canaries), strict=False)]
            await self._apply(iter(first))
            if any(self._progress.outcome(row) not in AS_ASKED for row in first):
                self._brake.pull(BrakeReason.CANARY, f"not all of the first {len(first)} rows ended as asked")
        await self._apply(self._progress.unended())
        if not self._brake:
            await self._verify_sweep()

    # Before

    async def _drift_sweep(self) -> dict[int, Drift]:
        """List every fleet again and give the rows whose service is not what the plan saw."""
        drifted: dict[int, Drift] = {}
        waiting: dict[ServiceId, int] = {}
        targets: set[Target] = set()
        for row in self._progress.unended():
            change = self._ledger.change(row)
            if change.action is Action.REFUSE or self._progress.stage(row) is Stage.ASKED:
                continue
            waiting[change.service_id] = row
            targets.add(change.target)
        for target in sorted(targets):
            lane = self._lanes[target]
            async for live in list_services(target, lane.fleet, lane.reads, self._patience):
                row_here = waiting.pop(live.id, None)
                if row_here is not None and (drift := self._drift(self._ledger.change(row_here), live)):
                    drifted[row_here] = drift
        return drifted | {row: Drift(observed=None, as_asked=False) for row in waiting.values()}

    def _drift(self, change: Change, live: ServiceState) -> Drift | None:
        if change.before is None or not change.before.differences(live):
            return None
        return Drift(observed=live, as_asked=not live.unlike(change.body))

    def _settle_unsent(self, drifted: Mapping[int, Drift]) -> None:
        """Write the outcome of every row that needs no PUT."""
        for row in list(self._progress.unended()):
            if self._progress.stage(row) is Stage.ASKED:
                continue
            change = self._ledger.change(row)
            if change.action is Action.REFUSE:
                self._ledger.put(
                    Ended(
                        row=row, outcome=Outcome.REFUSED, reply=Reply(code="refused", message=change.reason)
                    )
                )
            elif (drift := drifted.get(row)) and not drift.as_asked:
                self._ledger.put(_drifted(row, change, drift))
            elif drift or change.action is Action.KEEP:
                self._ledger.put(Ended(row=row, outcome=Outcome.ALREADY))

    # The loop

    async def _apply(self, rows: Iterator[int]) -> None:
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._limits.workers):
                    workers.create_task(self._work(rows))
        except ExceptionGroup as group:  # one failure of the ledger ends all workers: it stands for all
            raise group.exceptions[0] from group

    async def _work(self, rows: Iterator[int]) -> None:
        while not self._brake and (row := next(rows, None)) is not None:
            let_go = self._in_hand[row] = asyncio.Event()
            await self._row(row)
            del self._in_hand[row]
            let_go.set()

    async def _row(self, row: int) -> None:
        change = self._ledger.change(row)
        lane = self._lanes[change.target]
        # First of all: a row that was asked cannot become blocked.
        if self._progress.stage(row) is Stage.ASKED and not await self._read_back(change, lane, _LOST):
            return
        holder = await self._predecessor_in_the_way(change)
        if holder is not None:
            if self._progress.stage(holder) >= Stage.APPLIED:
                await self._end(row, Outcome.BLOCKED, Reply(code="blocked", message=_blocked(holder)))
            return
        while not self._brake and await self._attempt(change, lane):
            pass

    async def _predecessor_in_the_way(self, change: Change) -> int | None:
        """Wait for the rows that must go first; give the first that did not end as asked."""
        for row in change.after:
            # It stands earlier in the plan, so another worker has it in hand, or had it and let go.
            if let_go := self._in_hand.get(row):
                await let_go.wait()
            if self._progress.outcome(row) not in AS_ASKED:
                return row
        return None

    async def _attempt(self, change: Change, lane: Lane) -> bool:
        """Send one PUT and write down what came of it; say whether another attempt is to follow."""
        granted_at = await lane.writes.acquire()
        if granted_at is None or self._brake:
            return False
        opened = self._progress.open.get(change.row)
        attempt = opened.attempts + 1 if opened else 1
        await self._ledger.write(Intent(row=change.row, attempt=attempt))
        verdict = await lane.fleet.modify(change.service_id, change.body)
        if isinstance(verdict, Throttled):
            lane.writes.refused(granted_at, verdict)
        elif verdict.reply.http is not None:
            lane.writes.accepted(granted_at)
        return await self._conclude(change, lane, attempt, verdict)

    async def _conclude(self, change: Change, lane: Lane, attempt: int, verdict: Verdict) -> bool:
        """Write down what an attempt came to; say whether another is to follow."""
        row, reply = change.row, verdict.reply
        match verdict:
            case Done(state=state) if not state.unlike(change.body):
                await self._end(row, Outcome.APPLIED, reply)
            case Done(state=state):
                told = f"the reply shows another {', '.join(state.unlike(change.body))} than asked"
                return await self._doubt(change, lane, replace(reply, code="wrong_echo", message=told))
            case Doubt():
                return await self._doubt(change, lane, reply)
            case Throttled(retry_after_s=hold_s):
                await self._ledger.write(_attempt(row, attempt, Verb.THROTTLED, reply, hold_s=hold_s or 0.0))
                return True
            case Retry(counts=counts):
                verb = Verb.RETRY if counts else Verb.RENEWED
                await self._ledger.write(_attempt(row, attempt, verb, reply))
                return await self._again(change, reply)
            case Reject():
                await self._end(row, Outcome.FAILED, reply)
            case Abort(hint=hint):
                await self._ledger.write(_attempt(row, attempt, Verb.ABORT, reply))
                self._abort(reply, hint)
            case _:
                assert_never(verdict)
        return False

    def _abort(self, reply: Reply, hint: str) -> None:
        self._brake.pull(BrakeReason.ABORTED, f"{reply.code or reply.http}: {reply.message}; {hint}")

    async def _again(self, change: Change, reply: Reply) -> bool:
        """Wait before the next attempt, or fail the row if it had its tries."""
        tries = self._progress.open[change.row].tries
        if tries >= self._limits.tries:
            await self._end(change.row, Outcome.FAILED, reply)
            return False
        if tries:
            wait_s = backoff_s(tries, self._patience.dice.random())
            await self._clock.sleep(wait_s, wake=self._brake.pulled)
        return True

    # In doubt

    async def _doubt(self, change: Change, lane: Lane, reply: Reply) -> bool:
        attempts = self._progress.open[change.row].attempts
        await self._ledger.write(_attempt(change.row, attempts, Verb.DOUBT, reply))
        return await self._read_back(change, lane, reply)

    async def _read_back(self, change: Change, lane: Lane, reply: Reply) -> bool:
        """Settle a doubt by reading; say whether the PUT is to be sent again.

        What cannot be read stays in doubt: the row keeps no outcome, and the next session settles it.
        """
        opened = self._progress.open[change.row]
        asked_s = self._clock.now() - datetime.fromisoformat(opened.asked_at).timestamp()
        await self._clock.sleep(max(0.0, self._limits.settle_s - max(0.0, asked_s)))
        found = await show_service(lane.fleet, change.service_id, lane.reads, self._patience)
        match found:
            case Done(state=live):
                if not live.unlike(change.body):
                    await self._end(change.row, Outcome.APPLIED, reply)
                    return False
                if change.before is not None and not change.before.differences(live):
                    await self._ledger.write(
                        _attempt(change.row, opened.attempts, Verb.UNAPPLIED, found.reply)
                    )
                    return await self._again(change, reply)
                await self._end(change.row, Outcome.CONFLICT, reply, observed=live)
            case Missing():
                await self._end(change.row, Outcome.CONFLICT, found.reply)
            case Abort(reply=refusal, hint=hint):
                self._abort(refusal, hint)
            case Reject(reply=refusal) | Retry(reply=refusal) | Throttled(reply=refusal):
                message = f"cannot be read, stays in doubt: {refusal.code} {refusal.message}"
                await self._ledger.write(Note(about="doubt", message=message, row=change.row))
            case _:
                assert_never(found)
        return False

    async def _end(
        self, row: int, outcome: Outcome, reply: Reply, *, observed: ServiceState | None = None
    ) -> None:
        opened = self._progress.open.get(row)
        attempts = opened.attempts if opened else 0
        await self._ledger.write(
            Ended(row=row, outcome=outcome, reply=reply, attempts=attempts, observed=observed)
        )
        if outcome in {Outcome.FAILED, Outcome.CONFLICT}:
            self._failures += 1
            limit = self._limits.failures_max
            if limit is not None and self._failures > limit:
                self._brake.pull(BrakeReason.FAILURE_LIMIT, f"{self._failures} rows failed, {limit} may")

    # After

    async def _verify_sweep(self) -> None:
        """List every fleet once more; an applied row whose service is not as asked becomes a conflict."""
        applied: dict[ServiceId, int] = {}
        targets: set[Target] = set()
        for row in self._progress.order:
            if self._progress.stage(row) is Stage.APPLIED:
                change = self._ledger.change(row)
                applied[change.service_id] = row
                targets.add(change.target)
        for target in sorted(targets):
            lane = self._lanes[target]
            async for live in list_services(target, lane.fleet, lane.reads, self._patience):
                row_here = applied.get(live.id)
                if row_here is not None and not live.unlike(self._ledger.change(row_here).body):
                    del applied[live.id]
        if applied:
            await self._clock.sleep(self._limits.settle_s)
        for row in applied.values():
            await self._verify(self._ledger.change(row))

    async def _verify(self, change: Change) -> None:
        """Look once more, with a detail read, at a service that the list shows otherwise than asked."""
        lane = self._lanes[change.target]
        found = await show_service(lane.fleet, change.service_id, lane.reads, self._patience)
        if isinstance(found, Done) and not found.state.unlike(change.body):
            return
        observed = found.state if isinstance(found, Done) else None
        reply = Reply(code="unverified", message="after the run the service is not what was applied")
        await self._end(change.row, Outcome.CONFLICT, reply, observed=observed)


_LOST = Reply(code="answer_lost", message="an earlier session stopped before the answer came")


def _attempt(row: int, attempt: int, verb: Verb, reply: Reply, *, hold_s: float = 0.0) -> Attempt:
    return Attempt(row=row, attempt=attempt, verdict=verb, reply=reply, hold_s=hold_s)


def _blocked(holder: int) -> str:
    return f"row {holder}, which must go first, did not end as asked"


def _drifted(row: int, change: Change, drift: Drift) -> Ended:
    if drift.observed is None:
        message = "the service is gone since the plan"
    else:
        moved = ", ".join(change.before.differences(drift.observed)) if change.before else ""
        message = f"moved since the plan: {moved}"
    return Ended(
        row=row,
        outcome=Outcome.DRIFTED,
        reply=Reply(code="drifted", message=message),
        observed=drift.observed,
    )
