"""Listing the fleets before the first PUT and after the last: what moved, what is not as asked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bulk.core.ledger.progress import Stage
from bulk.core.ledger.records import Ended, Note
from bulk.core.model import Action, Change, Done, Missing, Outcome, Reply, ServiceState, Target
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


async def drift_sweep(tools: Tools) -> dict[int, Drift]:
    """List every fleet again and give the rows whose service is not what the plan, or the run, left."""
    progress = tools.ledger.progress
    rows = (
        row
        for row in progress.unended()
        if progress.action(row) is not Action.REFUSE and progress.stage(row) is not Stage.ASKED
    )
    drifted: dict[int, Drift] = {}

    async def look(target: Target, rows_here: Iterable[int]) -> None:
        waiting = {tools.ledger.service_id(row): row for row in rows_here}

        def see(live: ServiceState) -> None:
            row = waiting.pop(live.id, None)
            if row is not None and (drift := _drift(tools, row, live)):
                drifted[row] = drift

        await _list(tools, target, see)
        gone = Drift(before=None, observed=None, as_asked=False)
        drifted.update(dict.fromkeys(waiting.values(), gone))

    await at_once(look, by_target(progress, rows))
    return drifted


async def _list(tools: Tools, target: Target, see: Callable[[ServiceState], object]) -> None:
    lane = tools.lanes[target]
    await list_services(target, lane.fleet, lane.reads, tools.patience, see)


def _drift(tools: Tools, row: int, live: ServiceState) -> Drift | None:
    opened = tools.ledger.progress.open.get(row)
    is_parked = opened is not None and opened.parked
    if not is_parked and tools.ledger.saw(row, live):
        return None
    change = tools.ledger.change(row)
    before = before_last(change) if is_parked else change.before
    if before is None or not before.differences(live):
        return None
    return Drift(before=before, observed=live, as_asked=live.surely_has(change.body))


def settle_unsent(tools: Tools, drifted: dict[int, Drift]) -> None:
    """Write the outcome of every row that needs no PUT."""
    progress = tools.ledger.progress
    for row in list(progress.unended()):
        if progress.stage(row) is Stage.ASKED:
            continue
        action, drift = progress.action(row), drifted.get(row)
        if action is Action.REFUSE:
            reply = Reply(code="refused", message=tools.ledger.change(row).reason)
            tools.ledger.put(Ended(row=row, outcome=Outcome.REFUSED, reply=reply))
        elif drift and not drift.as_asked:
            tools.ledger.put(_drifted(row, drift))
        elif drift or action is Action.KEEP:
            tools.ledger.put(Ended(row=row, outcome=Outcome.ALREADY))


def _drifted(row: int, drift: Drift) -> Ended:
    if drift.observed is None:
        message = "the service is gone since the plan"
    else:
        moved = drift.before.differences(drift.observed) if drift.before else ()
        message = f"moved since the plan: {', '.join(moved)}"
    reply = Reply(code="drifted", message=message)
    return Ended(row=row, outcome=Outcome.DRIFTED, reply=reply, observed=drift.observed)


async def verify_sweep(tools: Tools, sender: Sender) -> None:
    """List every fleet once more; an applied row whose service is not as asked becomes a conflict."""
    progress = tools.ledger.progress
    suspect: list[int] = []

    async def look(target: Target, rows_here: Iterable[int]) -> None:
        waiting = {tools.ledger.service_id(row): row for row in rows_here}

        def see(live: ServiceState) -> None:
            row = waiting.get(live.id)
            if row is not None and _is_as_asked(tools, row, live):
                del waiting[live.id]

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
    return tools.ledger.asks_for_ports(row, live.ports) or not live.unlike(tools.ledger.change(row).body)


async def _verify(tools: Tools, sender: Sender, change: Change) -> None:
    """Look once more, with a detail read, at a service that the list shows otherwise than asked."""
    lane = tools.lanes[change.target]
    found = await show_service(lane.fleet, change.service_id, lane.reads, tools.patience)
    match found:
        case Done(state=live) if not live.unlike(change.body):
            return
        case Done() | Missing():
            observed = found.state if isinstance(found, Done) else None
            reply = Reply(code="unverified", message="after the run the service is not what was applied")
            attempts = (tools.ledger.outcome(change.row) or {}).get("attempts", 0)
            sender.end(change.row, Outcome.CONFLICT, reply, observed=observed, attempts=attempts)
        case _:
            told = f"applied, but could not be read again: {found.reply.code} {found.reply.message}"
            await tools.ledger.write(Note(about="verify", message=told, row=change.row))
