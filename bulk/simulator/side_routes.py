"""The paths beside VPCEP's own: versions, IAM, SMN, a server's metadata, and the simulator's own switches."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs

from bulk.simulator import smn_server
from bulk.simulator.auth import RawRequest, check_project
from bulk.simulator.error_answers import ErrorAnswer, gateway
from bulk.simulator.fleet_lines import domain_id, to_line
from bulk.simulator.http_replies import HttpReply, json_reply
from bulk.simulator.iam_server import dig
from bulk.simulator.sts_server import assume, assume_with_oidc, caller_identity, pod_key, provider_token
from bulk.simulator.world import World

Handler = Callable[[World, RawRequest, float], HttpReply]

_VERSION = {
    "id": "v1",
    "version": "1",
    "status": "CURRENT",
    "updated": "2018-09-30T00:00:00Z",
    "min_version": "",
    "links": [],
}
_IAM_VERSION = {"id": "v3.6", "status": "stable", "updated": "2016-04-04T00:00:00Z", "media-types": []}


def side_route(world: World, request: RawRequest, now_s: float) -> HttpReply:
    """Answer a request whose path is not below `/v1/`; raises ErrorAnswer."""
    handler = _HANDLERS.get((request.method, request.path))
    if handler is None and request.method == "POST" and smn_server.target_of(request.path):
        handler = _publish
    if handler is None:
        raise unknown_path(request)
    return handler(world, request, now_s)


def unknown_path(request: RawRequest) -> ErrorAnswer:
    """Return the gateway's answer to a path or method that no API has."""
    return gateway(
        "0101", f"The API does not exist or has not been published: {request.method} {request.path}"
    )


def _iam_version(_world: World, request: RawRequest, _now_s: float) -> HttpReply:
    link = {"rel": "self", "href": f"http://{request.headers.get('host', '')}/v3/"}
    return json_reply({"version": _IAM_VERSION | {"links": [link]}})


def _tokens(world: World, request: RawRequest, now_s: float) -> HttpReply:
    token, described = world.iam.issue_token(request.body, now_s, life_s=world.vpcep.switches.token_life_s)
    return json_reply(described, http=201, headers=(("X-Subject-Token", token.value),))


def _projects(world: World, request: RawRequest, now_s: float) -> HttpReply:
    world.keyring.authenticate(request, now_s)
    return json_reply(world.iam.project_list(parse_qs(request.query).get("name", [None])[0]))


def _accounts(world: World, request: RawRequest, now_s: float) -> HttpReply:
    world.keyring.authenticate(request, now_s)
    domain = {"id": domain_id(), "name": world.iam.user.domain, "enabled": True, "description": ""}
    return json_reply({"domains": [domain], "links": {"self": "/v3/auth/domains"}})


def _temporary_key(world: World, request: RawRequest, now_s: float) -> HttpReply:
    """Prove the caller by a token in the body, as the official SDK sends it, or by the request's headers."""
    token = dig(request.body, "auth", "identity", "token", "id")
    proof = replace(request, headers={"x-auth-token": token}) if isinstance(token, str) else request
    world.keyring.authenticate(proof, now_s)
    return json_reply(world.iam.temporary_key(request.body, now_s), http=201)


def _publish(world: World, request: RawRequest, now_s: float) -> HttpReply:
    project_id, urn = smn_server.target_of(request.path) or ("", "")
    check_project(world.keyring.authenticate(request, now_s), project_id, request.headers.get("x-project-id"))
    world.published.append(smn_server.published(request.body, project_id, urn, world.vpcep.projects))
    number = f"{len(world.published):032x}"
    return json_reply({"request_id": number, "message_id": number})


def _metadata_token(world: World, request: RawRequest, now_s: float) -> HttpReply:
    token = world.iam.metadata_token(request.headers.get("x-metadata-token-ttl-seconds"), now_s)
    return HttpReply(body=token.encode(), content_type="text/plain")


def _applied(world: World, _request: RawRequest, _now_s: float) -> HttpReply:
    lines = b",".join(applied.line() for applied in world.journal.applied)
    return HttpReply(body=b'{"applied":[' + lines + b"]}")


def _switches(world: World, request: RawRequest, _now_s: float) -> HttpReply:
    problem = world.obey(request.body)
    if problem is not None:
        return json_reply({"problem": problem}, http=400)
    return HttpReply(body=world.vpcep.switches.model_dump_json().encode())


_HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/"): lambda *_: json_reply({"versions": [_VERSION]}),
    ("GET", "/v1"): lambda *_: json_reply({"version": _VERSION}),
    ("GET", "/v3"): _iam_version,
    ("GET", "/v3/"): _iam_version,
    ("POST", "/v3/auth/tokens"): _tokens,
    ("GET", "/v3/projects"): _projects,
    ("GET", "/v3/auth/domains"): _accounts,
    ("POST", "/v3.0/OS-CREDENTIAL/securitytokens"): _temporary_key,
    ("POST", "/v3.0/OS-AUTH/id-token/tokens"): lambda world, *rest: provider_token(world.iam, *rest),
    ("POST", "/v5/agencies/assume"): lambda world, *rest: assume(world.iam, *rest),
    ("POST", "/v5/agencies/assume-with-oidc"): lambda world, *rest: assume_with_oidc(world.iam, *rest),
    ("GET", "/v5/caller-identity"): lambda world, *rest: caller_identity(world.keyring.authenticate(*rest)),
    ("POST", "/pod-identity"): lambda world, *rest: pod_key(world.iam, *rest),
    ("PUT", "/meta-data/latest/api/token"): _metadata_token,
    ("GET", "/openstack/latest/securitykey"): lambda world, request, now_s: json_reply(
        world.iam.metadata_key(request.headers.get("x-metadata-token"), now_s)
    ),
    ("GET", "/_simulator/applied"): _applied,
    ("GET", "/_simulator/messages"): lambda world, *_: json_reply({"messages": list(world.published)}),
    ("GET", "/_simulator/fleet"): lambda world, *_: json_reply(
        {"services": list(map(to_line, world.vpcep.fleet))}
    ),
    ("POST", "/_simulator/switches"): _switches,
}
