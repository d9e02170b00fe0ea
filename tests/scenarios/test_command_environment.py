"""What a command finds around it: encodings, folders, homes, modules, streams, early signals."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Ended, Stage, wide
from tests.simulator_caller import service_id

NOTE = "迁移 é"
NOBODY = 123_456
"""A user without an entry in the passwd file."""


def noted(count: int) -> str:
    """Return a job whose rows have a note that few encodings can show."""
    head, *rows = wide(range(1, count + 1)).splitlines()
    return "\n".join([f"{head},note", *(f"{row},{NOTE}" for row in rows)]) + "\n"


ENCODINGS = [
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "gbk"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]


@pytest.mark.parametrize("env", ENCODINGS, ids=str)
def test_an_encoding_that_lacks_a_character_stops_nothing(env: dict[str, str], stage: Stage) -> None:
    """Neither the run nor its log; what cannot be shown stands as its escape."""
    job = stage.job(noted(3))
    environment = os.environ | env
    ended = subprocess.run(
        [sys.executable, "-m", "bulk", "apply", job, "--yes", "-v"],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert b"all 3 services are as asked" in ended.stdout
    assert stage.outcomes() == {"applied": 3}


@pytest.mark.parametrize("env", ENCODINGS, ids=str)
@pytest.mark.parametrize("form", ["csv", "json", "html", "md"])
def test_a_report_in_a_file_is_utf_8_whatever_the_locale(
    env: dict[str, str], form: str, stage: Stage
) -> None:
    """Another program or another machine reads it."""
    stage.apply(stage.job(noted(2)))
    environment, words = os.environ | env, ["report", str(stage.ledger), "--output", form]
    ended = subprocess.run(
        [sys.executable, "-m", "bulk", *words], capture_output=True, env=environment, check=False
    )
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert NOTE in ended.stdout.decode() or form == "md"
    assert ended.stdout.decode() == stage.bulk(*words).out


def test_an_export_and_a_plan_are_utf_8_too(stage: Stage) -> None:
    """Whatever a later command reads."""
    stage.order(services=[stage.fleet[service_id(1)] | {"description": NOTE}])
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    for words in (["export", "--format", "jsonl"], ["plan", stage.job(noted(1)), "--output", "csv"]):
        ended = subprocess.run(
            [sys.executable, "-m", "bulk", *words], capture_output=True, env=environment, check=False
        )
        assert ended.returncode == ExitCode.OK, ended.stderr
        ended.stdout.decode()


@pytest.mark.parametrize("words", [["report"], ["plan"]])
def test_a_csv_for_excel_begins_with_a_mark(words: list[str], stage: Stage) -> None:
    """Which is no part of the job that the file is."""
    job = stage.job(noted(2))
    stage.apply(job)
    shown = stage.bulk(*words, job, "--output", "csv", "--bom").out
    assert shown == "\ufeff" + stage.bulk(*words, job, "--output", "csv").out
    assert stage.bulk("check", stage.file("again.csv", shown)).code == ExitCode.OK


def test_an_export_for_excel_begins_with_a_mark(stage: Stage) -> None:
    """In a new file and on standard output alike; JSON Lines has none."""
    out = stage.folder / "out.csv"
    assert stage.bulk("export", "--bom", "--out", str(out)).code == ExitCode.OK
    assert out.read_bytes().startswith(b"\xef\xbb\xbfnote,service_id,")
    assert stage.bulk("export", "--bom").out.encode() == out.read_bytes()
    assert stage.bulk("export", "--bom", "--format", "jsonl").out.startswith("{")
    assert stage.bulk("check", str(out)).code == ExitCode.OK


# Users and folders


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a folder that every user may enter; those of the tests are their user's own."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        (path / "services.csv").write_text(wide(range(1, 4)))
        yield path


def by_nobody(*words: str) -> Ended:
    """Run a command as a user without home and name."""
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    without = ["env", "-u", "HOME", "-u", "XDG_STATE_HOME"]
    ended = subprocess.run(
        [*without, *user, sys.executable, "-P", "-m", "bulk", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(code=ended.returncode, out=ended.stdout, err=ended.stderr)


@pytest.fixture
def _others_can_run() -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv") or by_nobody("--version").code != ExitCode.OK:
        pytest.skip("only root can become another user, who must be allowed to read the code")


@pytest.mark.usefixtures("_others_can_run")
def test_a_user_without_home_and_name_can_apply(stage: Stage, shared: Path) -> None:
    """As a container runs it: credentials are in the environment, nothing is kept at home."""
    shared.chmod(0o777)
    ended = by_nobody("apply", str(shared / "services.csv"), "--yes")
    assert ended.code == ExitCode.OK, ended.err
    assert len(stage.applied) == 3


@pytest.mark.usefixtures("_others_can_run")
def test_a_read_only_job_is_applied_with_its_ledger_elsewhere(stage: Stage, shared: Path) -> None:
    """As a job that is mounted from a ConfigMap; without --ledger the way out is named."""
    out, job = shared / "out", str(shared / "services.csv")
    out.mkdir()
    out.chmod(0o777)
    refused = by_nobody("apply", job, "--yes")
    assert refused.code == ExitCode.USAGE
    assert "`bulk apply --ledger FILE`" in refused.err
    ended = by_nobody("apply", job, "--yes", "--ledger", str(out / "l.ledger.jsonl"))
    assert ended.code == ExitCode.OK, ended.err
    assert len(stage.applied) == 3
    assert by_nobody("plan", job).code == ExitCode.OK


# Modules


@pytest.mark.parametrize("how", [[], ["-m"]], ids=["bulk", "python -m bulk"])
def test_no_module_of_the_working_folder_is_imported(how: list[str], stage: Stage) -> None:
    """Files of the user's own may be called like anything, and the rehearsal starts children there."""
    job = stage.job(wide([1]))
    for name in (
        "csv.py",
        "orjson.py",
        "aiohttp/__init__.py",
        "typer.py",
        "select.py",
        "email.py",
        "uvloop.py",
    ):
        stage.file(name, "print('mine ran'); raise SystemExit(99)\n")
    command = [sys.executable, "-m", "bulk"] if how else [str(Path(sys.executable).parent / "bulk")]
    for words in (["plan", job], ["rehearse", job], ["simulator", "--help"]):
        ended = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        assert ended.returncode == ExitCode.OK, ended.stdout + ended.stderr
        assert "mine ran" not in ended.stdout + ended.stderr


