"""A command to a run at work: taken once, on record, over kill -9 of either side, in force until another."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest

from bulk.app.session import Ending
from bulk.app.sources import ApiAddress
from bulk.cli.terminal import Terminal
from bulk.errors import ExitCode
from bulk.ledger.command_file import beside
from bulk.ledger.progress import Progress
from bulk.settings import Job
from tests.scenarios.stage import WAIT_S, Ended, Stage, fleet_lines, until, wide
from tests.simulator_caller import service_id

pytestmark = pytest.mark.parametrize("stage", [{"fleet": fleet_lines(40)}], indirect=True)


@pytest.fixture(autouse=True)
def rate(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - which sets another one
    """Let a run take some seconds."""
    monkeypatch.setenv("BULK_RATE", "10/s")


@contextmanager
def at_work(stage: Stage, job: str, *, puts: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Yield a process at work on a job, of which so many PUTs have taken effect."""
    before = len(stage.applied)
    with stage.child("apply", job, "--yes") as process:
        until(lambda: len(stage.applied) >= before + puts, process)
        yield process


def slow(stage: Stage) -> str:
    """Return a job that takes some time."""
    return stage.job(wide(range(1, 41)), concurrency=1)


def tell(stage: Stage, *words: str) -> Ended:
    """Tell the latest run something."""
    return stage.bulk("tell", str(stage.ledger), *words)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return how a process ended."""
    _, err = process.communicate(timeout=WAIT_S)
    return process.returncode, err


def test_a_pause_holds_a_run_until_its_end_and_everything_shows_it(stage: Stage) -> None:
    """Status, `tell`, report, `why` and audit name who and why; nothing begins meanwhile."""
    with at_work(stage, slow(stage)) as process:
        paused = tell(stage, "pause", "--because", "bridge call")
        assert (paused.code, paused.out) == (ExitCode.OK, "in force: pause\n")
        sent = len(stage.records("intent"))
        assert sent < 40
        assert tell(stage, "rate", "9/s").out == "in force: rate 9/s\n"
        assert len(stage.records("intent")) == sent
        shown = tell(stage).out
        assert re.search(r"paused by \S+ on \S+ \(bridge call\) at ", shown)
        assert re.search(r"at most 9/s by \S+ on \S+ at ", shown)
        status = stage.bulk("status", str(stage.ledger))
        assert re.search(r"paused by \S+ on \S+ \(bridge call\) at ", status.out)
        json = stage.status()
        assert json["pause"]["reason"] == "bridge call"
        assert json["rate"]["rate_per_s"] == 9
        assert tell(stage, "unpause").code == ExitCode.OK
        assert ended(process)[0] == ExitCode.OK
    words = [(one["by"], one["what"], one["reason"]) for one in stage.records("decision")]
    assert words == [
        ("operator", "pause", "bridge call"),
        ("operator", "rate", ""),
        ("operator", "unpause", ""),
    ]
    ledger = str(stage.ledger)
    for shown in (stage.bulk("report", ledger).out, stage.bulk("why", ledger, service_id(40)).out):
        assert "pause (bridge call)" in " ".join(shown.split())
    audit = stage.bulk("audit", ledger)
    assert audit.code == ExitCode.OK
    assert "1 pause, in which nothing else began" in audit.out


def test_a_pause_lasts_over_the_death_of_sessions(stage: Stage) -> None:
    """Killed while it holds, three times: each session holds again, until one hears that it is over."""
    job = slow(stage)
    with at_work(stage, job) as process:
        assert tell(stage, "pause").code == ExitCode.OK
        process.kill()
    sent = len(stage.records("intent"))
    for number in range(2, 5):
        with stage.child("apply", job, "--yes") as process:
            until(lambda number=number: len(stage.records("session")) == number, process)
            assert tell(stage, "rate", f"{10 - number}/s").code == ExitCode.OK
            process.send_signal(signal.SIGKILL)
    assert len(stage.records("intent")) == sent
    with stage.child("apply", job, "--yes") as process:
        until(lambda: len(stage.records("session")) == 5, process)
        assert tell(stage, "unpause").code == ExitCode.OK
        code, err = ended(process)
    assert code == ExitCode.OK
    assert "nothing begins before `bulk tell" in err
    assert stage.outcomes() == {"applied": 40}


def test_a_stop_ends_with_6_and_stays_so_until_a_person_lifts_it(stage: Stage) -> None:
    """As a limit's does: the message names the way on, and it works."""
    job = slow(stage)
    with at_work(stage, job) as process:
        assert tell(stage, "stop", "--because", "wrong ports").code == ExitCode.OK
        code, err = ended(process)
    assert code == ExitCode.SAFETY_LIMIT
    assert "(wrong ports)" in err
    (stop,) = set(re.findall(r"--despite ([0-9a-f]{8}):REASON", err))
    sent = len(stage.applied)
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    assert len(stage.applied) == sent
    assert stage.apply(job, "--despite", f"{stop}:they were right").code == ExitCode.OK
    assert stage.outcomes() == {"applied": 40}


