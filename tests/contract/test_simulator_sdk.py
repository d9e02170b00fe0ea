"""The official SDK as the client: what it sends is understood, and what it is answered it understands."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, SdkException
from huaweicloudsdkvpcep.v1 import (
    CreateEndpointServiceRequest,
    CreateEndpointServiceRequestBody,
    DeleteEndpointServiceRequest,
    ListEndpointServiceRequest,
    ListQuotaDetailsRequest,
    ListServiceDescribeDetailsRequest,
    ListServiceDetailsRequest,
    ListServicePublicDetailsRequest,
    PortList,
    UpdateEndpointServiceNameRequest,
    UpdateEndpointServiceNameRequestBody,
    UpdateEndpointServiceRequest,
    UpdateEndpointServiceRequestBody,
    VpcepClient,
)

from bulk.simulator import Simulator
from tests.simulator_caller import OTHER_PROJECT, PROJECT, line, service_id

pytestmark = pytest.mark.filterwarnings("ignore:Unable to convert string to datetime:ImportWarning")

Credentials = Callable[[Simulator], BasicCredentials]


def permanent(simulator: Simulator) -> BasicCredentials:
    """Return credentials of the permanent key."""
    return BasicCredentials(simulator.identity.ak, simulator.identity.sk, PROJECT)


def temporary(simulator: Simulator) -> BasicCredentials:
    """Return credentials of a temporary key with its security token."""
    key = simulator.temporary_key()
    return BasicCredentials(key.ak, key.sk, PROJECT).with_security_token(key.security_token)


def wrong(simulator: Simulator) -> BasicCredentials:
    """Return credentials with a wrong secret."""
    return BasicCredentials(simulator.identity.ak, "wrong", PROJECT)


async def with_sdk(
    ask: Callable[[VpcepClient], Any], credentials: Credentials = permanent, *, simulator: Simulator
) -> Any:
    """Return what the blocking client gets, asked in a thread beside the server."""
    builder = VpcepClient.new_builder().with_credentials(credentials(simulator))
    client = builder.with_endpoint(simulator.url).build()
    return await asyncio.to_thread(ask, client)


def modify(number: int, *ports: PortList) -> UpdateEndpointServiceRequest:
    """Return the SDK's request for a PUT."""
    body = UpdateEndpointServiceRequestBody(ports=list(ports))
    return UpdateEndpointServiceRequest(vpc_endpoint_service_id=service_id(number), body=body)


@pytest.mark.parametrize("credentials", [permanent, temporary])
async def test_list_detail_and_modify_succeed_with_verified_signatures(credentials: Credentials) -> None:
    """With a permanent key and with a security token; the change is there afterwards."""
    async with Simulator(fleet=[line(number) for number in range(12)]) as simulator:

        def ask(client: VpcepClient) -> tuple[Any, Any, Any]:
            listed = client.list_endpoint_service(
                ListEndpointServiceRequest(limit=1000, sort_key="create_at", sort_dir="asc")
            )
            changed = client.update_endpoint_service(
                modify(3, PortList(8081, 22, "TCP"), PortList(8082, 23, "UDP"))
            )
            detail = client.list_service_details(ListServiceDetailsRequest(service_id(3)))
            return listed, changed, detail

        listed, changed, detail = await with_sdk(ask, credentials, simulator=simulator)
        assert simulator.stats["refusals"] == {}
        stored = simulator.fleet[service_id(3)]["ports"]
    assert (listed.total_count, [one.id for one in listed.endpoint_services]) == (
        12,
        [service_id(number) for number in range(12)],
    )
    assert changed.ports == detail.ports
    assert [one.to_dict() for one in detail.ports] == stored
    assert (stored[1]["client_port"], stored[1]["server_port"], stored[1]["protocol"]) == (8082, 23, "UDP")
    assert detail.status == "available"


