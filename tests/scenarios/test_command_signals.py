"""The command as a process: signals, terminals, two at once."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Stage, until, wide
from tests.simulator_caller import service_id

SLOW = {"latency_s": 0.3}
"""Enough that a signal finds requests in flight."""
QUIET_S = 0.1
"""An intent that a stop overtakes on its way to the disk is withdrawn; later its request has left."""


def sent(stage: Stage) -> bool:
    """Return whether an intent has been on the disk for a moment, so that its request is on its way."""
    return any(
        b'"type":"intent"' in path.read_bytes() and time.time() - path.stat().st_mtime > QUIET_S
        for path in stage.ledgers
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, ExitCode.INTERRUPTED),
        (signal.SIGTERM, ExitCode.TERMINATED),
        (signal.SIGHUP, ExitCode.TERMINATED),
    ],
)
def test_the_first_signal_lets_requests_in_flight_end(
    number: signal.Signals, code: ExitCode, stage: Stage
) -> None:
    """They are recorded, nothing new is sent, and the command that goes on is told and does."""
    job = stage.job(wide(range(1, 11)), concurrency=2)
    stage.order(switches=SLOW)
    with stage.child("apply", job, "--yes") as process:
        until(lambda: sent(stage), process)
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == code
    assert "not attempted" in out
    assert f"stopped: {number.name}" in err
    assert f"to continue: bulk apply {stage.ledger} --yes" in err
    outcomes = stage.outcomes()
    assert outcomes.keys() == {"applied", "not_attempted"}
    assert outcomes["applied"] == len(stage.applied)
    stage.order(switches={"latency_s": 0.0})
    assert stage.apply(job).code == ExitCode.OK
    assert len(stage.applied) == 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_leaves_at_once_and_the_ledger_stays_true(
    number: signal.Signals, stage: Stage
) -> None:
    """What was in flight is in doubt, and the same command finds out."""
    job = stage.job(wide(range(1, 11)), concurrency=2)
    stage.order(faults={"rules": [{"kind": "slow", "delay_s": 600.0, "method": "PUT", "times": None}]})
    with stage.child("apply", job, "--yes") as process:
        until(lambda: sent(stage), process)
        while process.poll() is None:  # two that come at once may be one
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
    assert process.returncode == 128 + number
    assert stage.outcomes()["in_doubt"] == 1, "the first PUT of a target goes alone"
    stage.order(faults={})
    assert stage.apply(job).code == ExitCode.OK
    assert stage.outcomes() == {"applied": 10}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_plans_leaves_nothing_behind(number: signal.Signals, stage: Stage) -> None:
    """No part of a ledger, no question, nothing sent; the shell's code for that signal."""
    job = stage.job(wide(range(1, 11)))
    stage.order(faults={"rules": [{"kind": "slow", "delay_s": 600.0, "method": "GET", "times": None}]})
    with stage.child("apply", job, "--yes") as process:
        until(lambda: [*stage.folder.glob("**/*.partial")], process)
        process.send_signal(number)
        process.communicate(timeout=WAIT_S)
    assert process.returncode == 128 + number
    assert not [*stage.folder.glob("**/*.partial")]
    assert not stage.ledgers
    assert not stage.applied


def test_the_second_of_two_runs_at_once_ends_with_8(stage: Stage) -> None:
    """Whether it names the job or the ledger; it changes nothing, and the first goes on."""
    job = stage.job(wide(range(1, 6)), concurrency=1)
    stage.order(faults={"rules": [{"kind": "slow", "delay_s": 2.0, "method": "PUT", "times": None}]})
    with stage.child("apply", job, "--yes") as process:
        until(lambda: sent(stage), process)
        second, third = stage.run_child("apply", job, "--yes"), stage.apply(str(stage.ledger))
        assert stage.status()["state"] == "running"
        stage.order(faults={})
        process.communicate(timeout=WAIT_S)
    assert (second.code, third.code) == (ExitCode.BUSY, ExitCode.BUSY)
    assert f"(process {process.pid}) works on" in third.err
    assert process.returncode == ExitCode.OK
    assert len(stage.applied) == 5


