"""Variables by which other tools choose a user, an account or a project, and which are not honoured here.

One that is set may mean another account than the credentials that were found: it is refused by name, never
passed over. Source: API.md, section 9.
"""

from collections.abc import Iterator, Mapping

from bulk.errors import CredentialsError
from bulk.vpcep.found import Found
from bulk.vpcep.from_variables import OIDC, POD, ROLE
from bulk.vpcep.logins import Agency

NAMES: tuple[str, ...] = ("OS_AGENCY_NAME", "OS_AGENCY_DOMAIN_NAME", "OS_DELEGATED_PROJECT")
PREFIXES: tuple[str, ...] = ("HUAWEICLOUD_OIDC_", "HW_ASSUME_ROLE_")
"""Beginnings of variables that, as NAMES, go before any key or act on top of it; not those of HONOURED."""

LAST_NAMES: tuple[str, ...] = (
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_APPLICATION_CREDENTIAL_NAME",
    "OS_APPLICATION_CREDENTIAL_SECRET",
    "OS_TRUST_ID",
)
LAST_PREFIXES: tuple[str, ...] = ("HC_CONTAINER_",)
"""Beginnings of variables that, as LAST_NAMES, count only where nothing else is set."""
HONOURED = frozenset({*OIDC, *ROLE, *POD})


def refuse_unhonoured(env: Mapping[str, str], found: Found) -> None:
    """Raise CredentialsError where a variable may mean something else than what was found."""
    if problems := sorted(unhonoured(env, found)):
        names = " ".join(f"-u {name}" for name in problems)
        raise CredentialsError(
            f"{'; '.join(f'{name} is set, which bulk does not honour' for name in problems)}: "
            "another account may be meant",
            hint=f"begin the command with `env {names}`, or name the credentials with --profile",
        )


def unhonoured(env: Mapping[str, str], found: Found) -> Iterator[str]:
    """Yield the variables that are set, may mean another account, and are not honoured."""
    names, prefixes = NAMES, PREFIXES
    if isinstance(found.base, Agency):
        names, prefixes = names + LAST_NAMES, prefixes + LAST_PREFIXES
    for name, value in env.items():
        if value.strip() and name not in HONOURED and (name in names or name.startswith(prefixes)):
            yield name
