"""kill -9 of the real command at moments of nobody's choice, and the demo that lives through it."""

import random
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Stage, fleet_lines, until, wide
from tests.simulator_caller import service_id

DEMO = Path(__file__).parents[2] / "jobs" / "demo"
ROWS = 60


def written_bytes(stage: Stage) -> int:
    """Return the size of all ledgers, and of those that do not have their name yet."""
    size = 0
    for path in stage.folder.glob("runs/*.ledger.jsonl*"):
        with suppress(FileNotFoundError):  # it took its name after the folder was listed
            size += path.stat().st_size
    return size


def kill(stage: Stage, job: str, more_bytes: int) -> None:
    """Start the command and kill it when it has written so much more: of its plan, or of its run."""
    with stage.child("apply", job, "--yes", "-q") as process:
        enough = written_bytes(stage) + more_bytes
        until(lambda: process.poll() is not None or written_bytes(stage) >= enough)
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)


def survives(stage: Stage, job: str, dice: random.Random, kills: int) -> None:
    """Kill run after run, let the last one end, and check that every promise holds."""
    while not stage.ledgers:
        kill(stage, job, dice.randrange(1, 70_000))
    for _ in range(kills - 1):
        kill(stage, job, dice.randrange(1, 1_500))
    assert len(stage.records("session")) >= kills // 2, "most kills were to strike a run at work"
    ended = stage.apply(job)
    assert ended.code == ExitCode.OK, ended.err
    assert all(stage.ports(n) == [(80, 8000 + n), (8443, 9000 + n)] for n in range(1, ROWS + 1))
    landed = Counter(put.id for put in stage.applied)
    assert landed == {service_id(n): 1 for n in range(1, ROWS + 1)}, "a PUT that landed was sent again"
    assert stage.outcomes() == {"applied": ROWS}


@pytest.mark.parametrize("stage", [{"fleet": fleet_lines(ROWS)}], indirect=True)
def test_ten_kills_at_random_cost_nothing(stage: Stage) -> None:
    """After them the same command ends with every row as asked, and nothing landed twice (P3)."""
    stage.order(switches={"latency_s": 0.01, "jitter_s": 0.02})
    survives(stage, stage.job(wide(range(1, ROWS + 1)), concurrency=8), random.Random(1), kills=10)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", [{"fleet": fleet_lines(ROWS)}], indirect=True)
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_kills_with_lost_answers_cost_nothing(seed: int, stage: Stage) -> None:
    """The same beside throttling and answers that are lost before and after they took effect."""
    rates = {"throttle_429": 0.02, "reset": 0.05, "reset_after": 0.05, "error_504_0013_after": 0.05}
    stage.order(switches={"latency_s": 0.01}, faults={"seed": seed, "rates": rates, "for": "writes"})
    survives(stage, stage.job(wide(range(1, ROWS + 1)), concurrency=8), random.Random(seed), kills=10)


@pytest.fixture
def demo(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a copy of the bundled demo, without the variables of the stage."""
    for name in ("BULK_ENDPOINT", "BULK_REGION", "BULK_PROJECT_ID", "BULK_RATE"):
        monkeypatch.delenv(name)
    shutil.copytree(DEMO, stage.folder / "demo", ignore=shutil.ignore_patterns("runs"))
    return str(stage.folder / "demo")


def simulators(folder: Path) -> list[int]:
    """Return the simulators that run on a fleet below a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"bulk.simulator" in words and any(str(folder).encode() in word for word in words):
            found.append(int(path.parent.name))
    return found


def demo_state(demo: str) -> tuple[Path, list[str]]:
    """Return the latest ledger of the demo, and the types of its records."""
    ledger = max(Path(demo).glob("runs/*.ledger.jsonl"))
    return ledger, [orjson.loads(line)["type"] for line in ledger.read_bytes().splitlines()]


def test_the_demo_tells_one_story(stage: Stage, demo: str) -> None:
    """Plan, kill, apply again, and again: the fleet outlives each command, its server does not."""
    plan = stage.bulk("plan", demo)
    assert "Plan of demo: 298 of 310 services change. Nothing has been sent." in plan.out
    with stage.child("apply", demo, "--yes", "-q", "--rate", "300/s") as process:
        until(lambda: any(Path(demo).glob("runs/*.ledger.jsonl")), process)
        until(lambda: demo_state(demo)[1].count("outcome") > 40, process)
        assert len(simulators(stage.folder)) == 1
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
    until(lambda: not simulators(stage.folder))
    ledger, kinds = demo_state(demo)
    assert kinds.count("outcome") < 310
    ended = stage.apply(demo, "--rate", "2000/s")
    assert ended.code == ExitCode.OK, ended.err
    assert f"continuing with {ledger}" in ended.err
    assert stage.outcomes(ledger) == {"applied": 298, "already": 12}
    assert simulators(stage.folder) == []
    again = stage.apply(demo, "--rate", "2000/s")
    assert again.code == ExitCode.OK
    assert again.out == (
        "Nothing to change: all 310 services in 2 projects of cn-north-4 are as asked\n  already.\n"
    )


def test_the_demo_runs_twice_as_a_process(stage: Stage, demo: str) -> None:
    """The first command of the README, as it stands there."""
    for sent in (298, 0):
        ended = stage.run_child("apply", demo, "--yes", "--rate", "1000/s", stdin=subprocess.DEVNULL)
        assert ended.code == ExitCode.OK, ended.err
        assert (f" {sent} PUTs, never throttled" in ended.out) == (sent > 0)
