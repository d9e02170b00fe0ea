"""`bulk rollback`."""

import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulk.cli import options, output
from bulk.cli.command import place_of
from bulk.cli.verbs.shared import (
    OF_A_RUN,
    ReportForm,
    ReportOutput,
    announced,
    apply_command,
    carried_out,
    conclude,
    environment,
    ids_of,
    ledger_of,
    showing,
    words_without,
)
from bulk.errors import UsageError

if TYPE_CHECKING:
    from bulk.app.sources import ApiAddress
    from bulk.reports.report import Commands, Report


@options.takes(
    "ticket", "endpoint", "via", *options.PACE, "max_failures", "window", "strict", "allow_parking"
)
def rollback(
    run: options.Run = "",
    apply: options.Apply = False,
    dry_run: options.DryRun = False,
    only: options.Only = None,
    yes: options.Yes = False,
    wait: options.Wait = False,
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
    if apply:
        _must_not_be_saved(out)
    log = logs.configure(form=log_format, verbose=verbose, quiet=quiet)
    can_ask = sys.stdin.isatty()
    here, path = environment(flags, can_ask=can_ask and not yes), ledger_of(run, must_be_sure=True)
    with rolling_back.run_to_roll_back(path, flags, only=ids_of(only), at_rest=apply or bool(out)) as source:
        if apply:
            with announced("rollback", str(path), flags, quiet=quiet) as announcer:
                whole, ask = _whole(path, run), {"yes": yes, "can_ask": can_ask}
                operator = terminal.Terminal(**ask, quiet=quiet, dry_run="leave out --apply", each_row=whole)
                asked = applying.ApplyRequest(replace(here, announcer=announcer), operator, log, waits=wait)
                use_case = applying.apply_from(source.as_unread(), flags, asked)
                return carried_out(use_case, operator, announcer)
        saved, commands_of = Path(out) if out else None, partial(_commands, source.endpoint, out)
        shown = showing(output_form, commands_of, bom=bom, each=each, quiet=quiet)
        plan = planning.plan_from(source, environment=here, out=saved, shown=shown, on_record=log)
        return conclude(running.run(plan), out, source.endpoint, quiet=quiet)


def _whole(path: Path, run: str) -> str:
    """Return the command that shows each row of the same rollback."""
    words = [word for word in words_without(output.given()[1:], OF_A_RUN) if word != run]
    return shlex.join(["bulk", "rollback", str(path), *words, "--all"])


def _must_not_be_saved(out: str) -> None:
    if out:
        place = place_of(out, "--out")
        raise UsageError(
            f"{place} saves a plan and --apply runs one",
            hint="leave out --apply to save the plan, and run it with "
            f"`bulk apply {shlex.quote(out)}`; leave out {place} to run it now",
        )


def _commands(endpoint: "ApiAddress", out: str, _: "Report") -> "Commands":
    """Return the commands that the plan of a rollback names."""
    from bulk.reports.report import Commands

    return Commands(
        each=output.command("--all"),
        rows=output.command("--output", "csv"),
        apply=endpoint.apply_command(Path(out)) if out else f"{apply_command(['rollback'])} --apply",
    )
