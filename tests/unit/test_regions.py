"""Addresses of regions, overrides, and which addresses are safe to use."""

import pytest

from bulk.errors import UsageError
from bulk.model import Issue
from bulk.settings.forms import ENDPOINT
from bulk.vpcep.regions import (
    REGIONS,
    WITH_IAM,
    endpoint_for,
    iam_endpoint_for,
    must_be_named,
    parse_endpoint,
)
from tests.documents import API, rows, section


def test_there_are_34_regions_of_which_27_have_an_iam() -> None:
    """The two columns of API.md, section 5, which are the tables of the official SDK."""
    with_iam, without = (set(cell.split(", ")) for cell in rows(section(API, "5"))[-1])
    assert (len(with_iam), len(without)) == (27, 7)
    assert (with_iam, with_iam | without) == (WITH_IAM, REGIONS)


@pytest.mark.parametrize("region", sorted(REGIONS - {"eu-west-101"}))
def test_region_is_part_of_its_address(region: str) -> None:
    """All regions but one follow one pattern."""
    assert str(endpoint_for(region)) == f"https://vpcep.{region}.myhuaweicloud.com"


def test_one_region_has_another_domain() -> None:
    """eu-west-101 belongs to another partition of the cloud."""
    assert str(endpoint_for("eu-west-101")) == "https://vpcep.eu-west-101.myhuaweicloud.eu"
    assert (
        str(iam_endpoint_for("eu-west-101", api=endpoint_for("eu-west-101")))
        == "https://iam.eu-west-101.myhuaweicloud.eu"
    )


def test_region_without_an_iam_is_served_by_the_global_one() -> None:
    """Six of the seven such regions."""
    assert (
        str(iam_endpoint_for("cn-south-4", api=endpoint_for("cn-south-4"))) == "https://iam.myhuaweicloud.com"
    )
    assert (
        str(iam_endpoint_for("cn-north-4", api=endpoint_for("cn-north-4")))
        == "https://iam.cn-north-4.myhuaweicloud.com"
    )


def test_unknown_region_is_refused_with_the_nearest_name() -> None:
    """A slip of the finger is recognised."""
    with pytest.raises(UsageError) as raised:
        endpoint_for("cn-nroth-4")
    assert "did you mean cn-north-4?" in raised.value.hint


def test_unknown_region_far_from_all_names_still_has_a_way_out() -> None:
    """A new region needs its address."""
    with pytest.raises(UsageError) as raised:
        endpoint_for("zz")
    assert raised.value.hint == "a new region needs its address: --endpoint"


def test_override_goes_before_the_environment_and_that_before_the_table() -> None:
    """The environment's value may be a list, of which the first counts."""
    env = {"HUAWEICLOUD_SDK_REGION_VPCEP_CN_NORTH_4": " https://b.example/, https://c.example"}
    assert str(endpoint_for("cn-north-4", override="https://a.example", env=env)) == "https://a.example"
    assert str(endpoint_for("cn-north-4", env=env)) == "https://b.example"
    assert str(endpoint_for("zz", override="https://a.example")) == "https://a.example"


def test_iam_override_goes_by_file_then_sdk_then_terraform() -> None:
    """Terraform's address ends with the version, which is not part of ours."""
    api = parse_endpoint("https://vpcep.zz.example")
    env = {"HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://sdk.example", "HW_AUTH_URL": "https://tf.example/v3/"}
    file = iam_endpoint_for("zz", api=api, override="https://file.example", env=env)
    assert str(file) == "https://file.example"
    assert str(iam_endpoint_for("zz", api=api, env=env)) == "https://sdk.example"
    assert (
        str(iam_endpoint_for("zz", api=api, env={"HW_AUTH_URL": env["HW_AUTH_URL"]})) == "https://tf.example"
    )


@pytest.mark.parametrize(
    ("region", "api"),
    [
        ("eu-de", "https://vpcep.eu-de.otc.t-systems.com"),
        ("cn-north-4", "https://vpcep.cn-north-4.example.com"),
        ("cn-north-4", "https://vpcep.eu-west-101.myhuaweicloud.eu"),
        ("eu-west-101", "https://vpcep.cn-north-4.myhuaweicloud.com"),
        ("cn-north-4", "https://myhuaweicloud.com.example.com"),
        ("cn-north-4", "https://vpcep.notmyhuaweicloud.com"),
        ("cn-north-4", "https://10.0.0.1"),
        ("cn-north-4", "http://127.0.0.1:8080"),
    ],
)
def test_the_iam_of_another_operator_is_not_guessed(region: str, api: str) -> None:
    """Only where the API is of the domain that the table has for the region's IAM."""
    assert iam_endpoint_for(region, api=parse_endpoint(api)) is None


