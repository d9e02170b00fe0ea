"""Whom credentials may be sent to, whatever is named together."""

from itertools import product

import pytest

from bulk.errors import CredentialsError, UsageError
from bulk.vpcep.addresses import Addresses, addresses_of, needs_a_word
from bulk.vpcep.editions import EDITIONS, edition_of, operator_of
from bulk.vpcep.found import Found
from bulk.vpcep.keys import KeyPair
from bulk.vpcep.logins import Password
from bulk.vpcep.regions import must_be_named

OTC = "otc.t-systems.com"
STS = "https://sts.cn-north-4.myhuaweicloud.com"
PASSWORD = Password(user="ann", password="hidden", domain="acme")
KEYS = KeyPair(ak="AK", sk="SK")


def where(
    region: str = "cn-north-4",
    *,
    endpoint: str = "",
    env: dict[str, str] | None = None,
    source: Password | KeyPair = PASSWORD,
    **found: str,
) -> Addresses:
    """Return the addresses for credentials that name these."""
    credentials = Found(source=source, place="the test", account="acme", **found)  # type: ignore[arg-type]
    return addresses_of(credentials, region=region, endpoint=endpoint, env=env or {})


def hosts(addresses: Addresses) -> tuple[str, ...]:
    """Return the hosts of API, IAM and STS, `-` for one that is not known."""
    return tuple(one.host if one else "-" for one in (addresses.api, addresses.iam, addresses.sts))


def test_without_a_word_the_hosts_are_huaweis_own() -> None:
    """Europe's region has its own domain and no STS that is known."""
    assert hosts(where()) == (
        "vpcep.cn-north-4.myhuaweicloud.com",
        "iam.cn-north-4.myhuaweicloud.com",
        "sts.cn-north-4.myhuaweicloud.com",
    )
    europe = where("eu-west-101")
    assert hosts(europe) == ("vpcep.eu-west-101.myhuaweicloud.eu", "iam.eu-west-101.myhuaweicloud.eu", "-")
    assert (europe.remarks, europe.cloud) == ((), "")


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"HW_CLOUD": OTC}, {}),
        ({}, {"cloud": OTC}),
        ({"HW_CLOUD": f" {OTC}"}, {"cloud": OTC}),
        ({"HW_AUTH_URL": f"https://iam.eu-de.{OTC}/v3"}, {}),
        ({}, {"iam_endpoint": f"https://iam.eu-de.{OTC}"}),
    ],
)
def test_a_cloud_is_named_by_a_variable_by_the_credentials_or_by_their_iam(
    env: dict[str, str], found: dict[str, str]
) -> None:
    """Then the table has the region's hosts, which need no further word."""
    addresses = where("eu-de", env=env, **found)
    assert hosts(addresses) == (f"vpcep.eu-de.{OTC}", f"iam.eu-de.{OTC}", "-")
    assert addresses.cloud == OTC
    assert addresses.edition is EDITIONS[OTC]
    assert addresses.api
    assert not must_be_named(addresses.api, addresses.cloud)


def test_a_profile_is_not_added_to_by_a_variable() -> None:
    """It names its cloud itself, or is of Huawei's own."""
    found = Found(source=KEYS, place="the test", account="acme", is_profile=True)
    env = {"HW_CLOUD": OTC}
    assert addresses_of(found, region="cn-north-4", endpoint="", env=env).cloud == ""


def test_an_address_that_a_person_named_has_the_iam_of_its_own_operator() -> None:
    """By its domain and the region; a private one has none."""
    assert hosts(where("eu-de", endpoint=f"https://vpcep.eu-de.{OTC}"))[1] == f"iam.eu-de.{OTC}"
    assert hosts(where("zz-new-1", endpoint="https://vpcep.zz-new-1.myhuaweicloud.com"))[1] == (
        "iam.myhuaweicloud.com"
    )
    for region, endpoint in (
        ("cn-north-4", "https://vpcep.cn-north-4.example.com"),
        ("cn-north-4", "https://vpcep.eu-west-101.myhuaweicloud.eu"),
        ("cn-north-4", f"https://vpcep.eu-de.{OTC}"),
        ("eu-west-101", "https://vpcep.cn-north-4.myhuaweicloud.com"),
        ("eu-de", "https://vpcep.cn-north-4.myhuaweicloud.com"),
        ("cn-north-4", "https://myhuaweicloud.com.example.com"),
        ("cn-north-4", "https://vpcep.notmyhuaweicloud.com"),
        ("cn-north-4", "https://10.0.0.1"),
        ("cn-north-4", "http://127.0.0.1:8080"),
    ):
        assert hosts(where(region, endpoint=endpoint))[1:] == ("-", "-"), endpoint


