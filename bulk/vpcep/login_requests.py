"""The requests that exchange what was found for tokens and keys (API.md, sections 4.1 and 4.6)."""

from collections.abc import Mapping

import orjson

from bulk.vpcep.logins import OidcAgency, Password, Role
from bulk.vpcep.requests import Request

KEY_LIFE_S = 21_600
"""How long a key for a token shall live; the official SDK asks for the same."""


def password_token(login: Password, *, project: dict[str, str]) -> Request:
    """Return `POST /v3/auth/tokens` for a token of one project, by `id` or `name` (API.md, section 4.1)."""
    whose = {"id": login.domain_id} if login.domain_id else {"name": login.domain}
    who = {"id": login.user_id} if login.user_id else {"name": login.user, "domain": whose}
    identity = {"methods": ["password"], "password": {"user": who | {"password": login.password}}}
    body = orjson.dumps({"auth": {"identity": identity, "scope": {"project": project}}})
    return Request(method="POST", path="/v3/auth/tokens", query="nocatalog=true", body=body)


def provider_token(id_token: str) -> Request:
    """Return `POST /v3.0/OS-AUTH/id-token/tokens` for a token of no project (API.md, section 4.6)."""
    body = orjson.dumps({"auth": {"id_token": {"id": id_token}}})
    return Request(method="POST", path="/v3.0/OS-AUTH/id-token/tokens", body=body)


def key_for_token(token: str) -> Request:
    """Return `POST /v3.0/OS-CREDENTIAL/securitytokens` for the key of a token (API.md, section 4.6)."""
    identity = {"methods": ["token"], "token": {"id": token, "duration_seconds": KEY_LIFE_S}}
    return _key_request(identity)


def assume_role(role: Role) -> Request:
    """Return `POST /v3.0/OS-CREDENTIAL/securitytokens` for the key of an agency (API.md, section 4.6)."""
    assumed = {
        "agency_name": role.agency,
        "domain_name": role.domain,
        "duration_seconds": role.duration_s,
    }
    return _key_request({"methods": ["assume_role"], "assume_role": assumed})


def _key_request(identity: Mapping[str, object]) -> Request:
    body = orjson.dumps({"auth": {"identity": identity}})
    return Request(method="POST", path="/v3.0/OS-CREDENTIAL/securitytokens", body=body)


def assume_agency(role: Role) -> Request:
    """Return `POST /v5/agencies/assume` of STS for the key of an agency (API.md, section 4.6)."""
    body = {
        "agency_urn": f"iam::{role.domain_id}:agency:{role.agency}",
        "agency_session_name": role.agency,
        "duration_seconds": role.duration_s,
    }
    return Request(method="POST", path="/v5/agencies/assume", body=orjson.dumps(body))


def assume_with_oidc(login: OidcAgency, id_token: str) -> Request:
    """Return `POST /v5/agencies/assume-with-oidc` of STS for the key of an agency (API.md, section 4.6)."""
    body: dict[str, object] = {
        "provider_urn": login.provider_urn,
        "agency_urn": login.agency_urn,
        "agency_session_name": login.session_name,
        "id_token": id_token,
        "duration_seconds": login.duration_s,
    }
    if login.policy:
        body["policy"] = login.policy
    if login.policy_ids:
        body["policy_ids"] = login.policy_ids
    return Request(method="POST", path="/v5/agencies/assume-with-oidc", body=orjson.dumps(body))
