"""Who gets in: IAM tokens, temporary keys, metadata, project lookup, and what the others are told."""

from typing import Any

import orjson
import pytest

from bulk.simulator import Identity, Switches
from bulk.simulator.auth import Key, RawRequest, canonical_request, signature
from bulk.simulator.error_answers import named
from tests.documents import codes
from tests.simulator_caller import OTHER_PROJECT, PROJECT, SERVICES, Caller, Said, calling, line, service_path

DEMO = Identity()
PERMANENT = Key(ak=DEMO.ak, sk=DEMO.sk)
NOW_S = 1_768_465_800.0  # 2026-01-15T08:30:00Z
NOW = "20260115T083000Z"


async def signed(
    caller: Caller, key: Key, *, method: str = "GET", path: str = SERVICES, query: str = "", **headers: str
) -> Said:
    """Return the answer to a signed request; `headers` are signed with it."""
    host = caller.simulator.url.removeprefix("http://")
    given = {"host": host, "x-sdk-date": NOW} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    if key.security_token:
        given["x-security-token"] = key.security_token
    request = RawRequest(method=method, path=path, query=query, headers=given, body=b"")
    names = ";".join(sorted(given))
    value = signature(key.sk, NOW, canonical_request(request, list(given)))
    given["Authorization"] = f"SDK-HMAC-SHA256 Access={key.ak}, SignedHeaders={names}, Signature={value}"
    return await caller.ask(method, f"{path}?{query}" if query else path, headers=given)


def password_body(*, password: str = DEMO.password, scope: object = None) -> dict[str, Any]:
    """Return the body of a request for a token."""
    user = {"name": DEMO.user, "password": password, "domain": {"name": DEMO.domain}}
    identity = {"methods": ["password"], "password": {"user": user}}
    scoped = {} if scope is None else {"scope": {"project": scope}}
    return {"auth": {"identity": identity} | scoped}


@pytest.mark.parametrize("scope", [{"name": "cn-north-4"}, {"id": PROJECT}])
async def test_a_password_buys_a_token_for_a_project(scope: dict[str, str]) -> None:
    """By name or by id; it opens that project until its life ends."""
    now_s = NOW_S
    async with calling(switches=Switches(token_life_s=60), clock=lambda: now_s) as caller:
        said = await caller.ask("POST", "/v3/auth/tokens?nocatalog=true", password_body(scope=scope))
        assert said.http == 201
        token = {"X-Auth-Token": said.headers["X-Subject-Token"]}
        assert said.value["token"]["project"]["id"] == PROJECT
        assert said.value["token"]["expires_at"] == "2026-01-15T08:31:00.000000Z"
        assert (await caller.ask("GET", SERVICES, headers=token)).http == 200
        now_s += 60
        late = await caller.ask("GET", SERVICES, headers=token)
    assert (late.http, late.code) == (401, "APIGW.0307")


async def test_a_token_without_a_project_opens_none() -> None:
    """VPCEP wants a project scope."""
    async with calling() as caller:
        said = await caller.ask("POST", "/v3/auth/tokens", password_body())
        token = {"X-Auth-Token": said.headers["X-Subject-Token"]}
        assert (await caller.ask("GET", SERVICES, headers=token)).code == "APIGW.0307"
        assert (await caller.ask("GET", "/v3/projects", headers=token)).http == 200


async def test_a_token_of_one_project_does_not_open_another() -> None:
    """Both are ours; the token must be of the right one."""
    projects = {"cn-north-4": PROJECT, "cn-north-4_dev": OTHER_PROJECT}
    async with calling(projects=projects) as caller:
        token = {"X-Auth-Token": caller.simulator.token(OTHER_PROJECT)}
        said = await caller.ask("GET", SERVICES, headers=token)
    assert (said.http, said.code) == (401, "APIGW.0307")


