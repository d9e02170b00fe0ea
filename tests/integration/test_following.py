"""A run that is followed: one fold of what is appended, whatever happens to the file meanwhile."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from bulk.app import following
from bulk.app.following import Follower
from bulk.errors import LedgerDamaged, UsageError
from bulk.ledger.chain import moment_s
from bulk.ledger.file import LedgerFile, fold
from bulk.ledger.records import Attempt, AttemptResult, Intent, Json, OutcomeRecord, Record
from bulk.model import Outcome, Reply
from tests.fakes import FakeClock
from tests.forging import forge, forged, ledger
from tests.values import change, end_record, planned, run_record, session_record

LATER_S = 3600.0


def run_of(*more: Record, rows: int = 20, run: str = "services.csv") -> list[Json]:
    """Return the records of a run at work on so many rows."""
    changes = [change(row) for row in range(1, rows + 1)]
    return ledger(run_record(run), *changes, planned(*changes), session_record(not_attempted=rows), *more)


def applied(rows: Iterable[int]) -> list[Record]:
    """Return what is written of rows that are applied."""
    pairs = ([Intent(row=row, attempt=1), OutcomeRecord(row=row, outcome=Outcome.APPLIED)] for row in rows)
    return [record for pair in pairs for record in pair]


def content(*more: Record, **how: str) -> bytes:
    """Return a run at work as it stands in its file."""
    return forged(run_of(*more, **how))  # type: ignore[arg-type]  # rows has its default


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger is."""
    return tmp_path / "job-20260115T083000.000Z.ledger.jsonl"


