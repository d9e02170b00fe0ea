"""Metrics of a run: their names, their values, and that no label names a service."""

import builtins
import re
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bulk.errors import ExitCode, UsageError
from bulk.reports.as_prom import render, samples
from bulk.reports.run_status import LaneStatus, RunStatus, State, WaveStatus, WindowStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

AT = "2026-01-15T08:30:00.000Z"
LANE: dict[str, Any] = {
    "rows": 9,
    "left": 3,
    "limit": None,
    "limit_per_s": None,
    "why": None,
    "noise": 0.0,
    "left_s": 1.0,
}


def run(**members: Any) -> RunStatus:
    """Return where a run stands."""
    facts: dict[str, Any] = {
        "at": AT,
        "state": State.RUNNING,
        "exit_code": ExitCode.BUSY,
        "reason": "sending",
    }
    return RunStatus(**{**facts, "job": "move-ssh", **members})


def values(status: RunStatus, **more: Any) -> "Mapping[tuple[str, ...], float]":
    """Return each sample as Prometheus reads it, by its name and the values of its labels but `job`."""
    found = {}
    for family in text_string_to_metric_families(render(samples(status, **more)).decode()):
        for sample in family.samples:
            assert sample.labels.pop("job") == "move-ssh"
            found[(sample.name, *sample.labels.values())] = sample.value
    return found


def test_a_run_at_work_has_its_rows_rates_and_counters() -> None:
    """Without an exit code, and without an end before it has one."""
    lanes = (LaneStatus(host="h", region="cn-north-4", account="a", rate_per_s=19.5, **LANE),)
    window = WindowStatus(window="02:00-04:00", is_open=True, left_s=60.0)
    wave = WaveStatus(number=2, of=3, name="10%", rows=9, left=3, soak_ends_at=None)
    status = run(
        outcomes={"applied": 6, "failed": 1}, lanes=lanes, window=window, wave=wave, puts_sent=8, refusals=2
    )
    found = values(status)
    assert found["bulk_rows", "applied"] == 6
    assert found["bulk_rows", "failed"] == 1
    assert found["bulk_rate", "h/cn-north-4/a"] == 19.5
    assert found["bulk_puts_total",] == 8
    assert found["bulk_throttled_total",] == 2
    assert found["bulk_wave",] == 2
    assert found["bulk_window_seconds_left",] == 60
    assert {name: value for name, value in found.items() if name[0] == "bulk_state"} == {
        ("bulk_state", state.value): float(state is State.RUNNING) for state in State
    }
    absent = {"bulk_exit_code", "bulk_last_end_timestamp_seconds", "bulk_last_success_timestamp_seconds"}
    assert absent.isdisjoint(name for name, *_ in found)


def test_a_run_that_ended_has_its_exit_code_and_when() -> None:
    """A success is one where every row is as asked; else the last one that is known counts."""
    stopped = run(state=State.STOPPED, exit_code=ExitCode.WINDOW_ENDED, ended_at=AT)
    assert values(stopped)["bulk_exit_code",] == 10
    assert values(stopped)["bulk_last_end_timestamp_seconds",] == 1_768_465_800
    assert ("bulk_last_success_timestamp_seconds",) not in values(stopped)
    assert values(stopped, succeeded_at=7.0)["bulk_last_success_timestamp_seconds",] == 7
    finished = run(state=State.FINISHED, exit_code=ExitCode.OK, ended_at=AT)
    assert values(finished, succeeded_at=7.0)["bulk_last_success_timestamp_seconds",] == 1_768_465_800
    failed = run(state=State.FINISHED, exit_code=ExitCode.SOME_FAILED, ended_at=AT)
    assert values(failed, succeeded_at=7.0)["bulk_last_success_timestamp_seconds",] == 7


def test_a_closed_window_has_no_time_left() -> None:
    """The time until it opens is another thing."""
    window = WindowStatus(window="02:00-04:00", is_open=False, left_s=60.0)
    assert ("bulk_window_seconds_left",) not in values(run(window=window))


def test_the_names_are_those_that_are_documented() -> None:
    """All begin with `bulk_`, and each has its words."""
    text = render(samples(run())).decode()
    assert set(re.findall(r"^# HELP (\w+) \w", text, re.MULTILINE)) == {
        "bulk_rows", "bulk_rate", "bulk_state", "bulk_puts_total", "bulk_throttled_total",
    }  # fmt: skip


def test_a_job_with_any_name_is_escaped() -> None:
    """By the library whose business that is."""
    (family,) = [
        each
        for each in text_string_to_metric_families(render(samples(run(job='a"b\\c\nd'))).decode())
        if each.name == "bulk_puts"
    ]
    assert family.samples[0].labels == {"job": 'a"b\\c\nd'}
    assert b'job="unknown"' in render(samples(run(job=None)))


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    imported = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError) as caught:
        render(samples(run()))
    assert "pip install '.[metrics]'" in caught.value.hint
