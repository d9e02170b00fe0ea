"""Which workers are about to send what a plan asks, as a person is to see before the yes."""

from dataclasses import replace

from bulk.app.connections import Connections
from bulk.errors import Refused
from bulk.ledger.progress import Progress
from bulk.reports.where import Where, where_of, workers_of
from bulk.settings import Job
from bulk.vpcep.client import Client


async def where_asked(progress: Progress, job: Job, connections: Connections[Client]) -> Where:
    """Return where a session is about to send; its workers are asked for the host that they send to.

    Raises Refused where that is another one than the plan was made for, and what `client_of` raises.
    """
    where = replace(where_of(progress), via=job.where.via, workers=())
    if not where.via:
        return where
    asked = {target: await connections.client_of(target) for target in where.hosts}
    for target, planned in where.hosts.items():
        host, worker = asked[target].lane.host, asked[target].client.owner.worker
        if planned not in {"", host}:
            raise Refused(
                f"the worker on {worker} sends to {host}, and the plan was made for {planned}",
                hint="correct the endpoint of that worker, or plan anew; nothing was sent",
            )
    return replace(where, workers=workers_of(each.client.owner for each in asked.values()))
