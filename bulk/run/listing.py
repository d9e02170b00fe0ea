"""Holding a fleet's list against a plan: what moved since, and what is as its row ended."""

from collections.abc import Awaitable, Callable, Iterable

from bulk.ledger.decisions import decided
from bulk.ledger.progress import hash_of
from bulk.model import Listed, Outcome, ServiceState
from bulk.run.drift import Drift, against_plan
from bulk.run.interfaces import Ledger, PlanReader
from bulk.run.row import ended_otherwise

ListFleet = Callable[[Callable[[Listed], None]], Awaitable[None]]
"""Lists a fleet, and lets its argument have every service."""


async def compare(
    reader: PlanReader,
    rows: Iterable[int],
    list_fleet: ListFleet,
    judged: Callable[[int, Drift | None], None],
) -> None:
    """List a fleet and let `judged` have the drift of each of these rows, or None, as soon as it is known."""
    noticed = decided(reader.progress.decisions).noticed

    def is_judged(row: int, live: Listed) -> bool:
        is_its_own, found = against_plan(
            reader, row, live, is_parked=_is_parked(reader, row), noticed=noticed
        )
        if is_its_own:
            judged(row, found)
        return is_its_own

    missing = await unaccounted(reader, rows, list_fleet, is_judged)
    if missing:  # one list is not enough to call a service gone: it may lag behind, or come empty
        missing = await unaccounted(reader, missing, list_fleet, is_judged)
    for row in missing:
        judged(row, Drift(None))


async def not_as_ended(
    ledger: Ledger, rows: Iterable[int], list_fleet: ListFleet
) -> dict[int, ServiceState | None]:
    """List a fleet and return those of these rows whose service is not as they ended, with what it is.

    None: it is not there.
    """
    allowed = decided(ledger.progress.decisions).allowed
    listed: dict[int, ServiceState] = {}

    def is_as_ended(row: int, live: Listed) -> bool:
        is_applied = ledger.progress.outcome(row) is Outcome.APPLIED
        if is_applied and ledger.shows_as_asked(row, live):
            return True
        change = ledger.change(row)
        if change.service_id != live.id:
            return False
        if ended_otherwise(change, ledger.outcome(row) or {}, live.state, allowed):
            listed[row] = live.state
            return False
        return True

    return {row: listed.get(row) for row in await unaccounted(ledger, rows, list_fleet, is_as_ended)}


async def unaccounted(
    reader: PlanReader,
    rows: Iterable[int],
    list_fleet: ListFleet,
    accounts: Callable[[int, Listed], bool],
) -> tuple[int, ...]:
    """List a fleet and return those of these rows for whose service `accounts` never returned True."""
    names = reader.progress.names
    waiting = {names[row - 1]: row for row in rows}

    def see(live: Listed) -> None:
        row = waiting.get(hash_of(live.id))
        if row is not None and accounts(row, live):
            del waiting[hash_of(live.id)]

    await list_fleet(see)
    return tuple(waiting.values())


def _is_parked(reader: PlanReader, row: int) -> bool:
    opened = reader.progress.open.get(row)
    return opened is not None and opened.parked
