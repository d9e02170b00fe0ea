"""Credentials as OpenStack's clients have them: the variables `OS_*`, and an entry of `clouds.yaml`.

They name their IAM, and with it the operator that they are of: without an address they are not used, since a
password of some OpenStack must not go to a guess. Sources: openstacksdk's `config/loader.py` and vendor file
`otc.json`; the provider opentelekomcloud of Terraform.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bulk.errors import CredentialsError
from bulk.vpcep.found import Found, all_or_none, digest, keys, one_of, sendable, text
from bulk.vpcep.from_variables import place_of, token_in
from bulk.vpcep.kept_files import kept, path_of, unreadable
from bulk.vpcep.keys import Token
from bulk.vpcep.logins import Password

CLOUD, CONFIG_FILE = "OS_CLOUD", "OS_CLIENT_CONFIG_FILE"
TOKENS = ("OS_TOKEN", "OS_AUTH_TOKEN")
USER = (
    "OS_USERNAME",
    "OS_USER_ID",
    "OS_PASSWORD",
    "OS_USER_DOMAIN_NAME",
    "OS_USER_DOMAIN_ID",
    "OS_DOMAIN_NAME",
    "OS_DOMAIN_ID",
)
KEYS = ("OS_ACCESS_KEY", "OS_SECRET_KEY", "OS_SECURITY_TOKEN")
_FOLDERS = (".", "~/.config/openstack", "/etc/openstack")
"""Where the file is looked for, as openstacksdk does."""
_WHAT = "the file"
_VENDORS: Mapping[str, str] = {"otc": "https://iam.{region}.otc.t-systems.com/v3"}
"""IAM of the vendor profiles of openstacksdk that have this API."""
_AUTH_TYPES = frozenset({"password", "v3password", "token", "v3token"})


def named_cloud(env: Mapping[str, str], home: Path) -> Found | None:
    """Return the credentials of the entry that `OS_CLOUD` names; None where it is not set.

    Raises CredentialsError where there is no such entry, or it is of a kind that is not understood.
    """
    if CLOUD not in env:
        return None
    name, warning = env[CLOUD], ""
    for path in _paths(env, home):
        entry, warning = _entry(path, name)
        if entry is not None:
            secret, more = _entry(path.with_name(path.name.replace("clouds", "secure", 1)), name)
            entry = _merged(entry, secret or {})
            place = f"{name} of {path}"
            return replace(_of_entry(entry, place), warning=warning or more)
    raise CredentialsError(
        f"OS_CLOUD is {name!r}, and no such entry is in {', '.join(map(str, _paths(env, home)))}",
        hint="begin the command with `env -u OS_CLOUD`, or name the file with OS_CLIENT_CONFIG_FILE",
    )


def token(env: Mapping[str, str]) -> Found | None:
    """Return the token that a variable holds."""
    one_of(env, *TOKENS)
    return _at_iam(next(filter(None, (token_in(env, name) for name in TOKENS)), None), env)


def access_keys(env: Mapping[str, str]) -> Found | None:
    """Return the key pair of the variables that the provider opentelekomcloud of Terraform reads."""
    return _at_iam(keys(env, KEYS, place=place_of(KEYS[0])), env)


def password(env: Mapping[str, str]) -> Found | None:
    """Return the user's password of the variables."""
    if not any(name in env for name in USER[:3]):
        return None
    one_of(env, "OS_USER_DOMAIN_NAME", "OS_DOMAIN_NAME")
    one_of(env, "OS_USER_DOMAIN_ID", "OS_DOMAIN_ID")
    members = {name: env[name] for name in USER if name in env}
    return _at_iam(_password(members, place_of(USER[0]), lambda name: f"OS_{name.upper()}"), env)


def _at_iam(found: Found | None, env: Mapping[str, str]) -> Found | None:
    """Return what was found, with the address, the project and the region of the variables beside it."""
    if found is None:
        return None
    if "OS_AUTH_URL" not in env:
        raise CredentialsError(
            f"the credentials in {found.place} are incomplete: OS_AUTH_URL not set",
            hint="set it to the address of their IAM, without which nobody knows whose they are: https://iam.eu-de.otc.t-systems.com/v3",
        )
    return replace(
        found,
        iam_endpoint=env["OS_AUTH_URL"],
        project_id=one_of(env, "OS_PROJECT_ID", "OS_TENANT_ID"),
        project_name=one_of(env, "OS_PROJECT_NAME", "OS_TENANT_NAME"),
        region=env.get("OS_REGION_NAME", ""),
    )


