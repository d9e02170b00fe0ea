"""An API that asks to be left alone: what is waited for, and what is not."""

import time
from typing import Any

import pytest

from bulk.cli import display as progress
from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, wide
from tests.simulator_caller import line, service_id

YEARS_S = 978_307_200
BUSY = ["throttle_429", "error_503"]


def asks(kind: str, wait_s: float, *, method: str = "PUT", times: int = 1, form: str = "seconds") -> Any:
    """Return a plan of faults: requests that are refused with `Retry-After`."""
    rule = {"kind": kind, "delay_s": wait_s, "method": method, "times": times, "retry_after": form}
    return {"rules": [rule]}


@pytest.mark.parametrize("stage", [{"fleet": [line(1, ports=[])]}], indirect=True)
@pytest.mark.parametrize("kind", BUSY)
def test_a_wait_that_the_api_asks_for_is_kept_and_costs_no_try(kind: str, stage: Stage) -> None:
    """Refused more often than a row may be tried, each time with the word when to come back."""
    stage.order(faults=asks(kind, 1, times=2))
    began = time.monotonic()
    ended = stage.apply(stage.job(wide([1]), attempts=1))
    assert ended.code == ExitCode.OK, ended.said
    assert time.monotonic() - began >= 2.0
    held = [attempt["hold_s"] for attempt in stage.records("attempt") if attempt["hold_s"]]
    assert held == [1, 1]


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("kind", BUSY)
def test_a_put_that_is_to_wait_for_years_stops_the_run_and_says_until_when(
    kind: str, form: str, stage: Stage
) -> None:
    """Nothing more is sent; the same command continues."""
    stage.order(faults=asks(kind, YEARS_S, form=form, times=9))
    job = stage.job(wide(range(1, 10)), concurrency=1)
    ended = stage.apply(job)
    assert ended.code == ExitCode.STOPPED_EARLY, ended.said
    year = time.gmtime(time.time() + YEARS_S).tm_year
    assert f"the API asks to be left alone until {year}-" in ended.err
    assert stage.status()["puts_sent"] == 1
    stage.order(faults={})
    assert stage.apply(job).code == ExitCode.OK
    assert stage.outcomes() == {"applied": 9}


@pytest.mark.parametrize("kind", BUSY)
@pytest.mark.parametrize("verb", ["plan", "apply", "export"])
def test_a_list_that_is_to_wait_for_years_ends_the_command(verb: str, kind: str, stage: Stage) -> None:
    """Before anything is sent, and at once."""
    stage.order(faults=asks(kind, YEARS_S, method="GET", times=9))
    words = [verb] if verb == "export" else [verb, stage.job(wide([1]))]
    ended = stage.bulk(*words, *(["--yes"] if verb == "apply" else []))
    assert ended.code == ExitCode.STOPPED_EARLY, ended.said
    assert "the API asks to be left alone until 20" in ended.err
    assert stage.aside.do(lambda simulator: sum(simulator.stats["answers"].values())) == 1


@pytest.mark.parametrize(
    ("settle_s", "retry_after", "said"),
    [
        (0.05, "seconds", "reads wait for the server's push-back: "),
        (0.6, "none", "the settle time and a read: row 1"),
    ],
)
def test_what_a_row_in_doubt_waits_for_is_on_screen(
    settle_s: float, retry_after: str, said: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its service may be read, and while the API asks to be left alone after it was."""
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.1)
    lost = {"kind": "reset", "after": True, "method": "PUT", "nth": 1}
    asked = {"kind": "code", "code": "X", "http": 503, "method": "GET", "service_id": service_id(1)}
    stage.order(faults={"rules": [lost, asked | {"retry_after": retry_after, "delay_s": 1}]})
    ended = stage.apply(stage.job(wide([1, 2]), concurrency=1, settle_s=settle_s))
    assert ended.code == ExitCode.OK
    assert said in ended.err
