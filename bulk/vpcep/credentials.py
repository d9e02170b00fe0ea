"""The places where credentials may be, in the order of the search; the first that has some is used.

1. the section of the credentials file that `--profile` names, and then nothing else
2. `HUAWEICLOUD_OIDC_PROVIDER_URN`, `HUAWEICLOUD_OIDC_AGENCY_URN`, with `HUAWEICLOUD_OIDC_ID_TOKEN` or `HUAWEICLOUD_OIDC_TOKEN_FILE`
3. `HUAWEICLOUD_SDK_IDP_ID`, `HUAWEICLOUD_SDK_ID_TOKEN_FILE`
4. `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK`, `HUAWEICLOUD_SDK_SECURITY_TOKEN`
5. `HW_AUTH_TOKEN`
6. the profile of KooCLI's file that `HW_PROFILE` and `HW_SHARED_CONFIG_FILE` name
7. `HW_ACCESS_KEY`, `HW_SECRET_KEY`, `HW_SECURITY_TOKEN`
8. `HW_USER_PASSWORD`, with `HW_USER_ID`, or with `HW_USER_NAME` and `HW_DOMAIN_NAME` or `HW_DOMAIN_ID`
9. the section `[basic]` of the credentials file
10. the entry of `clouds.yaml` that `OS_CLOUD` names
11. `OS_TOKEN` or `OS_AUTH_TOKEN`, with `OS_AUTH_URL`
12. `OS_ACCESS_KEY`, `OS_SECRET_KEY`, `OS_SECURITY_TOKEN`, with `OS_AUTH_URL`
13. `OS_PASSWORD`, with `OS_USERNAME` or `OS_USER_ID`, and `OS_AUTH_URL`
14. the current profile of KooCLI's file, where its keys are not encrypted
15. `HC_CONTAINER_CREDENTIALS_FULL_URI`, `HC_CONTAINER_AUTHORIZATION_TOKEN_FILE`
16. the agency of the cloud server that this runs on

The credentials file is `~/.huaweicloud/credentials`, or what `HUAWEICLOUD_SDK_CREDENTIALS_FILE` names;
KooCLI's is `~/.hcloud/config.json`. What was found then assumes the agency that `HW_ASSUME_ROLE_AGENCY_NAME` names.
Source: API.md, section 9. Nothing here is ever written or shown.
"""  # noqa: E501 - the list is that of jobs/README.md, word for word

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bulk.errors import CredentialsError
from bulk.vpcep import from_koocli, from_openstack, from_sdk_file, from_variables
from bulk.vpcep.found import Found, assuming, only_one, role_in, text

_PREFIXES = ("HUAWEICLOUD_", "HW_", "OS_", "HC_CONTAINER_")


class Places(NamedTuple):
    """Where credentials are looked for: the variables that are set, stripped, and the home folder."""

    env: Mapping[str, str]
    home: Path


class Search(NamedTuple):
    """One place of the search."""

    what: str
    """What it is called where nothing was found anywhere."""
    look: Callable[[Places], Found | None]
    """Returns what it has; raises CredentialsError where that cannot be used."""
    is_ours: bool = True
    """Whether what cannot be used ends the search; else it is another tool's, and passed over."""


def _basic(places: Places) -> Found | None:
    path, variable = from_sdk_file.credentials_file(*places), from_sdk_file.FILE_VARIABLE
    found = from_sdk_file.section(path, "basic")
    if found is None and variable in places.env:
        raise CredentialsError(
            f"no credentials in section [basic] of {path}, which {variable} names",
            hint=f"correct the variable, or unset it: `env -u {variable}`; other sections are for --profile",
        )
    return found and replace(found, is_implicit=variable not in places.env)


