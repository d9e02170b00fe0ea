"""What a client asks of VPCEP, read from path and query, and the record of what took effect."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from urllib.parse import parse_qsl

import orjson

from bulk.simulator.error_answers import vpcep
from bulk.simulator.fleet import PortPair, Service, ServiceStatus
from bulk.simulator.service_json import ports_answer, timestamp
from bulk.simulator.switches import SortKeySpelling

LIST_LIMIT_DEFAULT = 10
LIST_LIMIT_MAX = 1000


class Operation(StrEnum):
    """What a client may ask for (API.md, section 1)."""

    LIST = "list"
    DETAIL = "detail"
    MODIFY = "modify"
    RENAME = "rename"
    CREATE = "create"
    DELETE = "delete"
    QUOTAS = "quotas"
    PUBLIC = "public"
    DESCRIBE = "describe"


_COLLECTION = {"GET": Operation.LIST, "POST": Operation.CREATE}
_MEMBER = {"GET": Operation.DETAIL, "PUT": Operation.MODIFY, "DELETE": Operation.DELETE}
_BESIDE = {"public": Operation.PUBLIC, "describe": Operation.DESCRIBE}  # these stand where an id would


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, understood as far as its path: `service_id` is empty where the path names none."""

    operation: Operation
    project_id: str
    service_id: str = ""
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPut:
    """One PUT that took effect: `n` counts from 1, `at_ms` is UTC; `body` is as it came."""

    n: int
    at_ms: int
    operation: Operation
    project_id: str
    id: str
    before: tuple[PortPair, ...]
    after: tuple[PortPair, ...]
    is_duplicate: bool
    body: bytes

    def line(self) -> bytes:
        """Return the record as one JSON object; `is_duplicate` says that nothing was different afterwards."""
        return orjson.dumps(
            {
                "n": self.n,
                "at": timestamp(self.at_ms, "milliseconds") + "Z",
                "operation": self.operation,
                "project_id": self.project_id,
                "id": self.id,
                "ports_before": ports_answer(self.before, "integer"),
                "ports_after": ports_answer(self.after, "integer"),
                "is_duplicate": self.is_duplicate,
                "body": orjson.loads(self.body),
            }
        )


def route(method: str, path: str) -> Call | None:
    """Return the call that a path below `/v1/` is, or None when the API has no such path."""
    match path.split("/"):
        case ["", "v1", project_id, "vpc-endpoint-services"]:
            operation, service_id = _COLLECTION.get(method), ""
        case ["", "v1", project_id, "vpc-endpoint-services", ("public" | "describe") as name]:
            operation, service_id = (_BESIDE[name] if method == "GET" else None), ""
        case ["", "v1", project_id, "vpc-endpoint-services", service_id]:
            operation = _MEMBER.get(method)
        case ["", "v1", project_id, "vpc-endpoint-services", service_id, "name"] if method == "PUT":
            operation = Operation.RENAME
        case ["", "v1", project_id, "quotas"] if method == "GET":
            operation, service_id = Operation.QUOTAS, ""
        case _:
            return None
    if operation is None:
        return None
    return Call(operation=operation, project_id=project_id, service_id=service_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """The query of GET list with its defaults (API.md, section 1.3)."""

    limit: int
    offset: int
    is_by_update: bool
    is_descending: bool
    id: str | None
    status: str | None
    server_type: str | None
    public_border_group: str | None
    name: str

    @classmethod
    def read(cls, query: str, spelling: SortKeySpelling) -> Self:
        """Return the query; raises the ErrorAnswer of its first wrong parameter."""
        given = dict(parse_qsl(query, keep_blank_values=True))
        limit = _number(given.get("limit"), LIST_LIMIT_DEFAULT)
        offset = _number(given.get("offset"), 0)
        by_update = spelling.replace("create", "update")
        sort_key, sort_dir = given.get("sort_key", spelling), given.get("sort_dir", "desc")
        name, status = given.get("endpoint_service_name", ""), given.get("status")
        checks = (
            (1 <= limit <= LIST_LIMIT_MAX, "0006"),
            (offset >= 0, "0010"),
            (sort_key in {spelling, by_update}, "0017"),
            (sort_dir in {"asc", "desc"}, "0018"),
            (status is None or status in set(ServiceStatus), "0019"),
            (given.get("net_type", "all") in {"vlan", "vxlan", "all"}, "3048"),
            (len(name) <= 128, "0002"),
        )
        for is_right, number in checks:
            if not is_right:
                raise vpcep(number)
        return cls(
            limit=limit,
            offset=offset,
            is_by_update=sort_key == by_update,
            is_descending=sort_dir == "desc",
            id=given.get("id"),
            status=status,
            server_type=given.get("server_type"),
            public_border_group=given.get("public_border_group"),
            name=name.casefold(),
        )

    @property
    def is_plain(self) -> bool:
        """Return whether the query leaves nothing out and has the order of creation."""
        return not self.is_by_update and not self.name and not any(self._exact(wanted) for wanted in _EXACT)

    def matches(self, service: Service) -> bool:
        """Return whether a service passes the filters; names match as substrings, in any case."""
        return self.name in service.service_name.casefold() and all(
            self._exact(name) in {None, getattr(service, name)} for name in _EXACT
        )

    def _exact(self, name: str) -> str | None:
        """Return what a filter by a whole value asks for, None where it asks for nothing."""
        wanted: str | None = getattr(self, name)
        return wanted


_EXACT = ("id", "status", "server_type", "public_border_group")


def json_object(body: bytes) -> dict[str, Any]:
    """Return a request's JSON object; no body at all is the odd 504 (API.md, section 3.2)."""
    if not body:
        raise vpcep("0011")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise vpcep("0002", "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise vpcep("0002", "The body is not a JSON object.")
    return value


def _number(text: str | None, default: int) -> int:
    """Return a number of a query, -1 for what is none."""
    if text is None:
        return default
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1
