"""Each place of credentials: what it needs, what it gives, and what is said of one that is of no use."""

import os
from itertools import combinations
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.errors import CredentialsError
from bulk.vpcep.credentials import find_credentials, passed_over
from bulk.vpcep.found import Found
from bulk.vpcep.keys import KeyPair, Token
from bulk.vpcep.logins import (
    Agency,
    AssumedRole,
    IdentityProvider,
    OidcAgency,
    Password,
    PodIdentity,
    Role,
)
from bulk.vpcep.unhonoured import refuse_unhonoured

AK = "AKKOOCLI000000000001"
OIDC = {
    "HUAWEICLOUD_OIDC_PROVIDER_URN": "iam::d7:oidcProvider:idp",
    "HUAWEICLOUD_OIDC_AGENCY_URN": "iam::d7:agency:ops",
    "HUAWEICLOUD_OIDC_TOKEN_FILE": "/run/token",
}
IDP = {"HUAWEICLOUD_SDK_IDP_ID": "idp", "HUAWEICLOUD_SDK_ID_TOKEN_FILE": "/run/token"}
SDK = {"HUAWEICLOUD_SDK_AK": "AK1", "HUAWEICLOUD_SDK_SK": "SK1"}
TOKEN = {"HW_AUTH_TOKEN": "MII"}
TERRAFORM = {"HW_ACCESS_KEY": "AK2", "HW_SECRET_KEY": "SK2"}
USER = {"HW_USER_NAME": "user", "HW_USER_PASSWORD": "hidden", "HW_DOMAIN_NAME": "acme"}
AUTH = {"OS_AUTH_URL": "https://iam.eu-de.otc.t-systems.com/v3"}
OS_TOKEN = {"OS_TOKEN": "MIJ", **AUTH}
OS_KEYS = {"OS_ACCESS_KEY": "AK3", "OS_SECRET_KEY": "SK3", **AUTH}
OS_USER = {"OS_USERNAME": "ann", "OS_PASSWORD": "hidden", "OS_USER_DOMAIN_NAME": "otc", **AUTH}
POD = {
    "HC_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
    "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/run/token",
}
ROLE = {"HW_ASSUME_ROLE_AGENCY_NAME": "ops", "HW_ASSUME_ROLE_DOMAIN_NAME": "acme"}


