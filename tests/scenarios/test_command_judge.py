"""A run whose waves are judged: by the probe of the page, by one that is unsure, by one that must not run."""

import socket
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.documents import file_block
from tests.scenarios.stage import Stage, fleet_lines, until, wide
from tests.scenarios.test_command_despite import stop_in
from tests.simulator_caller import service_id

pytestmark = pytest.mark.parametrize("stage", [{"fleet": fleet_lines(6)}], indirect=True)
PROBE = file_block("probe.py")


def judged(stage: Stage, text: str, **settings: object) -> str:
    """Return a job of six rows whose judge is this script."""
    path = Path(stage.file("probe.py", text))
    path.chmod(0o755)
    return stage.job(wide(range(1, 7)), **{"waves": [1, 2], "judge": "./probe.py"} | settings)


def test_the_probe_of_the_page_lets_waves_go_that_connect_and_stops_at_one_that_does_not(
    stage: Stage,
) -> None:
    """The plan names it, and what it says stands in report and why; a rollback needs none."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        addresses = "".join(f"{service_id(number)},127.0.0.1\n" for number in (1, 3))
        stage.file("endpoints.csv", f"service_id,address\n{addresses}")
        job = judged(stage, PROBE)
        rows = "".join(f"{service_id(n)},{port if n < 3 else 1}:{9000 + n}\n" for n in range(1, 7))
        stage.file("services.csv", f"service_id,ports\n{rows}")
        plan = " ".join(stage.bulk("plan", job).out.split())
        assert "./probe.py is asked before the first PUT and after each wave but the last" in plan
        assert orjson.loads(stage.bulk("plan", job, "--output", "json").out)["judge"] == "./probe.py"
        stopped = stage.apply(job)
    assert stopped.code == ExitCode.SAFETY_LIMIT
    assert "the judge says stop after wave 2: 0 of 1 connect; 127.0.0.1:1 " in stopped.err
    assert "to take back what was applied: bulk rollback" in stopped.err
    rulings = [(one["by"], one.get("wave"), one["ruling"]) for one in stage.records("decision")]
    assert rulings == [("judge", 0, "go"), ("judge", 1, "go"), ("judge", 2, "stop")]
    ledger = str(stage.ledger)
    for shown in (stage.bulk("report", ledger).out, stage.bulk("why", ledger, service_id(6)).out):
        assert "judge: wave 1, go (1 of 1 connect)" in " ".join(shown.split())
    assert stage.bulk("audit", ledger).code == ExitCode.OK
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    assert len(stage.applied) == 3
    (stage.folder / "probe.py").unlink()
    assert stage.bulk("rollback", ledger, "--apply", "--yes").code == ExitCode.OK


def test_a_person_says_go_in_place_of_an_unsure_judge_and_lifts_the_stop_of_a_wave(stage: Stage) -> None:
    """By the command that is shown; nothing of the wave goes before."""
    job = judged(stage, "#!/bin/sh\necho who knows; [ $BULK_WAVE = 0 ] || exit 2\n", judge_within="1s")
    with stage.child("apply", job, "--yes") as process:
        until(
            lambda: stage.ledgers and any(o["ruling"] == "unsure" for o in stage.records("decision")), process
        )
        assert len(stage.applied) == 1
        go = f"bulk tell {stage.ledger} go 1"
        (line,) = orjson.loads(stage.bulk("tell", str(stage.ledger), "--output", "json").out)["in_force"]
        assert line == f"the judge is unsure of wave 1 (exit code 2: who knows); to let the run go on: {go}"
        wrong = stage.bulk("tell", str(stage.ledger), "go", "2")
        assert (wrong.code, "does not wait for a go after wave 2" in wrong.out) == (ExitCode.REFUSED, True)
        taken = stage.bulk("tell", str(stage.ledger), "go", "1", "--because", "seen by hand")
        assert (taken.code, taken.out) == (ExitCode.OK, "in force: go 1\n")
        until(lambda: len(stage.applied) == 3, process)
        process.kill()
    assert stage.bulk("tell", str(stage.ledger)).out == "nothing is in force but the settings of the job\n"
    refused = stage.bulk("tell", str(stage.ledger), "go", "2")
    assert (refused.code, "nothing was written" in refused.err) == (ExitCode.REFUSED, True)
    (stage.folder / "probe.py").write_text("#!/bin/sh\nexit 1\n")
    stopped = stage.apply(job)
    assert (stopped.code, len(stage.applied)) == (ExitCode.SAFETY_LIMIT, 3)
    assert stage.apply(job, "--despite", f"{stop_in(stopped.err)}:known").code == ExitCode.OK
    assert stage.outcomes() == {"applied": 6}
    assert stage.bulk("audit", str(stage.ledger)).code == ExitCode.OK


def test_a_judge_that_must_not_be_run_is_an_issue_of_the_job(stage: Stage) -> None:
    """With 3, offline as well, and before anything is sent."""
    job = judged(stage, "#!/bin/sh\nexit 1\n")
    stage.apply(job)
    (stage.folder / "probe.py").chmod(0o777)
    window = ("--window", "02:00-04:00", "--for", "cron")
    for words in (
        ("check", job),
        ("plan", job),
        ("schedule", job, *window),
        ("apply", job, "--yes", "--new-run", "--despite", "0:x"),
    ):
        refused = stage.bulk(*words)
        assert refused.code == ExitCode.INVALID, words
        assert "job.toml:5:1: judge: ./probe.py may be written by others; chmod go-w" in refused.said
    assert stage.applied == []


def test_a_rehearsal_asks_no_judge(stage: Stage) -> None:
    """And says so."""
    job = judged(stage, "#!/bin/sh\nexit 1\n", rate="100/s")
    rehearsed = stage.bulk("rehearse", job)
    assert rehearsed.code == ExitCode.OK, rehearsed.said
    assert "the judge ./probe.py is not asked, and each wave goes as if it had said go" in rehearsed.err
