"""What it means for a request that a worker answered so, or did not: whether it may have left, above all."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bulk import __version__
from bulk.clock import SystemClock
from bulk.errors import CannotRun, Refused
from bulk.model import Abort, Owner, Reply, Retry, ServiceId, Target
from bulk.run.lane import SILENCE_S
from bulk.vpcep.codes import NoReply
from bulk.vpcep.replies import Answer, Lost, Relayed, modified
from bulk.vpcep.requests import Request, Timeouts
from bulk.workers.far_channel import FarChannel, opened
from bulk.workers.link import NoAnswer
from bulk.workers.messages import AskAnswer, Failure, Hello, Opened
from bulk.workers.places import TakenWorker
from bulk.workers.subjects import Workplace

TARGET = Target(region="cn-north-4", project_id="p")
OPENED = Opened(target=TARGET, host="vpcep", account="a", owner=Owner(), cloud="")
SERVICE = ServiceId("4189d3c2-8882-4871-a3c2-d380272eed88")
PUT, GET = (Request(method=method, path="/v1") for method in ("PUT", "GET"))


class OneWorker:
    """A place whose worker answers so; None where there is none."""

    place, lacks = Workplace("cn-north-4"), "no worker answers"
    elsewhere: tuple[str, ...] = ()

    def __init__(self, got: Any, absent_s: float = 0.0) -> None:
        self.got, self.absent_s = got, absent_s

    async def taken(self, _: float) -> TakenWorker | None:
        """Return the worker."""
        if isinstance(self.got, Refused):
            raise self.got
        hello = Hello(worker="w", host="bastion", version=__version__, clock_s=1.0)
        gone = asyncio.get_running_loop().create_future()
        return self.got and TakenWorker(hello=hello, offset_s=0.0, round_trip_s=0.0, is_gone=gone)

    async def ask(self, *_: Any, **__: Any) -> Any:
        """Answer."""
        return self.got


async def became(got: Any, request: Request = PUT, absent_s: float = 0.0) -> Relayed:
    """Return what a request became of which this was heard."""
    workplace: Any = OneWorker(got, absent_s)
    return await FarChannel(workplace, OPENED, SystemClock(), Timeouts()).relay(request, 9)


def lost(code: NoReply, *, sent: bool) -> AskAnswer:
    """Return the answer of a worker that got none."""
    return AskAnswer(lost=Lost(code=code, message="why", ms=0, sent=sent))


@pytest.mark.parametrize(
    "got",
    [
        NoAnswer.SILENCE,
        NoAnswer.CUT,
        AskAnswer(),
        lost(NoReply.TIMEOUT, sent=True),
        lost(NoReply.WORKER_SILENT, sent=True),
    ],
)
async def test_what_may_have_left_is_lost_and_nothing_else(got: Any) -> None:
    """Its service is read before it goes again."""
    became_of = await became(got)
    assert isinstance(became_of, Lost)
    assert became_of.sent


def failed(kind: str) -> AskAnswer:
    """Return the answer of a worker that could not send."""
    return AskAnswer(failure=Failure(kind=kind, message="why", hint="do"))


@pytest.mark.parametrize(
    "got",
    [
        None,
        Refused("why"),
        NoAnswer.NOBODY,
        failed("CannotRun"),
        lost(NoReply.NO_WORKER, sent=False),
    ],
)
@pytest.mark.parametrize("absent_s", [0.0, SILENCE_S - 1, SILENCE_S])
async def test_without_a_worker_nothing_has_left_and_no_row_is_to_blame_for_a_while(
    got: Any, absent_s: float
) -> None:
    """Nobody there, another version, its subject gone, no log-in for now, or it never came."""
    retry = await became(got, absent_s=absent_s)
    assert isinstance(retry, Retry)
    assert retry.reply.message.startswith("cn-north-4: ")
    assert (retry.reply.code, retry.counts) == (NoReply.NO_WORKER, absent_s >= SILENCE_S)
    assert retry.absent_s == absent_s


@pytest.mark.parametrize("request_", [PUT, GET])
async def test_what_came_too_late_has_not_left(request_: Request) -> None:
    """A row is not to blame; a read is worth a few more alone."""
    retry = await became(lost(NoReply.LATE, sent=False), request_)
    assert isinstance(retry, Retry)
    assert (retry.reply.code, retry.counts) == (NoReply.WORKER_LATE, request_ is GET)


@pytest.mark.parametrize("kind", ["Refused", "CredentialsError", "UsageError", "Exception"])
async def test_what_a_worker_refuses_ends_the_lane_with_what_to_do_there(kind: str) -> None:
    """The next request would be refused as well."""
    abort = await became(failed(kind))
    assert isinstance(abort, Abort)
    assert (abort.reply.message, abort.hint) == ("worker w on bastion: why", "on bastion: do")


async def test_what_came_back_is_passed_on() -> None:
    """An answer with the time of the whole way; advice is for the worker's host."""
    answer = await became(AskAnswer(answer=Answer(http=200, headers={}, body=b"{}", ms=10**9, now=1.0)))
    assert isinstance(answer, Answer)
    assert answer.ms < 10**9
    retry = Retry(reply=Reply(http=401), counts=False)
    assert await became(AskAnswer(retry=retry)) == retry
    abort = await became(AskAnswer(abort=Abort(reply=Reply(http=403), hint="ask")))
    assert abort == Abort(reply=Reply(http=403), hint="on bastion: ask")
    forbidden = await became(NoAnswer.FORBIDDEN)
    assert isinstance(forbidden, Abort)
    assert forbidden.reply.code == "nats_rights"


