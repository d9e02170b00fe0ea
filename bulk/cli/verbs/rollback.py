"""`bulk rollback`."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulk.cli import options, output
from bulk.cli.command import place_of
from bulk.cli.verbs.shared import (
    ReportForm,
    ReportOutput,
    apply_command,
    around,
    conclude,
    ids_of,
    ledger_of,
    show_report,
)
from bulk.core.errors import UsageError

if TYPE_CHECKING:
    from bulk.core.reports.model import Report


@options.takes("endpoint", *options.PACE, "max_failures", "window", "strict", "allow_parking")
def rollback(
    run: options.Run = "",
    apply: options.Apply = False,
    dry_run: options.DryRun = False,
    only: options.Only = None,
    yes: options.Yes = False,
    out: options.Out = "",
    output_form: ReportOutput = ReportForm.TABLE,
    bom: options.Bom = False,
    each: options.Each = False,
    log_format: options.LogFormat = options.LogForm.TEXT,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    **flags: Any,
) -> int:
    """Show what would take back what a run applied; with --apply, do it."""
    from bulk.app import applying, planning, rolling_back
    from bulk.cli import logs, running, terminal

    apply = apply and not dry_run
    if apply and out:
        place = place_of(out, "--out")
        raise UsageError(
            f"{place} saves a plan and --apply runs one",
            hint="leave out --apply to save the plan, and run it with "
            f"`bulk apply {shlex.quote(out)}`; leave out {place} to run it now",
        )

    def shown(report: "Report") -> None:
        from bulk.core.reports.model import Commands

        commands = Commands(
            each=output.command("--all"),
            rows=output.command("--output", "csv"),
            apply=source.endpoint.apply_command(Path(out))
            if out
            else f"{apply_command(['rollback'])} --apply",
        )
        if not quiet or output_form is not ReportForm.TABLE:
            show_report(replace(report, commands=commands), output_form, bom=bom, each=each)

    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet)
    here, path = around(flags, can_ask=sys.stdin.isatty() and not yes), ledger_of(run)
    at_rest = apply or bool(out)
    with rolling_back.run_to_roll_back(path, flags, only=ids_of(only), at_rest=at_rest) as source:
        if apply:
            operator = terminal.Terminal(
                yes=yes,
                quiet=quiet,
                can_ask=sys.stdin.isatty(),
                dry_run="leave out --apply",
                each_row=f"bulk rollback {shlex.quote(str(path))} --all",
            )
            applied = running.run(
                applying.apply_from(source.as_unread(), flags, around=here, operator=operator, on_record=log)
            )
            operator.sum_up(applied)
            return applied.exit_code
        planned = running.run(
            planning.plan_from(
                source,
                around=here,
                out=Path(out) if out else None,
                shown=shown,
                on_record=log,
            )
        )
        return conclude(planned, out, source.endpoint, quiet=quiet)