def kept(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Write a file that its owner alone may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def koocli(home: Path, *profiles: dict[str, Any], current: str = "default") -> Path:
    """Write KooCLI's file."""
    return kept(home / ".hcloud/config.json", orjson.dumps({"current": current, "profiles": list(profiles)}))


def profile(name: str = "default", **members: Any) -> dict[str, Any]:
    """Return a profile of KooCLI with keys."""
    return {"name": name, "mode": "AKSK", "accessKeyId": AK, "secretAccessKey": "SKK", **members}


def clouds(home: Path, text: str) -> Path:
    """Write `clouds.yaml`."""
    return kept(home / ".config/openstack/clouds.yaml", text)


ENTRY = """clouds:
  mine:
    auth:
      auth_url: https://iam.eu-de.otc.t-systems.com/v3
      username: ann
      password: hidden
      user_domain_name: otc
      project_name: eu-de_dev
    region_name: eu-de
"""


def find(env: dict[str, str], home: Path) -> Found:
    """Return the credentials, where no variable means others."""
    found = find_credentials(env=env, home=home)
    refuse_unhonoured(env, found)
    return found


def test_every_place_goes_before_those_that_are_documented_behind_it(tmp_path: Path) -> None:
    """Each one taken away brings the next."""
    koocli(tmp_path, profile(), profile("named", accessKeyId="AKKOOCLI000000000002"))
    kept(tmp_path / ".huaweicloud/credentials", "[basic]\nak = AKB\nsk = SKB\n")
    clouds(tmp_path, ENTRY)
    order: list[tuple[dict[str, str], object]] = [
        (
            OIDC,
            OidcAgency(
                provider_urn=OIDC["HUAWEICLOUD_OIDC_PROVIDER_URN"],
                agency_urn=OIDC["HUAWEICLOUD_OIDC_AGENCY_URN"],
                token_file="/run/token",
                session_name="oidc-sts-session",
                duration_s=3600,
            ),
        ),
        (IDP, IdentityProvider(idp_id="idp", token_file="/run/token")),
        (SDK, KeyPair(ak="AK1", sk="SK1")),
        (TOKEN, Token(value="MII")),
        ({"HW_PROFILE": "named"}, KeyPair(ak="AKKOOCLI000000000002", sk="SKK")),
        (TERRAFORM, KeyPair(ak="AK2", sk="SK2")),
        (USER, Password(user="user", password="hidden", domain="acme")),
        ({}, KeyPair(ak="AKB", sk="SKB")),
        ({"OS_CLOUD": "mine"}, Password(user="ann", password="hidden", domain="otc")),
        ({"OS_TOKEN": "MIJ"}, Token(value="MIJ")),
        ({"OS_ACCESS_KEY": "AK3", "OS_SECRET_KEY": "SK3"}, KeyPair(ak="AK3", sk="SK3")),
        (
            {name: OS_USER[name] for name in OS_USER if name not in AUTH},
            Password(user="ann", password="hidden", domain="otc"),
        ),
        ({}, KeyPair(ak=AK, sk="SKK")),
        (POD, PodIdentity(uri=POD["HC_CONTAINER_CREDENTIALS_FULL_URI"], token_file="/run/token")),
        ({}, Agency()),
    ]
    env = dict(AUTH)
    for variables, _ in order:
        env |= variables
    files = iter([tmp_path / ".huaweicloud/credentials", tmp_path / ".hcloud/config.json"])
    for variables, source in order:
        assert find(env, tmp_path).source == source
        env = {name: value for name, value in env.items() if name not in variables}
        if not variables and source != Agency():
            next(files).unlink()


GROUPS = {
    "oidc": OIDC,
    "idp": IDP,
    "sdk": SDK,
    "token": TOKEN,
    "profile": {"HW_PROFILE": "named"},
    "tf": TERRAFORM,
    "user": USER,
    "cloud": {"OS_CLOUD": "mine"},
    "os-token": OS_TOKEN,
    "os-keys": OS_KEYS,
    "os-user": OS_USER,
    "pod": POD,
}


@pytest.mark.parametrize(("first", "second"), list(combinations(GROUPS, 2)))
def test_of_two_places_the_first_is_used_and_the_other_is_said_to_be_passed_over(
    tmp_path: Path, first: str, second: str
) -> None:
    """In the order of the search; nothing secret is in what is said."""
    koocli(tmp_path, profile("named"))
    clouds(tmp_path, ENTRY)
    both = GROUPS[first] | GROUPS[second]
    used, alone = find(both, tmp_path), find(GROUPS[first], tmp_path)
    assert (used.source, used.place) == (alone.source, alone.place)
    said = list(passed_over(env=both, home=tmp_path))
    assert [place for place, _ in said] == [find(GROUPS[second], tmp_path).place]
    assert "hidden" not in repr(said)


@pytest.mark.parametrize("group", [OIDC, IDP, SDK, TERRAFORM, USER, OS_TOKEN, OS_KEYS, OS_USER, POD, ROLE])
def test_a_variable_alone_is_refused_by_the_name_of_what_it_lacks(
    tmp_path: Path, group: dict[str, str]
) -> None:
    """Nobody goes on to the next place with half of the credentials, or passes over half of an agency."""
    for name in group:
        others = {other: value for other, value in group.items() if other != name}
        for some in ({name: "x"}, others):
            if set(some) <= {"HW_DOMAIN_NAME", "OS_AUTH_URL", "OS_USER_DOMAIN_NAME"}:
                continue  # they are no credentials
            with pytest.raises(CredentialsError, match=r"incomplete: .* not set"):
                find(some, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "HUAWEICLOUD_OIDC_SESSION_NAME",
        "HUAWEICLOUD_OIDC_POLICY",
        "HUAWEICLOUD_SDK_SECURITY_TOKEN",
        "HW_SECURITY_TOKEN",
        "HW_ASSUME_ROLE_DURATION",
        "OS_SECURITY_TOKEN",
        "OS_USER_ID",
    ],
)
def test_what_only_adds_to_credentials_is_refused_without_them(tmp_path: Path, name: str) -> None:
    """It may mean another account than the one that is found next."""
    with pytest.raises(CredentialsError, match="incomplete"):
        find({name: "900"}, tmp_path)


