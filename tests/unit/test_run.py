"""The loop: each verdict, each way out of a doubt, each place to wait, each reason to stop."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.errors import LedgerFailed
from bulk.ledger.file import fold, records
from bulk.ledger.records import Intent, body_of
from bulk.ledger.row_life import Stage
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    PUSH_BACK_MAX_S,
    Abort,
    Action,
    AsAsked,
    Change,
    Denied,
    Done,
    Doubt,
    Listed,
    ListVerdict,
    ModifyBody,
    Outcome,
    Page,
    Reject,
    Reply,
    Retry,
    ServiceId,
    ShowVerdict,
    Target,
    Throttled,
    Verdict,
)
from bulk.plan.waves import WavePlan
from bulk.puts import Put
from bulk.run.brake import Brake
from bulk.run.deadlines import Hours
from bulk.run.first_puts import KEY_WAIT_S
from bulk.run.interfaces import LaneClient, LaneName, Limits
from bulk.run.lane import SILENCE_S
from bulk.run.patience import READ_TRIES, Patience
from bulk.run.pump import Pump, RunContext
from bulk.run.row import UNSOUND_MAX_S
from bulk.vpcep.codes import NoReply
from tests.fakes import (
    BUSY,
    CROWDED,
    LOCKED,
    NO,
    OK,
    TOO_FAST,
    UNAVAILABLE,
    UNREACHED,
    Answer,
    FakeClock,
    FakeFleet,
    FakePace,
    FastDisk,
    FixedDice,
    breaks,
    fleet_of,
    is_aborted,
    is_busy,
    is_crowded,
    is_lost,
    is_rejected,
    is_renewed,
    is_shut,
    is_throttled,
    is_throttled_for_years,
    is_unavailable,
    is_unreached,
    lands,
    lands_half_refused,
    lands_refused,
    lands_unheard,
    lands_with_a_wrong_echo,
    meets_another_writer,
    planned_ledger,
    shows_the_state_before,
)
from tests.sessions import Session, again, lane_of, prepared, ran, rows, three_lanes
from tests.values import PROJECT, change, ports, ring, service_id, state

APPLIED, ALREADY, FAILED = Outcome.APPLIED, Outcome.ALREADY, Outcome.FAILED
CONFLICT, DRIFTED, BLOCKED = Outcome.CONFLICT, Outcome.DRIFTED, Outcome.BLOCKED
IN_DOUBT, LEFT = Outcome.IN_DOUBT, Outcome.NOT_ATTEMPTED


# Each verdict


async def test_a_row_is_applied_when_the_reply_shows_what_was_asked(tmp_path: Path) -> None:
    """One intent, one PUT, one outcome with the reply's facts."""
    session = await ran(tmp_path, rows(1))
    assert session.outcomes == [APPLIED]
    assert session.fleet.services[service_id(1)].ports == ports(2)
    assert session.fleet.landed == [service_id(1)]
    assert [r["attempt"] for r in session.told(1, "intent")] == [1]
    [outcome] = session.told(1)
    assert (outcome["http"], outcome["request_id"], outcome["attempts"]) == (200, "req-1", 1)
    assert session.fleet.shown == []


@pytest.mark.parametrize("answers", [[is_throttled] * 30, [is_renewed] * 30])
async def test_throttling_and_renewals_cost_a_row_nothing(tmp_path: Path, answers: list[Answer]) -> None:
    """However often: the row is sent again as soon as the pace allows, without backoff."""
    session = await ran(tmp_path, rows(1), {1: answers})
    assert session.outcomes == [APPLIED]
    assert session.clock.slept_s == []
    assert [r["attempt"] for r in session.told(1, "intent")] == list(range(1, 32))
    assert session.writes.granted == 31


async def test_the_pace_hears_what_the_server_made_of_each_grant(tmp_path: Path) -> None:
    """Refused, not heard of, accepted."""
    session = await ran(tmp_path, rows(1), {1: [is_throttled, is_unreached, is_renewed]})
    assert (session.writes.refusals, session.writes.took) == ([1.0], [3.0, 4.0])
    [throttled, *_] = session.told(1, "attempt")
    assert (throttled["verdict"], throttled["hold_s"], throttled["code"]) == ("throttled", 3.0, "APIGW.0308")


async def test_a_row_surely_not_applied_is_sent_again_with_backoff(tmp_path: Path) -> None:
    """Four tries that were lost on the way, then success."""
    session = await ran(tmp_path, rows(1), {1: [is_unreached] * 4})
    assert session.outcomes == [APPLIED]
    assert session.clock.slept_s == [0.25, 0.5, 1.0, 2.0]
    assert session.fleet.shown == []


async def test_a_row_fails_after_its_tries(tmp_path: Path) -> None:
    """Five by default; the last answer is the reason."""
    session = await ran(tmp_path, rows(1), {1: [is_busy] * 5})
    assert session.outcomes == [FAILED]
    assert (session.told(1)[0]["code"], session.told(1)[0]["attempts"]) == ("busy", 5)


async def test_a_rejected_row_fails_at_once_and_the_others_go_on(tmp_path: Path) -> None:
    """The API's own code and message are the reason."""
    session = await ran(tmp_path, rows(1, 2, 3), {2: [is_rejected]})
    assert session.outcomes == [APPLIED, FAILED, APPLIED]
    assert (session.told(2)[0]["code"], session.told(2)[0]["message"]) == ("EndPoint.3043", "bad port")
    assert fold(session.ledger.path).codes == {"EndPoint.3043": 1}
    assert not session.brake


async def test_an_abort_pulls_the_brake_and_what_is_in_flight_is_recorded(tmp_path: Path) -> None:
    """The other workers' PUTs land and are written down; nothing new begins; no row is blamed."""
    session = await ran(tmp_path, rows(*range(1, 21)), {2: [is_aborted]})
    assert session.outcomes[:2] == [APPLIED, LEFT]
    assert session.outcomes.count(APPLIED) == len(session.fleet.asked) - 1
    assert session.outcomes[-1] is LEFT
    assert session.brake.reasons == (BrakeReason.ABORTED,)
    assert session.brake.message == "APIGW.0301: signature does not match; check the secret key"
    assert fold(session.ledger.path).stage(2) is Stage.ANSWERED


async def test_the_first_put_of_a_target_goes_alone(tmp_path: Path) -> None:
    """Bad credentials cost one PUT, not one for each worker: five lock the key."""
    session = await ran(tmp_path, rows(1, 2, 3, 4, 5), {1: [is_aborted]}, workers=5)
    assert session.outcomes == [LEFT] * 5
    assert session.fleet.asked == [service_id(1)]


# In doubt


async def test_a_lost_answer_is_settled_by_reading_as_applied(tmp_path: Path) -> None:
    """The service is as asked: no second PUT."""
    session = await ran(tmp_path, rows(1), {1: [lands_unheard]})
    assert session.outcomes == [APPLIED]
    assert (session.fleet.landed, session.fleet.shown) == ([service_id(1)], [service_id(1)])
    assert [r["verdict"] for r in session.told(1, "attempt")] == ["doubt"]


async def test_a_lost_request_is_settled_by_reading_and_sent_again(tmp_path: Path) -> None:
    """The service is as before: the next attempt, after backoff."""
    session = await ran(tmp_path, rows(1), {1: [is_lost]})
    assert session.outcomes == [APPLIED]
    assert len(session.fleet.asked) == 2
    assert [r["verdict"] for r in session.told(1, "attempt")] == ["doubt", "unapplied"]


async def test_a_doubt_is_read_only_after_the_settle_time(tmp_path: Path) -> None:
    """Counted from the loss: a request that timed out may be carried out yet."""
    session = await ran(tmp_path, rows(1), {1: [lands_unheard]}, settle_s=2.0)
    assert session.clock.slept_s == [2.0]

    def late(fleet: FakeFleet, wanted: ServiceId, body: ModifyBody) -> Any:
        session.clock.elapsed_s += 1.5
        return lands_unheard(fleet, wanted, body)

    (tmp_path / "late").mkdir()
    session = await prepared(tmp_path / "late", rows(1), settle_s=2.0)
    session.fleet.answers[service_id(1)] = [late]
    await session.run()
    assert session.clock.slept_s == [2.0]


def hidden(answer: Answer, *names: str) -> Answer:
    """Return an answer of an API that never shows these fields of a service."""

    def answered(fleet: FakeFleet, wanted: ServiceId, body: ModifyBody) -> Verdict:
        verdict = answer(fleet, wanted, body)
        unknown: dict[str, Any] = dict.fromkeys(names)
        fleet.services[wanted] = replace(fleet.services[wanted], **unknown)
        return replace(verdict, state=fleet.services[wanted]) if isinstance(verdict, Done) else verdict

    return answered


def asking(**fields: Any) -> Change:
    """Return a row that asks for these fields as well as for its ports."""
    return replace(change(1), body=ModifyBody(ports=ports(2), **fields))


@pytest.mark.parametrize("answer", [lands, lands_unheard, lands_refused])
async def test_a_field_that_no_reply_shows_is_applied_and_on_record_as_unconfirmed(
    tmp_path: Path, answer: Answer
) -> None:
    """Whether the PUT's reply, the read of a doubt or the last look shows the rest as asked: one PUT."""
    session = await ran(tmp_path, [asking(vip_port_id="V")], {1: [hidden(answer, "vip_port_id")]})
    assert session.outcomes == [APPLIED]
    assert session.told(1)[-1]["unconfirmed"] == ["vip_port_id"]
    assert len(session.fleet.landed) == 1
    assert fold(session.ledger.path).unconfirmed == {1: ("vip_port_id",)}


async def test_a_field_that_the_reply_leaves_out_and_the_list_shows_is_confirmed_by_the_last_look(
    tmp_path: Path,
) -> None:
    """And is a conflict where that look shows it otherwise."""
    row = replace(asking(description="new"), before=replace(state(1, 1), description="old"))

    def answer(fleet: FakeFleet, wanted: ServiceId, body: ModifyBody) -> Verdict:
        return Done(reply=OK, state=replace(fleet.land(wanted, body), description=None))

    session = await ran(tmp_path, [row], {1: [answer]})
    assert session.outcomes == [APPLIED]
    assert "unconfirmed" not in session.told(1)[-1]

    def half(fleet: FakeFleet, wanted: ServiceId, body: ModifyBody) -> Verdict:
        return Done(
            reply=OK, state=replace(fleet.land(wanted, ModifyBody(ports=body.ports)), description=None)
        )

    (tmp_path / "half").mkdir()
    session = await ran(tmp_path / "half", [row], {1: [half]})
    assert session.outcomes == [CONFLICT]


async def test_a_doubt_of_which_nothing_is_shown_is_sent_again(tmp_path: Path) -> None:
    """The same PUT twice does no harm; nobody can see whether the first one landed."""
    row = replace(change(1), body=ModifyBody(vip_port_id="V"))
    session = await ran(
        tmp_path, [row], {1: [hidden(lands_unheard, "vip_port_id"), hidden(lands, "vip_port_id")]}
    )
    assert session.outcomes == [APPLIED]
    assert len(session.fleet.asked) == 2


