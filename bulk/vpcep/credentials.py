"""The places where credentials may be, in the order of the search; the first that has some is used.

1. the section of the credentials file that `--profile` names, and then nothing else
2. `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK`, `HUAWEICLOUD_SDK_SECURITY_TOKEN`
3. `HW_AUTH_TOKEN`
4. `HW_ACCESS_KEY`, `HW_SECRET_KEY`, `HW_SECURITY_TOKEN`
5. `HW_USER_NAME`, `HW_USER_PASSWORD`, `HW_DOMAIN_NAME`
6. the section `[basic]` of the credentials file
7. the agency of the cloud server that this runs on

The credentials file is `~/.huaweicloud/credentials`, or what `HUAWEICLOUD_SDK_CREDENTIALS_FILE` names.
Source: API.md, section 4.4. Nothing here is ever written or shown.
"""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, TypeAlias

from bulk.errors import CredentialsError
from bulk.vpcep.keys import KeyPair, Secret, Token

FILE_VARIABLE = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"
_SDK_KEYS = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN")
_TERRAFORM_KEYS = ("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN")
# Whatever is not printable ASCII, and of that blanks and quotes.
_IN_NO_KEY = re.compile(r"""[^!-~]|["'`]""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """An IAM user's name and password, to be exchanged for tokens."""

    user: str
    password: str = field(repr=False)
    domain: str
    """The account that the user belongs to."""

    @property
    def confidential(self) -> tuple[str, ...]:
        """Return the texts that nobody may see."""
        return (self.password,)


@dataclass(frozen=True, slots=True)
class Agency:
    """The agency of the cloud server this runs on, whose keys the metadata service gives."""

    confidential: ClassVar[tuple[str, ...]] = ()


Source: TypeAlias = Secret | Password | Agency


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Credentials and what came with them."""

    source: Source
    place: str
    """Where they were found, to be named in messages."""
    account: str
    """What shares one budget at the API: the account where it is named, else the key's end and a digest."""
    domain: str = ""
    """The account's id or name; empty where none was named."""
    project_id: str = ""
    """Empty where none was named."""
    cloud: str = ""
    """The domain of the edition of the cloud that they are of; empty where they name none."""
    iam_endpoint: str = ""
    """Empty where none was named."""
    endpoint: str = ""
    """The API's address, which the owner of the credentials named beside them; empty where none was named."""
    warning: str = ""
    """What their owner should know of where they are kept."""
    is_profile: bool = False
    """Whether a profile named them: then no variable adds to them."""


def find_credentials(*, env: Mapping[str, str], home: Path, profile: str = "") -> Found:
    """Return the credentials to use.

    Raises CredentialsError where a profile does not exist, a pair is incomplete or a file unreadable.
    The agency is the last resort and is not asked here; its first use shows whether it exists.
    """
    path = _file(env.get(FILE_VARIABLE, "~/.huaweicloud/credentials"), home)
    if profile:
        if found := _from_file(path, profile):
            return replace(found, is_profile=True)
        raise CredentialsError(
            f"no credentials for profile {profile!r} in {path}",
            hint=f"add a section [{profile}] with ak and sk to it, or name another profile",
        )
    return _from_variables(env) or _from_file(path, "basic") or _from_agency(path, env)


def profiles_of(*, env: Mapping[str, str], home: Path) -> list[str]:
    """Return the sections of the credentials file; raises CredentialsError where it cannot be used."""
    config, _ = _read(_file(env.get(FILE_VARIABLE, "~/.huaweicloud/credentials"), home))
    return config.sections()


def _file(named: str, home: Path) -> Path:
    """Return the path of the credentials file, whose name may begin with `~/`."""
    return home / named[2:] if named.startswith("~/") else Path(named)


def _from_variables(env: Mapping[str, str]) -> Found | None:
    given = {
        name: value.strip() for name, value in env.items() if name.startswith(("HUAWEICLOUD_SDK_", "HW_"))
    }
    found = (
        _keys(given, _SDK_KEYS, place="the environment (HUAWEICLOUD_SDK_AK)")
        or _ready_token(given)
        or _keys(given, _TERRAFORM_KEYS, place="the environment (HW_ACCESS_KEY)")
        or _password(given)
    )
    accounts = ("HUAWEICLOUD_SDK_DOMAIN_ID", "HW_DOMAIN_ID", "HW_DOMAIN_NAME")
    account = next((given[name] for name in accounts if given.get(name)), "")
    return found and replace(
        found, project_id=_project_id(given), account=account or found.account, domain=account or found.domain
    )


def _keys(given: Mapping[str, str], names: tuple[str, str, str], *, place: str) -> Found | None:
    """Return the key pair under the names of its AK, SK and security token; None where neither is set."""
    ak, sk, token = (_sendable(given.get(name, ""), name, place) for name in names)
    _all_or_none(given, names[:2], place)
    if not ak:
        return None
    return Found(
        source=KeyPair(ak=ak, sk=sk, security_token=token),
        place=place,
        account=f"ak-{ak[16:][-4:]}-{_digest(ak)}",  # the end of a key of 20, by which its owner knows it
    )


def _ready_token(given: Mapping[str, str]) -> Found | None:
    place = "the environment (HW_AUTH_TOKEN)"
    value = _sendable(given.get("HW_AUTH_TOKEN", ""), "HW_AUTH_TOKEN", place)
    return Found(source=Token(value=value), place=place, account=f"token-{_digest(value)}") if value else None


def _password(given: Mapping[str, str]) -> Found | None:
    names = ("HW_USER_NAME", "HW_USER_PASSWORD", "HW_DOMAIN_NAME")
    place = "the environment (HW_USER_NAME)"
    if not (given.get("HW_USER_NAME") or given.get("HW_USER_PASSWORD")):
        return None
    _all_or_none(given, names, place)
    user, password, domain = (_text(given[name], name, place) for name in names)
    return Found(
        source=Password(user=user, password=password, domain=domain),
        place=place,
        account=domain,
        domain=domain,
    )


def _project_id(given: Mapping[str, str]) -> str:
    return given.get("HUAWEICLOUD_SDK_PROJECT_ID") or given.get("HW_PROJECT_ID", "")


def _from_file(path: Path, section: str) -> Found | None:
    config, warning = _read(path)
    if not config.has_section(section):
        return None
    given = {name: value.strip() for name, value in config[section].items()}
    found = _keys(given, ("ak", "sk", "security_token"), place=f"[{section}] of {path}")
    return found and replace(
        found,
        account=given.get("domain_id") or found.account,
        domain=given.get("domain_id", ""),
        project_id=given.get("project_id", ""),
        cloud=given.get("cloud", ""),
        iam_endpoint=given.get("iam_endpoint", ""),
        endpoint=given.get("endpoint", ""),
        warning=warning,
    )


def _read(path: Path) -> tuple[ConfigParser, str]:
    """Return the content of the file, and a warning where others may read it; empty where none may."""
    config, warning = ConfigParser(interpolation=None), ""
    try:
        with path.open(encoding="utf-8-sig") as file:
            warning = exposure(path, os.fstat(file.fileno()))
            config.read_string(file.read())
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        # The parser's own message quotes the line, which may be the secret.
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise CredentialsError(
            f"the credentials file {path} cannot be read: {why}", hint="correct the file, or move it away"
        ) from None
    return config, warning


def exposure(path: Path, found: os.stat_result, what: str = "credentials file") -> str:
    """Return a warning where others may read a file of secrets; raise where they may write to it.

    Who writes to it says whose keys are used, and where they go. A pipe has no such rights.
    """
    only_owner = f"chmod 600 {shlex.quote(str(path))}"
    if found.st_uid not in {0, os.geteuid()}:
        raise CredentialsError(
            f"the {what} {path} belongs to another user (uid {found.st_uid})",
            hint="use a file of your own",
        )
    if not stat.S_ISREG(found.st_mode):
        return ""
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CredentialsError(f"others may write to the {what} {path}", hint=only_owner)
    others_read = found.st_mode & (stat.S_IRGRP | stat.S_IROTH)
    return f"others may read the {what} {path}: {only_owner}" if others_read else ""


def _from_agency(path: Path, env: Mapping[str, str]) -> Found:
    places = (
        "HUAWEICLOUD_SDK_AK and _SK, HW_AUTH_TOKEN, HW_ACCESS_KEY and HW_SECRET_KEY, "
        f"HW_USER_NAME and HW_USER_PASSWORD, [basic] of {path}, the agency of this cloud server"
    )
    return Found(source=Agency(), place=places, account="agency", project_id=_project_id(env))


def _all_or_none(given: Mapping[str, str], names: tuple[str, ...], place: str) -> None:
    missing = [name for name in names if not given.get(name)]
    if missing and len(missing) < len(names):
        raise CredentialsError(
            f"the credentials in {place} are incomplete: {' and '.join(missing)} not set",
            hint=f"set {', '.join(names)} together, or none of them",
        )


def _sendable(text: str, name: str, place: str) -> str:
    """Return a text that can be a key or a token; raises for others, since bad signatures lock a key."""
    if found := _IN_NO_KEY.search(text):
        what = {"'": "a quote", '"': "a quote", " ": "a blank", "\n": "a line end", "\r": "a line end"}
        raise CredentialsError(
            f"{name} in {place} has {what.get(found[0], 'a character')} in it, which no key contains",
            hint="copy it again, without blanks, line ends and quotes",
        )
    return text


def _text(text: str, name: str, place: str) -> str:
    """Return a text that may stand in a body."""
    if not any("\ud800" <= char <= "\udfff" for char in text):  # a byte that the environment has as no UTF-8
        return text
    raise CredentialsError(f"{name} in {place} is not UTF-8", hint="set it again, in a UTF-8 locale")


def _digest(secret: str) -> str:
    return blake2b(secret.encode(), digest_size=6).hexdigest()