def _password(auth: Mapping[str, str], place: str, called: Callable[[str], str]) -> Found:
    """Return a password by the names that openstacksdk has, as they are `called` there; or raise.

    The user may be named by name or id.
    """
    read = {name: text(value, name, place) for name, value in auth.items()}

    def first(*names: str) -> str:
        return next((read[called(name)] for name in names if read.get(called(name))), "")

    domain, domain_id = first("user_domain_name", "domain_name"), first("user_domain_id", "domain_id")
    password, user, user_id = called("password"), called("username"), called("user_id")
    if read.get(user_id):
        all_or_none(read, (user_id, password), place)
        source = Password(user_id=read[user_id], password=read[password])
    else:
        whose = called("user_domain_id" if domain_id else "user_domain_name")
        all_or_none(read | {whose: domain_id or domain}, (user, password, whose), place, is_begun=True)
        where = {"domain_id": domain_id} if domain_id else {"domain": domain}
        source = Password(user=read[user], password=read[password], **where)
    account = domain_id or domain
    return Found(source=source, place=place, account=account or f"user-{source.user_id}", domain=account)


# clouds.yaml


def _paths(env: Mapping[str, str], home: Path) -> Iterator[Path]:
    if CONFIG_FILE in env:
        yield path_of(env[CONFIG_FILE], home)
        return
    for folder in _FOLDERS:
        for ending in ("yaml", "yml", "json"):
            yield path_of(folder, home) / f"clouds.{ending}"


def _entry(path: Path, name: str) -> tuple[dict[str, Any] | None, str]:
    """Return the entry of this name in a file, and the file's warning; None where it has none."""
    content = kept(path, _WHAT)
    if content is None:
        return None, ""
    import yaml  # noqa: PLC0415 - a tenth of a second, which nobody else pays

    # Each scalar is the text that stands there: a password `0123` is not the number 83.
    as_written = {
        first: [(tag, form) for tag, form in every if tag.endswith((":null", ":merge"))]
        for first, every in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader = type("AsWritten", (yaml.SafeLoader,), {"yaml_implicit_resolvers": as_written})
    try:
        entry = (yaml.load(content.text, loader) or {}).get("clouds", {}).get(name)  # noqa: S506 - a safe one
    except (yaml.YAMLError, AttributeError, RecursionError, ValueError) as error:
        raise unreadable(path, _WHAT, error) from None
    return (entry if isinstance(entry, dict) else None), content.warning


def _merged(entry: Mapping[str, Any], secret: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with what `secure.yaml` adds to it."""
    auths = [one.get("auth") for one in (entry, secret)]
    return {
        **entry,
        **secret,
        "auth": {k: v for one in auths if isinstance(one, dict) for k, v in one.items()},
    }


def _of_entry(entry: Mapping[str, Any], place: str) -> Found:
    named = _texts(entry)
    auth = {name: named[name] for name in _AK[:2] if name in named} | _texts(entry["auth"])
    region, kind = named.get("region_name", ""), named.get("auth_type", "password")
    if kind not in _AUTH_TYPES:
        raise CredentialsError(
            f"auth_type {kind!r} of {place} is not understood", hint="use password or token, or another entry"
        )
    iam = auth.get("auth_url") or _vendor_iam(named, region, place)
    found: Found | None
    if "token" in auth:
        value = sendable(auth["token"], "token", place)
        found = Found(source=Token(value=value), place=place, account=f"token-{digest(value)}")
    elif "password" in auth or "username" in auth or "user_id" in auth:
        found = _password(auth, place, str)
    else:
        found = keys(auth, _AK, place=place)
    if not iam or found is None:
        raise CredentialsError(
            f"{place} has no {'credentials' if found is None else 'auth_url'} that bulk understands",
            hint="give it auth_url, username, password and user_domain_name",
        )
    return replace(
        found,
        iam_endpoint=iam,
        project_id=auth.get("project_id", ""),
        project_name=auth.get("project_name", ""),
        region=region,
    )


_AK = ("ak", "sk", "security_token")


def _texts(members: Mapping[str, Any]) -> dict[str, str]:
    """Return the members that are texts and not empty."""
    return {name: value for name, value in members.items() if isinstance(value, str) and value}


def _vendor_iam(entry: Mapping[str, str], region: str, place: str) -> str:
    """Return the address of IAM that a vendor profile of openstacksdk has; empty where none is named."""
    vendor = entry.get("profile") or entry.get("cloud", "")
    if vendor and vendor not in _VENDORS:
        raise CredentialsError(
            f"the vendor profile {vendor!r} of {place} is not known", hint="give the entry an auth_url"
        )
    return _VENDORS[vendor].format(region=region) if vendor and region else ""
