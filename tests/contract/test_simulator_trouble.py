"""Faults, limits and orders as a client meets them, over a real socket."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
import pytest

from bulk.simulator import FaultKind, Identity, Switches
from tests.simulator_caller import PROJECT, Caller, calling, line, mapping, service_id, service_path

WANTED = [mapping(1, 1)]
BODY = {"ports": WANTED}
ORIGINAL = [mapping(8080, 80)]


def ports_of(caller: Caller, number: int = 1) -> object:
    """Return what is truly stored."""
    return caller.simulator.fleet[service_id(number)]["ports"]


def once(kind: str, **fields: Any) -> dict[str, Any]:
    """Return a plan whose one fault hits the first PUT."""
    return {"rules": [{"kind": kind, "method": "PUT"} | fields]}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("kind", "http", "code"),
    [
        ("throttle_429", 429, "APIGW.0308"),
        ("throttle_400", 400, "EndPoint.0022"),
        ("error_500", 500, "EndPoint.0001"),
        ("error_503", 503, "APIGW.0613"),
        ("error_504_0013", 504, "EndPoint.0013"),
    ],
)
async def test_an_error_comes_before_or_after_the_change(
    kind: str, http: int, code: str, *, after: bool
) -> None:
    """The answer is the same, the fleet is not; the next request is served."""
    async with calling(fleet=[line(1)], faults=once(kind, after=after)) as caller:
        said = await caller.put(1, BODY)
        assert (said.http, said.code) == (http, code)
        assert ports_of(caller) == (WANTED if after else ORIGINAL)
        assert (await caller.put(1, BODY)).http == 200
        assert caller.simulator.stats["faults"] == {kind: 1}
        assert caller.simulator.stats["duplicates"] == after


async def test_a_proxys_502_is_a_page() -> None:
    """No code in it."""
    async with calling(fleet=[line(1)], faults=once("error_502")) as caller:
        said = await caller.put(1, BODY)
    assert (said.http, said.headers["Content-Type"]) == (502, "text/html")


@pytest.mark.parametrize("after", [False, True])
async def test_a_reset_comes_before_or_after_the_change(*, after: bool) -> None:
    """The client learns nothing; the next request finds the server alive."""
    async with calling(fleet=[line(1)], faults=once("reset", after=after)) as caller:
        with pytest.raises(aiohttp.ClientConnectionError):
            await caller.put(1, BODY)
        assert ports_of(caller) == (WANTED if after else ORIGINAL)
        assert (await caller.get(1)).http == 200


async def test_a_truncated_body_breaks_off_after_the_change() -> None:
    """The announced length never comes."""
    async with calling(fleet=[line(1)], faults=once("truncated_body")) as caller:
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.put(1, BODY)
        assert ports_of(caller) == WANTED
        assert (await caller.get(1)).http == 200


@pytest.mark.parametrize("kind", ["html_body", "empty_body", "broken_json"])
async def test_an_unreadable_answer_hides_a_change_that_was_made(kind: str) -> None:
    """Status 200, and no JSON."""
    async with calling(fleet=[line(1)], faults=once(kind)) as caller:
        said = await caller.put(1, BODY)
        assert said.http == 200
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(said.raw)
        assert ports_of(caller) == WANTED


async def test_a_wrong_echo_differs_from_what_is_stored() -> None:
    """The fleet has what was asked."""
    async with calling(fleet=[line(1)], faults=once("wrong_echo")) as caller:
        said = await caller.put(1, {"ports": [mapping(1, 1), mapping(2, 2)]})
        assert said.http == 200
        assert said.value["ports"] != ports_of(caller)
        assert ports_of(caller) == [mapping(1, 1), mapping(2, 2)]


async def test_string_ports_are_the_right_ports() -> None:
    """As both documented examples of GET show them."""
    async with calling(fleet=[line(1)], faults=once("string_ports")) as caller:
        said = await caller.put(1, BODY)
    assert said.value["ports"] == [{"client_port": "1", "server_port": "1", "protocol": "TCP"}]


async def test_a_request_that_is_refused_has_no_answer_to_spoil() -> None:
    """And an answer without ports stays as it is."""
    async with calling(fleet=[line(1)], faults=once("wrong_echo", times=2)) as caller:
        assert (await caller.put(1, {"ports": []})).code == "EndPoint.2028"
        path = service_path(1) + "/name"
        said = await caller.ask("PUT", path, {"endpoint_service_name": "x"})
        assert said.value == {"endpoint_service_name": "x"}


@pytest.mark.parametrize("after", [False, True])
async def test_a_slow_answer_is_the_right_one(*, after: bool) -> None:
    """The change is made before or after the wait; a client that gives up early cannot tell."""
    plan = once("slow", after=after, delay_s=0.0, times=1)
    plan["rules"].append({"kind": "slow", "after": after, "delay_s": 60.0, "method": "PUT", "nth": 2})
    async with calling(fleet=[line(1)], faults=plan) as caller:
        assert (await caller.put(1, {"ports": [mapping(9, 9)]})).value["ports"] == [mapping(9, 9)]
        waiting = asyncio.ensure_future(caller.put(1, BODY))
        while caller.simulator.stats["faults"] != {"slow": 2}:  # noqa: ASYNC110 -- the server has no event to wait for
            await asyncio.sleep(0)
        assert ports_of(caller) == (WANTED if after else [mapping(9, 9)])
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@pytest.mark.parametrize("after", [False, True])
async def test_a_refusal_is_as_slow_as_a_success(*, after: bool) -> None:
    """A request that comes later is answered while the refused one still waits."""
    faults = once("slow", after=after, delay_s=60.0, method="PUT")
    async with calling(fleet=[line(1)], faults=faults) as caller:
        waiting = asyncio.ensure_future(caller.put(1, {"ports": []}))
        while caller.simulator.stats["faults"] != {"slow": 1}:  # noqa: ASYNC110 -- the server has no event to wait for
            await asyncio.sleep(0)
        assert (await caller.ask("GET", service_path(1))).http == 200
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@pytest.mark.parametrize("body", [BODY, {"ports": []}], ids=["accepted", "refused"])
async def test_a_fault_after_a_request_is_the_answer_whatever_became_of_it(body: dict[str, object]) -> None:
    """A client that meets the fault cannot tell an accepted request from a refused one."""
    async with calling(fleet=[line(1)], faults=once("error_500", after=True)) as caller:
        assert (await caller.put(1, body)).code == "EndPoint.0001"


async def test_somebody_else_can_change_a_service_at_an_exact_moment() -> None:
    """Here between the first and the second page of a list: an entry comes twice, and one is skipped."""
    plan = {
        "rules": [
            {"kind": "edit", "method": "GET", "nth": 2, "services": [{"id": service_id(3), "deleted": True}]},
            {
                "kind": "edit",
                "method": "GET",
                "nth": 3,
                "services": [line(9), {"id": service_id(1), "ports": WANTED}],
            },
            {"kind": "edit", "method": "GET", "nth": 4, "services": [{"id": "nonsense"}]},
        ]
    }
    async with calling(fleet=[line(number) for number in range(4)], faults=plan) as caller:
        first = await caller.list("limit=2")
        second = await caller.list("limit=2&offset=2")
        third = await caller.get(1)
        fourth = await caller.get(1)
    pages = [[entry["id"][-1] for entry in said.value["endpoint_services"]] for said in (first, second)]
    assert pages == [["3", "2"], ["0"]]
    assert second.value["total_count"] == 3
    assert third.value["ports"] == WANTED
    assert (fourth.http, fourth.code) == (500, "EndPoint.0001")
    assert "id: " in fourth.value["error"]["message"]


async def test_a_fault_does_not_reach_whom_the_gateway_turns_away() -> None:
    """Wrong credentials are refused first, and the fault waits for the next."""
    async with calling(fleet=[line(1)], faults=once("reset")) as caller:
        path = service_path(1)
        assert (await caller.ask("PUT", path, BODY, {"X-Auth-Token": "forged"})).http == 401
        with pytest.raises(aiohttp.ClientConnectionError):
            await caller.put(1, BODY)


def test_every_kind_of_fault_is_tested_here_or_with_the_plans() -> None:
    """A new kind needs its test."""
    assert len(FaultKind) == 18


async def test_a_limit_refuses_and_changes_nothing() -> None:
    """The second PUT within the window; reads have a limit of their own."""
    now_s = 1_000_000.0
    limits = ["fixed:1/60s,for=writes,retry_after=seconds", "fixed:2/60s,for=reads,http=400"]
    async with calling(fleet=[line(1)], limits=limits, clock=lambda: now_s) as caller:
        assert (await caller.put(1, {"ports": [mapping(9, 9)]})).http == 200
        now_s += 20
        refused = await caller.put(1, BODY)
        assert (refused.http, refused.code) == (429, "APIGW.0308")
        assert refused.headers["Retry-After"] == "40"
        assert "policy user over ratelimit,limit:1,time:60 second" in refused.value["error_msg"]
        assert ports_of(caller) == [mapping(9, 9)]
        assert [(await caller.get(1)).http for _ in range(3)] == [200, 200, 400]
        now_s += 40
        assert (await caller.put(1, BODY)).http == 200


async def test_concurrency_is_what_is_in_flight() -> None:
    """With latency, five at once are two served and three refused; then there is room again."""
    switches = Switches(latency_s=0.001, jitter_s=0.001)
    async with calling(fleet=[line(1)], limits=["concurrency:2"], switches=switches) as caller:
        said = await asyncio.gather(*(caller.put(1, BODY) for _ in range(5)))
        assert sorted(one.http for one in said) == [200, 200, 429, 429, 429]
        assert (await caller.put(1, BODY)).http == 200
        assert caller.simulator.stats["in_flight_max"] >= 2


async def test_orders_alter_a_running_simulator() -> None:
    """Limits, faults, switches and services; what is not named stays."""
    async with calling(fleet=[line(1)], limits=["fixed:1/60s"]) as caller:
        assert [(await caller.get(1)).http for _ in range(2)] == [200, 429]
        await caller.order(limits=["fixed:3/60s"])
        await caller.order(
            faults={"rules": [{"kind": "throttle_400"}]}, services=[line(2), line(1, description="new")]
        )
        assert (await caller.get(1)).code == "EndPoint.0022"
        assert (await caller.get(1)).value["description"] == "new"
        assert (await caller.get(2)).http == 200
        assert (await caller.get(2)).http == 429
        await caller.order(
            services=[{"id": service_id(2), "deleted": True}, {"id": service_id(7), "deleted": True}]
        )
        fleet = (await caller.ask("GET", "/_simulator/fleet")).value["services"]
    assert [(one["id"], one["ports"]) for one in fleet] == [(service_id(1), ORIGINAL)]


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        (b"{", "Invalid JSON"),
        ({"swithces": {}}, "swithces"),
        ({"switches": {"latency_s": -1}}, "latency_s"),
        ({"switches": {"lateny_s": 1}}, "lateny_s"),
        ({"limits": ["token"]}, "'token' is no limit"),
        ({"faults": {"rates": {"flood": 1}}}, "faults"),
        ({"services": [{"id": "x"}]}, "id"),
    ],
)
async def test_orders_that_make_no_sense_are_told(orders: object, said: str) -> None:
    """With the member that is wrong."""
    async with calling() as caller:
        answer = await caller.ask("POST", "/_simulator/switches", orders)
    assert answer.http == 400
    assert said in answer.value["problem"]


async def test_a_body_beyond_the_gateways_bound_is_refused() -> None:
    """12 MB."""
    async with calling(fleet=[line(1)]) as caller:
        said = await caller.put(1, b" " * (12 * 2**20 + 1))
    assert (said.http, said.code) == (413, "APIGW.0201")


async def test_a_signed_header_that_is_no_text_is_a_wrong_signature() -> None:
    """An error of the API, not of the simulator."""
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ").encode()
    lines = [
        b"GET /v1/%s/vpc-endpoint-services HTTP/1.1" % PROJECT.encode(),
        b"Host: x",
        b"X: \xff",
        b"X-Sdk-Date: " + date,
        b"Authorization: SDK-HMAC-SHA256 Access=%s, SignedHeaders=x;x-sdk-date, " % Identity().ak.encode()
        + b"Signature="
        + b"0" * 64,
        b"Connection: close",
    ]
    async with calling() as caller:
        reader, writer = await asyncio.open_connection(
            *caller.simulator.url.removeprefix("http://").split(":")
        )
        writer.write(b"\r\n".join([*lines, b"", b""]))
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert said.startswith(b"HTTP/1.1 401 ")
    assert b"canonical request" in said


async def test_the_simulators_own_paths_are_few() -> None:
    """Anything else is unknown."""
    async with calling() as caller:
        assert (await caller.ask("GET", "/_simulator/secrets")).code == "APIGW.0101"
        assert (await caller.ask("GET", "/_simulator/stats")).value["applied"] == 0