@pytest.mark.parametrize(
    ("body", "http"),
    [
        (b"{", 400),
        ({"auth": []}, 400),
        (password_body(password="wrong"), 401),
        (password_body(scope={"name": "cn-east-9"}), 401),
        (password_body(scope=["cn-north-4"]), 401),
    ],
)
async def test_a_bad_request_for_a_token_is_refused_in_the_shape_of_keystone(body: object, http: int) -> None:
    """The code in the body is the status as a number."""
    async with calling() as caller:
        said = await caller.ask("POST", "/v3/auth/tokens", body)
    assert (said.http, said.value["error"]["code"]) == (http, http)
    assert said.headers["X-IAM-Trace-Id"]


async def test_six_wrong_passwords_lock_the_account() -> None:
    """Then the right one is refused as well, in the newer shape of IAM."""
    async with calling() as caller:
        for _ in range(6):
            await caller.ask("POST", "/v3/auth/tokens", password_body(password="wrong"))
        said = await caller.ask("POST", "/v3/auth/tokens", password_body())
    assert (said.http, said.code) == (403, "IAM.0061")


async def test_projects_are_found_by_name_with_a_signature() -> None:
    """As the project-id discovery of the SDK asks."""
    projects = {"cn-north-4": PROJECT, "cn-east-3": OTHER_PROJECT}
    async with calling(projects=projects, clock=lambda: NOW_S) as caller:
        one = await signed(caller, PERMANENT, path="/v3/projects", query="name=cn-east-3")
        every = await signed(caller, PERMANENT, path="/v3/projects")
        none = await caller.ask("GET", "/v3/projects", headers={"X-Auth-Token": "forged"})
    assert [project["id"] for project in one.value["projects"]] == [OTHER_PROJECT]
    assert [project["name"] for project in every.value["projects"]] == ["cn-north-4", "cn-east-3"]
    assert (none.http, none.code) == (401, "APIGW.0301")


async def test_a_token_buys_a_temporary_key() -> None:
    """Its life is 15 minutes to 24 hours; it opens with its security token only."""
    wanted = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 3600}}}}
    path = "/v3.0/OS-CREDENTIAL/securitytokens"
    async with calling(clock=lambda: NOW_S) as caller:
        said = await caller.ask("POST", path, wanted)
        assert said.http == 201
        got = said.value["credential"]
        assert got["expires_at"] == "2026-01-15T09:30:00.000000Z"
        key = Key(ak=got["access"], sk=got["secret"], security_token=got["securitytoken"])
        assert (await signed(caller, key)).http == 200
        assert (await signed(caller, Key(ak=key.ak, sk=key.sk))).code == "APIGW.0301"
        default = (await caller.ask("POST", path, {})).value["credential"]
        assert default["expires_at"] == "2026-01-15T08:45:00.000000Z"
        for life_s in (899, 86_401, "900", True):
            wanted["auth"]["identity"]["token"] = {"duration_seconds": life_s}
            assert (await caller.ask("POST", path, wanted)).code == "IAM.0011"
        assert (await caller.ask("POST", path, wanted, {"X-Auth-Token": "forged"})).http == 401


async def test_the_metadata_service_hands_out_a_temporary_key() -> None:
    """With a metadata token or, as of old, without; a token that is over is refused."""
    now_s = NOW_S
    async with calling(clock=lambda: now_s) as caller:
        life = {"X-Metadata-Token-Ttl-Seconds": "60"}
        token = (await caller.ask("PUT", "/meta-data/latest/api/token", headers=life)).raw.decode()
        path = "/openstack/latest/securitykey"
        for headers in ({"X-Metadata-Token": token}, {}):
            got = (await caller.ask("GET", path, headers=headers)).value["credential"]
            key = Key(ak=got["access"], sk=got["secret"], security_token=got["securitytoken"])
            assert (await signed(caller, key)).http == 200
        now_s += 60
        assert (await caller.ask("GET", path, headers={"X-Metadata-Token": token})).http == 401
        assert (await caller.ask("PUT", "/meta-data/latest/api/token")).http == 400


