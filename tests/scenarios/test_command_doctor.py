"""`bulk doctor`: who, where, and how the API answers; it reads and changes nothing."""

import re
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from bulk.vpcep.requests import Timeouts
from tests.scenarios.stage import Json, Stage, fleet_lines
from tests.simulator_caller import PROJECT, line, mapping


def doctor(stage: Stage, *argv: str) -> tuple[int, list[Json]]:
    """Run the command and return its exit code and findings."""
    ended = stage.bulk("doctor", *argv, "--output", "json")
    findings: list[Json] = orjson.loads(ended.out)["findings"]
    return ended.code, findings


def said(findings: list[Json], topic: str) -> str:
    """Return the messages of a topic."""
    return "; ".join(one["message"] for one in findings if one["topic"] == topic)


@pytest.fixture(autouse=True)
def _place(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULK_ENDPOINT", stage.aside.simulator.url)
    monkeypatch.setenv("BULK_REGION", "cn-north-4")
    monkeypatch.setenv("HUAWEICLOUD_SDK_STS_ENDPOINT", stage.aside.simulator.url)


def test_it_says_who_where_and_how_and_changes_nothing(stage: Stage) -> None:
    """Each line has a sigil, its topic and what was found; 0 where all is well."""
    ended = stage.bulk("doctor")
    assert ended.code == ExitCode.OK, ended.said
    assert {row[0] for row in ended.out.splitlines()} <= {"+", "?", " "}
    identity = stage.aside.simulator.identity
    for words in (
        "+ bulk ",
        f"access key that ends in {identity.ak[-4:]}, from the environment (HUAWEICLOUD_SDK_AK)",
        "+ clock        API is ",
        "without TLS",
        "sts::",
        "+ account      simulator-domain (",
        f"cn-north-4 ({PROJECT}); no others",
        "+ list ",
        "ports as: numbers",
        "+ question 1 ",
        "+ question 5 ",
        "+ question 9 ",
        "endpoint_service: ",
    ):
        assert words in ended.out, (words, ended.out)
    assert stage.applied == []
    for secret in (identity.sk, identity.password):
        assert secret not in ended.said
    requests = stage.aside.do(lambda simulator: dict(simulator.stats["requests"]))
    assert set(requests) <= {
        "GET /", "GET /v3/projects", "GET /v3/auth/domains", "GET /v5/caller-identity", "list", "detail",
        "quotas",
    }  # fmt: skip
    assert sum(requests.values()) <= 15


ODD = [
    *fleet_lines(3),
    line(11, ports=[mapping(53, 53, "UDP")], created_at="2020-01-01T00:00:00Z"),
    line(12, ports=[mapping(80, 8080), mapping(81, 8080)], created_at="2020-01-01T00:00:00Z"),
]


@pytest.mark.parametrize("stage", [{"fleet": ODD}], indirect=True)
def test_four_servers_that_answer_differently_are_told_apart(stage: Stage) -> None:
    """By the shape of their replies, and by what these say of the open questions."""
    _, first = doctor(stage)
    assert "TCP" in said(first, "shape")
    assert "1 service here has UDP" in said(first, "question 6")
    assert "1 service here has two client_ports" in said(first, "question 4")
    assert "an empty page" in said(first, "question 9")
    assert "error.code, error.message" in said(first, "question 1")
    stage.order(
        switches={"port_form": "string", "timestamp_form": "milliseconds", "error_shape": "flat"},
    )
    _, second = doctor(stage)
    assert "ports as: texts" in said(second, "shape")
    assert "times as: without a zone with a fraction" in said(second, "shape")
    assert "error_code, error_msg" in said(second, "question 1")
    stage.order(switches={"offset_past_end": "reject", "error_shape": "html"})
    _, third = doctor(stage)
    assert "EndPoint" in said(third, "question 9") or "HTTP 400" in said(third, "question 9")
    assert "no JSON" in said(third, "question 1")
    stage.order(switches={"clock_skew_s": 400.0})
    code, fourth = doctor(stage)
    assert re.search(r"API is (399|400) s ahead of this machine", said(fourth, "clock"))
    assert code == ExitCode.OK
    assert any(one["is_well"] is False and "set this machine's clock" in one["hint"] for one in fourth)


TWO = {"projects": {"cn-north-4": PROJECT, "cn-north-4_dev": "a" * 32}}


@pytest.mark.parametrize("stage", [TWO], indirect=True)
def test_projects_are_listed_on_request(stage: Stage) -> None:
    """By name and id."""
    _, findings = doctor(stage, "--projects")
    assert f"cn-north-4_dev {'a' * 32}" in said(findings, "projects")
    _, findings = doctor(stage)
    assert said(findings, "projects").endswith("; 1 other")


def test_what_is_passed_over_and_what_is_not_honoured_is_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without anything secret of it."""
    monkeypatch.setenv("HW_ACCESS_KEY", "AK2")
    monkeypatch.setenv("HW_SECRET_KEY", "hidden")
    monkeypatch.setenv("OS_PASSWORD", "hidden")
    ended = stage.bulk("doctor")
    assert ended.code == ExitCode.OK
    assert "+ passed over  the environment (HW_ACCESS_KEY): has credentials, and is passed over" in ended.out
    assert "? passed over  OS_USERNAME and OS_PASSWORD cannot be used: the credentials" in ended.out
    assert "hidden" not in ended.said
    monkeypatch.setenv("OS_AGENCY_NAME", "ops")
    code, findings = doctor(stage)
    assert code == ExitCode.CANNOT_RUN
    assert "OS_AGENCY_NAME is set, and not honoured" in said(findings, "credentials")
    assert "OS_AGENCY_NAME is set, which bulk does not honour" in said(findings, "login")


def test_a_refused_key_is_said_and_ends_with_1(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found before it is said all the same, and it costs the key one bad signature."""
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong-secret-of-somebody")
    for project_id, words in (
        (PROJECT, "! list         no list: HTTP 401 APIGW.0301"),
        ("", "! login        cannot look up the project of region cn-north-4: APIGW.0301"),
    ):
        before = stage.aside.do(lambda simulator: simulator.stats["answers"].get("401", 0))
        monkeypatch.setenv("BULK_PROJECT_ID", project_id)
        if not project_id:
            monkeypatch.delenv("BULK_PROJECT_ID")
        ended = stage.bulk("doctor")
        assert ended.code == ExitCode.CANNOT_RUN
        assert "+ where " in ended.out
        assert words in ended.out
        assert "wrong-secret" not in ended.said
        assert stage.aside.do(lambda simulator: simulator.stats["answers"].get("401", 0)) == before + 1


def test_no_credentials_no_region_and_no_server_are_said(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with what to do next."""
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "")
    code, findings = doctor(stage)
    assert code == ExitCode.CANNOT_RUN
    assert "HUAWEICLOUD_SDK_SK not set" in said(findings, "credentials")
    assert said(findings, "passed over") == ""
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "SK")
    monkeypatch.setenv("BULK_ENDPOINT", "http://127.0.0.1:1")
    code, findings = doctor(stage)
    assert code == ExitCode.CANNOT_RUN
    assert "127.0.0.1:1: connect_failed" in said(findings, "reach API")
    assert {one["hint"] for one in findings if one["topic"] in {"reach API", "list"}} == {
        "check the network, the endpoint's address and HTTPS_PROXY"
    }
    monkeypatch.delenv("BULK_REGION")
    code, findings = doctor(stage)
    assert "no region is known" in said(findings, "login")
    monkeypatch.setenv("BULK_ENDPOINT", "ftp://x")
    assert stage.bulk("doctor").code == ExitCode.USAGE


def test_a_profile_goes_before_what_variables_name_and_that_is_said(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As everything that has credentials and does not count; what warns of the file stands there once."""
    identity = stage.aside.simulator.identity
    path = tmp_path / "credentials"
    path.write_text(f"[prod]\nak = {identity.ak}\nsk = {identity.sk}\n")
    path.chmod(0o644)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("HW_USER_PASSWORD", "hidden")
    ended = stage.bulk("doctor", "--profile", "prod")
    assert ended.code == ExitCode.OK, ended.said
    assert (
        "+ passed over  the environment (HUAWEICLOUD_SDK_AK): has credentials, and is passed over"
        in ended.out
    )
    assert "? passed over  HW_USER_NAME and HW_USER_PASSWORD cannot be used: " in ended.out
    assert f"from [prod] of {path}" in ended.out
    assert ended.said.count(f"others may read the credentials file {path}") == 1
    assert "hidden" not in ended.said


def test_where_nothing_names_credentials_that_is_not_called_a_find(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The agency of a server is the last place, which everything else goes before."""
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("bulk.vpcep.exchanges.METADATA_TIMEOUTS", Timeouts(total_s=0.2))
    ended = stage.bulk("doctor")
    assert ended.code == ExitCode.CANNOT_RUN
    assert (
        "? credentials  agency of this cloud server, of which this server may have one: no other" in ended.out
    )
    assert "! login        no credentials found in HUAWEICLOUD_OIDC_..., " in ended.out
    assert ended.err == ""


def test_an_iam_that_does_not_answer_says_nothing_of_the_projects(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether there are others is not known then."""
    monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", "http://127.0.0.1:1")
    _, findings = doctor(stage)
    assert said(findings, "projects") == f"{PROJECT}; IAM does not say which projects there are"
