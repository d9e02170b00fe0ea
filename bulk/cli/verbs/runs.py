"""The verb that lists runs: `bulk runs`."""

from dataclasses import asdict
from typing import assert_never

from bulk.cli import options, output
from bulk.errors import ExitCode


def runs(
    job_or_folder: options.JobOrFolder = "", output_form: options.ListOutput = options.ListForm.TABLE
) -> int:
    """List runs, the latest first: who ran what when, how many rows are as asked, how it ended."""
    from bulk.app.run_listing import runs_listed
    from bulk.clock import SystemClock
    from bulk.reports import run_list

    found = runs_listed(job_or_folder, SystemClock().now())
    match output_form:
        case options.ListForm.TABLE:
            if found:
                output.show(run_list.lines(found, output.zone()))
            else:
                output.notify(f"no run is recorded for {job_or_folder or 'any job below this folder'}")
        case options.ListForm.JSON:
            output.write_json([asdict(run) for run in found])
        case options.ListForm.CSV:
            output.write(run_list.as_csv(found))
        case _:
            assert_never(output_form)
    return ExitCode.OK
