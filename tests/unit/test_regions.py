"""Addresses of regions, overrides, and which addresses are safe to use."""

import pytest

from bulk.errors import CredentialsError, UsageError
from bulk.model import Issue
from bulk.settings.forms import ENDPOINT
from bulk.vpcep.editions import EDITIONS, EUROPE, HUAWEI_CLOUD
from bulk.vpcep.regions import endpoint_for, iam_named, must_be_named, parse_endpoint


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


def test_the_iam_that_is_named_is_that_of_the_file_else_that_on_which_the_variables_agree() -> None:
    """Terraform's address ends with the version, which is not part of ours."""
    env = {"HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://sdk.example", "HW_AUTH_URL": "https://tf.example/v3/"}
    assert str(iam_named(override="https://file.example", env=env)) == "https://file.example"
    assert str(iam_named(env=env | {"HW_AUTH_URL": "https://sdk.example/v3"})) == "https://sdk.example"
    assert str(iam_named(env={"HW_AUTH_URL": env["HW_AUTH_URL"]})) == "https://tf.example"
    assert iam_named(env={}) is iam_named(env={"HW_AUTH_URL": " "}) is None
    with pytest.raises(CredentialsError, match=r"^HUAWEICLOUD_SDK_IAM_ENDPOINT and HW_AUTH_URL differ"):
        iam_named(env=env)


@pytest.mark.parametrize("region", sorted(EDITIONS[HUAWEI_CLOUD].regions | EDITIONS[EUROPE].regions))
def test_a_host_of_huaweis_own_editions_needs_no_name(region: str) -> None:
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
        "https://vpcep.eu-de.otc.t-systems.com",
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