def test_a_file_called_bulk_is_not_the_command(stage: Stage) -> None:
    """Where Python itself is told to look past the working folder, or the command is installed."""
    stage.file("bulk.py", "print('mine ran')\n")
    for command in ([str(Path(sys.executable).parent / "bulk")], [sys.executable, "-P", "-m", "bulk"]):
        ended = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
        assert ended.stdout.startswith("bulk 0.")


# Streams


def test_all_is_written_to_a_pipe_that_does_not_block(stage: Stage) -> None:
    """Whoever else has the pipe can make it so; its reader is slow."""
    stage.apply(stage.job(wide(range(1, 11))))
    expected = stage.bulk("report", str(stage.ledger), "--output", "html").out
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with stage.child("report", str(stage.ledger), "--output", "html", stdout=theirs) as process:
        os.close(theirs)
        with os.fdopen(ours, "rb") as reader:
            shown = reader.read()
        assert process.wait(WAIT_S) == ExitCode.OK
    assert len(expected) > 65_536 or shown
    assert shown.decode() == expected


def test_a_job_from_a_pipe_that_does_not_block_is_read_whole(stage: Stage) -> None:
    """Its rows come when they come."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with stage.child("check", "-", "--format", "csv", stdin=ours) as process:
        os.close(ours)
        with os.fdopen(theirs, "w") as writer:
            for line in wide(range(1, 6)).splitlines(keepends=True):
                writer.write(line)
                writer.flush()
                os.sched_yield()
        out, err = process.communicate(timeout=WAIT_S)
    assert (out, err) == ("5 rows, no issues\n", "read 6 lines: 1 header line, 5 rows\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["check", "bad.csv"], ExitCode.INVALID),
        (["plan", "good.csv", "--detailed-exitcode"], ExitCode.USAGE),
        (["plan", "good.csv", "--max-changes", "1", "--output", "csv"], ExitCode.REFUSED),
        (["export"], ExitCode.OK),
        (["--help"], ExitCode.OK),
        (["--version"], ExitCode.OK),
    ],
)
def test_a_reader_that_goes_away_leaves_the_exit_code_as_it_is(
    words: list[str], code: ExitCode, stage: Stage
) -> None:
    """`bulk check bad.csv | head -1` must not look like a job without issues."""
    stage.file("bad.csv", "service_id,ports\n" + "x,1:1\n" * 500)
    stage.file("good.csv", wide(range(1, 11)))
    with stage.child(*words) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        said = process.stderr.read()
        assert process.wait(WAIT_S) == code
    assert "Traceback" not in said
    assert "Exception ignored" not in said


@pytest.mark.parametrize("words", [["apply", "--yes"], ["plan"]])
def test_a_full_disk_for_the_result_is_said_before_anything_is_sent(words: list[str], stage: Stage) -> None:
    """The plan is the first thing to be written; exit code 1."""
    verb, *flags = words
    with Path("/dev/full").open("w") as full:
        ended = stage.run_child(verb, stage.job(wide([1])), *flags, stdout=full)
    assert ended.code == ExitCode.CANNOT_RUN
    assert "standard output: No space left on device" in ended.err
    assert stage.applied == []


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_a_run_with_a_closed_stream_ends_as_it_ends(closed: str, stage: Stage) -> None:
    """As cron and daemons start commands."""
    number = ("stdin", "stdout", "stderr").index(closed)
    job = stage.job(wide(range(1, 4)))
    command = f'exec "{sys.executable}" -m bulk apply "{job}" --yes {number}>&-'
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)  # noqa: S607
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert len(stage.applied) == 3


# Signals before the command is there

_EARLY = """
import builtins, os, sys
number, at = int(sys.argv.pop(1)), int(sys.argv.pop(1))
real = builtins.__import__