def test_an_oidc_agency_has_everything_that_the_official_sdk_reads(tmp_path: Path) -> None:
    """The account is that of the agency; a token in a variable is confidential."""
    more = {
        "HUAWEICLOUD_OIDC_ID_TOKEN": "a.b.c",
        "HUAWEICLOUD_OIDC_SESSION_NAME": "night",
        "HUAWEICLOUD_OIDC_DURATION_SECONDS": "900",
        "HUAWEICLOUD_OIDC_POLICY": "{}",
        "HUAWEICLOUD_OIDC_POLICY_IDS": "p1, p2,",
    }
    without_file = {name: value for name, value in OIDC.items() if name != "HUAWEICLOUD_OIDC_TOKEN_FILE"}
    found = find(without_file | more, tmp_path)
    source = found.source
    assert isinstance(source, OidcAgency)
    assert (source.id_token, source.token_file, source.confidential) == ("a.b.c", "", ("a.b.c",))
    assert (source.session_name, source.duration_s) == ("night", 900)
    assert (source.policy, source.policy_ids) == ("{}", ("p1", "p2"))
    assert (found.account, found.domain) == ("d7", "d7")
    unusual = find(OIDC | {"HUAWEICLOUD_OIDC_AGENCY_URN": "ops"}, tmp_path)
    assert unusual.account.startswith("agency-")
    assert isinstance(unusual.source, OidcAgency)
    assert unusual.source.confidential == ()
    assert "a.b.c" not in repr(found)


@pytest.mark.parametrize("value", ["899", "86401", "1h", "-900", "9" * 9, "٩٠٠"])
@pytest.mark.parametrize(
    ("name", "group"), [("HUAWEICLOUD_OIDC_DURATION_SECONDS", OIDC), ("HW_ASSUME_ROLE_DURATION", SDK | ROLE)]
)
def test_a_duration_is_a_number_of_seconds_within_bounds(
    tmp_path: Path, name: str, group: dict[str, str], value: str
) -> None:
    """What is not is refused by its name."""
    with pytest.raises(CredentialsError, match=f"{name} in .* is no number of seconds from 900 to 86400"):
        find(group | {name: value}, tmp_path)


@pytest.mark.parametrize("name", ["HUAWEICLOUD_SDK_DOMAIN_ID", "HW_DOMAIN_ID", "HW_DOMAIN_NAME"])
def test_an_account_that_a_variable_names_is_that_of_whatever_is_found(tmp_path: Path, name: str) -> None:
    """So that all its keys, and its servers, share one rate."""
    for env in ({}, SDK, TOKEN, POD):
        assert find({**env, name: "d9"}, tmp_path).account == "d9"


@pytest.mark.parametrize("content", [None, "[night]\nak = A\nsk = S\n"])
def test_a_credentials_file_that_a_variable_names_has_to_have_some(
    tmp_path: Path, content: str | None
) -> None:
    """Going on to the next place would use credentials that nobody meant."""
    path = tmp_path / "keys"
    if content:
        kept(path, content)
    env = {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)}
    with pytest.raises(CredentialsError, match=rf"no credentials in section \[basic\] of {path}"):
        find(env, tmp_path)
    assert find(env | SDK, tmp_path).source == KeyPair(ak="AK1", sk="SK1")