def test_a_new_region_of_the_same_operator_has_the_global_iam() -> None:
    """Its address was named; its IAM is in the same domain."""
    iam = iam_endpoint_for("zz-new-1", api=parse_endpoint("https://vpcep.zz-new-1.myhuaweicloud.com"))
    assert str(iam) == "https://iam.myhuaweicloud.com"


@pytest.mark.parametrize(
    ("api", "named", "meant"),
    [
        ("http://127.0.0.1:8080", "https://iam.example.com", "None"),
        ("http://localhost:8080", "https://iam.cn-north-4.myhuaweicloud.com", "None"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("https://vpcep.example.com", "https://iam.example.com", "https://iam.example.com"),
    ],
)
def test_an_api_on_this_machine_has_no_iam_elsewhere(api: str, named: str, meant: str) -> None:
    """Whoever practises has the address of the real one in the environment, perhaps."""
    env = {"HUAWEICLOUD_SDK_IAM_ENDPOINT": named}
    assert str(iam_endpoint_for("cn-north-4", api=parse_endpoint(api), env=env)) == meant
    assert str(iam_endpoint_for("cn-north-4", api=parse_endpoint(api), override=named)) == meant


def test_without_a_region_and_an_api_the_global_iam_is_meant() -> None:
    """It knows the projects of every region."""
    assert str(iam_endpoint_for("", api=None)) == "https://iam.myhuaweicloud.com"


@pytest.mark.parametrize("region", sorted(REGIONS))
def test_a_host_of_the_table_needs_no_name(region: str) -> None:
    """Nor does this machine itself."""
    assert not must_be_named(endpoint_for(region))
    assert not must_be_named(parse_endpoint("http://127.0.0.1:8080"))


@pytest.mark.parametrize(
    "address",
    [
        "https://vpcep.cn-north-4.myhuaweicloud.com:8443",
        "https://vpcep.cn-north-4.myhuaweicloud.com.example.com",
        "https://vpcep.cn-north-5.myhuaweicloud.com",
        "https://iam.cn-north-4.myhuaweicloud.com",
        "https://vpcep-cn-north-4.myhuaweicloud.com",
        "https://10.0.0.1",
    ],
)
def test_every_other_host_has_to_be_named(address: str) -> None:
    """However much it looks like one of the table."""
    assert must_be_named(parse_endpoint(address))


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hidden@a.example",
        "https://user:hidden@a.example:port",
        "https://user:hid/den@a.example",
        "https://user:hid@den@a.example",
        "https://user:hidden@a\u2100b.example",
        "https://user:hidden@[::1",
        "user:hidden@a.example",
        "ftp://:hidden@a.example",
    ],
)
def test_a_password_in_an_address_is_in_no_message(address: str) -> None:
    """However the address is broken."""
    with pytest.raises(UsageError) as raised:
        parse_endpoint(address)
    assert "hid" not in raised.value.message + raised.value.hint
    assert raised.value.__cause__ is None
    issue = ENDPOINT.read(address)
    assert isinstance(issue, Issue)
    assert "hid" not in f"{issue.message} {issue.hint}"


@pytest.mark.parametrize(
    ("address", "shown", "loopback"),
    [
        ("https://A.Example:443/", "https://a.example", False),
        ("https://a.example:8443", "https://a.example:8443", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("http://localhost:80", "http://localhost", True),
        ("http://[::1]:8080/", "http://[::1]:8080", True),
        ("https://10.0.0.1", "https://10.0.0.1", False),
    ],
)
def test_address_is_normalised(address: str, shown: str, loopback: bool) -> None:  # noqa: FBT001 - a column
    """Case, a port that goes without saying and a slash at the end say nothing."""
    endpoint = parse_endpoint(address)
    assert (str(endpoint), endpoint.loopback) == (shown, loopback)
    assert endpoint.authority == shown.partition("://")[2]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a.example",
        "ftp://a.example",
        "https://",
        "https://a..example",
        "https://exa mple",
        "https://-a.example",
        "https://a.example/v1",
        "https://a.example?x=1",
        "https://a.example#x",
        "https://user:pass@a.example",
        "https://a.example:port",
        "https://a.example:99999",
        "https://[::1",
        "http://a.example",
        "http://10.0.0.1:8080",
        "http://127.0.0.1.example",
    ],
)
def test_unsafe_or_broken_address_is_refused(address: str) -> None:
    """Plain http leaves this machine never, and an address is nothing but a host and a port."""
    with pytest.raises(UsageError) as raised:
        parse_endpoint(address)
    assert "https://host" in raised.value.hint
    assert "pass" not in raised.value.message.replace("port", "")
