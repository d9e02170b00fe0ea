"""What other tools would be told by a variable is not passed over."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bulk.errors import CredentialsError
from bulk.vpcep.credentials import find_credentials
from bulk.vpcep.unhonoured import refuse_unhonoured
from tests.unit.test_credential_sources import OIDC, POD, ROLE, SDK, TERRAFORM, TOKEN, USER

ALWAYS = [
    "HUAWEICLOUD_OIDC_SOMETHING",
    "HW_ASSUME_ROLE_IDP_ID",
    "HW_ASSUME_ROLE_ID_TOKEN",
    "HW_ASSUME_ROLE_ID_TOKEN_FILE",
    "OS_AGENCY_NAME",
    "OS_AGENCY_DOMAIN_NAME",
    "OS_DELEGATED_PROJECT",
]
LAST = [
    "HC_CONTAINER_SOMETHING",
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_APPLICATION_CREDENTIAL_NAME",
    "OS_APPLICATION_CREDENTIAL_SECRET",
    "OS_TRUST_ID",
]


def check(env: Mapping[str, str], home: Path) -> None:
    """Look for credentials and for variables that may mean others."""
    refuse_unhonoured(env, find_credentials(env=env, home=home))


@pytest.mark.parametrize("keys", [OIDC, SDK, TOKEN, TERRAFORM, USER, SDK | ROLE, POD, {}])
@pytest.mark.parametrize("name", ALWAYS)
def test_what_acts_on_top_of_keys_elsewhere_is_refused_by_name(
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
    for keys in ({}, ROLE):
        with pytest.raises(CredentialsError, match=f"^{name} is set"):
            check({**keys, name: "hidden"}, tmp_path)
    for keys in (SDK, TOKEN, TERRAFORM, USER, POD):
        check({**keys, name: "hidden"}, tmp_path)
    check({name: " "}, tmp_path)


def test_all_are_named_at_once(tmp_path: Path) -> None:
    """In one command that works."""
    with pytest.raises(CredentialsError, match=r"^HW_ASSUME_ROLE_IDP_ID is .*; OS_AGENCY_NAME is ") as raised:
        check({**SDK, "OS_AGENCY_NAME": "a", "HW_ASSUME_ROLE_IDP_ID": "a"}, tmp_path)
    assert "`env -u HW_ASSUME_ROLE_IDP_ID -u OS_AGENCY_NAME`" in raised.value.hint