async def test_a_wrong_secret_is_told_as_401_with_the_gateways_code() -> None:
    """The SDK reads code, text and request id."""
    async with Simulator(fleet=[line(1)]) as simulator:
        with pytest.raises(ClientRequestException) as caught:
            await with_sdk(
                lambda client: client.list_endpoint_service(ListEndpointServiceRequest()),
                wrong,
                simulator=simulator,
            )
    assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")
    assert "canonical request" in caught.value.error_msg
    assert len(caught.value.request_id) == 32


@pytest.mark.parametrize("shape", ["nested", "flat"])
async def test_a_refusal_is_understood_in_both_documented_shapes(shape: str) -> None:
    """Code and text arrive whichever VPCEP uses."""
    async with Simulator(fleet=[line(1)]) as simulator:
        simulator.world.change_switches({"error_shape": shape})
        with pytest.raises(ClientRequestException) as caught:
            await with_sdk(
                lambda client: client.update_endpoint_service(modify(1, PortList(0, 22, "TCP"))),
                simulator=simulator,
            )
    assert (caught.value.status_code, caught.value.error_code) == (400, "EndPoint.3043")
    assert "65535" in caught.value.error_msg


async def test_the_sdk_finds_the_project_by_the_region() -> None:
    """Its discovery asks IAM, signed; a region without a project is an error."""
    projects = {"cn-north-4": PROJECT, "cn-east-3": OTHER_PROJECT}
    async with Simulator(fleet=[line(1)], projects=projects) as simulator:

        def found(region_id: str) -> str:
            credentials = BasicCredentials(simulator.identity.ak, simulator.identity.sk)
            credentials.with_iam_endpoint(simulator.url)
            client = (
                VpcepClient.new_builder().with_credentials(permanent(simulator)).with_endpoint(simulator.url)
            )
            http = client.build()._http_client
            return str(credentials.process_auth_params(http, region_id).project_id)

        assert await asyncio.to_thread(found, "cn-east-3") == OTHER_PROJECT
        with pytest.raises(SdkException, match="Failed to get project id"):
            await asyncio.to_thread(found, "cn-west-9")


async def test_the_operators_list_and_the_description_are_understood() -> None:
    """Both stand where an id would, and the SDK reads every field of theirs."""
    async with Simulator(fleet=[line(1), line(2, service_type="gateway")]) as simulator:

        def ask(client: VpcepClient) -> tuple[Any, Any]:
            public = client.list_service_public_details(ListServicePublicDetailsRequest(limit=5))
            request = ListServiceDescribeDetailsRequest(id=service_id(1))
            return public, client.list_service_describe_details(request)

        public, described = await with_sdk(ask, simulator=simulator)
    [entry] = public.endpoint_services
    assert (entry.id, entry.service_type, entry.is_charge) == (service_id(2), "gateway", False)
    assert (described.id, described.is_charge) == (service_id(1), True)


async def test_rename_create_delete_and_quotas_succeed() -> None:
    """The rest of the life of a service."""
    async with Simulator(fleet=[line(1)]) as simulator:

        def ask(client: VpcepClient) -> tuple[str, str, int, int]:
            name = UpdateEndpointServiceNameRequestBody(endpoint_service_name="web-a")
            renamed = client.update_endpoint_service_name(
                UpdateEndpointServiceNameRequest(vpc_endpoint_service_id=service_id(1), body=name)
            )
            body = CreateEndpointServiceRequestBody(
                port_id=service_id(50),
                vpc_id=service_id(51),
                server_type="LB",
                ports=[PortList(80, 80, "TCP")],
            )
            created = client.create_endpoint_service(CreateEndpointServiceRequest(body=body))
            used = client.list_quota_details(ListQuotaDetailsRequest(type="endpoint_service"))
            client.delete_endpoint_service(DeleteEndpointServiceRequest(created.id))
            left = client.list_endpoint_service(ListEndpointServiceRequest())
            return (
                renamed.endpoint_service_name,
                created.status,
                used.quotas.resources[0].used,
                left.total_count,
            )

        assert await with_sdk(ask, simulator=simulator) == ("web-a", "available", 2, 1)
