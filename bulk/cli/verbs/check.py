"""`bulk check`."""

import os
from dataclasses import replace
from typing import Any

from bulk.cli import options, output
from bulk.cli.verbs.shared import environment, local_time, notify_read
from bulk.errors import ExitCode, UsageError
from bulk.text import printable


@options.takes("format", "profile", "region", "endpoint", "window", "waves")
def check(
    job: options.OptionalJob = "",
    output_form: options.PlainOutput = options.PlainForm.TABLE,
    notify: options.Notify = False,
    schema: options.Schema = None,
    **flags: Any,
) -> int:
    """Check every row of a job, offline: all problems at once, with file:line:column.

    With --notify a test message is sent to all whom the job notifies.
    """
    from bulk.app.jobs import settings_of_job, survey_job
    from bulk.app.lacking import lacking
    from bulk.reports import issues as issues_report

    if schema:
        output.write_json(_schema(schema))
        return ExitCode.OK
    if not job:
        raise UsageError("JOB is missing", hint="name a job file or its folder; see `bulk check --help`")
    found = survey_job(job, flags, local_time)
    notified = _tested(job, flags) if notify and not found.issues else {}
    if output_form is options.PlainForm.JSON:
        report = issues_report.as_json(found.issues, rows=found.rows, warnings=found.warnings)
        more = {"issues_omitted": found.issues_omitted, "lines": found.lines.counts}
        tested = [{"to": name, "taken": not why, "why": why} for name, why in notified.items()]
        output.write_json({**report, **more, **({"notify": tested} if notify else {})})
    else:
        output.show(
            issues_report.lines(found.issues, rows=found.rows, counts=found.counts, warnings=found.warnings)
        )
        output.write(printable(f"{name}: {why or 'taken'}") + "\n" for name, why in notified.items())
    notify_read(found.lines, rows=found.rows)
    if found.issues:
        return ExitCode.INVALID
    known = settings_of_job(job, flags)
    for words in lacking(replace(known, notify=()) if notify else known, os.environ):  # who was tried is said
        output.notify(words)
    return ExitCode.CANNOT_RUN if any(notified.values()) else ExitCode.OK


def _tested(job: str, flags: dict[str, Any]) -> dict[str, str]:
    """Send a test message to each; return what stood in the way, by name."""
    from bulk.app.announcing import send_test_messages
    from bulk.cli import running

    return running.run(send_test_messages(job, flags, environment(flags, can_ask=False)))


def _schema(which: options.SchemaOf) -> dict[str, Any]:
    from bulk.jobfile import row_schema
    from bulk.settings import job_schema

    schemas = {options.SchemaOf.ROW: row_schema, options.SchemaOf.JOB: job_schema}
    return schemas[which]()