SINGLE = sorted({name for group in GROUPS.values() for name in group} | {*ROLE, "HW_DOMAIN_ID", "HW_USER_ID"})


@pytest.mark.parametrize(("one", "other"), list(combinations(SINGLE, 2)))
def test_two_variables_are_honoured_or_refused_by_a_name(tmp_path: Path, one: str, other: str) -> None:
    """None of those that make credentials is passed over where it stands alone, or with half of another."""
    koocli(tmp_path, profile("named"))
    clouds(tmp_path, ENTRY)
    values = {"HW_PROFILE": "named", "OS_CLOUD": "mine", **AUTH}
    env = {name: values.get(name, "x") for name in (one, other)}
    only_beside = {"HW_DOMAIN_NAME", "HW_DOMAIN_ID", "OS_AUTH_URL", "OS_USER_DOMAIN_NAME"}
    try:
        found, said = find(env, tmp_path), ""
    except CredentialsError as error:
        found, said = None, f"{error.message} {error.hint}"
    if found is None:
        assert one in said or other in said
    elif not set(env) <= only_beside:
        assert found.source != Agency()


# A user's password


@pytest.mark.parametrize(
    ("variables", "source", "account"),
    [
        ({"HW_USER_NAME": "u", "HW_DOMAIN_ID": "d7"}, Password(user="u", password="p", domain_id="d7"), "d7"),
        ({"HW_USER_NAME": "u", "HW_DOMAIN_NAME": "a"}, Password(user="u", password="p", domain="a"), "a"),
        ({"HW_USER_ID": "u7"}, Password(user_id="u7", password="p"), "user-u7"),
        ({"HW_USER_ID": "u7", "HW_DOMAIN_NAME": "a"}, Password(user_id="u7", password="p"), "a"),
        ({"HW_USER_ID": "u7", "HW_DOMAIN_ID": "d7"}, Password(user_id="u7", password="p"), "d7"),
    ],
)
def test_a_user_and_their_account_may_be_named_by_id(
    tmp_path: Path, variables: dict[str, str], source: Password, account: str
) -> None:
    """An id of a user says the account as well."""
    found = find({**variables, "HW_USER_PASSWORD": "p"}, tmp_path)
    assert (found.source, found.account) == (source, account)


@pytest.mark.parametrize(
    ("one", "other", "beside"),
    [
        ("HW_USER_NAME", "HW_USER_ID", USER),
        ("HW_DOMAIN_NAME", "HW_DOMAIN_ID", USER),
        ("HW_ASSUME_ROLE_DOMAIN_NAME", "HW_ASSUME_ROLE_DOMAIN_ID", SDK | ROLE),
        ("HUAWEICLOUD_OIDC_ID_TOKEN", "HUAWEICLOUD_OIDC_TOKEN_FILE", OIDC),
    ],
)
def test_two_variables_of_one_fact_that_cannot_be_compared_are_refused(
    tmp_path: Path, one: str, other: str, beside: dict[str, str]
) -> None:
    """They may mean two users or accounts; nobody knows which one is meant."""
    with pytest.raises(CredentialsError, match=f"^{one} and {other} are both set") as raised:
        find({one: "x"} | beside | {other: beside.get(other, "x")}, tmp_path)
    assert f"`env -u {one}` or `env -u {other}`" in raised.value.hint


