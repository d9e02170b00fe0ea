"""What a job needs of its machine besides its rows: a lack shows when it is planned, and not at night."""

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
    """Yield a line for each lack on this machine: why `apply` would be refused, or who not be notified."""
    if job.metrics and not has_metrics():
        error = missing()
        yield f"{error.message} here, where `bulk apply` would therefore be refused: {error.hint}"
    for name, table in job.notify:
        for variable in filter(None, (table.url_env, table.secret_env)):
            if not env.get(variable, "").strip():
                yield f"{name} would not be notified from here: {variable} is not set"