def test_what_only_holds_back_is_kept_for_the_next_session_and_nothing_else_is(stage: Stage) -> None:
    """5 and 7 say so; what is refused is not written."""
    job = slow(stage)
    with at_work(stage, job) as process:
        process.kill()
    for words in (("stop",), ("unpause",), ("rate", "auto")):
        refused = tell(stage, *words)
        assert refused.code == ExitCode.REFUSED, words
        assert "nothing was written" in refused.err
    assert not beside(stage.ledger).exists()
    kept = tell(stage, "rate", "8/s", "--because", "careful")
    assert (kept.code, kept.out) == (
        ExitCode.STOPPED_EARLY,
        "no session is at work: kept for the next one: rate 8/s\n",
    )
    assert "not answered yet: rate 8/s by " in tell(stage).out
    assert beside(stage.ledger).stat().st_mode & 0o777 == 0o600
    assert stage.apply(job).code == ExitCode.OK
    assert [one["reason"] for one in stage.records("decision")] == ["careful"]


def test_what_cannot_be_taken_is_refused_and_not_written(stage: Stage) -> None:
    """A rate above the job's own, words that are no command, a run that has finished."""
    job = slow(stage)
    with at_work(stage, job) as process:
        refused = tell(stage, "rate", "11/s")
        assert refused.code == ExitCode.REFUSED
        assert "11/s is more than the job's own rate, 10/s" in refused.err
        for words in (("halt",), ("rate",), ("rate", "fast"), ("pause", "now")):
            wrong = tell(stage, *words)
            assert wrong.code == ExitCode.USAGE, words
            assert "write pause, unpause, stop, rate 5/s, rate auto or go WAVE" in wrong.err
        assert ended(process)[0] == ExitCode.OK
    late = tell(stage, "pause")
    assert late.code == ExitCode.REFUSED
    assert "it has finished" in late.err
    assert not beside(stage.ledger).exists()


def test_two_terminals_at_once_are_both_answered(stage: Stage) -> None:
    """Each by a record of its own, whatever the order."""
    with at_work(stage, slow(stage)) as process:
        assert tell(stage, "pause").code == ExitCode.OK  # it waits for them however long they take to start
        each = (("pause",), ("rate", "9/s"), ("rate", "9/s"))
        words = [["tell", str(stage.ledger), *one, "--because", "at once"] for one in each]
        with stage.child(*words[0]) as one, stage.child(*words[1]) as two, stage.child(*words[2]) as three:
            assert [ended(child)[0] for child in (one, two, three)] == [ExitCode.OK] * 3
        assert tell(stage, "stop").code == ExitCode.OK
        assert ended(process)[0] == ExitCode.SAFETY_LIMIT
    said = stage.records("decision")
    assert sorted(one["what"] for one in said) == ["pause", "pause", "rate", "rate", "stop"]
    assert len({one["id"] for one in said}) == 5
    assert len(stage.status()["stops"]) == 1


def test_a_line_that_a_killed_terminal_left_in_part_hurts_nobody(stage: Stage) -> None:
    """It waits for its end; when somebody else writes, it is named in a note and passed over."""
    with at_work(stage, slow(stage)) as process:
        fd = os.open(beside(stage.ledger), os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b'{"id":"deadbeef","what":"st')
        os.close(fd)
        assert tell(stage, "pause").code == ExitCode.OK
        assert tell(stage, "unpause").code == ExitCode.OK
        assert ended(process)[0] == ExitCode.OK
    (note,) = [one for one in stage.records("note") if one["about"] == "commands"]
    assert note["message"].startswith("line 1 of ")
    assert note["message"].endswith(" is not JSON: it is ignored")


def test_the_answer_for_a_machine_names_the_record(stage: Stage) -> None:
    """By its id."""
    with at_work(stage, slow(stage)) as process:
        answer = orjson.loads(tell(stage, "pause", "--output", "json").out)
        assert answer["answer"] == "pause"
        assert stage.records("decision")[-1]["id"] == answer["id"]
        shown = orjson.loads(tell(stage, "--output", "json").out)
        assert len(shown["in_force"]) == 1
        process.kill()


def test_what_a_long_pause_ended_needs_no_other_window(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that continues it is named, and no window where the job has none."""
    job = slow(stage)
    with at_work(stage, job) as process:
        process.kill()
    for has_window in (False, True):
        ending = Ending(
            ledger=stage.ledger,
            endpoint=ApiAddress(url=""),
            exit_code=ExitCode.WINDOW_ENDED,
            job=Job(rows="-"),
            progress=Progress(),
            has_window=has_window,
        )
        Terminal(yes=True, quiet=False, can_ask=False, dry_run="", each_row="").sum_up(ending)
        err = capsys.readouterr().err
        assert ("to continue: " in err) is not has_window
        assert ("in the next window" in err) is has_window
