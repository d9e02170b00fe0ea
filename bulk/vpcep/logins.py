"""What is exchanged for tokens or temporary keys, and again before these end (API.md, section 4.6)."""

from dataclasses import field
from typing import ClassVar, TypeAlias

from bulk.model import value
from bulk.vpcep.keys import Secret


@value
class Password:
    """An IAM user's password, to be exchanged for tokens."""

    password: str = field(repr=False)
    user: str = ""
    """The user's name; empty where `user_id` names them."""
    user_id: str = ""
    domain: str = ""
    """The name of the account that the user belongs to; empty where an id says so."""
    domain_id: str = ""

    @property
    def confidential(self) -> tuple[str, ...]:
        """Return the texts that nobody may see."""
        return (self.password,)


@value
class OidcAgency:
    """An agency that STS lets the holder of an ID token of an OIDC provider assume."""

    provider_urn: str
    agency_urn: str
    id_token: str = field(default="", repr=False)
    token_file: str = ""
    """Read anew for each exchange, since its writer renews it; empty where `id_token` is given."""
    session_name: str
    duration_s: int
    policy: str = ""
    policy_ids: tuple[str, ...] = ()

    @property
    def confidential(self) -> tuple[str, ...]:
        """Return the texts that nobody may see."""
        return (self.id_token,) if self.id_token else ()


@value
class IdentityProvider:
    """An identity provider of IAM, whose ID tokens become tokens, and these temporary keys."""

    idp_id: str
    token_file: str

    confidential: ClassVar[tuple[str, ...]] = ()


@value
class PodIdentity:
    """The identity of a container: an address of its node that gives keys for the token in a file."""

    uri: str
    token_file: str

    confidential: ClassVar[tuple[str, ...]] = ()


@value
class Agency:
    """The agency of the cloud server this runs on, whose keys the metadata service gives."""

    confidential: ClassVar[tuple[str, ...]] = ()


@value
class Role:
    """An agency of an account, which other credentials assume."""

    agency: str
    domain: str = ""
    """The name of the account that has the agency; empty where its id is given, by which STS is asked."""
    domain_id: str = ""
    duration_s: int


Login: TypeAlias = Password | OidcAgency | IdentityProvider | PodIdentity | Agency


@value
class AssumedRole:
    """Credentials that assume an agency: what they can do themselves is not used."""

    base: Secret | Login
    role: Role

    @property
    def confidential(self) -> tuple[str, ...]:
        """Return the texts that nobody may see."""
        return self.base.confidential


Source: TypeAlias = Secret | Login | AssumedRole