def test_every_byte_that_is_appended_is_taken_in_once_and_adds_up_to_the_fold(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever byte the writer has come to; a line that is not whole waits for its end."""
    whole = content(*applied(range(1, 21)), end_record(applied=20))
    begun = len(content())
    path.write_bytes(whole[:begun])
    follower = Follower(path)
    taken: list[int] = []
    monkeypatch.setattr(following, "steps", counting(taken))
    for end in range(begun, len(whole) + 1, 41):
        path.write_bytes(whole[:end])
        follower.look(0.0)
    path.write_bytes(whole)
    follower.look(0.0)
    assert taken == list(range(taken[0], whole.count(b"\n")))
    assert follower.n == whole.count(b"\n") - 1
    assert follower.progress == fold(path)
    assert (follower.trouble, follower.notice) == ("", "")


def counting(taken: list[int]):  # noqa: ANN201 - what `steps` is
    """Return `steps` that keeps the number of each record."""
    steps = following.steps

    def counted(*arguments):  # noqa: ANN002, ANN202
        for record in steps(*arguments):
            taken.append(record["n"])
            yield record

    return counted


def test_a_file_that_was_cut_or_replaced_is_said_and_read_from_its_beginning(path: Path) -> None:
    """A copy that goes on where the former one ended, as some tools bring it, is nothing to say."""
    path.write_bytes(content(*applied([1, 2])))
    follower = Follower(path)
    path.unlink()
    path.write_bytes(content(*applied([1, 2, 3])))
    assert follower.look(0.0)
    assert (follower.progress.ended, follower.notice) == (3, "")
    path.write_bytes(content(*applied([1])))
    follower.look(0.0)
    assert follower.progress.ended == 1
    assert "was cut to " in follower.notice
    path.write_bytes(content(*applied([5, 6, 7]), run="another.csv"))
    follower.look(0.0)
    assert (follower.progress.run["job"], follower.progress.ended) == ("another.csv", 3)
    assert "was replaced" in follower.notice


@pytest.mark.parametrize("left", ["nothing", "half a plan", "a part of a line", "whole lines"])
def test_that_a_file_was_cut_is_said_until_it_has_every_line_again(path: Path, left: str) -> None:
    """As when a copy comes anew in parts; where other lines follow than before, it stays said."""
    short, before = content(*applied([1])), content(*applied([1, 2]))
    after = content(*applied([1, 2, 3]))
    cut = {
        "nothing": b"",
        "half a plan": before[:1500],
        "a part of a line": before[:-5],
        "whole lines": short,
    }
    path.write_bytes(before)
    follower = Follower(path)
    path.write_bytes(cut[left])
    follower.look(0.0)
    assert "was cut to " in follower.notice
    path.write_bytes(before[:-1])
    follower.look(0.0)
    assert "was cut to " in follower.notice
    path.write_bytes(after)
    follower.look(0.0)
    assert (follower.progress.ended, follower.notice, follower.trouble) == (3, "", "")
    path.write_bytes(short)
    follower.look(0.0)
    path.write_bytes(content(*applied([1, 5, 6, 7])))
    follower.look(0.0)
    assert follower.progress.ended == 4
    assert "was cut to " in follower.notice


def test_a_file_that_cannot_be_read_is_said_and_the_state_before_stays(path: Path) -> None:
    """Damage, a folder that has gone, a file that comes back."""
    good = content(*applied([1, 2]))
    path.write_bytes(good)
    follower = Follower(path)
    path.write_bytes(good.replace(b'"row":2', b'"row":3') + b"\n")
    follower.look(0.0)
    assert f"{path}: line " in follower.trouble
    assert follower.progress.ended == 2
    follower.look(0.0)  # nothing has changed: it is still so
    assert f"{path}: line " in follower.trouble
    path.unlink()
    follower.look(0.0)
    assert follower.trouble == f"{path}: No such file or directory"
    path.write_bytes(content(*applied([1, 2, 3])))
    follower.look(0.0)
    assert (follower.trouble, follower.progress.ended) == ("", 3)


def test_what_is_no_ledger_is_refused_at_once(path: Path) -> None:
    """As `status` refuses it."""
    with pytest.raises(UsageError):
        Follower(path)
    path.write_bytes(b"")
    with pytest.raises(LedgerDamaged, match="holds no complete plan"):
        Follower(path)


def test_a_run_is_live_while_its_lock_is_held_or_its_ledger_grows(path: Path) -> None:
    """The lock is asked for only while nothing comes, so that a run at work is not disturbed."""
    forge(path, run_of(*applied([1])))
    follower = Follower(path, host="bastion")
    follower.look(LATER_S)
    assert not follower.alive
    held = LedgerFile.open(path, now=FakeClock().now)
    try:
        follower.look(LATER_S)
        assert follower.alive
    finally:
        os.close(held._fd)
    path.write_bytes(content(*applied([1, 2])))
    follower.look(LATER_S)
    assert follower.alive  # somebody wrote, whether the lock is seen or not
    path.write_bytes(content(*applied(range(1, 21)), end_record(applied=20)))
    follower.look(LATER_S)
    assert not follower.alive  # its end is on record


def test_a_run_that_died_does_not_live_because_its_file_was_cut_or_replaced(path: Path) -> None:
    """Only what is appended shows that somebody writes."""
    forge(path, run_of(*applied([1, 2])))
    follower = Follower(path, host="bastion")
    for changed in (content(*applied([1])), content(*applied([5, 6, 7]), run="another.csv")):
        path.write_bytes(changed)
        assert follower.look(LATER_S)
        assert not follower.alive


def test_while_records_come_no_lock_is_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run at work, and one that begins, are never kept from their ledger by those who look on."""
    forge(path, run_of(*applied([1])))
    follower = Follower(path, host="bastion")
    asked: list[Path] = []
    monkeypatch.setattr(following, "is_live", asked.append)
    path.write_bytes(content(*applied([1, 2])))
    follower.look(LATER_S)
    assert not asked
    follower.look(LATER_S)
    assert asked == [path]


def test_on_another_host_a_file_that_grew_not_long_ago_is_live(path: Path) -> None:
    """The lock may not be seen there; after 45 s without a word it is not live any more."""
    forge(path, run_of(*applied([1])))
    follower = Follower(path, host="elsewhere")
    last = moment_s(follower.progress.last_at)
    follower.look(last + 44)
    assert follower.alive
    follower.look(last + 45)
    assert not follower.alive


def test_the_last_minute_and_the_rows_that_need_a_person_are_those_of_the_whole_ledger(path: Path) -> None:
    """A row in doubt until it is read, a throttled one, the newest failure first."""
    reply = Reply(http=400, code="EndPoint.3044", message="no")
    more: list[Record] = [*applied([1])]
    for row in (2, 3):
        more += [Intent(row=row, attempt=1), OutcomeRecord(row=row, outcome=Outcome.FAILED, reply=reply)]
    more += [
        Intent(row=4, attempt=1),
        Attempt(row=4, attempt=1, verdict=AttemptResult.DOUBT, reply=Reply()),
        Intent(row=5, attempt=1),
        Attempt(row=5, attempt=1, verdict=AttemptResult.THROTTLED, reply=Reply()),
    ]
    forge(path, run_of(*more))
    follower = Follower(path)
    assert [*follower.recent.wrong()] == [3, 2]
    assert [*follower.recent.doubts] == [4]
    counts = follower.recent.counts([0], moment_s(follower.progress.last_at))
    assert (sum(counts.sent), sum(counts.throttled)) == (5, 1)
    begun = type(follower.recent)()
    begun.begin(follower.progress)
    assert [*begun.wrong()] == [3, 2]
