"""The line that says where a run stands while it is at work."""

import pytest

from bulk.adapters.limits import Budget
from bulk.adapters.throttle import Limiter
from bulk.app.session import Watched
from bulk.cli.progress import Speed, status_line
from bulk.core.ledger.folding import take_in
from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import record_json, record_type
from bulk.core.ledger.row_life import Stage
from bulk.core.model import Hold, LaneName, Limit, Reply, RequestKind, Throttled, Wait
from bulk.core.pacing import fixed
from bulk.run.brake import Brake
from tests.limiters import StillClock
from tests.nouns import change, planned, run_record

LANE = LaneName(host="simulator", region="cn-north-4", account="ops")
WRITES = Budget(lane=LANE, kind=RequestKind.WRITES)
USER = Limit(requests=60, window_s=60.0, policy="user")
REFUSAL = Throttled(reply=Reply(http=429), retry_after_s=12.0, limit=USER)


def test_what_is_waited_for_is_named_and_nothing_where_only_the_rate_holds() -> None:
    """The hold is a value with its kind of request; its words stand at the end of the line."""
    clock = StillClock()
    paces = {Budget(lane=LANE, kind=kind): Limiter(fixed(20.0), clock=clock) for kind in RequestKind}
    budget = [Wait(hold=Hold.BUDGET, detail="at most 2 in flight (1 failed, max_failures allows 3)")]
    watched = Watched(
        progress=Progress(),
        brake=Brake(),
        now=clock.monotonic,
        paces=paces,
        row_holds=lambda: iter(budget if paces[WRITES].reason().hold is Hold.PUSH_BACK else ()),
    )
    assert list(watched.holds()) == []
    assert status_line(watched, 0.0) == "0/0 | 0.0/s, 20/s allowed"
    paces[WRITES].refused(0.0, REFUSAL)
    wait = Wait(hold=Hold.PUSH_BACK, left_s=12.0, limit=USER)
    assert list(watched.holds()) == [(RequestKind.WRITES, wait)]
    assert status_line(watched, 0.0).endswith(
        " | writes wait for the server's push-back: limit 60 per minute (user), 12 s left"
        " | rows wait for the failure budget: at most 2 in flight (1 failed, max_failures allows 3)"
    )


def test_what_the_line_waits_for_steers_no_terminal() -> None:
    """Codes and details may be the API's own text."""
    watched = Watched(
        progress=Progress(),
        brake=Brake(),
        now=StillClock().monotonic,
        paces={},
        row_holds=lambda: iter([Wait(hold=Hold.BUDGET, detail="E\x1b[2J\u202e")]),
    )
    assert status_line(watched, 0.0).endswith(": E[2J")


def test_noise_is_named_beside_the_rate() -> None:
    """Who sees refusals sees as well that they are no reason to go slower."""
    clock = StillClock()
    writes = Limiter(fixed(20.0)._replace(noise=0.06), clock=clock)
    paces = {WRITES: writes}
    watched = Watched(
        progress=Progress(), brake=Brake(), now=clock.monotonic, paces=paces, row_holds=lambda: iter(())
    )
    assert status_line(watched, 18.8) == "0/0 | 18.8/s, 20/s allowed, 6 % throttled whatever the rate"


def test_the_speed_is_that_of_changes_however_seldom_it_is_asked_for() -> None:
    """Every 30 s as five times a second; rows that are right already, or refused, are no speed."""
    clock = StillClock()
    plan = [change(row) for row in range(1, 5)]
    progress = Progress()
    for number, record in enumerate((run_record(), *plan, planned(*plan))):
        head = {"n": number, "at": "2026-01-15T08:30:00.000Z", "type": record_type(record)}
        take_in(progress, head | record_json(record), number)
    watched = Watched(
        progress=progress, brake=Brake(), now=clock.monotonic, paces={}, row_holds=lambda: iter(())
    )
    speed = Speed(watched)
    assert speed.per_s() == 0.0
    clock.advance(30)
    progress.tally[Stage.APPLIED] += 2
    assert speed.per_s() == pytest.approx(2 / 30)
    assert status_line(watched, 2 / 30) == "2/4 (50 %) | 0.1/s | about 30 s left"
    clock.advance(30)
    assert speed.per_s() == 0.0