async def test_what_others_changed_is_not_taken_for_a_put_of_which_nothing_is_shown(tmp_path: Path) -> None:
    """The service moved, but nothing of what the row asks can be seen: a person decides."""
    row = replace(change(1), body=ModifyBody(vip_port_id="V"))
    session = await ran(tmp_path, [row], {1: [meets_another_writer(state(1, 99))]})
    assert session.outcomes == [CONFLICT]


async def test_a_third_state_is_a_conflict_with_what_was_seen(tmp_path: Path) -> None:
    """Neither before nor as asked: a person decides, nothing more is sent."""
    session = await ran(tmp_path, rows(1), {1: [meets_another_writer(state(1, 99))]})
    assert session.outcomes == [CONFLICT]
    assert session.told(1)[0]["observed"]["ports"][0]["server_port"] == 99
    assert len(session.fleet.asked) == 1


async def test_a_service_gone_in_doubt_is_a_conflict(tmp_path: Path) -> None:
    """Somebody deleted it under way."""
    session = await prepared(tmp_path, rows(1), {1: [is_lost]})
    session.fleet.on_put = session.fleet.services.pop
    await session.run()
    assert session.outcomes == [CONFLICT]
    assert session.told(1)[0]["code"] == "EndPoint.0005"


@pytest.mark.parametrize("reads", [[Reject(reply=NO)], [Retry(reply=UNREACHED)] * READ_TRIES])
async def test_what_cannot_be_read_stays_in_doubt(tmp_path: Path, reads: list[ShowVerdict]) -> None:
    """No outcome is invented; a note says why; the others go on; the next session settles it."""
    session = await prepared(tmp_path, rows(1, 2), {1: [lands_unheard]}, workers=1)
    session.fleet.reads[service_id(1)] = reads
    await session.run()
    assert session.outcomes == [IN_DOUBT, APPLIED]
    assert session.told(1, "note")[0]["about"] == "doubt"
    resumed = await again(session).run()
    assert resumed.outcomes == [APPLIED, APPLIED]
    assert resumed.fleet.landed.count(service_id(1)) == 1


async def test_a_refused_reader_in_doubt_pulls_the_brake(tmp_path: Path) -> None:
    """Credentials that stopped working stop the run; the row stays in doubt."""
    session = await prepared(tmp_path, rows(1, 2), {1: [lands_unheard]}, workers=1)
    session.fleet.reads[service_id(1)] = [Abort(reply=LOCKED, hint="check the secret key")]
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([IN_DOUBT, LEFT], (BrakeReason.ABORTED,))


async def test_a_wrong_echo_is_read_back_before_anything_is_believed(tmp_path: Path) -> None:
    """A 200 that shows another map proves neither that it was applied nor that it was not."""
    session = await ran(
        tmp_path, rows(1, 2), {1: [lands_with_a_wrong_echo], 2: [shows_the_state_before]}, workers=1
    )
    assert session.outcomes == [APPLIED, APPLIED]
    assert session.fleet.asked == [service_id(1), service_id(2), service_id(2)]
    assert session.told(1, "attempt")[0]["code"] == "wrong_echo"
    assert session.told(1, "attempt")[0]["message"] == "the reply shows another ports than asked"


async def test_a_service_that_never_changes_fails_with_a_reason(tmp_path: Path) -> None:
    """Every 200 shows the old map and so does reading: the tries end it, and the code says why."""
    session = await ran(tmp_path, rows(1), {1: [shows_the_state_before] * 9}, tries=3)
    assert (session.outcomes, len(session.fleet.asked)) == ([FAILED], 3)
    assert session.told(1)[0]["code"] == "wrong_echo"


async def test_doubts_cost_a_try_each(tmp_path: Path) -> None:
    """A PUT that is lost for ever does not loop for ever."""
    session = await ran(tmp_path, rows(1), {1: [is_lost] * 9}, tries=3)
    assert (session.outcomes, len(session.fleet.asked)) == ([FAILED], 3)
    assert session.told(1)[0]["code"] == "timeout"


# The promises


async def test_no_put_leaves_before_its_intent_is_durable(tmp_path: Path) -> None:
    """P1: when a PUT arrives, everything written is synced, and the row is asked."""
    disk = FastDisk()
    ledger = await planned_ledger(tmp_path, rows(1, 2, 3, 4), disk=disk)
    session = Session(ledger=ledger, fleet=fleet_of(rows(1, 2, 3, 4), {2: [is_throttled, is_unreached]}))

    def arrived(asked: ServiceId) -> None:
        assert ledger.progress.stage(int(asked[-12:], 16)) is Stage.IN_FLIGHT
        intents = ledger.path.read_bytes()[: disk.synced_bytes].count(b'"type":"intent"')
        assert intents > len(session.fleet.asked)

    session.fleet.on_put = arrived
    await session.run()
    assert len(session.fleet.asked) == 6


async def test_no_put_leaves_after_the_ledger_failed(tmp_path: Path) -> None:
    """P6: the first append that fails ends the run with LedgerFailed itself, whatever the workers."""
    disk = FastDisk()
    ledger = await planned_ledger(tmp_path, rows(*range(1, 10)), disk=disk)
    session = Session(ledger=ledger, fleet=fleet_of(rows(*range(1, 10))))

    def arrived(_: ServiceId) -> None:
        disk.full = disk.full or len(session.fleet.asked) == 4

    session.fleet.on_put = arrived
    with pytest.raises(LedgerFailed, match="No space left on device"):
        await session.run()
    durable = {json["row"] for _, json in records(ledger.path) if json["type"] == "intent"}
    assert set(session.order()) <= durable < set(range(1, 10))


@pytest.mark.parametrize("workers", [1, 7])
async def test_workers_share_the_rows_and_none_is_sent_twice(tmp_path: Path, workers: int) -> None:
    """Never more PUTs alive than workers, each row once; one worker keeps the order of the plan."""
    session = await ran(tmp_path, rows(*range(1, 41)), workers=workers)
    assert session.outcomes == [APPLIED] * 40
    assert sorted(session.order()) == list(range(1, 41))
    assert workers > 1 or session.order() == list(range(1, 41))
    assert workers // 2 < session.fleet.alive_max <= workers


@pytest.mark.parametrize("trouble", [[], [is_unreached, is_unreached, is_throttled]])
async def test_as_many_workers_as_the_rate_needs_do_the_same_work(
    tmp_path: Path, trouble: list[Answer]
) -> None:
    """Their number may change at any row, up to the bound, and down to one: every row is done once."""
    changes = [change(row, after=(row - 1,) if row % 4 == 0 else ()) for row in range(1, 61)]
    answers = {row: list(trouble) for row in range(20, 40)}
    session = await ran(tmp_path, changes, answers, workers=6, elastic=True)
    assert session.outcomes == [APPLIED] * 60
    assert sorted(session.fleet.landed) == [service_id(row) for row in range(1, 61)]
    assert session.fleet.alive_max <= 6


async def test_a_finished_ledger_sends_nothing(tmp_path: Path) -> None:
    """The same command again only looks."""
    session = await ran(tmp_path, rows(1, 2))
    resumed = await again(session).run()
    assert (resumed.outcomes, len(resumed.fleet.asked)) == ([APPLIED, APPLIED], 2)


# Resuming


def _cancel(task: asyncio.Task[Session], _: ServiceId) -> None:
    task.cancel()


async def interrupted(
    tmp_path: Path, changes: list[Change], answers: Mapping[int, list[Answer]], **settings: Any
) -> Session:
    """Return a session over a ledger whose writer was killed while row 1 was under way."""
    session = await prepared(tmp_path, changes, answers, workers=1, **settings)
    task = asyncio.create_task(session.run())
    session.fleet.on_put = lambda _: task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    session.fleet.on_put = lambda _: None
    return session


@pytest.mark.parametrize("seen", [1, 2])
async def test_an_intent_without_an_answer_is_settled_before_anything_else(tmp_path: Path, seen: int) -> None:
    """On resume the service is read: as asked ends the row, as before sends it again."""
    session = await interrupted(tmp_path, rows(1, 2), {})
    assert session.outcomes == [IN_DOUBT, LEFT]
    session.fleet.services[service_id(1)] = state(1, seen)
    resumed = await again(session).run()
    assert resumed.outcomes == [APPLIED, APPLIED]
    assert resumed.fleet.landed == [service_id(row) for row in ((1, 2) if seen == 1 else (2,))]
    assert resumed.fleet.shown == [service_id(1)]
    assert resumed.told(1)[0]["code"] == ("" if seen == 1 else "answer_lost")
    assert [one["hold"] for one in resumed.told(1, "attempt")] == ([] if seen == 2 else ["settle"])


async def test_kills_cost_a_row_no_tries(tmp_path: Path) -> None:
    """However often the process dies between intent and answer, the row is asked again."""
    session = await interrupted(tmp_path, rows(1), {}, tries=1)
    for _ in range(6):
        resumed = again(session)
        task = asyncio.create_task(resumed.run())
        resumed.fleet.on_put = partial(_cancel, task)
        with pytest.raises(asyncio.CancelledError):
            await task
    session.fleet.on_put = lambda _: None
    assert (await again(session).run()).outcomes == [APPLIED]


async def test_tries_go_on_counting_over_sessions(tmp_path: Path) -> None:
    """A row that failed four times before the kill has one try left; its end has a reason."""
    session = await interrupted(tmp_path, rows(1), {}, tries=2)
    session.fleet.answers[service_id(1)] = [is_lost, is_lost]
    resumed = await again(session).run()
    assert (resumed.outcomes, resumed.told(1)[0]["code"]) == ([FAILED], "timeout")


async def test_a_clock_set_back_does_not_make_a_resume_wait(tmp_path: Path) -> None:
    """Never longer than the settle time."""
    session = await interrupted(tmp_path, rows(1), {}, settle_s=2.0)
    session.clock.elapsed_s -= 3600
    await again(session).run()
    assert session.clock.slept_s == [2.0]


async def test_a_doubt_whose_predecessor_went_wrong_meanwhile_is_settled_first(tmp_path: Path) -> None:
    """It was asked, so it cannot be blocked: read first, and only if it must be sent again, block it."""
    changes = [change(1), change(2, after=(1,)), change(3, after=(1,))]
    session = await prepared(tmp_path, changes, {2: [lands_unheard], 3: [is_lost]}, workers=1)
    session.fleet.reads = {service_id(2): [Reject(reply=NO)], service_id(3): [Reject(reply=NO)]}

    def revert(asked: ServiceId) -> None:
        if asked == service_id(3):
            session.fleet.services[service_id(1)] = state(1, 99)

    session.fleet.on_put = revert
    await session.run()
    assert session.outcomes == [CONFLICT, IN_DOUBT, IN_DOUBT]
    resumed = await again(session).run()
    assert resumed.outcomes == [CONFLICT, APPLIED, BLOCKED]


