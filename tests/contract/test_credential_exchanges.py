"""What was found becomes keys and tokens at servers that play IAM, STS, metadata and a node as documented."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bulk.errors import CannotRun, CredentialsError, UsageError
from bulk.model import Abort, Done, Retry
from bulk.simulator import Switches
from bulk.simulator.fleet_lines import derived_id, domain_id
from bulk.vpcep.keys import KeyPair
from tests.contract.test_http_client import (
    BOTH,
    ID,
    IDENTITY,
    KEYS,
    PROJECT,
    USER,
    Reach,
    answering,
    connections,
)

ACCOUNT = domain_id()
ROLE = {"HW_ASSUME_ROLE_AGENCY_NAME": IDENTITY.agency, "HW_ASSUME_ROLE_DOMAIN_NAME": IDENTITY.domain}
ROLE_BY_ID = {"HW_ASSUME_ROLE_AGENCY_NAME": IDENTITY.agency, "HW_ASSUME_ROLE_DOMAIN_ID": ACCOUNT}


def token_file(folder: Path, text: str = IDENTITY.id_token) -> str:
    """Write the file of an ID token."""
    path = folder / "token"
    path.write_text(f"{text}\n")
    return str(path)


def oidc(folder: Path, **more: str) -> dict[str, str]:
    """Return the variables of an OIDC agency."""
    return {
        "HUAWEICLOUD_OIDC_PROVIDER_URN": f"iam::{ACCOUNT}:oidcProvider:{IDENTITY.idp_id}",
        "HUAWEICLOUD_OIDC_AGENCY_URN": f"iam::{ACCOUNT}:agency:{IDENTITY.agency}",
        "HUAWEICLOUD_OIDC_TOKEN_FILE": token_file(folder),
        **more,
    }


def provider(folder: Path) -> dict[str, str]:
    """Return the variables of an identity provider."""
    return {
        "HUAWEICLOUD_SDK_IDP_ID": IDENTITY.idp_id,
        "HUAWEICLOUD_SDK_ID_TOKEN_FILE": token_file(folder),
    }


def pod(folder: Path, place: Reach) -> dict[str, str]:
    """Return the variables of a container's identity."""
    return {
        "HC_CONTAINER_CREDENTIALS_FULL_URI": f"{place.simulator.url}/pod-identity",
        "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": token_file(folder),
    }


def ways(folder: Path, place: Reach) -> dict[str, tuple[dict[str, str], str]]:
    """Return each kind of credentials that is exchanged, and the request that it is exchanged by."""
    key_request = "POST /v3.0/OS-CREDENTIAL/securitytokens"
    return {
        "oidc": (oidc(folder), "POST /v5/agencies/assume-with-oidc"),
        "provider": (provider(folder), key_request),
        "pod": (pod(folder, place), "POST /pod-identity"),
        "role": (KEYS | ROLE, key_request),
        "role-by-id": (KEYS | ROLE_BY_ID, "POST /v5/agencies/assume"),
        "user-in-role": (USER | ROLE, key_request),
        "provider-in-role": (provider(folder) | ROLE, key_request),
        "user-by-id": (
            {"HW_USER_ID": derived_id("user", IDENTITY.user), "HW_USER_PASSWORD": IDENTITY.password},
            "POST /v3/auth/tokens",
        ),
        "user-of-account-by-id": (
            {name: USER[name] for name in ("HW_USER_NAME", "HW_USER_PASSWORD")} | {"HW_DOMAIN_ID": ACCOUNT},
            "POST /v3/auth/tokens",
        ),
        "openstack": (
            {
                "OS_AUTH_URL": f"{place.simulator.url}/v3",
                "OS_USERNAME": IDENTITY.user,
                "OS_PASSWORD": IDENTITY.password,
                "OS_USER_DOMAIN_NAME": IDENTITY.domain,
            },
            "POST /v3/auth/tokens",
        ),
    }


