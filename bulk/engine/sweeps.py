"""Listing the fleets before the PUTs and after the last: what moved, what is not as asked."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bulk.core.ledger.progress import Stage
from bulk.core.ledger.records import Note, OutcomeRecord
from bulk.core.model import DRIFT_FIELDS, Action, Change, Done, Missing, Outcome, Reply, ServiceState, Target
from bulk.engine.interfaces import PlanReader
from bulk.engine.puts import before_last
from bulk.engine.read import at_once, by_target, list_services, show_service
from bulk.engine.sending import Sender
from bulk.engine.session import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A service that is not what the plan saw."""

    before: ServiceState | None
    observed: ServiceState | None
    """None where it is gone."""
    as_asked: bool
    """Somebody else already did what the row asks."""


async def compare(
    reader: PlanReader,
    rows: Iterable[int],
    list_fleet: Callable[[Callable[[ServiceState], None]], Awaitable[None]],
    judged: Callable[[int, Drift | None], None],
) -> None:
    """List a fleet and let `judged` have the drift of each of these rows, or None, as soon as it is known."""
    names = reader.progress.names
    waiting = {names[row - 1]: row for row in rows}

    def see(live: ServiceState) -> None:
        row = waiting.get(hash(live.id))
        if row is None:
            return
        change = None if _is_untouched(reader, row, live) else reader.change(row)
        if change is None or change.service_id == live.id:
            del waiting[hash(live.id)]
            judged(row, _drift(reader, change, live) if change else None)

    await list_fleet(see)
    for row in waiting.values():
        judged(row, Drift(before=None, observed=None, as_asked=False))


def _is_untouched(reader: PlanReader, row: int, live: ServiceState) -> bool:
    """Say whether this is surely what the run left, by a look that costs little."""
    opened = reader.progress.open.get(row)
    return not (opened and opened.parked) and reader.saw(row, live)


def _drift(reader: PlanReader, change: Change, live: ServiceState) -> Drift | None:
    opened = reader.progress.open.get(change.row)
    before = before_last(change) if opened and opened.parked else change.before
    if before is None or not before.differences(live, DRIFT_FIELDS):
        return None
    return Drift(before=before, observed=live, as_asked=live.confirms(change.body))


