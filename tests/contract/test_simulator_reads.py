"""The simulator's reads: list, detail, quotas, versions, and the switches that change what they show."""

from typing import Any

import pytest

from bulk.simulator import Switches
from tests.simulator_caller import OTHER_PROJECT, PROJECT, SERVICES, calling, line, mapping, service_id

LIST_FIELDS = {
    "id", "port_id", "service_name", "server_type", "vpc_id", "approval_enabled", "status", "service_type",
    "created_at", "updated_at", "project_id", "domain_id", "ports", "ip", "tags", "connection_count",
    "tcp_proxy", "error", "description", "supported_editions", "public_border_group", "enable_policy",
}  # fmt: skip
DETAIL_FIELDS = LIST_FIELDS - {"domain_id"} | {"cidr_type"}


def ids(said: Any) -> list[int]:
    """Return the numbers of the listed services."""
    return [int(entry["id"][-12:]) for entry in said.value["endpoint_services"]]


async def test_a_list_shows_ten_services_the_newest_first() -> None:
    """The defaults of the API; total_count is independent of the page."""
    async with calling(fleet=[line(number) for number in range(12)]) as caller:
        said = await caller.list()
    assert said.http == 200
    assert ids(said) == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]
    assert said.value["total_count"] == 12
    assert set(said.value["endpoint_services"][0]) == LIST_FIELDS


async def test_pages_put_together_are_the_whole_list() -> None:
    """In either direction, for every page size, and past the end there is nothing."""
    async with calling(fleet=[line(number) for number in range(7)]) as caller:
        for limit in (1, 2, 3, 7, 1000):
            for direction, order in (("asc", list(range(7))), ("desc", list(range(6, -1, -1)))):
                seen: list[int] = []
                for offset in range(0, 7 + limit, limit):
                    seen += ids(await caller.list(f"limit={limit}&offset={offset}&sort_dir={direction}"))
                assert seen == order


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"id={service_id(3)}", [3]),
        ("id=nobody", []),
        ("endpoint_service_name=WEB", [2, 1]),
        ("endpoint_service_name=north-4.web-b", [2]),
        ("status=failed", [3]),
        ("status=available&endpoint_service_name=web-a", [1]),
        ("sort_key=update_at&sort_dir=asc&limit=2", [3, 1]),
        ("unknown=ignored&limit=1", [3]),
        ("net_type=vlan&limit=1", [3]),
        ("server_type=VM", [2]),
        ("server_type=LB&status=available", [1]),
        ("public_border_group=edge-1", [1]),
        ("public_border_group=edge-2", []),
    ],
)
async def test_filters_and_orders_are_the_documented_ones(query: str, expected: list[int]) -> None:
    """Names match as substrings of the full name, in any case."""
    fleet = [
        line(1, service_name="web-a", public_border_group="edge-1"),
        line(2, service_name="web-b", server_type="VM", updated_at="2026-02-01T00:00:00Z"),
        line(3, status="failed", updated_at="2026-01-01T00:00:00Z"),
    ]
    async with calling(fleet=fleet) as caller:
        said = await caller.list(query)
    assert ids(said) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "EndPoint.0006"),
        ("limit=1001", "EndPoint.0006"),
        ("limit=ten", "EndPoint.0006"),
        ("limit=" + "9" * 5000, "EndPoint.0006"),
        ("offset=-1", "EndPoint.0010"),
        ("offset=x", "EndPoint.0010"),
        ("sort_key=name", "EndPoint.0017"),
        ("sort_dir=up", "EndPoint.0018"),
        ("status=ready", "EndPoint.0019"),
        ("net_type=wlan", "EndPoint.3048"),
        ("endpoint_service_name=" + "x" * 129, "EndPoint.0002"),
    ],
)
async def test_a_wrong_query_is_refused_with_its_code(query: str, code: str) -> None:
    """The last column of API.md, section 1.3."""
    async with calling() as caller:
        said = await caller.list(query)
    assert (said.http, said.code) == (400, code)