def test_a_lost_terminal_does_not_stop_what_nohup_started(stage: Stage) -> None:
    """Whoever ignores HUP means it."""
    job = stage.job(wide(range(1, 4)), concurrency=1)
    stage.order(switches=SLOW)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a child inherits it
    try:
        with stage.child("apply", job, "--yes") as process:
            until(lambda: sent(stage), process)
            process.send_signal(signal.SIGHUP)
            process.communicate(timeout=WAIT_S)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.returncode == ExitCode.OK
    assert len(stage.applied) == 3


def test_without_a_terminal_it_never_asks(stage: Stage) -> None:
    """The process ends with 2 at once, standard input open or not."""
    job = stage.job(wide([1]))
    for stdin in (subprocess.DEVNULL, subprocess.PIPE):
        assert stage.run_child("apply", job, stdin=stdin).code == ExitCode.USAGE
    assert stage.applied == []


class Screen:
    """A terminal of ours with a command at it."""

    def __init__(self, process: subprocess.Popen[str], fd: int) -> None:
        self.process = process
        self._fd = fd
        self._shown = b""
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the terminal's other end has closed
            while piece := os.read(self._fd, 65_536):
                self._shown += piece

    @property
    def text(self) -> str:
        """What it has shown so far."""
        return self._shown.decode(errors="replace")

    def await_text(self, words: str) -> None:
        """Return once it shows these words."""
        until(lambda: words in self.text, self.process)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        """Wait for the command's end and give its exit code."""
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code


@contextmanager
def at_a_terminal(*argv: str, **env: str) -> Iterator[Screen]:
    """Run the command at a terminal of its own, where Ctrl-C works."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _AT_TERMINAL, *argv],
        text=True, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, env=os.environ | {"TERM": "xterm", "COLUMNS": "120"} | env,
    )  # fmt: skip
    os.close(theirs)
    screen = Screen(process, ours)
    try:
        yield screen
    finally:
        process.kill()
        screen.end()
        os.close(ours)


_AT_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from bulk.__main__ import main
sys.argv[0] = "bulk"
sys.exit(main())
"""


def test_at_a_terminal_it_asks_and_yes_goes_ahead(stage: Stage) -> None:
    """Bar, colours, summary; exit 0."""
    with at_a_terminal("apply", stage.job(wide([1]))) as screen:
        screen.await_text("Only yes goes ahead: ")
        screen.type("yes\n")
        assert screen.end() == ExitCode.OK
    assert "the service is as asked" in screen.text
    assert "\x1b[" in screen.text
    assert "1/1" in screen.text
    assert len(stage.applied) == 1


def test_at_a_terminal_no_is_a_no(stage: Stage) -> None:
    """Exit 5, nothing sent."""
    with at_a_terminal("apply", stage.job(wide([1]))) as screen:
        screen.await_text("Only yes goes ahead: ")
        screen.type("no\n")
        assert screen.end() == ExitCode.STOPPED_EARLY
    assert "nothing was sent" in screen.text
    assert stage.applied == []


def test_ctrl_c_at_the_question_is_a_no(stage: Stage) -> None:
    """Once is enough; 130, nothing sent, nothing left."""
    with at_a_terminal("apply", stage.job(wide([1]))) as screen:
        screen.await_text("Only yes goes ahead: ")
        screen.type("\x03")
        assert screen.end() == ExitCode.INTERRUPTED
    assert "SIGINT: not confirmed; nothing was sent" in screen.text
    assert (stage.applied, stage.ledgers) == ([], [])


def test_ctrl_c_at_a_terminal_lets_the_run_end_cleanly(stage: Stage) -> None:
    """The bar is taken down, the summary follows."""
    stage.order(switches=SLOW)
    with at_a_terminal("apply", stage.job(wide(range(1, 11)), concurrency=1), "--yes") as screen:
        until(lambda: sent(stage), screen.process)
        screen.type("\x03")
        assert screen.end() == ExitCode.INTERRUPTED
    assert "not attempted" in screen.text
    assert re.search(r"to continue:\s+bulk apply", screen.text)