# Predecessors


async def test_a_follower_is_sent_after_its_predecessors(tmp_path: Path) -> None:
    """Even where there are workers to spare and the predecessor needs several attempts."""
    changes = [change(1), change(2), change(3, after=(1, 2)), change(4)]
    session = await ran(tmp_path, changes, {1: [is_throttled] * 5, 2: [is_lost]}, workers=4)
    assert session.outcomes == [APPLIED] * 4
    assert session.order()[-1] == 3


async def test_a_chain_needs_no_more_than_one_worker(tmp_path: Path) -> None:
    """Predecessors stand earlier in the plan, so nobody waits for what nobody will do."""
    changes = [change(row, after=tuple(range(max(1, row - 3), row))) for row in range(1, 20)]
    for workers in (1, 2, 30):
        (tmp_path / str(workers)).mkdir()
        session = await ran(tmp_path / str(workers), changes, workers=workers)
        assert session.order() == list(range(1, 20))


async def test_the_order_of_the_plan_counts_not_the_number_of_the_row(tmp_path: Path) -> None:
    """Who frees a pair may stand later in the file."""
    session = await ran(tmp_path, [change(2), change(1, after=(2,))], workers=1)
    assert session.order() == [2, 1]


@pytest.mark.parametrize("action", [Action.KEEP, Action.UPDATE])
async def test_a_predecessor_already_as_asked_blocks_nobody(tmp_path: Path, action: Action) -> None:
    """`already` is as good as `applied`."""
    session = await prepared(tmp_path, [change(1, action=action), change(2, after=(1,))])
    session.fleet.services[service_id(1)] = state(1, 1 if action is Action.KEEP else 2)
    await session.run()
    assert session.outcomes == [ALREADY, APPLIED]


@pytest.mark.parametrize("workers", [1, 3])
async def test_whatever_follows_a_failed_row_is_blocked(tmp_path: Path, workers: int) -> None:
    """Through the whole chain, each naming who stands in the way; strangers go on."""
    changes = [change(1), change(2, after=(1,)), change(3, after=(2,)), change(4)]
    session = await ran(tmp_path, changes, {1: [is_rejected]}, workers=workers)
    assert session.outcomes == [FAILED, BLOCKED, BLOCKED, APPLIED]
    assert session.told(2)[0]["message"] == "row 1, which must go first, did not end as asked"
    assert session.told(3)[0]["message"] == "row 2, which must go first, did not end as asked"
    assert session.order() == [1, 4]


async def test_a_refused_or_drifted_predecessor_blocks(tmp_path: Path) -> None:
    """It will never free what the follower needs."""
    changes = [change(1, action=Action.REFUSE), change(2), change(3, after=(1,)), change(4, after=(2,))]
    session = await prepared(tmp_path, changes)
    session.fleet.services[service_id(2)] = state(2, 77)
    await session.run()
    assert session.outcomes == [Outcome.REFUSED, DRIFTED, BLOCKED, BLOCKED]


@pytest.mark.parametrize("workers", [1, 2, 5])
async def test_whoever_follows_a_row_left_in_doubt_is_left_open(tmp_path: Path, workers: int) -> None:
    """Not blocked, for the doubt may yet end well; not sent; and nobody waits for ever."""
    changes = [change(1), change(2, after=(1,)), change(3, after=(2,)), change(4), change(5, after=(4, 1))]
    session = await prepared(tmp_path, changes, {1: [lands_unheard]}, workers=workers)
    session.fleet.reads[service_id(1)] = [Reject(reply=NO)]
    await session.run()
    assert session.outcomes == [IN_DOUBT, LEFT, LEFT, APPLIED, LEFT]
    resumed = await again(session).run()
    assert resumed.outcomes == [APPLIED] * 5
    assert len(resumed.fleet.landed) == 5


# The brake, in each waiting place


async def test_a_run_that_begins_with_the_brake_pulled_sends_nothing(tmp_path: Path) -> None:
    """Nor does it list: half a sweep would take unseen services for gone."""
    session = await prepared(tmp_path, [*rows(1), change(2, action=Action.KEEP)])
    session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await session.run()
    assert (session.outcomes, session.fleet.asked) == ([LEFT, LEFT], [])


async def test_the_brake_wakes_whoever_waits_for_the_pace(tmp_path: Path) -> None:
    """No grant, no PUT, no outcome."""
    session = await prepared(tmp_path, rows(1, 2, 3, 4))
    session.writes.held = True
    running = asyncio.create_task(session.run())
    await session.writes.wanted.wait()
    session.brake.pull(BrakeReason.TERMINATED, "TERM")
    await running
    assert (session.outcomes, session.fleet.asked) == ([LEFT] * 4, [])


async def test_a_grant_that_comes_with_the_brake_is_not_used(tmp_path: Path) -> None:
    """Nothing new begins after the pull."""
    session = await prepared(tmp_path, rows(1), workers=1)

    class Late(FakePace):
        async def acquire(self) -> float | None:
            granted_at = await super().acquire()
            session.brake.pull(BrakeReason.INTERRUPTED, "INT")
            return granted_at

    session.writes = Late()
    await session.run()
    assert (session.outcomes, session.fleet.asked) == ([LEFT], [])


async def test_the_brake_ends_a_backoff(tmp_path: Path) -> None:
    """The row keeps its state: surely not applied, to be sent by the next session."""
    session = await prepared(tmp_path, rows(1), {1: [is_unreached]})
    waiting = asyncio.Event()

    class Standing(FakeClock):
        async def sleep(self, wait_s: float, *, wake: asyncio.Event | None = None) -> None:
            waiting.set()
            assert wait_s > 0
            assert wake
            await wake.wait()

    session.clock = Standing()
    running = asyncio.create_task(session.run())
    await waiting.wait()
    session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await running
    assert (session.outcomes, len(session.fleet.asked)) == ([LEFT], 1)


async def test_the_brake_lets_a_doubt_be_settled(tmp_path: Path) -> None:
    """What is in flight ends and is recorded, and that includes its reading."""
    session = await prepared(tmp_path, rows(1, 2), {1: [lands_unheard]}, workers=1)
    session.fleet.on_put = lambda _: session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await session.run()
    assert session.outcomes == [APPLIED, LEFT]


async def test_the_brake_frees_whoever_waits_for_a_predecessor(tmp_path: Path) -> None:
    """The predecessor stays open, and so does its follower."""
    changes = [change(1), change(2, after=(1,)), change(3, after=(1, 2))]
    session = await prepared(tmp_path, changes, {1: [is_throttled]})
    session.fleet.on_put = lambda _: session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await session.run()
    assert session.outcomes == [LEFT, LEFT, LEFT]


async def test_the_brake_remembers_every_reason_that_it_was_pulled_for() -> None:
    """They stand in the order in which they are reported, each with its first message; one pull releases."""
    brake, released = Brake(), list[int]()
    brake.on_pull(lambda: released.append(1))
    assert (bool(brake), brake.reasons, brake.message) == (False, (), "")
    for reason in (BrakeReason.ABORTED, BrakeReason.INTERRUPTED, BrakeReason.ABORTED):
        brake.pull(reason, f"{reason} {len(brake.reasons)}")
    assert bool(brake)
    assert brake.reasons == (BrakeReason.INTERRUPTED, BrakeReason.ABORTED)
    assert brake.message == "interrupted 1; aborted 0"
    assert released == [1]


# The drift sweep


async def test_a_moved_service_is_drifted_and_shown(tmp_path: Path) -> None:
    """It is not sent; the others are."""
    session = await prepared(tmp_path, rows(1, 2))
    session.fleet.services[service_id(1)] = state(1, 99)
    await session.run()
    assert session.outcomes == [DRIFTED, APPLIED]
    [outcome] = session.told(1)
    assert outcome["message"] == "moved since the plan: ports"
    assert outcome["observed"]["ports"][0]["server_port"] == 99
    assert session.fleet.asked == [service_id(2)]


async def test_a_service_gone_since_the_plan_is_drifted(tmp_path: Path) -> None:
    """Also where nothing was to be changed."""
    session = await prepared(tmp_path, [*rows(1), change(2, action=Action.KEEP)])
    session.fleet.services.clear()
    await session.run()
    assert session.outcomes == [DRIFTED, DRIFTED]
    assert session.told(1)[0]["message"] == "the service is gone since the plan"
    assert "observed" not in session.told(1)[0]


async def test_a_service_somebody_else_made_as_asked_is_already(tmp_path: Path) -> None:
    """Nothing is sent for it."""
    session = await prepared(tmp_path, rows(1))
    session.fleet.services[service_id(1)] = state(1, 2)
    await session.run()
    assert (session.outcomes, session.fleet.asked) == ([ALREADY], [])


def lands_and_says(verdict: Verdict) -> Answer:
    """Return an answer that denies what it did."""

    def answer(fleet: FakeFleet, asked: ServiceId, body: ModifyBody) -> Verdict:
        fleet.land(asked, body)
        return verdict

    return answer


@pytest.mark.parametrize(
    "verdict",
    [
        Throttled(reply=TOO_FAST, retry_after_s=60.0),
        Retry(reply=BUSY),
        Abort(reply=LOCKED, hint="check the address"),
        Denied(reply=Reply(http=403), hint="ask for the permission"),
    ],
    ids=lambda verdict: type(verdict).__name__,
)
async def test_a_row_whose_own_put_took_effect_is_applied_whatever_its_answer_said(
    tmp_path: Path, verdict: Verdict
) -> None:
    """The next session finds it as asked: it is the run's own change, which a rollback takes back."""
    session = await prepared(tmp_path, rows(1), {1: [lands_and_says(verdict)]})
    session.fleet.on_put = lambda _: session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    assert (await session.run()).outcomes == [LEFT]
    session.fleet.on_put = lambda _: None
    later = await again(session, brake=Brake()).run()
    assert (later.outcomes, later.fleet.asked) == ([APPLIED], [service_id(1)])
    assert "earlier PUT of this run" in later.told(1)[-1]["message"]


async def test_a_row_of_which_no_put_has_left_is_already_as_asked(tmp_path: Path) -> None:
    """An intent alone has changed nothing: somebody else did."""
    session = await prepared(tmp_path, rows(1))
    flush = session.ledger.flush

    async def stopping_flush() -> None:
        await flush()
        session.brake.pull(BrakeReason.INTERRUPTED, "INT")

    session.ledger.flush = stopping_flush  # type: ignore[method-assign]
    assert (await session.run()).outcomes == [LEFT]
    assert session.told(1, "attempt")[0]["verdict"] == "not_sent"
    session.fleet.services[service_id(1)] = state(1, 2)
    assert (await again(session, brake=Brake()).run()).outcomes == [ALREADY]


