"""The end of a session after a signal: what is under way has a time, all together."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from bulk.ledger.file import records
from bulk.ledger.records import body_of
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    Change,
    Denied,
    ListVerdict,
    ModifyBody,
    Outcome,
    Reply,
    ServiceId,
    ShowVerdict,
    Throttled,
    Verdict,
)
from bulk.puts import Put
from bulk.run.brake import Brake
from bulk.run.denials import PROBE_AT
from tests.fakes import Answer, FakeFleet, is_lost, lands, lands_unheard
from tests.sessions import Session, again, prepared, rows
from tests.values import ring, service_id, state

APPLIED, IN_DOUBT, LEFT = Outcome.APPLIED, Outcome.IN_DOUBT, Outcome.NOT_ATTEMPTED


class Silent(FakeFleet):
    """Answers no detail request, or no PUT, however long one waits."""

    silent_put: ServiceId | None = None

    async def show(self, service_id: ServiceId) -> ShowVerdict:
        """Wait for ever."""
        await asyncio.Event().wait()
        return await super().show(service_id)

    async def modify(self, service_id: ServiceId, body: ModifyBody) -> Verdict:
        """Wait for ever, if it is that one."""
        if service_id == self.silent_put:
            await asyncio.Event().wait()
        return await super().modify(service_id, body)


def interrupt(session: Session, service: ServiceId) -> None:
    """Interrupt a session when the PUT of row 2 comes; then let a minute pass."""
    if service == service_id(2):
        session.brake.pull(BrakeReason.INTERRUPTED, "INT")
        asyncio.get_running_loop().call_soon(setattr, session.clock, "elapsed_s", 60.0)


async def drained(
    folder: Path, changes: list[Change], answers: dict[int, list[Answer]], silent_put: ServiceId | None = None
) -> Session:
    """Return a session that was interrupted at row 2; then nobody answers for as long as it may take."""
    session = await prepared(folder, changes, answers, workers=3)
    session.fleet = fleet = Silent(services=session.fleet.services, answers=session.fleet.answers)
    fleet.silent_put = silent_put
    fleet.on_put = partial(interrupt, session)
    return await session.run()


async def test_what_a_signal_does_not_end_in_time_is_left_in_doubt_and_named(tmp_path: Path) -> None:
    """A lost PUT that cannot be read, and one without an answer: the next session reads them."""
    session = await drained(tmp_path, rows(1, 2, 3, 4, 5), {2: [lands_unheard]}, silent_put=service_id(3))
    assert session.outcomes == [APPLIED, IN_DOUBT, IN_DOUBT, APPLIED, LEFT]
    assert session.brake.reasons == (BrakeReason.INTERRUPTED,)
    assert session.brake.message == "INT; 20 s after the signal: rows 2, 3 in doubt"
    notes = [record for _, record in records(session.ledger.path) if record["type"] == "note"]
    assert [note["about"] for note in notes] == ["drain"]
    calm = FakeFleet(services=session.fleet.services)
    after = await again(session, fleet=calm, brake=Brake()).run()
    assert after.outcomes == [APPLIED] * 5
    assert calm.asked == [service_id(3), service_id(5)]


async def test_a_service_that_stays_parked_after_a_signal_is_named(tmp_path: Path) -> None:
    """Its ring goes on within the time, and no longer."""
    session = await drained(tmp_path, ring(2), {2: [is_lost]})
    assert session.brake.message == "INT; 20 s after the signal: row 2 in doubt; row 1 with a parked service"
    calm = FakeFleet(services=session.fleet.services)
    assert (await again(session, fleet=calm, brake=Brake()).run()).outcomes == [APPLIED, APPLIED]


async def test_an_answer_after_the_drain_comes_too_late(tmp_path: Path) -> None:
    """It calls back while another row's reading is being given up: its row was left in doubt and stays so."""

    class Late(Silent):
        def send(self, put: Put, tell: Any, spawn: Any) -> None:
            if put.row == 3:
                body = body_of(orjson.loads(put.content))
                self.tell_late = partial(tell, lands(self, put.service_id, body))
            else:
                super().send(put, tell, spawn)

        async def show(self, service_id: ServiceId) -> ShowVerdict:
            try:
                return await super().show(service_id)
            finally:
                self.tell_late()

    session = await prepared(tmp_path, rows(1, 2, 3), {2: [lands_unheard]}, workers=3)
    session.fleet = Late(services=session.fleet.services, answers=session.fleet.answers)
    session.fleet.on_put = partial(interrupt, session)
    await session.run()
    assert session.outcomes == [APPLIED, IN_DOUBT, IN_DOUBT]


async def test_a_read_of_the_last_look_does_not_hold_the_end(tmp_path: Path) -> None:
    """A service that the last list shows otherwise, and that cannot be read: the signal ends the waiting."""
    session = await prepared(tmp_path, rows(1, 2))
    session.fleet = fleet = Silent(services=session.fleet.services)

    def disturb() -> None:
        if len(fleet.landed) == 2:
            fleet.services[service_id(1)] = state(1, 9)
            session.brake.pull(BrakeReason.INTERRUPTED, "INT")
            asyncio.get_running_loop().call_later(0.1, setattr, session.clock, "elapsed_s", 60.0)

    fleet.on_list = disturb
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]
    assert session.brake.reasons == (BrakeReason.INTERRUPTED,)


async def test_asking_whether_the_key_may_do_anything_does_not_hold_the_end(tmp_path: Path) -> None:
    """The list is not answered, the signal comes, nothing else is under way."""
    session = await prepared(tmp_path, rows(*range(1, 30)), workers=1)
    denied = Denied(reply=Reply(http=403, code="EndPoint.0004"), hint="")
    session.fleet = fleet = Silent(services=session.fleet.services)
    fleet.answers = {service_id(row): [lambda *_: denied] for row in range(2, 30)}
    pages = fleet.list_page

    async def list_page(*, offset: int, limit: int) -> ListVerdict:
        if limit == 1:
            session.brake.pull(BrakeReason.INTERRUPTED, "INT")
            await asyncio.Event().wait()
        return await pages(offset=offset, limit=limit)

    fleet.list_page = list_page  # type: ignore[method-assign]
    await session.run()
    assert session.outcomes.count(Outcome.FAILED) == PROBE_AT
    assert session.brake.reasons == (BrakeReason.INTERRUPTED,)


async def test_a_look_that_is_pushed_back_cuts_its_lane_and_no_more(tmp_path: Path) -> None:
    """The service was to be looked at once more, and the API asks to be left alone for an hour."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    session.fleet.on_put = lambda _: setattr(session.clock, "elapsed_s", 61.0)
    session.fleet.reads[service_id(2)] = [Throttled(reply=Reply(http=429), shut_until="2026-01-15 10:00 UTC")]
    await session.run()
    assert session.outcomes == [APPLIED, LEFT]
    assert BrakeReason.PUSHED_BACK in session.brake.reasons
