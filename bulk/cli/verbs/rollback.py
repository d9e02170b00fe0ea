"""`bulk rollback`."""

import sys
from pathlib import Path

from bulk.cli import options, output
from bulk.cli.verbs.shared import REPORTS, choice, ids_of, show_report
from bulk.core.errors import ExitCode


def rollback(
    ledger: options.LedgerPath,
    apply: options.Apply = False,
    yes: options.Yes = False,
    only: options.Only = None,
    out: options.Out = "",
    endpoint: options.Endpoint = "",
    rate: options.Rate = "",
    concurrency: options.Concurrency = "",
    max_failures: options.MaxFailures = "",
    window: options.Window = "",
    strict: options.Strict = False,
    allow_parking: options.AllowParking = False,
    output_form: options.Output = "table",
    log_format: options.LogFormat = "text",
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> int:
    """Show what would take back what a run applied; with --apply, do it."""
    from bulk.app.rolling_back import plan_rollback, roll_back
    from bulk.app.surroundings import system
    from bulk.cli import logs
    from bulk.cli.running import run
    from bulk.cli.terminal import Terminal

    choice(output_form, *REPORTS)
    told = logs.configure(form=choice(log_format, "text", "json"), verbosity=verbose, quiet=quiet)
    flags = {
        "endpoint": endpoint, "rate": rate, "concurrency": concurrency, "max_failures": max_failures,
        "window": window, "strict": strict, "allow_parking": allow_parking,
    }  # fmt: skip
    if apply:
        terminal = Terminal(yes=yes, quiet=quiet, can_ask=sys.stdin.isatty())
        applied = run(
            roll_back(Path(ledger), flags, around=system(), operator=terminal, told=told, only=ids_of(only))
        )
        terminal.sum_up(applied, command=f"bulk rollback {ledger} --apply")
        return applied.exit_code
    planned = run(
        plan_rollback(
            Path(ledger),
            flags,
            around=system(),
            only=ids_of(only),
            out=Path(out) if out else None,
            shown=lambda report: show_report(report, output_form, more="add --output csv"),
        )
    )
    for finding in planned.findings:
        output.complain(str(finding))
    return ExitCode.REFUSED if planned.findings else ExitCode.OK
