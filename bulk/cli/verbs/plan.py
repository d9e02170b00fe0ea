"""`bulk plan`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from bulk.cli import options, output
from bulk.cli.verbs.shared import REPORTS, choice, digest_of, ids_of, show_report
from bulk.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from bulk.core.reports.model import Report


def plan(
    job: options.JobOrLedger,
    out: options.Out = "",
    form: options.Format = "",
    limit: options.Limit = None,
    expect_digest: options.ExpectDigest = None,
    skip_invalid: options.SkipInvalid = False,
    profile: options.Profile = "",
    region: options.Region = "",
    project_id: options.ProjectId = "",
    endpoint: options.Endpoint = "",
    rate: options.Rate = "",
    concurrency: options.Concurrency = "",
    window: options.Window = "",
    strict: options.Strict = False,
    allow_parking: options.AllowParking = False,
    max_changes: options.MaxChanges = "",
    max_removed: options.MaxRemoved = "",
    max_consumers: options.MaxConsumers = "",
    detailed_exitcode: options.DetailedExitcode = False,
    output_form: options.Output = "table",
    log_format: options.LogFormat = "text",
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> int:
    """Read the fleet and show what would change; of a saved plan, show what moved since."""
    from bulk.app.comparing import plan_ledger
    from bulk.app.jobs import open_job
    from bulk.app.ledgers import is_ledger
    from bulk.app.planning import plan_job
    from bulk.app.surroundings import system
    from bulk.cli import logs
    from bulk.cli.running import run

    choice(output_form, *REPORTS)
    logs.configure(form=choice(log_format, "text", "json"), verbosity=verbose, quiet=quiet)
    flags = {
        "format": form, "skip_invalid": skip_invalid, "profile": profile, "region": region,
        "project_id": project_id, "endpoint": endpoint, "rate": rate, "concurrency": concurrency,
        "window": window, "strict": strict, "allow_parking": allow_parking, "max_changes": max_changes,
        "max_removed": max_removed, "max_consumers": max_consumers,
    }  # fmt: skip

    def shown(report: "Report") -> None:
        show_report(report, output_form, more=f"bulk plan {job} --output csv")

    digest = digest_of(expect_digest)
    if is_ledger(job):
        if out or limit is not None:
            raise UsageError("a saved plan is shown as it is", hint="--out and --limit go with a JOB")
        planned = run(plan_ledger(Path(job), flags, around=system(), shown=shown, expect_digest=digest))
    else:
        opened = open_job(job, flags, only=ids_of(limit))
        saved = Path(out) if out else None
        planned = run(plan_job(opened, around=system(), out=saved, shown=shown, expect_digest=digest))
    if out:
        output.told(f"the plan is saved; to run exactly it: bulk apply {shlex.quote(out)}")
    for finding in planned.findings:
        output.complain(str(finding))
    if planned.findings:
        return ExitCode.REFUSED
    return ExitCode.USAGE if detailed_exitcode and planned.changes else ExitCode.OK
