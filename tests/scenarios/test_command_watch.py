"""`bulk watch`: a run as it goes, from its ledger alone, while it is left alone."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from bulk.app.environment import system
from bulk.app.watching import Watch
from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Stage, fleet_lines, until, wide
from tests.unit.test_forecast import StoppedClock

pytestmark = pytest.mark.parametrize("stage", [{"fleet": fleet_lines(40)}], indirect=True)


def test_a_finished_run_is_shown_once_and_its_end_ends_it(stage: Stage) -> None:
    """With 0, whatever became of it; as JSON it is what `status` says."""
    stage.apply(stage.job(wide(range(1, 4))))
    ended = stage.bulk("watch", str(stage.ledger))
    assert ended.code == ExitCode.OK
    assert ended.out == "job: finished | 3 of 3 (100 %) | Finished: everything is as asked\n"
    ended = stage.bulk("watch", str(stage.ledger), "--output", "json")
    (line,) = ended.out.splitlines()
    shown, status = orjson.loads(line), stage.status()
    assert shown.pop("at")[:16] == status.pop("at")[:16]
    assert shown == status


def test_a_run_at_work_is_shown_until_its_end_and_is_left_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several look on meanwhile, one of them is interrupted; the run takes no notice of them."""
    monkeypatch.setenv("BULK_RATE", "10/s")
    job = stage.job(wide(range(1, 21)))
    with stage.child("apply", job, "--yes") as run:
        until(lambda: len(stage.applied) >= 2, run)
        assert stage.bulk("tell", str(stage.ledger), "pause", "--because", "bridge call").code == ExitCode.OK
        with (
            stage.child("watch", job, "--output", "json") as watch,
            stage.child("watch", str(stage.ledger)) as interrupted,
        ):
            assert re.match(r"job: paused \| \d+ of 20 .* \| Paused by ", interrupted.stdout.readline())
            interrupted.send_signal(signal.SIGINT)
            assert interrupted.wait(WAIT_S) == ExitCode.OK
            first = orjson.loads(watch.stdout.readline())
            assert (first["state"], first["pause"]["reason"]) == ("running", "bridge call")
            assert stage.bulk("tell", str(stage.ledger), "unpause").code == ExitCode.OK
            _, err = run.communicate(timeout=WAIT_S)
            assert run.returncode == ExitCode.OK, err
            out, _ = watch.communicate(timeout=WAIT_S)
            assert watch.returncode == ExitCode.OK
    states = [first, *map(orjson.loads, out.splitlines())]
    assert states[-1]["state"] == "finished"
    assert [each["ended"] for each in states] == sorted(each["ended"] for each in states)
    assert stage.outcomes() == {"applied": 20}


def test_on_a_terminal_it_is_drawn_anew_and_what_was_seen_last_stays(stage: Stage) -> None:
    """On a screen of its own, which is given back."""
    stage.apply(stage.job(wide(range(1, 4))))
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with stage.child("watch", str(stage.ledger), stdout=follower, env=environment) as watch:
        os.close(follower)
        shown = b""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if not select.select([leader], [], [], 1.0)[0]:
                continue
            try:
                shown += os.read(leader, 65_536)
            except OSError:  # its other end is closed
                break
        assert watch.wait(WAIT_S) == ExitCode.OK
    os.close(leader)
    screen, _, left = shown.partition(b"\x1b[?1049l")
    assert screen.startswith(b"\x1b[?1049h") or b"\x1b[?1049h" in screen
    for part in (screen, left):
        text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", part).decode()
        assert "Finished: everything is as asked" in text
        assert re.search(r"take back:\s+bulk rollback", text)
        assert "Ctrl-C" not in text


def test_a_saved_plan_waits_for_its_run_and_what_has_no_plan_is_refused(stage: Stage) -> None:
    """As `status` refuses it."""
    job = stage.job(wide(range(1, 4)))
    stage.bulk("plan", job, "--out", str(stage.folder / "saved.plan"))
    with stage.child("watch", str(stage.folder / "saved.plan")) as watch:
        assert "Planned, not begun" in watch.stdout.readline()
        assert stage.apply(str(stage.folder / "saved.plan")).code == ExitCode.OK
        out, _ = watch.communicate(timeout=WAIT_S)
        assert "Finished: everything is as asked" in out
    empty = stage.file("empty.ledger.jsonl", "")
    assert stage.bulk("watch", empty).code == ExitCode.CANNOT_RUN
    assert stage.bulk("watch", str(stage.folder / "nothing")).code == ExitCode.USAGE


