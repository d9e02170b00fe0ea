"""What other tools would be told by a variable is not passed over."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bulk.errors import CredentialsError
from bulk.vpcep.credentials import find_credentials
from bulk.vpcep.unhonoured import refuse_unhonoured
from tests.unit.test_credentials import SDK, TERRAFORM, TOKEN, USER

BEFORE_KEYS = [
    "HUAWEICLOUD_OIDC_AGENCY_URN",
    "HUAWEICLOUD_OIDC_ID_TOKEN",
    "HUAWEICLOUD_OIDC_PROVIDER_URN",
    "HUAWEICLOUD_OIDC_TOKEN_FILE",
    "HUAWEICLOUD_SDK_IDP_ID",
    "HUAWEICLOUD_SDK_ID_TOKEN_FILE",
    "HW_ASSUME_ROLE_AGENCY_NAME",
    "HW_ASSUME_ROLE_DOMAIN_ID",
    "HW_ASSUME_ROLE_DOMAIN_NAME",
    "HW_ASSUME_ROLE_DURATION",
    "HW_PROFILE",
    "HW_SHARED_CONFIG_FILE",
    "HW_USER_ID",
    "OS_AGENCY_NAME",
    "OS_AGENCY_DOMAIN_NAME",
    "OS_DELEGATED_PROJECT",
]
LAST = [
    "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "HC_CONTAINER_CREDENTIALS_FULL_URI",
    "OS_ACCESS_KEY",
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_AUTH_TOKEN",
    "OS_CLOUD",
    "OS_PASSWORD",
    "OS_USERNAME",
    "OS_USER_ID",
]


def check(env: Mapping[str, str], home: Path, *, project_id: str = "") -> None:
    """Look for credentials and for variables that may mean others."""
    found = find_credentials(env=env, home=home)
    refuse_unhonoured(env, found, region="cn-north-4", project_id=project_id)


@pytest.mark.parametrize(
    "keys", [SDK, TOKEN, TERRAFORM, USER, {}], ids=["sdk", "token", "tf", "user", "none"]
)
@pytest.mark.parametrize("name", BEFORE_KEYS)
def test_what_goes_before_keys_elsewhere_is_refused_by_name(
    tmp_path: Path, name: str, keys: Mapping[str, str]
) -> None:
    """Whatever was found; the hint has a command that works, and another way."""
    with pytest.raises(CredentialsError, match=f"^{name} is set") as raised:
        check({**keys, name: "hidden"}, tmp_path)
    assert f"`env -u {name}`" in raised.value.hint
    assert "--profile" in raised.value.hint
    assert "hidden" not in raised.value.message


@pytest.mark.parametrize("name", LAST)
def test_what_may_be_there_for_other_tools_is_refused_where_nothing_else_is(
    tmp_path: Path, name: str
) -> None:
    """Else the server's agency would be used in its stead; keys that were found decide."""
    with pytest.raises(CredentialsError, match=f"^{name} is set"):
        check({name: "hidden"}, tmp_path)
    for keys in (SDK, TOKEN, TERRAFORM, USER):
        check({**keys, name: "hidden"}, tmp_path)
    check({name: ""}, tmp_path)


@pytest.mark.parametrize(
    ("name", "same", "other"),
    [
        ("HW_REGION_NAME", "cn-north-4", "cn-north-1"),
        ("HW_PROJECT_NAME", "cn-north-4", "cn-north-4_dev"),
    ],
)
def test_a_place_may_be_named_that_is_the_one_anyway(
    tmp_path: Path, name: str, same: str, other: str
) -> None:
    """Another one is refused."""
    check({**TERRAFORM, name: same}, tmp_path)
    with pytest.raises(CredentialsError, match=f"^{name} is '{other}' where this is '{same}'"):
        check({**TERRAFORM, name: other}, tmp_path)


def test_a_project_that_is_named_by_its_id_goes_before_a_name(tmp_path: Path) -> None:
    """As it does with Terraform."""
    check({**TERRAFORM, "HW_PROJECT_NAME": "cn-north-4_dev"}, tmp_path, project_id="77")


def test_the_account_of_a_user_has_to_be_named_by_its_name(tmp_path: Path) -> None:
    """Its id beside it may be of another account; for keys it only names what shares a rate."""
    check({**TERRAFORM, "HW_DOMAIN_ID": "d7"}, tmp_path)
    with pytest.raises(CredentialsError, match=r"^HW_DOMAIN_ID is set"):
        check({**USER, "HW_DOMAIN_ID": "d7"}, tmp_path)


def test_all_are_named_at_once(tmp_path: Path) -> None:
    """In one command that works."""
    with pytest.raises(CredentialsError, match=r"^HW_PROFILE is .*; HW_REGION_NAME is ") as raised:
        check({**SDK, "HW_REGION_NAME": "cn-north-1", "HW_PROFILE": "a"}, tmp_path)
    assert "`env -u HW_PROFILE -u HW_REGION_NAME`" in raised.value.hint
