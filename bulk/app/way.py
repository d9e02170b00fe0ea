"""The way of a command's requests through workers: who is asked for a target, and what they know of it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from bulk.app.connections import Connections
from bulk.app.environment import Environment
from bulk.errors import UsageError
from bulk.model import Target
from bulk.settings.forms import LOCAL_WORKERS
from bulk.vpcep.client import Client, ReadClient
from bulk.vpcep.editions import edition_of
from bulk.vpcep.iam import Project
from bulk.vpcep.requests import Timeouts
from bulk.vpcep.wire import WireClock
from bulk.workers.far_channel import FarChannel, opened, projects
from bulk.workers.link import open_link
from bulk.workers.local import run_nats_server
from bulk.workers.nats_login import NatsLogin, nats_login
from bulk.workers.places import Workplaces, WorkplaceWorkers, open_workplaces
from bulk.workers.serving import Api, WorkerServer
from bulk.workers.subjects import Workplace

C = TypeVar("C", bound=ReadClient)


class WayThroughWorkers:
    """Makes the clients of a command whose requests go through workers."""

    def __init__(self, workplaces: Workplaces, clock: WireClock, timeouts: Timeouts) -> None:
        self._workplaces = workplaces
        self._clock = clock
        self._timeouts = timeouts

    async def connect(self, kind: type[C], target: Target, regions: Collection[str]) -> C:
        """Return a client for a target, as `bulk.vpcep.client.connect` does with credentials of its own.

        Raises what the worker's login raises, CannotRun where no worker answers or NATS forbids to ask it,
        and Refused where all that answer are of another version.
        """
        workplace = await self._workplace(target)
        found = await opened(workplace, target, tuple(sorted(regions)), writes=issubclass(kind, Client))
        worker = await workplace.taken()
        return kind(
            FarChannel(workplace, found, self._clock, self._timeouts),
            project_id=found.target.project_id,
            region=found.target.region,
            owner=found.owner._replace(worker=worker.hello.host if worker else ""),
            edition=edition_of(found.cloud) if found.cloud else None,
        )

    def workers(self) -> list[str]:
        """Return, in words, which workers are asked."""
        return self._workplaces.chosen()

    def missed(self) -> str:
        """Return, in words, where a worker is waited for; empty where none is."""
        return self._workplaces.missed()

    async def projects(self, target: Target) -> tuple[Project, ...]:
        """Return all projects of the credentials that the worker of a target has."""
        return await projects(await self._workplace(target), target, every=True)

    async def _workplace(self, target: Target) -> WorkplaceWorkers:
        if not target.region:
            raise UsageError(
                "no region is named, and a worker is found by it", hint="add --region, or a column `region`"
            )
        return await self._workplaces.of(Workplace(target.region, target.profile))


@asynccontextmanager
async def open_way(
    via: str,
    connections: Connections[C],
    from_here: Connections[C],
    timeouts: Timeouts,
    environment: Environment,
) -> AsyncIterator[WayThroughWorkers]:
    """Open the way of connections through the workers at `via`; for `local` one that sends `from_here`.

    Raises CannotRun where NATS cannot be used, and CredentialsError for what it is to be used with.
    """
    serve, login = None, NatsLogin()

    def note(text: str) -> None:
        connections.note(text)

    async with AsyncExitStack() as stack:
        if via == LOCAL_WORKERS:
            via, login = await stack.enter_async_context(run_nats_server(environment.clock))
            beside = await stack.enter_async_context(open_link(via, login, {}, is_run=False, note=note))
            serve = WorkerServer(beside, api_of(from_here), environment.clock, note).serve
        else:
            login = nats_login(environment.env, environment.home)
        if login.warning:
            environment.notify(login.warning)
        link = await stack.enter_async_context(open_link(via, login, environment.env, is_run=True, note=note))
        workplaces = await stack.enter_async_context(open_workplaces(link, environment.clock, note, serve))
        yield WayThroughWorkers(workplaces, environment.clock, timeouts)


def api_of(connections: Connections[C]) -> Api:
    """Return how a worker gets to the API: with connections of its own."""
    opening = asyncio.Lock()

    async def client_of(target: Target, regions: Sequence[str]) -> tuple[Target, ReadClient]:
        connections.foresee(target._replace(region=region, project_id="") for region in regions)
        async with opening:  # one that waits here finds it opened
            found = await connections.client_of(target)
        return found.target, found.client

    return Api(client_of=client_of, projects_of=connections.projects)