@pytest.mark.parametrize(
    ("code", "hopeless"),
    [(NoReply.LOCAL_LIMIT, False), (NoReply.CONNECT_FAILED, False), (NoReply.CERTIFICATE_REFUSED, True)],
)
async def test_what_a_worker_cannot_reach_names_its_host(code: NoReply, *, hopeless: bool) -> None:
    """It is that machine which lacks open files, a way or a certificate, and not the one of the run."""
    lost_there = Lost(code=code, message="why", ms=0, sent=False, hopeless=hopeless)
    got = await became(AskAnswer(lost=lost_there))
    assert isinstance(got, Lost)
    verdict = modified(got, SERVICE)
    assert isinstance(verdict, Abort | Retry)
    assert verdict.reply.message == "on bastion: why"
    assert isinstance(verdict, Retry) or verdict.hint.startswith("on bastion: check")


async def test_the_clock_that_is_wrong_is_that_of_the_worker() -> None:
    """Which has signed, and whose clock the answer was compared with."""
    date = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    body = b'{"error_code":"APIGW.0301","error_msg":"no"}'
    got = await became(AskAnswer(answer=Answer(http=401, headers=date, body=body, ms=1, now=0.0)))
    assert isinstance(got, Answer)
    verdict = modified(got, SERVICE)
    assert isinstance(verdict, Abort)
    assert verdict.hint.startswith("on bastion: set this machine's clock")


@pytest.mark.parametrize("other", [{"project_id": "q"}, {"region": "cn-east-3"}, {"profile": "dev"}])
async def test_a_worker_that_answers_for_another_target_is_refused(other: dict[str, str]) -> None:
    """What is planned for one project is never sent to another; one that is not named is the worker's."""
    found = replace(OPENED, target=TARGET._replace(**other))
    place: Any = BlinkingPlace({False: 0, True: 0}, found)
    with pytest.raises(
        Refused, match=r"the worker of cn-north-4 answers for .*, and cn-north-4/p was asked for"
    ):
        await opened(place, TARGET, (), writes=True)
    anything = TARGET._replace(project_id="")
    assert await opened(BlinkingPlace({False: 0, True: 0}), anything, (), writes=True) == OPENED  # type: ignore[arg-type]


class BlinkingPlace(OneWorker):
    """A place whose worker answers questions to read or to write only after so many of these."""

    def __init__(self, unanswered: dict[bool, int], found: Opened = OPENED) -> None:
        super().__init__(AskAnswer(opened=found))
        self.unanswered = unanswered

    async def awaited(self) -> TakenWorker | None:
        """Return the worker."""
        return await self.taken(0.0)

    async def ask(self, *_: Any, writes: bool = False) -> Any:
        """Answer, or not."""
        self.unanswered[writes] -= 1
        return self.got if self.unanswered[writes] < 0 else NoAnswer.CUT


@pytest.mark.parametrize("writes", [False, True])
async def test_a_first_question_that_gets_lost_is_asked_again(*, writes: bool) -> None:
    """Whether it is the one to read or to write: NATS may begin anew between the two; not for ever."""
    for lost_ones in ({False: 2, True: 0}, {False: 0, True: 2}):
        place: Any = BlinkingPlace(lost_ones)
        assert await opened(place, TARGET, (), writes=writes) == OPENED
    place = BlinkingPlace({False: 0, True: 3} if writes else {False: 3, True: 0})
    with pytest.raises(CannotRun, match="no worker serves cn-north-4"):
        await opened(place, TARGET, (), writes=writes)
