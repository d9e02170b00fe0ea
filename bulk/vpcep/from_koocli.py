"""Credentials in the file of KooCLI, which Terraform reads as its shared config file.

A profile has keys (mode AKSK) or those of a single sign-on, which end (mode SSO), and perhaps an agency to be
assumed with them. Source: API.md, section 9 (`readConfig` of Terraform's provider).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from bulk.errors import CredentialsError
from bulk.vpcep.found import Found, assuming, keys, role_in
from bulk.vpcep.kept_files import kept, path_of, unreadable

VARIABLES = ("HW_PROFILE", "HW_SHARED_CONFIG_FILE")
FILE = "~/.hcloud/config.json"
_WHAT = "the file of KooCLI"
_KEYS = ("accessKeyId", "secretAccessKey", "securityToken")
_ROLE = ("agencyName", "agencyDomainName", "agencyDomainId", "")
_PLAIN_AK = re.compile(r"[A-Z0-9]{20}")
"""An access key as it is; KooCLI keeps it encrypted, unless a person turned that off."""


def named(env: Mapping[str, str], home: Path) -> Found | None:
    """Return the credentials of the profile that variables name; None where none is set.

    Raises CredentialsError where that profile, or the file, does not exist or cannot be used.
    """
    if not any(name in env for name in VARIABLES):
        return None
    path = path_of(env.get(VARIABLES[1], FILE), home)
    found = _profile(path, env.get(VARIABLES[0], ""))
    if found is None:
        whose = f"profile {env[VARIABLES[0]]!r}" if VARIABLES[0] in env else "the current profile"
        raise CredentialsError(
            f"no credentials for {whose} in {path}",
            hint=f"correct {' or '.join(name for name in VARIABLES if name in env)}, or unset it",
        )
    return found


def current(home: Path) -> Found | None:
    """Return the credentials of the current profile of KooCLI's own file; None where there is none."""
    found = _profile(path_of(FILE, home), "")
    return found and replace(found, is_implicit=True)


def _profile(path: Path, name: str) -> Found | None:
    content = kept(path, _WHAT)
    if content is None:
        return None
    try:
        config = orjson.loads(content.text)
        name = name or config.get("current") or ""
        profile = next((one for one in config["profiles"] if one.get("name") == name), None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(path, _WHAT, error) from None
    if profile is None:
        return None
    found = _found(profile, f"profile {name!r} of {path}")
    return found and replace(found, warning=content.warning)


def _found(profile: Mapping[str, Any], place: str) -> Found | None:
    given = _texts(profile)
    is_sso = given.get("mode") == "SSO"
    sso = profile.get("ssoAuth")
    token = sso.get("stsToken") if isinstance(sso, Mapping) else None
    pair = _texts(token if isinstance(token, Mapping) else {}) if is_sso else given
    if pair.get(_KEYS[0]) and not _PLAIN_AK.fullmatch(pair[_KEYS[0]]):
        raise CredentialsError(
            f"the keys in {place} are encrypted, or none",
            hint="run `hcloud configure set --cli-auth-encrypt=false`, or set HUAWEICLOUD_SDK_AK and _SK",
        )
    found = keys(pair, _KEYS, place=place)
    if found is None:
        return None
    found = replace(
        found.owned_by(given.get("domainId", "")),
        project_id=given.get("projectId", ""),
        region=given.get("region", ""),
    )
    return assuming(found, role_in(given, _ROLE, place))


def _texts(members: Mapping[str, Any]) -> dict[str, str]:
    """Return the members that are texts and not empty, without blanks around them."""
    return {name: text.strip() for name, text in members.items() if isinstance(text, str) and text.strip()}
