"""The file of metrics of a job, for the text file collector of Prometheus' node exporter.

It is replaced as a whole, so that the collector never reads half a file, and others may read it.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bulk.app.environment import Environment
from bulk.app.finding import run_meant
from bulk.app.ledgers import run_status_of, status
from bulk.errors import BulkError, ExitCode
from bulk.files.new_file import replace_file
from bulk.ledger.chain import timestamp
from bulk.reports.as_prom import SUCCESS, render, samples
from bulk.reports.run_status import RunStatus, State
from bulk.settings import Job
from bulk.vpcep.kept_files import path_of

EVERY_S = 15.0
"""How often the file is written while a run is at work: as often as Prometheus usually asks."""
MODE = 0o644
"""The collector is another user."""


def of_failure(job: Job, argument: str, code: ExitCode, reason: str, environment: Environment) -> RunStatus:
    """Return the status of a job's latest run, with code and reason of a command that began no session."""
    now = environment.shown_time()
    at = timestamp(now.timestamp())
    try:
        path = run_meant(argument, now.timestamp())[0]
        latest = run_status_of(path, status(path), now)
    except (BulkError, OSError):
        latest = RunStatus(at=at, state=State.INCOMPLETE, exit_code=code, reason=reason, job=job.name)
    return replace(latest, exit_code=code, reason=reason, ended_at=at)


class MetricsFile:
    """The file in which a job has its metrics."""

    def __init__(self, job: Job, environment: Environment) -> None:
        self._path = path_of(job.metrics, environment.home)
        self._notify = environment.notify
        self._succeeded_at = _succeeded_at(self._path, job.name)
        self._has_failed = False

    def write(self, run: RunStatus) -> None:
        """Write where the run stands; what keeps the file from being written is said once."""
        try:
            replace_file(self._path, render(samples(run, succeeded_at=self._succeeded_at)), MODE)
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                self._notify(f"{self._path}: {error.strerror}: metrics are not written")


def _succeeded_at(path: Path, job: str) -> float | None:
    """Return when a run of the job last succeeded, as the file says that is there; None where it does not."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - an extra

    with suppress(OSError, ValueError):
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            for sample in family.samples:
                if sample.name == SUCCESS and sample.labels.get("job") == job:
                    return float(sample.value)
    return None
