"""Where a run stands, as samples that Prometheus collects; no label ever names a service.

`samples` says what is measured, from a RunStatus and nothing else, so that counters are those of the ledger
and right over all sessions. `render` writes them in the text format, which is prometheus-client's business.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from bulk.errors import UsageError
from bulk.ledger.chain import moment_s
from bulk.model import value
from bulk.reports.run_status import RunStatus, State

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Values: TypeAlias = Mapping[tuple[str, ...], float]
SUCCESS = "bulk_last_success_timestamp_seconds"


def missing() -> UsageError:
    """Return what says that the library is not installed, and how to install it."""
    return UsageError(
        "metrics need prometheus-client, which is not installed",
        hint="install the extra `metrics`: pip install '.[metrics]' in the clone of bulk",
    )


@value
class Family:
    """A metric: its name, what it says, and its values by labels; a counter only ever grows in one run."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: Values
    is_counter: bool = False


def samples(run: RunStatus, *, succeeded_at: float | None = None) -> Iterator[Family]:
    """Yield what is known of a run.

    `succeeded_at` is when an earlier run of the job succeeded, in seconds since 1970, where that is known.
    """
    job = (run.job or "unknown",)
    rows: Values = {(*job, outcome): float(count) for outcome, count in run.outcomes.items()}
    yield Family(name="bulk_rows", help="Rows by how they ended.", labels=("job", "outcome"), values=rows)
    rates: Values = {
        (*job, f"{lane.host}/{lane.region}/{lane.account}"): lane.rate_per_s for lane in run.lanes
    }
    yield Family(name="bulk_rate", help="PUTs a second that may leave.", labels=("job", "lane"), values=rates)
    states: Values = {(*job, state.value): float(state is run.state) for state in State}
    yield Family(
        name="bulk_state", help="1 for the state of the run.", labels=("job", "state"), values=states
    )
    for name, words, count in (
        ("bulk_puts", "PUTs that have left or may have.", run.puts_sent),
        ("bulk_throttled", "Requests that the API throttled.", run.refusals),
    ):
        yield Family(name=name, help=words, labels=("job",), values={job: float(count)}, is_counter=True)
    for name, (words, figure) in _figures(run, succeeded_at).items():
        if figure is not None:
            yield Family(name=name, help=words, labels=("job",), values={job: float(figure)})


def _figures(run: RunStatus, succeeded_at: float | None) -> dict[str, tuple[str, float | None]]:
    """Return the metrics with one value, which is None where there is none."""
    is_over, window = run.state is not State.RUNNING, run.window
    ends = (run.ended_at, *(each.ended_at for each in reversed(run.sessions)))
    ended_at = next(filter(None, ends), None)
    ended_s = moment_s(ended_at) if ended_at else None
    has_succeeded = run.state is State.FINISHED and run.exit_code == 0
    return {
        "bulk_wave": ("The wave under way.", run.wave.number if run.wave else None),
        "bulk_exit_code": (
            "Exit code of the last session, once it has ended.",
            run.exit_code if is_over else None,
        ),
        "bulk_last_end_timestamp_seconds": ("When the last session ended.", ended_s),
        SUCCESS: (
            "When a run last ended with every row as asked.",
            ended_s if has_succeeded else succeeded_at,
        ),
        "bulk_window_seconds_left": (
            "How long the window is still open.",
            window.left_s if window and window.is_open else None,
        ),
    }


def render(families: Iterable[Family]) -> bytes:
    """Return samples in Prometheus' text format; raise UsageError where its library is not installed."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - an extra
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415
    except ImportError:
        raise missing() from None

    class Collected:
        def collect(self) -> "Iterator[Metric]":
            for family in families:
                kind = CounterMetricFamily if family.is_counter else GaugeMetricFamily
                metric = kind(family.name, family.help, labels=family.labels)
                for labels, figure in family.values.items():
                    metric.add_metric(labels, figure)
                yield metric

    registry = CollectorRegistry()
    registry.register(Collected())
    return generate_latest(registry)
