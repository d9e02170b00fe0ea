"""A nightly job over three nights, in faked time: windows, a resume, exit codes, and who is needed when."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, wide
from tests.scenarios.test_command_metrics import metrics
from tests.webhooks import carried, webhook

REJECTED = {"kind": "code", "code": "EndPoint.3044", "http": 400, "method": "PUT", "times": 1}
WINDOW = {"window": "01:00-04:00 UTC", "spare": "1s", "rate": "10/s", "max_failures": 2}


@pytest.fixture
def at(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what takes command and API to a moment, at which it stays until so many PUTs have taken effect.

    Then it is ten minutes later, however fast this machine is.
    """
    monkeypatch.delenv("BULK_RATE")
    applied = stage.aside.simulator.applied

    def go(moment: str, puts: float = inf) -> None:
        now = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
        monkeypatch.setattr("bulk.clock.SystemClock.now", lambda _: now + 600 * (len(applied) >= puts))
        stage.order(switches={"clock_skew_s": now - time.time()})

    return go


def test_a_job_goes_through_three_nights(
    stage: Stage, at: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every start is the same command, and the ledger says at any time what its exit code was.

    In the first night the window ends in mid-run, in the second a row fails, in the third all is right. The
    metrics say the same of each session, and when all was right last.
    """
    file, success = stage.folder / "bulk_job.prom", "bulk_last_success_timestamp_seconds"
    job = stage.job(wide(range(1, 11)), **WINDOW, metrics=str(file))
    with webhook() as hook:
        monkeypatch.setenv("BULK_NOTIFY_OPS", f"{hook.url}/hook")
        with (Path(job) / "job.toml").open("a") as toml:
            toml.write('[notify.ops]\nform = "json"\nurl_env = "BULK_NOTIFY_OPS"\non = ["person"]\n')

        def night(moment: str, puts: float = inf) -> tuple[int, int, int]:
            """Return exit code, what the ledger says of it, and the PUTs that have taken effect so far."""
            at(moment, puts)
            code = stage.apply(job, "--quiet").code
            return code, stage.bulk("status", job, "--check").code, len(stage.applied)

        assert night("2026-03-01T22:00:00") == (ExitCode.WINDOW_ENDED, ExitCode.STOPPED_EARLY, 0)
        code, said, first = night("2026-03-02T03:55:00", puts=3)
        assert (code, said) == (ExitCode.WINDOW_ENDED, ExitCode.WINDOW_ENDED)
        assert 3 <= first < 10
        assert (metrics(file)["bulk_exit_code"], success in metrics(file)) == (code, False)
        assert night("2026-03-02T12:00:00") == (ExitCode.WINDOW_ENDED, ExitCode.WINDOW_ENDED, first)
        window = stage.status()["window"]
        assert (window["is_open"], window["opens_at"]) == (False, "2026-03-03T01:00:00.000Z")
        stage.order(faults={"rules": [REJECTED]})
        assert night("2026-03-03T01:30:00") == (ExitCode.SOME_FAILED, ExitCode.SOME_FAILED, 9)
        assert metrics(file)["bulk_exit_code"] == ExitCode.SOME_FAILED
        assert len(stage.ledgers) == 1
        assert len(stage.records("session")) == 2
        assert night("2026-03-04T01:30:00") == (ExitCode.OK, ExitCode.OK, 10)
        assert (metrics(file)["bulk_exit_code"], metrics(file)["bulk_rows applied"]) == (ExitCode.OK, 1)
        assert metrics(file)[success] == datetime.fromisoformat("2026-03-04T01:30:00Z").timestamp()
        assert night("2026-03-05T01:30:00") == (ExitCode.OK, ExitCode.OK, 10)
        carried(stage)
    assert [got.json["exit_code"] for got in hook.got] == [ExitCode.SOME_FAILED]
    assert [len(stage.records("session", ledger)) for ledger in stage.ledgers] == [2, 1, 1]