SEARCHES = (
    Search("HUAWEICLOUD_OIDC_...", lambda places: from_variables.oidc(places.env)),
    Search("HUAWEICLOUD_SDK_IDP_ID", lambda places: from_variables.identity_provider(places.env)),
    Search("HUAWEICLOUD_SDK_AK and _SK", lambda places: from_variables.sdk_keys(places.env)),
    Search("HW_AUTH_TOKEN", lambda places: from_variables.ready_token(places.env)),
    Search("HW_PROFILE", lambda places: from_koocli.named(*places)),
    Search("HW_ACCESS_KEY and HW_SECRET_KEY", lambda places: from_variables.terraform_keys(places.env)),
    Search("HW_USER_NAME and HW_USER_PASSWORD", lambda places: from_variables.password(places.env)),
    Search("[basic] of the credentials file", _basic),
    Search("OS_CLOUD", lambda places: from_openstack.named_cloud(*places)),
    Search("OS_TOKEN", lambda places: from_openstack.token(places.env)),
    Search("OS_ACCESS_KEY and OS_SECRET_KEY", lambda places: from_openstack.access_keys(places.env)),
    Search("OS_USERNAME and OS_PASSWORD", lambda places: from_openstack.password(places.env)),
    Search("KooCLI's current profile", lambda places: from_koocli.current(places.home), is_ours=False),
    Search("HC_CONTAINER_CREDENTIALS_FULL_URI", lambda places: from_variables.pod(places.env)),
)
"""The places after a named profile and before the agency of the cloud server, in the order of the search."""


def find_credentials(*, env: Mapping[str, str], home: Path, profile: str = "") -> Found:
    """Return the credentials to use.

    Raises CredentialsError where a profile does not exist, a pair is incomplete or a file unreadable.
    The agency is the last resort and is not asked here; its first use shows whether it exists.
    """
    places = _places(env, home)
    if profile:
        path = from_sdk_file.credentials_file(*places)
        if found := from_sdk_file.section(path, profile):
            return replace(found, is_profile=True)
        raise CredentialsError(
            f"no credentials for profile {profile!r} in {path}",
            hint=f"add a section [{profile}] with ak and sk to it, or name another profile",
        )
    found = next(filter(None, map(_found_by, SEARCHES, [places] * len(SEARCHES))), None) or _agency(places)
    return _completed(found, places.env)


def passed_over(*, env: Mapping[str, str], home: Path, profile: str = "") -> Iterator[tuple[str, str]]:
    """Yield the places that have credentials as well, or useless ones, and do not count.

    That is, those behind the profile or the place that is used, or that ends the search by what is wrong with
    it, and those of other tools. Each with what is wrong with it; nothing is, where that is empty.
    """
    places, used = _places(env, home), bool(profile)
    for search in SEARCHES:
        try:
            found = search.look(places)
        except CredentialsError as error:
            if used or not search.is_ours:
                yield search.what, error.message
            used = used or search.is_ours
            continue
        if found and used:
            yield found.place, ""
        used = used or found is not None


def profiles_of(*, env: Mapping[str, str], home: Path) -> list[str]:
    """Return the sections of the credentials file; raises CredentialsError where it cannot be used."""
    return from_sdk_file.sections(from_sdk_file.credentials_file(env, home))


def _places(env: Mapping[str, str], home: Path) -> Places:
    given = {name: value.strip() for name, value in env.items() if name.startswith(_PREFIXES)}
    return Places({name: value for name, value in given.items() if value}, home)


def _found_by(search: Search, places: Places) -> Found | None:
    try:
        return search.look(places)
    except CredentialsError:
        if search.is_ours:
            raise
        return None


def _agency(places: Places) -> Found:
    looked = [search.what for search in SEARCHES]
    looked[looked.index("[basic] of the credentials file")] = (
        f"[basic] of {from_sdk_file.credentials_file(*places)}"
    )
    return from_variables.agency(places.env, ", ".join([*looked, "the agency of this cloud server"]))


def _completed(found: Found, env: Mapping[str, str]) -> Found:
    """Return what was found with what Terraform's variables say besides: region, project, agency."""
    found = replace(
        found,
        region=found.region or env.get("HW_REGION_NAME", ""),
        project_name=found.project_name or env.get("HW_PROJECT_NAME", ""),
    )
    used = {found.account, found.domain, found.project_id, found.project_name, found.region}
    for name, value in env.items():
        if value in used:
            text(value, name, "the environment")
    only_one(env, *from_variables.ROLE[1:3])
    role = role_in(env, from_variables.ROLE, from_variables.place_of(from_variables.ROLE[0]))
    return assuming(found, role)
