"""Applying: continue the open run of a source, begin a new one, or run exactly a saved plan."""

import shlex
from pathlib import Path

from bulk.adapters.files import ledger_path
from bulk.adapters.http import Client
from bulk.adapters.ledger import LedgerFile, OnRecord, only_run
from bulk.app.jobs import Flags, job_of_ledger
from bulk.app.ledgers import OpenRun, find_run, must_be_approved
from bulk.app.planning import new_plan
from bulk.app.reach import open_fleets
from bulk.app.session import Applied, Operator, work_on
from bulk.app.sources import PlanSource, R
from bulk.app.surroundings import Surroundings
from bulk.core.errors import Refused


async def apply_from(
    source: PlanSource[R],
    flags: Flags,
    *,
    around: Surroundings,
    operator: Operator,
    on_record: OnRecord,
    new_run: bool = False,
    ledger: Path | None = None,
    expect_digest: str = "",
) -> Applied:
    """Continue the open run of this source, or plan, show, ask and run.

    Raises Refused where the open run was planned from something else, and LedgerBusy where it is at work.
    """
    with only_run(source.runs, source.name):
        if not new_run and (open_run := find_run(source.runs, source.name, ledger)):
            _must_be_of(source, open_run)
            operator.notify(f"continuing with {open_run.path}")
            return await apply_ledger(
                open_run.path,
                flags,
                around=around,
                operator=operator,
                on_record=on_record,
                expect_digest=expect_digest,
            )
        path = ledger or ledger_path(source.runs, source.name, around.local_time())
        async with new_plan(Client, source, path, around, on_record) as (plan, reach):
            must_be_approved(plan, expect_digest)
            return await work_on(plan, reach, source.job, around, operator, begins=True)


def _must_be_of(source: PlanSource[R], open_run: OpenRun) -> None:
    """Raise Refused where an open run was planned from something else than the source is now."""
    if (open_run.job_sha256, open_run.only) != (source.sha256, source.only):
        what = source.origin if open_run.only == source.only else "--limit"
        raise Refused(
            f"{source.name}: {what} is not the same as when {open_run.path} began; nothing was sent",
            hint=f"finish that run with `bulk apply {shlex.quote(str(open_run.path))}`{source.way_out}",
        )


async def apply_ledger(
    path: Path,
    flags: Flags,
    *,
    around: Surroundings,
    operator: Operator,
    on_record: OnRecord,
    expect_digest: str = "",
) -> Applied:
    """Run exactly a saved plan, or continue a run, from its ledger and nothing else."""
    async with LedgerFile.open(path, now=around.clock.now, on_record=on_record) as ledger:
        must_be_approved(ledger, expect_digest)
        job, endpoint = job_of_ledger(ledger.progress, flags)
        async with open_fleets(Client, job.pace, endpoint, around) as reach:
            return await work_on(ledger, reach, job, around, operator, begins=False)
