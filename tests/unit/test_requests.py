"""Requests as they go out."""

import orjson

from bulk.model import ModifyBody, PortMapping, ServiceId
from bulk.puts import put_of
from bulk.vpcep.keys import KeyPair, Stamp, Token
from bulk.vpcep.login_requests import password_token
from bulk.vpcep.logins import Password
from bulk.vpcep.requests import (
    list_projects,
    list_services,
    modify_service,
    services_path,
    show_service,
)
from tests.values import change

ID = ServiceId("4189d3c2-8882-4871-a3c2-d380272eed83")
PATH = services_path("6e9dfd51d1124e8d8498dce894923a0d")
NOW = 1_768_465_800.0  # 2026-01-15T08:30:00Z


def test_list_asks_for_the_oldest_first_in_signed_order() -> None:
    """A creation during the scan then comes last; the query goes out as it is signed."""
    request = list_services(PATH, offset=1000, limit=1000)
    assert request.method == "GET"
    assert request.url_tail == (
        "/v1/6e9dfd51d1124e8d8498dce894923a0d/vpc-endpoint-services?limit=1000&offset=1000&sort_dir=asc"
    )


def test_detail_names_the_service_in_its_path() -> None:
    """It has neither query nor body."""
    request = show_service(PATH, ID)
    assert (request.method, request.url_tail, request.body) == ("GET", f"{PATH}/{ID}", b"")


def test_modify_sends_only_what_is_named() -> None:
    """A field that is not set is not in the body: the API would take it for a wish."""
    body = ModifyBody(ports=(PortMapping(client_port=8081, server_port=22),), description="")
    request = modify_service(PATH, ID, put_of(change(1), body).content)
    assert (request.method, request.path) == ("PUT", f"{PATH}/{ID}")
    assert orjson.loads(request.body) == {
        "ports": [{"client_port": 8081, "server_port": 22, "protocol": "TCP"}],
        "description": "",
    }


def test_project_id_cannot_leave_its_place_in_the_path() -> None:
    """A slash in it is no slash."""
    assert services_path("a/../b") == "/v1/a%2F..%2Fb/vpc-endpoint-services"


def test_token_is_asked_for_the_project_of_the_region_or_for_the_named_one() -> None:
    """VPCEP takes only tokens of one project."""
    login = Password(user="u", password="p", domain="d")
    by_region = password_token(login, project={"name": "cn-north-4"})
    by_id = password_token(login, project={"id": "77"})
    auth = orjson.loads(by_region.body)["auth"]
    assert by_region.url_tail == "/v3/auth/tokens?nocatalog=true"
    assert auth["identity"]["password"]["user"] == {"name": "u", "password": "p", "domain": {"name": "d"}}
    assert auth["scope"] == {"project": {"name": "cn-north-4"}}
    assert orjson.loads(by_id.body)["auth"]["scope"] == {"project": {"id": "77"}}


def test_projects_are_looked_up_by_the_name_of_the_region() -> None:
    """The name is encoded."""
    assert list_projects("cn-north-4 x").url_tail == "/v3/projects?name=cn-north-4%20x"


def test_key_pair_signs_every_request_afresh() -> None:
    """Each request carries its own date and signature, and a temporary key its token."""
    key = KeyPair(ak="AK", sk="SK", security_token="TEMP")
    stamp = Stamp(key, {"Host": "h", "X-Project-Id": "p"})
    first, later = (stamp.headers(show_service(PATH, ID), now) for now in (NOW, NOW + 1))
    assert first["X-Sdk-Date"] == "20260115T083000Z"
    assert first["X-Security-Token"] == "TEMP"
    assert "SignedHeaders=host;x-project-id;x-sdk-date;x-security-token," in first["Authorization"]
    assert first["Authorization"] != later["Authorization"]


def test_lasting_key_sends_no_security_token() -> None:
    """An empty header would be signed as such."""
    assert "X-Security-Token" not in Stamp(KeyPair(ak="AK", sk="SK"), {}).headers(show_service(PATH, ID), NOW)


def test_token_is_sent_as_it_is() -> None:
    """Nothing is signed."""
    headers = Stamp(Token(value="MII"), {"Host": "h"}).headers(show_service(PATH, ID), NOW)
    assert headers == {"Host": "h", "X-Auth-Token": "MII"}


def test_secrets_show_in_no_representation() -> None:
    """A key or token that ends in a log line or a traceback tells nothing."""
    key, token = KeyPair(ak="AK", sk="hidden", security_token="hidden"), Token(value="hidden")
    assert "hidden" not in f"{key!r} {key} {token!r} {token}"
