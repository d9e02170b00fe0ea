"""The verbs: each turns its words into one call of `app` and shows what comes back.

Whatever is heavy is imported where it is used, so that `bulk --help` answers at once.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulk.cli import options, output
from bulk.core.errors import ExitCode, JobInvalid, UsageError

if TYPE_CHECKING:
    from bulk.app.jobs import OpenedJob
    from bulk.core.model import Issue


def check(
    job: options.Job = "",
    form: options.Format = "",
    region: options.Region = "",
    output_form: options.Output = "table",
    schema: options.Schema = "",
) -> int:
    """Check every row of a job, offline: all problems at once, with file:line:column."""
    import orjson

    from bulk.app.jobs import survey_job
    from bulk.core.reports import issues as issues_report

    if schema:
        output.write([orjson.dumps(_schema(schema), option=orjson.OPT_INDENT_2).decode() + "\n"])
        return ExitCode.OK
    rows, found = 0, tuple["Issue", ...]()
    try:
        survey = survey_job(_required(job, "JOB"), {"format": form, "region": region})
        rows, found = survey.rows, survey.issues
    except JobInvalid as invalid:
        found = invalid.issues
    if _choice(output_form, "table", "json") == "json":
        report = issues_report.as_json(found, rows=rows)
        output.write([orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n"])
    else:
        output.show(issues_report.lines(found, rows=rows))
    return ExitCode.INVALID if found else ExitCode.OK


def plan(
    job: options.Job,
    out: options.Out = "",
    form: options.Format = "",
    limit: options.Limit = "",
    skip_invalid: options.SkipInvalid = False,
    profile: options.Profile = "",
    region: options.Region = "",
    project_id: options.ProjectId = "",
    endpoint: options.Endpoint = "",
    rate: options.Rate = "",
    concurrency: options.Concurrency = "",
    window: options.Window = "",
    strict: options.Strict = False,
    detailed_exitcode: options.DetailedExitcode = False,
    output_form: options.Output = "table",
    log_format: options.LogFormat = "text",
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> int:
    """Read the fleet and show what would change; nothing is written to it."""
    from bulk.app.planning import plan_job
    from bulk.app.surroundings import system
    from bulk.cli import logs
    from bulk.cli.main import run

    _choice(output_form, *_REPORTS)
    logs.configure(form=_choice(log_format, "text", "json"), verbosity=verbose, quiet=quiet)
    opened = _opened(job, limit, {
        "format": form, "skip_invalid": skip_invalid, "profile": profile, "region": region,
        "project_id": project_id, "endpoint": endpoint, "rate": rate, "concurrency": concurrency,
        "window": window, "strict": strict,
    })  # fmt: skip
    planned = run(
        plan_job(
            opened,
            around=system(),
            out=Path(out) if out else None,
            shown=lambda report: _show_report(report, output_form, more="bulk plan JOB --output csv"),
        )
    )
    if out:
        output.told(f"the plan is saved; to run exactly it: bulk apply {out}")
    if planned.refused and strict:
        return ExitCode.REFUSED
    return ExitCode.USAGE if detailed_exitcode and planned.changes else ExitCode.OK


def apply(
    job: options.JobOrLedger,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    form: options.Format = "",
    limit: options.Limit = "",
    skip_invalid: options.SkipInvalid = False,
    new_run: options.NewRun = False,
    expect_digest: options.ExpectDigest = "",
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
    log_format: options.LogFormat = "text",
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> int:
    """Plan, show, ask and run; or run exactly a saved plan; or go on with a run that stopped."""
    from bulk.app.applying import apply_job, apply_ledger
    from bulk.app.ledgers import is_ledger
    from bulk.app.surroundings import system
    from bulk.cli import logs
    from bulk.cli.main import run
    from bulk.cli.terminal import Terminal

    if dry_run:
        return plan(
            job, form=form, limit=limit, skip_invalid=skip_invalid, profile=profile, region=region,
            project_id=project_id, endpoint=endpoint, rate=rate, concurrency=concurrency, window=window,
            strict=strict, log_format=log_format, verbose=verbose, quiet=quiet,
        )  # fmt: skip
    if not yes and (job == "-" or not sys.stdin.isatty()):
        raise UsageError(
            "there is no terminal to ask for a yes", hint="add --yes to go ahead, or -n to see the plan only"
        )
    logs.configure(form=_choice(log_format, "text", "json"), verbosity=verbose, quiet=quiet)
    flags: dict[str, Any] = {
        "format": form, "skip_invalid": skip_invalid, "profile": profile, "region": region,
        "project_id": project_id, "endpoint": endpoint, "rate": rate, "concurrency": concurrency,
        "max_failures": max_failures, "canary": canary, "window": window, "strict": strict,
    }  # fmt: skip
    terminal = Terminal(yes=yes, quiet=quiet)
    around = system()
    if is_ledger(job):
        if limit or ledger:
            raise UsageError("a ledger is applied as it is", hint="--limit and --ledger go with a JOB")
        applied = run(
            apply_ledger(
                Path(job),
                flags,
                around=around,
                operator=terminal,
                told=logs.told,
                expect_digest=expect_digest,
            )
        )
    else:
        opened = _opened(job, limit, flags)
        applied = run(
            apply_job(
                opened,
                flags,
                around=around,
                operator=terminal,
                told=logs.told,
                new_run=new_run,
                ledger=Path(ledger) if ledger else None,
                expect_digest=expect_digest,
            )
        )
    terminal.sum_up(applied, command=f"bulk apply {job}" + (" --yes" if yes else ""))
    return applied.exit_code


def status(ledger: options.LedgerOrJob = "", output_form: options.Output = "table") -> int:
    """Say where a run stands, from its ledger alone: live, dead or finished."""
    import orjson

    from bulk.app.ledgers import latest_ledger
    from bulk.app.ledgers import status as status_of
    from bulk.core.reports import status as status_report

    path = latest_ledger(ledger)
    progress, alive = status_of(path)
    if _choice(output_form, "table", "json") == "json":
        told = {"ledger": str(path), **status_report.as_json(progress, alive=alive)}
        output.write([orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() + "\n"])
    else:
        output.show(status_report.lines(progress, alive=alive, resume=f"bulk apply {path}"))
    return ExitCode.OK


def report(ledger: options.LedgerOrJob, output_form: options.Output = "table") -> int:
    """Give the report of a plan or a run: as table, csv, json, md or html."""
    from bulk.app.ledgers import latest_ledger, reading
    from bulk.app.ledgers import report as report_of

    _choice(output_form, *_REPORTS)
    path = latest_ledger(ledger)
    with reading(path) as reader:
        _show_report(report_of(path, reader), output_form, more=f"bulk report {path} --output csv")
    return ExitCode.OK


def simulator(arguments: options.Arguments = None) -> int:
    """Run the API as a local server, for practice, tests and rehearsals; see `bulk simulator --help`."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "bulk.simulator", *(arguments or [])])  # noqa: S606


