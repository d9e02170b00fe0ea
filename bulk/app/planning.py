"""Making a plan: every row checked, every fleet listed once, every change written to a ledger."""

import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bulk import __version__
from bulk.adapters.http import ReadClient
from bulk.adapters.ledger import LedgerFile, Told
from bulk.adapters.snapshot import Snapshot
from bulk.app.forecast import Forecast, forecast
from bulk.app.jobs import OpenedJob
from bulk.app.ledgers import must_be_approved, plan_report
from bulk.app.reach import Reach, open_fleets
from bulk.app.surroundings import Surroundings
from bulk.core.errors import JobInvalid
from bulk.core.footprint import Footprint
from bulk.core.job import settings_json
from bulk.core.ledger.records import Planned, Run, target_json
from bulk.core.model import Action, Change, InvalidRow, ModifyBody, ServiceId, ServiceUpdate, Target
from bulk.core.plan import list_requests, plan_target
from bulk.core.reports.model import Report
from bulk.engine.read import in_turn, list_services

C = TypeVar("C", bound=ReadClient)

_FLUSH_EVERY = 2_000
"""Changes queued before the ledger is waited for, so that memory stays flat."""


def must_be_usable(opened: OpenedJob) -> None:
    """Raise JobInvalid with every issue of the rows, unless the job goes on without the invalid ones."""
    rows = opened.rows
    if rows.file_issues or (rows.invalid and not opened.job.skip_invalid):
        raise JobInvalid(rows.issues)


@asynccontextmanager
async def new_ledger(path: Path, around: Surroundings, told: Told) -> AsyncIterator[LedgerFile]:
    """Open a ledger that has no name until it is published; without that it leaves nothing behind."""
    ledger = LedgerFile.create(path, now=around.clock.now, told=told)
    try:
        async with ledger:
            yield ledger
    finally:
        ledger.discard()


async def write_plan(ledger: LedgerFile, reach: Reach[C], around: Surroundings, opened: OpenedJob) -> None:
    """List every fleet the rows name and write their changes, in the order in which they are to be sent.

    Raises what reading a fleet raises; then the ledger is of no use.
    """
    by_target = await _by_target(opened.rows.updates, reach)
    ledger.put(
        Run(
            run_id=secrets.token_hex(8),
            version=__version__,
            job=opened.job.name,
            job_sha256=opened.sha256,
            options=settings_json(opened.job)
            | {"endpoint": asdict(opened.endpoint), "limit": list(opened.only)},
            targets=[target_json(target) for target in by_target],
        )
    )
    writer = PlanWriter(ledger)

    async def ask(target: Target) -> Snapshot:
        contact, live = await reach.contact(target), Snapshot()
        await list_services(target, contact.client, contact.reads, around.patience, live.add)
        return live

    async def use(target: Target, live: Snapshot) -> None:
        with live:
            changes = plan_target(target, by_target[target], live, allow_parking=opened.job.allow_parking)
            await writer.write(changes, services=len(live))

    await in_turn(ask, by_target, use)
    await writer.complete(_unusable(row, opened.job.where.target) for row in opened.rows.invalid)


async def _by_target(
    updates: Iterable[ServiceUpdate], reach: Reach[C]
) -> Mapping[Target, Sequence[ServiceUpdate]]:
    """Give rows by their target, its project looked up; in the order of the file, as are the targets."""
    named: dict[Target, list[ServiceUpdate]] = defaultdict(list)
    for update in updates:
        named[update.target].append(update)
    found: dict[Target, list[ServiceUpdate]] = {}
    for target, rows in named.items():
        resolved = (await reach.contact(target)).target
        if resolved in found:  # some rows name the project, others mean it
            rows = sorted([*found[resolved], *rows], key=lambda update: update.row)  # noqa: PLW2901
        found[resolved] = rows
    return found


class PlanWriter:
    """Writes the changes of a plan, target by target, and what they add up to."""

    def __init__(self, ledger: LedgerFile) -> None:
        self._ledger = ledger
        self._counts: Counter[str] = Counter()
        self._footprint = Footprint()
        self._pages: list[int] = []

    async def write(self, changes: Iterable[Change], *, services: int) -> None:
        """Write the changes of the next target, whose list named this many services."""
        self._pages.append(list_requests(services))
        await self._write(changes)

    async def _write(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._ledger.put(change)
            self._counts[change.action.value] += 1
            self._footprint.add(change)
            if self._footprint.rows % _FLUSH_EVERY == 0:
                await self._ledger.flush()
        await self._ledger.flush()

    async def complete(self, unusable: Iterable[Change] = ()) -> None:
        """Write the rows that no target was listed for, and that the plan is complete."""
        await self._write(unusable)
        await self._ledger.write(
            Planned(
                rows=self._footprint.rows,
                counts=dict(self._counts),
                footprint=asdict(self._footprint),
                pages=self._pages,
                digest=self._ledger.digest,
            )
        )


def _unusable(row: InvalidRow, target: Target) -> Change:
    update = ServiceUpdate(
        row=row.row, place=row.place, target=target, service_id=ServiceId(row.service_id), body=ModifyBody()
    )
    reason = "; ".join(f"{issue.field}: {issue.message}" for issue in row.issues)
    return Change(update=update, target=target, action=Action.REFUSE, body=update.body, reason=reason)


async def plan_job(
    opened: OpenedJob,
    *,
    around: Surroundings,
    out: Path | None,
    shown: Callable[[Report], None],
    expect_digest: str = "",
) -> Forecast:
    """Make a plan with a client that cannot write, show it, and save it where `out` says.

    A plan that is not saved leaves nothing behind; one with another digest than the expected one is shown,
    but not saved, and Refused is raised.
    """
    must_be_usable(opened)
    with TemporaryDirectory(prefix="bulk-") as folder:
        path = out or Path(folder) / "plan"
        async with (
            open_fleets(ReadClient, opened.job.pace, opened.endpoint, around) as reach,
            new_ledger(path, around, lambda _: None) as ledger,
        ):
            await write_plan(ledger, reach, around, opened)
            ahead = forecast(ledger.progress, opened.job, around)
            shown(plan_report(ledger, estimate=ahead.estimate))
            must_be_approved(ledger, expect_digest)
            if out:
                await ledger.publish()
            return ahead
