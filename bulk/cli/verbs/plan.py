"""`bulk plan`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulk.cli import options
from bulk.cli.verbs.shared import (
    ReportForm,
    ReportOutput,
    around,
    conclude,
    digest_of,
    must_be_alone,
    open_job,
    show_report,
    whole_plan,
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
    log_format: options.LogFormat = options.LogForm.TEXT,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    **flags: Any,
) -> int:
    """Read the fleet and show what would change; of a saved plan, show what moved since."""
    from bulk.app import comparing, ledgers, planning, sources
    from bulk.cli import logs, running

    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet)

    def shown(report: "Report") -> None:
        show_report(report, output_form, more=whole_plan(job), bom=bom)

    here = around(flags, can_ask=job != "-" and sys.stdin.isatty())
    digest = digest_of(expect_digest)
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
    ended = conclude(planned, out, endpoint)
    return ExitCode.USAGE if detailed_exitcode and planned.changes and not ended else ended