@pytest.mark.parametrize(
    ("one", "other", "beside"),
    [
        ("HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID", SDK),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID", {}),
        ("HUAWEICLOUD_SDK_DOMAIN_ID", "HW_DOMAIN_ID", SDK),
        ("OS_TOKEN", "OS_AUTH_TOKEN", AUTH),
        ("OS_PROJECT_ID", "OS_TENANT_ID", OS_TOKEN),
        ("OS_PROJECT_NAME", "OS_TENANT_NAME", OS_KEYS),
        ("OS_USER_DOMAIN_NAME", "OS_DOMAIN_NAME", OS_USER),
        ("OS_USER_DOMAIN_ID", "OS_DOMAIN_ID", OS_USER),
    ],
)
def test_two_spellings_of_one_variable_have_to_agree(
    tmp_path: Path, one: str, other: str, beside: dict[str, str]
) -> None:
    """Where they differ, another account or project may be meant; neither is passed over, or shown."""
    same = {one: "MIK", other: "MIK"}
    assert find(beside | same, tmp_path) == find(beside | {one: "MIK"}, tmp_path)
    with pytest.raises(CredentialsError, match=f"^{one} and {other} differ, and may mean two$") as raised:
        find(beside | same | {other: "MIL"}, tmp_path)
    assert f"`env -u {one}` or `env -u {other}`" in raised.value.hint
    assert "MIL" not in f"{raised.value} {raised.value.hint}"


# Region, project, agency


def test_terraforms_region_and_project_hold_where_nothing_nearer_names_them(tmp_path: Path) -> None:
    """Those of KooCLI's profile go before; a profile of the credentials file is added to by nothing."""
    kept(tmp_path / ".huaweicloud/credentials", "[prod]\nak = A\nsk = S\n")
    env = {**SDK, "HW_REGION_NAME": "cn-north-1", "HW_PROJECT_NAME": "cn-north-1_dev"}
    found = find(env, tmp_path)
    assert (found.region, found.project_name) == ("cn-north-1", "cn-north-1_dev")
    koocli(tmp_path, profile(region="cn-east-3", projectId="77", domainId="d7"))
    found = find({"HW_PROFILE": "default", "HW_REGION_NAME": "cn-north-1"}, tmp_path)
    assert (found.region, found.project_id, found.account) == ("cn-east-3", "77", "d7")
    found = find_credentials(env=env, home=tmp_path, profile="prod")
    assert (found.region, found.project_name) == ("", "")


def test_what_was_found_assumes_the_agency_that_variables_name(tmp_path: Path) -> None:
    """Whatever it is; the account is then that of the agency."""
    for env in (SDK, TOKEN, USER, IDP, {}):
        found = find(env | ROLE, tmp_path)
        role = Role(agency="ops", domain="acme", duration_s=3600)
        assert found.source == AssumedRole(base=find(env, tmp_path).source, role=role)  # type: ignore[arg-type]
        assert (found.account, found.domain) == ("acme", "acme")
        assert found.place.endswith("as agency ops of acme")
    named = {"HW_ASSUME_ROLE_AGENCY_NAME": "ops", "HW_ASSUME_ROLE_DOMAIN_ID": "d7"}
    by_id = find(SDK | named | {"HW_ASSUME_ROLE_DURATION": "900"}, tmp_path)
    assert isinstance(by_id.source, AssumedRole)
    assert by_id.source.role == Role(agency="ops", domain_id="d7", duration_s=900)
    assert by_id.source.confidential == ("SK1",)


def test_a_profile_may_name_the_agency_that_it_assumes(tmp_path: Path) -> None:
    """In the section itself; a variable beside it would name a second one."""
    path = kept(
        tmp_path / ".huaweicloud/credentials",
        "[basic]\nak = A\nsk = S\nassume_role_agency_name = ops\nassume_role_domain_name = acme\n"
        "[half]\nak = A\nsk = S\nassume_role_domain_name = acme\n"
        "[idp]\nidp_id = idp\nid_token_file = /run/token\n",
    )
    assert find({}, tmp_path).account == "acme"
    with pytest.raises(CredentialsError, match="and so do variables HW_ASSUME_ROLE_"):
        find(ROLE, tmp_path)
    with pytest.raises(CredentialsError, match=rf"agency in \[half\] of {path} is incomplete"):
        find_credentials(env={}, home=tmp_path, profile="half")
    found = find_credentials(env=ROLE, home=tmp_path, profile="idp")
    assert found.source == IdentityProvider(idp_id="idp", token_file="/run/token")


# KooCLI