@pytest.mark.parametrize(("spelling", "other"), [("create_at", "created_at"), ("created_at", "create_at")])
async def test_the_spelling_of_sort_key_is_a_switch(spelling: str, other: str) -> None:
    """The editions differ; whoever sends no sort_key gets the order of creation from all of them."""
    switches = Switches.model_validate({"sort_key_spelling": spelling})
    fleet = [line(1, updated_at="2026-02-01T00:00:00Z"), line(2, updated_at="2026-01-11T00:00:00Z")]
    async with calling(fleet=fleet, switches=switches) as caller:
        assert ids(await caller.list("sort_dir=asc")) == [1, 2]
        assert ids(await caller.list(f"sort_dir=asc&sort_key={spelling}")) == [1, 2]
        by_update = spelling.replace("create", "update")
        assert ids(await caller.list(f"sort_dir=asc&sort_key={by_update}")) == [2, 1]
        for sort_key in (other, other.replace("create", "update")):
            assert (await caller.list(f"sort_key={sort_key}")).code == "EndPoint.0017"


async def test_an_empty_list_may_be_null() -> None:
    """As servers write it that have no list to begin with."""
    async with calling(switches=Switches(empty_list="null")) as caller:
        assert (await caller.list()).value == {"endpoint_services": None, "total_count": 0}


async def test_vip_port_id_is_shown_by_older_editions_only() -> None:
    """A PUT of it takes effect either way, which no answer of today shows."""
    async with calling(fleet=[line(1)]) as caller:
        answers = [await caller.put(1, {"vip_port_id": service_id(9)}), await caller.get(1)]
        assert not any("vip_port_id" in said.value for said in answers)
        await caller.order(switches={"vip_port_id_shown": True})
        assert (await caller.get(1)).value["vip_port_id"] == service_id(9)


async def test_the_operators_list_and_the_description_are_no_ids() -> None:
    """`public` lists the operator's services of every project, `describe` names one that anybody may know."""
    fleet = [
        line(1, service_name="web-a"),
        *(line(n, project_id=OTHER_PROJECT, service_type="gateway", service_name=f"obs-{n}") for n in (2, 3)),
    ]
    async with calling(fleet=fleet) as caller:
        page = await caller.ask("GET", f"{SERVICES}/public?limit=1&sort_dir=asc")
        assert (ids(page), page.value["total_count"]) == ([2], 2)
        assert ids(await caller.ask("GET", f"{SERVICES}/public?endpoint_service_name=OBS-3")) == [3]
        full = f"cn-north-4.web-a.{service_id(1)}"
        for query in (f"id={service_id(1)}", f"endpoint_service_name={full}"):
            said = await caller.ask("GET", f"{SERVICES}/describe?{query}")
            assert (said.value["id"], said.value["service_name"]) == (service_id(1), full)
        assert (await caller.ask("GET", f"{SERVICES}/describe")).code == "EndPoint.0002"
        assert (await caller.ask("GET", f"{SERVICES}/describe?id={service_id(7)}")).code == "EndPoint.0005"
        for name in ("public", "describe"):
            assert (await caller.ask("PUT", f"{SERVICES}/{name}", {})).code == "APIGW.0101"


async def test_an_offset_past_the_end_is_an_empty_page_or_an_error() -> None:
    """A switch; an empty project has no end to be past."""
    async with calling(fleet=[line(1)]) as caller:
        assert ids(await caller.list("offset=1")) == []
        await caller.order(switches={"offset_past_end": "reject"})
        assert (await caller.list("offset=1")).code == "EndPoint.0010"
        assert ids(await caller.list("offset=0")) == [1]


async def test_detail_shows_the_service_without_pool_and_ip_version() -> None:
    """The field set of the detail page."""
    async with calling(fleet=[line(1, connection_count=3, ports=[mapping(8080, 80)])]) as caller:
        said = await caller.get(1)
    assert said.http == 200
    assert set(said.value) == DETAIL_FIELDS
    assert said.value["ports"] == [mapping(8080, 80)]
    assert said.value["connection_count"] == 3
    assert said.headers["X-Request-Id"]


async def test_a_service_of_another_project_is_not_found() -> None:
    """Ids are looked up within the project of the path; which code says so is a switch."""
    async with calling(fleet=[line(1, project_id=OTHER_PROJECT)]) as caller:
        said = await caller.get(1)
        assert (said.http, said.code) == (404, "EndPoint.0005")
        await caller.order(switches={"missing_service_http": 400})
        said = await caller.get(1)
        assert (said.http, said.code) == (400, "EndPoint.2003")


