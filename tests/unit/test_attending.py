"""What an attendant does once a second: holds that last are noted, and a pause has an end."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from bulk.app import attending
from bulk.app.attending import AGAIN_S, HOLD_S, PAUSE_S_MAX, Attendant, Holds
from bulk.ledger import command_file, commands, decisions
from bulk.ledger.command_file import add
from bulk.ledger.commands import ANSWERS_MAX, Command
from bulk.ledger.file import fold
from bulk.ledger.records import DecidedBy, Decision, DecisionKind, Held, Ruling
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, Outcome, Wait
from bulk.pacing import ceiling
from tests.sessions import Session, judged, prepared, rows
from tests.virtual_time import run_virtually

PAUSE = Decision(by=DecidedBy.OPERATOR, what="pause", reason="", user="ann", host="h", id="a")
WALL = 1_768_465_800.0
"""2026-01-15 08:30 UTC."""
BUDGET = ("rows", Wait(hold=Hold.BUDGET, detail="at most 2 in flight"))


def seconds(count: int) -> Iterator[float]:
    """Yield so many seconds, one by one."""
    yield from map(float, range(count))


def test_a_hold_is_noted_after_5_s_then_every_30_s_and_when_it_is_over() -> None:
    """Whatever of it changes but for its kind and row."""
    holds, noted = Holds(lambda: WALL), []
    for now in seconds(70):
        noted += [(now, note.message) for note in holds.notes(iter([BUDGET]), now)]
    noted += [(70.0, note.message) for note in holds.notes(iter([]), 70.0)]
    assert [now for now, _ in noted] == [HOLD_S, HOLD_S + AGAIN_S, HOLD_S + 2 * AGAIN_S, 70.0]
    assert noted[0][1].startswith("rows wait for the failure budget: at most 2 in flight (for 5 s so far)")
    assert noted[-1][1] == "over after 1 min 10 s: rows waited for the failure budget: at most 2 in flight"


def test_the_note_of_a_hold_says_as_data_since_when_and_until_when() -> None:
    """In UTC, whatever the monotonic clock shows; the last one says that it is over."""
    holds, soak = Holds(lambda: WALL), Wait(hold=Hold.SOAK, detail="wave 1", left_s=60.0)
    notes = [note for now in (100.0, 110.0) for note in holds.notes(iter([("rows", soak)]), now)]
    notes += holds.notes(iter([]), 130.0)
    assert [note.message for note in notes] == [
        "rows wait for the time between a wave and the next one: wave 1, 60 s left (for 10 s so far)",
        "over after 30 s: rows waited for the time between a wave and the next one: wave 1",
    ]
    known = {"hold": Hold.SOAK, "who": "rows", "detail": "wave 1", "until": "2026-01-15T08:31:00.000Z"}
    assert [note.held for note in notes] == [
        Held(**known, since="2026-01-15T08:29:50.000Z"),
        Held(**known, since="2026-01-15T08:29:30.000Z", is_over=True),
    ]


def test_what_is_waited_for_of_a_judge_is_noted_as_soon_as_it_changes() -> None:
    """As it is a person's turn then; how long one question takes is no change."""
    holds, noted = Holds(lambda: WALL), []
    for now in seconds(20):
        detail = "asked about wave 1" if now < 12 else "unsure about wave 1"
        wait = Wait(hold=Hold.JUDGE, detail=detail, lasts_s=now % 12)
        noted += [(now, note.message) for note in holds.notes(iter([("rows", wait)]), now)]
    assert noted == [
        (5.0, "rows wait for the judge: asked about wave 1 (for 5 s so far)"),
        (12.0, "rows wait for the judge: unsure about wave 1 (for 12 s so far)"),
    ]


def test_a_short_hold_is_not_noted() -> None:
    """Nor one that comes and goes."""
    holds = Holds(lambda: WALL)
    for now in seconds(60):
        waits = [BUDGET] if now % 5 else []
        assert list(holds.notes(iter(waits), now)) == []