def test_koocli_has_keys_a_single_sign_on_and_agencies(tmp_path: Path) -> None:
    """As Terraform reads its file; what is named is looked for there and nowhere else."""
    sso = {"stsToken": {"accessKeyId": AK, "secretAccessKey": "SKT", "securityToken": "T"}}
    path = koocli(
        tmp_path,
        profile(),
        {"name": "sso", "mode": "SSO", "ssoAuth": sso},
        {"name": "ended", "mode": "SSO", "ssoAuth": None},
        profile("agency", agencyName="ops", agencyDomainName="acme"),
        profile("encrypted", accessKeyId="q8fAbx/8J+a0=="),
        {"name": "empty"},
    )
    assert find({"HW_PROFILE": "sso"}, tmp_path).source == KeyPair(ak=AK, sk="SKT", security_token="T")
    assert find({"HW_PROFILE": "agency"}, tmp_path).source == AssumedRole(
        base=KeyPair(ak=AK, sk="SKK"), role=Role(agency="ops", domain="acme", duration_s=3600)
    )
    elsewhere = path.rename(tmp_path / "elsewhere.json")
    assert find({"HW_SHARED_CONFIG_FILE": str(elsewhere)}, tmp_path).source == KeyPair(ak=AK, sk="SKK")
    for name in ("ended", "empty", "nobody"):
        with pytest.raises(CredentialsError, match=f"no credentials for profile '{name}' in {elsewhere}"):
            find({"HW_SHARED_CONFIG_FILE": str(elsewhere), "HW_PROFILE": name}, tmp_path)
    with pytest.raises(CredentialsError, match="are encrypted") as raised:
        find({"HW_SHARED_CONFIG_FILE": str(elsewhere), "HW_PROFILE": "encrypted"}, tmp_path)
    assert "hcloud configure set --cli-auth-encrypt=false" in raised.value.hint
    with pytest.raises(CredentialsError, match=r"no credentials for the current profile in .*gone"):
        find({"HW_SHARED_CONFIG_FILE": str(tmp_path / "gone")}, tmp_path)


@pytest.mark.parametrize("content", [b"hidden", b"[]", b'{"profiles": 7}', b'{"profiles": [7]}', b"\xff"])
def test_a_broken_file_of_koocli_is_an_error_where_it_was_named_and_else_passed_over(
    tmp_path: Path, content: bytes
) -> None:
    """It is another tool's; doctor says what is wrong with it."""
    path = kept(tmp_path / ".hcloud/config.json", content)
    with pytest.raises(CredentialsError, match=f"the file of KooCLI {path} cannot be read") as raised:
        find({"HW_PROFILE": "default"}, tmp_path)
    assert "hidden" not in raised.value.message
    assert find({}, tmp_path).source == Agency()
    [(what, why)] = passed_over(env={}, home=tmp_path)
    assert (what, "cannot be read" in why) == ("KooCLI's current profile", True)


# OpenStack


def test_the_variables_of_openstack_name_their_iam_project_and_region(tmp_path: Path) -> None:
    """And with it the operator."""
    more = {"OS_PROJECT_NAME": "eu-de_dev", "OS_REGION_NAME": "eu-de", "OS_TENANT_ID": "77"}
    for env in (OS_TOKEN, OS_KEYS, OS_USER):
        found = find(env | more, tmp_path)
        assert found.iam_endpoint == AUTH["OS_AUTH_URL"]
        assert (found.project_id, found.project_name, found.region) == ("77", "eu-de_dev", "eu-de")
    by_id = {"OS_USER_ID": "u7", "OS_PASSWORD": "p", **AUTH}
    assert find(by_id, tmp_path).source == Password(user_id="u7", password="p")
    in_domain = {**OS_USER, "OS_USER_DOMAIN_ID": "d7"}
    assert find(in_domain, tmp_path).source == Password(user="ann", password="hidden", domain_id="d7")
    assert find({**AUTH, "OS_AUTH_TOKEN": "MIJ"}, tmp_path).source == Token(value="MIJ")


