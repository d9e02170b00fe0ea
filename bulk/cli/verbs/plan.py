"""`bulk plan`."""

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulk.cli import options
from bulk.cli.verbs.shared import (
    ReportForm,
    ReportOutput,
    again,
    apply_command,
    conclude,
    digest_of,
    environment,
    must_be_alone,
    notify_overruled,
    open_job,
    rows_to_retry,
    showing,
)
from bulk.errors import ExitCode

if TYPE_CHECKING:
    from bulk.app.forecast import Forecast
    from bulk.reports.report import Commands, Report


@options.takes(*options.ALL)
def plan(
    job: options.JobOrLedger,
    limit: options.Limit = None,
    retry: options.Retrying = None,
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
    from bulk.app import comparing, finding, planning, sources
    from bulk.cli import logs, running

    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet)
    notify_overruled(job, flags, quiet=quiet)
    here = environment(flags, can_ask=job != "-" and sys.stdin.isatty())
    shown = showing(output_form, partial(_commands, job, out), bom=bom, each=each, quiet=quiet)
    digest = digest_of(expect_digest)
    if finding.is_ledger(job) and not retry:
        must_be_alone(job, out=out, limit=limit)
        endpoint = sources.ApiAddress()  # nothing is saved
        each_record = log if verbose else None
        use_case = comparing.plan_ledger(Path(job), flags, here, shown, each_record, expect_digest=digest)
    else:
        opened = rows_to_retry if retry else open_job
        source, saved = opened(job, flags, limit=limit, quiet=quiet), Path(out) if out else None
        if source is None:
            return ExitCode.OK
        endpoint = source.endpoint
        use_case = planning.plan_from(source, here, saved, shown, log, expect_digest=digest)
    planned = running.run(use_case)
    ended = conclude(planned, out, endpoint, quiet=quiet)
    return _detailed(planned) if detailed_exitcode and not ended else ended


def _commands(job: str, out: str, report: "Report") -> "Commands":
    """Return the commands that a plan names: those that show more of it, and those that follow."""
    from bulk.app import finding, jobs
    from bulk.reports.report import Commands

    saved = out or (job if finding.is_ledger(job) else "")
    endpoint_meant = jobs.endpoint_of_ledger(report.progress)
    report_of_it = ["bulk", "report", out]  # the plan itself is saved, and saved once
    return Commands(
        each=shlex.join([*report_of_it, "--all"]) if out else again(job, "--all"),
        rows=shlex.join([*report_of_it, "--output", "csv"]) if out else again(job, "--output", "csv"),
        apply=endpoint_meant.apply_command(Path(saved)) if saved else apply_command(["apply"]),
        rollback=f"bulk rollback {shlex.quote(saved or job)}",
    )


def _detailed(planned: "Forecast") -> ExitCode:
    """Return the exit code of `--detailed-exitcode`."""
    if planned.refused:
        return ExitCode.SOME_FAILED
    return ExitCode.USAGE if planned.changes else ExitCode.OK
