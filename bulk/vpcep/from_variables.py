"""Credentials in the variables of the official SDK and of the Terraform provider, one function a source.

Each gets the variables that are set, stripped, and returns what it finds in its own; None where these are not
set. Raises CredentialsError where they are incomplete: to go on would use credentials that nobody meant.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from bulk.vpcep.found import (
    ROLE_S_USUAL,
    Found,
    all_or_none,
    digest,
    keys,
    one_of,
    only_one,
    seconds,
    sendable,
    text,
)
from bulk.vpcep.keys import Token
from bulk.vpcep.logins import Agency, IdentityProvider, OidcAgency, Password, PodIdentity

OIDC = (
    "HUAWEICLOUD_OIDC_PROVIDER_URN",
    "HUAWEICLOUD_OIDC_AGENCY_URN",
    "HUAWEICLOUD_OIDC_ID_TOKEN",
    "HUAWEICLOUD_OIDC_TOKEN_FILE",
    "HUAWEICLOUD_OIDC_SESSION_NAME",
    "HUAWEICLOUD_OIDC_DURATION_SECONDS",
    "HUAWEICLOUD_OIDC_POLICY",
    "HUAWEICLOUD_OIDC_POLICY_IDS",
)
IDENTITY_PROVIDER = ("HUAWEICLOUD_SDK_IDP_ID", "HUAWEICLOUD_SDK_ID_TOKEN_FILE")
SDK_KEYS = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN")
TERRAFORM_KEYS = ("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN")
POD = ("HC_CONTAINER_CREDENTIALS_FULL_URI", "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE")
ROLE = (
    "HW_ASSUME_ROLE_AGENCY_NAME",
    "HW_ASSUME_ROLE_DOMAIN_NAME",
    "HW_ASSUME_ROLE_DOMAIN_ID",
    "HW_ASSUME_ROLE_DURATION",
)
SESSION_NAME = "oidc-sts-session"
"""What the official SDK calls a session of an OIDC agency that nobody names."""


def place_of(variable: str) -> str:
    """Return what messages call a variable's place."""
    return f"the environment ({variable})"


def oidc(given: Mapping[str, str]) -> Found | None:
    """Return the agency that an ID token of an OIDC provider lets one assume."""
    if not any(name in given for name in OIDC):
        return None
    provider, agency, id_token, token_file, session, duration, policy, policy_ids = OIDC
    place = place_of(provider)
    token = id_token if id_token in given else token_file
    only_one(given, id_token, token_file)
    all_or_none(given, (provider, agency, token), place, is_begun=True)
    urn = re.fullmatch(r"iam::([^:]+):agency:.+", text(given[agency], agency, place))
    return _with_account(
        Found(
            source=OidcAgency(
                provider_urn=text(given[provider], provider, place),
                agency_urn=given[agency],
                id_token=sendable(given.get(id_token, ""), id_token, place),
                token_file=given.get(token_file, ""),
                session_name=text(given.get(session, SESSION_NAME), session, place),
                duration_s=seconds(given[duration], duration, place) if duration in given else ROLE_S_USUAL,
                policy=text(given.get(policy, ""), policy, place),
                policy_ids=tuple(filter(None, map(str.strip, given.get(policy_ids, "").split(",")))),
            ),
            place=place,
            account=urn[1] if urn else f"agency-{digest(given[agency])}",
            domain=urn[1] if urn else "",
        ),
        given,
    )


def identity_provider(given: Mapping[str, str]) -> Found | None:
    """Return the identity provider of IAM that is named with the file of its ID token."""
    place = place_of(IDENTITY_PROVIDER[0])
    all_or_none(given, IDENTITY_PROVIDER, place)
    if IDENTITY_PROVIDER[0] not in given:
        return None
    idp_id, token_file = (given[name] for name in IDENTITY_PROVIDER)
    return _with_account(by_provider(idp_id, token_file, place), given)


def by_provider(idp_id: str, token_file: str, place: str) -> Found:
    """Return the credentials of an identity provider."""
    idp_id = sendable(idp_id, "the id of the identity provider", place)
    return Found(
        source=IdentityProvider(idp_id=idp_id, token_file=token_file), place=place, account=f"idp-{idp_id}"
    )


def sdk_keys(given: Mapping[str, str]) -> Found | None:
    """Return the key pair of the official SDK's variables."""
    return _with_account(keys(given, SDK_KEYS, place=place_of(SDK_KEYS[0])), given)


def ready_token(given: Mapping[str, str]) -> Found | None:
    """Return a token that somebody else asked IAM for."""
    return _with_account(token_in(given, "HW_AUTH_TOKEN"), given)


def token_in(given: Mapping[str, str], name: str) -> Found | None:
    """Return the token in a variable; None where it is not set."""
    place = place_of(name)
    value = sendable(given.get(name, ""), name, place)
    return Found(source=Token(value=value), place=place, account=f"token-{digest(value)}") if value else None


def terraform_keys(given: Mapping[str, str]) -> Found | None:
    """Return the key pair of Terraform's variables."""
    return _with_account(keys(given, TERRAFORM_KEYS, place=place_of(TERRAFORM_KEYS[0])), given)


def password(given: Mapping[str, str]) -> Found | None:
    """Return the user's password of Terraform's variables.

    The user is named by name and account, or by an id, which says the account; each of them in one way, since
    two may be two.
    """
    user, user_id, secret = "HW_USER_NAME", "HW_USER_ID", "HW_USER_PASSWORD"
    domain, domain_id = "HW_DOMAIN_NAME", "HW_DOMAIN_ID"
    if not any(name in given for name in (user, user_id, secret)):
        return None
    place = place_of(user_id if user_id in given and user not in given else user)
    account = domain_id if domain_id in given and domain not in given else domain
    only_one(given, user, user_id)
    only_one(given, domain, domain_id)
    all_or_none(given, (user_id, secret) if user_id in given else (user, secret, account), place)
    read = {name: text(given.get(name, ""), name, place) for name in (user, user_id, secret, account)}
    if user_id in given:
        source = Password(user_id=read[user_id], password=read[secret])
    else:
        whose = {"domain" if account == domain else "domain_id": read[account]}
        source = Password(user=read[user], password=read[secret], **whose)
    whom = read[account] or f"user-{read[user_id]}"
    return _with_account(Found(source=source, place=place, account=whom, domain=read[account]), given)


def pod(given: Mapping[str, str]) -> Found | None:
    """Return the identity that the node of a container gives it."""
    place = place_of(POD[0])
    all_or_none(given, POD, place)
    if POD[0] not in given:
        return None
    source = PodIdentity(uri=text(given[POD[0]], POD[0], place), token_file=given[POD[1]])
    return _with_account(Found(source=source, place=place, account="pod"), given)


def agency(given: Mapping[str, str], place: str) -> Found:
    """Return the agency of this cloud server, which is the last resort."""
    account = _account_in(given)
    return Found(
        source=Agency(),
        place=place,
        account=account or "agency",
        domain=account,
        project_id=_project_in(given),
        is_implicit=True,
    )


def _project_in(given: Mapping[str, str]) -> str:
    return one_of(given, "HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID")


def _account_in(given: Mapping[str, str]) -> str:
    return one_of(given, "HUAWEICLOUD_SDK_DOMAIN_ID", "HW_DOMAIN_ID") or given.get("HW_DOMAIN_NAME", "")


def _with_account(found: Found | None, given: Mapping[str, str]) -> Found | None:
    """Return what was found, with the account and the project that the variables beside it name."""
    account = _account_in(given)
    return found and replace(found.owned_by(account), project_id=_project_in(given))
