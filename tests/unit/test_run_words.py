"""What a person says to a run at work: a pause, its end, a rate, a stop."""

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from bulk.ledger.file import fold, records
from bulk.ledger.records import DecidedBy, Decision
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, Outcome, Wait
from bulk.run.brake import Brake
from tests.sessions import Session, again, prepared, rows
from tests.values import ring, service_id

APPLIED, LEFT = Outcome.APPLIED, Outcome.NOT_ATTEMPTED
PAUSE = Decision(
    by=DecidedBy.OPERATOR, what="pause", reason="bridge call", user="ann", host="bastion1", id="c7f2"
)
UNPAUSE = replace(PAUSE, what="unpause", id="c7f3")
STOP = replace(PAUSE, what="stop", id="c7f4")
RATE = replace(PAUSE, what="rate", id="c7f5", rate_per_s=5.0)


def say(session: Session, *words: Decision, at: int = 1) -> None:
    """Have this said as the PUT of a row arrives."""
    session.fleet.on_put = lambda service: (
        [session.run_at_work.obey(word) for word in words] if service == service_id(at) else None
    )


def wait_until_held(session: Session, *, then: Decision | None = None) -> list[Wait]:
    """Have what rows wait for noted, and then something said; without a word the session is stopped."""
    seen: list[Wait] = []

    def look() -> None:
        holds = [hold for hold in session.run_at_work.holds() if hold.hold is Hold.OPERATOR]
        if holds and not session.fleet.alive and not seen:
            seen.extend(holds)
            if then:
                session.run_at_work.obey(then)
            else:
                session.brake.pull(BrakeReason.PAUSED, "12 h")

    session.each_tick = look
    return seen


async def test_nothing_begins_in_a_pause_and_all_goes_on_after_it(tmp_path: Path) -> None:
    """What waits is named, with who said so and why."""
    session = await prepared(tmp_path, rows(1, 2, 3), workers=1)
    say(session, PAUSE)
    seen = wait_until_held(session, then=UNPAUSE)
    await session.run()
    assert session.outcomes == [APPLIED] * 3
    assert seen == [Wait(hold=Hold.OPERATOR, detail="paused by ann on bastion1 (bridge call)")]
    whole = [json for _, json in records(session.ledger.path)]
    said = {json["id"]: json["n"] for json in whole if json["type"] == "decision"}
    intents = [json["n"] for json in whole if json["type"] == "intent"]
    assert not [n for n in intents if said["c7f2"] < n < said["c7f3"]]
    assert len(intents) == 3


async def test_a_pause_lasts_over_sessions(tmp_path: Path) -> None:
    """Three of them send nothing, until one hears that it is over."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    say(session, PAUSE)
    wait_until_held(session)
    await session.run()
    for _ in range(3):
        session = again(session, brake=Brake())
        wait_until_held(session)
        await session.run()
        assert session.brake.reasons == (BrakeReason.PAUSED,)
        assert session.outcomes == [APPLIED, LEFT]
    session = again(session, brake=Brake())
    wait_until_held(session, then=UNPAUSE)
    await session.run()
    assert session.outcomes == [APPLIED] * 2


async def test_what_a_parked_service_waits_for_is_finished_first(tmp_path: Path) -> None:
    """A pause after the intermediate PUT leaves no gap in service."""
    session = await prepared(tmp_path, [*ring(2), *rows(3, 4)], workers=1)
    say(session, PAUSE)
    wait_until_held(session)
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED, LEFT, LEFT]


async def test_a_stop_ends_the_run_until_a_person_lifts_it(tmp_path: Path) -> None:
    """It stands with its id, who said it and why; of two the first counts."""
    session = await prepared(tmp_path, rows(1, 2, 3), workers=1)
    say(session, STOP, replace(STOP, id="c7f6"))
    await session.run()
    assert session.outcomes == [APPLIED, LEFT, LEFT]
    assert session.brake.reasons == (BrakeReason.OPERATOR,)
    assert session.brake.message == "by ann on bastion1 (bridge call)"
    causes = {json["id"]: json.get("cause") for json in fold(session.ledger.path).decisions}
    assert causes == {"c7f4": "operator", "c7f6": None}
    session = again(session, brake=(brake := Brake()))
    await session.run()
    assert session.outcomes == [APPLIED, LEFT, LEFT]
    assert brake.reasons == (BrakeReason.OPERATOR,)


async def test_a_rate_is_a_ceiling_of_each_pace_over_sessions(tmp_path: Path) -> None:
    """Until a rate without a figure."""
    session = await prepared(tmp_path, rows(1, 2, 3), workers=1)
    say(session, RATE)
    session.fleet.answers = {}
    await session.run()
    assert session.writes.caps == [5.0]
    session = again(session, brake=Brake())
    await session.run()
    assert session.writes.caps == [5.0]
    session = again(session, brake=Brake())
    words = [replace(RATE, id="x", rate_per_s=None)]
    session.each_tick = lambda: words and session.run_at_work.obey(words.pop())
    await session.run()
    assert session.writes.caps[0] == 5.0
    assert session.writes.caps[1:] == [inf]


@pytest.mark.parametrize("what", ["declined", "a later version's"])
async def test_what_it_does_not_know_is_only_written_down(tmp_path: Path, what: str) -> None:
    """Nothing else comes of it."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    say(session, replace(PAUSE, what=what))
    await session.run()
    assert session.outcomes == [APPLIED] * 2
    assert [json["what"] for json in fold(session.ledger.path).decisions] == [what]
