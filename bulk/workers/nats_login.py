"""The login to NATS, from a file that a variable names; never from an address or an argument."""

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
_CREDS = re.compile(
    r"-----BEGIN NATS USER JWT-----\s+([\w-]+\.[\w-]+\.[\w-]+)\s.*"
    r"-----BEGIN USER NKEY SEED-----\s+(SU[A-Z2-7]{56})\s",
    re.DOTALL,
)
_FIT = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsLogin:
    """What a connection to NATS is opened with.

    * user: whose inbox it is on which answers come: `_INBOX.<user>`; empty for a login without a name
    * password, token, jwt with its seed: one of three ways to log in
    * ca, certificate, key: files for TLS, empty where the system's are meant
    * warning: that others may read the file; empty where none may
    """

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    jwt: str = field(default="", repr=False)
    seed: str = field(default="", repr=False)
    ca: str = ""
    certificate: str = ""
    key: str = ""
    warning: str = ""

    @property
    def inbox(self) -> str:
        """Return what the subjects begin with on which the answers to this user come."""
        name = self.user or _name_in(self.jwt)
        return f"{INBOX}.{name}" if _FIT.fullmatch(name) else INBOX


def nats_login(env: Mapping[str, str], home: Path) -> NatsLogin:
    """Return how to log in to NATS; raises CredentialsError where the file cannot be used."""
    if not (named := env.get(VARIABLE)):
        return NatsLogin()
    path = path_of(named, home)
    text, warning = _text(path)
    if found := _CREDS.search(text):
        return NatsLogin(jwt=found[1], seed=found[2], warning=warning)
    try:
        facts = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):  # its message may quote the line with the password
        raise CredentialsError(f"{_WHAT} {path} is no TOML file", hint=_HINT) from None
    is_whole = (
        set(facts) - {"ca", "certificate", "key"} in _LOGINS and set(facts) & {"certificate", "key"} in _TLS
    )
    if not is_whole or not all(
        isinstance(fact, str) and fact and "\0" not in fact for fact in facts.values()
    ):
        raise CredentialsError(f"{_WHAT} {path} does not hold what it should", hint=_HINT)
    facts |= {name: str(path.parent / path_of(facts[name], home)) for name in _FILES if name in facts}
    creds = Path(facts.pop("creds", ""))
    login = NatsLogin(**facts, warning=warning)
    return login if creds == Path() else _with(creds, login)


def _with(creds: Path, login: NatsLogin) -> NatsLogin:
    """Return a login with the user of a .creds file."""
    text, warning = _text(creds)
    if not (found := _CREDS.search(text)):
        raise CredentialsError(f"{_WHAT} {creds} is no .creds file", hint="name one that `nsc` wrote")
    return replace(login, jwt=found[1], seed=found[2], warning=login.warning or warning)


def _text(path: Path) -> tuple[str, str]:
    if (found := kept(path, _WHAT)) is None:
        raise CredentialsError(f"{_WHAT} {path} does not exist", hint=f"correct {VARIABLE}")
    return found


def _name_in(jwt: str) -> str:
    """Return the name of the user in a JWT; empty where it states none."""
    _, _, rest = jwt.partition(".")
    part, _, _ = rest.partition(".")
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return ""
    name = claims.get("name") if isinstance(claims, dict) else ""
    return name if isinstance(name, str) else ""
