"""A saved plan against the fleet as it is now."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

from bulk.app.approving import ledger_must_be_approved
from bulk.app.connections import Connections
from bulk.app.environment import Environment
from bulk.app.fleets import open_fleets
from bulk.app.forecast import Forecast, forecast_of
from bulk.app.jobs import Flags, job_of_ledger
from bulk.app.ledgers import plan_of, plan_report, reading
from bulk.ledger.file import LedgerReader, OnRecord
from bulk.model import Action, Listed, ServiceState, Target
from bulk.reports.report import Report
from bulk.run.drift import Drift
from bulk.run.listing import compare
from bulk.run.patience import at_once, by_target, list_services
from bulk.vpcep.client import ReadClient

C = TypeVar("C", bound=ReadClient)


async def plan_ledger(
    path: Path,
    flags: Flags,
    environment: Environment,
    shown: Callable[[Report], None],
    on_record: OnRecord | None = None,
    *,
    expect_digest: str = "",
) -> Forecast:
    """Show a saved plan, or what is left of a run, against the fleet as it is now; nothing is written.

    `on_record` gets each record of the plan, as it does where one is made. Raises Refused where the plan,
    once shown, has another digest than the expected one.
    """
    with reading(path) as reader:
        job, endpoint = job_of_ledger(reader.progress, flags)
        if on_record:
            for record in plan_of(path):
                on_record(record, reader.change)
        async with open_fleets(ReadClient, job, endpoint, environment) as connections:
            moved = await _moved(reader, connections, environment)
            ahead = forecast_of(reader, job, environment.local_time, begins_per_s=connections.writes_per_s)
            shown(plan_report(reader, estimate=ahead.estimate, waves=ahead.waves.waves, moved=moved))
            approved, _ = job_of_ledger(reader.progress, flags, at_first=True)
            await ledger_must_be_approved(reader, expect_digest, approved, connections)
            return ahead


async def _moved(
    reader: LedgerReader, connections: Connections[C], environment: Environment
) -> dict[int, ServiceState | None]:
    """Return the rows that have not ended and whose service differs from what the plan saw.

    Each has the service as it is now, None where it is gone.
    """
    moved: dict[int, ServiceState | None] = {}

    async def look(target: Target, rows: Iterable[int]) -> None:
        target_client = await connections.client_of(target)

        def list_fleet(see: Callable[[Listed], None]) -> Awaitable[None]:
            return list_services(target, target_client.client, target_client.reads, environment.patience, see)

        await compare(reader, rows, list_fleet, judged)

    def judged(row: int, drift: Drift | None) -> None:
        if drift:
            moved[row] = drift.observed

    progress = reader.progress
    left = (row for row in progress.unended() if progress.action(row) is not Action.REFUSE)
    targets = by_target(progress, left)
    for target in targets:  # one after the other: repeated wrong passwords lock the account
        await connections.client_of(target)
    await at_once(look, targets)
    return moved
