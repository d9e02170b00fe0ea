"""What single events mean for single rows, where whole runs hardly ever come."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bulk.ledger.records import Attempt, AttemptResult, Purpose
from bulk.ledger.row_life import NOT_BEGUN
from bulk.model import Abort, Change, Done, Hold, Listed, Missing, ModifyBody, Reply, Retry, ServiceId
from bulk.run.board import Board
from bulk.run.budget import Budget
from bulk.run.drift import against_plan
from bulk.run.interfaces import Limits
from bulk.run.looks import Looks
from bulk.run.row import Suspicion, Work, answered, checked, looked_again, read_back, taken_up
from bulk.run.stages import Place
from bulk.vpcep.codes import NoReply
from bulk.vpcep.signed_channel import LATE
from tests.fakes import CROWDED, FixedDice
from tests.values import change, ports

LIMITS = Limits(workers=1)
NO_KEY = Abort(reply=Reply(http=401, code="APIGW.0301"), hint="check the key")


def plan_of(planned: Change) -> Any:
    """Return a plan of one row whose PUT is not plain."""
    return SimpleNamespace(
        progress=SimpleNamespace(order=[planned.row]),
        plain_put=lambda _: None,
        change=lambda _: planned,
        matches_snapshot=lambda *_: False,
    )


def work_on(planned: Change) -> Work:
    """Return the work on a row that has not begun."""
    return Work(plan_of(planned), planned.row, NOT_BEGUN)


def test_a_key_refused_at_a_look_leaves_the_row_and_ends_its_key() -> None:
    """Nothing is known of the service, and nothing was sent."""
    turn = looked_again(work_on(change(1)), NO_KEY, frozenset())
    assert turn.to is Place.LEFT
    assert "APIGW.0301" in turn.refused_key


@pytest.mark.parametrize(
    ("retry", "is_silent", "result"),
    [
        (Retry(reply=Reply(http=503)), False, AttemptResult.RETRY),
        (Retry(reply=Reply(code=NoReply.CONNECT_FAILED)), True, AttemptResult.UNREACHED),
        (Retry(reply=Reply(http=401), counts=False), False, AttemptResult.RENEWED),
        (Retry(reply=Reply(code=NoReply.WORKER_LATE), counts=False), False, AttemptResult.NOT_SENT),
        (Retry(reply=Reply(code=NoReply.WORKER_LATE), counts=False), True, AttemptResult.UNREACHED),
        (Retry(reply=Reply(code=NoReply.NO_WORKER), counts=False), False, AttemptResult.NOT_SENT),
        (LATE, False, AttemptResult.NOT_SENT),
        (CROWDED, True, AttemptResult.NOT_SENT),
    ],
)
def test_a_put_that_goes_once_more_is_on_record_as_what_it_was(
    retry: Retry,
    is_silent: bool,  # noqa: FBT001 - a case
    result: AttemptResult,
) -> None:
    """Only what the API answered to an expired token was renewed; what has not left was not sent."""
    work = work_on(change(1))
    turn = answered(work, retry, LIMITS, FixedDice(), is_silent=is_silent, is_key_accepted=True)
    assert [record.verdict for record in turn.records if isinstance(record, Attempt)] == [result]
    assert not turn.in_doubt


def test_a_key_refused_at_the_last_look_keeps_the_outcome() -> None:
    """What is on record stays so; its lane is cut."""
    turn = checked(change(1), {"outcome": "applied", "attempts": 1}, NO_KEY, Suspicion(None), LIMITS)
    assert (turn.to, turn.records) == (Place.DONE, ())
    assert turn.refused_key


def test_a_doubt_without_a_service_before_is_never_taken_for_unchanged() -> None:
    """A format 2 plan may have none: what is not as asked is a conflict, and no PUT goes once more."""
    planned = replace(change(1), before=None, body=ModifyBody(ports=ports(1)))
    live = replace(change(1).before or pytest.fail("no service"), ports=ports(9))
    found, dice = Done(reply=Reply(), state=live), FixedDice()
    turn = read_back(work_on(planned), found, LIMITS, dice, frozenset(), frozenset())
    assert turn.to is Place.ENDED


def test_a_service_whose_hash_is_that_of_a_row_is_not_taken_for_its_own() -> None:
    """Two ids may share a hash: the id decides."""
    planned = change(1)
    other = replace(planned.before or pytest.fail("no service"), id=ServiceId("another"))
    found = against_plan(plan_of(planned), 1, Listed.of(other), is_parked=False, noticed=frozenset())
    assert found == (False, None)


def test_a_move_that_the_table_does_not_have_is_a_bug() -> None:
    """No row gets anywhere by a way that nobody thought of."""
    with pytest.raises(AssertionError, match="row 1 cannot go from UNSEEN to FLYING"):
        Board(plan_of(change(1)), (), 60.0).move(1, Place.FLYING)


def test_before_one_is_accepted_the_hold_says_how_many_may_be_in_flight() -> None:
    """Without max_failures ten first PUTs at a time find out whether the job is wrong."""
    board: Any = SimpleNamespace()
    assert "until one PUT is accepted" in Budget(board, None).hold().detail


def test_a_service_that_is_gone_at_a_look_has_drifted() -> None:
    """Nothing is sent to it."""
    turn = looked_again(work_on(change(1)), Missing(reply=Reply(http=404)), frozenset())
    assert turn.to is Place.ENDED


def test_a_page_that_was_asked_for_before_a_look_does_not_undo_it() -> None:
    """The look is newer than what the page shows."""
    looks = Looks(1, 60.0)
    looks.seen(1, 5.0)
    looks.missed(1, 4.0)
    assert not looks.is_stale(1, 6.0)


def test_a_service_that_may_not_be_given_back_what_it_had_is_taken_up_with_its_last_put() -> None:
    """In the next session as in this one: there is no other way out."""
    parked = replace(NOT_BEGUN, attempts=3, purpose=Purpose.RESTORE, parked=True, rejected=True)
    planned = replace(change(1), parking=ModifyBody(ports=ports(9)))
    for known, due in ((parked, Purpose.RESTORE), (replace(parked, restore_rejected=True), Purpose.CHANGE)):
        assert taken_up(plan_of(planned), 1, known, 5, is_in_doubt=False).due is due


@pytest.mark.parametrize("hold", Hold)
def test_each_hold_has_words(hold: Hold) -> None:
    """Whatever a row waits for, a person can read it."""
    assert hold.words
