"""What a worker takes of what it is asked for: nothing but three routes of one project."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.model import ServiceId
from bulk.vpcep.requests import (
    REPLY_BYTES_MAX,
    Request,
    list_projects,
    list_services,
    modify_service,
    quotas_of,
    services_path,
    show_service,
)
from bulk.workers.routes import refusal_of

PROJECT, OTHER = "6e9dfd51d1124e8d8498dce894923a0d", "0e9dfd51d1124e8d8498dce894923a0f"
PATH = services_path(PROJECT)
ID = ServiceId("4189d3c2-8882-4871-a3c2-d380272eed83")
LIST, SHOW = list_services(PATH, offset=2000, limit=1000), show_service(PATH, ID)
MODIFY = modify_service(PATH, ID, b'{"ports":[]}')


def is_taken(request: Request, *, may_write: bool) -> bool:
    """Return whether a worker of the project takes a request."""
    return not refusal_of(request, PROJECT, may_write=may_write)


@pytest.mark.parametrize(
    ("request_", "may_write"),
    [
        (LIST, False),
        (replace(LIST, query=""), False),
        (replace(LIST, query="limit=1&offset=0&sort_dir=desc"), False),
        (SHOW, False),
        (MODIFY, True),
        (replace(MODIFY, body=b" " * REPLY_BYTES_MAX), True),
    ],
)
def test_what_a_run_needs_is_taken(request_: Request, may_write: bool) -> None:  # noqa: FBT001 - a case
    """The list and a service where reads are asked for, the PUT of a service where writes are."""
    assert is_taken(request_, may_write=may_write)
    assert not is_taken(request_, may_write=not may_write)


@pytest.mark.parametrize(
    "query",
    [
        "limit=1000",
        "offset=0&limit=1000&sort_dir=asc",
        "limit=1000&offset=0&sort_dir=asc&sort_dir=asc",
        "limit=1000&offset=0&sort_dir=ASC",
        "limit=1000&offset=0&sort_dir=asc&",
        "&limit=1000&offset=0&sort_dir=asc",
        "?limit=1000&offset=0&sort_dir=asc",
        "limit=1000&offset=0&sort_dir=asc\n",
        "limit=1000&offset=0&sort_dir=asc HTTP/1.1\r\nHost: elsewhere",
        "limit=%31000&offset=0&sort_dir=asc",
        "limit=-1&offset=0&sort_dir=asc",
        "limit=1000000000&offset=0&sort_dir=asc",
        "limit=１&offset=0&sort_dir=asc",
        "id=x",
        "limit",
        "#",
    ],
)
def test_the_list_takes_its_own_query_in_one_spelling_only(query: str) -> None:
    """Another order would be signed wrongly: the API's refusal would be that of the key, for every run."""
    assert not is_taken(replace(LIST, query=query), may_write=False)


PATHS = [
    services_path(OTHER),
    f"{services_path(OTHER)}/{ID}",
    PATH.replace("/v1/", "/v1//"),
    PATH.replace("/v1/", "/v2/"),
    PATH.replace("/", "%2F"),
    PATH.replace(PROJECT, f"%36{PROJECT[1:]}"),
    PATH.replace(PROJECT, PROJECT.upper()),
    PATH.upper(),
    f"{PATH}/",
    f"{PATH}//{ID}",
    f"{PATH}%2F{ID}",
    f"{PATH}/{ID}/",
    f"{PATH}/{ID}\n",
    f"\n{PATH}/{ID}",
    f"{PATH}/{ID} HTTP/1.1\r\nX: y",
    f"{PATH}/{ID}?a=b",
    f"{PATH}/{ID}#a",
    f"{PATH}/{ID}/connections",
    f"{PATH}/{ID}/permissions/action",
    f"{PATH}/{ID}/../{ID}",
    f"{PATH}/../vpc-endpoint-services/{ID}",
    f"{PATH}/{ID[:-1]}",
    f"{PATH}/{ID}0",
    f"{PATH}/{'.' * 36}",
    f"{PATH}/{'/..' * 12}",
    f"{PATH}/{'%2e' * 12}",
    f"{PATH}/{'é' * 36}",
    f"{PATH}/{'٣' * 36}",
    f"{PATH}/{chr(0) * 36}",
    f"https://elsewhere{PATH}",
    f"//elsewhere{PATH}",
    quotas_of(PROJECT).path,
    list_projects().path,
    "/v1/vpc-endpoint-services",
    "/",
    "",
    "*",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("may_write", [False, True])
def test_no_other_path_is_taken(path: str, may_write: bool) -> None:  # noqa: FBT001 - a case
    """Of another project, of other things of the same service, or one that a server may read as another."""
    request = Request(method="PUT" if may_write else "GET", path=path)
    assert "path" in refusal_of(request, PROJECT, may_write=may_write)


@pytest.mark.parametrize(
    "method",
    [
        "POST",
        "DELETE",
        "PATCH",
        "HEAD",
        "OPTIONS",
        "CONNECT",
        "TRACE",
        "get",
        "put",
        " GET",
        "PUT ",
        "PUT\r\n",
        "",
    ],
)
@pytest.mark.parametrize("may_write", [False, True])
def test_no_other_method_is_taken(method: str, may_write: bool) -> None:  # noqa: FBT001 - a case
    """Not even in another spelling."""
    for request in (LIST, SHOW, MODIFY):
        assert not is_taken(replace(request, method=method), may_write=may_write)


def test_the_list_is_not_written_and_a_service_takes_no_query() -> None:
    """Nor has a read a body, or a PUT one that no job could make."""
    for request, may_write, why in (
        (replace(LIST, method="PUT", query=""), True, "a list"),
        (replace(SHOW, query="limit=1"), False, "no query"),
        (replace(MODIFY, query="limit=1"), True, "no query"),
        (replace(SHOW, body=b"{}"), False, "body"),
        (replace(LIST, body=b"{}"), False, "body"),
        (replace(MODIFY, body=b" " * (REPLY_BYTES_MAX + 1)), True, "body"),
    ):
        assert why in refusal_of(request, PROJECT, may_write=may_write)


@given(st.text(max_size=60), st.booleans())
def test_what_follows_the_path_of_the_project_is_an_id_or_refused(tail: str, may_write: bool) -> None:  # noqa: FBT001
    """And an id needs no encoding."""
    request = Request(method="PUT" if may_write else "GET", path=f"{PATH}/{tail}")
    if is_taken(request, may_write=may_write):
        assert tail == quote(tail, safe="")
        assert len(tail) == len(ID)
