"""A PUT whose verdict a test waits for."""

from bulk.model import ServiceId, Verdict
from bulk.vpcep.channel import became_of
from bulk.vpcep.client import Client
from bulk.vpcep.requests import modify_service, services_path


async def modify(client: Client, service_id: ServiceId, content: bytes) -> Verdict:
    """Send a PUT as one that may have to wait, for its key or for a worker, and return its verdict."""
    request = modify_service(services_path(client.project_id), service_id, content)
    return await became_of(request, service_id, client.channel)
