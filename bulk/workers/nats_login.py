"""With what NATS is told who we are: a file that a variable names, never an address or an argument."""

import base64
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from bulk.errors import CredentialsError
from bulk.vpcep.kept_files import kept, path_of

VARIABLE = "BULK_NATS_CREDENTIALS"
INBOX = "_INBOX"
_WHAT = "the NATS credentials file"
_LOGINS = (set[str](), {"user", "password"}, {"token"}, {"creds"})
_TLS = ({"certificate", "key"}, set[str]())
_FILES = ("creds", "ca", "certificate", "key")
"""Paths in the file, from its own folder on, or from home where they begin with `~/`."""
_HINT = (
    'write user = "…" and password = "…", or token = "…", or creds = "FILE"; for TLS ca = "FILE", '
    "certificate and key; or name a .creds file"
)
_JWT = re.compile(r"-----BEGIN NATS USER JWT-----\s+[\w-]+\.([\w-]+)\.")
_FIT = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsLogin:
    """What a connection to NATS is opened with.

    * user: whose inbox it is on which answers come: `_INBOX.<user>`; empty for a login without a name
    * password, token, creds: one of three ways to log in; `creds` is the text of a .creds file
    * ca, certificate, key: files for TLS, empty where the system's are meant
    * warning: that others may read the file; empty where none may
    """

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    creds: str = field(default="", repr=False)
    ca: str = ""
    certificate: str = ""
    key: str = ""
    warning: str = ""

    @property
    def inbox(self) -> str:
        """Return what the subjects begin with on which the answers to this user come."""
        name = self.user or _name_in(self.creds)
        return f"{INBOX}.{name}" if _FIT.fullmatch(name) else INBOX


def nats_login(env: Mapping[str, str], home: Path) -> NatsLogin:
    """Return how to log in to NATS; raises CredentialsError where the file cannot be used."""
    if not (named := env.get(VARIABLE)):
        return NatsLogin()
    path = path_of(named, home)
    text, warning = _text(path)
    if _JWT.search(text):
        return NatsLogin(creds=text, warning=warning)
    try:
        facts = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):  # its message may quote the line with the password
        raise CredentialsError(f"{_WHAT} {path} is no TOML file", hint=_HINT) from None
    login = set(facts) - {"ca", "certificate", "key"}
    is_whole = login in _LOGINS and set(facts) & {"certificate", "key"} in _TLS
    if not is_whole or not all(
        isinstance(fact, str) and fact and "\0" not in fact for fact in facts.values()
    ):
        raise CredentialsError(f"{_WHAT} {path} does not hold what it should", hint=_HINT)
    files = {name: str(path.parent / path_of(facts[name], home)) for name in _FILES if name in facts}
    found = NatsLogin(**(facts | files), warning=warning)
    if not found.creds:
        return found
    path = Path(found.creds)
    text, warning = _text(path)
    if not _JWT.search(text):
        raise CredentialsError(f"{_WHAT} {path} is no .creds file", hint="name one that `nsc` wrote")
    return replace(found, creds=text, warning=found.warning or warning)


def _text(path: Path) -> tuple[str, str]:
    if (found := kept(path, _WHAT)) is None:
        raise CredentialsError(f"{_WHAT} {path} does not exist", hint=f"correct {VARIABLE}")
    return found


def _name_in(creds: str) -> str:
    """Return the name of the user in a .creds file; empty where it states none."""
    if not (found := _JWT.search(creds)):
        return ""
    part = found[1]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return ""
    name = claims.get("name") if isinstance(claims, dict) else ""
    return name if isinstance(name, str) else ""