async def test_one_list_that_does_not_show_a_service_is_not_believed(tmp_path: Path) -> None:
    """It may come empty, or lag behind: only what a second list does not show either is gone."""
    session = await prepared(tmp_path, rows(1, 2))
    session.fleet.lists = [Page(reply=OK, services=(), total_count=0)]
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]


async def test_kept_and_refused_rows_end_without_a_put(tmp_path: Path) -> None:
    """The refusal's reason is the outcome's message; a kept service that moved has drifted."""
    changes = [change(1, action=Action.KEEP), change(2, action=Action.REFUSE), change(3, action=Action.KEEP)]
    session = await prepared(tmp_path, changes)
    session.fleet.services[service_id(3)] = state(3, 99)
    await session.run()
    assert session.outcomes == [ALREADY, Outcome.REFUSED, DRIFTED]
    assert session.told(2)[0]["message"] == "no such service"
    assert session.fleet.asked == []


@pytest.mark.parametrize("stage", ["first", "later"])
async def test_strict_sends_nothing_once_a_service_moved(tmp_path: Path, stage: str) -> None:
    """In the first session and in every later one; no row gets an outcome by it."""
    session = await prepared(tmp_path, rows(1, 2, 3), strict=True, workers=1)
    if stage == "later":
        session.fleet.on_put = lambda _: session.brake.pull(BrakeReason.INTERRUPTED, "INT")
        await session.run()
        session = again(session)
        session.fleet.on_put = lambda _: None
    asked = len(session.fleet.asked)
    session.fleet.services[service_id(2)] = state(2, 99)
    await session.run()
    assert session.brake.reasons == (BrakeReason.STRICT,)
    assert session.brake.message == "1 service moved since the plan (row 2); nothing was sent"
    assert len(session.fleet.asked) == asked
    assert session.outcomes[1] is LEFT


async def test_strict_does_not_take_our_own_put_for_drift(tmp_path: Path) -> None:
    """A PUT whose answer was lost with the process has landed: that is a doubt to settle, not a move."""
    session = await interrupted(tmp_path, rows(1, 2), {}, strict=True)
    session.fleet.land(service_id(1), change(1).body)
    assert (await again(session).run()).outcomes == [APPLIED, APPLIED]


async def test_strict_lets_an_unmoved_fleet_pass(tmp_path: Path) -> None:
    """Without drift it changes nothing."""
    assert (await ran(tmp_path, rows(1, 2), strict=True)).outcomes == [APPLIED, APPLIED]


async def test_an_unreadable_fleet_ends_its_lane_before_any_put(tmp_path: Path) -> None:
    """What cannot be compared is not changed; the lane of another account goes on."""
    session, elsewhere = await two_projects(tmp_path)
    session.fleet.lists = [Reject(reply=NO)]
    await session.run()
    assert (session.outcomes, session.fleet.asked) == ([LEFT, APPLIED], [])
    assert elsewhere.landed == [service_id(2)]
    assert session.brake.reasons == (BrakeReason.UNREADABLE,)
    assert session.brake.message.startswith("lane cn-north-4: ")


async def test_an_unreadable_fleet_ends_the_whole_of_a_strict_run(tmp_path: Path) -> None:
    """One lane whose services nobody has seen may hold the one that moved."""
    session, elsewhere = await two_projects(tmp_path)
    session.limits = replace(session.limits, strict=True)
    session.fleet.lists = [Reject(reply=NO)]
    await session.run()
    assert (session.outcomes, elsewhere.asked) == ([LEFT, LEFT], [])
    assert session.brake.reasons == (BrakeReason.UNREADABLE,)


async def test_refused_credentials_end_the_run_at_the_first_read(tmp_path: Path) -> None:
    """One request is all that a wrong key costs: five bad ones lock it."""
    session = await prepared(tmp_path, rows(*range(1, 9)))
    session.fleet.lists = [Abort(reply=LOCKED, hint="check the secret key")]
    await session.run()
    assert (session.fleet.pages, session.fleet.asked) == ([0], [])
    assert session.brake.reasons == (BrakeReason.ABORTED,)


async def test_each_target_has_its_own_fleet_and_pace(tmp_path: Path) -> None:
    """Rows of two projects in one job; one list each before and after."""
    other = Target(region="cn-north-4", project_id="f" * 32)
    changes = [change(1), replace(change(2), target=other)]
    ledger = await planned_ledger(tmp_path, changes)
    fleets = {PROJECT: fleet_of(changes[:1]), other: fleet_of(changes[1:])}
    lanes = {
        target: LaneClient(
            lane=LaneName("h", "cn-north-4", target.project_id),
            fleet=fleet,
            reads=FakePace(),
            writes=FakePace(),
        )
        for target, fleet in fleets.items()
    }
    patience = Patience(clock=FakeClock(), dice=FixedDice())
    async with ledger:
        limits = Limits(workers=2)
        tools = RunContext(ledger=ledger, clients=lanes, brake=Brake(), patience=patience, limits=limits)
        await Pump(tools)()
    assert fleets[PROJECT].landed == [service_id(1)]
    assert fleets[other].landed == [service_id(2)]
    assert fleets[PROJECT].pages == fleets[other].pages == [0, 0]


async def two_projects(folder: Path) -> tuple[Session, FakeFleet]:
    """Return a session over a row in each of two projects, and the second one's fleet."""
    other = Target(region="cn-north-4", project_id="f" * 32)
    changes = [change(1), replace(change(2), target=other)]
    session = await prepared(folder, changes, workers=1)
    elsewhere = fleet_of(changes[1:])
    session.more_lanes[other] = LaneClient(
        lane=LaneName("h", "cn-north-4", "b"), fleet=elsewhere, reads=FakePace(), writes=FakePace()
    )
    return session, elsewhere


async def test_the_brake_ends_the_sweep_of_every_project(tmp_path: Path) -> None:
    """What was not listed is not taken for gone: no outcome is written."""
    session, elsewhere = await two_projects(tmp_path)
    session.fleet.on_list = lambda: session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await session.run()
    assert (session.outcomes, elsewhere.landed) == ([LEFT, LEFT], [])


async def test_the_brake_ends_the_verify_sweep_without_a_verdict(tmp_path: Path) -> None:
    """An applied row stays applied where nobody looked."""
    session, elsewhere = await two_projects(tmp_path)
    session.fleet.on_list = lambda: (
        session.brake.pull(BrakeReason.INTERRUPTED, "INT") if session.fleet.landed else None
    )
    await session.run()
    assert (session.outcomes, elsewhere.shown) == ([APPLIED, APPLIED], [])


# An API that asks to be left alone


async def test_a_wait_that_is_asked_for_holds_the_lane_and_costs_no_try(tmp_path: Path) -> None:
    """A 503 may have taken effect: the row is read after the wait, and then sent again, however often."""
    session = await ran(tmp_path, rows(1), {1: [is_unavailable] * 7}, tries=1)
    assert session.outcomes == [APPLIED]
    assert (session.writes.pauses, session.writes.refusals) == ([60.0] * 7, [])
    assert [wait_s for wait_s in session.clock.slept_s if wait_s == 60.0] == [60.0] * 7
    [first, unapplied, *_] = session.told(1, "attempt")
    assert (first["verdict"], first["hold_s"], unapplied["verdict"]) == ("doubt", 60.0, "unapplied")
    assert fold(session.ledger.path).outcome(1) is APPLIED


async def test_a_wait_that_is_asked_for_counts_nothing_in_the_next_session_either(tmp_path: Path) -> None:
    """The fold of the records says the same as the run did."""
    session = await prepared(tmp_path, rows(1), {1: [is_unavailable] * 3}, tries=1)
    session.fleet.on_put = lambda _: session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await session.run()
    assert fold(session.ledger.path).open[1].tries == 0
    assert (await again(session, brake=Brake()).run()).outcomes == [APPLIED]


async def test_a_wait_asked_for_again_and_again_stops_the_lane_after_a_quarter_of_an_hour(
    tmp_path: Path,
) -> None:
    """Nothing that is under way would end it; no row fails for it, and the next session goes on."""
    session = await ran(tmp_path, rows(1, 2), {1: [is_unavailable] * 99, 2: [is_unavailable] * 99})
    assert FAILED not in session.outcomes
    assert session.brake.reasons == (BrakeReason.PUSHED_BACK,)
    assert PUSH_BACK_MAX_S < session.clock.elapsed_s < 2 * PUSH_BACK_MAX_S
    session.fleet.answers.clear()
    assert (await again(session, brake=Brake()).run()).outcomes == [APPLIED, APPLIED]


@pytest.mark.parametrize("answer", [is_throttled, lambda *_: Throttled(reply=TOO_FAST)], ids=["wait", "no"])
async def test_throttling_that_does_not_end_stops_the_lane_too(tmp_path: Path, answer: Answer) -> None:
    """A quarter of an hour in which nothing was accepted, whether or not the answers say how long to wait."""
    session = await prepared(tmp_path, rows(1), {1: [answer] * 2000})
    session.fleet.on_put = lambda _: setattr(session.clock, "elapsed_s", session.clock.elapsed_s + 3.0)
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([LEFT], (BrakeReason.PUSHED_BACK,))
    assert len(session.fleet.asked) == PUSH_BACK_MAX_S / 3 + 2


@pytest.mark.parametrize("answer", [is_shut, is_throttled_for_years])
async def test_a_wait_that_is_too_long_stops_its_lane_at_once_and_says_until_when(
    tmp_path: Path, answer: Answer
) -> None:
    """Nothing more is sent there; the lane of another account goes on."""
    session, elsewhere = await two_projects(tmp_path)
    session.fleet.answers[service_id(1)] = [answer]
    await session.run()
    assert (len(session.fleet.asked), session.fleet.shown) == (1, [])
    assert session.outcomes == [IN_DOUBT if answer is is_shut else LEFT, APPLIED]
    assert elsewhere.landed == [service_id(2)]
    assert session.brake.reasons == (BrakeReason.PUSHED_BACK,)
    assert "left alone until 2057-01-15 08:30:00 UTC" in session.brake.message
    assert session.writes.pauses == []


async def test_a_wait_that_is_too_long_for_a_list_or_a_read_stops_the_lane(tmp_path: Path) -> None:
    """Whatever request hears of it."""
    listed = await prepared(tmp_path, rows(1))
    shut = Retry(reply=UNAVAILABLE, shut_until="2057-01-15 08:30:00 UTC")
    listed.fleet.lists = [shut]
    await listed.run()
    assert (listed.outcomes, listed.brake.reasons) == ([LEFT], (BrakeReason.PUSHED_BACK,))
    listed.fleet.answers, listed.fleet.reads = {service_id(1): [is_lost]}, {service_id(1): [shut]}
    read = await again(listed, brake=Brake()).run()
    assert (read.outcomes, read.brake.reasons) == ([IN_DOUBT], (BrakeReason.PUSHED_BACK,))
    assert "2057" in read.brake.message


# A machine that has no room for one more connection


