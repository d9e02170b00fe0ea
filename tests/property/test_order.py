"""The order around shared port_ids, against a brute force over all orders, judged by a ten-line rule."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, permutations
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulk.model import (
    Action,
    Change,
    ModifyBody,
    PortMapping,
    Protocol,
    ServiceId,
    ServiceState,
    ServiceUpdate,
    Target,
)
from bulk.plan import plan_target, steps
from tests.values import LiveList, digest_of, whole

TARGET = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")
SERVICES_MAX = 6
Fleet = dict[ServiceId, ServiceState]
Job = tuple[Fleet, list[ServiceUpdate]]

# The judge: written without a look at the code under test.


def may_be_put(fleet: Fleet, after: ServiceState) -> bool:
    """Return whether a service may become this while the others are what they are."""
    return not any(
        mine.server_port == theirs.server_port and mine.protocol == theirs.protocol
        for other in fleet.values()
        if other.id != after.id and other.port_id == after.port_id
        for mine in after.ports
        for theirs in other.ports
    )


def put(state: ServiceState, body: ModifyBody) -> ServiceState:
    """Return the service after a PUT."""
    return replace(
        state, ports=state.ports if body.ports is None else body.ports, port_id=body.port_id or state.port_id
    )


# The fleets: so few ports behind two port_ids that nearly every row is in another's way.

TCP = Protocol.TCP
PAIRS = [(port, TCP) for port in range(1, 6)] + [(1, Protocol.UDP)]


def port_map(claims: Iterable[tuple[int, Protocol]]) -> tuple[PortMapping, ...]:
    """Return mappings to these server ports."""
    return tuple(
        PortMapping(client_port=100 + n, server_port=port, protocol=protocol)
        for n, (port, protocol) in enumerate(claims)
    )


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Return two to six services that do not clash."""
    free = {port_id: draw(st.permutations(PAIRS)) for port_id in ("P", "Q")}
    fleet: Fleet = {}
    for number in range(draw(st.integers(2, SERVICES_MAX))):
        port_id = draw(st.sampled_from(["P", "P", "Q"]))
        count = draw(st.integers(1, 2))
        if mine := [free[port_id].pop() for _ in range(count) if free[port_id]]:
            service = ServiceId(f"s{number}")
            fleet[service] = ServiceState(
                id=service,
                ports=port_map(mine),
                status="available",
                port_id=port_id,
                connection_count=draw(st.none() | st.integers(0, 3)),
            )
    return fleet


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """Return a fleet and rows for most of its services, which swap, move and take."""
    fleet = draw(fleets())
    asked = draw(st.permutations(sorted(fleet)))[draw(st.integers(0, 1)) :]
    others = draw(st.permutations(asked))
    updates = []
    for row, (service, other) in enumerate(zip(asked, others, strict=True), start=1):
        take_over = ModifyBody(ports=fleet[other].ports, port_id=fleet[other].port_id)
        mix = port_map(draw(st.lists(st.sampled_from(PAIRS), min_size=1, max_size=3, unique=True)))
        body = draw(
            st.sampled_from(
                [
                    take_over,
                    replace(take_over, port_id=None),
                    replace(take_over, ports=None),
                    ModifyBody(ports=mix),
                    ModifyBody(description="x"),
                ]
            )
        )
        updates.append(
            ServiceUpdate(row=row, place=f"a.csv:{row}", target=TARGET, service_id=service, body=body)
        )
    return fleet, updates


def planned(fleet: Fleet, updates: Sequence[ServiceUpdate], *, allow_parking: bool) -> list[Change]:
    """Return the plan as a list."""
    return whole(plan_target(TARGET, updates, LiveList(fleet.values()), allow_parking=allow_parking))


def rows_with(changes: Iterable[Change], action: Action) -> set[int]:
    """Return the rows of one action."""
    return {change.row for change in changes if change.action is action}


def never(_row: int) -> bool:
    """Say that no row has ended: a fresh plan."""
    return False


# What holds


@given(job=jobs(), allow_parking=st.booleans())
def test_every_row_comes_once(*, job: Job, allow_parking: bool) -> None:
    """The plan has each row of the job exactly once."""
    changes = planned(*job, allow_parking=allow_parking)
    assert sorted(change.row for change in changes) == [update.row for update in job[1]]


