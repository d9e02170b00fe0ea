"""What has become of each message that left, and the file that says so."""

import os
from pathlib import Path

from bulk.app.outbox_file import Outbox, outbox_of
from bulk.operations.outbox import line, lost

AT = "2026-01-15T08:30:00.000Z"
SENT = line(id="a", at=AT, to="ops", about="person,end")


def test_a_message_of_which_nothing_more_is_known_may_be_lost() -> None:
    """Its note says to whom, of what, when, and that it is not known."""
    (sent,) = lost([SENT]).values()
    assert str(sent) == f"ops was not notified (person,end, {AT}): it is not known whether it arrived"
    assert not sent.has_failed


def test_a_message_that_failed_has_its_reason() -> None:
    """As the courier wrote it."""
    (sent,) = lost([SENT, line(id="a", at=AT, failed="HTTP 404")]).values()
    assert str(sent).endswith(": HTTP 404")
    assert sent.has_failed


def test_what_arrived_or_is_on_record_elsewhere_is_not_lost() -> None:
    """Each message is noted once."""
    assert lost([SENT, line(id="a", at=AT, delivered=True)]) == {}
    assert lost([SENT, line(id="a", failed="x"), line(id="a", noted=True)]) == {}


def test_lines_that_cannot_be_read_are_passed_over() -> None:
    """A torn one, one of another kind, and the end of a message that is not known."""
    assert lost([b'{"id": "a', b"[]\n", b'{"id": 3}\n', line(id="b", failed="x")]) == {}


def test_the_file_is_private_and_only_added_to(tmp_path: Path) -> None:
    """Mode 0600, in a folder that is made where there is none."""
    outbox = outbox_of(tmp_path / "runs", "job")
    assert outbox.lost() == {}
    outbox.add(id="a", at=AT, to="ops", about="end")
    outbox.add(id="a", failed="no answer")
    assert outbox.path == tmp_path / "runs" / "job.notices.jsonl"
    assert outbox.path.stat().st_mode & 0o777 == 0o600
    assert [sent.why for sent in outbox.lost().values()] == ["no answer"]
    assert outbox.has_grown()
    assert not outbox.has_grown()
    outbox.add(id="a", noted=True)
    assert outbox.has_grown()
    assert outbox.lost() == {}


def test_a_file_that_cannot_be_used_is_no_obstacle(tmp_path: Path) -> None:
    """A link is not followed, and a folder without leave is left alone: messages leave all the same."""
    target = tmp_path / "target"
    target.write_bytes(SENT)
    (tmp_path / "job.notices.jsonl").symlink_to(target)
    outbox = outbox_of(tmp_path, "job")
    outbox.add(id="b", at=AT, to="ops", about="end")
    assert outbox.lost() == {}
    assert target.read_bytes() == SENT
    Outbox(Path(os.devnull) / "x").add(id="c")
