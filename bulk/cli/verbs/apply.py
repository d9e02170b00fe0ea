"""`bulk apply`."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulk.cli import options
from bulk.cli.verbs.plan import plan
from bulk.cli.verbs.shared import (
    OF_A_RUN,
    again,
    announced,
    carried_out,
    despite_of,
    digest_of,
    environment,
    must_be_alone,
    notify_overruled,
    unread_job,
    unread_retry,
)
from bulk.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from bulk.app.overruling import Despite
    from bulk.cli.terminal import Terminal


@options.takes(*options.ALL)
def apply(
    job: options.JobOrLedger,
    dry_run: options.DryRun = False,
    new_run: options.NewRun = False,
    despite: options.Despite = None,
    limit: options.Limit = None,
    retry: options.Retrying = None,
    expect_digest: options.ExpectDigest = None,
    yes: options.Yes = False,
    wait: options.Wait = False,
    ledger: options.LedgerOption = "",
    each: options.Each = False,
    log_format: options.LogFormat = options.LogForm.TEXT,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    **flags: Any,
) -> int:
    """Plan, show, ask and run; or run exactly a saved plan; or continue a run that stopped."""
    overruled = despite_of(despite)
    if dry_run:
        flags |= {"log_format": log_format, "verbose": verbose, "quiet": quiet, "each": each}
        return _plan(overruled, job, limit=limit, retry=retry, expect_digest=expect_digest, **flags)
    is_ledger = not retry and _is_free_ledger(job, limit=limit, ledger=ledger, new_run=new_run)
    from bulk.app import applying
    from bulk.cli import logs

    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet)
    with announced("apply", job, flags, quiet=quiet) as announcer:
        operator = _operator(job, flags, yes=yes, quiet=quiet, each=each)
        here = replace(environment(flags, can_ask=operator.can_ask), announcer=announcer)
        asked = applying.ApplyRequest(here, operator, log, digest_of(expect_digest), overruled, waits=wait)
        if is_ledger:
            return carried_out(applying.apply_ledger(Path(job), flags, asked), operator, announcer)
        kept, opened = Path(ledger) if ledger else None, unread_retry if retry else unread_job
        with opened(job, flags, limit=limit, quiet=quiet) as unread:
            if unread is None:
                return ExitCode.OK
            use_case = applying.apply_from(unread, flags, asked, new_run=new_run, ledger=kept)
            return carried_out(use_case, operator, announcer)


def _operator(job: str, flags: dict[str, Any], *, yes: bool, quiet: bool, each: bool) -> "Terminal":
    """Return the operator of the run; nobody can be asked where the rows come from standard input."""
    from bulk.cli.terminal import Terminal

    can_ask, rows = job != "-" and sys.stdin.isatty(), again(job, "-n", "--all", without=OF_A_RUN)
    operator = Terminal(yes=yes, quiet=quiet, can_ask=can_ask, dry_run="-n", each_row=rows, each=each)
    notify_overruled(job, flags, quiet=quiet)
    return operator


def _plan(overruled: "tuple[Despite, ...]", job: str, **words: Any) -> int:
    """Show the plan and nothing else."""
    if overruled:
        raise UsageError("--dry-run sends nothing, so --despite means nothing", hint="leave one of them out")
    return plan(job, **words)


def _is_free_ledger(job: str, **words: Any) -> bool:
    """Return whether a ledger is named; raises LedgerBusy, before anything slow is imported."""
    from bulk.app import finding

    if not finding.is_ledger(job):
        return False
    must_be_alone(job, **words)
    finding.must_be_free(Path(job))
    return True
