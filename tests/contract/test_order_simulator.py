"""Plans of crowded fleets under the simulator's rules: no PUT is refused, and a rollback undoes them all."""

from random import Random

import pytest

from bulk.model import (
    Action,
    Change,
    ModifyBody,
    PortMapping,
    Ports,
    Protocol,
    ServiceId,
    ServiceState,
    ServiceUpdate,
)
from bulk.plan import ordered, plan_target, steps
from bulk.plan.inverse import inverse, written
from bulk.simulator.fleet import SimulatedFleet
from bulk.simulator.fleet_lines import derived_id, from_line
from bulk.simulator.put_rules import modified
from bulk.simulator.switches import Switches
from tests.values import PROJECT, LiveList, whole

SERVICES = 40
PORT_IDS = [derived_id("port", name) for name in "abc"]
PAIRS = [(port, protocol) for port in range(1, 16) for protocol in Protocol]
VPC_ID = derived_id("vpc", "")


def port_map(claims: list[tuple[int, Protocol]]) -> Ports:
    """Return mappings to these server ports."""
    return tuple(
        PortMapping(client_port=1000 + n, server_port=port, protocol=protocol)
        for n, (port, protocol) in enumerate(claims)
    )


def crowd(dice: Random) -> SimulatedFleet:
    """Return a fleet in which nearly every claim behind three port_ids is held by somebody."""
    free = {port_id: dice.sample(PAIRS, len(PAIRS)) for port_id in PORT_IDS}
    fleet = SimulatedFleet()
    for number in range(SERVICES):
        port_id = dice.choice([port_id for port_id in PORT_IDS if free[port_id]])
        mine = port_map([free[port_id].pop() for _ in range(min(dice.randint(1, 3), len(free[port_id])))])
        line = {
            "id": derived_id("service", str(number)),
            "project_id": PROJECT.project_id,
            "port_id": port_id,
            "vpc_id": VPC_ID,
            "ports": ModifyBody(ports=mine).named()["ports"],
        }
        fleet.put(from_line(line, region=PROJECT.region, number=number))
    return fleet


def listed(fleet: SimulatedFleet) -> list[ServiceState]:
    """Return the services as a plan sees them."""
    return [
        ServiceState(
            id=ServiceId(service.id),
            ports=tuple(
                PortMapping(client_port=m[0], server_port=m[1], protocol=Protocol(m[2]))
                for m in service.ports
            ),
            status=service.status,
            service_type=service.service_type,
            server_type=service.server_type,
            port_id=service.port_id,
            vpc_id=service.vpc_id,
            service_name=service.service_name,
            description=service.description,
            approval_enabled=service.approval_enabled,
        )
        for service in fleet
    ]


def job(fleet: SimulatedFleet, dice: Random) -> list[ServiceUpdate]:
    """Return rows in which most services, five by five, change places; the others take what may be free."""
    asked = dice.sample(listed(fleet), SERVICES - 1)
    places = [
        place for n in range(0, SERVICES, 5) for place in dice.sample(asked[n : n + 5], len(asked[n : n + 5]))
    ]
    bodies = [
        dice.choices(
            [
                ModifyBody(ports=place.ports, port_id=place.port_id),
                ModifyBody(ports=port_map(dice.sample(PAIRS, 2)), description="changed"),
                ModifyBody(service_name="renamed", approval_enabled=False),
            ],
            weights=[20, 1, 1],
        )[0]
        for place in places
    ]
    return [
        ServiceUpdate(row=row, place=f"a.csv:{row}", target=PROJECT, service_id=state.id, body=body)
        for row, (state, body) in enumerate(zip(asked, bodies, strict=True), start=1)
    ]


def apply(changes: list[Change], fleet: SimulatedFleet) -> list[Change]:
    """Send every PUT of a plan in its order; give the changes that were sent. No PUT may be refused."""
    sent = []
    for step in steps(changes, lambda _: False):
        if step.change.action is Action.UPDATE:
            before = fleet.get(step.change.service_id)
            assert before is not None
            body, region = step.body.named(), PROJECT.region
            fleet.put(modified(before, body, fleet=fleet, switches=Switches(), region=region))
            sent += [step.change] if step.is_last else []
    return sent


@pytest.mark.parametrize("allow_parking", [False, True], ids=["refusing", "parking"])
@pytest.mark.parametrize("seed", range(25))
def test_a_plan_and_its_rollback_meet_no_refusal(seed: int, *, allow_parking: bool) -> None:
    """Applied, every planned service is as asked; rolled back, the fleet is what it was, field by field."""
    dice = Random(seed)
    fleet = crowd(dice)
    first = listed(fleet)
    plan = whole(plan_target(PROJECT, job(fleet, dice), LiveList(first), allow_parking=allow_parking))
    sent = apply(plan, fleet)
    now = {state.id: state for state in listed(fleet)}
    assert len(sent) == sum(change.action is Action.UPDATE for change in plan)
    assert [now[change.service_id] for change in sent] == [written(change) for change in sent]

    backwards = [inverse(change, row=row) for row, change in enumerate(sent, start=1)]
    rollback = whole(ordered(backwards, LiveList(listed(fleet)), allow_parking=allow_parking))
    assert len(apply(rollback, fleet)) == len(sent)
    assert listed(fleet) == first


def test_the_crowds_are_crowded() -> None:
    """The seeds above hold chains and cycles, not only rows in nobody's way."""
    plans = []
    for seed in range(25):
        dice = Random(seed)
        fleet = crowd(dice)
        plans.append(
            whole(plan_target(PROJECT, job(fleet, dice), LiveList(listed(fleet)), allow_parking=True))
        )
    changes = [change for plan in plans for change in plan]
    assert sum(change.parking is not None for change in changes) > 100
    assert sum(len(change.after) > 0 for change in changes) > 200
