"""Taking back what a run applied: the inverse of each change, as a plan of its own."""

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bulk.adapters.files import ledger_path
from bulk.adapters.http import Client, ReadClient
from bulk.adapters.ledger import LedgerFile, LedgerReader, Told, only_run
from bulk.app.applying import apply_ledger
from bulk.app.forecast import Forecast, forecast
from bulk.app.jobs import Flags, job_of_ledger, open_fleets
from bulk.app.ledgers import find_run, plan_report, reading
from bulk.app.planning import new_ledger, put_changes
from bulk.app.reach import Reach
from bulk.app.session import Applied, Operator, work_on
from bulk.app.surroundings import Surroundings
from bulk.core.errors import Refused, UsageError
from bulk.core.inverse import inverse
from bulk.core.job import Job
from bulk.core.ledger.records import Planned, Run
from bulk.core.model import Change, Outcome, Target
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
        job, endpoint = job_of_ledger(source.progress, flags)
        async with (
            open_fleets(ReadClient, job, endpoint, around) as reach,
            new_ledger(out or Path(folder) / "plan", around, lambda _: None) as ledger,
        ):
            await _write(ledger, source, job, reach, around, only)
            ahead = forecast(ledger, job, around)
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
    """Take back what a run applied, or go on with doing so."""
    with reading(path) as source:
        job, endpoint = job_of_ledger(source.progress, flags)
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
                open_fleets(Client, job, endpoint, around) as reach,
                new_ledger(path.parent / new.name, around, told) as ledger,
            ):
                await _write(ledger, source, job, reach, around, only)
                return await work_on(ledger, reach, job, around, operator, begins=True)


async def _write(
    ledger: LedgerFile,
    source: LedgerReader,
    job: Job,
    reach: Reach[C],
    around: Surroundings,
    only: frozenset[str],
) -> None:
    """Write the inverse plan, each row behind those it waits for."""
    changes = _inverse_changes(source, only)
    targets = list(dict.fromkeys(change.target for change in changes))
    run = source.progress.run
    ledger.put(
        Run(
            run_id=secrets.token_hex(8),
            version=run["version"],
            job=_name(source),
            job_sha256=_identity(source, only),
            options=run["options"],
            targets=[json for json in run["targets"] if Target(**json) in targets],
        )
    )
    counts: Counter[str] = Counter()
    for target in targets:
        contact = await reach.contact(target)
        live = [
            state async for state in list_services(target, contact.client, contact.reads, around.patience)
        ]
        here = [change for change in changes if change.target == target]
        await put_changes(ledger, ordered(here, live, allow_parking=job.allow_parking), counts)
    await ledger.write(Planned(rows=counts.total(), counts=dict(counts), digest=ledger.digest))


def _inverse_changes(source: LedgerReader, only: frozenset[str]) -> list[Change]:
    """Give the inverse of each applied change, the last one first."""
    progress = source.progress
    applied: list[Change] = []
    for row in reversed(progress.order):
        if progress.outcome(row) is Outcome.APPLIED:
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


def _name(source: LedgerReader) -> str:
    return f"{source.progress.run['job']}-rollback"


def _identity(source: LedgerReader, only: frozenset[str]) -> str:
    """Give what tells this rollback from another one of the same job."""
    told = "\n".join([source.progress.run["run_id"], *sorted(only)])
    return hashlib.sha256(told.encode()).hexdigest()
