"""The editions of the cloud that have this API: which regions, at which hosts, within which limits.

An edition is named by its cloud, the domain of its hosts, as the variable `HW_CLOUD` of Terraform names it.
Credentials of one edition are worth nothing in another, and go to no host of it.
Source: API.md, sections 5 and 8.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from bulk.errors import UsageError
from bulk.model import value

HUAWEI_CLOUD = "myhuaweicloud.com"
EUROPE = "myhuaweicloud.eu"

WITH_IAM = frozenset({
    "cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-north-12", "cn-east-2", "cn-east-3",
    "cn-east-4", "cn-east-5", "cn-south-1", "cn-south-2", "cn-southwest-2", "ap-southeast-1",
    "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "af-south-1", "la-north-2", "la-south-2",
    "na-mexico-1", "sa-brazil-1", "tr-west-1", "me-east-1", "ae-ad-1", "my-kualalumpur-1",
    "ru-moscow-1", "eu-west-0",
})  # fmt: skip
"""Regions of Huawei Cloud with an IAM of their own; the others are served by its global IAM."""

WITHOUT_IAM = frozenset({
    "cn-south-4", "cn-north-11", "cn-southwest-3", "ap-southeast-5", "af-north-1", "ru-northwest-2",
})  # fmt: skip

WITH_STS = frozenset({
    "cn-north-4", "cn-south-1", "cn-east-3", "cn-southwest-2", "ap-southeast-1", "ap-southeast-2",
    "ap-southeast-3", "ap-southeast-4", "sa-brazil-1", "la-south-2", "af-south-1", "tr-west-1",
})  # fmt: skip
"""Regions of Huawei Cloud with an STS of their own; for others the official SDK asks that of cn-north-4."""

_DOMAIN = re.compile(r"(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z0-9-]{2,63}(?<!-)")


@value
class Edition:
    """One edition of the cloud."""

    name: str
    cloud: str
    """The domain of its hosts."""
    regions: frozenset[str]
    iam_label: str = "iam"
    """What the name of its IAM begins with; empty where no pattern is known."""
    is_documented: bool = True
    """Whether a page names the host of its API; otherwise the host is known by pattern only."""
    proves_keys: bool = True
    """Whether its API is known to take the signature that is made here; tokens it takes surely."""
    takes_udp: bool = True
    description_chars_max: int = 512
    name_chars_max: int = 16

    def api(self, region: str) -> str:
        """Return the address of the endpoint service in a region; raises UsageError for an unknown one."""
        if self.regions and region not in self.regions:
            raise _unknown(region, self)
        return f"https://vpcep.{region}.{self.cloud}"

    def serves(self, address: str) -> bool:
        """Return whether an address is that of the endpoint service in one of its regions.

        Where none is known, any name may be that of a region.
        """
        region = address.removeprefix("https://vpcep.").removesuffix(f".{self.cloud}")
        is_region = region in self.regions or not (self.regions or "." in region)
        return is_region and address == f"https://vpcep.{region}.{self.cloud}"

    def iam(self, region: str) -> str:
        """Return the address of the IAM that knows a region; empty where none is known.

        Huawei Cloud has a global one, which knows new regions as well, and every region where none is named.
        """
        if self.cloud == HUAWEI_CLOUD and region not in WITH_IAM:
            return "" if others_with(region, self) else f"https://iam.{self.cloud}"
        return f"https://{self.iam_label}.{region}.{self.cloud}" if region in self.regions else ""

    def sts(self, region: str) -> str:
        """Return the address of the security token service for a region; empty where none is known."""
        if self.cloud != HUAWEI_CLOUD or (region not in self.regions and others_with(region, self)):
            return ""
        return f"https://sts.{region if region in WITH_STS else 'cn-north-4'}.{self.cloud}"


EDITIONS: Mapping[str, Edition] = MappingProxyType(
    {
        edition.cloud: edition
        for edition in (
            Edition(name="Huawei Cloud", cloud=HUAWEI_CLOUD, regions=WITH_IAM | WITHOUT_IAM),
            Edition(name="Huawei Cloud Europe", cloud=EUROPE, regions=frozenset({"eu-west-101"})),
            Edition(
                name="Open Telekom Cloud",
                cloud="otc.t-systems.com",
                regions=frozenset({"eu-de", "eu-nl"}),
                proves_keys=False,
                takes_udp=False,
                description_chars_max=128,
            ),
            Edition(
                name="Swiss Open Telekom Cloud",
                cloud="sc.otc.t-systems.com",
                regions=frozenset({"eu-ch2"}),
                iam_label="iam-pub",
                is_documented=False,
                proves_keys=False,
                takes_udp=False,
                description_chars_max=128,
            ),
            Edition(
                name="Flexible Engine",
                cloud="prod-cloud-ocb.orange-business.com",
                regions=frozenset({"eu-west-0"}),
            ),
            Edition(
                name="G42 Cloud", cloud="g42cloud.com", regions=frozenset({"ae-ad-1"}), is_documented=False
            ),
            Edition(
                name="Cloud.ru Advanced",
                cloud="hc.sbercloud.ru",
                regions=frozenset({"ru-moscow-1"}),
                is_documented=False,
            ),
        )
    }
)

REGIONS = frozenset().union(*(edition.regions for edition in EDITIONS.values()))


def edition_of(cloud: str) -> Edition:
    """Return the edition of a cloud; one that is in no table is a Huawei Cloud Stack of that domain.

    Raises UsageError for what is no domain, and for one that is nearly that of the table: a slip would send
    credentials to a stranger.
    """
    if known := EDITIONS.get(cloud):
        return known
    if not _DOMAIN.fullmatch(cloud):
        raise UsageError(f"{cloud!r} is not the domain of a cloud", hint=f"write one, such as {HUAWEI_CLOUD}")
    if near := get_close_matches(cloud, EDITIONS, n=1, cutoff=0.85):
        raise UsageError(f"cloud {cloud!r} is not known", hint=f"did you mean {near[0]}?")
    return Edition(
        name="Huawei Cloud Stack",
        cloud=cloud,
        regions=frozenset(),
        iam_label="",
        is_documented=False,
        name_chars_max=64,
    )


def home_of(region: str) -> Edition:
    """Return the edition of credentials that name no cloud: of Huawei's own two the one that has the region.

    Another operator's is never guessed, though no other has the region.
    """
    return EDITIONS[EUROPE if region in EDITIONS[EUROPE].regions else HUAWEI_CLOUD]


def operator_of(host: str) -> Edition | None:
    """Return the edition of the table in whose domain a host is; None where it is in none."""
    within = (edition for edition in EDITIONS.values() if is_within(host, edition.cloud))
    return max(within, key=lambda edition: len(edition.cloud), default=None)


def is_within(host: str, cloud: str) -> bool:
    """Return whether a host is in the domain of a cloud, whose owner says who answers there."""
    return host.endswith(f".{cloud}")


def others_with(region: str, edition: Edition) -> list[Edition]:
    """Return the editions besides one that have a region of this name."""
    return [one for one in EDITIONS.values() if region in one.regions and one is not edition]


def _unknown(region: str, edition: Edition) -> UsageError:
    """Return the error that names the edition which has the region, or the region that was meant."""
    for other in others_with(region, edition):
        return UsageError(
            f"region {region!r} is of {other.name}; credentials that name no cloud, or {edition.cloud}, "
            f"are of {edition.name}",
            hint=f"where they are of {other.name}, set HW_CLOUD={other.cloud}, or `cloud` in their profile",
        )
    near = get_close_matches(region, sorted(REGIONS), n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return UsageError(
        f"region {region!r} is not known", hint=f"{guess}a new region needs its address: --endpoint"
    )