def test_whose_reader_has_gone_shows_nothing_more(stage: Stage) -> None:
    """As `| head -1` does; the run, here one that nobody has begun, may never write again."""
    plan = str(stage.folder / "job.plan")
    assert stage.bulk("plan", stage.job(wide([1])), "--out", plan).code == ExitCode.OK
    with stage.child("watch", plan) as watch:
        assert watch.stdout.readline().startswith("job: ")
        watch.stdout.close()
        assert watch.wait(WAIT_S) == ExitCode.OK


def test_the_page_is_served_to_this_machine_alone_until_a_signal(stage: Stage) -> None:
    """Its address is on stdout; an address that others reach is refused before anything is served."""
    stage.apply(stage.job(wide(range(1, 4))))
    ledger = str(stage.ledger)
    for words in (("--serve", "0.0.0.0:80"), ("--serve", "x"), ("--host-name", "a.example")):
        assert stage.bulk("watch", ledger, *words).code == ExitCode.USAGE
    socket = stage.folder / "w.sock"
    with stage.child("watch", ledger, "--serve", f"unix:{socket}") as watch:
        assert watch.stdout.readline() == f"unix:{socket}\n"
        asked = ["curl", "-sS", "--unix-socket", str(socket), "http://localhost/status.json"]
        got = subprocess.run(asked, capture_output=True, check=True, timeout=WAIT_S)
        assert orjson.loads(got.stdout)["outcomes"]["applied"] == 3
        asked[-1] = "http://localhost/metrics"
        got = subprocess.run(asked, capture_output=True, check=True, timeout=WAIT_S)
        prom = stage.bulk("status", ledger, "--output", "prom").out
        assert got.stdout.decode() == prom
        assert 'bulk_rows{job="job",outcome="applied"} 3.0' in prom
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(WAIT_S) == ExitCode.OK
        assert "served to this machine alone" in watch.stderr.read()
    assert not socket.exists()


def test_a_run_that_died_names_its_rows_in_doubt_and_a_command_that_nobody_heard(stage: Stage) -> None:
    """As the next session will find them; the page and the terminal show the same view."""
    stage.order(faults={"rules": [{"kind": "slow", "delay_s": 30, "method": "PUT", "nth": 3}]})
    job = stage.job(wide(range(1, 6)), concurrency=1)
    with stage.child("apply", job, "--yes") as run:
        until(lambda: stage.ledgers and len(stage.records("intent")) == 3, run)
        run.kill()
        run.wait(WAIT_S)
    assert stage.bulk("tell", str(stage.ledger), "pause").code == ExitCode.STOPPED_EARLY
    view = Watch(stage.ledger, system()).look().view
    assert view.reason == "The run died"
    assert (view.rows_title, view.rows[0].place) == (
        "Needs a person: 1 in doubt",
        "cn-north-4, services.csv:4",
    )
    assert view.decisions[0][1].startswith("not answered yet: pause by ")
    assert view.commands[0] == ("go on", f"bulk apply {stage.ledger}")


def test_a_ledger_that_is_gone_is_said_and_shown_as_it_was(stage: Stage) -> None:
    """Also where the view needs its lines, as for waves; it goes on once the file is back."""
    stage.apply(stage.job(wide(range(1, 4)), canary=1))
    clock = StoppedClock(datetime.now(UTC).isoformat())  # a view moves with each second
    watch, ledger = Watch(stage.ledger, replace(system(), clock=clock)), stage.ledger
    before = watch.look()
    away = ledger.rename(ledger.with_name("away"))
    gone = watch.look()
    assert gone.view == replace(before.view, trouble=f"{ledger}: No such file or directory")
    assert gone.is_news
    away.rename(ledger)
    assert watch.look().view == before.view
