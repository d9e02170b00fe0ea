"""openstacksdk with OTC's extensions as the client: it signs in, reads and modifies as it does there."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bulk.simulator import Simulator
from tests.simulator_caller import PROJECT, line, mapping, service_id

openstack = pytest.importorskip("openstack", reason="the test extra brings it")
otcextensions = pytest.importorskip("otcextensions.sdk", reason="the test extra brings it")

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


async def with_openstack(ask: Callable[[Any], Any], simulator: Simulator, **auth: str) -> Any:
    """Return what the blocking client gets from its proxy of VPCEP, asked in a thread beside the server."""
    user = simulator.identity

    def asked() -> Any:
        signed_in = {
            "auth_url": f"{simulator.url}/v3",
            "username": user.user,
            "password": user.password,
            "user_domain_name": user.domain,
            "project_name": "eu-de",
            "project_domain_name": user.domain,
        }
        with openstack.connection.Connection(
            auth=signed_in | auth,
            region_name="eu-de",
            vpcep_endpoint_override=f"{simulator.url}/v1/%(project_id)s",
        ) as connection:
            connection.authorize()
            otcextensions.load(connection)
            return ask(connection.vpcep)

    return await asyncio.to_thread(asked)


def ports_of(service: Any) -> list[dict[str, Any]]:
    """Return the mappings that the client read, as the API writes them."""
    return [one.to_dict(computed=False, ignore_none=True) for one in service.ports]


async def test_it_signs_in_lists_reads_and_modifies() -> None:
    """With a token of the simulator's IAM; the change is in the reply and there afterwards."""
    fleet = [line(number, ports=[mapping(80, 8080)]) for number in range(12)]
    async with Simulator(fleet=fleet, projects={"eu-de": PROJECT}) as simulator:

        def ask(vpcep: Any) -> tuple[Any, Any, Any]:
            listed = list(vpcep.services(limit=1000, sort_dir="asc"))
            changed = vpcep.update_service(service_id(3), ports=[mapping(8081, 22), mapping(8082, 23)])
            return listed, changed, vpcep.get_service(service_id(3))

        listed, changed, detail = await with_openstack(ask, simulator)
        assert simulator.stats["requests"]["POST /v3/auth/tokens"] == 1
        assert simulator.stats["refusals"] == {}
        stored = simulator.fleet[service_id(3)]["ports"]
    assert [(one.id, ports_of(one)) for one in listed] == [
        (service_id(number), [mapping(80, 8080)]) for number in range(12)
    ]
    assert stored == ports_of(changed) == ports_of(detail) == [mapping(8081, 22), mapping(8082, 23)]
    assert (detail.status, detail.connection_count, detail.router_id) == ("available", 0, changed.router_id)


async def test_the_rest_of_the_life_of_a_service_is_understood() -> None:
    """Found by name, created, described, counted and deleted; the operator's are listed."""
    async with Simulator(
        fleet=[line(1), line(2, service_type="gateway")], projects={"eu-de": PROJECT}
    ) as simulator:

        def ask(vpcep: Any) -> tuple[Any, ...]:
            found = vpcep.find_service(f"eu-de.{service_id(1)}")
            created = vpcep.create_service(
                port_id=service_id(50), router_id=service_id(51), server_type="LB", ports=[mapping(80, 80)]
            )
            used = next(iter(vpcep.resource_quota(type="endpoint_service"))).used
            is_charged = vpcep.get_target_service(created.id).is_charge
            vpcep.delete_service(found, ignore_missing=False)
            left = {one.id for one in vpcep.services()}
            public = [one.id for one in vpcep.public_services()]
            return found.id, used, is_charged, left == {created.id, *public}, public

        assert await with_openstack(ask, simulator) == (service_id(1), 3, True, True, [service_id(2)])


async def test_a_refusal_is_raised_with_its_status_and_text() -> None:
    """What VPCEP refuses, what is not there, and a password that IAM does not take."""
    exceptions = openstack.exceptions
    async with Simulator(fleet=[line(1)], projects={"eu-de": PROJECT}) as simulator:

        def ask(vpcep: Any) -> None:
            with pytest.raises(exceptions.BadRequestException, match="0 is not a whole number from 1"):
                vpcep.update_service(service_id(1), ports=[mapping(0, 22)])
            with pytest.raises(exceptions.NotFoundException, match="does not exist"):
                vpcep.get_service(service_id(9))

        await with_openstack(ask, simulator)
        with pytest.raises(exceptions.SDKException, match="The username or password is wrong"):
            await with_openstack(ask, simulator, password="wrong")