async def test_what_there_is_no_room_for_costs_no_try_and_is_said_once(tmp_path: Path) -> None:
    """Too many open files: the rows surely did not leave, and they go later."""
    answers: dict[int, list[Answer]] = {row: [is_crowded] * 3 for row in range(2, 9)}
    session = await ran(tmp_path, rows(*range(1, 21)), answers, workers=8, tries=1)
    assert session.outcomes == [APPLIED] * 20
    assert {attempt["verdict"] for attempt in session.told(2, "attempt")} == {"not_sent"}
    [note] = [r["message"] for _, r in records(session.ledger.path) if r["type"] == "note"]
    assert "there is no room for more connections (Too many open files)" in note
    assert "ulimit -n" in note


async def test_as_many_are_in_flight_as_there_was_room_for(tmp_path: Path) -> None:
    """Of those at a time the last find none; from then on there are never more than two."""
    session = await prepared(tmp_path, rows(*range(1, 41)), workers=8)
    session.fleet.room = 2
    await session.run()
    assert session.outcomes == [APPLIED] * 40
    left = [attempt for row in range(1, 41) for attempt in session.told(row, "attempt")]
    assert session.fleet.alive_max > 2
    assert 0 < len(left) < 8, "each of them makes it one fewer"


async def test_a_read_that_there_is_no_room_for_makes_the_lane_give_up_a_connection(tmp_path: Path) -> None:
    """Else the PUTs would keep all of them, and the doubt could not be read."""
    session = await prepared(tmp_path, rows(*range(1, 21)), {1: [is_lost]}, workers=8)
    session.fleet.reads = {service_id(1): [CROWDED] * 3}
    await session.run()
    assert session.outcomes == [APPLIED] * 20
    assert any("no room" in r.get("message", "") for _, r in records(session.ledger.path))


async def test_a_machine_without_any_room_stops_the_lane_and_fails_no_row(tmp_path: Path) -> None:
    """As where nobody answers: after half a minute."""
    answers: dict[int, list[Answer]] = {row: [is_crowded] * 100 for row in range(1, 9)}
    session = await ran(tmp_path, rows(*range(1, 9)), answers)
    assert session.outcomes == [LEFT] * 8
    assert session.brake.reasons == (BrakeReason.UNREACHED,)
    assert "Too many open files" in session.brake.message


# An API that is gone


async def test_an_api_that_cannot_be_reached_stops_the_run_and_fails_no_row(tmp_path: Path) -> None:
    """The rows are not to blame: they stay as they are, and the next session goes on with them."""
    gone: dict[int, list[Answer]] = {row: [is_unreached] * 100 for row in range(1, 9)}
    session = await ran(tmp_path, rows(*range(1, 9)), gone)
    assert session.outcomes == [LEFT] * 8
    assert session.brake.reasons == (BrakeReason.UNREACHED,)
    assert "could not be reached" in session.brake.message
    assert "connect_failed" in session.brake.message
    assert session.clock.elapsed_s >= SILENCE_S
    session.fleet.answers.clear()
    assert (await again(session, brake=Brake()).run()).outcomes == [APPLIED] * 8


async def test_an_api_that_comes_back_in_time_costs_no_row_its_tries(tmp_path: Path) -> None:
    """Ten attempts of several rows find nobody, and then all rows are applied."""
    away: dict[int, list[Answer]] = {row: [is_unreached] * 6 for row in (2, 3, 4)}
    session = await ran(tmp_path, rows(1, 2, 3, 4), away)
    assert session.outcomes == [APPLIED] * 4


async def test_one_answer_shows_that_the_api_is_there(tmp_path: Path) -> None:
    """A row that alone cannot be sent has its tries and fails, while others are answered."""
    session = await ran(tmp_path, rows(1, 2), {1: [is_unreached] * 5, 2: [is_throttled] * 30})
    assert session.outcomes == [FAILED, APPLIED]


# While a fleet is still being listed


@dataclass
class SlowList(FakeFleet):
    """A fleet whose list has one service a page, and whose second page waits."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    verdict: ListVerdict | None = None
    """What the second page is instead."""

    async def list_page(self, *, offset: int, limit: int) -> ListVerdict:  # noqa: ARG002 - as it is called
        """Return one service, each but the first one when it may be told."""
        if offset:
            await self.go.wait()
            if self.verdict:
                return self.verdict
        return await super().list_page(offset=offset, limit=1)


def slow_list(changes: list[Change], **what: Any) -> SlowList:
    """Return a fleet as the plan saw it that is slow to tell."""
    return SlowList(services=fleet_of(changes).services, **what)


async def test_a_row_goes_as_soon_as_its_service_has_been_looked_at(tmp_path: Path) -> None:
    """A large fleet takes long to list; the PUT of the first page releases the second one here."""
    session = await prepared(tmp_path, rows(1, 2))
    session.fleet = fleet = slow_list(rows(1, 2))
    fleet.on_put = lambda _: fleet.go.set()
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]


async def test_a_row_does_not_go_before_its_service_has_been_looked_at(tmp_path: Path) -> None:
    """The second service moved: it is found out in time, though the first row went long ago."""
    session = await prepared(tmp_path, rows(1, 2))
    session.fleet = fleet = slow_list(rows(1, 2))
    fleet.services[service_id(2)] = state(2, 9)
    fleet.on_put = lambda _: fleet.go.set()
    await session.run()
    assert (session.outcomes, session.order()) == ([APPLIED, DRIFTED], [1])


@pytest.mark.parametrize("settings", [{"strict": True}, {"waves": WavePlan(sizes=(1,))}])
async def test_strict_runs_and_canaries_wait_for_the_whole_list(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """What one service shows may forbid all PUTs; and the first rows must be those that can be sent."""
    session = await prepared(tmp_path, rows(1, 2), **settings)
    session.fleet = fleet = slow_list(rows(1, 2))
    fleet.on_put = lambda _: pytest.fail("sent too early") if not fleet.go.is_set() else None
    asyncio.get_running_loop().call_later(0.01, fleet.go.set)
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]


async def test_the_brake_ends_a_list_that_rows_wait_for(tmp_path: Path) -> None:
    """What is in flight is recorded, what was not looked at stays as it is, and nobody waits for ever."""
    session = await prepared(tmp_path, rows(1, 2))
    session.fleet = fleet = slow_list(rows(1, 2))
    fleet.on_put = lambda _: session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await session.run()
    assert session.outcomes == [APPLIED, LEFT]


async def test_a_list_that_fails_midway_stops_the_run_and_loses_no_outcome(tmp_path: Path) -> None:
    """The PUT in flight ends and is recorded; the failure is told as what it is."""
    session = await prepared(tmp_path, rows(1, 2))
    session.fleet = fleet = slow_list(rows(1, 2), verdict=Abort(reply=LOCKED, hint="check the secret key"))
    fleet.on_put = lambda _: fleet.go.set()
    await session.run()
    assert session.outcomes == [APPLIED, LEFT]
    assert session.brake.reasons == (BrakeReason.ABORTED,)


async def test_a_stop_before_the_run_begins_sends_nothing(tmp_path: Path) -> None:
    """A brake that is pulled already holds back the list, too."""
    session = await prepared(tmp_path, rows(1, 2))
    session.brake.pull(BrakeReason.INTERRUPTED, "INT")
    await session.run()
    assert (session.outcomes, session.order()) == ([LEFT, LEFT], [])


async def test_a_service_is_not_parked_before_those_that_wait_for_it_were_looked_at(tmp_path: Path) -> None:
    """Once it is parked they must go: one that had moved would leave it parked."""
    changes = ring(2)
    session = await prepared(tmp_path, changes)
    session.fleet = fleet = slow_list(changes)
    fleet.on_put = lambda _: pytest.fail("parked too early") if not fleet.go.is_set() else None
    asyncio.get_running_loop().call_later(0.01, fleet.go.set)
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]


async def test_a_ring_is_turned_though_another_lane_is_unreadable(tmp_path: Path) -> None:
    """Nothing that the ring waits for stands in that lane, so nothing can leave a service parked."""
    other = Target(region="cn-north-4", project_id="f" * 32)
    changes = [*ring(2), replace(change(10), target=other)]
    session = await prepared(tmp_path, changes)
    session.fleet = fleet_of(changes[:2])
    session.fleet.shares_ports = True
    elsewhere = fleet_of(changes[2:])
    elsewhere.lists = [Reject(reply=NO)]
    session.more_lanes[other] = LaneClient(
        lane=LaneName("h", "cn-north-4", "b"), fleet=elsewhere, reads=FakePace(), writes=FakePace()
    )
    await session.run()
    assert (session.outcomes, elsewhere.asked) == ([APPLIED, APPLIED, LEFT], [])


async def test_rows_in_doubt_need_not_wait_for_the_list(tmp_path: Path) -> None:
    """They are settled by reading the service itself; it is all that is known of them that counts."""
    ledger = await planned_ledger(tmp_path, rows(1, 2))
    await ledger.commit(Intent(row=2, attempt=1))
    session = Session(ledger=ledger, fleet=(fleet := slow_list(rows(1, 2))))
    fleet.on_put = lambda _: fleet.go.set()
    fleet.services = {service_id(9): state(9, 1), **fleet.services}  # the first page tells of neither
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]
    assert session.order() == [2, 1]


@pytest.mark.parametrize("workers", [1, 2, 8, 30])
async def test_no_row_fails_in_an_outage_however_many_workers_there_are(tmp_path: Path, workers: int) -> None:
    """That nobody is there shows before the first row has used up its tries."""
    gone: dict[int, list[Answer]] = {row: [is_unreached] * 100 for row in range(1, 31)}
    session = await ran(tmp_path, rows(*gone), gone, workers=workers)
    assert session.outcomes == [LEFT] * 30
    assert session.brake.reasons == (BrakeReason.UNREACHED,)


# What nobody asked for


async def test_a_first_put_that_changes_more_than_asked_stops_the_run(tmp_path: Path) -> None:
    """The row itself is applied and stays so; the field is named; nothing else begins."""

    def renames(fleet: FakeFleet, wanted: ServiceId, body: ModifyBody) -> Verdict:
        fleet.services[wanted] = replace(fleet.services[wanted], description="other")
        return lands(fleet, wanted, body)

    changes = [replace(change(row), before=replace(state(row, 1), description="")) for row in (1, 2)]
    session = await ran(tmp_path, changes, {1: [renames]}, workers=1)
    assert (session.outcomes, session.brake.reasons) == ([APPLIED, LEFT], (BrakeReason.SIDE_EFFECT,))
    assert session.brake.message == (
        "the PUT of row 1 changed unasked: description, now 'other'; or somebody else did at the same moment"
    )
    assert session.told(1, "note")[0]["about"] == "side_effect"


# Canary and failure limit


async def test_the_others_follow_a_good_canary(tmp_path: Path) -> None:
    """The first rows end before any other begins."""
    session = await ran(tmp_path, rows(*range(1, 9)), {1: [is_throttled] * 4}, waves=WavePlan(sizes=(2,)))
    assert session.outcomes == [APPLIED] * 8
    assert set(session.order()[:6]) == {1, 2}


@pytest.mark.parametrize("answer", [is_rejected, meets_another_writer(state(2, 9))])
async def test_a_bad_canary_stops_the_run(tmp_path: Path, answer: Answer) -> None:
    """The rest is not attempted."""
    session = await ran(tmp_path, rows(1, 2, 3, 4), {2: [answer]}, waves=WavePlan(sizes=(2,)))
    assert session.outcomes[0] is APPLIED
    assert session.outcomes[2:] == [LEFT, LEFT]
    assert session.brake.reasons == (BrakeReason.WAVE,)
    assert session.brake.message == "1 of the 2 services of wave 1 did not end as asked"


async def test_a_wave_soaks_before_the_next_one_goes(tmp_path: Path) -> None:
    """For as long as it is to, and it is said for how long still."""
    session = await prepared(tmp_path, rows(1, 2, 3), waves=WavePlan(sizes=(1, 1)), soak_s=120.0)
    sent: dict[str, float] = {}
    session.fleet.on_put = lambda one: sent.update({one: session.clock.monotonic()})
    await session.run()
    assert session.outcomes == [APPLIED] * 3
    first, second, third = sent.values()
    assert 120 <= second - first < 130
    assert 120 <= third - second < 130


async def test_a_canary_left_in_doubt_lets_nobody_go_and_is_no_failure(tmp_path: Path) -> None:
    """Only rows that surely ended as asked let the others go; the next session finds out and goes on."""
    session = await prepared(tmp_path, rows(1, 2), {1: [lands_unheard]}, waves=WavePlan(sizes=(1,)))
    session.fleet.reads[service_id(1)] = [Reject(reply=NO)]
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([IN_DOUBT, LEFT], (BrakeReason.UNREADABLE,))
    assert session.brake.message.startswith("row 1 of wave 1 could not be read")
    assert (await again(session, brake=Brake()).run()).outcomes == [APPLIED, APPLIED]


async def test_the_run_stops_when_more_rows_failed_than_may(tmp_path: Path) -> None:
    """One may fail: the second pulls the brake; a conflict counts as well."""
    answers: dict[int, list[Answer]] = {1: [is_rejected], 3: [meets_another_writer(state(3, 9))]}
    session = await ran(tmp_path, rows(1, 2, 3, 4), answers, failures_max=1, workers=1)
    assert session.outcomes == [FAILED, APPLIED, CONFLICT, LEFT]
    assert session.brake.reasons == (BrakeReason.FAILURE_LIMIT,)
    assert session.brake.message == "2 services failed, max_failures allows 1"


async def test_as_many_failures_as_may_be_stop_nothing(tmp_path: Path) -> None:
    """The limit itself is allowed; blocked rows are no failures."""
    changes = [change(1), change(2, after=(1,)), change(3)]
    session = await ran(tmp_path, changes, {1: [is_rejected]}, failures_max=1)
    assert (session.outcomes, bool(session.brake)) == ([FAILED, BLOCKED, APPLIED], False)


# Looks that expire


async def test_a_look_that_is_too_old_is_repeated_before_the_put(tmp_path: Path) -> None:
    """The first row takes longer than a look lasts: the other is read again, and was edited meanwhile."""
    session = await prepared(tmp_path, rows(1, 2), workers=1, max_look_age_s=60.0)

    def edited(asked: ServiceId) -> None:
        if asked == service_id(1):
            session.clock.elapsed_s += 61.0
            session.fleet.services[service_id(2)] = state(2, 99)

    session.fleet.on_put = edited
    await session.run()
    assert session.outcomes == [APPLIED, DRIFTED]
    assert session.fleet.shown == [service_id(2)]


async def test_a_wall_clock_that_jumps_ends_what_looks_are_worth(tmp_path: Path) -> None:
    """As a machine does that slept: the service is read again before its PUT."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    awake = session.clock.now

    def sleeps(_: ServiceId) -> None:
        session.clock.elapsed_s += 0.5
        session.clock.now = lambda: awake() + 3600.0  # type: ignore[method-assign]

    session.fleet.on_put = sleeps
    await session.run()
    assert session.outcomes == [APPLIED, APPLIED]
    assert session.fleet.shown == [service_id(2)]


