"""`bulk schedule`."""

import sys
from pathlib import Path
from typing import Any

from bulk.cli import options, output
from bulk.cli.verbs.shared import environment
from bulk.errors import ExitCode, UsageError


@options.takes(*options.ALL)
def schedule(
    job: options.JobToSchedule,
    scheduler: options.SchedulerOption = None,
    out: options.ScheduleOut = "",
    **flags: Any,
) -> int:
    """Print the files by which systemd, Kubernetes or cron runs a job in its window; install nothing."""
    from bulk.app import scheduling

    if scheduler is None:
        raise UsageError("--for is missing", hint="write --for systemd, --for kubernetes or --for cron")
    folder, here = Path(out) if out else None, environment({}, can_ask=False)
    files = scheduling.schedule(job, flags, scheduler, here, folder, _program(), output.notify)
    for file in files if folder is None else ():
        output.write([f"# --- {file.name}\n", file.text])
    if folder:
        for file in files:
            output.notify(f"written: {folder / file.name}")
    return ExitCode.OK


def _program() -> tuple[str, ...]:
    """Return the words by which this very installation of bulk is run, from whatever folder."""
    command = Path(sys.executable).parent / "bulk"
    return (str(command),) if command.is_file() else (sys.executable, "-P", "-m", "bulk")
