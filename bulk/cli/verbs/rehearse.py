"""`bulk rehearse`."""

from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bulk.cli import options, output
from bulk.cli.verbs.shared import choice, ids_of

if TYPE_CHECKING:
    from bulk.app.play import Trouble
    from bulk.app.session import Watched
    from bulk.app.surroundings import Surroundings
    from bulk.core.rehearsal import Rehearsal
    from bulk.core.reports.model import Report


def rehearse(
    job: options.JobOrLedger,
    faults: options.Faults = "{}",
    limiter: options.Limiter = None,
    form: options.Format = "",
    limit: options.Limit = None,
    skip_invalid: options.SkipInvalid = False,
    profile: options.Profile = "",
    region: options.Region = "",
    project_id: options.ProjectId = "",
    endpoint: options.Endpoint = "",
    rate: options.Rate = "",
    concurrency: options.Concurrency = "",
    max_failures: options.MaxFailures = "",
    canary: options.Canary = "",
    strict: options.Strict = False,
    allow_parking: options.AllowParking = False,
    max_changes: options.MaxChanges = "",
    max_removed: options.MaxRemoved = "",
    max_consumers: options.MaxConsumers = "",
    output_form: options.Output = "table",
    log_format: options.LogFormat = "text",
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> int:
    """Run the plan, a kill, the resume and the rollback on a copy of the fleet; nothing real is changed.

    Exits as `bulk apply` would, or with 1 where kill, resume or rollback did not hold.
    """
    from bulk.app.play import trouble
    from bulk.app.surroundings import system
    from bulk.cli import logs
    from bulk.cli.running import run
    from bulk.core.rehearsal import report

    choice(output_form, "table", "json")
    logs.configure(form=choice(log_format, "text", "json"), verbosity=verbose, quiet=quiet)
    flags = {
        "format": form, "skip_invalid": skip_invalid, "profile": profile, "region": region,
        "project_id": project_id, "endpoint": endpoint, "rate": rate, "concurrency": concurrency,
        "max_failures": max_failures, "canary": canary, "strict": strict, "allow_parking": allow_parking,
        "max_changes": max_changes, "max_removed": max_removed, "max_consumers": max_consumers,
    }  # fmt: skip
    rehearsal = run(
        _rehearsed(job, flags, ids_of(limit), trouble(faults, tuple(limiter or ())), system(), quiet=quiet)
    )
    if output_form == "json":
        output.write_json(report.as_json(rehearsal))
    else:
        output.show(report.lines(rehearsal))
    return rehearsal.exit_code


async def _rehearsed(
    job: str,
    flags: dict[str, object],
    only: frozenset[str],
    trouble: "Trouble",
    around: "Surroundings",
    *,
    quiet: bool,
) -> "Rehearsal":
    from bulk.app.jobs import open_job
    from bulk.app.ledgers import is_ledger
    from bulk.app.planning import plan_job
    from bulk.app.rehearsing import rehearse as rehearse_plan

    operator = Onlooker(quiet=quiet)
    if is_ledger(job):
        return await rehearse_plan(Path(job), flags, trouble=trouble, around=around, operator=operator)
    with TemporaryDirectory(prefix="bulk-") as folder:
        plan = Path(folder) / "plan.ledger.jsonl"
        await plan_job(open_job(job, flags, only=only), around=around, out=plan, shown=lambda _: None)
        return await rehearse_plan(plan, {}, trouble=trouble, around=around, operator=operator)


class Onlooker:
    """An operator who looks on and lets everything happen: it is only a rehearsal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def show_plan(self, report: "Report") -> None:
        """Show nothing: `bulk plan` does."""

    def show_result(self, report: "Report", ledger: Path) -> None:
        """Show nothing: the rehearsal's own report does."""

    def confirms(self, changes: int) -> bool:  # noqa: ARG002 - an operator is told them
        """Say yes."""
        return True

    def watching(self, watched: "Watched") -> AbstractContextManager[None]:
        """Show the run while the block runs."""
        from bulk.cli import progress

        return progress.shown(watched, quiet=self._quiet)

    def told(self, message: str) -> None:
        """Say something on stderr."""
        if not self._quiet:
            output.told(message)