WAYS = (
    "oidc", "provider", "pod", "role", "role-by-id", "user-in-role", "provider-in-role", "user-by-id",
    "user-of-account-by-id", "openstack",
)  # fmt: skip


def asked(place: Reach, request: str) -> int:
    """Return how often something was asked for."""
    return int(place.simulator.stats["requests"].get(request, 0))


@pytest.mark.parametrize("way", WAYS)
async def test_each_kind_of_credentials_is_exchanged_and_then_accepted(tmp_path: Path, way: str) -> None:
    """By one request to whom it belongs; the project is looked up with what came of it."""
    async with connections(tmp_path, projects={"cn-north-4": PROJECT}) as place:
        env, request = ways(tmp_path, place)[way]
        client = await place.client(with_sts(place, env), project_id="")
        assert client.project_id == PROJECT
        assert isinstance(await client.show(ID), Done)
        assert asked(place, request) == (2 if way == "provider-in-role" else 1)


@pytest.mark.parametrize("way", WAYS)
async def test_what_ends_in_mid_run_is_exchanged_anew(tmp_path: Path, way: str) -> None:
    """No row fails for it: the requests in flight are repeated, and one exchange serves them all."""
    async with connections(tmp_path) as place:
        env, request = ways(tmp_path, place)[way]
        client = await place.client(with_sts(place, env))
        assert isinstance(await client.show(ID), Done)
        before = asked(place, request)
        place.simulator.world.keyring.expire_tokens()
        verdicts = await asyncio.gather(*(client.show(ID) for _ in range(5)))
        assert all(isinstance(verdict, Retry) and not verdict.counts for verdict in verdicts), verdicts
        assert isinstance(await client.show(ID), Done)
        assert asked(place, request) > before


@pytest.mark.parametrize("way", ["oidc", "provider", "pod", "role", "role-by-id"])
async def test_a_key_is_exchanged_before_it_ends(tmp_path: Path, way: str) -> None:
    """At 80 % of its life no request is refused for it."""
    async with connections(tmp_path) as place:
        client = await place.client(with_sts(place, ways(tmp_path, place)[way][0]))
        secret = place.credential_of(client).current(place.clock.now())
        assert isinstance(secret, KeyPair)
        assert secret.expires_at
        place.clock.wall += 0.81 * (secret.expires_at - place.clock.now())
        assert isinstance(await client.show(ID), Done)
        assert place.credential_of(client).current(place.clock.now()) not in {secret, None}
        assert place.simulator.stats["refusals"] == {}


def with_sts(place: Reach, env: Mapping[str, str]) -> dict[str, str]:
    """Return variables with the address of STS."""
    return {"HUAWEICLOUD_SDK_STS_ENDPOINT": place.simulator.url, **env}


async def test_an_id_token_in_a_file_is_read_anew_for_each_exchange(tmp_path: Path) -> None:
    """Whoever writes it renews it; one in a variable stays what it is."""
    async with connections(tmp_path) as place:
        client = await place.client(with_sts(place, oidc(tmp_path)))
        assert isinstance(await client.show(ID), Done)
        place.simulator.world.iam.user = type(IDENTITY)(id_token="the.next.one")
        token_file(tmp_path, "the.next.one")
        place.simulator.world.keyring.expire_tokens()
        assert isinstance(await client.show(ID), Retry)
        assert isinstance(await client.show(ID), Done)
        given = oidc(tmp_path, HUAWEICLOUD_OIDC_ID_TOKEN="the.next.one", HUAWEICLOUD_OIDC_POLICY="{}")
        given["HUAWEICLOUD_OIDC_POLICY_IDS"] = "p1,p2"
        del given["HUAWEICLOUD_OIDC_TOKEN_FILE"]
        assert isinstance(await (await place.client(with_sts(place, given))).show(ID), Done)