async def test_a_service_that_cannot_be_looked_at_again_is_not_sent(tmp_path: Path) -> None:
    """It keeps no outcome, a note says why, and the next session sends it."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    session.fleet.on_put = lambda _: setattr(session.clock, "elapsed_s", 61.0)
    session.fleet.reads[service_id(2)] = [Reject(reply=NO)]
    await session.run()
    assert session.outcomes == [APPLIED, LEFT]
    assert session.told(2, "note")[0]["about"] == "look"
    assert session.brake.reasons == (BrakeReason.UNREADABLE,)
    assert session.brake.message.startswith(
        "row 2 was not sent, since its service cannot be looked at again: "
    )


async def test_a_stop_does_not_wait_for_a_look_whose_row_will_not_be_sent(tmp_path: Path) -> None:
    """The API never answers the second look; the run ends, and the next session sends the row."""

    class Silent(FakeFleet):
        async def show(self, service_id: ServiceId) -> ShowVerdict:
            session.brake.pull(BrakeReason.INTERRUPTED, "INT")
            await asyncio.Event().wait()
            return await super().show(service_id)

    session = await prepared(tmp_path, rows(1, 2), workers=1)
    session.fleet = Silent(services=fleet_of(rows(1, 2)).services)
    session.fleet.on_put = lambda _: setattr(session.clock, "elapsed_s", 61.0)
    await session.run()
    assert session.outcomes == [APPLIED, LEFT]
    assert session.brake.reasons == (BrakeReason.INTERRUPTED,)


async def test_a_strict_run_stops_when_a_later_look_finds_that_a_service_moved(tmp_path: Path) -> None:
    """What was sent stays so; nothing else begins."""
    session = await prepared(tmp_path, rows(1, 2, 3), workers=1, strict=True)

    def edited(_: ServiceId) -> None:
        session.clock.elapsed_s += 61.0
        session.fleet.services[service_id(2)] = state(2, 99)

    session.fleet.on_put = edited
    await session.run()
    assert session.outcomes == [APPLIED, DRIFTED, LEFT]
    assert session.brake.reasons == (BrakeReason.STRICT,)


# The window


def until(session: Session, end_s: float, spare_s: float = 0.0) -> Hours:
    """Return the hours of a window that ends so many seconds from now."""
    now = session.clock.now()
    return Hours(
        opens_at=now, stops_at=now + end_s - spare_s, closes_at=now + end_s, spared="the window ends"
    )


async def test_nothing_begins_after_the_window_by_the_wall_clock(tmp_path: Path) -> None:
    """The first PUT outlasts the window: it is recorded, and no other leaves."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)
    session.hours = until(session, 10.0)
    session.fleet.on_put = lambda _: setattr(session.clock, "elapsed_s", 10.0)
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([APPLIED, LEFT], (BrakeReason.WINDOW,))
    assert session.told(2, "intent") == []


async def test_no_put_leaves_whose_intent_became_durable_after_the_window(tmp_path: Path) -> None:
    """The wall clock is asked once more before the write: a commit may take long, and a machine may sleep."""
    session = await prepared(tmp_path, rows(1))
    session.hours = until(session, 10.0)
    flush = session.ledger.flush

    async def slow_flush() -> None:
        await flush()
        session.clock.elapsed_s += 10.0

    session.ledger.flush = slow_flush  # type: ignore[method-assign]
    await session.run()
    assert (session.outcomes, session.fleet.asked) == ([LEFT], [])
    assert session.told(1, "attempt")[0]["verdict"] == "not_sent"


# The verify sweep


