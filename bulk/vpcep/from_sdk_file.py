"""Credentials in the official SDK's file, whose sections are the profiles of `--profile`.

It is `~/.huaweicloud/credentials`, or what `HUAWEICLOUD_SDK_CREDENTIALS_FILE` names (API.md, section 4.4).
"""

from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import replace
from pathlib import Path

from bulk.vpcep.found import Found, all_or_none, assuming, keys, role_in
from bulk.vpcep.from_variables import by_provider
from bulk.vpcep.kept_files import kept, path_of, unreadable

FILE_VARIABLE = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"
_WHAT = "the credentials file"
_KEYS = ("ak", "sk", "security_token")
_PROVIDER = ("idp_id", "id_token_file")
_ROLE = (
    "assume_role_agency_name",
    "assume_role_domain_name",
    "assume_role_domain_id",
    "assume_role_duration",
)


def credentials_file(env: Mapping[str, str], home: Path) -> Path:
    """Return the path of the file."""
    return path_of(env.get(FILE_VARIABLE) or "~/.huaweicloud/credentials", home)


def sections(path: Path) -> list[str]:
    """Return the names of the sections; raises CredentialsError where the file cannot be used."""
    return _read(path)[0].sections()


def section(path: Path, name: str) -> Found | None:
    """Return the credentials of a section; None where it has none, or does not exist."""
    config, warning = _read(path)
    if not config.has_section(name):
        return None
    given = {key: value.strip() for key, value in config[name].items() if value.strip()}
    place = f"[{name}] of {path}"
    all_or_none(given, _PROVIDER, place)
    if _PROVIDER[0] in given:
        found: Found | None = by_provider(given[_PROVIDER[0]], given[_PROVIDER[1]], place)
    else:
        found = keys(given, _KEYS, place=place)
    if found is None:
        return None
    found = replace(
        found.owned_by(given.get("domain_id", "")),
        project_id=given.get("project_id", ""),
        cloud=given.get("cloud", ""),
        iam_endpoint=given.get("iam_endpoint", ""),
        endpoint=given.get("endpoint", ""),
        warning=warning,
    )
    return assuming(found, role_in(given, _ROLE, place))


def _read(path: Path) -> tuple[ConfigParser, str]:
    """Return the content of the file, and a warning where others may read it; empty where none may."""
    config, content = ConfigParser(interpolation=None), kept(path, _WHAT)
    if content is None:
        return config, ""
    try:
        config.read_string(content.text)
    except ConfigError as error:
        raise unreadable(path, _WHAT, error) from None
    return config, content.warning
