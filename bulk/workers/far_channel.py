"""Requests that a worker signs and sends: the run says what, until when, and what the reply means."""

import secrets
from dataclasses import replace
from math import inf

from bulk.errors import BulkError, CannotRun, CredentialsError, FleetUnreadable, Refused, UsageError
from bulk.model import Abort, Reply, Retry, Target
from bulk.puts import Put
from bulk.run.lane import SILENCE_S
from bulk.settings import SEND_WITHIN_S
from bulk.vpcep.channel import Tell, became_of
from bulk.vpcep.codes import NoReply
from bulk.vpcep.flights import Spawn
from bulk.vpcep.iam import Project
from bulk.vpcep.replies import Answer, Lost, Relayed, on_host
from bulk.vpcep.requests import Request, Timeouts
from bulk.vpcep.wire import WireClock
from bulk.workers.link import NoAnswer
from bulk.workers.messages import Ask, AskAnswer, Failure, ListProjects, Opened, OpenProject, Relay
from bulk.workers.places import TakenWorker, WorkplaceWorkers, forbidden

OPEN_S = 90.0
"""How long a worker may take to log in and to look up a project."""
MARGIN_S = 1.0
"""What a worker may take beside the request itself."""
_TRIES = 3
_KINDS = {kind.__name__: kind for kind in (CannotRun, CredentialsError, FleetUnreadable, Refused, UsageError)}
"""The errors that a worker's login may end with, by their names; others are a CannotRun here."""


class FarChannel:
    """The way through a worker to the API of one project."""

    def __init__(
        self, workplace: WorkplaceWorkers, opened: Opened, clock: WireClock, timeouts: Timeouts
    ) -> None:
        self._workplace = workplace
        self._target = opened.target
        self._clock = clock
        self._timeouts = timeouts
        self.host = opened.host
        self.account = opened.account

    async def projects(self) -> tuple[Project, ...]:
        """Return the projects that the worker's credentials see; none where IAM does not say so at once."""
        return await projects(self._workplace, self._target, every=False)

    async def ask_identity(self, request: Request, *, of_sts: bool) -> Answer | Lost | None:  # noqa: ARG002
        """Return None: what a worker takes is not for IAM."""
        return None

    async def relay(
        self,
        request: Request,
        body_bytes_max: int,
        *,
        send_by: float = inf,
        timeouts: Timeouts | None = None,
    ) -> Relayed:
        """Have one request sent, within `SEND_WITHIN_S`, and return what came back.

        Its time is that of the whole way: as many requests are in flight as that asks for.
        """
        began, limits = self._clock.boottime(), timeouts or self._timeouts
        try:
            worker = await self._workplace.taken(SEND_WITHIN_S / 2)
        except BulkError as error:
            return self._nobody(error.message, began)
        if worker is None:
            return self._nobody(self._workplace.lacks, began)
        relay = Relay(
            key=secrets.token_hex(16),
            target=self._target,
            host=self.host,
            request=request,
            send_by=min(send_by, began + SEND_WITHIN_S) + worker.offset_s,
            body_bytes_max=body_bytes_max,
            timeouts=limits,
        )
        wait_s = SEND_WITHIN_S + limits.total_s + worker.round_trip_s + MARGIN_S
        writes = request.method == "PUT"
        got = await self._workplace.ask(Ask(relay=relay), wait_s, worker, writes=writes)
        if got is NoAnswer.FORBIDDEN:
            end = forbidden(f"the subject of {'PUTs' if writes else 'reads'} of {self._workplace.place}")
            return Abort(reply=Reply(code="nats_rights", message=end.message), hint=end.hint)
        if got is NoAnswer.NOBODY:
            return self._nobody(f"worker {worker.name} is gone", began)
        if isinstance(got, NoAnswer):
            return self._silent(f"worker {worker.name} gave no answer", began)
        return self._came(got, worker, began, writes=writes)

    def _came(self, got: AskAnswer, worker: TakenWorker, began: float, *, writes: bool) -> Relayed:
        relayed, ms = got.relayed, self._ms_since(began)
        if got.failure:
            return self._failed(got.failure, worker, began)
        if isinstance(relayed, Lost) and relayed.code is NoReply.LATE:
            message = f"it reached worker {worker.name} too late, and has not left"
            return Retry(reply=Reply(code=NoReply.WORKER_LATE, message=message, ms=ms), counts=not writes)
        if isinstance(relayed, Lost) and relayed.code is NoReply.NO_WORKER:
            return self._nobody(relayed.message, began)
        if isinstance(relayed, Answer | Lost):
            return replace(relayed, ms=ms, where=worker.hello.host)
        if relayed is None:
            return self._silent(f"worker {worker.name} says nothing", began)
        return (
            replace(relayed, hint=on_host(relayed.hint, worker.hello.host))
            if isinstance(relayed, Abort)
            else relayed
        )

    def _failed(self, failure: Failure, worker: TakenWorker, began: float) -> Retry | Abort:
        """Return what it means that a worker could not send a request: none has left."""
        message = f"worker {worker.name}: {failure.message}"
        if _KINDS.get(failure.kind) is CannotRun:  # such as an IAM that is out of reach
            return self._nobody(message, began)
        reply = Reply(code="worker_refused", message=message, ms=self._ms_since(began))
        return Abort(reply=reply, hint=on_host(failure.hint, worker.hello.host))

    def _nobody(self, message: str, began: float) -> Retry:
        """Return a retry of a request that has not left; it counts once nobody has been there for long."""
        absent_s = self._workplace.absent_s
        return Retry(
            reply=Reply(code=NoReply.NO_WORKER, message=self._of_place(message), ms=self._ms_since(began)),
            counts=absent_s >= SILENCE_S,
            absent_s=absent_s,
        )

    def _silent(self, message: str, began: float) -> Lost:
        """Return the loss of a request that a worker may have sent."""
        message = self._of_place(message)
        return Lost(code=NoReply.WORKER_SILENT, message=message, ms=self._ms_since(began), sent=True)

    def _of_place(self, message: str) -> str:
        return f"{self._workplace.place}: {message}"

    def _ms_since(self, began: float) -> int:
        return round((self._clock.boottime() - began) * 1000)

    def send(self, request: Request, put: Put, tell: Tell, spawn: Spawn) -> None:
        """Have the request of one PUT sent."""
        spawn(self._sent(request, put, tell))

    async def _sent(self, request: Request, put: Put, tell: Tell) -> None:
        tell(await became_of(request, put.service_id, self))


