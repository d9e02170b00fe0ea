"""What a job needs of the machine that runs it, beside its rows: missed as it is planned, not at night."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from bulk.reports.as_prom import missing
from bulk.settings import Job


def has_metrics() -> bool:
    """Return whether what writes metrics is installed."""
    return find_spec("prometheus_client") is not None


def must_have_metrics(job: Job) -> None:
    """Raise UsageError where a job wants metrics, and what writes them is not installed."""
    if job.metrics and not has_metrics():
        raise missing()


def lacking(job: Job, env: Mapping[str, str]) -> Iterator[str]:
    """Yield why `apply` would be refused here, or somebody not be notified, in a line each."""
    if job.metrics and not has_metrics():
        error = missing()
        yield f"{error.message} here, where `bulk apply` would therefore be refused: {error.hint}"
    for name, table in job.notify:
        for variable in filter(None, (table.url_env, table.secret_env)):
            if not env.get(variable, "").strip():
                yield f"{name} would not be notified from here: {variable} is not set"