def test_without_a_region_and_an_api_the_global_iam_is_meant() -> None:
    """It knows the projects of every region; other editions have none."""
    assert hosts(where("")) == ("-", "iam.myhuaweicloud.com", "sts.cn-north-4.myhuaweicloud.com")
    assert hosts(where("", cloud=OTC)) == ("-", "-", "-")


@pytest.mark.parametrize("name", ["HUAWEICLOUD_SDK_IAM_ENDPOINT", "HUAWEICLOUD_SDK_STS_ENDPOINT"])
@pytest.mark.parametrize(
    ("api", "named", "meant"),
    [
        ("http://127.0.0.1:8080", "https://x.example.com", "-"),
        ("http://localhost:8080", "https://iam.cn-north-4.myhuaweicloud.com", "-"),
        ("http://127.0.0.1:8080", "http://127.0.0.2:8081", "127.0.0.2"),
        ("https://vpcep.example.com", "https://x.example.com/", "x.example.com"),
    ],
)
def test_an_api_on_this_machine_has_nothing_elsewhere(name: str, api: str, named: str, meant: str) -> None:
    """Whoever practises has the address of the real one in the environment, perhaps."""
    assert meant in hosts(where(endpoint=api, env={name: named}))[1:]
    assert set(hosts(where(endpoint=api, env={name: named}))[1:]) == {meant, "-"}


@pytest.mark.parametrize(
    ("named", "found", "message"),
    [
        ({"HW_CLOUD": OTC}, {"endpoint": "https://vpcep.cn-north-4.myhuaweicloud.com"}, "^HW_CLOUD is 'otc"),
        ({}, {"cloud": OTC, "endpoint": "https://10.0.0.1"}, "the cloud of the test is 'otc.*the API at 10"),
        (
            {"HW_CLOUD": OTC},
            {"endpoint": "https://vpcep.eu-ch2.sc.otc.t-systems.com"},
            "the API at vpcep.eu-ch2",
        ),
        ({"HW_CLOUD": "x.example.com"}, {"iam_endpoint": f"https://iam.eu-de.{OTC}"}, "the IAM at iam.eu-de"),
        (
            {"HW_AUTH_URL": "https://iam.cn-north-4.myhuaweicloud.com/v3"},
            {"endpoint": f"https://vpcep.eu-de.{OTC}"},
            "the API is of Open Telekom Cloud.*the IAM at iam.cn-north-4",
        ),
        (
            {"HUAWEICLOUD_SDK_STS_ENDPOINT": STS, "HW_CLOUD": OTC},
            {},
            "^HW_CLOUD is 'otc.*the STS at sts.cn-north-4.myhuaweicloud.com belongs to another operator",
        ),
        (
            {"HUAWEICLOUD_SDK_STS_ENDPOINT": STS},
            {"endpoint": f"https://vpcep.eu-de.{OTC}"},
            "the API is of Open Telekom Cloud.*the STS at sts.cn-north-4",
        ),
        (
            {"HUAWEICLOUD_SDK_STS_ENDPOINT": STS, "HW_AUTH_URL": f"https://iam.eu-de.{OTC}/v3"},
            {"endpoint": "https://vpcep.example.com"},
            "IAM is of Open Telekom Cloud.*the STS at sts.cn-north-4",
        ),
        ({"HW_CLOUD": "myhuaweicloud.com"}, {"cloud": OTC}, "HW_CLOUD is 'myhuaweicloud.com', and the cred"),
    ],
)
def test_names_of_two_operators_are_refused(
    named: dict[str, str], found: dict[str, str], message: str
) -> None:
    """Before anything is sent to either."""
    with pytest.raises(CredentialsError, match=message):
        where("eu-de", env=named, **found)


def test_without_an_api_and_an_iam_that_are_named_sts_is_huaweis_own() -> None:
    """The IAM that is asked for projects of all regions is Huawei's."""
    with pytest.raises(CredentialsError, match="that name no cloud are of Huawei Cloud, and the STS"):
        where("", env={"HUAWEICLOUD_SDK_STS_ENDPOINT": f"https://sts.eu-de.{OTC}"})
    assert hosts(where("", env={"HUAWEICLOUD_SDK_STS_ENDPOINT": STS}))[2] == STS.removeprefix("https://")