def show_issues(issues: "tuple[Issue, ...]") -> None:
    """Show on stderr what is wrong with a job."""
    from bulk.core.reports import issues as issues_report

    output.show(issues_report.lines(issues, rows=0), to_stderr=True)


ANSWER_WITHOUT_WORDS = (check, status, simulator)
ALL = (check, plan, apply, status, report, simulator)
_REPORTS = ("table", "json", "csv", "md", "html")


def _opened(job: str, limit: str, flags: dict[str, Any]) -> "OpenedJob":
    from bulk.app.jobs import open_job

    return open_job(job, flags, only=_ids(limit))


def _ids(limit: str) -> frozenset[str]:
    if not limit.startswith("@"):
        return frozenset(part.strip().lower() for part in limit.split(",") if part.strip())
    path = Path(limit[1:])
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--limit {limit}: {error}", hint="name a text file with one id a line") from error
    return frozenset(line.strip().lower() for line in lines if line.strip())


def _required(value: str, name: str) -> str:
    if not value:
        raise UsageError(f"{name} is missing", hint="see --help")
    return value


def _choice(value: str, *choices: str) -> str:
    if value not in choices:
        raise UsageError(f"{value!r} is not one of {', '.join(choices)}", hint="see --help")
    return value


def _schema(which: str) -> dict[str, Any]:
    from bulk.core.job import job_schema
    from bulk.core.rows import row_schema

    return row_schema() if _choice(which, "row", "job") == "row" else job_schema()


def _show_report(report: Any, form: str, *, more: str) -> None:
    match form:
        case "json":
            from bulk.core.reports import as_json

            output.write(as_json.render(report))
        case "csv":
            from bulk.core.reports import as_csv

            output.write(as_csv.render(report))
        case "md":
            from bulk.core.reports import as_markdown

            output.write(as_markdown.render(report))
        case "html":
            from bulk.core.reports import as_html

            output.write(as_html.render(report))
        case _:
            from bulk.core.reports import as_table

            output.show(as_table.lines(report, more=more))