@pytest.mark.parametrize("way", ["oidc", "provider", "pod", "role", "role-by-id"])
async def test_a_refusal_is_told_with_its_place_and_without_the_token(tmp_path: Path, way: str) -> None:
    """It is not asked for again: whoever repeats it is locked out."""
    async with connections(tmp_path) as place:
        env, request = ways(tmp_path, place)[way]
        other = {"id_token": "another.id.token", "agency": "another"}
        place.simulator.world.iam.user = type(IDENTITY)(**other)
        with pytest.raises(CredentialsError, match="give no token or key: ") as raised:
            await place.client(with_sts(place, env))
        said = f"{raised.value.message} {raised.value.hint}"
        assert IDENTITY.id_token not in said
        assert asked(place, request) <= 1


async def test_a_renewal_that_is_refused_ends_the_run(tmp_path: Path) -> None:
    """The agency was taken away meanwhile; the base key alone is never used in its stead."""
    async with connections(tmp_path) as place:
        client = await place.client(KEYS | ROLE)
        assert isinstance(await client.show(ID), Done)
        place.simulator.world.iam.user = type(IDENTITY)(agency="gone")
        place.simulator.world.keyring.expire_tokens()
        verdict = await client.show(ID)
        assert isinstance(verdict, Abort)
        assert await client.show(ID) == verdict


async def test_a_base_that_ends_is_renewed_before_it_assumes_the_agency_again(tmp_path: Path) -> None:
    """A password's token lives as long as it lives; the agency's keys are asked for with a new one."""
    async with connections(tmp_path, switches=Switches(token_life_s=1000.0)) as place:
        client = await place.client(USER | ROLE)
        assert isinstance(await client.show(ID), Done)
        place.clock.wall += 3000.0
        assert isinstance(await client.show(ID), Done)
        assert asked(place, "POST /v3/auth/tokens") == 2
        assert asked(place, "POST /v3.0/OS-CREDENTIAL/securitytokens") == 2


async def test_a_base_that_cannot_be_renewed_is_told(tmp_path: Path) -> None:
    """As the credential itself would be."""
    async with connections(tmp_path, switches=Switches(token_life_s=1000.0)) as place:
        client = await place.client(USER | ROLE)
        assert isinstance(await client.show(ID), Done)
        place.simulator.world.iam.user = type(IDENTITY)(password="another")
        place.clock.wall += 3000.0
        assert isinstance(await client.show(ID), Abort)


async def test_sts_takes_no_token(tmp_path: Path) -> None:
    """It is said before anything is sent to it."""
    async with connections(tmp_path) as place:
        with pytest.raises(CredentialsError, match="STS takes no token"):
            await place.client(with_sts(place, USER | ROLE_BY_ID))
        assert asked(place, "POST /v5/agencies/assume") == 0


@pytest.mark.parametrize(
    ("way", "whom"), [("oidc", "STS"), ("role-by-id", "STS"), ("provider", "IAM"), ("role", "IAM")]
)
async def test_nothing_is_exchanged_with_a_guess(tmp_path: Path, way: str, whom: str) -> None:
    """Beside an endpoint on this machine, or of an unknown operator, its address has to be named."""
    async with connections(tmp_path) as place:
        env = ways(tmp_path, place)[way][0] | {"HUAWEICLOUD_SDK_IAM_ENDPOINT": ""}
        with pytest.raises(CredentialsError, match=f"needs {whom}, whose address is not known") as raised:
            await place.client(env)
        assert f"HUAWEICLOUD_SDK_{whom}_ENDPOINT" in raised.value.hint
        assert sum(place.simulator.stats["requests"].values()) == 0


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("http://example.com/x", UsageError),
        ("http://10.0.0.1/x", UsageError),
        ("https://example.com/a b", UsageError),
        ("https://example.com/x#y", UsageError),
        ("http://[::1/x", UsageError),
        ("http://127.0.0.1:1/x?y=1", CannotRun),
    ],
)
async def test_the_token_of_a_container_goes_to_its_node_or_through_tls(
    tmp_path: Path, uri: str, error: type[Exception]
) -> None:
    """In the clear it never leaves the machine and its link."""
    async with connections(tmp_path) as place:
        env = pod(tmp_path, place) | {"HC_CONTAINER_CREDENTIALS_FULL_URI": uri}
        with pytest.raises(error) as raised:
            await place.client(env)
        assert isinstance(raised.value, CannotRun if error is CannotRun else UsageError)


