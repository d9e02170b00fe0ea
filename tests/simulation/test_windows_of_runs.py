"""Runs whose clocks step, whose machine sleeps and whose disk is slow: nothing leaves outside the window.

By what the fleet sees itself, and by the audit of the ledger.
"""

import random
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from bulk.ledger.file import records
from bulk.ledger.folding import take_in
from bulk.ledger.guard_proofs import GuardProofs, Ties
from bulk.ledger.progress import Progress
from bulk.ledger.promises import Promise
from bulk.ledger.records import FORMAT
from bulk.ledger.stated_opening import opening_json
from bulk.operations.windows import Calendar, read_window
from bulk.plan.openings import Shift
from bulk.puts import Put
from bulk.run.deadlines import Deadlines, Hours
from bulk.run.pump import Pump
from tests.fakes import STARTED_AT, FakeClock
from tests.sessions import Session, prepared, rows
from tests.values import ring

WINDOW = "2026-01-15T08:20:00+00:00..2026-01-15T08:35:00+00:00"
SETTINGS = {"window": WINDOW, "spare": "60s"}
RING = (1, 2)
TROUBLES = (0.0, 0.0, 1.0, 5.0, 40.0, 200.0, 400.0)


@pytest.fixture(autouse=True)
def stepping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wall clock be set."""
    monkeypatch.setattr(
        FakeClock, "now", lambda self: STARTED_AT + self.elapsed_s + vars(self).get("step_s", 0.0)
    )


def shift() -> Shift:
    """Return the opening, with its spare."""
    opening = Calendar(window=read_window(WINDOW)).next_opening(STARTED_AT, UTC)
    assert opening
    return Shift(opening=opening, spare_s=60.0)


async def lived(folder: Path, seed: int) -> tuple[list[str], list[tuple[Promise, str]]]:
    """Live through one run; return what the fleet saw outside the hours, and what the audit objects to."""
    dice = random.Random(seed)
    changes = [*ring(2), *rows(*range(3, 12))]
    session = await prepared(folder, changes, workers=dice.choice((1, 3)))
    known, clock = shift(), session.clock
    session.hours = Hours(
        opens_at=known.opening.opens_at, stops_at=known.stops_at, closes_at=known.opening.closes_at
    )
    seen: list[str] = []

    def trouble() -> None:
        if dice.random() < 0.5:
            clock.elapsed_s += dice.choice(TROUBLES)
        if dice.random() < 0.2:
            vars(clock)["step_s"] = dice.choice((-700.0, -30.0, 0.0, 1.5, 250.0))

    send, flush = session.fleet.send, session.ledger.flush

    def seen_send(put: Put, *rest: Any) -> None:
        wall = clock.now()
        if put.row not in RING and not known.is_open(wall):
            seen.append(f"row {put.row} leaves at {wall - STARTED_AT:.0f} s")
        send(put, *rest)

    async def slow_flush() -> None:
        await flush()
        trouble()

    session.fleet.on_put = lambda _: trouble()
    session.fleet.send, session.ledger.flush = seen_send, slow_flush  # type: ignore[method-assign]
    await session.run()
    return seen, audited(session, known)


def audited(session: Session, known: Shift) -> list[tuple[Promise, str]]:
    """Return what the audit objects to in the ledger of a run in this opening."""
    progress, found = Progress(), list[tuple[Promise, str]]()
    ties = Ties(progress)
    guards = GuardProofs(progress, ties)
    for offset, record in records(session.ledger.path):
        if record["type"] == "intent":
            found += guards.intent(record)
        take_in(progress, record, offset)
        if record["type"] == "change":
            ties.add(session.ledger.change(record["row"]))
        elif record["type"] == "session":
            stated = {"format": FORMAT, "settings": SETTINGS, "opening": opening_json(known, UTC)}
            found += guards.other(record | stated)
        elif record["type"] in {"attempt", "outcome", "note", "decision"}:
            found += guards.other(record)
    return found


async def test_nothing_leaves_outside_the_window_whatever_the_clocks_do(tmp_path: Path) -> None:
    """Sleeps, steps and slow commits; what a parked service waits for goes late, and is noted."""
    for seed in range(60):
        (folder := tmp_path / str(seed)).mkdir()
        assert await lived(folder, seed) == ([], []), f"seed {seed}"


def _never_over(_: Callable[..., float]) -> Callable[[Deadlines], float]:
    return lambda self: self._clock.monotonic()


def _notes_nothing(_: Callable[..., object]) -> Callable[..., object]:
    return lambda *_: None


@pytest.mark.parametrize(
    ("owner", "name", "wrong", "is_seen"),
    [
        (Deadlines, "now", _never_over, True),
        (Pump, "_note_late", _notes_nothing, False),
    ],
    ids=["the end is not asked for", "what goes late is not noted"],
)
async def test_a_planted_mistake_is_noticed(
    owner: type,
    name: str,
    wrong: Callable[..., object],
    is_seen: bool,  # noqa: FBT001 - a fact of the case
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the audit, and by the fleet where a PUT left that must not."""
    monkeypatch.setattr(owner, name, wrong(getattr(owner, name)))
    for seed in range(200):
        (folder := tmp_path / str(seed)).mkdir()
        seen, found = await lived(folder, seed)
        if found and (seen or not is_seen):
            assert {promise for promise, _ in found} == {Promise.WINDOW}
            return
    raise AssertionError("not noticed")
