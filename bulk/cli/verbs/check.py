"""`bulk check`."""

from typing import TYPE_CHECKING, Any

from bulk.cli import options, output
from bulk.core.errors import ExitCode, JobInvalid, UsageError

if TYPE_CHECKING:
    from bulk.core.model import Issue


@options.takes("format", "region")
def check(
    job: options.OptionalJob = "",
    output_form: options.PlainOutput = options.PlainForm.TABLE,
    schema: options.Schema = None,
    **flags: Any,
) -> int:
    """Check every row of a job, offline: all problems at once, with file:line:column."""
    from bulk.app.jobs import survey_job
    from bulk.core.reports import issues as issues_report
    from bulk.core.text import counted

    if schema:
        output.write_json(_schema(schema))
        return ExitCode.OK
    if not job:
        raise UsageError("JOB is missing", hint="name a job file or its folder; see `bulk check --help`")
    rows, omitted = 0, 0
    found: tuple[Issue, ...]
    warnings: tuple[Issue, ...] = ()
    try:
        survey = survey_job(job, flags)
        rows, found, omitted, warnings = survey.rows, survey.issues, survey.issues_omitted, survey.warnings
    except JobInvalid as invalid:
        found = invalid.issues
    if output_form is options.PlainForm.JSON:
        report = issues_report.as_json(found, rows=rows, warnings=warnings)
        output.write_json({**report, "issues_omitted": omitted})
    else:
        output.show(issues_report.lines(found, rows=rows, warnings=warnings))
        if omitted:
            output.notify(f"and {counted(omitted, 'more issue')}")
    return ExitCode.INVALID if found else ExitCode.OK


def _schema(which: options.SchemaOf) -> dict[str, Any]:
    from bulk.core.job import job_schema
    from bulk.core.rows import row_schema

    schemas = {options.SchemaOf.ROW: row_schema, options.SchemaOf.JOB: job_schema}
    return schemas[which]()
