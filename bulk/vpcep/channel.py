"""How a request gets to the API and its reply back: signed here, or by a worker elsewhere."""

from collections.abc import Callable
from math import inf
from typing import Protocol, TypeAlias

from bulk.model import Abort, PutVerdict, Retry, ServiceId, Verdict
from bulk.puts import Put
from bulk.vpcep.flights import Spawn
from bulk.vpcep.iam import Project
from bulk.vpcep.replies import Answer, Lost, Relayed, modified
from bulk.vpcep.requests import REPLY_BYTES_MAX, Request, Timeouts

Tell: TypeAlias = Callable[[PutVerdict], object]
"""Gets what the answer to a PUT, or the lack of one, means, once; it must not raise."""


class Channel(Protocol):
    """The way of the requests of one client; it never sends one twice."""

    @property
    def host(self) -> str:
        """Return the API's host, with its port where that is not the usual one."""
        ...

    @property
    def account(self) -> str:
        """Return the name of the budget that all clients of one account share at the API."""
        ...

    async def projects(self) -> tuple[Project, ...]:
        """Return the projects that the credentials may see; none where IAM does not say so at once."""
        ...

    async def relay(
        self,
        request: Request,
        body_bytes_max: int,
        *,
        send_by: float = inf,
        timeouts: Timeouts | None = None,
    ) -> Relayed:
        """Send one request, not after `send_by` (see `Wire.exchange`), and return what came back."""
        ...

    async def ask_identity(self, request: Request, *, of_sts: bool) -> Answer | Lost | None:
        """Return the reply of IAM, or of STS, to one read; None where its address is not known."""
        ...

    def send(self, request: Request, put: Put, tell: Tell, spawn: Spawn) -> None:
        """Send the request of one PUT; what has to be awaited for that is given to `spawn`."""
        ...


async def became_of(request: Request, service_id: ServiceId, channel: Channel) -> Verdict:
    """Send the PUT of one service and return what its answer, or the lack of one, means."""
    got = await channel.relay(request, REPLY_BYTES_MAX)
    return got if isinstance(got, Retry | Abort) else modified(got, service_id)
