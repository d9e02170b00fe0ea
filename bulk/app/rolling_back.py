"""Taking back what a run applied: the inverse of each change, as a plan of its own."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bulk import __version__
from bulk.adapters.files import ledger_path
from bulk.adapters.http import Client, ReadClient
from bulk.adapters.ledger import LedgerFile, LedgerReader, Told, is_live, only_run
from bulk.adapters.snapshot import Snapshot
from bulk.app.applying import apply_ledger
from bulk.app.forecast import Forecast, forecast
from bulk.app.jobs import Endpoint, Flags, job_of_ledger
from bulk.app.ledgers import find_run, plan_report, reading
from bulk.app.planning import PlanWriter, new_ledger
from bulk.app.reach import Reach, open_fleets
from bulk.app.session import Applied, Operator, work_on
from bulk.app.surroundings import Surroundings
from bulk.core.errors import LedgerBusy, Refused, UsageError
from bulk.core.inverse import inverse
from bulk.core.job import Guards, Job, settings_json, settings_of
from bulk.core.ledger.records import Purpose, Run, target_json
from bulk.core.model import Change, Outcome
from bulk.core.plan import ordered
from bulk.core.reports.model import Report
from bulk.engine.read import list_services

C = TypeVar("C", bound=ReadClient)


async def plan_rollback(
    path: Path,
    flags: Flags,
    *,
    around: Surroundings,
    only: frozenset[str],
    out: Path | None,
    shown: Callable[[Report], None],
) -> Forecast:
    """Show what would take a run back, and save it where `out` says; nothing is sent."""
    with reading(path) as source, TemporaryDirectory(prefix="bulk-") as folder:
        job, endpoint = _job_of(source, flags)
        async with (
            open_fleets(ReadClient, job.pace, endpoint, around) as reach,
            new_ledger(out or Path(folder) / "plan", around, lambda _: None) as ledger,
        ):
            await _write(ledger, source, job, endpoint, reach, around, only)
            ahead = forecast(ledger.progress, job, around)
            shown(plan_report(ledger, estimate=ahead.estimate))
            if out:
                await ledger.publish()
            return ahead


async def roll_back(
    path: Path,
    flags: Flags,
    *,
    around: Surroundings,
    operator: Operator,
    told: Told,
    only: frozenset[str],
) -> Applied:
    """Take back what a run applied, or go on with doing so; raises LedgerBusy while it is at work."""
    if is_live(path):
        raise LedgerBusy(f"{path}: this run is at work", hint="stop it first, then take it back")
    with reading(path) as source:
        job, endpoint = _job_of(source, flags)
        name = _name(source)
        with only_run(path.parent, name):
            if open_run := find_run(path.parent, name):
                if open_run.job_sha256 != _identity(source, only):
                    raise Refused(
                        f"{open_run.path} takes back something else and is not finished",
                        hint=f"finish it with `bulk apply {open_run.path}`",
                    )
                operator.told(f"going on with {open_run.path}")
                return await apply_ledger(open_run.path, flags, around=around, operator=operator, told=told)
            new = ledger_path(path.parent.parent, name, around.local_time())
            async with (
                open_fleets(Client, job.pace, endpoint, around) as reach,
                new_ledger(path.parent / new.name, around, told) as ledger,
            ):
                await _write(ledger, source, job, endpoint, reach, around, only)
                return await work_on(ledger, reach, job, around, operator, begins=True)


async def _write(
    ledger: LedgerFile,
    source: LedgerReader,
    job: Job,
    endpoint: Endpoint,
    reach: Reach[C],
    around: Surroundings,
    only: frozenset[str],
) -> None:
    """Write the inverse plan, each row behind those it waits for."""
    changes = _inverse_changes(source, only)
    if source.progress.open:  # a PUT in doubt may still take effect
        await around.clock.sleep(job.pace.settle_s)
    targets = list(dict.fromkeys(change.target for change in changes))
    ledger.put(
        Run(
            run_id=secrets.token_hex(8),
            version=__version__,
            job=_name(source),
            job_sha256=_identity(source, only),
            options=settings_json(job) | {"endpoint": asdict(endpoint), "limit": []},
            targets=[target_json(target) for target in targets],
        )
    )
    writer = PlanWriter(ledger)
    for target in targets:
        contact = await reach.contact(target)
        here = [change for change in changes if change.target == target]
        with Snapshot() as live:
            await list_services(target, contact.client, contact.reads, around.patience, live.add)
            await writer.write(ordered(here, live, allow_parking=job.allow_parking), services=len(live))
    await writer.complete()


def _inverse_changes(source: LedgerReader, only: frozenset[str]) -> list[Change]:
    """Give the inverse of each change that was, or may have been, applied; the last one first.

    What a PUT in doubt did shows when the fleet is listed: a service that still is as before needs nothing.
    """
    progress = source.progress
    if any(opened.parked or opened.purpose is Purpose.PARK for opened in progress.open.values()):
        raise Refused(
            "a service is parked between two PUTs of this run",
            hint="finish the run first: `bulk apply LEDGER`",
        )
    applied: list[Change] = []
    for row in reversed(progress.order):
        if progress.outcome(row) in _TAKEN_BACK:
            change = source.change(row)
            if not only or change.service_id in only:
                applied.append(change)
    missing = only - {change.service_id for change in applied}
    if missing or not applied:
        raise UsageError(
            f"nothing was applied to {', '.join(sorted(missing)) or 'any service'}",
            hint="`bulk report` shows what the run did",
        )
    return [inverse(change, row=number) for number, change in enumerate(applied, 1)]


_TAKEN_BACK = {Outcome.APPLIED, Outcome.IN_DOUBT}


def _job_of(source: LedgerReader, flags: Flags) -> tuple[Job, Endpoint]:
    """Return the job of a run without what limited it, which must not stand in the way of taking it back."""
    return job_of_ledger(source.progress, flags, without=(*settings_of(Guards), "window"))


def _name(source: LedgerReader) -> str:
    return f"{source.progress.run['job']}-rollback"


def _identity(source: LedgerReader, only: frozenset[str]) -> str:
    """Give what tells this rollback from another one of the same job."""
    told = "\n".join([source.progress.run["run_id"], *sorted(only)])
    return hashlib.sha256(told.encode()).hexdigest()
