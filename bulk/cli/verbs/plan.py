"""`bulk plan`."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulk.cli import options
from bulk.cli.verbs.shared import (
    ReportForm,
    ReportOutput,
    again,
    apply_command,
    around,
    conclude,
    digest_of,
    must_be_alone,
    notify_overruled,
    open_job,
    show_report,
)
from bulk.core.errors import ExitCode

if TYPE_CHECKING:
    from bulk.core.reports.model import Report


@options.takes(*options.ALL)
def plan(
    job: options.JobOrLedger,
    limit: options.Limit = None,
    expect_digest: options.ExpectDigest = None,
    out: options.Out = "",
    detailed_exitcode: options.DetailedExitcode = False,
    output_form: ReportOutput = ReportForm.TABLE,
    bom: options.Bom = False,
    each: options.Each = False,
    log_format: options.LogFormat = options.LogForm.TEXT,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    **flags: Any,
) -> int:
    """Read the fleet and show what would change; of a saved plan, show what moved since."""
    from bulk.app import comparing, jobs, ledgers, planning, sources
    from bulk.cli import logs, running

    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet)

    here = around(flags, can_ask=job != "-" and sys.stdin.isatty())
    digest = digest_of(expect_digest)
    notify_overruled(job, flags, quiet=quiet)

    def shown(report: "Report") -> None:
        from bulk.core.reports.model import Commands

        saved = out or (job if ledgers.is_ledger(job) else "")
        endpoint_meant = jobs.endpoint_of_ledger(report.progress)
        commands = Commands(
            each=again(job, "--all"),
            rows=again(job, "--output", "csv"),
            apply=endpoint_meant.apply_command(Path(saved)) if saved else apply_command(["apply"]),
            rollback=f"bulk rollback {shlex.quote(saved or job)}",
        )
        if not quiet or output_form is not ReportForm.TABLE:
            show_report(replace(report, commands=commands), output_form, bom=bom, each=each)

    if ledgers.is_ledger(job):
        must_be_alone(job, out=out, limit=limit)
        endpoint = sources.Endpoint()  # nothing is saved
        use_case = comparing.plan_ledger(
            Path(job),
            flags,
            around=here,
            shown=shown,
            on_record=log if verbose else None,
            expect_digest=digest,
        )
    else:
        source, saved = open_job(job, flags, limit=limit, quiet=quiet), Path(out) if out else None
        endpoint = source.endpoint
        use_case = planning.plan_from(
            source, around=here, out=saved, shown=shown, on_record=log, expect_digest=digest
        )
    planned = running.run(use_case)
    ended = conclude(planned, out, endpoint, quiet=quiet)
    if detailed_exitcode and not ended:
        if planned.refused:
            return ExitCode.SOME_FAILED
        return ExitCode.USAGE if planned.changes else ended
    return ended
