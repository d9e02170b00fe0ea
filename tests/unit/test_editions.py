"""The table of editions: where each region answers, and to whom it belongs."""

import pytest

from bulk.errors import UsageError
from bulk.vpcep.editions import (
    EDITIONS,
    EUROPE,
    HUAWEI_CLOUD,
    WITH_IAM,
    WITHOUT_IAM,
    Edition,
    edition_of,
    home_of,
    operator_of,
)
from bulk.vpcep.regions import must_be_named, parse_endpoint
from tests.documents import API, coded, rows, section

OTC = "otc.t-systems.com"


def test_huawei_has_34_regions_of_which_27_have_an_iam() -> None:
    """The two columns of API.md, section 5, which are the tables of the official SDK."""
    with_iam, without = (set(cell.split(", ")) for cell in rows(section(API, "5"))[-1])
    assert (len(with_iam), len(without)) == (27, 7)
    assert (with_iam, without) == (WITH_IAM, WITHOUT_IAM | EDITIONS[EUROPE].regions)


def test_the_document_has_every_edition_with_its_hosts_and_limits() -> None:
    """The table of API.md, section 8: cloud, regions, hosts, and whether a host is known by pattern only."""
    documented = {coded(row[0])[0]: row for row in rows(section(API, "8"))[1:] if coded(row[0])}
    assert set(documented) == {*EDITIONS, "{cloud}"}
    for cloud, edition in EDITIONS.items():
        _, regions, vpcep, iam, _ = documented[cloud]
        if cloud != HUAWEI_CLOUD:
            assert set(coded(regions)) == edition.regions
        region = min(edition.regions & WITH_IAM or edition.regions)
        assert edition.api(region) == f"https://{coded(vpcep)[0].format(region=region)}"
        assert edition.iam(region) == f"https://{coded(iam)[0].format(region=region)}"
        assert edition.is_documented is ("by pattern" not in vpcep)


@pytest.mark.parametrize("edition", EDITIONS.values(), ids=EDITIONS)
def test_an_edition_serves_its_own_addresses_and_those_of_no_other(edition: Edition) -> None:
    """They need no word where the credentials are of this cloud, and one where they are of another."""
    for other in EDITIONS.values():
        for region in other.regions:
            assert edition.serves(other.api(region)) is (other is edition)
            assert must_be_named(parse_endpoint(other.api(region)), edition.cloud) is (other is not edition)
            assert operator_of(parse_endpoint(other.api(region)).host) is other


def test_iam_and_sts_are_those_of_the_operator_or_none() -> None:
    """Huawei Cloud's global IAM knows the regions without one, new ones, and all together."""
    huawei = EDITIONS[HUAWEI_CLOUD]
    assert huawei.iam("cn-north-4") == "https://iam.cn-north-4.myhuaweicloud.com"
    assert {huawei.iam(region) for region in ("cn-south-4", "zz-new-1", "")} == {
        "https://iam.myhuaweicloud.com"
    }
    assert huawei.sts("cn-south-1") == "https://sts.cn-south-1.myhuaweicloud.com"
    assert {huawei.sts(region) for region in ("cn-south-2", "zz-new-1")} == {
        "https://sts.cn-north-4.myhuaweicloud.com"
    }
    for region in ("eu-de", "eu-west-101"):
        assert huawei.iam(region) == huawei.sts(region) == ""
    for cloud in {*EDITIONS} - {HUAWEI_CLOUD}:
        assert EDITIONS[cloud].iam("cn-north-4") == EDITIONS[cloud].iam("") == ""
        assert all(EDITIONS[cloud].sts(region) == "" for region in EDITIONS[cloud].regions)


def test_credentials_that_name_no_cloud_are_of_huaweis_own_editions() -> None:
    """Which of the two, the region says; no region makes them those of another operator."""
    assert home_of("eu-west-101") is EDITIONS[EUROPE]
    assert {home_of(region).cloud for region in ("cn-north-4", "eu-de", "zz", "")} == {HUAWEI_CLOUD}


def test_a_region_of_another_edition_is_refused_with_the_way_to_name_it() -> None:
    """Nothing is sent to a host that the credentials are perhaps not of."""
    with pytest.raises(UsageError, match="region 'eu-de' is of Open Telekom Cloud") as raised:
        EDITIONS[HUAWEI_CLOUD].api("eu-de")
    assert "HW_CLOUD=otc.t-systems.com" in raised.value.hint
    with pytest.raises(UsageError, match="region 'cn-north-4' is of Huawei Cloud;"):
        EDITIONS[OTC].api("cn-north-4")
    with pytest.raises(UsageError, match="region 'eu-dr' is not known") as raised:
        EDITIONS[OTC].api("eu-dr")
    assert "did you mean eu-de?" in raised.value.hint


def test_a_cloud_that_is_in_no_table_is_a_stack_of_its_own() -> None:
    """Its regions are not known, nor its IAM; its API is known by pattern."""
    stack = edition_of("cloud.example.com")
    assert stack.api("north-1") == "https://vpcep.north-1.cloud.example.com"
    assert (stack.iam("north-1"), stack.sts("north-1")) == ("", "")
    assert not stack.is_documented
    assert stack.serves("https://vpcep.north-1.cloud.example.com")
    for address in ("https://vpcep.a.b.cloud.example.com", "https://vpcep.north-1.cloud.example.com:8443"):
        assert not stack.serves(address)
    assert operator_of("vpcep.north-1.cloud.example.com") is None


@pytest.mark.parametrize(
    ("cloud", "hint"),
    [
        ("myhuaweiclould.com", "did you mean myhuaweicloud.com?"),
        ("otc.t-system.com", f"did you mean {OTC}?"),
        ("https://otc.t-systems.com", "write one, such as myhuaweicloud.com"),
        ("otc", "write one, such as myhuaweicloud.com"),
        ("a..b", "write one, such as myhuaweicloud.com"),
        ("x.com/y", "write one, such as myhuaweicloud.com"),
    ],
)
def test_a_cloud_that_is_none_or_nearly_one_is_refused(cloud: str, hint: str) -> None:
    """A slip of the finger would send credentials to a stranger's domain."""
    with pytest.raises(UsageError) as raised:
        edition_of(cloud)
    assert raised.value.hint == hint


def test_a_domain_within_a_domain_is_the_nearer_ones() -> None:
    """The Swiss edition is a part of the other's domain; what only looks like it is nobody's."""
    assert operator_of("iam-pub.eu-ch2.sc.otc.t-systems.com") is EDITIONS["sc.otc.t-systems.com"]
    assert operator_of("iam.eu-de.otc.t-systems.com") is EDITIONS[OTC]
    for host in ("notmyhuaweicloud.com", "myhuaweicloud.com.example.com", "127.0.0.1"):
        assert operator_of(host) is None