async def test_a_wrong_secret_locks_the_key_at_the_sixth_failure() -> None:
    """401 APIGW.0301 each time; after five minutes the key opens again."""
    now_s = NOW_S
    async with calling(clock=lambda: now_s) as caller:
        for _ in range(6):
            said = await signed(caller, Key(ak=DEMO.ak, sk="wrong"))
            assert (said.http, said.code) == (401, "APIGW.0301")
            assert "canonical request: GET\n" in said.value["error_msg"]
        assert "reach the limit" in (await signed(caller, PERMANENT)).value["error_msg"]
        now_s += 300
        assert (await signed(caller, PERMANENT)).http == 200


async def test_a_stated_project_must_be_the_one_of_the_path() -> None:
    """X-Project-Id says the same as the path, or 403."""
    async with calling(clock=lambda: NOW_S) as caller:
        assert (await signed(caller, PERMANENT, x_project_id=PROJECT)).http == 200
        said = await signed(caller, PERMANENT, x_project_id=OTHER_PROJECT)
    assert (said.http, said.code) == (403, "EndPoint.0004")


async def test_a_server_whose_clock_is_off_refuses_and_shows_its_date() -> None:
    """So that a client can find out why."""
    async with calling(clock=lambda: NOW_S, switches=Switches(clock_skew_s=901)) as caller:
        said = await signed(caller, PERMANENT)
    assert said.code == "APIGW.0301"
    assert said.headers["Date"] == "Thu, 15 Jan 2026 08:45:01 GMT"


async def test_tokens_can_be_ended_in_the_middle_of_a_run() -> None:
    """By an order; a new one opens again."""
    async with calling(fleet=[line(1)]) as caller:
        assert (await caller.get(1)).http == 200
        await caller.order(expire_tokens=True)
        assert (await caller.get(1)).code == "APIGW.0307"
        fresh = {"X-Auth-Token": caller.simulator.token(PROJECT)}
        assert (await caller.ask("GET", service_path(1), headers=fresh)).http == 200


def test_every_documented_code_is_answered_with_its_documented_status() -> None:
    """The table that the client's own classification is tested against; 0201 has seven statuses."""
    stated = {entry.code: entry.http for entry in codes() if entry.code != "APIGW.0201"}
    assert len(stated) > 200
    assert {code: named(code).http for code in stated} == stated


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("nested", b'{"error":{"message":"The resource does not exist.","code":"EndPoint.0005"}}'),
        ("flat", b'{"error_code":"EndPoint.0005","error_msg":"The resource does not exist."}'),
        ("keystone", b'{"error":{"code":404,"message":"The resource does not exist.","title":"Not Found"}}'),
        (
            "wrapped",
            b'{"itemNotFound":{"code":"EndPoint.0005","message":"The resource does not exist."}}',
        ),
        ("empty", b""),
    ],
)
async def test_the_shape_of_an_error_is_a_switch(shape: str, body: bytes) -> None:
    """Each form of API.md, section 3.3, can be chosen."""
    async with calling(switches=Switches.model_validate({"error_shape": shape})) as caller:
        assert (await caller.get(1)).raw == body


async def test_errors_can_look_like_the_gateways_or_a_proxys() -> None:
    """With a request id that is the header's, or as a page; the gateway's prefix is a switch too."""
    async with calling(switches=Switches.model_validate({"error_shape": "gateway"})) as caller:
        said = await caller.get(1)
        assert said.value["request_id"] == said.headers["X-Request-Id"]
        assert said.code == "EndPoint.0005"
        await caller.order(switches={"error_shape": "html", "gateway_prefix": "APIG"})
        page = await caller.get(1)
        assert (page.http, page.headers["Content-Type"]) == (404, "text/html")
        assert page.raw.startswith(b"<html>")
        denied = await caller.ask("GET", SERVICES, headers={"X-Auth-Token": "forged"})
        assert denied.code == "APIG.0301"
        assert orjson.loads(denied.raw)["request_id"] == denied.headers["X-Request-Id"]
