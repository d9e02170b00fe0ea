"""Head and tail of a ledger alone: they say the same as all of it, or nothing."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bulk.errors import LedgerDamaged
from bulk.ledger.decisions import decided
from bulk.ledger.ends import SHORT_TAIL_BYTES, TAIL_BYTES, ends_of, head_of, last_session
from bulk.ledger.file import fold
from bulk.ledger.records import DecidedBy, Decision, DecisionKind, Intent, Note, OutcomeRecord, Record
from bulk.ledger.stops import BrakeReason
from bulk.model import Outcome
from tests.forging import forged, ledger
from tests.values import change, end_record, planned, run_record, session_record


def ended(rows: int) -> list[Record]:
    """Return what is written of rows that are applied."""
    intents = [Intent(row=row, attempt=1) for row in range(1, rows + 1)]
    ends = [OutcomeRecord(row=row, outcome=Outcome.APPLIED) for row in range(1, rows + 1)]
    return [record for pair in zip(intents, ends, strict=True) for record in pair]


def decision(what: DecisionKind) -> Decision:
    """Return a person's word about a run."""
    return Decision(by=DecidedBy.OPERATOR, what=what, reason="another one", user="ops", host="bastion")


RUNS: dict[str, Callable[[int], list[Record]]] = {
    "planned": lambda _: [],
    "begun": lambda n: [session_record(not_attempted=n)],
    "under way": lambda n: [session_record(not_attempted=n), *ended(n - 1), Intent(row=n, attempt=1)],
    "stopped": lambda n: [
        session_record(not_attempted=n),
        *ended(n - 1),
        end_record(BrakeReason.WINDOW, applied=n - 1, not_attempted=1),
    ],
    "in doubt": lambda n: [session_record(), *ended(n)[:-1], end_record(applied=n - 1, in_doubt=1)],
    "finished": lambda n: [session_record(), *ended(n), end_record(applied=n), Note(about="x", message="m")],
    "left": lambda n: [
        session_record(not_attempted=n),
        end_record(BrakeReason.WINDOW, not_attempted=n),
        decision(DecisionKind.LEAVE),
    ],
    "rolled back, in many parts": lambda n: [
        session_record(not_attempted=n),
        end_record(BrakeReason.WINDOW, not_attempted=n),
        *[decision(DecisionKind.ROLLED_BACK)] * 50,
    ],
    "stopped as all had ended": lambda n: [
        session_record(),
        *ended(n),
        end_record(BrakeReason.UNREADABLE, applied=n),
    ],
}


def write(path: Path, rows: int, name: str) -> Path:
    """Write the ledger of one of these runs."""
    changes = [change(row) for row in range(1, rows + 1)]
    path.write_bytes(forged(ledger(run_record(), *changes, planned(*changes), *RUNS[name](rows))))
    return path


@pytest.mark.parametrize("rows", [2, 300])
@pytest.mark.parametrize("name", RUNS)
def test_the_ends_say_what_the_whole_ledger_says(name: str, rows: int, tmp_path: Path) -> None:
    """What it is about, whether its run has begun, whether it is finished; a torn line is passed over."""
    path = write(tmp_path / "ledger", rows, name)
    assert (path.stat().st_size > TAIL_BYTES) is (rows > 2)
    progress, ends = fold(path), ends_of(path)
    assert ends
    assert (ends.has_begun, ends.is_finished) == (progress.begun > 0, progress.finished)
    assert ends.run == progress.run
    known = decided(progress.decisions)
    assert (ends.is_left, ends.is_rolled_back) == (bool(known.left), known.rolled_back is not None)
    assert ends.rollback == (known.rolled_back.ledger if known.rolled_back else "")
    path.write_bytes(path.read_bytes() + b'{"n":')
    assert ends_of(path) == ends


@pytest.mark.parametrize("rows", [2, 300])
def test_ends_that_were_changed_say_nothing(rows: int, tmp_path: Path) -> None:
    """Any byte of the tail that is read: the whole ledger is then read, and refused with the line."""
    path, dice = write(tmp_path / "ledger", rows, "finished"), random.Random(1)
    sound, ends = path.read_bytes(), ends_of(path)
    for _ in range(200):
        at = dice.randrange(max(0, len(sound) - SHORT_TAIL_BYTES + 1_000), len(sound))
        flipped = sound[at] ^ dice.randrange(1, 256)
        path.write_bytes(sound[:at] + bytes([flipped]) + sound[at + 1 :])
        is_torn = at == len(sound) - 1
        assert ends_of(path) == (ends if is_torn else None)


@pytest.mark.parametrize("content", [b"", b"[]\n", b'"x"\n', b"{}\n", b"\xff\n" * 3, b"x" * 2 * TAIL_BYTES])
def test_what_is_no_ledger_has_no_ends(content: bytes, tmp_path: Path) -> None:
    """Nor a head; and nothing is raised."""
    path = tmp_path / "ledger"
    path.write_bytes(content)
    assert (ends_of(path), head_of(path), last_session(path)) == (None, {}, None)
    assert ends_of(tmp_path / "none") is None
    assert ends_of(tmp_path / ("long" * 100)) is None


def test_an_incomplete_plan_has_no_ends(tmp_path: Path) -> None:
    """Whoever folds it says so."""
    path = tmp_path / "ledger"
    path.write_bytes(forged(ledger(run_record(), change(1))))
    assert ends_of(path) is None
    with pytest.raises(LedgerDamaged, match="holds no complete plan"):
        fold(path)


def test_the_last_session_is_found_wherever_it_stands(tmp_path: Path) -> None:
    """With lines behind it and before it, across the pieces in which the file is read; not within a text."""
    path = tmp_path / "ledger"
    for length in range(1_048_576 - 400, 1_048_576 + 400, 37):
        filling = [Note(about="x", message="m" * 2_000_000), Note(about="x", message='"type":"session"')]
        last = Note(about="x", message="m" * length)
        path.write_bytes(forged(ledger(*filling, session_record(1), *filling[:1], session_record(2), last)))
        found = last_session(path)
        assert found
        assert found["pid"] == 2
    assert last_session(path, path.stat().st_size - 1000) is None
    path.write_bytes(path.read_bytes().replace(b'"pid":2', b'"pid":x'))
    assert last_session(path) is None