async def opened(
    workplace: WorkplaceWorkers, target: Target, regions: tuple[str, ...], *, writes: bool
) -> Opened:
    """Return what a worker knows of a target; with `writes` after it let us ask for PUTs.

    Raises what the worker's own login raised, CannotRun where none answers or NATS forbids it, and Refused
    where it answers for another target.
    """
    ask = Ask(open=OpenProject(target=target, regions=regions))
    got = await _asked(workplace, ask, writes=writes)
    if got.opened is None:
        raise _no_worker(workplace)
    found = got.opened.target
    if found != target._replace(project_id=target.project_id or found.project_id):
        raise Refused(
            f"the worker of {workplace.place} answers for {found}, and {target} was asked for",
            hint="stop that worker, or correct it; nothing was sent",
        )
    return got.opened


async def projects(workplace: WorkplaceWorkers, target: Target, *, every: bool) -> tuple[Project, ...]:
    """Return the projects that a worker's credentials see: the names at hand, or `every` one or an error."""
    got = await _asked(workplace, Ask(projects=ListProjects(target=target, every=every)))
    return got.projects or ()


async def _asked(workplace: WorkplaceWorkers, ask: Ask, *, writes: bool = False) -> AskAnswer:
    """Ask until a worker answers, a few times, and with `writes` lets us ask for PUTs as well.

    Raises what the worker raised, and CannotRun where none answers or NATS forbids it.
    """
    for _ in range(_TRIES):
        if (worker := await workplace.awaited()) is None:
            break
        got = await workplace.ask(ask, OPEN_S, worker)
        if isinstance(got, AskAnswer) and got.failure:
            raise _raised(got.failure, worker)
        may_write = not isinstance(got, NoAnswer) and writes
        answer = await workplace.ask(Ask(), OPEN_S, worker, writes=True) if may_write else got
        if answer is NoAnswer.FORBIDDEN:
            place, name = workplace.place, worker.hello.worker
            raise forbidden(place.write(name) if may_write else place.read(name))
        if isinstance(got, AskAnswer) and isinstance(answer, AskAnswer):
            return got
    raise _no_worker(workplace)


def _no_worker(workplace: WorkplaceWorkers) -> CannotRun:
    place, others = workplace.place, ", ".join(workplace.elsewhere)
    start = f"start one where it can be reached: bulk worker --connect URL --serve {place}"
    return CannotRun(
        f"no worker serves {place}" + (f"; others serve {others}" if others else ""),
        hint=f"correct region and profile, or {start}" if others else start,
    )


def _raised(failure: Failure, worker: TakenWorker) -> BulkError:
    """Return the error of a worker as one of ours, of the same kind where it may be raised here."""
    kind = _KINDS.get(failure.kind, CannotRun)
    return kind(f"worker {worker.name}: {failure.message}", hint=on_host(failure.hint, worker.hello.host))
