"""`bulk rehearse`."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bulk.cli import options, output
from bulk.cli.verbs.shared import environment, open_job

if TYPE_CHECKING:
    from bulk.app.environment import Environment
    from bulk.app.rehearsal_context import RehearsedFaults
    from bulk.app.watched import Watched
    from bulk.ledger.file import OnRecord
    from bulk.rehearsal import Rehearsal
    from bulk.reports.report import Report


@options.takes(*(name for name in options.ALL if name != "window"))
def rehearse(
    job: options.JobOrLedger,
    limit: options.Limit = None,
    faults: options.Faults = "{}",
    limiter: options.Limiter = None,
    output_form: options.PlainOutput = options.PlainForm.TABLE,
    log_format: options.LogFormat = options.LogForm.TEXT,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    **flags: Any,
) -> int:
    """Run the plan, a kill, the resume and the rollback on a copy of the fleet; nothing real is changed.

    Exits as `bulk apply` would, or with 1 where kill, resume or rollback did not hold.
    """
    from bulk.app.rehearsal_context import read_faults
    from bulk.cli import logs, running
    from bulk.rehearsal import rehearsal_report as report

    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet or not verbose)
    wanted = read_faults(faults, tuple(limiter or ()))
    here = environment(flags, can_ask=job != "-" and sys.stdin.isatty())
    rehearsal = running.run(
        _rehearsed(job, flags, limit, wanted, here, log, RehearsalOperator(quiet=quiet), quiet=quiet)
    )
    if output_form is options.PlainForm.JSON:
        output.write_json(report.as_json(rehearsal))
    else:
        output.show(report.lines(rehearsal))
    return rehearsal.exit_code


async def _rehearsed(
    job: str,
    flags: dict[str, object],
    limit: str | None,
    wanted: "RehearsedFaults",
    environment: "Environment",
    on_record: "OnRecord",
    onlooker: "RehearsalOperator",
    *,
    quiet: bool,
) -> "Rehearsal":
    from bulk.app import finding, planning, rehearsing

    plan = Path(job)
    with TemporaryDirectory(prefix="bulk-") as folder:
        if not finding.is_ledger(job):
            source, flags = open_job(job, flags, limit=limit, quiet=quiet), {}
            plan = Path(folder) / "plan.ledger.jsonl"
            await planning.plan_from(source, environment=environment, out=plan, shown=lambda _: None)
        return await rehearsing.rehearse(
            plan, flags, faults=wanted, environment=environment, operator=onlooker, on_record=on_record
        )


class RehearsalOperator:
    """An operator who looks on and lets everything happen: it is only a rehearsal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def show_plan(self, report: "Report") -> None:
        """Show nothing: `bulk plan` does."""

    def show_result(self, report: "Report", ledger: Path) -> None:
        """Show nothing: the rehearsal's own report does."""

    def confirms(self, question: str) -> bool:  # noqa: ARG002 - an operator is asked it
        """Return True: nobody is asked."""
        return True

    def watching(self, watched: "Watched") -> AbstractContextManager[None]:
        """Show the run while the block runs."""
        from bulk.cli import display as progress

        return progress.shown(watched, quiet=self._quiet)

    def notify(self, message: str) -> None:
        """Write a message on stderr."""
        if not self._quiet:
            output.notify(message)
