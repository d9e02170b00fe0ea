"""`bulk check`."""

from dataclasses import asdict
from typing import Any

from bulk.cli import options, output
from bulk.cli.verbs.shared import notify_read
from bulk.errors import ExitCode, UsageError


@options.takes("format", "region", "waves")
def check(
    job: options.OptionalJob = "",
    output_form: options.PlainOutput = options.PlainForm.TABLE,
    schema: options.Schema = None,
    **flags: Any,
) -> int:
    """Check every row of a job, offline: all problems at once, with file:line:column."""
    from bulk.app.jobs import survey_job
    from bulk.reports import issues as issues_report

    if schema:
        output.write_json(_schema(schema))
        return ExitCode.OK
    if not job:
        raise UsageError("JOB is missing", hint="name a job file or its folder; see `bulk check --help`")
    found = survey_job(job, flags)
    if output_form is options.PlainForm.JSON:
        report = issues_report.as_json(found.issues, rows=found.rows, warnings=found.warnings)
        more = {"issues_omitted": found.issues_omitted, "lines": asdict(found.lines)}
        output.write_json({**report, **more})
    else:
        output.show(
            issues_report.lines(found.issues, rows=found.rows, counts=found.counts, warnings=found.warnings)
        )
    notify_read(found.lines, rows=found.rows)
    return ExitCode.INVALID if found.issues else ExitCode.OK


def _schema(which: options.SchemaOf) -> dict[str, Any]:
    from bulk.jobfile import row_schema
    from bulk.settings import job_schema

    schemas = {options.SchemaOf.ROW: row_schema, options.SchemaOf.JOB: job_schema}
    return schemas[which]()