@given(job=jobs(), allow_parking=st.booleans(), dice=st.randoms(use_true_random=False))
def test_no_put_is_ever_refused_whatever_order_the_waiting_allows(
    *, job: Job, allow_parking: bool, dice: Random
) -> None:
    """Any order in which every PUT waits for what it says passes the judge, and all ends as asked."""
    fleet, updates = job
    changes = [c for c in planned(*job, allow_parking=allow_parking) if c.action is Action.UPDATE]
    fleet = dict(fleet)
    for change, body in any_order(changes, dice):
        after = put(fleet[change.service_id], body)
        assert may_be_put(fleet, after)
        fleet[change.service_id] = after
    wanted = {update.row: update.body for update in updates}
    for change in changes:
        assert fleet[change.service_id] == put(job[0][change.service_id], wanted[change.row])


def any_order(changes: Sequence[Change], dice: Random) -> Iterator[tuple[Change, ModifyBody]]:
    """Return the PUTs in some order that respects `after` and `after_parked`."""
    ended: set[int] = set()
    parked: set[int] = set()
    while len(ended) < len(changes):
        parkings = [(c, c.parking) for c in changes if c.parking and c.row not in parked]
        last_ones = [
            (c, None)
            for c in changes
            if c.row not in ended
            and (c.parking is None or c.row in parked)
            and ended.issuperset(c.after)
            and parked.issuperset(c.after_parked)
        ]
        change, parking = dice.choice([*parkings, *last_ones])
        (parked if parking else ended).add(change.row)
        yield change, parking or change.body


@given(job=jobs(), allow_parking=st.booleans())
def test_each_step_stands_behind_those_it_waits_for(*, job: Job, allow_parking: bool) -> None:
    """One worker that takes the steps one by one never waits for a step that comes later."""
    changes = planned(*job, allow_parking=allow_parking)
    ended: set[int] = set()
    parked: set[int] = set()
    for step in steps(changes, never):
        if step.is_last:
            assert ended.issuperset(step.change.after)
            assert parked.issuperset(step.change.after_parked)
            ended.add(step.change.row)
        else:
            parked.add(step.change.row)
    assert ended == {change.row for change in changes}
    assert parked == {change.row for change in changes if change.parking}


@given(job=jobs(), allow_parking=st.booleans(), data=st.data())
def test_after_any_stop_the_steps_of_the_rest_still_stand_in_order(
    *, job: Job, allow_parking: bool, data: st.DataObject
) -> None:
    """Whatever rows have ended, each remaining last PUT comes once, behind those that it waits for."""
    changes = planned(*job, allow_parking=allow_parking)
    over = data.draw(st.sets(st.sampled_from([change.row for change in changes]))) if changes else set()
    rest = [change for change in changes if change.row not in over]
    ended = set(over)
    for step in steps(rest, over.__contains__):
        if step.is_last:
            assert ended.issuperset(step.change.after)
            assert step.change.row not in ended
            ended.add(step.change.row)
    assert ended == {change.row for change in changes}


def all_that_can_be_sent(fleet: Fleet, updates: Sequence[ServiceUpdate], parked: set[ServiceId]) -> set[int]:
    """Try all orders; give the rows of the one that gets most through, with some services out of the way."""
    best: set[int] = set()
    for order in permutations(updates):
        now = {service: state for service, state in fleet.items() if service not in parked}
        sent = set()
        for update in order:
            after = put(fleet[update.service_id], update.body)
            if may_be_put(now, after):
                now[update.service_id] = after
                sent.add(update.row)
        best = max(best, sent, key=len)
    return best


def has_rivals(fleet: Fleet, updates: Sequence[ServiceUpdate]) -> bool:
    """Return whether two rows take the same claim that neither of them has."""
    taken = []
    for update in updates:
        after = put(fleet[update.service_id], update.body)
        had = {(fleet[after.id].port_id, m.server_port, m.protocol) for m in fleet[after.id].ports}
        taken.append({(after.port_id, m.server_port, m.protocol) for m in after.ports} - had)
    return any(one & other for one, other in combinations(taken, 2))


@given(jobs())
def test_without_parking_all_is_sent_that_any_order_could_send(
    job: Job,
) -> None:
    """A row is refused if and only if no order of all rows would get it through."""
    fleet, updates = job
    changes = planned(fleet, updates, allow_parking=False)
    asking = [update for update in updates if update.row not in rows_with(changes, Action.KEEP)]
    assume(not has_rivals(fleet, asking))
    assert rows_with(changes, Action.UPDATE) == all_that_can_be_sent(fleet, asking, set())