def counting(*args, **names):
    global at
    at -= 1
    if at == 0:
        os.kill(os.getpid(), number)
    return real(*args, **names)

from bulk.__main__ import main
builtins.__import__ = counting
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
@pytest.mark.parametrize("at", [3, 10, 50, 200, 400, 600])
def test_a_signal_while_it_loads_ends_it_quietly(
    number: signal.Signals, code: int, at: int, stage: Stage
) -> None:
    """At whichever of its imports it comes; nothing is sent, nothing is left."""
    words = ["apply", stage.job(wide([1])), "--yes"]
    ended = subprocess.run(
        [sys.executable, "-c", _EARLY, str(number.value), str(at), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode in {code, -number}, "before there is a handler it is the system that ends it"
    assert (ended.stdout, ended.stderr.strip()) == ("", "")
    assert (stage.applied, stage.ledgers) == ([], [])


def test_term_ends_the_first_process_of_a_container(stage: Stage) -> None:
    """Which has no default handlers: before the run a TERM ends it, in the run it drains."""
    inside = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no process namespaces here")
    job = stage.job(wide(range(1, 11)), concurrency=1)
    stage.order(switches={"latency_s": 0.2})
    script = f'"{sys.executable}" -P -c "$0" {signal.SIGTERM.value} 300 apply "{job}" --yes'
    early = subprocess.run(
        [*inside, "sh", "-c", f"exec {script}", _EARLY], capture_output=True, text=True, check=False
    )
    assert (early.returncode, early.stderr) == (143, "")
    assert stage.applied == []


def test_another_system_is_refused_in_one_line() -> None:
    """Which has none of the locks and signals that a run needs."""
    script = "import sys; sys.platform = 'win32'; from bulk.__main__ import main; sys.exit(main())"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "bulk: runs on Linux and macOS; on Windows, run it in WSL\n"


def test_a_folder_that_is_gone_is_named_as_what_is_wrong(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A deployment replaced it while a shell was in it."""
    job = stage.job(wide([1]))
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert stage.bulk("check", job).code == ExitCode.OK
    for words in (("check", f"../{stage.folder.name}"), ("apply", job, "--yes")):
        ended = stage.bulk(*words)
        assert ended.code == ExitCode.CANNOT_RUN
        assert "the folder that this command was begun in is gone" in ended.err
