"""Each operation of the official SDK: answered so that the SDK reads all of it, or known as not played."""

import asyncio
import inspect
from datetime import datetime
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkvpcep import v1

from bulk.jobfile.columns import COLUMNS, MAPPING_COLUMNS, ColumnKind
from bulk.simulator import Simulator
from tests.simulator_caller import PROJECT, line, mapping, service_id

pytestmark = pytest.mark.filterwarnings("ignore:Unable to convert string to datetime:ImportWarning")

_MAPPING = v1.PortList(8081, 22, "TCP")
PLAYED: dict[str, Any] = {
    "create_endpoint_service": v1.CreateEndpointServiceRequest(
        v1.CreateEndpointServiceRequestBody(
            port_id=service_id(50),
            vpc_id=service_id(51),
            server_type="LB",
            ports=[_MAPPING],
            tags=[v1.TagList("team", "net")],
        )
    ),
    "delete_endpoint_service": v1.DeleteEndpointServiceRequest(service_id(1)),
    "list_endpoint_service": v1.ListEndpointServiceRequest(limit=1000),
    "list_quota_details": v1.ListQuotaDetailsRequest(),
    "list_service_describe_details": v1.ListServiceDescribeDetailsRequest(id=service_id(1)),
    "list_service_details": v1.ListServiceDetailsRequest(service_id(2)),
    "list_service_public_details": v1.ListServicePublicDetailsRequest(),
    "list_specified_version_details": v1.ListSpecifiedVersionDetailsRequest("v1"),
    "list_version_details": v1.ListVersionDetailsRequest(),
    "update_endpoint_service": v1.UpdateEndpointServiceRequest(
        service_id(1), v1.UpdateEndpointServiceRequestBody(description="night", ports=[_MAPPING])
    ),
    "update_endpoint_service_name": v1.UpdateEndpointServiceNameRequest(
        service_id(1), v1.UpdateEndpointServiceNameRequestBody("web-a")
    ),
}
"""A request for each operation that the simulator plays."""

_ENDPOINTS = "the consumer's side of a connection, which no job changes"
_CONNECTIONS = "which endpoints are let in: decided by the owner one by one, not a setting of the service"
_PERMISSIONS = "the accounts that may connect, a list beside the service"
_TAGS = "tags of resources of all kinds; a service's own are in its detail and in the list"
_BACKENDS = "several load balancers behind one service, version 2, in some regions only"
NOT_PLAYED = {
    "accept_or_reject_endpoint": _CONNECTIONS,
    "add_endpoint_service_server_resource": _BACKENDS,
    "add_or_remove_service_permissions": _PERMISSIONS,
    "batch_add_endpoint_service_permissions": _PERMISSIONS,
    "batch_add_or_remove_resource_instance": _TAGS,
    "batch_remove_endpoint_service_permissions": _PERMISSIONS,
    "create_endpoint": _ENDPOINTS,
    "delete_endpoint": _ENDPOINTS,
    "delete_endpoint_policy": _ENDPOINTS,
    "list_endpoint_info_details": _ENDPOINTS,
    "list_endpoints": _ENDPOINTS,
    "list_query_project_resource_tags": _TAGS,
    "list_resource_instances": _TAGS,
    "list_service_connections": _CONNECTIONS,
    "list_service_permissions_details": _PERMISSIONS,
    "update_endpoint_connections_desc": _CONNECTIONS,
    "update_endpoint_policy": _ENDPOINTS,
    "update_endpoint_routetable": _ENDPOINTS,
    "update_endpoint_service_permission_desc": _PERMISSIONS,
    "update_endpoint_white": _ENDPOINTS,
    "upgrade_endpoint": _ENDPOINTS,
    "upgrade_endpoint_service": _BACKENDS,
}
"""Why the simulator has no such operation."""

UNKNOWN_TO_THE_SDK = {"list_service_details": {"connection_count", "public_border_group"}}
"""What the simulator's reply has for the Go library, which reads it (API.md, section 1.2)."""

LIMITS: dict[str, dict[str, Any]] = {
    "client_port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "server_port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "approval_enabled": {"type": "boolean"},
    "description": {"type": "string", "maxLength": 512},
    "tcp_proxy": {"enum": ["close", "toa_open", "proxy_open", "open", "proxy_vni"]},
}
"""What the vendor's OpenAPI description says of the fields of a PUT (API.md, section 1.1)."""


