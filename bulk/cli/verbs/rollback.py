"""`bulk rollback`."""

import sys
from pathlib import Path
from typing import Any

from bulk.cli import options, output
from bulk.cli.verbs.shared import ReportForm, ReportOutput, ids_of, show_report
from bulk.core.errors import ExitCode


@options.takes("endpoint", "rate", "concurrency", "max_failures", "window", "strict", "allow_parking")
def rollback(
    ledger: options.LedgerPath,
    apply: options.Apply = False,
    only: options.Only = None,
    yes: options.Yes = False,
    out: options.Out = "",
    output_form: ReportOutput = ReportForm.TABLE,
    log_format: options.LogFormat = options.LogForm.TEXT,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    **flags: Any,
) -> int:
    """Show what would take back what a run applied; with --apply, do it."""
    from bulk.app import rolling_back, surroundings
    from bulk.cli import logs, running, terminal

    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet)
    around, ids = surroundings.system(), ids_of(only)
    if apply:
        operator = terminal.Terminal(yes=yes, quiet=quiet, can_ask=sys.stdin.isatty())
        applied = running.run(
            rolling_back.roll_back(Path(ledger), flags, around=around, operator=operator, told=log, only=ids)
        )
        operator.sum_up(applied, command=f"bulk rollback {ledger} --apply")
        return applied.exit_code
    planned = running.run(
        rolling_back.plan_rollback(
            Path(ledger),
            flags,
            around=around,
            only=ids,
            out=Path(out) if out else None,
            shown=lambda report: show_report(report, output_form, more="add --output csv"),
        )
    )
    for finding in planned.findings:
        output.complain(str(finding))
    return ExitCode.REFUSED if planned.findings else ExitCode.OK