def test_an_entry_of_clouds_yaml_is_found_as_openstack_does(tmp_path: Path) -> None:
    """In the file that OS_CLIENT_CONFIG_FILE names or in the usual folders; secrets may be apart."""
    path = clouds(tmp_path, ENTRY.replace("      password: hidden\n", ""))
    with pytest.raises(CredentialsError, match="password not set"):
        find({"OS_CLOUD": "mine"}, tmp_path)
    kept(path.with_name("secure.yaml"), "clouds: {mine: {auth: {password: hidden}}}")
    found = find({"OS_CLOUD": "mine"}, tmp_path)
    assert found.source == Password(user="ann", password="hidden", domain="otc")
    assert (found.region, found.project_name) == ("eu-de", "eu-de_dev")
    assert found.place == f"mine of {path}"
    elsewhere = path.rename(tmp_path / "my.yaml")
    with pytest.raises(CredentialsError, match="OS_CLOUD is 'mine', and no such entry is in ") as raised:
        find({"OS_CLOUD": "mine"}, tmp_path)
    assert "env -u OS_CLOUD" in raised.value.hint
    with pytest.raises(CredentialsError, match="password not set"):
        find({"OS_CLOUD": "mine", "OS_CLIENT_CONFIG_FILE": str(elsewhere)}, tmp_path)


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ("{auth: {auth_url: 'https://a.example', token: MII}, auth_type: v3token}", Token(value="MII")),
        ("{auth: {auth_url: 'https://a.example'}, ak: A, sk: S}", KeyPair(ak="A", sk="S")),
        (
            "{profile: otc, region_name: eu-nl, auth: {user_id: u7, password: 123}}",
            Password(user_id="u7", password="123"),
        ),
    ],
)
def test_an_entry_may_have_a_token_keys_or_a_vendor_profile(
    tmp_path: Path, entry: str, source: object
) -> None:
    """The vendor's IAM is that of the region."""
    clouds(tmp_path, f"clouds: {{mine: {entry}}}")
    found = find({"OS_CLOUD": "mine"}, tmp_path)
    assert found.source == source
    assert found.iam_endpoint in {"https://a.example", "https://iam.eu-nl.otc.t-systems.com/v3"}


@pytest.mark.parametrize(
    "password", ["0123", "0x1F", "12:30:45", "1_000", "1.50", "yes", "2020-13-45", "9" * 5000, "'0123'"]
)
def test_a_password_in_yaml_is_what_stands_there(tmp_path: Path, password: str) -> None:
    """YAML takes some texts for numbers, truths and times; another password would lock the user."""
    clouds(tmp_path, ENTRY.replace("hidden", password))
    source = find({"OS_CLOUD": "mine"}, tmp_path).source
    assert isinstance(source, Password)
    assert source.password == password.strip("'")


def test_an_entry_may_take_over_another_and_what_is_no_text_is_no_setting(tmp_path: Path) -> None:
    """Merge keys are common in these files; a list that holds itself is written out nowhere."""
    auth = "{auth_url: 'https://a.example', username: ann, user_domain_name: otc}"
    clouds(
        tmp_path, f"base: &b {auth}\nclouds:\n  mine: &m {{region_name: [*m], auth: {{<<: *b, password: p}}}}"
    )
    found = find({"OS_CLOUD": "mine"}, tmp_path)
    assert found.source == Password(user="ann", password="p", domain="otc")
    assert found.region == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("clouds: {mine: {auth: {password: !!int hidden}}}", "cannot be read"),
        ("clouds: {mine: {auth: {token: MII}}}", "has no auth_url"),
        ("clouds: {mine: {profile: otc, auth: {token: MII}}}", "has no auth_url"),
        ("clouds: {mine: {profile: vexxhost, auth: {token: MII}}}", "vendor profile 'vexxhost' of mine of"),
        ("clouds: {mine: {auth: {auth_url: 'https://a.example', x: [1]}}}", "has no credentials"),
        ("clouds: {mine: {auth: 7}}", "has no credentials"),
        ("clouds: {mine: {auth_type: v3applicationcredential}}", "auth_type 'v3applicationcredential'"),
        ("clouds: {mine: 7}", "no such entry"),
        ("", "no such entry"),
        ("clouds: [hidden]", "cannot be read"),
        ("hidden: {", "cannot be read"),
        ("[" * 5000, "cannot be read"),
        ("!!python/object/apply:os.system [hidden]", "cannot be read"),
    ],
)
def test_an_entry_that_is_not_understood_is_refused_without_its_content(
    tmp_path: Path, content: str, message: str
) -> None:
    """Nothing in the file is carried out."""
    clouds(tmp_path, content)
    with pytest.raises(CredentialsError, match=message) as raised:
        find({"OS_CLOUD": "mine"}, tmp_path)
    assert "hidden" not in raised.value.message