def client_of(simulator: Simulator) -> Any:
    """Return the SDK's client with the permanent key."""
    credentials = BasicCredentials(simulator.identity.ak, simulator.identity.sk, PROJECT)
    return v1.VpcepClient.new_builder().with_credentials(credentials).with_endpoint(simulator.url).build()


def as_json(read: Any) -> Any:
    """Return what the SDK read, at any depth, as JSON values under the API's names."""
    if isinstance(read, list):
        return [as_json(one) for one in read]
    if hasattr(read, "attribute_map"):
        return {name: as_json(getattr(read, field)) for field, name in read.attribute_map.items()}
    if isinstance(read, datetime):  # where python-dateutil is installed
        return read.strftime("%Y-%m-%dT%H:%M:%SZ")
    return read


def of_other_types(read: Any) -> set[str]:
    """Return the fields, at any depth, whose value is not of the type that the SDK's model declares."""
    found = set()
    for field, declared in read.openapi_types.items():
        value, kind = getattr(read, field), declared.removeprefix("list[").removesuffix("]")
        is_list = isinstance(value, list)
        for one in value if is_list else [value]:
            if hasattr(one, "openapi_types"):
                found |= of_other_types(one)
            kinds = {kind, "str"} if kind == "datetime" else {kind}
            if type(one).__name__ not in kinds or is_list != declared.startswith("list["):
                found.add(field)
    return found


def test_every_operation_of_the_sdk_is_played_or_known_as_not_played() -> None:
    """A new version of the SDK with a further operation shows up here."""
    client = v1.VpcepClient
    operations = {name for name, _ in inspect.getmembers(client) if hasattr(client, f"{name}_invoker")}
    assert operations == PLAYED.keys() | NOT_PLAYED.keys()
    assert not PLAYED.keys() & NOT_PLAYED.keys()


def test_a_row_may_ask_for_the_fields_of_the_vendors_description_within_its_limits() -> None:
    """And for `vip_port_id` of older editions, of which `check` warns."""
    body = {name: column.form.schema for name, column in COLUMNS.items() if column.kind is ColumnKind.BODY}
    pair = {name: column.schema for name, column in MAPPING_COLUMNS.items()}
    assert body.keys() - {"vip_port_id"} == v1.UpdateEndpointServiceRequestBody.openapi_types.keys()
    assert pair.keys() == v1.PortList.openapi_types.keys()
    for name, limits in LIMITS.items():
        assert limits.items() <= (body | pair)[name].items(), name


@pytest.mark.parametrize("operation", PLAYED)
async def test_the_sdk_reads_a_reply_without_loss(operation: str) -> None:
    """Every member at every depth arrives in its type, and none that the SDK's models have is missing."""
    fleet = [
        line(1, ports=[mapping(80, 8080)], tags=[{"key": "team", "value": "net"}]),
        line(2, status="failed", error=[{"code": "EndPoint.3001", "message": "no network"}]),
        line(3, service_type="gateway"),
    ]
    async with Simulator(fleet=fleet) as simulator:
        ask = getattr(client_of(simulator), operation)
        reply = await asyncio.to_thread(ask, PLAYED[operation])
    sent = reply.to_json_object() or {}
    for name in UNKNOWN_TO_THE_SDK.get(operation, ()):
        del sent[name]
    assert as_json(reply) == sent
    assert of_other_types(reply) <= {"public_border_group"}  # null where a service is in none


async def test_what_is_not_played_is_answered_as_a_path_that_does_not_exist() -> None:
    """So a client never takes an operation for done; one that is played from now on leaves the list."""

    def code(client: Any, operation: str) -> str:
        request = getattr(v1, f"{operation.title().replace('_', '')}Request")()
        for name in request.attribute_map:
            if name.endswith(("_id", "_type")):
                setattr(request, name, service_id(1))
        with pytest.raises(ClientRequestException) as caught:
            getattr(client, operation)(request)
        return f"{caught.value.status_code} {caught.value.error_code}"

    async with Simulator(fleet=[line(1)]) as simulator:
        client = client_of(simulator)
        codes = {name: await asyncio.to_thread(code, client, name) for name in NOT_PLAYED}
    assert codes == dict.fromkeys(NOT_PLAYED, "404 APIGW.0101")
