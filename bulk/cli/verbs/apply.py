"""`bulk apply`."""

import sys
from pathlib import Path
from typing import Any

from bulk.cli import options
from bulk.cli.verbs.plan import plan
from bulk.cli.verbs.shared import (
    again,
    around,
    despite_of,
    digest_of,
    must_be_alone,
    notify_overruled,
    unread_job,
)
from bulk.core.errors import UsageError


@options.takes(*options.ALL)
def apply(
    job: options.JobOrLedger,
    dry_run: options.DryRun = False,
    new_run: options.NewRun = False,
    despite: options.Despite = None,
    limit: options.Limit = None,
    expect_digest: options.ExpectDigest = None,
    yes: options.Yes = False,
    ledger: options.LedgerOption = "",
    each: options.Each = False,
    log_format: options.LogFormat = options.LogForm.TEXT,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    **flags: Any,
) -> int:
    """Plan, show, ask and run; or run exactly a saved plan; or continue a run that stopped."""
    from bulk.app import ledgers

    overruled = despite_of(despite)
    if dry_run and overruled:
        raise UsageError("--dry-run sends nothing, so --despite means nothing", hint="leave one of them out")
    if dry_run:
        talk: dict[str, Any] = {"log_format": log_format, "verbose": verbose, "quiet": quiet, "each": each}
        return plan(job, limit=limit, expect_digest=expect_digest, **talk, **flags)
    if is_ledger := ledgers.is_ledger(job):
        must_be_alone(job, limit=limit, ledger=ledger, new_run=new_run)
        ledgers.must_be_free(Path(job))  # before all that takes time to load
    from bulk.app import applying
    from bulk.cli import logs, running, terminal

    can_ask = job != "-" and sys.stdin.isatty()
    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet)
    operator = terminal.Terminal(
        yes=yes,
        quiet=quiet,
        can_ask=can_ask,
        dry_run="-n",
        each_row=again(job, "-n", "--all"),
        each=each,
    )
    here = around(flags, can_ask=can_ask and not yes)
    digest = digest_of(expect_digest)
    notify_overruled(job, flags, quiet=quiet)
    if is_ledger:
        applied = running.run(
            applying.apply_ledger(
                Path(job),
                flags,
                around=here,
                operator=operator,
                on_record=log,
                expect_digest=digest,
                despite=overruled,
            )
        )
    else:
        with unread_job(job, flags, limit=limit, quiet=quiet) as unread:
            applied = running.run(
                applying.apply_from(
                    unread,
                    flags,
                    around=here,
                    operator=operator,
                    on_record=log,
                    new_run=new_run,
                    ledger=Path(ledger) if ledger else None,
                    expect_digest=digest,
                    despite=overruled,
                )
            )
    operator.sum_up(applied)
    return applied.exit_code