@pytest.mark.parametrize(
    ("path", "http", "code"),
    [
        ("/v1/{project}/vpc-endpoint-services/web-a", 400, "EndPoint.3062"),
        ("/v1/{unknown}/vpc-endpoint-services", 403, "EndPoint.0004"),
        ("/v1/{short}/vpc-endpoint-services", 400, "EndPoint.0014"),
        ("/v1/{project}/vpc-endpoints", 404, "APIGW.0101"),
        ("/v1/{project}/vpc-endpoint-services/a/b/c", 404, "APIGW.0101"),
        ("/v2", 404, "APIGW.0101"),
    ],
)
async def test_paths_that_lead_nowhere_say_why(path: str, http: int, code: str) -> None:
    """A bad id, a project that is not ours, one that is no id, and no API at all."""
    async with calling() as caller:
        wanted = path.format(project=PROJECT, unknown="c" * 32, short="abc")
        token = caller.simulator.token(
            "c" * 32 if "unknown" in path else "abc" if "short" in path else PROJECT
        )
        said = await caller.ask("GET", wanted, headers={"X-Auth-Token": token})
    assert (said.http, said.code) == (http, code)


async def test_a_method_that_no_path_has_is_unknown() -> None:
    """PATCH on a service, DELETE on the list."""
    async with calling(fleet=[line(1)]) as caller:
        for method, path in (("PATCH", f"/{service_id(1)}"), ("DELETE", "")):
            said = await caller.ask(method, f"/v1/{PROJECT}/vpc-endpoint-services{path}")
            assert (said.http, said.code) == (404, "APIGW.0101")


async def test_a_closed_project_is_forbidden() -> None:
    """As without the IAM permission."""
    async with calling(switches=Switches(closed_projects=frozenset({PROJECT}))) as caller:
        said = await caller.list()
    assert (said.http, said.code) == (403, "EndPoint.0004")


async def test_quotas_tell_what_is_used() -> None:
    """Both kinds, or the one that is asked for."""
    async with calling(fleet=[line(1), line(2)]) as caller:
        both = await caller.ask("GET", f"/v1/{PROJECT}/quotas")
        one = await caller.ask("GET", f"/v1/{PROJECT}/quotas?type=endpoint_service")
        bad = await caller.ask("GET", f"/v1/{PROJECT}/quotas?type=moon")
    assert [entry["type"] for entry in both.value["quotas"]["resources"]] == ["endpoint_service", "endpoint"]
    assert one.value == {"quotas": {"resources": [{"type": "endpoint_service", "used": 2, "quota": 10_000}]}}
    assert bad.code == "EndPoint.0002"


async def test_versions_need_no_credentials() -> None:
    """A cheap probe of reachability."""
    async with calling() as caller:
        for path, name in (("/", "versions"), ("/v1", "version"), ("/v3", "version"), ("/v3/", "version")):
            said = await caller.ask("GET", path, headers={"X-Auth-Token": ""})
            assert said.http == 200
            assert name in said.value


async def test_ports_timestamps_and_spellings_follow_the_switches() -> None:
    """Strings, milliseconds without a zone, `gataway`, and the other names of failures."""
    failure = {"code": "EndPoint.4010", "message": "no port"}
    fleet = [
        line(
            1, service_type="gateway", status="failed", error=[failure], created_at="2018-01-30T07:42:01.174"
        )
    ]
    async with calling(fleet=fleet) as caller:
        plain = (await caller.get(1)).value
        await caller.order(
            switches={
                "port_form": "string",
                "timestamp_form": "milliseconds",
                "gateway_spelling": "gataway",
                "failure_fields": "error_code",
            }
        )
        odd = (await caller.get(1)).value
    assert plain["ports"][0]["client_port"] == 8080
    assert plain["created_at"] == "2018-01-30T07:42:01Z"
    assert (plain["service_type"], plain["error"]) == ("gateway", [failure])
    assert odd["ports"] == [{"client_port": "8080", "server_port": "80", "protocol": "TCP"}]
    assert odd["created_at"] == "2018-01-30T07:42:01.174"
    assert odd["service_type"] == "gataway"
    assert odd["error"] == [{"error_code": "EndPoint.4010", "error_message": "no port"}]
