"""Whom the credentials of a target may be sent to: the API, IAM and STS of one operator.

What a person named is used, what belongs together is looked up, and what contradicts is refused: nothing is
sent to the host of another operator than the one that the credentials are of.
"""

from collections.abc import Iterator, Mapping

from bulk.errors import CredentialsError
from bulk.model import value
from bulk.vpcep.editions import EDITIONS, HUAWEI_CLOUD, Edition, is_within, operator_of, others_with
from bulk.vpcep.found import Found
from bulk.vpcep.keys import Token
from bulk.vpcep.logins import Password
from bulk.vpcep.regions import (
    Endpoint,
    address_in,
    edition_for,
    endpoint_for,
    guessed,
    iam_named,
    must_be_named,
    parse_endpoint,
)


@value
class Addresses:
    """The servers that get the credentials of a target."""

    region: str
    """Empty where neither the target nor its credentials name one."""
    api: Endpoint | None
    """None where only IAM is asked, for projects of any region."""
    iam: Endpoint | None
    """None where it is not known, and is not guessed."""
    sts: Endpoint | None
    """Likewise of the security token service."""
    edition: Edition | None
    """The edition of the API's host; None where its host is in no domain of the table."""
    cloud: str
    """The cloud that the credentials are of, as far as anything names it."""
    remarks: tuple[str, ...] = ()
    """What a person should know of the API's host."""


def addresses_of(found: Found, *, region: str, endpoint: str, env: Mapping[str, str]) -> Addresses:
    """Return the addresses for the credentials that were found.

    `endpoint` stands in for the region's own address; without region and endpoint there is no API. Raises
    UsageError for an unknown region or an unsafe address, and CredentialsError where the cloud that is named,
    the API and IAM are of different operators.
    """
    iam = iam_named(override=found.iam_endpoint, env=env)
    sts = _sts_named(env)
    cloud, who = _stated(found, env)
    by_iam = operator_of(iam.host) if iam else None
    override = endpoint or found.endpoint
    home = cloud or (by_iam.cloud if by_iam else "")
    api = endpoint_for(region, override=override, env=env, cloud=home) if region or override else None
    if not (api and api.loopback):
        _must_agree(cloud, who, api, iam, sts)
    edition = (operator_of(api.host) if api and not home else None) or edition_for(home, region)
    is_own = api is not None and edition.serves(str(api))
    return Addresses(
        region=region,
        api=api,
        iam=_beside(api, iam) if iam else guessed(edition.iam(region), api),
        sts=_beside(api, sts) if sts else guessed(edition.sts(region), api),
        edition=edition if is_own else None,
        cloud=home,
        remarks=tuple(_remarks(found, edition, region, home)) if is_own else (),
    )


def needs_a_word(where: Addresses, found: Found, *, named: str, env: Mapping[str, str]) -> bool:
    """Return whether a person has yet to name the API's host before it gets the credentials.

    An address in job.toml or in a ledger may be somebody else's word. The person's own are a flag or variable
    (`named`), the variable of the region, and the file of the credentials.
    """
    own = filter(None, (named, found.endpoint, address_in(env, where.region)))
    api = where.api
    return api is not None and must_be_named(api, where.cloud) and api not in map(parse_endpoint, own)


def _stated(found: Found, env: Mapping[str, str]) -> tuple[str, str]:
    """Return the cloud that the credentials or a variable name, and which of these; empty where neither does.

    Raises CredentialsError where they name different ones.
    """
    own, variable = found.cloud, "" if found.is_profile else env.get("HW_CLOUD", "").strip()
    if own and variable and own != variable:
        raise CredentialsError(
            f"HW_CLOUD is {variable!r}, and the credentials in {found.place} are of {own!r}",
            hint="begin the command with `env -u HW_CLOUD`",
        )
    return own or variable, f"the cloud of {found.place}" if own else "HW_CLOUD"


def _must_agree(
    cloud: str, who: str, api: Endpoint | None, iam: Endpoint | None, sts: Endpoint | None
) -> None:
    """Raise CredentialsError where the API, or the IAM or STS that a person named, is of another operator.

    A host in no known domain may be any operator's: the person who named it knows.
    """
    operator, by_iam, by_sts = (operator_of(one.host) if one else None for one in (api, iam, sts))
    if api and cloud and not (is_within(api.host, cloud) and operator in {None, EDITIONS.get(cloud)}):
        raise _contradiction(f"{who} is {cloud!r}", f"the API at {api.authority}")
    whose = (
        (cloud, f"{who} is {cloud!r}"),
        (operator.cloud if operator else "", f"the API is of {operator.name if operator else ''}"),
        (by_iam.cloud if by_iam else "", f"IAM is of {by_iam.name if by_iam else ''}"),
        ("" if api or iam else HUAWEI_CLOUD, "credentials that name no cloud are of Huawei Cloud"),
    )
    theirs, stated = next((one for one in whose if one[0]), ("", ""))
    for name, one, edition in (("IAM", iam, by_iam), ("STS", sts, by_sts)):
        if one and edition and theirs and edition.cloud != theirs:
            raise _contradiction(stated, f"the {name} at {one.authority}")


def _contradiction(stated: str, other: str) -> CredentialsError:
    return CredentialsError(
        f"{stated}, and {other} belongs to another operator; nothing was sent",
        hint="name the cloud, the endpoint, IAM (HUAWEICLOUD_SDK_IAM_ENDPOINT, HW_AUTH_URL) and STS "
        "(HUAWEICLOUD_SDK_STS_ENDPOINT) of one",
    )


def _sts_named(env: Mapping[str, str]) -> Endpoint | None:
    named = env.get("HUAWEICLOUD_SDK_STS_ENDPOINT", "").strip()
    return parse_endpoint(named.rstrip("/")) if named else None


def _beside(api: Endpoint | None, named: Endpoint) -> Endpoint | None:
    """Return an address that a person named; beside an API on this machine, for practice, only one on it."""
    return None if api and api.loopback and not named.loopback else named


def _remarks(found: Found, edition: Edition, region: str, cloud: str) -> Iterator[str]:
    """Yield what a person should know of the host that the table has for a region."""
    is_by_default = edition.cloud == HUAWEI_CLOUD and not cloud
    for other in others_with(region, edition) if is_by_default else ():
        yield (
            f"region {region} is taken to be that of {edition.name}; if the account is of {other.name}, set "
            f"HW_CLOUD={other.cloud}, or `cloud` in its profile"
        )
    if not edition.is_documented:
        host = edition.api(region).partition("//")[2]
        yield f"no document names the host {host}: it is known by pattern only"
    if not edition.proves_keys and not isinstance(found.source, Token | Password):
        yield (
            f"no document says that {edition.name} takes requests signed with an access key; if it refuses "
            "them, use a user's name and password"
        )
