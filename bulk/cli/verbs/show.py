"""The verbs that look at a ledger and nothing else: `bulk status`, `bulk report`."""

import shlex
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from bulk.cli import options, output
from bulk.cli.command import place_of
from bulk.cli.verbs.shared import ReportForm, ReportOutput, ledger_of, local_time, show_report
from bulk.errors import ExitCode, NoRun, UsageError
from bulk.model import Issue
from bulk.settings.forms import AGE

if TYPE_CHECKING:
    from pathlib import Path

    from bulk.app.ledgers import RunState
    from bulk.ledger.file import LedgerReader
    from bulk.model import Outcome
    from bulk.plan import Estimate
    from bulk.plan.waves import Wave
    from bulk.reports.run_status import RunStatus


def status(
    run: options.Run = "",
    check: options.Check = False,
    since: options.Since = None,
    output_form: options.StatusOutput = options.StatusForm.TABLE,
) -> int:
    """Show where a run stands, from its ledger alone: live, dead or finished."""
    from bulk.app import ledgers
    from bulk.clock import SystemClock
    from bulk.reports import as_prom, run_status

    age_s = _age_s(since, check=check)
    try:
        path = ledger_of(run)
    except NoRun as error:
        if not check:
            raise
        return _no_run(error, output_form)
    found = ledgers.status(path)
    now = datetime.fromtimestamp(SystemClock().now(), output.zone())  # also where `TZ` names no zone
    latest = ledgers.run_status_of(path, found, now)
    standing = latest if age_s is None else run_status.within(latest, age_s)
    match output_form:
        case options.StatusForm.JSON:
            output.write_json(ledgers.status_json(path, standing, by_summary=found.by_summary))
        case options.StatusForm.PROM:
            output.write([as_prom.render(as_prom.samples(standing)).decode()])
        case options.StatusForm.TABLE:
            _show_status(path, found, standing)
            if standing is not latest:
                output.notify(standing.reason)
        case _:
            assert_never(output_form)
    return standing.exit_code if check else ExitCode.OK


def _show_status(path: "Path", found: "RunState", standing: "RunStatus") -> None:
    """Show where a run stands, for people."""
    from bulk.app import jobs
    from bulk.reports import status as status_report

    ledger, by = shlex.quote(str(path)), found.rolled_back_by
    output.show(
        status_report.lines(
            found.progress,
            alive=found.alive,
            ledger=ledger,
            flag=jobs.endpoint_of_ledger(found.progress).flag,
            rolled_back_by=shlex.quote(str(by)) if by else "",
            zone=output.zone(),
            standing=standing,
        )
    )
    if found.by_summary:
        output.notify(f"from the summary beside the ledger; `bulk audit {ledger}` reads every line")


def _age_s(since: str | None, *, check: bool) -> float | None:
    """Read the value of `--since`, in seconds; None where it is not given."""
    if since is None:
        return None
    if not check:
        raise UsageError(
            f"{place_of(since, '--since')} means nothing without --check", hint="add --check, or leave it out"
        )
    age = AGE.read(since)
    if isinstance(age, Issue):
        raise UsageError(f"{place_of(since, '--since')} {age.message}", hint=age.hint)
    return age.seconds


def _no_run(error: NoRun, output_form: options.StatusForm) -> ExitCode:
    """Show that a job has no run; `bulk apply` begins one, as it goes on with one that stopped."""
    code = ExitCode.STOPPED_EARLY
    if output_form is options.StatusForm.JSON:
        known = {"ledger": None, "state": "none", "exit_code": code, "reason": error.message}
        output.write_json(known)
    else:
        comment = "# " if output_form is options.StatusForm.PROM else ""
        output.write([f"{comment}{error.message}\n"])
    return code


def report(
    run: options.Run = "",
    only: options.OnlyOutcomes = None,
    output_form: ReportOutput = ReportForm.TABLE,
    each: options.Each = False,
    bom: options.Bom = False,
) -> int:
    """Write the report of a plan or a run."""
    from bulk.app import jobs, ledgers
    from bulk.reports import as_table
    from bulk.reports.report import Commands

    outcomes = outcomes_of(only)
    has_no_totals = output_form in {ReportForm.TABLE, ReportForm.CSV}
    if outcomes and not has_no_totals:
        raise UsageError(
            f"{place_of(only or '', '--only')} leaves rows out, which the totals of {output_form} would miss",
            hint="add --output csv, or leave it out",
        )
    path = ledger_of(run)
    with ledgers.reading(path) as reader:
        estimate, waves = (None, ()) if reader.progress.sessions else plan_ahead(reader)
        whole = ledgers.report(
            path, reader, with_timeline=not has_no_totals, only=outcomes, estimate=estimate, waves=waves
        )
        if outcomes and output_form is ReportForm.TABLE:
            output.show(as_table.every_row(whole))
            return ExitCode.OK
        commands = Commands(
            each=output.command("--all"),
            rows=output.command("--output", "csv"),
            apply=jobs.endpoint_of_ledger(reader.progress).apply_command(path),
            rollback=f"bulk rollback {shlex.quote(str(path))}",
        )
        show_report(replace(whole, commands=commands), output_form, bom=bom, each=each)
    return ExitCode.OK


def plan_ahead(reader: "LedgerReader") -> "tuple[Estimate, tuple[Wave, ...]]":
    """Return how long a saved plan takes from now on, and its waves."""
    from bulk.app.forecast import forecast_of
    from bulk.app.jobs import job_of_ledger

    job, _ = job_of_ledger(reader.progress, {})
    ahead = forecast_of(reader, job, local_time)
    return ahead.estimate, ahead.waves.waves


def outcomes_of(only: str | None) -> "frozenset[Outcome]":
    """Read the value of `--only`: outcomes by their names in a ledger, none where it is not given."""
    from bulk.model import Outcome

    if only is None:
        return frozenset()
    names = {name.strip() for name in only.split(",")} - {""}
    if not names or not names <= set(Outcome):
        raise UsageError(
            f"{place_of(only, '--only')} {only!r}: write one or more of {', '.join(Outcome)}",
            hint="for what the API rejected: failed; for what the plan did: refused",
        )
    return frozenset(map(Outcome, names))