async def attended(session: Session, *, has_window: bool) -> None:
    """Let a session run to its end with an attendant, whose clock goes on by seven hours with each tick."""
    async with session.ledger:
        run, hours = session.pump(), iter(range(0, 1000, 7))
        attendant = Attendant(
            run,
            session.ledger,
            session.brake,
            now=lambda: next(hours) * 3600.0,
            wall=lambda: WALL,
            waits=lambda: iter(()),
            own_per_s=20.0,
            has_window=has_window,
        )
        ticks: list[Any] = []

        def tick() -> None:
            ticks.append(None)
            attendant()
            if len(ticks) == 4:
                session.brake.pull(BrakeReason.WINDOW, "the window ended")

        run.on_tick(tick)
        await run()


def test_a_run_that_hears_nothing_does_no_work_for_it_for_a_row(tmp_path: Path) -> None:
    """By a profile, in virtual time: ten times the rows, and not one call more."""
    files = tuple(module.__file__ or "" for module in (attending, ceiling, commands, command_file, decisions))

    async def profiled(count: int) -> Counter[str]:
        (folder := tmp_path / str(count)).mkdir()
        session, calls = await prepared(folder, rows(*range(1, count + 1))), Counter[str]()

        def counted(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and frame.f_code.co_filename in files:
                calls[frame.f_code.co_qualname] += 1

        sys.setprofile(counted)
        try:
            await attended(session, has_window=False)
        finally:
            sys.setprofile(None)
        assert session.outcomes == [Outcome.APPLIED] * count
        return calls

    few, many = run_virtually(profiled(20)), run_virtually(profiled(200))
    assert few["Attendant.__call__"]
    assert many == few


async def test_without_a_window_a_session_waits_12_h_for_the_end_of_a_pause(tmp_path: Path) -> None:
    """Then it ends with 10; the pause stays in force."""
    session = await prepared(tmp_path, rows(1, 2))
    session.ledger.append(PAUSE)
    await session.ledger.flush()
    await attended(session, has_window=False)
    assert session.brake.reasons == (BrakeReason.PAUSED,)
    assert session.brake.message == "paused for 12 h by ann on h; the pause stays in force"
    assert PAUSE_S_MAX == 12 * 3600
    assert session.outcomes == [Outcome.NOT_ATTEMPTED] * 2


async def test_in_a_window_only_its_end_ends_a_pause(tmp_path: Path) -> None:
    """The clock of the window goes on."""
    session = await prepared(tmp_path, rows(1, 2))
    session.ledger.append(PAUSE)
    await session.ledger.flush()
    await attended(session, has_window=True)
    assert session.brake.reasons == (BrakeReason.WINDOW,)


async def test_without_a_window_a_wave_about_which_its_judge_is_unsure_waits_30_min_for_a_person(
    tmp_path: Path,
) -> None:
    """Then the run stops for good: the same command must not go on by itself."""
    session, judge = await judged(tmp_path, Ruling.UNSURE, judge_within_s=0.0)
    await attended(session, has_window=False)
    assert session.brake.reasons[0] is BrakeReason.JUDGE
    assert session.outcomes == [Outcome.NOT_ATTEMPTED] * 5
    assert [wave for wave, _ in judge.asked] == [0]
    (stop,) = decisions.decided(fold(session.ledger.path).decisions).stops
    assert (stop.wave, stop.reason) == (
        0,
        "the judge is unsure before the first PUT (probe), and nobody said go",
    )


async def test_a_run_with_too_many_decisions_takes_no_commands_and_says_so(tmp_path: Path) -> None:
    """Once; its ledger stays readable."""
    session = await prepared(tmp_path, rows(1, 2))
    for _ in range(ANSWERS_MAX):
        session.ledger.append(PAUSE)
    await session.ledger.flush()
    for number in range(3):
        command = Command(
            id=f"x{number}",
            what=DecisionKind.UNPAUSE,
            session=session.ledger.progress.begun,
            user="u",
            host="h",
        )
        add(session.ledger.path, command)
    await attended(session, has_window=False)
    progress = fold(session.ledger.path)
    assert len(progress.decisions) == ANSWERS_MAX
    assert sum("is ignored from here on" in note.get("message", "") for note in progress.notes) == 1