class DriftSweep:
    """Lists every fleet again; a row may be sent once its service has been looked at.

    Rows that need no PUT, or must not have one, get their outcome as soon as that is known; where the run is
    strict, only by `settle`, since then one service that moved stops everything.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._progress = tools.ledger.progress
        self._fates = bytearray(max(self._progress.order, default=0))
        """By row - 1: what the sweep has to say, or has said."""
        self._news, self._is_awaited = asyncio.Event(), False
        self.drifted: list[int] = []
        """Rows whose service is not what the plan, or the run, left."""
        tools.brake.on_pull(self._tell)

    async def __call__(self) -> None:
        """Look at every service."""
        await at_once(self._look, self._rows())

    def _rows(self) -> Mapping[Target, Sequence[int]]:
        progress, looked_at = self._progress, []
        for row in progress.unended():
            if progress.action(row) is Action.REFUSE:
                self._judge(row, None)
            elif progress.stage(row) is Stage.ASKED:
                self._fates[row - 1] = _GOES  # it is settled by reading the service
            else:
                looked_at.append(row)
        self._tell()
        return by_target(progress, looked_at)

    async def _look(self, target: Target, rows: Sequence[int]) -> None:
        def list_fleet(see: Callable[[ServiceState], None]) -> Awaitable[None]:
            return _list(self._tools, target, see)

        await compare(self._tools.ledger, rows, list_fleet, self._judge)

    def _judge(self, row: int, drift: Drift | None) -> None:
        self._fates[row - 1] = _SETTLED if drift else _GOES
        if drift:
            self.drifted.append(row)
        if not self._tools.limits.strict:
            self._settle(row, drift)
        self._tell()

    def _tell(self) -> None:
        if self._is_awaited:
            self._news.set()
            self._news, self._is_awaited = asyncio.Event(), False

    def settle(self) -> None:
        """Give every row that needs no PUT its outcome, after a strict sweep in which nothing had moved."""
        for row in list(self._progress.unended()):
            if self._fates[row - 1] == _GOES:
                self._settle(row, None)

    def _settle(self, row: int, drift: Drift | None) -> None:
        ledger, action = self._tools.ledger, self._progress.action(row)
        if action is Action.REFUSE:
            reply = Reply(code="refused", message=ledger.change(row).reason)
            ledger.put(OutcomeRecord(row=row, outcome=Outcome.REFUSED, reply=reply))
        elif drift and not drift.as_asked:
            ledger.put(_drifted(row, drift))
        elif drift or action is Action.KEEP:
            ledger.put(OutcomeRecord(row=row, outcome=Outcome.ALREADY))
        else:
            return
        self._fates[row - 1] = _SETTLED

    async def lets(self, row: int) -> bool:
        """Return when a row has been looked at, or the brake pulled; say whether it is to be sent."""
        while self._fates[row - 1] == _OPEN and not self._tools.brake:
            self._is_awaited = True
            await self._news.wait()
        return self._fates[row - 1] == _GOES


_OPEN, _GOES, _SETTLED = range(3)
"""Not looked at yet; free to go; not to be sent."""


async def _list(tools: Tools, target: Target, see: Callable[[ServiceState], None]) -> None:
    lane = tools.lanes[target]
    await list_services(target, lane.fleet, lane.reads, tools.patience, see)


def _drifted(row: int, drift: Drift) -> OutcomeRecord:
    if drift.observed is None:
        message = "the service is gone since the plan"
    else:
        moved = drift.before.differences(drift.observed, DRIFT_FIELDS) if drift.before else ()
        message = f"moved since the plan: {', '.join(moved)}"
    reply = Reply(code="drifted", message=message)
    return OutcomeRecord(row=row, outcome=Outcome.DRIFTED, reply=reply, observed=drift.observed)


async def verify_sweep(tools: Tools, sender: Sender) -> None:
    """List every fleet once more; an applied row whose service is not as asked becomes a conflict."""
    progress = tools.ledger.progress
    suspect: list[int] = []

    async def look(target: Target, rows: Iterable[int]) -> None:
        waiting = {progress.names[row - 1]: row for row in rows}

        def see(live: ServiceState) -> None:
            row = waiting.get(hash(live.id))
            if row is not None and _is_as_asked(tools, row, live):
                del waiting[hash(live.id)]

        await _list(tools, target, see)
        suspect.extend(waiting.values())

    applied = (row for row in progress.order if progress.stage(row) is Stage.APPLIED)
    await at_once(look, by_target(progress, applied))
    if tools.brake:
        return
    if suspect:
        await tools.patience.clock.sleep(tools.limits.settle_s)
    for row in suspect:
        await _verify(tools, sender, tools.ledger.change(row))


def _is_as_asked(tools: Tools, row: int, live: ServiceState) -> bool:
    if tools.ledger.asks_for_ports_of(row, live):
        return True
    change = tools.ledger.change(row)
    return change.service_id == live.id and not live.mismatches(change.body)


async def _verify(tools: Tools, sender: Sender, change: Change) -> None:
    """Look once more, with a detail read, at a service that the list shows otherwise than asked."""
    lane = tools.lanes[change.target]
    found = await show_service(lane.fleet, change.service_id, lane.reads, tools.patience)
    match found:
        case Done(state=live) if not live.mismatches(change.body):
            return
        case Done() | Missing():
            observed = found.state if isinstance(found, Done) else None
            reply = Reply(code="unverified", message="after the run the service is not what was applied")
            attempts = (tools.ledger.outcome(change.row) or {}).get("attempts", 0)
            sender.end(change.row, Outcome.CONFLICT, reply, observed=observed, attempts=attempts)
        case _:
            told = f"applied, but could not be read again: {found.reply.code} {found.reply.message}"
            await tools.ledger.write(Note(about="verify", message=told, row=change.row))
