"""`bulk apply`."""

import sys
from pathlib import Path
from typing import Any

from bulk.cli import options
from bulk.cli.verbs.plan import plan
from bulk.cli.verbs.shared import choice, digest_of, ids_of
from bulk.core.errors import UsageError


def apply(
    job: options.JobOrLedger,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    form: options.Format = "",
    limit: options.Limit = None,
    skip_invalid: options.SkipInvalid = False,
    new_run: options.NewRun = False,
    expect_digest: options.ExpectDigest = None,
    ledger: options.LedgerOption = "",
    profile: options.Profile = "",
    region: options.Region = "",
    project_id: options.ProjectId = "",
    endpoint: options.Endpoint = "",
    rate: options.Rate = "",
    concurrency: options.Concurrency = "",
    max_failures: options.MaxFailures = "",
    canary: options.Canary = "",
    window: options.Window = "",
    strict: options.Strict = False,
    allow_parking: options.AllowParking = False,
    max_changes: options.MaxChanges = "",
    max_removed: options.MaxRemoved = "",
    max_consumers: options.MaxConsumers = "",
    log_format: options.LogFormat = "text",
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> int:
    """Plan, show, ask and run; or run exactly a saved plan; or go on with a run that stopped."""
    from bulk.app.applying import apply_job, apply_ledger
    from bulk.app.jobs import open_job
    from bulk.app.ledgers import is_ledger
    from bulk.app.surroundings import system
    from bulk.cli import logs
    from bulk.cli.running import run
    from bulk.cli.terminal import Terminal

    flags: dict[str, Any] = {
        "skip_invalid": skip_invalid, "profile": profile, "region": region, "project_id": project_id,
        "endpoint": endpoint, "rate": rate, "concurrency": concurrency, "window": window, "strict": strict,
        "allow_parking": allow_parking, "max_changes": max_changes, "max_removed": max_removed,
        "max_consumers": max_consumers,
    }  # fmt: skip
    if dry_run:
        talk: dict[str, Any] = {"log_format": log_format, "verbose": verbose, "quiet": quiet}
        return plan(job, form=form, limit=limit, expect_digest=expect_digest, **flags, **talk)
    told = logs.configure(form=choice(log_format, "text", "json"), verbosity=verbose, quiet=quiet)
    flags |= {"format": form, "max_failures": max_failures, "canary": canary}
    terminal = Terminal(yes=yes, quiet=quiet, can_ask=job != "-" and sys.stdin.isatty())
    around = system()
    digest = digest_of(expect_digest)
    if is_ledger(job):
        if limit is not None or ledger:
            raise UsageError("a ledger is applied as it is", hint="--limit and --ledger go with a JOB")
        applying = apply_ledger(
            Path(job),
            flags,
            around=around,
            operator=terminal,
            told=told,
            expect_digest=digest,
        )
    else:
        applying = apply_job(
            open_job(job, flags, only=ids_of(limit)),
            flags,
            around=around,
            operator=terminal,
            told=told,
            new_run=new_run,
            ledger=Path(ledger) if ledger else None,
            expect_digest=digest,
        )
    applied = run(applying)
    terminal.sum_up(applied, command=f"bulk apply {job}" + (" --yes" if yes else ""))
    return applied.exit_code
