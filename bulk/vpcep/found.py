"""Credentials as they were found, and the rules for every text that may be one."""

import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b

from bulk.errors import CredentialsError
from bulk.model import value
from bulk.vpcep.keys import KeyPair, Secret
from bulk.vpcep.logins import AssumedRole, Login, Role, Source

# Whatever is not printable ASCII, and of that blanks and quotes.
_IN_NO_KEY = re.compile(r"""[^!-~]|["'`]""")
ROLE_S = range(900, 86_401)
"""How long temporary keys may live, in seconds."""
ROLE_S_USUAL = 3600
"""How long they live where nobody says; they are renewed."""


@value
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
    project_name: str = ""
    """The project of a region by its name, where no id was named; empty for the one named like the region."""
    region: str = ""
    """The region of rows that name none; empty where none was named."""
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
    is_implicit: bool = False
    """Whether nobody named the place, in which they are looked for where no variable is set."""

    @property
    def base(self) -> Secret | Login:
        """Return what was found, or what assumes an agency."""
        return self.source.base if isinstance(self.source, AssumedRole) else self.source

    def owned_by(self, account: str) -> "Found":
        """Return the same with the account that is named beside it, by id or name; empty names none."""
        return replace(self, account=account, domain=account) if account else self


def keys(given: Mapping[str, str], names: tuple[str, str, str], *, place: str) -> Found | None:
    """Return the key pair under the names of its AK, SK and security token; None where none is set."""
    ak, sk, token = (sendable(given.get(name, ""), name, place) for name in names)
    all_or_none(given, names[:2], place, is_begun=bool(token))
    if not ak:
        return None
    return Found(
        source=KeyPair(ak=ak, sk=sk, security_token=token),
        place=place,
        account=f"ak-{ak[16:][-4:]}-{digest(ak)}",  # the end of a key of 20, by which its owner knows it
    )


def role_in(given: Mapping[str, str], names: tuple[str, str, str, str], place: str) -> Role | None:
    """Return the agency to be assumed, by the names of its name, account (name or id) and duration.

    None where none of them is set; raises CredentialsError where they say no agency.
    """
    agency, domain, domain_id, duration = (text(given.get(name, ""), name, place) for name in names)
    if not (agency or domain or domain_id or duration):
        return None
    if not agency or not (domain or domain_id):
        missing = f"{names[1]} or {names[2]}" if agency else names[0]
        raise CredentialsError(
            f"the agency in {place} is incomplete: {missing} not set",
            hint=f"set {names[0]} with {names[1]}, or with {names[2]}, or none of them",
        )
    return Role(
        agency=agency,
        domain="" if domain_id else domain,
        domain_id=domain_id,
        duration_s=seconds(duration, names[3], place) if duration else ROLE_S_USUAL,
    )


def assuming(found: Found, role: Role | None) -> Found:
    """Return the credentials with which what was found assumes an agency; the same where there is no role."""
    if role is None:
        return found
    if isinstance(found.source, AssumedRole):
        raise CredentialsError(
            f"the credentials in {found.place} name an agency, and so do variables HW_ASSUME_ROLE_...",
            hint="name one only",
        )
    account = role.domain_id or role.domain
    return replace(
        found,
        source=AssumedRole(base=found.source, role=role),
        place=f"{found.place}, as agency {role.agency} of {account}",
        account=account,
        domain=account,
    )


def all_or_none(
    given: Mapping[str, str], names: tuple[str, ...], place: str, *, is_begun: bool = False
) -> None:
    """Raise CredentialsError where some of the names are set and others not; once begun, where any is not."""
    missing = [name for name in names if not given.get(name)]
    beside = "".join(f", beside {name}" for name in names if given.get(name))
    if missing and (is_begun or len(missing) < len(names)):
        raise CredentialsError(
            f"the credentials in {place} are incomplete: {' and '.join(missing)} not set{beside}",
            hint=f"set {', '.join(names)} together, or none of them",
        )


def one_of(given: Mapping[str, str], *names: str) -> str:
    """Return what variables of one meaning are set to; empty where none is.

    Raises CredentialsError where they are set to different things: another account or project may be meant.
    """
    if len({given[name] for name in names if name in given}) > 1:
        raise _meaning_two(given, names, "differ")
    return next((given[name] for name in names if name in given), "")


def only_one(given: Mapping[str, str], *names: str) -> None:
    """Raise CredentialsError where more than one of the names is set, whose values cannot be compared."""
    if sum(name in given for name in names) > 1:
        raise _meaning_two(given, names, "are both set")


def _meaning_two(given: Mapping[str, str], names: tuple[str, ...], why: str) -> CredentialsError:
    named = [name for name in names if name in given]
    return CredentialsError(
        f"{' and '.join(named)} {why}, and may mean two",
        hint=f"begin the command with {' or '.join(f'`env -u {name}`' for name in named)}",
    )


def sendable(given: str, name: str, place: str) -> str:
    """Return a text that can be a key or a token; raises for others, since bad signatures lock a key."""
    if found := _IN_NO_KEY.search(given):
        what = {"'": "a quote", '"': "a quote", " ": "a blank", "\n": "a line end", "\r": "a line end"}
        raise CredentialsError(
            f"{name} in {place} has {what.get(found[0], 'a character')} in it, which no key contains",
            hint="copy it again, without blanks, line ends and quotes",
        )
    return given


def text(given: str, name: str, place: str) -> str:
    """Return a text that may stand in a body."""
    if not any("\ud800" <= char <= "\udfff" for char in given):  # a byte that the environment has as no UTF-8
        return given
    raise CredentialsError(f"{name} in {place} is not UTF-8", hint="set it again, in a UTF-8 locale")


def seconds(given: str, name: str, place: str) -> int:
    """Return how long temporary keys shall live."""
    if re.fullmatch(r"[0-9]{1,5}", given) and int(given) in ROLE_S:
        return int(given)
    raise CredentialsError(
        f"{name} in {place} is no number of seconds from {ROLE_S.start} to {ROLE_S.stop - 1}",
        hint="write 3600, for example",
    )


def digest(secret: str) -> str:
    """Return what tells secrets apart and shows nothing of them."""
    return blake2b(secret.encode(errors="replace"), digest_size=6).hexdigest()