# Files


@pytest.mark.parametrize("name", ["HW_PROFILE", "OS_CLOUD"])
def test_files_of_other_tools_are_held_to_the_same_rights(tmp_path: Path, name: str) -> None:
    """Who may write there says whose keys are used."""
    files = [koocli(tmp_path, profile("mine")), clouds(tmp_path, ENTRY)]
    for path in files:
        path.chmod(0o644)
    assert f"others may read {'the file of KooCLI' if name == 'HW_PROFILE' else 'the file'} " in (
        find({name: "mine"}, tmp_path).warning
    )
    for path in files:
        path.chmod(0o666)
    with pytest.raises(CredentialsError, match="others may write to"):
        find({name: "mine"}, tmp_path)


def test_a_file_that_is_too_large_is_no_file_of_credentials(tmp_path: Path) -> None:
    """It is not read to its end."""
    path = kept(tmp_path / "big", "#" * (1024 * 1024 + 1))
    with pytest.raises(CredentialsError, match="has more than 1048576 characters"):
        find({"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)}, tmp_path)


def test_what_nobody_named_is_known_as_such(tmp_path: Path) -> None:
    """A server on this machine gets it with a word only."""
    path = kept(tmp_path / ".huaweicloud/credentials", "[basic]\nak = A\nsk = S\n")
    assert find({}, tmp_path).is_implicit
    assert not find({"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)}, tmp_path).is_implicit
    path.unlink()
    koocli(tmp_path, profile())
    assert find({}, tmp_path).is_implicit
    assert not find({"HW_PROFILE": "default"}, tmp_path).is_implicit
    assert not find(SDK, tmp_path).is_implicit
    assert os.environ.get("HOME") != str(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "HUAWEICLOUD_SDK_DOMAIN_ID",
        "HW_DOMAIN_ID",
        "HW_DOMAIN_NAME",
        "HUAWEICLOUD_SDK_PROJECT_ID",
        "HW_PROJECT_ID",
        "HW_PROJECT_NAME",
        "HW_REGION_NAME",
    ],
)
def test_what_comes_beside_the_credentials_is_utf_8_where_it_is_used(tmp_path: Path, name: str) -> None:
    """It goes into requests, ledgers and the names of files; a variable that nothing uses may be anything."""
    with pytest.raises(CredentialsError, match=f"{name} in the environment is not UTF-8"):
        find({**SDK, name: "schl\udcfcssel"}, tmp_path)
    assert find({**SDK, "HW_COMPANY": "schl\udcfcssel"}, tmp_path).source


@pytest.mark.parametrize("given", [{"OS_TOKEN": "MII"}, {"OS_ACCESS_KEY": "A", "OS_SECRET_KEY": "S"}])
def test_openstacks_variables_without_their_iam_are_refused_with_the_variable_to_set(
    tmp_path: Path, given: dict[str, str]
) -> None:
    """Nothing of them goes to a guess."""
    with pytest.raises(CredentialsError, match="incomplete: OS_AUTH_URL not set") as raised:
        find(given, tmp_path)
    assert "address of their IAM" in raised.value.hint
