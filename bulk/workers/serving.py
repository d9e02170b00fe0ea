"""A worker: it signs and sends what runs ask for, as far as it takes it, and passes on what comes back."""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import inf

from nats.aio.msg import Msg

from bulk import __version__
from bulk.errors import BulkError
from bulk.model import Abort, Target
from bulk.settings import SEND_WITHIN_S
from bulk.vpcep.client import ReadClient
from bulk.vpcep.codes import NoReply
from bulk.vpcep.iam import Project
from bulk.vpcep.replies import Lost
from bulk.vpcep.requests import LIST_BYTES_MAX
from bulk.vpcep.wire import WireClock
from bulk.workers.link import PROMISE, Link
from bulk.workers.messages import (
    Again,
    Ask,
    AskAnswer,
    Failure,
    Frames,
    Hello,
    ListProjects,
    Opened,
    OpenProject,
    Relay,
    Unreadable,
    answered,
    packed,
    unpacked,
)
from bulk.workers.routes import refusal_of
from bulk.workers.subjects import ANYWHERE, Workplace

KEPT = 1_000
"""How many answers to PUTs a worker keeps at least, for runs that lost their connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """How a worker gets to the API.

    * client_of: returns the client of a target, made when it is first asked for; the regions are those of all
      targets of the same credentials
    * projects_of: returns all projects of a target's credentials
    """

    client_of: Callable[[Target, Sequence[str]], Awaitable[tuple[Target, ReadClient]]]
    projects_of: Callable[[Target], Awaitable[tuple[Project, ...]]]


@dataclass(slots=True)
class RequestCounts:
    """What a worker was asked for so far."""

    sent: int = 0
    late: int = 0
    refused: int = 0

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"{self.sent} requests sent, {self.late} not sent as they came too late, {self.refused} refused"
        )


_FLAGS = {"--profile": "--serve REGION/PROFILE", "--project-id": "the run's --project-id"}
"""What stands for the flags of a run that a worker has not."""
_ALIKE = "give all workers of one place the same endpoint"


class WorkerServer:
    """Serves places until it is drained; each question is answered in a task of its own."""

    def __init__(self, link: Link, api: Api, clock: WireClock, refused: Callable[[str], object]) -> None:
        self.host = socket.gethostname()
        self.name = f"{self.host}-{os.getpid()}-{secrets.token_hex(4)}"
        """What stands for this process in subjects; no other one ever has it."""
        self.tally = RequestCounts()
        self.link = link
        self._places: tuple[Workplace, ...] = ()
        self._api = api
        self._clock = clock
        self._refused = refused
        """Gets the reason why something was not done that was asked for."""
        self._tasks: dict[asyncio.Task[None], Msg | None] = {}
        """What is being answered, and the question where it is one to write."""
        self._puts: dict[str, tuple[float, asyncio.Future[AskAnswer]]] = {}
        """By what they may leave, and the answers, of the last PUTs; also of those that shall not go."""
        self._forgotten = -inf
        """A PUT that was to leave by then, and is not known, may have been sent and forgotten."""

    async def serve(self, place: Workplace) -> None:
        """Subscribe to the subjects of a place; raises CannotRun where NATS does not allow that."""
        await self.link.serve(place.read(self.name), partial(self._take, place, writes=False))
        await self.link.serve(place.write(self.name), partial(self._take, place, writes=True))
        await self.link.serve(place.hello, self._greet)  # the last: who hears it may ask at once
        await self.link.must_be_served()
        self._places += (place,)

    async def greet_anywhere(self) -> None:
        """Have runs that find no worker learn which places are served, as far as NATS allows it."""
        await self.link.serve(ANYWHERE.hello, self._greet)

    async def drain(self) -> None:
        """Take nothing new, and answer all that was taken; for PUTs an answer is promised before."""
        await self.link.stop_serving()
        for message in filter(None, tuple(self._tasks.values())):
            await self.link.answer(message, PROMISE)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _greet(self, message: Msg) -> None:
        hello = Hello(
            worker=self.name,
            host=self.host,
            version=__version__,
            clock_s=self._clock.boottime(),
            places=tuple(map(str, self._places)),
        )
        await self.link.answer(message, packed(hello))

    async def _take(self, place: Workplace, message: Msg, *, writes: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(place, message, writes=writes))
        self._tasks[task] = message if writes else None
        task.add_done_callback(self._tasks.pop)

    async def _answer(self, place: Workplace, message: Msg, *, writes: bool) -> None:
        got = await self._ended(self._done(place, message, writes=writes))
        await self.link.answer(message, packed(replace(got, clock_s=self._clock.boottime())))

    async def _ended(self, doing: Awaitable[AskAnswer]) -> AskAnswer:
        """Return the answer to a question, whatever comes of it."""
        try:
            return await doing
        except BulkError as error:
            return self._failed(type(error).__name__, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a bug must not end what serves others
            return self._failed("Exception", f"a bug in bulk: {type(error).__name__}: {error}", "report it")

    async def _done(self, place: Workplace, message: Msg, *, writes: bool) -> AskAnswer:
        ask = _ask_in(message)
        if ask.relay:
            return await (self._once if writes else self._relayed)(place, ask.relay)
        if ask.again:
            return await self._known(ask.again)
        if ask.open:
            return await self._opened(place, ask.open)
        if ask.projects:
            return await self._projects(place, ask.projects)
        return AskAnswer()

    async def _opened(self, place: Workplace, ask: OpenProject) -> AskAnswer:
        _must_be_of(place, ask.target)
        target, client = await self._api.client_of(ask.target, ask.regions)
        opened = Opened(
            target=target,
            host=client.host,
            account=client.account,
            owner=client.owner,
            cloud=client.edition.cloud if client.edition else "",
        )
        return AskAnswer(opened=opened)

    async def _projects(self, place: Workplace, ask: ListProjects) -> AskAnswer:
        _must_be_of(place, ask.target)
        if ask.every:
            found = await self._api.projects_of(ask.target)
        else:
            _, client = await self._api.client_of(ask.target, ())
            found = await client.projects()
        return AskAnswer(projects=found)

    async def _once(self, place: Workplace, ask: Relay) -> AskAnswer:
        """Send a PUT, unless it has been asked for before; return the answer to it."""
        if ask.key in self._puts:
            return await asyncio.shield(self._puts[ask.key][1])
        answer = self._keep(ask.key, ask.send_by)
        got = await self._ended(self._relayed(place, ask, writes=True))
        answer.set_result(got)
        return got

    async def _known(self, ask: Again) -> AskAnswer:
        """Return the answer to a PUT; one that has not come is not sent when it does."""
        if ask.key in self._puts:
            return await asyncio.shield(self._puts[ask.key][1])
        if ask.send_by <= self._forgotten:
            message = "the answer to the request is no longer kept"
            return answered(Lost(code=NoReply.WORKER_SILENT, message=message, ms=0, sent=True))
        message = "the request never came to the worker"
        got = answered(Lost(code=NoReply.NO_WORKER, message=message, ms=0, sent=False))
        self._keep(ask.key, ask.send_by).set_result(got)
        return got

    def _keep(self, key: str, send_by: float) -> "asyncio.Future[AskAnswer]":
        """Return a place for the answer to a PUT; what may still come, or is not answered, is kept."""
        now, answer = self._clock.boottime(), asyncio.get_running_loop().create_future()
        self._puts[key] = min(send_by, now + SEND_WITHIN_S), answer  # no run asks for a later time
        for old in list(islice(self._puts, max(len(self._puts) - KEPT, 0))):
            its_send_by, its_answer = self._puts[old]
            if its_send_by >= now:
                break
            if its_answer.done():
                del self._puts[old]
                self._forgotten = max(self._forgotten, its_send_by)
        return answer

    async def _relayed(self, place: Workplace, ask: Relay, *, writes: bool = False) -> AskAnswer:
        """Send one request, where this worker takes it, and return what came back."""
        _must_be_of(place, ask.target)
        _, client = await self._api.client_of(ask.target, ())
        if client.host != ask.host:
            message = f"{place} is at {client.host} for this worker, and at {ask.host} for the run"
            return self._failed("Refused", message, _ALIKE)
        if why := refusal_of(ask.request, client.project_id, may_write=writes):
            return self._failed("Refused", f"{ask.request.method} {ask.request.path[:200]}: {why}", "")
        self.tally.sent += 1
        try:
            got = await client.channel.relay(
                ask.request,
                min(ask.body_bytes_max, LIST_BYTES_MAX),
                send_by=ask.send_by,
                timeouts=ask.timeouts,
            )
        except Exception as error:  # noqa: BLE001 - it may have been sent
            self._refused(f"a bug in bulk: {type(error).__name__}: {error}")
            got = Lost(code=NoReply.WORKER_SILENT, message="the worker failed over it", ms=0, sent=True)
        if isinstance(got, Lost) and got.code is NoReply.LATE:
            self.tally.sent -= 1
            self.tally.late += 1
        return answered(replace(got, hint=at_a_worker(got.hint)) if isinstance(got, Abort) else got)

    def _failed(self, kind: str, message: str, hint: str) -> AskAnswer:
        hint = at_a_worker(hint)
        self.tally.refused += 1
        self._refused("; ".join(filter(None, (message, hint))))
        return AskAnswer(failure=Failure(kind=kind, message=message, hint=hint))


def at_a_worker(hint: str) -> str:
    """Return advice as it is for somebody at a worker, whose command lacks some flags of a run."""
    for flag, there in _FLAGS.items():
        hint = hint.replace(flag, there)
    return hint


def _ask_in(message: Msg) -> Ask:
    """Return the question in a message; raises Unreadable."""
    whole = Frames().add(message.data)
    if whole is None:
        raise Unreadable("a question comes in one part")
    return unpacked(Ask, whole)


def _must_be_of(place: Workplace, target: Target) -> None:
    """Raise BulkError for a target of another place than that of the subject, which has rights of its own."""
    if (target.region, target.profile) != place:
        raise BulkError(f"{target} was asked for on a subject of {place}")
