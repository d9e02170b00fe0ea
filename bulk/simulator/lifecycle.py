"""A running simulator: from a fleet to a bound port, and back."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from bulk.simulator.auth import Key
from bulk.simulator.calls import AppliedPut
from bulk.simulator.faults import FaultPlan
from bulk.simulator.fleet_lines import generated, project_id_of, to_line
from bulk.simulator.iam_server import Identity
from bulk.simulator.journal import Journal
from bulk.simulator.limits import parse_limits
from bulk.simulator.problems import explained
from bulk.simulator.projects import Projects
from bulk.simulator.server import BODY_BYTES_MAX, Server
from bulk.simulator.store import LineFile, StoreError
from bulk.simulator.switches import Switches
from bulk.simulator.world import World

HOST = "127.0.0.1"  # loopback only, by design: it is no protected server
SHUTDOWN_S = 0.2  # for requests in flight when it stops


class Simulator:
    """The API on a loopback port for as long as the `async with` block lasts.

        async with Simulator(fleet=[{"id": "4189d3c2-8882-4871-a3c2-d380272eed83"}]) as simulator:
            ... simulator.url, simulator.applied, simulator.fleet, simulator.stats

    `fleet` are lines as in a fleet file, `projects` maps project names (a region, or `region_sub`) to
    project ids, `limits` are specifications as in `limits.py`, `faults` is a plan as in `faults.py`. Every
    change is kept in `fleet_file`; what it holds already stands in for `fleet` and `seed_count`.
    Construction and entering raise ValueError for a wrong value, entering raises StoreError for a file that
    cannot be used.
    """

    def __init__(
        self,
        *,
        fleet: Iterable[dict[str, Any]] = (),
        seed_count: int = 0,
        projects: Mapping[str, str] | None = None,
        region: str = "cn-north-4",
        identity: Identity | None = None,
        switches: Switches | None = None,
        limits: Sequence[str] = (),
        faults: FaultPlan | Mapping[str, Any] | None = None,
        fleet_file: Path | None = None,
        applied_log: Path | None = None,
        lock_wait_s: float = 0.0,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.identity = identity or Identity()
        self._projects = Projects(region_default=region)
        for name, project_id in (projects or {}).items():
            self._projects.add(project_id, name)
        self._journal = Journal()
        self.world = World(
            identity=self.identity,
            projects=self._projects,
            switches=switches or Switches(),
            limits=parse_limits(limits),
            faults=faults if isinstance(faults, FaultPlan) else FaultPlan.model_validate(faults or {}),
            journal=self._journal,
        )
        """Everything behind the socket, for tests that look or alter deeper than the properties here."""
        self._fleet = fleet
        self._seed_count = seed_count
        self._files = (fleet_file, applied_log)
        self._lock_wait_s = lock_wait_s
        self._port = port
        self._clock = clock
        self._server = Server(world=self.world, clock=clock)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._journal.fleet_file, self._journal.applied_log = (
                stack.enter_context(closing(LineFile(path, lock_wait_s=self._lock_wait_s))) if path else None
                for path in self._files
            )
            if self._journal.applied_log is not None:
                self.world.vpcep.applied_count = sum(1 for _ in self._journal.applied_log.lines())
            self._fill()
            self.url = await self._listen(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def applied(self) -> list[AppliedPut]:
        """Return every PUT that took effect, in order."""
        return self._journal.applied

    @property
    def fleet(self) -> dict[str, dict[str, Any]]:
        """Return a snapshot of the services by id, as lines of a fleet file."""
        return {service.id: to_line(service) for service in self.world.vpcep.fleet}

    @property
    def projects(self) -> dict[str, str]:
        """Return the project ids by project name."""
        return {project.name: project.id for project in self._projects}

    @property
    def stats(self) -> dict[str, Any]:
        """Return the counts that `GET /_simulator/stats` answers with."""
        return self._server.snapshot()

    def edit(self, line: dict[str, Any]) -> None:
        """Change, add or remove a service behind the client's back; raises ValueError."""
        self.world.edit(line)

    def temporary_key(self, life_s: float = 900.0) -> Key:
        """Return a new temporary key with its security token."""
        return self.world.iam.mint_key(life_s, self._clock())[0]

    def token(self, project_id: str, life_s: float = 86_400.0) -> str:
        """Return a new token for a project, to be sent as X-Auth-Token."""
        return self.world.iam.mint_token(project_id, life_s, self._clock()).value

    def _fill(self) -> None:
        """Load the file; one without a line begins with the services given and generated."""
        number = 0
        for number, line in self._journal.fleet_file.lines() if self._journal.fleet_file else ():
            try:
                self.world.load(line)
            except ValueError as error:
                problem = f"line {number} of the fleet file: {explained(error)}; correct the line"
                raise StoreError(problem) from None
        if number:
            return
        project_ids = tuple(project.id for project in self._projects)
        default = (project_id_of(self._projects.region_default),)
        for line in chain(self._fleet, generated(self._seed_count, project_ids or default)):
            self.world.edit(line)

    async def _listen(self, stack: AsyncExitStack) -> str:
        server = web.Server(self._server.respond, request_factory=_request, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, self._port, backlog=1024).start()
        return f"http://{HOST}:{runner.addresses[0][1]}"


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Return aiohttp's own request with the gateway's bound on bodies."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX)
