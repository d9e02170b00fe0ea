"""What lets one assume an agency: STS and IAM with keys or ID tokens, and the node of a container.

Source: API.md, section 4.6.
"""

from typing import Any

from bulk.simulator.auth import Caller, Key, RawRequest
from bulk.simulator.error_answers import ErrorAnswer, iam
from bulk.simulator.fleet_lines import derived_id, domain_id
from bulk.simulator.http_replies import HttpReply, json_reply
from bulk.simulator.iam_server import TEMPORARY_KEY_LIFE_S, Iam, dig, instant

POD_KEY_LIFE_S = 3600


def provider_token(server: Iam, request: RawRequest, now_s: float) -> HttpReply:
    """Answer `POST /v3.0/OS-AUTH/id-token/tokens`: a token of no project for an ID token."""
    user = server.user
    given = (request.headers.get("x-idp-id"), dig(request.body, "auth", "id_token", "id"))
    if given != (user.idp_id, user.id_token):
        raise iam(401, "The ID token or the identity provider is wrong.")
    token = server.mint_token("", 3600.0, now_s)
    described = {"token": {"issued_at": instant(now_s), "expires_at": instant(token.expires_at_s)}}
    return json_reply(described, http=201, headers=(("X-Subject-Token", token.value),))


def assume(server: Iam, request: RawRequest, now_s: float) -> HttpReply:
    """Answer `POST /v5/agencies/assume`, which takes a signature and no token."""
    if "authorization" not in request.headers:
        raise _refused(401, "signature not found")
    server.keyring.authenticate(request, now_s)
    return _assumed(server, request, now_s)


def assume_with_oidc(server: Iam, request: RawRequest, now_s: float) -> HttpReply:
    """Answer `POST /v5/agencies/assume-with-oidc`, whose ID token is all the proof."""
    user = server.user
    given = (dig(request.body, "provider_urn"), dig(request.body, "id_token"))
    if given != (f"iam::{domain_id()}:oidcProvider:{user.idp_id}", user.id_token):
        raise _refused(403, "the ID token or the provider is wrong")
    return _assumed(server, request, now_s)


def pod_key(server: Iam, request: RawRequest, now_s: float) -> HttpReply:
    """Answer a container that asks its node for keys, by the token that it has in a file."""
    if request.headers.get("authorization") != server.user.id_token:
        raise _refused(401, "the token is wrong")
    key, _ = server.mint_key(POD_KEY_LIFE_S, now_s)
    names = ("accessKeyId", "secretAccessKey", "securityToken", "expiration")
    return json_reply(dict(zip(names, _parts(key), strict=True)))


def caller_identity(caller: Caller) -> HttpReply:
    """Answer `GET /v5/caller-identity`."""
    urn = f"sts::{domain_id()}:assumed-agency:{caller.name}"
    return json_reply(
        {"account_id": domain_id(), "principal_urn": urn, "principal_id": derived_id("user", caller.name)}
    )


def _assumed(server: Iam, request: RawRequest, now_s: float) -> HttpReply:
    urn, life_s = dig(request.body, "agency_urn"), dig(request.body, "duration_seconds")
    if urn != f"iam::{domain_id()}:agency:{server.user.agency}":
        raise _refused(403, f"the agency {urn} does not exist or does not trust you")
    if type(life_s) is not int or life_s not in TEMPORARY_KEY_LIFE_S:
        raise _refused(400, "duration_seconds is no number, or out of its range")
    if not dig(request.body, "agency_session_name"):
        raise _refused(400, "agency_session_name is missing")
    key, _ = server.mint_key(life_s, now_s)
    names = ("access_key_id", "secret_access_key", "security_token", "expiration")
    return json_reply(
        {"assumed_agency": {"urn": urn}, "credentials": dict(zip(names, _parts(key), strict=True))}
    )


def _parts(key: Key) -> tuple[Any, ...]:
    return key.ak, key.sk, key.security_token, instant(key.expires_at_s or 0.0)


def _refused(http: int, message: str) -> ErrorAnswer:
    return iam(http, message, "PAP5.0011" if http == 403 else f"STS5.{http}")
