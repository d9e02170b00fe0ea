"""A run whose waves have a judge: asked before the first PUT and after each wave, and on record."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bulk.ledger.commands import ANSWERS_MAX, Command, answer
from bulk.ledger.decisions import decided
from bulk.ledger.file import records
from bulk.ledger.records import DecisionKind, Json, Ruling
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, Outcome, ServiceId
from bulk.pacing.describe import wait_text
from bulk.plan.waves import WavePlan
from bulk.run.brake import Brake
from bulk.run.deadlines import Hours
from tests.sessions import FakeJudge, Session, again, judged, prepared, rows, three_lanes
from tests.values import service_id, state

APPLIED, LEFT = Outcome.APPLIED, Outcome.NOT_ATTEMPTED
GO, STOP, UNSURE = Ruling.GO, Ruling.STOP, Ruling.UNSURE


def rulings(session: Session) -> list[tuple[str, int | None, str | None]]:
    """Return who ruled on which wave how, as the file has it."""
    said = (record for _, record in records(session.ledger.path) if record["type"] == "decision")
    return [(one["by"], one.get("wave"), one.get("ruling")) for one in said]


def kinds(session: Session) -> list[str]:
    """Return what was written, in order: intents and rulings."""
    said = (record for _, record in records(session.ledger.path))
    return [str(one.get("row", one.get("wave"))) for one in said if one["type"] in {"intent", "decision"}]


async def test_a_judge_is_asked_about_wave_0_and_then_about_each_wave_but_the_last(tmp_path: Path) -> None:
    """About rows whose outcomes are on record; the next wave begins after its ruling."""
    session, judge = await judged(tmp_path, GO)
    await session.run()
    assert session.outcomes == [APPLIED] * 5
    assert judge.asked == [(0, []), (1, [1, 2]), (2, [3, 4])]
    assert judge.outcomes == [[], [APPLIED] * 2, [APPLIED] * 2]
    assert rulings(session) == [("judge", wave, "go") for wave in (0, 1, 2)]
    assert kinds(session) == ["0", "1", "2", "1", "3", "4", "2", "5"]


async def test_where_all_rows_go_together_a_judge_is_asked_once_before_the_first(tmp_path: Path) -> None:
    """That serves calendars in which nothing may be changed."""
    session, judge = await judged(tmp_path, GO, waves=WavePlan())
    assert (await session.run()).outcomes == [APPLIED] * 5
    assert judge.asked == [(0, [])]
    session, judge = await judged(tmp_path / "frozen", STOP, waves=WavePlan())
    assert (await session.run()).outcomes == [LEFT] * 5
    assert session.fleet.asked == []


async def test_a_stop_of_the_judge_stands(tmp_path: Path) -> None:
    """It has an id by which a person lifts it, and the next session sends nothing and asks nobody."""
    session, judge = await judged(tmp_path, GO, STOP)
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED, LEFT, LEFT, LEFT]
    assert session.brake.reasons == (BrakeReason.JUDGE,)
    assert session.brake.message == "the judge says stop after wave 1: probe"
    (stop,) = decided(session.ledger.progress.decisions).stops
    assert (stop.by, stop.cause, stop.wave) == ("judge", BrakeReason.JUDGE, 1)
    after = again(session, brake=Brake(), judge=judge)
    await after.run()
    assert (after.outcomes, len(judge.asked)) == (session.outcomes, 2)


async def test_what_was_ruled_is_not_asked_again_by_the_next_session(tmp_path: Path) -> None:
    """A wave whose ruling never came is."""
    session, judge = await judged(tmp_path, GO, GO, None)
    session.fleet.on_put = lambda _: None
    task = asyncio.ensure_future(session.run())
    while len(judge.asked) < 3:  # noqa: ASYNC110 - the loop has to turn
        await asyncio.sleep(0)
    session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await task
    assert (session.outcomes, judge.cancelled) == ([APPLIED] * 4 + [LEFT], 1)
    later = FakeJudge(GO)
    after = again(session, brake=Brake(), judge=later)
    assert (await after.run()).outcomes == [APPLIED] * 5
    assert later.asked == [(2, [3, 4])]


async def test_an_unsure_judge_is_asked_every_15_s_and_a_change_is_on_record_once(tmp_path: Path) -> None:
    """Until it knows."""
    session, judge = await judged(tmp_path, UNSURE, UNSURE, UNSURE, GO)
    began = session.clock.monotonic()
    assert (await session.run()).outcomes == [APPLIED] * 5
    assert [wave for wave, _ in judge.asked] == [0, 0, 0, 0, 1, 2]
    assert rulings(session)[:2] == [("judge", 0, "unsure"), ("judge", 0, "go")]
    assert 45 <= session.clock.monotonic() - began < 60


async def test_a_window_that_ends_while_a_wave_waits_for_a_person_ends_with_the_stop_of_its_judge(
    tmp_path: Path,
) -> None:
    """Not with that of the window alone: the same command must not ask and go on by itself."""
    session, _ = await judged(tmp_path, UNSURE)
    session.hours = Hours(stops_at=session.clock.now() + 120, closes_at=session.clock.now() + 120)
    session.each_tick = lambda: setattr(session.clock, "elapsed_s", session.clock.elapsed_s + 10)
    assert (await session.run()).outcomes == [LEFT] * 5
    assert session.brake.reasons == (BrakeReason.JUDGE, BrakeReason.WINDOW)
    assert "the judge is unsure before the first PUT (probe), and nobody said go" in session.brake.message
    assert rulings(session) == [("judge", 0, "unsure"), ("judge", 0, "unsure")]
    (stop,) = decided(session.ledger.progress.decisions).stops
    lifted: Json = {"at": "t", "by": "operator", "what": "despite", "reason": "r", "id": stop.id}
    assert decided([*session.ledger.progress.decisions, lifted]).passed == {0}


async def test_a_person_says_go_in_place_of_an_unsure_judge(tmp_path: Path) -> None:
    """Once for the wave that waits; what it waits for is said meanwhile."""
    session, judge = await judged(tmp_path, UNSURE, judge_within_s=0.0)
    said: list[str] = []

    def tick() -> None:
        run = session.run_at_work
        said.extend(wait_text(wait) for wait in run.holds() if wait.hold is Hold.JUDGE)
        if (wave := run.waves.awaits_go) is not None:
            command = Command(
                id=f"c{wave}", what=DecisionKind.WAVE, session=1, user="ann", host="h", wave=wave
            )
            known = decided(())
            run.obey(answer(command, known, session=1, own_per_s=9.0, awaits_go=wave))

    session.each_tick = tick
    assert (await session.run()).outcomes == [APPLIED] * 5
    assert rulings(session)[:2] == [("judge", 0, "unsure"), ("operator", 0, "go")]
    assert [wave for wave, _ in judge.asked] == [0, 1, 2]
    assert "the judge: unsure about wave 1 (probe), a person has to say go" in said


async def test_a_question_ends_as_soon_as_nobody_waits_for_its_answer(tmp_path: Path) -> None:
    """Where the run is stopped, and where a person said go while the judge is asked again."""
    session, judge = await judged(tmp_path, None)

    def tick() -> None:
        if judge.asked:
            (wait,) = session.run_at_work.holds()
            assert wait_text(wait).startswith("the judge: asked about wave 0")
            session.brake.pull(BrakeReason.TERMINATED, "TERM")

    session.each_tick = tick
    assert (await session.run()).outcomes == [LEFT] * 5
    assert (judge.cancelled, rulings(session)) == (1, [])


@pytest.mark.parametrize("many", [ANSWERS_MAX - 2, ANSWERS_MAX])
async def test_a_judge_whose_words_change_for_ever_does_not_fill_the_ledger(
    tmp_path: Path, many: int
) -> None:
    """Beyond a thousand decisions an unsure ruling is not written down; what is decided still is."""
    session, _ = await judged(tmp_path, UNSURE, GO)
    said = {
        "at": "2026-01-15T08:30:00.000Z",
        "type": "decision",
        "by": "operator",
        "what": "later",
        "reason": "",
    }
    session.ledger.progress.decisions += [said] * many
    assert (await session.run()).outcomes == [APPLIED] * 5
    assert (("judge", 0, "unsure") in rulings(session)) is (many < ANSWERS_MAX)
    assert ("judge", 0, "go") in rulings(session)


async def test_a_run_without_a_judge_asks_nobody(tmp_path: Path) -> None:
    """Its outcomes rule, and nothing of a judge is written."""
    session = await prepared(tmp_path, rows(1, 2), waves=WavePlan(sizes=(1,)))
    assert (await replace(session, judge=None).run()).outcomes == [APPLIED] * 2
    assert rulings(session) == [("limit", 1, "go")]


async def test_a_strict_run_looks_at_each_wave_again_before_any_row_of_it_goes(tmp_path: Path) -> None:
    """What moved since stops it with 7, and no row of that wave was sent; so it is with the last wave."""
    session = await prepared(tmp_path, rows(1, 2, 3, 4, 5), waves=WavePlan(sizes=(2, 2)), strict=True)
    assert (await session.run()).outcomes == [APPLIED] * 5
    for number, moved in enumerate((4, 5), 1):
        session = await prepared(
            tmp_path / f"{moved}", rows(1, 2, 3, 4, 5), waves=WavePlan(sizes=(2, 2)), strict=True
        )

        def edited(
            one: ServiceId, session: Session = session, number: int = number, moved: int = moved
        ) -> None:
            if one == service_id(2 * number):
                session.fleet.services[service_id(moved)] = state(moved, 99)

        session.fleet.on_put = edited
        await session.run()
        assert session.outcomes == [APPLIED] * 2 * number + [LEFT] * (5 - 2 * number)
        assert session.brake.reasons == (BrakeReason.STRICT,)
        assert session.brake.message == (
            f"1 service moved since the plan (row {moved}); no row of the next wave was sent"
        )


async def test_a_strict_run_looks_again_at_the_lanes_of_the_next_wave_alone(tmp_path: Path) -> None:
    """One list of a fleet for its first look, one before its wave, and one at its end."""
    session, fleets = await three_lanes(tmp_path, waves=WavePlan(sizes=(4,)), strict=True)
    assert (await session.run()).outcomes == [APPLIED] * 12
    assert [len(fleet.pages) for fleet in fleets] == [2, 3, 3]
