"""Looks that are renewed: by pages, before the rows' turn, at the full rate, in virtual time."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from bulk.ledger.stops import BrakeReason
from bulk.model import (
    Change,
    ListVerdict,
    ModifyBody,
    Outcome,
    Page,
    Reject,
    ServiceId,
    ServiceState,
    ShowVerdict,
    Verdict,
)
from bulk.pacing import fixed
from bulk.pacing.limiter import Limiter
from bulk.plan.estimate import PAGE_SERVICES
from bulk.run.brake import Brake
from bulk.run.interfaces import LaneClient, LaneName, Limits
from bulk.run.patience import Patience
from bulk.run.pump import Pump, RunContext
from tests.fakes import NO, FakeFleet, FixedDice, planned_ledger
from tests.values import PROJECT, change, service_id, state
from tests.virtual_time import VirtualClock, run_virtually

LATENCY_S = 0.05


@dataclass
class FarFleet(FakeFleet):
    """A fleet at some distance, which notes how old the look at each service was when its PUT came."""

    looked_at: dict[ServiceId, float] = field(default_factory=dict)
    oldest_s: float = 0.0
    put_at: list[float] = field(default_factory=list)
    paged_at: list[float] = field(default_factory=list)
    hides: frozenset[ServiceId] = frozenset()
    """Services that a page does not show when it is read for the second time."""
    page_refusals: int = 0
    """Pages that are refused when they are read again."""
    edits: dict[ServiceId, ServiceState] = field(default_factory=dict)
    """What somebody else makes of services once the first PUT has come."""
    on_renewal: Callable[[], Awaitable[object]] | None = None
    """What else happens when a page is read again."""

    async def list_page(self, *, offset: int, limit: int) -> ListVerdict:
        """Return a page as it was when it was asked for."""
        found = await super().list_page(offset=offset, limit=limit)
        self.paged_at.append(asked_at := asyncio.get_running_loop().time())
        await asyncio.sleep(LATENCY_S)
        times = self.pages.count(offset)
        if times > 1 and self.on_renewal:
            await self.on_renewal()
        if times > 1 and self.page_refusals:
            self.page_refusals -= 1
            return Reject(reply=NO)
        assert isinstance(found, Page)
        hidden = self.hides if times == 2 else frozenset()
        found = replace(found, services=tuple(live for live in found.services if live.id not in hidden))
        self.looked_at |= dict.fromkeys((live.id for live in found.services), asked_at)
        return found

    async def show(self, service_id: ServiceId) -> ShowVerdict:
        """Return one service as it was when it was asked for."""
        found = await super().show(service_id)
        self.looked_at[service_id] = asyncio.get_running_loop().time()
        await asyncio.sleep(LATENCY_S)
        return found

    async def modify(self, service_id: ServiceId, body: ModifyBody) -> Verdict:
        """Take a PUT, and note how old its look is."""
        self.put_at.append(now := asyncio.get_running_loop().time())
        self.oldest_s = max(self.oldest_s, now - self.looked_at[service_id])
        await asyncio.sleep(LATENCY_S)
        self.services |= self.edits
        self.edits = {}
        return await super().modify(service_id, body)


def in_random_order(rows: int, *, of: int) -> Iterator[Change]:
    """Yield changes of some services of a list; the order of the plan is not that of the list."""
    for row, number in enumerate(random.Random(1).sample(range(1, of + 1), rows), start=1):
        update = replace(change(row).update, service_id=service_id(number))
        yield replace(change(row), update=update, before=state(number, 1))


async def applied(
    folder: Path,
    fleet: FarFleet,
    changes: list[Change],
    rate_per_s: float,
    *,
    reads_per_s: float = 20.0,
    brake: Brake | None = None,
    **limits: float,
) -> dict[Outcome, int]:
    """Apply changes at fixed rates; return how they ended."""
    clock = VirtualClock()
    client = LaneClient(
        fleet=fleet,
        lane=LaneName("h", "cn-north-4", "a"),
        reads=Limiter(fixed(reads_per_s), clock=clock),
        writes=Limiter(fixed(rate_per_s), clock=clock),
    )
    async with await planned_ledger(folder, changes) as ledger:
        pump = Pump(
            RunContext(
                ledger=ledger,
                clients={PROJECT: client},
                brake=Brake() if brake is None else brake,
                patience=Patience(clock=clock, dice=FixedDice()),
                limits=Limits(workers=8, **limits),  # type: ignore[arg-type]
            )
        )
        await pump()
        return ledger.progress.counts()


def fleet_with(changes: list[Change], services: int) -> FarFleet:
    """Return a fleet in the order of its list, with the services of a plan and others."""
    planned = {one.service_id: one.before for one in changes if one.before}
    states = {service_id(n): planned.get(service_id(n), state(n, 1)) for n in range(1, services + 1)}
    return FarFleet(services=states)


def rate_of(fleet: FarFleet) -> float:
    """Return how many PUTs a second came."""
    return (len(fleet.put_at) - 1) / (fleet.put_at[-1] - fleet.put_at[0])


def renewed(fleet: FarFleet) -> list[float]:
    """Return when pages were asked for again before the last PUT."""
    counted = (fleet.pages[:place].count(offset) for place, offset in enumerate(fleet.pages))
    return [
        at for at, earlier in zip(fleet.paged_at, counted, strict=True) if earlier and at < fleet.put_at[-1]
    ]


@pytest.mark.parametrize(
    ("rows", "strict"), [(3000, False), (3000, True), pytest.param(10_000, False, marks=pytest.mark.slow)]
)
def test_rows_in_random_order_keep_their_rate(tmp_path: Path, rows: int, *, strict: bool) -> None:
    """At 20/s, for longer than several looks last: 0.98 of the rate, by few pages and no single look."""
    changes = list(in_random_order(rows, of=rows))
    fleet = fleet_with(changes, rows)
    run_virtually(applied(tmp_path, fleet, changes, 20.0, strict=strict))
    assert rate_of(fleet) > 0.98 * 20.0
    assert fleet.oldest_s <= 60.0
    assert fleet.shown == []
    assert len(renewed(fleet)) <= 2 * rows // PAGE_SERVICES


def test_pages_that_renew_looks_take_half_of_the_reads_at_most(tmp_path: Path) -> None:
    """Looks that last 20 s, 25 rows on each of 40 pages, one read a second: a page every two seconds."""
    changes = list(in_random_order(1000, of=40_000))
    fleet = fleet_with(changes, 40_000)
    run_virtually(applied(tmp_path, fleet, changes, 40.0, reads_per_s=1.0, strict=True, max_look_age_s=20.0))
    times = renewed(fleet)
    assert len(times) > 30
    assert min(later - earlier for earlier, later in pairwise(times)) > 1.999
    assert fleet.oldest_s <= 20.0


def test_a_row_that_its_page_does_not_show_is_looked_at_by_itself(tmp_path: Path) -> None:
    """A list may pass over a service while others are made and deleted; the rest is served by pages."""
    changes = list(in_random_order(2000, of=2000))
    fleet = fleet_with(changes, 2000)
    fleet.hides = frozenset(service_id(number) for number in (1500, 1501, 1900))
    run_virtually(applied(tmp_path, fleet, changes, 20.0))
    assert sorted(fleet.shown[:3]) == sorted(fleet.hides)
    assert fleet.oldest_s <= 60.0


def test_rows_whose_page_cannot_be_read_are_looked_at_one_by_one(tmp_path: Path) -> None:
    """The rows that need it are all sent, and none unseen."""
    changes = list(in_random_order(1500, of=1500))
    fleet = fleet_with(changes, 1500)
    fleet.page_refusals = 1
    counts = run_virtually(applied(tmp_path, fleet, changes, 20.0))
    assert (counts[Outcome.APPLIED], fleet.page_refusals) == (1500, 0)
    assert 0 < len(fleet.shown) < 500
    assert fleet.oldest_s <= 60.0


def test_a_row_that_moved_meanwhile_is_not_sent(tmp_path: Path) -> None:
    """The page that renews its look shows it otherwise; a look at the service itself decides."""
    changes = list(in_random_order(1500, of=1500))
    fleet = fleet_with(changes, 1500)
    moved = service_id(1400)
    fleet.edits = {moved: state(1400, 99)}
    counts = run_virtually(applied(tmp_path, fleet, changes, 20.0))
    assert (counts[Outcome.APPLIED], counts[Outcome.DRIFTED]) == (1499, 1)
    assert fleet.shown == [moved]
    assert moved not in fleet.landed


def test_a_stop_does_not_wait_for_a_page(tmp_path: Path) -> None:
    """The API never answers the page that would renew a look; the run ends, and nothing is sent unseen."""
    changes = list(in_random_order(1500, of=1500))
    fleet = fleet_with(changes, 1500)
    brake = Brake()
    fleet.on_renewal = lambda: brake.pull(BrakeReason.INTERRUPTED, "INT") or asyncio.Event().wait()
    counts = run_virtually(applied(tmp_path, fleet, changes, 20.0, brake=brake))
    assert counts[Outcome.NOT_ATTEMPTED] > 0
    assert fleet.oldest_s <= 60.0
