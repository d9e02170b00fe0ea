"""The verbs that look at a ledger and nothing else: `bulk status`, `bulk report`."""

from bulk.cli import options, output
from bulk.cli.verbs.shared import REPORTS, choice, show_report
from bulk.core.errors import ExitCode


def status(ledger: options.LedgerOrJob = "", output_form: options.Output = "table") -> int:
    """Say where a run stands, from its ledger alone: live, dead or finished."""
    from bulk.app.ledgers import latest_ledger
    from bulk.app.ledgers import status as status_of
    from bulk.core.reports import status as status_report

    path = latest_ledger(ledger)
    progress, alive = status_of(path)
    if choice(output_form, "table", "json") == "json":
        output.write_json({"ledger": str(path), **status_report.as_json(progress, alive=alive)})
    else:
        output.show(status_report.lines(progress, alive=alive, resume=f"bulk apply {path}"))
    return ExitCode.OK


def report(ledger: options.LedgerOrJob, output_form: options.Output = "table") -> int:
    """Give the report of a plan or a run: as table, csv, json, md or html."""
    from bulk.app.ledgers import latest_ledger, reading
    from bulk.app.ledgers import report as report_of

    choice(output_form, *REPORTS)
    path = latest_ledger(ledger)
    with reading(path) as reader:
        told = report_of(path, reader, with_timeline=output_form not in {"table", "csv"})
        show_report(told, output_form, more=f"bulk report {path} --output csv")
    return ExitCode.OK
