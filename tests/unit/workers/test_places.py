"""Which worker a run asks, and when it looks for another one: with a connection that is none."""

import asyncio
from math import inf
from typing import Any

import pytest

from bulk import __version__
from bulk.clock import SystemClock
from bulk.errors import CannotRun
from bulk.model import Target
from bulk.run.lane import SILENCE_S
from bulk.vpcep.requests import Request, Timeouts
from bulk.workers.far_channel import opened
from bulk.workers.link import NoAnswer
from bulk.workers.messages import Ask, AskAnswer, Hello, Relay, packed
from bulk.workers.places import BEAT_S, SILENT_BEATS, WorkplaceWorkers, open_workplaces
from bulk.workers.subjects import Workplace


class SilentLink:
    """A connection, made anew a moment ago, to workers that say who they are, and nothing more."""

    is_up, url = True, "nats://nats.example.com"
    unchanged_s = 0.0

    def __init__(self) -> None:
        self.up_since, self.asked = asyncio.get_running_loop().time(), list[str]()

    def why_not(self) -> str:
        """Return why it is not there."""
        return "it is gone"

    async def ask_all(self, _: str, __: bytes, ___: float, is_enough: Any) -> list[bytes]:
        """Have two workers say who they are."""
        for name in ("a", "b"):
            if is_enough(packed(Hello(worker=name, host="h", version=__version__, clock_s=1.0))):
                break
        return [b""]

    async def ask(self, subject: str, *_: Any, **__: Any) -> NoAnswer:
        """Get no answer; the connection is new for some questions."""
        self.asked.append(subject.split(".")[-2])
        self.up_since = self.up_since if len(self.asked) < SILENT_BEATS + 2 else -inf
        return NoAnswer.SILENCE


class QuickClock(SystemClock):
    """A clock by which nobody waits."""

    async def sleep(self, wait_s: float) -> None:  # noqa: ARG002
        """Return at once."""
        await asyncio.sleep(0)


async def test_a_worker_that_falls_silent_is_given_up_also_right_after_a_reconnection() -> None:
    """Then it has some seconds more; the next one has as many questions as it had."""
    link, said = SilentLink(), list[str]()
    place = WorkplaceWorkers(Workplace("r"), link, QuickClock(), said.append)  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        assert await place.taken()
        beating = asyncio.ensure_future(place.beat())
        while not said:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert await place.taken()
        while len(said) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        beating.cancel()
    assert link.asked == ["a"] * (SILENT_BEATS + 2) + ["b"] * SILENT_BEATS
    assert said[0] == "r: worker a on h does not answer"


class CutLink(SilentLink):
    """A connection that was cut, and after which nothing may be asked any more."""

    async def ask(self, *_: Any, **__: Any) -> NoAnswer:
        """Let only the first question pass."""
        self.up_since = -inf
        self.asked.append("")
        return NoAnswer.CUT if len(self.asked) == 1 else NoAnswer.FORBIDDEN


async def test_a_put_that_may_have_left_is_no_refused_one_where_nobody_may_ask_for_its_answer() -> None:
    """It stays in doubt, whatever right is gone."""
    link = CutLink()
    place = WorkplaceWorkers(Workplace("r"), link, QuickClock(), print)  # type: ignore[arg-type]
    worker = await place.taken()
    assert worker
    relay = Relay(
        key="k",
        target=Target(region="r", project_id="p"),
        host="h",
        request=Request(method="PUT", path="/"),
        send_by=3.0,
        body_bytes_max=9,
        timeouts=Timeouts(),
    )
    assert await place.ask(Ask(relay=relay), 5.0, worker, writes=True) is NoAnswer.SILENCE
    assert len(link.asked) == 2


class NobodyLink(SilentLink):
    """A connection, made anew a moment ago, to a worker that has not its own again for two questions."""

    async def ask(self, *_: Any, **__: Any) -> Any:
        """Find nobody, and then the worker."""
        self.asked.append("")
        return NoAnswer.NOBODY if len(self.asked) < 3 else packed(AskAnswer(clock_s=1.0))


async def test_right_after_a_reconnection_a_worker_that_is_not_there_is_asked_again() -> None:
    """What was not delivered has not left; it is the same question, and the worker is not lost over it."""
    link, said = NobodyLink(), list[str]()
    place = WorkplaceWorkers(Workplace("r"), link, QuickClock(), said.append)  # type: ignore[arg-type]
    worker = await place.taken()
    assert worker
    assert await place.ask(Ask(), 5.0, worker, writes=True) == AskAnswer(clock_s=1.0)
    assert (await place.taken(), said) == (worker, [])