@given(jobs())
def test_parking_sends_all_that_can_be_sent_with_the_fewest_parked(
    job: Job,
) -> None:
    """With parking only rows without hope are refused, and no smaller set of parked services would do."""
    fleet, updates = job
    changes = planned(fleet, updates, allow_parking=True)
    asking = [update for update in updates if update.row not in rows_with(changes, Action.KEEP)]
    assume(not has_rivals(fleet, asking))
    sendable = [update for update in asking if update.row in rows_with(changes, Action.UPDATE)]
    parked = [change for change in changes if change.parking]
    for count in range(len(parked)):
        for some in combinations([update.service_id for update in sendable], count):
            assert len(all_that_can_be_sent(fleet, sendable, set(some))) < len(sendable)
    assert rows_with(changes, Action.UPDATE) == all_with_hope(fleet, asking)


def all_with_hope(fleet: Fleet, asking: Sequence[ServiceUpdate]) -> set[int]:
    """Return the largest set of rows whose services can be as asked beside the rest of the fleet."""
    for count in range(len(asking), 0, -1):
        for some in combinations(asking, count):
            wanted = {u.service_id: put(fleet[u.service_id], u.body) for u in some}
            together = {**fleet, **wanted}
            if all(may_be_put(together, state) for state in wanted.values()):
                return {update.row for update in some}
    return set()


@given(job=jobs(), allow_parking=st.booleans())
def test_a_refused_row_says_who_is_in_its_way(*, job: Job, allow_parking: bool) -> None:
    """Every reason names the claim, and the service or the row that is in the way."""
    fleet, _ = job
    for change in planned(*job, allow_parking=allow_parking):
        if change.action is Action.REFUSE:
            assert "/TCP" in change.reason or "/UDP" in change.reason
            assert any(service in change.reason for service in fleet) or "by row " in change.reason


@given(jobs())
def test_the_same_job_gives_the_same_plan(job: Job) -> None:
    """The order in which the API lists the services does not matter."""
    fleet, updates = job
    backwards = dict(reversed(fleet.items()))
    forwards = planned(fleet, updates, allow_parking=True)
    assert planned(backwards, updates, allow_parking=True) == forwards


@given(job=jobs(), allow_parking=st.booleans(), data=st.data())
def test_the_order_of_the_rows_does_not_change_what_is_done(
    *, job: Job, allow_parking: bool, data: st.DataObject
) -> None:
    """Who is parked and how, who is refused, who waits for whom: the digest of the plan covers all of it."""
    fleet, updates = job
    shuffled = [
        replace(update, row=row) for row, update in enumerate(data.draw(st.permutations(updates)), start=1)
    ]
    plan, again = (planned(fleet, rows, allow_parking=allow_parking) for rows in (updates, shuffled))
    assert digest_of(*again) == digest_of(*plan)


@pytest.mark.parametrize("size", [2, 3, 5, 8, 20])
@pytest.mark.parametrize("seed", range(4))
def test_nor_does_it_where_any_of_a_cycle_could_be_parked(size: int, seed: int) -> None:
    """Each takes the port of the next one and of another; with twenty, not every way out is tried."""
    dice = Random(seed)
    services = [ServiceId(f"s{number:02}") for number in range(size)]
    fleet = {
        service: ServiceState(
            id=service, status="available", port_id="P", ports=port_map([(2 * n + 1, TCP), (2 * n + 2, TCP)])
        )
        for n, service in enumerate(services)
    }
    other = dice.sample(range(size), size)
    bodies = {
        service: ModifyBody(ports=port_map([(2 * ((n + 1) % size) + 1, TCP), (2 * other[n] + 2, TCP)]))
        for n, service in enumerate(services)
    }
    digests = set()
    for _ in range(5):
        dice.shuffle(services)
        updates = [
            ServiceUpdate(row=row, place="", target=TARGET, service_id=service, body=bodies[service])
            for row, service in enumerate(services, start=1)
        ]
        plan = planned(fleet, updates, allow_parking=True)
        assert any(change.parking for change in plan)
        digests.add(digest_of(*plan))
    assert len(digests) == 1