@pytest.mark.parametrize(
    ("endpoint", "named", "env", "expected"),
    [
        ("", "", {}, False),
        ("https://vpcep.example.com", "", {}, True),
        ("https://vpcep.example.com", "https://vpcep.example.com:443", {}, False),
        ("", "", {"HUAWEICLOUD_SDK_REGION_VPCEP_CN_NORTH_4": "https://vpcep.example.com"}, False),
        ("https://a.example.com", "", {"HUAWEICLOUD_SDK_REGION_VPCEP_CN_NORTH_4": "https://b.example"}, True),
    ],
)
def test_a_host_is_named_by_a_flag_or_by_the_variable_of_the_region_of_the_credentials(
    endpoint: str, named: str, env: dict[str, str], *, expected: bool
) -> None:
    """Another host, such as one in a job.toml, needs a person's word."""
    found = Found(source=KEYS, place="the test", account="acme", region="cn-north-4")
    places = addresses_of(found, region=found.region, endpoint=endpoint, env=env)
    assert needs_a_word(places, found, named=named, env=env) is expected


def test_a_host_in_no_known_domain_may_be_any_operators() -> None:
    """Whoever named both the API and IAM knows."""
    env = {"HW_AUTH_URL": "https://iam.cn-north-4.myhuaweicloud.com/v3"}
    assert hosts(where(endpoint="https://gateway.example.com", env=env))[1] == (
        "iam.cn-north-4.myhuaweicloud.com"
    )
    stack = where("north-1", cloud="x.example.com", iam_endpoint="https://iam-apigateway-proxy.example.com")
    assert hosts(stack) == ("vpcep.north-1.x.example.com", "iam-apigateway-proxy.example.com", "-")


def test_what_is_not_sure_of_a_host_is_said() -> None:
    """A region that two editions have, and keys where only tokens are known to work."""
    [remark] = where("eu-west-0").remarks
    assert "set HW_CLOUD=prod-cloud-ocb.orange-business.com" in remark
    assert where("eu-west-0", cloud="prod-cloud-ocb.orange-business.com").remarks == ()
    [remark] = where("eu-de", cloud=OTC, source=KEYS).remarks
    assert "takes requests signed with an access key" in remark
    assert where("eu-de", cloud=OTC).remarks == ()
    for region, cloud in (("ae-ad-1", "g42cloud.com"), ("north-1", "cloud.example.com")):
        [remark] = where(region, cloud=cloud).remarks
        assert remark.startswith(f"no document names the host vpcep.{region}.{cloud}: ")
    assert where("eu-west-0", endpoint="https://10.0.0.1").remarks == ()


ENDPOINTS = (
    "",
    "https://vpcep.cn-north-4.myhuaweicloud.com",
    f"https://vpcep.eu-de.{OTC}",
    "https://vpcep.eu-ch2.sc.otc.t-systems.com",
    "https://vpcep.example.com",
    "http://127.0.0.1:8080",
)
REGIONS = ("cn-north-4", "eu-de", "eu-ch2", "eu-west-101", "eu-west-0", "")
CLOUDS = ("", *EDITIONS, "cloud.example.com")
IAMS = (
    "",
    "https://iam.cn-north-4.myhuaweicloud.com",
    f"https://iam.eu-de.{OTC}",
    "https://iam.example.com",
    "http://127.0.0.1:8081",
)


def test_no_combination_leads_to_two_operators() -> None:
    """All hosts of one operator, those that a person named in no known domain apart; or a refusal."""
    allowed = 0
    every = product(REGIONS, ENDPOINTS, CLOUDS, CLOUDS, IAMS, ("", STS))
    for region, endpoint, cloud, variable, iam, sts in every:
        env = {"HW_CLOUD": variable, "HUAWEICLOUD_SDK_STS_ENDPOINT": sts}
        try:
            found = where(region, endpoint=endpoint, env=env, cloud=cloud, iam_endpoint=iam)
        except (CredentialsError, UsageError):
            continue
        allowed += 1
        asked = [one for one in (found.api, found.iam, found.sts) if one]
        if found.api and found.api.loopback:
            assert all(one.loopback for one in asked)
            continue
        named = cloud or variable
        operators = {operator_of(one.host) for one in asked} | ({edition_of(named)} if named else set())
        assert len(operators - {None}) <= 1, (region, endpoint, cloud, variable, iam, sts)
        for one in (found.iam, found.sts):
            if one and found.api and str(one) not in {iam, sts}:  # what nobody named
                assert operator_of(one.host) is operator_of(found.api.host)
    assert allowed > 100