class SteppedClock(SystemClock):
    """A clock that goes on where it is waited by, and else stands."""

    at_s = 0.0

    def boottime(self) -> float:
        """Return the time waited for."""
        return self.at_s

    async def sleep(self, wait_s: float) -> None:
        """Return later, at once."""
        self.at_s += wait_s
        await asyncio.sleep(0)


async def test_nobody_waits_for_a_worker_to_which_there_is_no_way_for_long() -> None:
    """What it may have sent is in doubt then; before that NATS may be back with the answer."""
    link, clock = SilentLink(), SteppedClock()
    place = WorkplaceWorkers(Workplace("r"), link, clock, print)  # type: ignore[arg-type]
    worker = await place.taken()
    assert worker
    link.is_up = False
    async with asyncio.timeout(5):
        beating = asyncio.ensure_future(place.beat())
        await worker.is_gone
        beating.cancel()
    assert SILENCE_S <= clock.at_s < SILENCE_S + 3 * BEAT_S
    assert link.asked == []


class LateLink(SilentLink):
    """A connection on which a worker says who it is once it has been asked for so often."""

    def __init__(self, looks: float) -> None:
        super().__init__()
        self.looks = looks

    async def ask_all(self, *args: Any) -> Any:
        """Find nobody, and then a worker."""
        self.looks -= 1
        return NoAnswer.NOBODY if self.looks >= 0 else await super().ask_all(*args)


async def test_a_run_that_begins_before_its_worker_waits_for_it_and_says_so() -> None:
    """As in the second in which NATS is there again: the worker has its own connection a little later."""
    clock, said = SteppedClock(), list[str]()
    place = WorkplaceWorkers(Workplace("r"), LateLink(10), clock, said.append)  # type: ignore[arg-type]
    assert await place.awaited()
    assert clock.at_s < SILENCE_S
    assert said == ["r: no worker answers; one is waited for, for 30 s"]


class ElsewhereLink(SilentLink):
    """A connection to workers of other places, which say what they serve."""

    async def ask_all(self, subject: str, _: bytes, __: float, is_enough: Any) -> Any:
        """Find nobody at a place, and three workers anywhere, of which one does not say what it serves."""
        if subject != "bulk.1.%.%.hello":
            return NoAnswer.NOBODY
        for places in (("cn-north-4", "cn-east-3/prod"), ("cn-north-4",), ()):
            hello = Hello(worker="a", host="h", version=__version__, clock_s=1.0, places=places)
            assert not is_enough(packed(hello))
        return [b""] * 3


async def test_where_no_worker_answers_the_places_are_named_that_are_served() -> None:
    """So a misspelt region, or a profile that was left out, shows at once and not when the wait is over."""
    said = list[str]()
    place = WorkplaceWorkers(Workplace("cn-nroth-4"), ElsewhereLink(), SteppedClock(), said.append)  # type: ignore[arg-type]
    with pytest.raises(CannotRun) as caught:
        await opened(place, Target(region="cn-nroth-4", project_id=""), (), writes=False)
    others = "others serve cn-east-3/prod, cn-north-4"
    assert said == [f"cn-nroth-4: no worker answers ({others}); one is waited for, for 30 s"]
    assert caught.value.message == f"no worker serves cn-nroth-4; {others}"
    assert "correct region and profile" in caught.value.hint


async def test_a_run_waits_for_its_first_worker_as_long_as_for_another_one() -> None:
    """From the making of its connection on, whichever place it asks for; then none is there."""
    link, clock, said = LateLink(inf), SteppedClock(), list[str]()
    place = WorkplaceWorkers(Workplace("r"), link, clock, said.append)  # type: ignore[arg-type]
    link.unchanged_s = 10.0
    assert await place.awaited() is None
    assert SILENCE_S - 10 <= clock.at_s < SILENCE_S - 9
    link.unchanged_s, clock.at_s = SILENCE_S + 1, 0.0
    assert await place.awaited() is None
    assert (clock.at_s, len(said)) == (0.0, 1)


async def test_a_worker_is_missed_while_somebody_looks_for_it_in_vain() -> None:
    """Which places lack one is said, and that it is NATS; not of a place that nobody needs any more."""
    link, clock = LateLink(2), SteppedClock()
    async with open_workplaces(link, clock, print) as places:  # type: ignore[arg-type]
        place = await places.of(Workplace("r"))
        assert places.missed() == ""
        assert await place.taken() is None
        assert (places.missed(), place.lacks) == ("r", "no worker answers")
        link.is_up = False
        assert await place.taken() is None
        assert places.missed() == "r (NATS: it is gone)"
        assert place.lacks == "NATS at nats://nats.example.com cannot be used: it is gone"
        clock.at_s += SILENCE_S
        assert places.missed() == ""
        link.is_up = True
        assert await place.taken() is None
        assert places.missed() == "r"
        assert await place.taken()
        assert places.missed() == ""
