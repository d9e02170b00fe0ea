"""One PUT brought to its end: attempts, verdicts, doubts; every step written down before it counts."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from bulk.core.backoff import backoff_s
from bulk.core.guards import side_effects
from bulk.core.ledger.chain import moment_s
from bulk.core.ledger.records import Attempt, AttemptResult, Intent, Note, OutcomeRecord, Purpose
from bulk.core.ledger.stops import BrakeReason
from bulk.core.model import (
    SETTLING_FIELDS,
    Abort,
    Done,
    Doubt,
    Missing,
    Outcome,
    Reject,
    Reply,
    Retry,
    ServiceState,
    Target,
    Throttled,
    Verdict,
)
from bulk.engine.puts import Put
from bulk.engine.read import show_service
from bulk.engine.session import Tools

DESERTED_MIN = 3
"""Attempts in a row that must have found nobody before the API counts as gone, or two a row in hand."""
DESERTED_WAITS_MAX = 4
"""How far the backoff grows then: who comes back shall not be kept waiting."""
SILENCE_S = 30.0
"""How long that may last."""
_LOST = Reply(code="answer_lost", message="an earlier session stopped before the answer came")
_RESTORED = Reply(
    code="restored", message="the change could not be finished; the state before is in force again"
)


class Sender:
    """Sends PUTs and writes down what came of them."""

    def __init__(
        self,
        tools: Tools,
        *,
        heard: Callable[[Reply], None],
        obliged: Callable[[int], bool],
        in_hand: Callable[[], int],
    ) -> None:
        """Take the tools, who hears of each reply, which rows a stop spares, and how many are in hand."""
        self._heard = heard
        self._in_hand = in_hand
        self.is_cut_off = False
        """Whether nothing can be sent any more, whatever should be: refused credentials, nobody there."""
        self._obliged = obliged
        self._ledger = tools.ledger
        self._progress = tools.ledger.progress
        self._lanes = tools.lanes
        self._brake = tools.brake
        self._patience = tools.patience
        self._clock = tools.patience.clock
        self._limits = tools.limits
        self._failures = 0
        self._unreached, self._unreached_since = 0, 0.0
        """Attempts in a row, of whatever rows, that found nobody, and when the first of them was made."""
        self._looked_at: set[Target] = set()
        """Targets whose first reply has been compared field by field."""
        self._first: dict[Target, asyncio.Event] = {}
        """Set once the first PUT of a target has been answered; until then the others wait."""

    async def attempt(self, put: Put, *, stopped: Callable[[int], bool]) -> bool:
        """Send a PUT once and write down what came of it; say whether it is to be sent again.

        `stopped` is asked once more when its turn has come. The first PUT of each target goes alone.
        """
        target = put.change.target
        if first := self._first.get(target):
            if not first.is_set():
                await first.wait()
            return await self._send(put, stopped)
        self._first[target] = asyncio.Event()
        try:
            return await self._send(put, stopped)
        finally:
            self._first[target].set()

    async def _send(self, put: Put, stopped: Callable[[int], bool]) -> bool:
        lane, row = self._lanes[put.change.target], put.change.row
        granted_at = await lane.writes.acquire()
        if granted_at is None or stopped(row):
            return False
        opened = self._progress.open.get(row)
        attempt = opened.attempts + 1 if opened else 1
        await self._ledger.write(Intent(row=row, attempt=attempt, purpose=put.purpose))
        verdict = await lane.fleet.modify(put.change.service_id, put.body)
        self._heard(verdict.reply)
        self._look_for_silence(verdict)
        if isinstance(verdict, Throttled):
            lane.writes.refused(granted_at, verdict)
        elif verdict.reply.http is not None:
            lane.writes.accepted(granted_at)
        return await self._conclude(put, attempt, verdict)

    async def _conclude(self, put: Put, attempt: int, verdict: Verdict) -> bool:
        row, reply = put.change.row, verdict.reply
        match verdict:
            case Done(state=state) if not state.mismatches(put.body):
                await self._succeeded(put, reply)
                if put.change.target not in self._looked_at:
                    await self._look_for_side_effects(put, state)
            case Done(state=state):
                told = f"the reply shows another {', '.join(state.mismatches(put.body))} than asked"
                return await self._doubt(put, attempt, replace(reply, code="wrong_echo", message=told))
            case Doubt():
                return await self._doubt(put, attempt, reply)
            case Throttled(retry_after_s=hold_s):
                await self._ledger.write(
                    _attempt(row, attempt, AttemptResult.THROTTLED, reply, hold_s=hold_s or 0.0)
                )
                return True
            case Retry(counts=counts):
                blamed = AttemptResult.RETRY if counts else AttemptResult.RENEWED
                result = AttemptResult.UNREACHED if self._is_deserted else blamed
                await self._ledger.write(_attempt(row, attempt, result, reply))
                return await self._again(put, reply)
            case Reject() if self._leaves_parked(put):
                await self._ledger.write(_attempt(row, attempt, AttemptResult.REJECTED, reply))
            case Reject():
                await self._failed(put, reply)
            case Abort(hint=hint):
                await self._ledger.write(_attempt(row, attempt, AttemptResult.ABORT, reply))
                self._abort(reply, hint)
            case _:
                assert_never(verdict)
        return False

    async def _succeeded(self, put: Put, reply: Reply) -> None:
        row = put.change.row
        match put.purpose:
            case Purpose.CHANGE:
                self.end(row, Outcome.APPLIED, reply)
            case Purpose.PARK:
                attempts = self._progress.open[row].attempts
                await self._ledger.write(_attempt(row, attempts, AttemptResult.PARKED, reply))
            case Purpose.RESTORE:
                self.end(row, Outcome.BLOCKED, replace(_RESTORED, request_id=reply.request_id))
            case _:
                assert_never(put.purpose)

    async def _look_for_side_effects(self, put: Put, state: ServiceState) -> None:
        """Compare the first reply of each target with the state before: what no row asked for must stay."""
        if put.before is None:
            return
        self._looked_at.add(put.change.target)
        if changed := side_effects(put.before, state, put.body):
            told = f"the first PUT of {put.change.target} changed unasked: {', '.join(changed)}"
            await self._ledger.write(Note(about="side_effect", message=told, row=put.change.row))
            self._brake.pull(BrakeReason.SIDE_EFFECT, told)

    def _look_for_silence(self, verdict: Verdict) -> None:
        """Stop where nobody has been there for long: no row is to blame, and each would use up its tries."""
        if verdict.reply.http is not None:
            self._unreached = 0
        elif isinstance(verdict, Retry):
            if not self._unreached:
                self._unreached_since = self._clock.monotonic()
            self._unreached += 1
            silent_s = self._clock.monotonic() - self._unreached_since
            if self._is_deserted and silent_s >= SILENCE_S:
                self.is_cut_off = True
                told = f"the API could not be reached for {silent_s:.0f} s: {verdict.reply.code}"
                self._brake.pull(BrakeReason.UNREACHED, f"{told}, {verdict.reply.message}")

    @property
    def _is_deserted(self) -> bool:
        """Say whether so many attempts in a row found nobody that it is not for the rows' own bad luck."""
        return self._unreached >= max(DESERTED_MIN, 2 * self._in_hand())

    def _abort(self, reply: Reply, hint: str) -> None:
        self.is_cut_off = True
        self._brake.pull(BrakeReason.ABORTED, f"{reply.code or reply.http}: {reply.message}; {hint}")

    async def _again(self, put: Put, reply: Reply) -> bool:
        """Wait before the next attempt, or fail the row if it had its tries."""
        opened = self._progress.open[put.change.row]
        if opened.tries >= self._limits.tries:
            if not self._leaves_parked(put):
                await self._failed(put, reply)
            return False
        waits = min(opened.attempts, DESERTED_WAITS_MAX) if self._is_deserted else opened.tries
        if waits:
            wait_s = backoff_s(waits, self._patience.dice.random())
            wake = None if self._obliged(put.change.row) else self._brake.pulled
            await self._clock.sleep(wait_s, wake=wake)
        return True

    async def _failed(self, put: Put, reply: Reply) -> None:
        if put.purpose is Purpose.RESTORE:
            gone = " ".join(map(str, put.change.out_of_service))
            reply = replace(reply, message=f"the service is left without {gone}: {reply.message}")
        self.end(put.change.row, Outcome.FAILED, reply)

    def _leaves_parked(self, put: Put) -> bool:
        """Say whether giving up this PUT would leave its service without what it had."""
        return put.purpose is Purpose.CHANGE and self._progress.open[put.change.row].parked

    def gave_up(self, row: int) -> bool:
        """Say whether the last PUT of a parked service has failed for good."""
        opened = self._progress.open.get(row)
        return (
            opened is not None and opened.parked and (opened.rejected or opened.tries >= self._limits.tries)
        )

    # In doubt

    async def _doubt(self, put: Put, attempt: int, reply: Reply) -> bool:
        await self._ledger.write(_attempt(put.change.row, attempt, AttemptResult.DOUBT, reply))
        await self._clock.sleep(self._limits.settle_s)
        return await self._read_back(put, reply)

    async def settle(self, put: Put) -> bool:
        """Settle the doubt that an earlier session left; say whether the PUT is to be sent again."""
        since_s = max(0.0, self._clock.now() - moment_s(self._progress.open[put.change.row].asked_at))
        await self._clock.sleep(max(0.0, self._limits.settle_s - since_s))
        return await self._read_back(put, _LOST)

    async def _read_back(self, put: Put, reply: Reply) -> bool:
        """Settle a doubt by reading; say whether the PUT is to be sent again.

        What cannot be read stays in doubt: the row keeps no outcome, and the next session settles it.
        """
        row, lane = put.change.row, self._lanes[put.change.target]
        opened = self._progress.open[row]
        found = await show_service(lane.fleet, put.change.service_id, lane.reads, self._patience)
        match found:
            case Done(state=live) if live.confirms(put.body):
                await self._succeeded(put, reply)
                if put.change.target not in self._looked_at:
                    await self._look_for_side_effects(put, live)
            case Done(state=live) if put.before and not put.before.differences(live, SETTLING_FIELDS):
                await self._ledger.write(_attempt(row, opened.attempts, AttemptResult.UNAPPLIED, found.reply))
                return await self._again(put, reply)
            case Done(state=live):
                self.end(row, Outcome.CONFLICT, reply, observed=live)
            case Missing():
                self.end(row, Outcome.CONFLICT, found.reply)
            case Abort(reply=refusal, hint=hint):
                self._abort(refusal, hint)
            case Reject(reply=refusal) | Retry(reply=refusal) | Throttled(reply=refusal):
                message = f"cannot be read, stays in doubt: {refusal.code} {refusal.message}"
                await self._ledger.write(Note(about="doubt", message=message, row=row))
            case _:
                assert_never(found)
        return False

    def end(
        self,
        row: int,
        outcome: Outcome,
        reply: Reply,
        *,
        observed: ServiceState | None = None,
        attempts: int = 0,
    ) -> None:
        """Queue how a row ended; too many failures pull the brake.

        It is in `progress` once it is durable. Only who looks there for this very row need wait for that: the
        next intent waits anyhow. `attempts` counts for a row that had ended before.
        """
        if opened := self._progress.open.get(row):
            attempts = opened.attempts
        self._ledger.put(
            OutcomeRecord(row=row, outcome=outcome, reply=reply, attempts=attempts, observed=observed)
        )
        if outcome in {Outcome.FAILED, Outcome.CONFLICT}:
            self._failures += 1
            limit = self._limits.failures_max
            if limit is not None and self._failures > limit:
                self._brake.pull(BrakeReason.FAILURE_LIMIT, f"{self._failures} rows failed, {limit} may")


def _attempt(row: int, attempt: int, result: AttemptResult, reply: Reply, *, hold_s: float = 0.0) -> Attempt:
    return Attempt(row=row, attempt=attempt, verdict=result, reply=reply, hold_s=hold_s)
