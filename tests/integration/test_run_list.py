"""A list of runs by the ends of their ledgers: it says what all lines say, or that it does not know."""

import os
import pwd
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from bulk.app.run_listing import runs_listed
from bulk.errors import ExitCode
from bulk.ledger import summary_file
from bulk.ledger.file import fold
from bulk.ledger.records import Intent
from bulk.reports.run_list import UNCOUNTED, ListedRun, by_progress
from bulk.reports.run_status import State
from tests.forging import forged, ledger
from tests.integration.test_ledger_ends import RUNS, ended, write
from tests.property.test_ledger_summary import summarise
from tests.values import change, planned, run_record, session_record

NOW = 1_800_000_000.0
AFTER_THE_RUN = (State.STOPPED, State.FINISHED, State.PLANNED)
MOST_BYTES = 200_000
"""Of the ends, some more than once; 3,000 rows are more than five times as long."""


def listed(path: Path) -> ListedRun:
    """Return the line of one ledger."""
    [run] = runs_listed(str(path), NOW)
    return run


def bytes_read() -> int:
    """Return how many bytes this process has asked for so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("rows", [2, 300])
@pytest.mark.parametrize("name", RUNS)
def test_a_line_says_what_all_of_the_ledger_says_or_that_it_is_not_known(
    name: str, rows: int, tmp_path: Path
) -> None:
    """A short ledger is read whole; of a long one the end of a session or of a plan has the figures."""
    path = write(tmp_path / "run.ledger.jsonl", rows, name)
    run, whole = listed(path), by_progress(str(path), fold(path), alive=False)
    if rows == 2 or whole.state in AFTER_THE_RUN:
        assert run == whole
    else:
        assert (run.state, run.rows, run.applied, run.remark) == (State.DIED, None, None, UNCOUNTED)
        assert (run.job, run.began_at, run.exit_code) == (whole.job, whole.began_at, None)


@pytest.mark.parametrize("name", ["finished", "under way", "begun"])
def test_what_is_read_of_a_ledger_does_not_grow_with_its_rows(name: str, tmp_path: Path) -> None:
    """Whether its last session ended or not."""
    listed(write(tmp_path / "first", 2, name))
    for rows in (300, 3_000):
        path = write(tmp_path / f"{rows}.ledger.jsonl", rows, name)
        before = bytes_read()
        listed(path)
        assert bytes_read() - before < MOST_BYTES
    assert path.stat().st_size > 5 * MOST_BYTES


def test_a_long_run_that_was_killed_is_counted_by_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by the lines behind that."""
    monkeypatch.setattr(summary_file, "LEDGER_BYTES_MIN", 1)
    path = write(tmp_path / "run.ledger.jsonl", 300, "under way")
    summarise(path, 500)
    run = listed(path)
    assert run == by_progress(str(path), fold(path), alive=False)
    assert (run.state, run.applied, run.not_as_asked) == (State.DIED, 299, 1)


def test_a_run_at_work_has_no_exit_code(tmp_path: Path) -> None:
    """Whatever its last session ended with: another one has the ledger."""
    path = write(tmp_path / "run.ledger.jsonl", 2, "stopped")
    assert listed(path).exit_code is ExitCode.WINDOW_ENDED
    with path.open("rb") as held:
        flock(held.fileno(), LOCK_EX)
        run = listed(path)
    assert (run.state, run.exit_code, run.applied) == (State.RUNNING, None, 1)


def test_the_ticket_is_that_of_the_last_session_as_far_as_the_end_shows_it(tmp_path: Path) -> None:
    """Of an older version, whose sessions end without it, it is that of the plan."""
    path, changes = tmp_path / "run.ledger.jsonl", [change(row) for row in range(1, 301)]
    plan = [run_record(), *changes, planned(*changes)]
    records = ledger(*plan, session_record(), *ended(300), Intent(row=1, attempt=1))
    records[0]["options"]["ticket"] = "CHG1"
    path.write_bytes(forged(records))
    assert listed(path).ticket == "CHG1"
    records[len(plan)]["settings"] = {"ticket": "CHG2"}
    path.write_bytes(forged(records[: len(plan) + 1]))
    assert listed(path).ticket == "CHG2"


def test_whatever_is_named_like_a_ledger_has_its_line(tmp_path: Path) -> None:
    """Beside sound runs: text, a folder, a pipe, links, damage."""
    sound = write(tmp_path / "sound.ledger.jsonl", 300, "finished")
    content = sound.read_bytes()
    (tmp_path / "notes.txt").write_text("passed over")
    odd = {
        name: tmp_path / f"{name}.ledger.jsonl" for name in ("text", "folder", "pipe", "dead", "link", "cut")
    }
    odd["text"].write_text("hello\n")
    odd["folder"].mkdir()
    os.mkfifo(odd["pipe"])
    odd["dead"].symlink_to("nothing")
    odd["link"].symlink_to(sound)
    odd["cut"].write_bytes(content[:90_000])
    short = write(tmp_path / "short.ledger.jsonl", 2, "under way")
    short.write_bytes(short.read_bytes().replace(b'"attempt":1', b'"attempt":2', 1))
    runs = {Path(run.ledger).name.partition(".")[0]: run for run in runs_listed(str(tmp_path), NOW)}
    assert {name: run.remark for name, run in runs.items()} == {
        "sound": "",
        "text": "line 1 does not follow from the lines before it",
        "folder": "not a file",
        "pipe": "not a file",
        "dead": "nothing is there; a link to nothing",
        "link": f"a link to {sound}",
        "cut": "its end does not show where it stands; `bulk audit` reads all of it",
        "short": "line 6 does not follow from the lines before it",
    }
    assert runs["cut"].job == runs["short"].job == "services.csv"
    assert runs["text"].state is runs["pipe"].state is None


def test_a_ledger_of_somebody_else_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name or, where the machine does not know that, by number."""
    path, mine = write(tmp_path / "run.ledger.jsonl", 2, "finished"), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert listed(path).remark == f"belongs to {pwd.getpwuid(mine).pw_name}"
    monkeypatch.setattr(pwd, "getpwuid", lambda _: {}["nobody"])
    assert listed(path).remark == f"belongs to user {mine}"


def test_a_ledger_that_may_not_be_read_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the system says."""
    path = write(tmp_path / "run.ledger.jsonl", 2, "finished")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("bulk.app.run_listing.is_live", refused)
    assert listed(path).remark == "cannot be read: Permission denied"


def test_runs_stand_in_the_order_of_their_time_and_one_of_the_future_last(tmp_path: Path) -> None:
    """Below a folder, at most two folders deep; each ledger once."""
    for number, place in enumerate(("runs", "a/runs", "a/b/runs", "a/b/c/runs", "")):
        folder = tmp_path / place
        folder.mkdir(parents=True, exist_ok=True)
        records = ledger(run_record(), change(1), planned(change(1)))
        records[0]["at"] = f"20{30 + number if number == 1 else 20 + number}-01-15T08:30:00.000Z"
        (folder / f"{number}.ledger.jsonl").write_bytes(forged(records))
    assert [Path(run.ledger).name[0] for run in runs_listed(str(tmp_path), NOW)] == ["4", "2", "0", "1"]
