"""A saved plan against the fleet as it is now."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bulk.adapters.http import ReadClient
from bulk.adapters.ledger import LedgerReader
from bulk.app.forecast import Forecast, forecast
from bulk.app.jobs import Flags, job_of_ledger, open_fleets
from bulk.app.ledgers import moved_report, reading
from bulk.app.reach import Contact
from bulk.app.surroundings import Surroundings
from bulk.core.model import ServiceState, Target
from bulk.core.reports.model import Report
from bulk.engine.read import list_services

C = TypeVar("C", bound=ReadClient)


async def plan_ledger(
    path: Path, flags: Flags, *, around: Surroundings, shown: Callable[[Report], None]
) -> Forecast:
    """Show a saved plan, or what is left of a run, against the fleet as it is now; nothing is written."""
    with reading(path) as reader:
        job, endpoint = job_of_ledger(reader.progress, flags)
        async with open_fleets(ReadClient, job, endpoint, around) as reach:
            moved: dict[int, ServiceState | None] = {}
            for json in reader.progress.run["targets"]:
                moved |= await _moved(reader, await reach.contact(Target(**json)), around)
        shown(moved_report(reader, moved))
        return forecast(reader, job, around)


async def _moved(
    reader: LedgerReader, contact: Contact[C], around: Surroundings
) -> dict[int, ServiceState | None]:
    """Give the rows of a target whose service is not what the plan saw, with what it is; None for gone."""
    changes = (reader.change(row) for row in reader.progress.unended())
    planned = {c.service_id: c for c in changes if c.target == contact.target and c.before}
    moved: dict[int, ServiceState | None] = {change.row: None for change in planned.values()}
    async for live in list_services(contact.target, contact.client, contact.reads, around.patience):
        change = planned.get(live.id)
        if change and change.before:
            if change.before.differences(live):
                moved[change.row] = live
            else:
                del moved[change.row]
    return moved
