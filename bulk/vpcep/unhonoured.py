"""Variables by which other tools choose a user, an account or a project, and which are not honoured here.

One that is set may mean another account than the credentials that were found: it is refused by name, never
passed over. Source: API.md, section 9.
"""

from collections.abc import Iterator, Mapping

from bulk.errors import CredentialsError
from bulk.vpcep.credentials import Agency, Found, Password

NAMES: tuple[str, ...] = (
    "HUAWEICLOUD_SDK_IDP_ID",
    "HUAWEICLOUD_SDK_ID_TOKEN_FILE",
    "HW_PROFILE",
    "HW_SHARED_CONFIG_FILE",
    "HW_USER_ID",
    "OS_AGENCY_NAME",
    "OS_AGENCY_DOMAIN_NAME",
    "OS_DELEGATED_PROJECT",
)
PREFIXES: tuple[str, ...] = ("HUAWEICLOUD_OIDC_", "HW_ASSUME_ROLE_")
"""Beginnings of variables that, as NAMES, go before any key or act on top of it."""

LAST_NAMES = (
    "OS_ACCESS_KEY",
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_APPLICATION_CREDENTIAL_NAME",
    "OS_AUTH_TOKEN",
    "OS_CLOUD",
    "OS_PASSWORD",
    "OS_TOKEN",
    "OS_USERNAME",
    "OS_USER_ID",
)
LAST_PREFIXES = ("HC_CONTAINER_",)
"""Beginnings of variables that, as LAST_NAMES, count only where nothing else is set."""


def refuse_unhonoured(env: Mapping[str, str], found: Found, *, region: str, project_id: str) -> None:
    """Raise CredentialsError where a variable may mean something else than what was found in variables.

    HW_REGION_NAME and HW_PROJECT_NAME may say what holds anyway.
    """
    given = {name: value.strip() for name, value in env.items() if value.strip()}
    in_force = {"HW_REGION_NAME": region}
    if not project_id:
        in_force["HW_PROJECT_NAME"] = region
    differing = {
        name: f"{name} is {given[name]!r} where this is {value!r}"
        for name, value in in_force.items()
        if given.get(name, value) != value
    }
    others = {name: f"{name} is set, which bulk does not honour" for name in _unhonoured(given, found)}
    if problems := differing | others:
        names = " ".join(f"-u {name}" for name in sorted(problems))
        raise CredentialsError(
            f"{'; '.join(problems[name] for name in sorted(problems))}: another account may be meant",
            hint=f"begin the command with `env {names}`, or name the credentials with --profile",
        )


def _unhonoured(given: Mapping[str, str], found: Found) -> Iterator[str]:
    names, prefixes = NAMES, PREFIXES
    if isinstance(found.source, Password):
        names += ("HW_DOMAIN_ID",)
    if isinstance(found.source, Agency):
        names, prefixes = names + LAST_NAMES, prefixes + LAST_PREFIXES
    return (name for name in given if name in names or name.startswith(prefixes))