def test_no_color_means_no_colour(stage: Stage) -> None:
    """The plan at a terminal, plain."""
    job = stage.job(wide([1]))
    with at_a_terminal("plan", job, NO_COLOR="1") as screen:
        assert screen.end() == ExitCode.OK
    assert service_id(1)[:8] in screen.text
    assert not [code for code in ("\x1b[3", "\x1b[9", "\x1b[1;3") if code in screen.text]


def test_without_a_terminal_a_plain_line_tells_the_progress(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now and then; it names the rows done, the speed, and what failed."""
    monkeypatch.setattr("bulk.cli.display.PLAIN_EVERY_S", 0.001)
    rule = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}
    stage.order(faults={"rules": [rule]}, switches={"latency_s": 0.02})
    ended = stage.apply(stage.job(wide(range(1, 6)), concurrency=1))
    lines = [line for line in ended.err.splitlines() if "/5 (" in line]
    assert any("1 failed (EndPoint.0002 1)" in line for line in lines)
    assert any(line.startswith("4/5 (80 %) | ") for line in lines)
    assert any(" left | " in line or line.endswith(" left") for line in lines)


def test_python_m_bulk_is_the_command(stage: Stage) -> None:
    """With its own name in the help."""
    ended = stage.run_child("--help")
    assert ended.code == ExitCode.OK
    assert "Usage: bulk [OPTIONS] COMMAND" in ended.out


def test_the_simulator_is_a_verb_with_flags_of_its_own(stage: Stage) -> None:
    """They reach it as they are: its help, its errors, its URL."""
    assert "--seed-fleet" in stage.run_child("simulator", "--help").out
    assert stage.run_child("simulator", "--port", "http").code == ExitCode.USAGE
    ended = stage.run_child("simulator", "--seed-fleet", "3", "--stop-with-stdin")
    assert ended.code == ExitCode.OK
    assert ended.out.startswith("http://127.0.0.1:")


_INTERRUPTED_IMPORT = """
import sys

class Loading(type(sys)):
    def __getattr__(self, name):
        raise KeyboardInterrupt

sys.modules["bulk.cli.main"] = Loading("bulk.cli.main")
from bulk.__main__ import main
sys.exit(main())
"""


def test_an_int_while_it_loads_ends_it_quietly() -> None:
    """130 without a traceback."""
    ended = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_IMPORT], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (ExitCode.INTERRUPTED, "")


_ASKED_WHILE_LOADING = """
import os, signal, subprocess, sys, types

def command():
    os.kill(os.getpid(), signal.SIGUSR1)
    kills_itself = "import os, signal; os.kill(os.getpid(), signal.SIGUSR1)"
    return -subprocess.run([sys.executable, "-c", kills_itself]).returncode

sys.modules["bulk.cli.main"] = types.SimpleNamespace(main=command)
from bulk.__main__ import main
sys.exit(main())
"""


def test_usr1_ends_nothing_while_it_loads_or_ends() -> None:
    """Nor is it ignored in a child, such as a judge that waits for it."""
    ended = subprocess.run(
        [sys.executable, "-c", _ASKED_WHILE_LOADING], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (signal.SIGUSR1, "")


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_usr1_shows_where_the_run_stands_and_ends_nothing(stage: Stage, quiet: tuple[str, ...]) -> None:
    """However often it comes, and whatever else is to be shown."""
    job = stage.job(wide(range(1, 11)), concurrency=1)
    stage.order(switches=SLOW)
    with stage.child("apply", job, "--yes", *quiet) as process:
        until(lambda: sent(stage), process)
        for count in range(1, 4):
            process.send_signal(signal.SIGUSR1)
            until(lambda count=count: len(stage.applied) >= count, process)
        stage.order(switches={"latency_s": 0.0})
        _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == ExitCode.OK
    assert re.search(r"^\d+/10 \(\d+ %\) \| ", err, re.MULTILINE)
    assert stage.outcomes() == {"applied": 10}
