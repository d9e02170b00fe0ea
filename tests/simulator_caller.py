"""A plain client for tests of the simulator: it asks, and hands back what was said."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ParamSpec, TypeVar

import aiohttp
import orjson

from bulk.simulator import Simulator
from bulk.simulator.error_answers import ErrorAnswer

P = ParamSpec("P")
T = TypeVar("T")

PROJECT = "6e9dfd51d1124e8d8498dce894923a0d"
OTHER_PROJECT = "b" * 32


def service_id(number: int) -> str:
    """Return a service id that ends in `number`."""
    return f"4189d3c2-8882-4871-a3c2-{number:012}"


def line(number: int, **fields: Any) -> dict[str, Any]:
    """Return a line of a fleet file."""
    return {"id": service_id(number), "project_id": PROJECT} | fields


def mapping(client_port: int, server_port: int, protocol: str = "TCP") -> dict[str, Any]:
    """Return one entry of `ports`."""
    return {"client_port": client_port, "server_port": server_port, "protocol": protocol}


def outcome(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | ErrorAnswer:
    """Return what a call returns, or the refusal that it raises."""
    try:
        return ask(*args, **kwargs)
    except ErrorAnswer as refusal:
        return refusal


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: status, raw body, headers."""

    http: int
    raw: bytes
    headers: Mapping[str, str]

    @property
    def value(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.raw)

    @property
    def code(self) -> str:
        """The error code of a nested or flat body."""
        value = self.value
        return str(value["error"]["code"] if "error" in value else value["error_code"])


@dataclass(frozen=True, slots=True)
class Caller:
    """A client with a token of one project; paths may be short for those of that project's services."""

    simulator: Simulator
    session: aiohttp.ClientSession
    token: str

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Said:
        """Return the answer to one request; `body` is sent as it is when it is bytes, else as JSON."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = None if body is None else BytesIO(raw)
        own = {"X-Auth-Token": self.token, "Content-Type": "application/json"}
        async with self.session.request(
            method, self.simulator.url + path, data=sent, headers=own | (headers or {})
        ) as response:
            return Said(response.status, await response.read(), response.headers)

    async def put(self, number: int, body: object) -> Said:
        """Modify the service of that number."""
        return await self.ask("PUT", service_path(number), body)

    async def get(self, number: int) -> Said:
        """Read the service of that number."""
        return await self.ask("GET", service_path(number))

    async def list(self, query: str = "") -> Said:
        """Read the list of services."""
        return await self.ask("GET", f"{SERVICES}?{query}")

    async def order(self, **orders: Any) -> None:
        """Alter the running simulator."""
        said = await self.ask("POST", "/_simulator/switches", orders)
        assert said.http == 200, said.raw


SERVICES = f"/v1/{PROJECT}/vpc-endpoint-services"


def service_path(number: int) -> str:
    """Return the path of one service."""
    return f"{SERVICES}/{service_id(number)}"


@asynccontextmanager
async def calling(**settings: Any) -> AsyncIterator[Caller]:
    """Yield a caller of a simulator with these settings; its project is there even without services."""
    settings.setdefault("projects", {"cn-north-4": PROJECT})
    async with Simulator(**settings) as simulator, aiohttp.ClientSession() as session:
        session._retry_connection = False  # aiohttp would send a lost PUT again
        yield Caller(simulator, session, simulator.token(PROJECT))
