"""The line that says where a run stands while it is at work."""

from dataclasses import replace

import pytest

from bulk.app.watched import Watched
from bulk.cli.display import LANES_SHOWN, Display, Speed, status_line
from bulk.ledger.folding import take_in
from bulk.ledger.progress import Progress, changes_ended
from bulk.ledger.records import record_json, record_type
from bulk.ledger.row_life import Stage
from bulk.model import Change, Hold, LaneName, Limit, Reply, RequestKind, Target, Throttled, Wait
from bulk.pacing import fixed
from bulk.pacing.learned_limits import LimitOwner
from bulk.pacing.limiter import Limiter
from bulk.run.brake import Brake
from tests.limiters import StillClock
from tests.values import change, planned, run_record

LANE = LaneName(host="simulator", region="cn-north-4", account="ops")
WRITES = LimitOwner(lane=LANE, kind=RequestKind.WRITES)
USER = Limit(requests=60, window_s=60.0, policy="user")
REFUSAL = Throttled(reply=Reply(http=429), retry_after_s=12.0, limit=USER)


def test_what_is_waited_for_is_named_and_nothing_where_only_the_rate_holds() -> None:
    """The hold is a value with its kind of request; its words stand at the end of the line."""
    clock = StillClock()
    paces = {LimitOwner(lane=LANE, kind=kind): Limiter(fixed(20.0), clock=clock) for kind in RequestKind}
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
    fast = {WRITES: Limiter(fixed(2000.0), clock=clock)}
    assert status_line(replace(watched, paces=fast), 0.0) == "0/0 | 0.0/s, 2,000/s allowed"
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
    progress = progress_of(*plan)
    watched = Watched(
        progress=progress, brake=Brake(), now=clock.monotonic, paces={}, row_holds=lambda: iter(())
    )
    speed = Speed(clock.monotonic(), changes_ended(progress))
    assert speed.per_s(clock.monotonic(), changes_ended(progress)) == 0.0
    clock.advance(30)
    progress.tally[Stage.APPLIED] += 2
    assert speed.per_s(clock.monotonic(), changes_ended(progress)) == pytest.approx(2 / 30)
    assert status_line(watched, 2 / 30) == "2/4 (50 %) | 0.1/s | about 30 s left"
    clock.advance(30)
    assert speed.per_s(clock.monotonic(), changes_ended(progress)) == 0.0


def progress_of(*plan: Change) -> Progress:
    """Return the progress of a run whose plan is these changes."""
    progress = Progress()
    for number, record in enumerate((run_record(), *plan, planned(*plan))):
        head = {"n": number, "at": "2026-01-15T08:30:00.000Z", "type": record_type(record)}
        take_in(progress, head | record_json(record), number)
    return progress


def with_lanes(clock: StillClock, lanes: dict[Target, LaneName], rows_each: int) -> Watched:
    """Return a run with a lane for each target and so many changes in it."""
    plan = [
        replace(change(place * rows_each + row), target=target)
        for place, target in enumerate(lanes)
        for row in range(1, rows_each + 1)
    ]
    paces = {
        LimitOwner(lane=lane, kind=kind): Limiter(fixed(20.0), clock=clock)
        for lane in lanes.values()
        for kind in RequestKind
    }
    return Watched(
        progress=progress_of(*plan),
        brake=Brake(),
        now=clock.monotonic,
        paces=paces,
        row_holds=lambda: iter(()),
        lanes=lanes,
    )


def lane(region: str, account: str = "ops") -> LaneName:
    """Return a lane of the simulator."""
    return LaneName(host="simulator", region=region, account=account)


def apply(watched: Watched, *rows: int) -> None:
    """Let rows end as applied."""
    for row in rows:
        watched.progress.stages[row - 1] = Stage.APPLIED
        watched.progress.tally[Stage.APPLIED] += 1


def test_each_lane_of_several_has_a_line_with_its_name_its_rows_and_its_rate() -> None:
    """What a lane waits for stands in its line; what is left takes as long as the slowest lane."""
    clock = StillClock()
    north, east = lane("cn-north-4"), lane("cn-east-3")
    watched = with_lanes(clock, {Target(region=one.region, project_id="p"): one for one in (north, east)}, 40)
    display = Display(watched)
    clock.advance(10)
    apply(watched, *range(1, 31), 41, 42)
    assert display.lines() == [
        "32/80 (40 %) | 3.2/s | about 3 min 10 s left",
        "  cn-north-4  30/40  3.0/s of 20/s",
        "  cn-east-3   2/40  0.2/s of 20/s",
    ]
    watched.paces[LimitOwner(lane=east, kind=RequestKind.WRITES)].refused(10.0, REFUSAL)
    clock.advance(1)
    apply(watched, *range(31, 41))
    head, first, second = display.lines()
    assert head.startswith("42/80 (52 %) | ")
    assert first.startswith("  cn-east-3   2/40  ")
    assert first.endswith(" | writes wait for the server's push-back: limit 60 per minute (user), 11 s left")
    assert second == "  cn-north-4  40/40  done"


def test_one_lane_has_one_line_whatever_its_projects() -> None:
    """And nothing else is counted for it."""
    clock = StillClock()
    here = lane("cn-north-4")
    targets = {Target(region="cn-north-4", project_id=project): here for project in ("a", "b")}
    watched = with_lanes(clock, targets, 5)
    assert Display(watched).lines() == ["0/10 (0 %) | 0.0/s, 20/s allowed"]


def test_lanes_of_one_region_are_told_apart_by_their_profile() -> None:
    """Never by their account, which is not shown."""
    targets = {
        Target(region="cn-north-4", project_id="p", profile=profile): lane("cn-north-4", account)
        for profile, account in (("", "0a"), ("ops", "0b"))
    }
    _, first, second = Display(with_lanes(StillClock(), targets, 1)).lines()
    assert (first.split()[0], second.split()[0]) == ("cn-north-4", "ops@cn-north-4")


def test_lanes_beyond_a_dozen_are_counted() -> None:
    """A small terminal shows the run's own line as well."""
    lanes = {
        Target(region=f"r-{number}", project_id="p"): lane(f"r-{number}") for number in range(LANES_SHOWN + 2)
    }
    lines = Display(with_lanes(StillClock(), lanes, 1)).lines()
    assert len(lines) == 1 + LANES_SHOWN + 1
    assert lines[-1] == "  and 2 more lanes"


def test_a_large_plan_is_counted_by_lane_less_often_than_it_is_shown() -> None:
    """Once a second with a million rows, however often the display is drawn."""
    clock = StillClock()
    watched = with_lanes(clock, {Target(region=name, project_id="p"): lane(name) for name in ("a", "b")}, 500)
    display = Display(watched)
    display.lines()
    apply(watched, *range(1, 501))
    clock.advance(0.0009)
    assert display.lines()[1].startswith("  a  0/500")
    clock.advance(0.0001)
    assert "  a  500/500  done" in display.lines()
