"""The line that says where a run stands while it is at work."""

from bulk.adapters.limits import Budget
from bulk.adapters.throttle import Limiter
from bulk.app.session import Watched
from bulk.cli.progress import status_line
from bulk.core.ledger.progress import Progress
from bulk.core.model import Hold, LaneName, Limit, Reply, RequestKind, Throttled, Wait
from bulk.core.pacing import fixed
from bulk.run.brake import Brake
from tests.limiters import StillClock

LANE = LaneName(host="simulator", region="cn-north-4", account="ops")
WRITES = Budget(lane=LANE, kind=RequestKind.WRITES)
USER = Limit(requests=60, window_s=60.0, policy="user")
REFUSAL = Throttled(reply=Reply(http=429), retry_after_s=12.0, limit=USER)


def test_what_is_waited_for_is_named_and_nothing_where_only_the_rate_holds() -> None:
    """The hold is a value with its kind of request; its words stand at the end of the line."""
    clock = StillClock()
    paces = {Budget(lane=LANE, kind=kind): Limiter(fixed(20.0), clock=clock) for kind in RequestKind}
    budget = [Wait(hold=Hold.BUDGET, detail="2 may be in flight (1 of 3 failed)")]
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
        " | rows wait for the failure budget: 2 may be in flight (1 of 3 failed)"
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
    assert status_line(watched, 18.8) == "0/0 | 18.8/s, 20/s allowed, 6 % refused anyway"
