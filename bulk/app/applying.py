"""Applying: a job's open run gone on with, a new one begun, or exactly a saved plan run."""

from pathlib import Path

from bulk.adapters.files import RUNS, ledger_path
from bulk.adapters.http import Client
from bulk.adapters.ledger import LedgerFile, Told, only_run
from bulk.app.jobs import Flags, OpenedJob, job_of_ledger
from bulk.app.ledgers import find_run, must_be_approved
from bulk.app.planning import must_be_usable, new_ledger, write_plan
from bulk.app.reach import open_fleets
from bulk.app.session import Applied, Operator, work_on
from bulk.app.surroundings import Surroundings
from bulk.core.errors import Refused


async def apply_job(
    opened: OpenedJob,
    flags: Flags,
    *,
    around: Surroundings,
    operator: Operator,
    told: Told,
    new_run: bool = False,
    ledger: Path | None = None,
    expect_digest: str = "",
) -> Applied:
    """Go on with the open run of this job, or plan, show, ask and run.

    Raises Refused where the job file is no longer the one of its open run.
    """
    runs = opened.folder / RUNS
    with only_run(runs, opened.job.name):
        open_run = None if new_run else find_run(runs, opened.job.name, ledger)
        if open_run is None:
            path = ledger or ledger_path(opened.folder, opened.job.name, around.local_time())
            return await _new_run(opened, path, around, operator, told, expect_digest)
        if (open_run.job_sha256, open_run.only) != (opened.sha256, opened.only):
            what = "the job file" if open_run.only == opened.only else "--limit"
            raise Refused(
                f"{opened.job.name}: {what} is not the one that {open_run.path} began with",
                hint=f"finish that run with `bulk apply {open_run.path}`, or leave it so with --new-run",
            )
        operator.told(f"going on with {open_run.path}")
        return await apply_ledger(
            open_run.path, flags, around=around, operator=operator, told=told, expect_digest=expect_digest
        )


async def _new_run(
    opened: OpenedJob, path: Path, around: Surroundings, operator: Operator, told: Told, expect_digest: str
) -> Applied:
    must_be_usable(opened)
    async with (
        open_fleets(Client, opened.job.pace, opened.endpoint, around) as reach,
        new_ledger(path, around, told) as plan,
    ):
        await write_plan(plan, reach, around, opened)
        must_be_approved(plan, expect_digest)
        return await work_on(plan, reach, opened.job, around, operator, begins=True)


async def apply_ledger(
    path: Path,
    flags: Flags,
    *,
    around: Surroundings,
    operator: Operator,
    told: Told,
    expect_digest: str = "",
) -> Applied:
    """Run exactly a saved plan, or go on with a run, from its ledger and nothing else."""
    ledger = LedgerFile.open(path, now=around.clock.now, told=told)
    async with ledger:
        must_be_approved(ledger, expect_digest)
        job, endpoint = job_of_ledger(ledger.progress, flags)
        async with open_fleets(Client, job.pace, endpoint, around) as reach:
            return await work_on(ledger, reach, job, around, operator, begins=False)
