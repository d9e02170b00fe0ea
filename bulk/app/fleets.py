"""Opening the fleets of a command: from here, from the bundled simulator, or through workers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from bulk.app.connections import Connections
from bulk.app.environment import Environment
from bulk.app.needing_nats import needing_nats
from bulk.app.sources import ApiAddress
from bulk.errors import UsageError
from bulk.rehearsal.children import bare
from bulk.rehearsal.simulator_process import run_simulator
from bulk.settings import SIMULATOR, FleetSettings, Job
from bulk.settings.forms import LOCAL_WORKERS
from bulk.vpcep.client import ReadClient
from bulk.vpcep.requests import Timeouts
from bulk.vpcep.wire import open_wire

C = TypeVar("C", bound=ReadClient)


@asynccontextmanager
async def open_fleets(
    kind: type[C], settings: Job | FleetSettings, endpoint: ApiAddress, environment: Environment
) -> AsyncIterator[Connections[C]]:
    """Open the connections of a command, and the simulator where that is the endpoint.

    The rate is that of each account, region and kind of request. Where workers send the requests, endpoint
    and credentials are theirs.
    """
    via, pace = settings.where.via, settings.pace
    if via not in {"", LOCAL_WORKERS} and endpoint.url:
        raise UsageError(
            f"the address of the API is a setting of the workers, and {endpoint.url} is named here as well",
            hint="leave out --endpoint, or `endpoint`, and give it to `bulk worker`; or leave out --via",
        )
    timeouts = Timeouts(
        connect_s=pace.connect_timeout_s, read_s=pace.read_timeout_s, total_s=pace.total_timeout_s
    )
    rate_per_s = pace.rate.per_s if pace.rate else None
    async with AsyncExitStack() as stack:
        url = endpoint.url
        if url == SIMULATOR:
            practice = await stack.enter_async_context(
                run_simulator(Path(endpoint.seed), Path(endpoint.fleet))
            )
            url = practice.url
            environment = replace(environment, env=bare(environment.env) | practice.variables)
        wire = await stack.enter_async_context(
            open_wire(clock=environment.clock, env=environment.env, timeouts=timeouts)
        )
        is_practice = endpoint.url == SIMULATOR
        from_here = partial(Connections, kind, wire, environment, url, rate_per_s, is_practice=is_practice)
        connections = from_here()
        if via:
            with needing_nats():
                from bulk.app.way import open_way  # noqa: PLC0415 - it needs an extra
            connections.way = await stack.enter_async_context(
                open_way(via, connections, from_here(), timeouts, environment)
            )
        yield connections