async def test_an_applied_service_found_otherwise_is_a_conflict(tmp_path: Path) -> None:
    """Somebody wrote over it during the run: the list shows it, a detail read confirms it."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)

    def overwritten(asked: ServiceId) -> None:
        if asked == service_id(2):
            session.fleet.services[service_id(1)] = state(1, 99)

    session.fleet.on_put = overwritten
    await session.run()
    assert session.outcomes == [CONFLICT, APPLIED]
    assert session.told(1)[-1]["code"] == "unverified"
    assert session.told(1)[-1]["observed"]["ports"][0]["server_port"] == 99


async def test_a_list_that_lags_behind_is_no_conflict(tmp_path: Path) -> None:
    """The list still shows the old map, the detail read after the settle time the new one."""
    session = await prepared(tmp_path, rows(1), settle_s=2.0)
    stale = Page(reply=OK, services=(Listed.of(state(1, 1)),), total_count=1)
    session.fleet.on_put = lambda _: session.fleet.lists.append(stale)
    await session.run()
    assert (session.outcomes, session.clock.slept_s) == ([APPLIED], [2.0])
    assert session.fleet.shown == [service_id(1)]


async def test_an_applied_service_that_vanished_is_a_conflict(tmp_path: Path) -> None:
    """Gone from the list and from the detail."""
    session = await prepared(tmp_path, rows(1, 2), workers=1)

    def gone(asked: ServiceId) -> None:
        if asked == service_id(2):
            del session.fleet.services[service_id(1)]

    session.fleet.on_put = gone
    await session.run()
    assert session.outcomes == [CONFLICT, APPLIED]
    assert "observed" not in session.told(1)[-1]


async def test_an_applied_service_that_the_list_shows_otherwise_and_nobody_can_read_is_a_conflict(
    tmp_path: Path,
) -> None:
    """Applied is only what the last look showed as asked."""
    session = await prepared(tmp_path, rows(1))
    stale = Page(reply=OK, services=(Listed.of(state(1, 1)),), total_count=1)
    session.fleet.on_put = lambda _: session.fleet.lists.append(stale)
    session.fleet.reads[service_id(1)] = [Reject(reply=NO)]
    await session.run()
    assert session.outcomes == [CONFLICT]
    assert session.told(1)[-1]["message"].startswith("the last list shows it otherwise")


async def test_a_service_that_is_broken_after_its_put_is_a_conflict(tmp_path: Path) -> None:
    """Its ports are as asked, but it does not work: a person has to look."""
    session = await ran(tmp_path, rows(1), {1: [breaks]})
    assert session.outcomes == [CONFLICT]
    assert session.told(1)[-1]["observed"]["status"] == "failed"
    assert session.told(1)[-1]["message"].endswith("; reading shows status failed (no port)")


def leaves(status: str, **others: Any) -> Answer:
    """Return an answer that takes effect and shows the service in another status."""

    def answer(fleet: FakeFleet, asked: ServiceId, body: ModifyBody) -> Verdict:
        fleet.services[asked] = replace(fleet.land(asked, body), status=status, **others)
        return Done(reply=OK, state=fleet.services[asked])

    return answer


@pytest.mark.parametrize("status", ["creating", "updating", "error", "deleted", "frozen", "FAILED"])
async def test_a_service_that_does_not_become_available_after_its_put_is_a_conflict(
    tmp_path: Path, status: str
) -> None:
    """Whatever the API calls it: the plan would not change such a service either."""
    session = await ran(tmp_path, rows(1), {1: [leaves(status)]})
    assert session.outcomes == [CONFLICT]
    assert session.told(1)[-1]["message"].endswith(f"reading shows status {status}")
    assert UNSOUND_MAX_S < session.clock.elapsed_s < UNSOUND_MAX_S + 5.0
    assert len(session.fleet.asked) == 1


async def test_a_service_that_becomes_available_after_its_put_is_applied(tmp_path: Path) -> None:
    """It is waited for, and read until it is."""
    session = await prepared(tmp_path, rows(1), {1: [leaves("creating")]})
    creating = [Done(reply=OK, state=state(1, 2, status="creating"))] * 3
    session.fleet.reads[service_id(1)] = [*creating, Done(reply=OK, state=state(1, 2))]

    def becomes_available() -> None:
        if session.fleet.landed:
            session.fleet.services[service_id(1)] = state(1, 2)

    session.fleet.on_list = becomes_available
    await session.run()
    assert (session.outcomes, len(session.fleet.asked)) == ([APPLIED], 1)


def changes_later(session: Session, **others: Any) -> None:
    """Let the service of row 1 change once its PUT has been answered, before the last list."""

    def change() -> None:
        if session.fleet.landed:
            session.fleet.services[service_id(1)] = replace(state(1, 2), **others)

    session.fleet.on_list = change


async def test_a_service_that_leaves_available_after_its_reply_is_waited_for(tmp_path: Path) -> None:
    """The change goes on behind the API: what the last look shows is not yet what it comes to."""
    session = await prepared(tmp_path, rows(1))
    changes_later(session, status="creating")
    creating = [Done(reply=OK, state=state(1, 2, status="creating"))] * 3
    session.fleet.reads[service_id(1)] = [*creating, Done(reply=OK, state=state(1, 2))]
    await session.run()
    assert session.outcomes == [APPLIED]
    assert not session.fleet.reads[service_id(1)]


async def test_a_service_that_leaves_available_for_good_is_a_conflict(tmp_path: Path) -> None:
    """After a minute nobody waits any more."""
    session = await prepared(tmp_path, rows(1))
    changes_later(session, status="creating")
    await session.run()
    assert session.outcomes == [CONFLICT]
    assert session.told(1)[-1]["message"].endswith("than the run left: status creating")
    assert UNSOUND_MAX_S < session.clock.elapsed_s < UNSOUND_MAX_S + 5.0


async def test_what_only_the_list_shows_is_not_taken_back_by_a_read_that_does_not_show_it(
    tmp_path: Path,
) -> None:
    """A reply with few fields contradicts nothing."""
    (change,) = rows(1)
    before = replace(state(1, 1), approval_enabled=False)
    session = await prepared(tmp_path, [replace(change, before=before)])
    session.fleet.services[service_id(1)] = before
    changes_later(session, approval_enabled=True)
    session.fleet.reads[service_id(1)] = [Done(reply=OK, state=state(1, 2))]
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([APPLIED], (BrakeReason.SIDE_EFFECT,))
    assert session.brake.message == (
        "the last look shows that the service of row 1 has approval_enabled, now 'true', which no row asks "
        "for; its PUT changed that, or somebody else did since"
    )


async def test_what_nobody_asked_for_stops_the_run_whatever_else_the_last_look_shows(tmp_path: Path) -> None:
    """The row is judged by what it asks."""
    (change,) = rows(1)
    session = await prepared(tmp_path, [replace(change, before=replace(state(1, 1), description=""))])
    changes_later(session, description="other", ports=ports(9))
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([CONFLICT], (BrakeReason.SIDE_EFFECT,))
    assert session.told(1, "outcome")[-1]["message"] == "the last look shows another ports than the run left"


@pytest.mark.parametrize("flips", [False, True])
async def test_a_reply_that_does_not_show_what_the_list_shows_proves_nothing(
    tmp_path: Path, *, flips: bool
) -> None:
    """The service is read: what its PUT changed unasked stops the run at the first one."""
    changes = [
        replace(one, before=replace(state(one.row, 1), approval_enabled=True)) for one in rows(1, 2, 3)
    ]

    def briefly(fleet: FakeFleet, asked: ServiceId, body: ModifyBody) -> Verdict:
        fleet.services[asked] = replace(fleet.land(asked, body), approval_enabled=not flips)
        return Done(reply=OK, state=replace(fleet.services[asked], approval_enabled=None))

    session = await ran(tmp_path, changes, {row: [briefly] for row in (1, 2, 3)})
    assert session.fleet.shown[:1] == [service_id(1)]
    assert session.brake.reasons == ((BrakeReason.SIDE_EFFECT,) if flips else ())
    assert len(session.fleet.landed) == (1 if flips else 3)
    assert flips or session.outcomes == [APPLIED] * 3


@pytest.mark.parametrize("flips", [False, True])
async def test_what_neither_reply_nor_read_shows_is_proved_by_a_page_before_other_rows_go(
    tmp_path: Path, *, flips: bool
) -> None:
    """One page for the first row; where it shows all as it was, the others need none."""
    changes = [
        replace(one, before=replace(state(one.row, 1), approval_enabled=True)) for one in rows(*range(1, 9))
    ]

    def briefly(fleet: FakeFleet, asked: ServiceId, body: ModifyBody) -> Verdict:
        live = fleet.land(asked, body)
        fleet.reads[asked] = [Done(reply=OK, state=replace(live, approval_enabled=None))]
        fleet.services[asked] = replace(live, approval_enabled=not flips)
        return fleet.reads[asked][0]

    session = await ran(tmp_path, changes, {row: [briefly] for row in range(1, 9)})
    assert session.brake.reasons == ((BrakeReason.SIDE_EFFECT,) if flips else ())
    assert len(session.fleet.landed) == (1 if flips else 8)
    assert len(session.fleet.pages) == (2 if flips else 3)  # the first look, the proof, the last look
    assert flips or session.outcomes == [APPLIED] * 8


@pytest.mark.parametrize("moved_to", ["another page", "nowhere that can be read", "its earlier state"])
async def test_what_no_page_proves_is_for_the_last_look_to_judge(tmp_path: Path, moved_to: str) -> None:
    """Each row then asks for a page of its own; none waits for ever."""
    changes = [replace(one, before=replace(state(one.row, 1), approval_enabled=True)) for one in rows(1, 2)]
    earlier = Listed.of(next(iter(changes)).before or state(1, 1))
    pages: dict[str, ListVerdict] = {
        "another page": Page(reply=OK, services=(), total_count=0),
        "nowhere that can be read": Reject(reply=NO),
        "its earlier state": Page(reply=OK, services=(earlier,), total_count=1),
    }

    def briefly(fleet: FakeFleet, asked: ServiceId, body: ModifyBody) -> Verdict:
        live = fleet.land(asked, body)
        fleet.reads[asked] = [Done(reply=OK, state=replace(live, approval_enabled=None))]
        fleet.lists = [pages[moved_to]]
        return fleet.reads[asked][0]

    session = await ran(tmp_path, changes, {row: [briefly] for row in (1, 2)})
    assert (session.outcomes, session.brake.reasons) == ([APPLIED] * 2, ())
    assert len(session.fleet.pages) == 4  # the first look, two that prove nothing, the last


async def test_no_row_goes_before_the_first_success_that_cannot_be_read_is_settled(tmp_path: Path) -> None:
    """It shows nothing of what its PUT may have changed besides."""

    def flips(fleet: FakeFleet, asked: ServiceId, body: ModifyBody) -> Verdict:
        fleet.services[asked] = replace(fleet.land(asked, body), description="other")
        return Doubt(reply=Reply(http=200, code=NoReply.UNREADABLE_REPLY))

    changes = [replace(one, before=replace(state(one.row, 1), description="")) for one in rows(1, 2, 3)]
    session = await ran(tmp_path, changes, {row: [flips] for row in (1, 2, 3)})
    assert session.brake.reasons == (BrakeReason.SIDE_EFFECT,)
    assert session.fleet.landed == [service_id(1)]


async def test_what_a_service_that_is_not_available_yet_shows_stops_the_run_at_once(tmp_path: Path) -> None:
    """Its row is waited for all the same."""
    (change,) = rows(1)
    live = replace(state(1, 2), description="other", status="creating")
    session = await prepared(
        tmp_path, [replace(change, before=replace(state(1, 1), description=""))], {1: [is_lost]}
    )
    session.fleet.reads[service_id(1)] = [
        *(Done(reply=OK, state=live) for _ in range(3)),
        Done(reply=OK, state=replace(live, status="available")),
    ]
    await session.run()
    assert (session.outcomes, session.brake.reasons) == ([APPLIED], (BrakeReason.SIDE_EFFECT,))


async def test_a_service_that_the_last_look_finds_broken_says_what_is_wrong(tmp_path: Path) -> None:
    """A status alone helps nobody at one in the morning."""
    session = await prepared(tmp_path, rows(1))

    def breaks_later() -> None:
        if session.fleet.landed:
            live = session.fleet.services[service_id(1)]
            session.fleet.services[live.id] = replace(live, status="failed", error="no port")

    session.fleet.on_list = breaks_later
    await session.run()
    assert session.outcomes == [CONFLICT]
    assert session.told(1)[-1]["message"].endswith("status failed (no port)")


async def test_a_refused_put_that_took_effect_is_applied_by_the_last_look(tmp_path: Path) -> None:
    """And it counts no longer as failed; one that took no effect stays so, and nobody reads it."""
    session = await ran(tmp_path, rows(1, 2), {1: [lands_refused], 2: [is_rejected]})
    assert session.outcomes == [APPLIED, FAILED]
    assert [outcome["outcome"] for outcome in session.told(1)] == ["failed", "applied"]
    assert fold(session.ledger.path).codes == {NO.code: 1}
    assert session.fleet.shown == [service_id(1)]


async def test_a_refused_put_that_left_a_third_state_is_a_conflict(tmp_path: Path) -> None:
    """The last look finds neither what was nor what was asked."""
    session = await ran(tmp_path, rows(1), {1: [lands_half_refused]})
    assert session.outcomes == [CONFLICT]


async def test_a_failed_row_whose_service_is_gone_stays_failed(tmp_path: Path) -> None:
    """There is nothing to take back."""
    session = await prepared(tmp_path, rows(1), {1: [is_rejected]})
    session.fleet.on_put = session.fleet.services.pop
    await session.run()
    assert session.outcomes == [FAILED]


async def test_reading_takes_one_list_before_and_one_after(tmp_path: Path) -> None:
    """No detail read but for rows in doubt."""
    session = await ran(tmp_path, rows(*range(1, 31)))
    assert (session.fleet.pages, session.fleet.shown) == ([0, 0], [])


async def test_a_stopped_run_is_not_verified(tmp_path: Path) -> None:
    """The next session verifies all of it."""
    session = await ran(tmp_path, rows(1, 2), {1: [is_aborted]}, workers=1)
    assert session.fleet.pages == [0]


async def test_a_fleet_with_every_trouble_at_once_ends_as_asked(tmp_path: Path) -> None:
    """Many workers, chains, losses, refusals: each row once, each service as asked."""
    changes = [change(row, after=(row - 1,) if row % 3 != 1 else ()) for row in range(1, 61)]
    troubles: list[list[Answer]] = [
        [is_throttled, lands_unheard],
        [is_lost, is_unreached, lands],
        [lands_with_a_wrong_echo],
        [is_renewed, shows_the_state_before],
        [],
    ]
    session = await ran(tmp_path, changes, {row: troubles[row % 5] for row in range(1, 61)}, workers=8)
    assert session.outcomes == [APPLIED] * 60
    assert sorted(session.fleet.landed) == [service_id(row) for row in range(1, 61)]


# Lanes


async def test_a_lane_that_nobody_answers_in_keeps_no_other_from_finishing(tmp_path: Path) -> None:
    """No row is failed for it, the brake and a note name it, and the next session goes on with it."""
    session, [_, gone, _] = await three_lanes(tmp_path)
    gone.answers = {service_id(row): [is_unreached] * 100 for row in range(5, 9)}
    await session.run()
    assert session.outcomes == [APPLIED] * 4 + [LEFT] * 4 + [APPLIED] * 4
    assert session.brake.reasons == (BrakeReason.UNREACHED,)
    assert session.brake.message.startswith("lane r2: the API could not be reached")
    notes = [r["message"] for _, r in records(session.ledger.path) if r["type"] == "note"]
    assert notes == [session.brake.message]
    gone.answers.clear()
    fresh = {
        target: lane_of(client.fleet, client.lane.region, client.lane.account)
        for target, client in session.more_lanes.items()
    }
    assert (await again(session, brake=Brake(), more_lanes=fresh).run()).outcomes == [APPLIED] * 12


async def test_a_wave_with_rows_of_a_stopped_lane_has_not_passed(tmp_path: Path) -> None:
    """Its other rows are sent, those of later waves are not; the next session goes on with it."""
    session, [_, gone, last] = await three_lanes(tmp_path)
    gone.answers = {service_id(row): [is_unreached] * 100 for row in range(5, 9)}
    targets = [session.ledger.progress.target(row) for row in (1, 5, 9)]
    waves = WavePlan(of_target=dict(zip(targets, (1, 1, 2), strict=True)))
    session.limits = replace(session.limits, waves=waves)
    last.on_put = lambda _: pytest.fail("a later wave went")
    await session.run()
    assert session.outcomes == [APPLIED] * 4 + [LEFT] * 8
    assert session.brake.reasons == (BrakeReason.UNREACHED,)


async def test_a_refused_key_ends_its_lanes_and_no_other(tmp_path: Path) -> None:
    """Five bad signatures lock a key: its lane in another region stops too, that of another key does not."""
    session, [_, same_key, _] = await three_lanes(tmp_path, workers=1)
    session.fleet.answers = {service_id(1): [is_aborted]}
    same_key.on_put = lambda _: pytest.fail("sent with a refused key")
    session.more_lanes = {
        target: replace(client, reads=session.reads) for target, client in session.more_lanes.items()
    }
    same_key.lists = [Retry(reply=UNREACHED)] * 3  # so that it comes second
    await session.run()
    assert session.outcomes == [LEFT] * 8 + [APPLIED] * 4
    assert session.brake.reasons == (BrakeReason.ABORTED,)


@pytest.mark.parametrize("answer", [is_aborted, is_lost, is_unavailable, is_unreached, is_throttled])
async def test_the_first_put_of_a_key_goes_alone_over_all_its_lanes(tmp_path: Path, answer: Answer) -> None:
    """Reads may be allowed where PUTs are not: a bad signature costs one PUT, any other answer none."""
    session, fleets = await three_lanes(tmp_path)
    answered: list[ServiceId] = []

    def arrives(_: ServiceId) -> None:
        assert answered or len(fleets[0].alive + fleets[1].alive) == 1

    def answers(fleet: FakeFleet, asked: ServiceId, body: ModifyBody) -> Verdict:
        answered.append(asked)
        return (answer if len(answered) == 1 else lands)(fleet, asked, body)

    for fleet in fleets[:2]:
        fleet.on_put, fleet.answers = arrives, {wanted: [answers] for wanted in fleet.services}
    await session.run()
    if answer is is_aborted:
        assert (session.outcomes, len(fleets[0].asked + fleets[1].asked)) == ([LEFT] * 8 + [APPLIED] * 4, 1)
        assert session.brake.message.startswith("lane cn-north-4, lane r2: ")
    else:
        assert session.outcomes == [APPLIED] * 12


async def test_a_first_put_that_hangs_keeps_the_other_lanes_of_its_key_waiting_for_seconds(
    tmp_path: Path,
) -> None:
    """It is answered when all other rows of the key have been sent."""
    session, [hanging, other, _] = await three_lanes(tmp_path)
    other.lists = [Retry(reply=UNREACHED)] * 3  # so that it comes second
    session.more_lanes = {
        target: replace(client, reads=session.reads) for target, client in session.more_lanes.items()
    }
    all_sent = asyncio.Event()

    def arrives(_: ServiceId) -> None:
        if len(other.asked) == 3:
            all_sent.set()

    async def hangs(wanted: ServiceId, body: ModifyBody) -> Verdict:
        hanging.modify = modify  # type: ignore[method-assign]
        session.clock.elapsed_s += KEY_WAIT_S
        await all_sent.wait()
        return await modify(wanted, body)

    modify, other.on_put = hanging.modify, arrives
    hanging.modify = hangs  # type: ignore[method-assign]
    await asyncio.wait_for(session.run(), 30)
    assert session.outcomes == [APPLIED] * 12


async def test_rows_that_settle_or_back_off_hold_no_place_in_flight(tmp_path: Path) -> None:
    """With one PUT at a time the others are sent while the first two rows wait."""
    session = await prepared(tmp_path, rows(*range(1, 7)), {1: [lands_unheard], 2: [is_busy]}, workers=1)
    ended, go = list[int](), asyncio.Event()

    class Slow(FakeClock):
        async def sleep(self, wait_s: float, *, wake: asyncio.Event | None = None) -> None:
            await go.wait()
            await super().sleep(wait_s, wake=wake)

    def arrived(_: ServiceId) -> None:
        ended.extend(session.order()[-1:])
        if len(session.fleet.asked) == 5:
            go.set()

    session.clock, session.fleet.on_put = Slow(), arrived
    await session.run()
    assert session.outcomes == [APPLIED] * 6
    assert session.order() == [1, 2, 3, 4, 5, 6, 2]


async def test_a_put_whose_intent_is_on_disk_when_the_run_stops_does_not_leave(tmp_path: Path) -> None:
    """It is recorded as not sent, which costs the row nothing, and the next session sends it."""
    session = await prepared(tmp_path, rows(1, 2), workers=2)
    stopped = session.brake

    class Stopping(FastDisk):
        def sync(self, fd: int) -> None:
            super().sync(fd)
            if b'"type":"intent"' in session.ledger.path.read_bytes():
                stopped.pull(BrakeReason.INTERRUPTED, "INT")

    session.ledger._disk = Stopping()
    await session.run()
    assert (session.outcomes, session.fleet.asked) == ([LEFT, LEFT], [])
    assert [r["verdict"] for r in session.told(1, "attempt")] == ["not_sent"]
    assert fold(session.ledger.path).open[1].tries == 0
    assert (await again(session, brake=Brake()).run()).outcomes == [APPLIED, APPLIED]


async def test_an_outcome_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    """P6: a run that can record nothing ends, though the failure comes while nobody waits for the ledger."""
    disk = FastDisk()
    ledger = await planned_ledger(tmp_path, rows(1, 2, 3), disk=disk)

    class LastWaits(FakeFleet):
        async def modify(self, service_id: ServiceId, body: ModifyBody) -> Verdict:
            while len(self.asked) == 2 and not ledger._failure:
                disk.full = len(self.landed) == 2
                await asyncio.sleep(0)
            return await super().modify(service_id, body)

    fleet = LastWaits(services=fleet_of(rows(1, 2, 3)).services)
    with pytest.raises(LedgerFailed, match="No space left on device"):
        await Session(ledger=ledger, fleet=fleet).run()
    assert len(fleet.landed) == 3


async def test_rows_without_a_usable_target_are_refused_though_no_lane_is_there(tmp_path: Path) -> None:
    """Every row is accounted for, with nobody to ask."""
    session = await prepared(
        tmp_path, [replace(change(1, action=Action.REFUSE), target=Target(region="r", project_id=""))]
    )
    async with session.ledger:
        patience = Patience(clock=session.clock, dice=FixedDice())
        context = RunContext(
            ledger=session.ledger, clients={}, brake=session.brake, patience=patience, limits=session.limits
        )
        await Pump(context)()
    assert session.outcomes == [Outcome.REFUSED]


# Answers that come in a callback


class CallingFleet(FakeFleet):
    """Takes a PUT without a task, and answers from the event loop."""

    tells: list[Callable[[Verdict], object]]

    def send(self, put: Put, tell: Callable[[Any], object], spawn: Any) -> None:  # noqa: ARG002 - part of the interface
        """Take effect and say so a turn later."""
        self.tells = [*getattr(self, "tells", []), tell]
        self.asked.append(put.service_id)
        self.land(put.service_id, body_of(orjson.loads(put.content)))
        asyncio.get_running_loop().call_soon(tell, AsAsked(reply=OK))


async def test_rows_whose_answers_come_in_callbacks_are_applied(tmp_path: Path) -> None:
    """What is plainly as asked needs no look at its reply."""
    session = await prepared(tmp_path, rows(1, 2, 3))
    session.fleet = CallingFleet(services=session.fleet.services)
    await session.run()
    assert session.outcomes == [APPLIED] * 3
    assert session.writes.took == [1.0, 2.0, 3.0]


async def test_a_failure_in_a_callback_ends_the_run(tmp_path: Path) -> None:
    """An answer that comes twice is a bug: it is raised, and nobody waits for ever."""

    class Twice(CallingFleet):
        def send(self, put: Put, tell: Callable[[Any], object], spawn: Any) -> None:
            super().send(put, tell, spawn)
            asyncio.get_running_loop().call_soon(tell, AsAsked(reply=OK))

    session = await prepared(tmp_path, rows(1, 2, 3))
    session.fleet = Twice(services=session.fleet.services)
    with pytest.raises(KeyError):
        await session.run()
    session.fleet.tells[0](AsAsked(reply=OK))  # nobody wants to know any more
