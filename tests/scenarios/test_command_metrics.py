"""Metrics of a run, in a file that Prometheus' node exporter collects."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, wide
from tests.scenarios.test_command_push_back import BUSY, YEARS_S, asks
from tests.simulator_caller import service_id


def metrics_of(text: str) -> dict[str, float]:
    """Return the samples without labels but the job's, by name, and those with another one by both."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            others = [text for label, text in sample.labels.items() if label != "job"]
            found[" ".join([sample.name, *others])] = sample.value
    return found


@pytest.fixture
def path(stage: Stage) -> Path:
    """Return where a job's metrics are to be."""
    return stage.folder / "bulk_job.prom"


def metrics(path: Path) -> dict[str, float]:
    """Return the metrics that the file has."""
    return metrics_of(path.read_text())


def test_the_file_has_what_status_shows(stage: Stage, path: Path) -> None:
    """Others may read it, nothing is beside it, and no service is named in it."""
    ended = stage.apply(stage.job(wide([1, 2]), metrics=str(path)))
    assert ended.code == ExitCode.OK
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in path.parent.iterdir() if "prom" in each.name] == [path.name]
    shown = stage.bulk("status", str(stage.ledger), "--output", "prom")
    assert shown.code == ExitCode.OK
    assert metrics_of(shown.out) == metrics(path)
    assert metrics(path)["bulk_rows applied"] == metrics(path)["bulk_puts_total"] == 2
    assert metrics(path)["bulk_state finished"] == 1
    assert metrics(path)["bulk_exit_code"] == 0
    assert service_id(1) not in path.read_text()


def test_counters_are_right_over_sessions(stage: Stage, path: Path) -> None:
    """They are those of the ledger, not of the process."""
    stage.order(faults=asks(BUSY[0], YEARS_S, times=9))
    job = stage.job(wide([1, 2, 3]), metrics=str(path), concurrency=1)
    assert stage.apply(job).code == ExitCode.STOPPED_EARLY
    first = metrics(path)
    assert (first["bulk_exit_code"], first["bulk_state stopped"], first["bulk_throttled_total"]) == (5, 1, 1)
    stage.order(faults={"rules": []})
    assert stage.apply(job).code == ExitCode.OK
    second, status = metrics(path), stage.status()
    assert second["bulk_puts_total"] == status["puts_sent"] > first["bulk_puts_total"]
    assert second["bulk_throttled_total"] == status["refusals"] == 1


def test_the_last_success_is_kept_where_a_later_run_fails(stage: Stage, path: Path) -> None:
    """A job that is invalid, and one that is refused, change the exit code and the time of the last end."""
    assert stage.apply(stage.job(wide([1]), metrics=str(path))).code == ExitCode.OK
    began = metrics(path)
    success = began["bulk_last_success_timestamp_seconds"]
    assert success == began["bulk_last_end_timestamp_seconds"]
    for settings, code in (({"rat": 1}, 3), ({"max_changes": 0}, 7)):
        extra: dict[str, Any] = settings
        ended = stage.apply(stage.job(wide([2]), metrics=str(path), **extra))
        assert ended.code == code
        assert metrics(path)["bulk_exit_code"] == code
        assert metrics(path)["bulk_last_success_timestamp_seconds"] == success
        assert metrics(path)["bulk_last_end_timestamp_seconds"] > success
        assert metrics(path)["bulk_rows applied"] == 1


def test_a_job_that_never_ran_has_metrics_of_its_failure(stage: Stage, path: Path) -> None:
    """Somebody watches for it."""
    assert stage.apply(stage.job("service_id,ports\nx,1:1\n", metrics=str(path))).code == ExitCode.INVALID
    assert metrics(path)["bulk_exit_code"] == 3
    assert "bulk_last_success_timestamp_seconds" not in metrics(path)


def test_a_file_that_cannot_be_written_is_said_once_and_stops_nothing(stage: Stage, path: Path) -> None:
    """The exit code stays."""
    ended = stage.apply(stage.job(wide([1]), metrics=str(path.parent / "absent" / "x.prom")))
    assert ended.code == ExitCode.OK
    assert ended.err.count("metrics are not written") == 1


def test_without_the_extra_nothing_is_sent(stage: Stage, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names it, and so does `check`, also where it tries who is notified."""
    job = stage.job(wide([1]), metrics=str(path))
    with (stage.folder / "job.toml").open("a") as toml:
        toml.write('[notify.ops]\nform = "json"\nurl_env = "BULK_NOTIFY_OPS"\n')
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "bulk.app.lacking.find_spec", lambda name: None if name == "prometheus_client" else found(name)
    )
    for words in ([], ["--notify"]):
        assert "where `bulk apply` would therefore be refused" in stage.bulk("check", job, *words).err
    ended = stage.apply(job)
    assert ended.code == ExitCode.USAGE
    assert "pip install '.[metrics]'" in ended.err
    assert stage.applied == []
    assert not path.exists()


def test_a_rehearsal_has_no_metrics(stage: Stage, path: Path) -> None:
    """It is practice."""
    assert stage.bulk("rehearse", stage.job(wide([1]), metrics=str(path))).code == ExitCode.OK
    assert not path.exists()


@pytest.mark.parametrize("written", ["x.prom", "/var/lib/x.txt", "/x/.prom"])
def test_the_path_is_absolute_and_ends_as_the_collector_wants_it(written: str, stage: Stage) -> None:
    """What it would never find is refused."""
    ended = stage.bulk("check", stage.job(wide([1]), metrics=written))
    assert ended.code == ExitCode.INVALID
    assert f'metrics: "{written}" is not an absolute path ending in .prom' in ended.out
