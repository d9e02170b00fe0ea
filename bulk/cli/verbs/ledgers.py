"""The verbs that look at a ledger and nothing else: `bulk status`, `bulk report`."""

import shlex
from dataclasses import replace

from bulk.cli import options, output
from bulk.cli.verbs.shared import ReportForm, ReportOutput, ledger_of, show_report
from bulk.core.errors import ExitCode


def status(run: options.Run = "", output_form: options.PlainOutput = options.PlainForm.TABLE) -> int:
    """Show where a run stands, from its ledger alone: live, dead or finished."""
    from bulk.app import jobs, ledgers
    from bulk.core.reports import status as status_report

    path = ledger_of(run)
    found = ledgers.status(path)
    progress, alive = found.progress, found.alive
    if output_form is options.PlainForm.JSON:
        status_json = status_report.as_json(progress, alive=alive)
        output.write_json({"ledger": str(path), **status_json, "by_summary": found.by_summary})
    else:
        flag = jobs.endpoint_of_ledger(progress).flag
        ledger = shlex.quote(str(path))
        output.show(status_report.lines(progress, alive=alive, ledger=ledger, flag=flag))
        if found.by_summary:
            output.notify(f"from the summary beside the ledger; `bulk audit {ledger}` reads every line")
    return ExitCode.OK


def report(
    run: options.Run = "",
    output_form: ReportOutput = ReportForm.TABLE,
    each: options.Each = False,
    bom: options.Bom = False,
) -> int:
    """Write the report of a plan or a run."""
    from bulk.app import jobs, ledgers
    from bulk.core.reports.model import Commands

    path = ledger_of(run)
    with ledgers.reading(path) as reader:
        with_timeline = output_form not in {ReportForm.TABLE, ReportForm.CSV}
        whole = ledgers.report(path, reader, with_timeline=with_timeline)
        commands = Commands(
            each=output.command("--all"),
            rows=output.command("--output", "csv"),
            apply=jobs.endpoint_of_ledger(reader.progress).apply_command(path),
            rollback=f"bulk rollback {shlex.quote(str(path))}",
        )
        show_report(replace(whole, commands=commands), output_form, bom=bom, each=each)
    return ExitCode.OK
