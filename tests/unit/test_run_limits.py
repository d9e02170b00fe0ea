"""What a run may risk: how many rows may fail, and what a 403 says of the others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulk.ledger.records import Intent
from bulk.ledger.stops import BrakeReason
from bulk.model import Abort, Denied, Hold, Outcome, Reject, Reply, ServiceId, Verdict
from bulk.plan.waves import WavePlan
from bulk.run.brake import Brake
from bulk.run.budget import OPENING
from bulk.run.denials import ABORT_AT, PROBE_AT
from tests.fakes import (
    NO,
    Answer,
    is_aborted,
    is_busy,
    is_lost,
    is_rejected,
    lands,
    lands_unheard,
)
from tests.sessions import again, prepared, ran, rows, three_lanes
from tests.values import change, ring, service_id

APPLIED, FAILED, BLOCKED = Outcome.APPLIED, Outcome.FAILED, Outcome.BLOCKED
IN_DOUBT, LEFT = Outcome.IN_DOUBT, Outcome.NOT_ATTEMPTED
NOT_ALLOWED = Reply(http=403, code="EndPoint.0004", message="a policy says no")


def is_denied(*_: Any) -> Verdict:
    """Answer that this is not allowed."""
    return Denied(reply=NOT_ALLOWED, hint="ask for the permission")


# The failure budget


@pytest.mark.parametrize("workers", [1, 4, 32])
@pytest.mark.parametrize("failures_max", [0, 1, 3])
async def test_no_more_rows_fail_than_one_beyond_the_budget(
    tmp_path: Path, failures_max: int, workers: int
) -> None:
    """However many may be in flight: what is under way may fail as well, so it counts."""
    answers: dict[int, list[Answer]] = {row: [is_rejected] for row in range(1, 101)}
    session = await ran(tmp_path, rows(*answers), answers, failures_max=failures_max, workers=workers)
    assert session.outcomes.count(FAILED) == failures_max + 1
    assert session.brake.reasons == (BrakeReason.FAILURE_LIMIT,)
    assert session.fleet.alive_max <= failures_max + 1


async def test_lanes_share_one_budget(tmp_path: Path) -> None:
    """Three lanes must not make it three times as large."""
    session, fleets = await three_lanes(tmp_path, workers=8, failures_max=1)
    for fleet in fleets:
        fleet.answers = {service: [is_rejected] for service in fleet.services}
    await session.run()
    assert session.outcomes.count(FAILED) == 2


async def test_failures_of_earlier_sessions_count(tmp_path: Path) -> None:
    """A scheduler that tries again does not get a new budget with each try."""
    answers: dict[int, list[Answer]] = {row: [is_rejected] for row in (1, 2)}
    session = await prepared(tmp_path, rows(1, 2, 3, 4, 5), answers, failures_max=2, workers=1)
    session.fleet.on_put = lambda service: (
        session.brake.pull(BrakeReason.INTERRUPTED, "INT") if service == service_id(2) else None
    )
    await session.run()
    assert session.outcomes[:2] == [FAILED, FAILED]
    session.fleet.on_put = lambda _: None
    session.fleet.answers = {service_id(row): [is_rejected] for row in (3, 4, 5)}
    await again(session, brake=(brake := Brake())).run()
    assert session.outcomes == [FAILED, FAILED, FAILED, LEFT, LEFT]
    assert brake.message == "3 services failed, max_failures allows 2"
    await again(session, brake=(brake := Brake())).run()
    assert session.outcomes == [FAILED, FAILED, FAILED, LEFT, LEFT]
    assert brake.reasons == (BrakeReason.FAILURE_LIMIT,)


async def test_a_row_that_backs_off_takes_up_no_budget(tmp_path: Path) -> None:
    """It was surely not applied and goes once more: nothing to be afraid of yet."""
    session = await prepared(tmp_path, rows(1, 2, 3), {1: [is_busy] * 3}, failures_max=0, workers=3)
    await session.run()
    assert session.outcomes == [APPLIED] * 3
    assert session.order()[:2] == [1, 2]


async def test_a_doubt_of_an_earlier_session_counts_until_it_is_read(tmp_path: Path) -> None:
    """Nothing else leaves before, where none may fail."""
    session = await prepared(tmp_path, rows(1, 2), failures_max=0)
    await session.ledger.commit(Intent(row=1, attempt=1))
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]
    assert session.fleet.shown[0] == service_id(1)
    assert session.order() == [1, 2]


async def test_doubts_that_cannot_be_read_use_the_budget_up_and_end_the_run(tmp_path: Path) -> None:
    """Nothing can free it any more: exit 11, no word of failures; the next session reads them and goes on."""
    session = await prepared(tmp_path, rows(1, 2, 3), {1: [lands_unheard]}, failures_max=0)
    session.fleet.reads[service_id(1)] = [Reject(reply=NO)]
    await session.run()
    assert session.outcomes == [IN_DOUBT, LEFT, LEFT]
    assert session.brake.reasons == (BrakeReason.BUDGET,)
    assert session.brake.message == "0 services failed, 1 more may have (row 1), max_failures allows none"
    assert (await again(session, brake=Brake()).run()).outcomes == [APPLIED] * 3


async def test_a_ring_is_finished_though_the_budget_is_used_up(tmp_path: Path) -> None:
    """Its PARK took the place; nothing begins besides, and nobody waits for ever."""
    changes = [*ring(3), change(4), change(5)]
    session = await ran(tmp_path, changes, failures_max=0, workers=8)
    assert session.outcomes == [APPLIED] * 5
    order = session.order()
    first, last = order.index(1), len(order) - 1 - order[::-1].index(1)
    assert set(order[first : last + 1]) == {1, 2, 3}


@pytest.mark.parametrize("workers", [1, 8])
async def test_a_parked_service_whose_last_put_is_refused_counts_though_it_was_brought_back(
    workers: int, tmp_path: Path
) -> None:
    """It failed as any other, with the code of the API: the first one beyond the limit stops the run."""
    parked = [replace(each, after=()) for first in (1, 3, 5, 7) for each in ring(2, first)[:1]]
    answers: dict[int, list[Answer]] = {each.row: [lands, is_rejected] for each in parked}
    session = await ran(tmp_path, parked, answers, failures_max=1, workers=workers)
    assert session.outcomes == [FAILED, FAILED, LEFT, LEFT]
    assert session.brake.reasons == (BrakeReason.FAILURE_LIMIT,)
    assert session.ledger.progress.codes == {"EndPoint.3043": 2}
    assert session.fleet.services[service_id(1)].ports == parked[0].before.ports  # type: ignore[union-attr]


async def test_a_last_put_out_of_tries_counts_over_the_sessions(tmp_path: Path) -> None:
    """Also where bringing its service back was cut short and the next session does it."""
    parked = [replace(ring(2)[0], after=())]
    answers: list[Answer] = [lands, *[is_busy] * 5, is_aborted]
    session = await prepared(tmp_path, parked, {1: answers}, failures_max=0)
    await session.run()
    after = await again(session, brake=(brake := Brake())).run()
    assert (after.outcomes, brake.reasons) == ([FAILED], (BrakeReason.FAILURE_LIMIT,))


async def test_what_waits_for_the_budget_is_said(tmp_path: Path) -> None:
    """With its figures, while it lasts."""
    session = await prepared(tmp_path, rows(1, 2, 3, 4), {1: [is_rejected]}, failures_max=2, workers=8)
    seen: set[str] = set()
    async with session.ledger:
        pump = session.pump()
        session.fleet.on_put = lambda _: seen.update(hold.detail for hold in pump.holds())
        await pump()
    assert seen == {"at most 2 in flight (1 failed, max_failures allows 2)"}


async def test_what_waits_for_a_wave_is_said(tmp_path: Path) -> None:
    """By the number of the wave, from its first PUT on, until it has passed."""
    session = await prepared(tmp_path, rows(1, 2, 3), waves=WavePlan(sizes=(1,)), workers=8)
    seen: list[list[tuple[Hold, str]]] = []
    async with session.ledger:
        pump = session.pump()
        session.fleet.on_put = lambda _: seen.append([(hold.hold, hold.detail) for hold in pump.holds()])
        await pump()
    assert seen == [[(Hold.WAVE, "wave 1")], [], []]


# The opening of a run without a limit


@pytest.mark.parametrize("workers", [1, 64])
async def test_a_wrong_job_fails_ten_times_and_not_a_thousand_times(tmp_path: Path, workers: int) -> None:
    """Nobody set a limit: the first ten PUTs all failed with one code."""
    answers: dict[int, list[Answer]] = {row: [is_rejected] for row in range(1, 201)}
    session = await ran(tmp_path, rows(*answers), answers, workers=workers)
    assert session.outcomes.count(FAILED) == OPENING
    assert session.brake.reasons == (BrakeReason.FAILURE_LIMIT,)
    assert session.brake.message == "the first 10 PUTs all failed: EndPoint.3043"
    assert (await again(session, brake=Brake()).run()).outcomes.count(FAILED) == OPENING


async def test_a_refusal_without_a_code_is_known_by_its_status(tmp_path: Path) -> None:
    """As of something between here and the API: another status is another way to fail."""
    answers: dict[int, list[Answer]] = {
        row: [lambda *_: Reject(reply=Reply(http=413))] for row in range(1, 31)
    }
    session = await ran(tmp_path, rows(*answers), dict(answers), workers=1)
    assert session.brake.message == "the first 10 PUTs all failed: http 413"
    assert session.ledger.progress.codes == {"http 413": OPENING}
    others: list[Answer] = [lambda *_: Reject(reply=Reply(http=426))]
    differing = await ran(tmp_path / "differing", rows(*answers), answers | {4: others}, workers=1)
    assert (differing.outcomes, differing.brake.reasons) == ([FAILED] * 30, ())


@pytest.mark.parametrize("row", [1, 5, 10])
async def test_one_accepted_put_opens_the_run(tmp_path: Path, row: int) -> None:
    """From there on the job is not wrong as a whole."""
    answers: dict[int, list[Answer]] = {number: [is_rejected] for number in range(1, 41)}
    answers[row] = []
    session = await ran(tmp_path, rows(*answers), answers, workers=1)
    assert (session.outcomes.count(FAILED), session.brake.reasons) == (39, ())


async def test_two_ways_to_fail_open_the_run(tmp_path: Path) -> None:
    """Rows that are wrong for reasons of their own are rows, not a wrong job."""
    other = Reply(http=400, code="EndPoint.3004", message="another port")
    answers: dict[int, list[Answer]] = {row: [is_rejected] for row in range(1, 21)}
    answers[4] = [lambda *_: Reject(reply=other)]
    session = await ran(tmp_path, rows(*answers), answers, workers=1)
    assert (session.outcomes, session.brake.reasons) == ([FAILED] * 20, ())


async def test_earlier_sessions_belong_to_the_opening(tmp_path: Path) -> None:
    """Ten tries of a scheduler, with one row each, are one opening."""
    session = await prepared(tmp_path, rows(*range(1, 31)), workers=1)
    for first in (1, 7):
        session.fleet.answers = {service_id(row): [is_rejected] for row in range(first, 31)}
        last = service_id(first + 5)
        brake = Brake()
        session.fleet.on_put = lambda service, brake=brake, last=last: (
            brake.pull(BrakeReason.INTERRUPTED, "INT") if service == last else None
        )
        session = again(session, brake=brake) if first > 1 else replace(session, brake=brake)
        await session.run()
    assert session.outcomes.count(FAILED) == OPENING
    assert BrakeReason.FAILURE_LIMIT in session.brake.reasons


# Not allowed


async def test_a_service_that_a_policy_denies_fails_alone(tmp_path: Path) -> None:
    """Its row is failed and names the code; the others go on, whether they come before or after it."""
    for denied in (1, 2, 20):
        folder = tmp_path / str(denied)
        folder.mkdir()
        session = await ran(folder, rows(*range(1, 21)), {denied: [is_denied] * 9}, workers=2)
        assert [row for row, outcome in enumerate(session.outcomes, 1) if outcome is FAILED] == [denied]
        assert session.outcomes.count(APPLIED) == 19
        assert session.told(denied)[-1]["code"] == "EndPoint.0004"
        assert (session.brake.reasons, len(session.fleet.asked)) == ((), 20)


async def test_a_key_that_may_change_nothing_stops_at_the_third_403(tmp_path: Path) -> None:
    """No row is failed for it, and every lane of that key stops; that of another key does not."""
    session, fleets = await three_lanes(tmp_path, workers=1)
    for fleet in fleets[:2]:
        fleet.answers = {service: [is_denied] * 9 for service in fleet.services}
    await session.run()
    assert session.outcomes == [LEFT] * 8 + [APPLIED] * 4
    assert session.brake.reasons == (BrakeReason.ABORTED,)
    assert "every PUT was denied: EndPoint.0004: a policy says no; ask for" in session.brake.message
    assert sum(len(fleet.asked) for fleet in fleets[:2]) <= ABORT_AT + 1
    assert {one["verdict"] for row in range(1, 9) for one in session.told(row, "attempt")} == {"denied"}


async def test_what_is_denied_in_a_job_of_two_rows_fails(tmp_path: Path) -> None:
    """Nothing else could show what it is about."""
    session = await ran(tmp_path, rows(1, 2), {1: [is_denied], 2: [is_denied]})
    assert (session.outcomes, session.brake.reasons) == ([FAILED, FAILED], ())


@pytest.mark.parametrize("limit", [{"failures_max": 0}, {"waves": WavePlan(sizes=(1,))}])
async def test_a_denied_row_holds_nobody_for_ever(tmp_path: Path, limit: dict[str, Any]) -> None:
    """Where all others wait for it, nothing can show what it is about: its lane stops, no row is failed."""
    session = await ran(tmp_path, rows(*range(1, 9)), {1: [is_denied]}, workers=1, **limit)
    assert (session.outcomes, session.brake.reasons) == ([LEFT] * 8, (BrakeReason.ABORTED,))
    assert "row 1 was denied (EndPoint.0004: a policy says no)" in session.brake.message
    assert (await again(session, brake=Brake()).run()).outcomes == [APPLIED] * 8


async def test_followers_of_a_denied_row_are_blocked(tmp_path: Path) -> None:
    """And the rest is applied."""
    changes = [change(1), change(2, after=(1,)), change(3)]
    session = await ran(tmp_path, changes, {1: [is_denied]})
    assert session.outcomes == [FAILED, BLOCKED, APPLIED]


@pytest.mark.parametrize("is_revoked", [False, True])
async def test_after_ten_403_in_a_row_the_key_is_asked_for(tmp_path: Path, is_revoked: bool) -> None:  # noqa: FBT001
    """A list shows whether it may still do anything: if not, the lane stops; else rows fail one by one."""
    answers: dict[int, list[Answer]] = {row: [is_denied] for row in range(2, 41)}
    session = await prepared(tmp_path, rows(*range(1, 41)), answers, workers=1)
    fleet = session.fleet

    def revoke(service: ServiceId) -> None:
        if is_revoked and service == service_id(3):
            fleet.lists = [Abort(reply=NOT_ALLOWED, hint="ask for the permission")] * 9

    fleet.on_put = revoke
    await session.run()
    if is_revoked:
        assert session.outcomes == [APPLIED] + [FAILED] * PROBE_AT + [LEFT] * (39 - PROBE_AT)
        assert session.brake.reasons == (BrakeReason.ABORTED,)
    else:
        assert session.outcomes == [APPLIED] + [FAILED] * 39


async def test_an_accepted_put_of_an_earlier_session_counts_for_its_key(tmp_path: Path) -> None:
    """The key may change something: what is denied today is so for its own sake."""
    session = await prepared(tmp_path, rows(*range(1, 9)), workers=1)
    session.fleet.on_put = lambda _: session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await session.run()
    assert session.outcomes == [APPLIED] + [LEFT] * 7
    session.fleet.answers = {service_id(row): [is_denied] for row in range(2, 9)}
    session.fleet.on_put = lambda _: None
    assert (await again(session, brake=Brake()).run()).outcomes == [APPLIED] + [FAILED] * 7


async def test_an_accepted_park_of_an_earlier_session_counts_for_its_key(tmp_path: Path) -> None:
    """Also once its row has ended otherwise."""
    changes = [*ring(2), *rows(*range(5, 10))]
    session = await prepared(tmp_path, changes, {2: [is_rejected]}, workers=1)
    session.fleet.on_put = lambda service: (
        session.brake.pull(BrakeReason.INTERRUPTED, "INT") if service == service_id(2) else None
    )
    await session.run()
    assert session.outcomes[:2] == [BLOCKED, FAILED]
    session.fleet.answers = {service_id(row): [is_denied] for row in range(5, 10)}
    session.fleet.on_put = lambda _: None
    after = await again(session, brake=(brake := Brake())).run()
    assert (after.outcomes[2:], brake.reasons) == ([FAILED] * 5, ())


async def test_a_403_of_a_parked_service_is_read_and_what_it_had_is_brought_back(tmp_path: Path) -> None:
    """As any other no to a PUT of a ring."""
    session = await prepared(tmp_path, ring(2), {2: [is_denied]})
    session.fleet.shares_ports = True
    await session.run()
    assert session.outcomes == [BLOCKED, FAILED]
    assert session.fleet.services[service_id(1)].ports == ring(2)[0].before.ports  # type: ignore[union-attr]


async def test_a_service_that_may_not_be_read_is_left_alone(tmp_path: Path) -> None:
    """A policy may deny the look as well: its row waits for a person, the others go."""
    session = await prepared(tmp_path, rows(1, 2), {1: [is_lost]})
    session.fleet.reads[service_id(1)] = [Reject(reply=NOT_ALLOWED)]
    await session.run()
    assert session.outcomes == [IN_DOUBT, APPLIED]