@pytest.mark.parametrize("content", [None, "", "two words", "\u00fc"])
async def test_a_token_file_without_a_token_is_told_by_its_name(tmp_path: Path, content: str | None) -> None:
    """Nothing is sent then."""
    async with connections(tmp_path) as place:
        path = token_file(tmp_path, content or "")
        env = pod(tmp_path, place) | {"HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": path}
        token_file(tmp_path, content or "")
        if content is None:
            env["HC_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = path = f"{path}-gone"
        with pytest.raises(CredentialsError, match=f"the token file {path}"):
            await place.client(env)
        assert asked(place, "POST /pod-identity") == 0


@pytest.mark.parametrize("body", [b"{}", b'{"credentials": {"access_key_id": 7}}', b"[]", b"no"])
async def test_a_reply_that_holds_no_key_is_asked_for_again_and_then_told(
    tmp_path: Path, body: bytes
) -> None:
    """It is a server in trouble, and no credentials that are wrong."""
    async with connections(tmp_path) as place, answering(200, body) as url:
        env = pod(tmp_path, place) | {"HC_CONTAINER_CREDENTIALS_FULL_URI": url}
        with pytest.raises(CannotRun, match="cannot be understood"):
            await place.client(env)


async def test_the_keys_of_an_exchange_and_the_token_are_in_no_answer_from_then_on(tmp_path: Path) -> None:
    """Whatever the API repeats."""
    async with connections(tmp_path, clock=time.time) as place:
        place.clock.wall = time.time()
        client = await place.client(with_sts(place, oidc(tmp_path)))
        secret = place.credential_of(client).current(0.0)
        assert isinstance(secret, KeyPair)
        assert all(place.hides(text) for text in (*secret.confidential, IDENTITY.id_token))


# Region and project


async def test_rows_without_a_region_are_in_that_of_the_credentials(tmp_path: Path) -> None:
    """A row's own goes before it; without either it is said what to add."""
    async with connections(tmp_path, projects={"cn-south-1": PROJECT, "cn-north-4": "a" * 32}) as place:
        south = KEYS | {"HW_REGION_NAME": "cn-south-1"}
        client = await place.client(south, region="", project_id="")
        assert (client.region, client.project_id) == ("cn-south-1", PROJECT)
        assert (await place.client(south, project_id="")).project_id == "a" * 32
        with pytest.raises(UsageError, match="no region is known"):
            await place.client(KEYS, region="", project_id="")


@pytest.mark.parametrize("env", [KEYS, USER])
async def test_a_project_may_be_named_by_its_name(tmp_path: Path, env: dict[str, str]) -> None:
    """It is of one region; of several the others have the project that is named like them."""
    projects = {"cn-north-4": "a" * 32, "cn-north-4_dev": PROJECT, "cn-south-1": "b" * 32}
    async with connections(tmp_path, projects=projects) as place:
        named = env | {"HW_PROJECT_NAME": "cn-north-4_dev"}
        client = await place.client(named, project_id="")
        assert client.project_id == PROJECT
        assert isinstance(await client.show(ID), Done)
        assert (await place.client(named)).project_id == PROJECT
        south = await place.client(named, region="cn-south-1", project_id="", regions=BOTH)
        assert south.project_id == "b" * 32
        with pytest.raises(CredentialsError, match=r"'cn-north-4_dev'.* is of region cn-north-4, "):
            await place.client(named, region="cn-south-1", project_id="")
