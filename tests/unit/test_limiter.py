"""The limiter under a clock that only moves when told to: who may go, when, and in which order."""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from math import inf

import pytest
from asyncio_throttle import Throttler

from bulk.model import Hold, Limit, Reply, Throttled, Wait
from bulk.pacing import Pacing, auto, fixed
from bulk.pacing.limiter import PACE, TOGETHER_S, Limiter
from tests.limiters import StillClock

REPLY = Reply(http=429, code="APIGW.0308")
INTERVAL_S = 0.1 / PACE
"""Between two grants at 10/s."""


async def settle() -> None:
    """Let everybody who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


class Queue:
    """Workers in a row, each of which takes one grant."""

    def __init__(self, pacing: Pacing) -> None:
        self.clock = StillClock()
        self.told: list[Pacing] = []
        self.limiter = Limiter(pacing, clock=self.clock, changed=self.told.append)
        self.workers: list[asyncio.Task[None]] = []
        self.grants: dict[int, float | None] = {}

    async def join(self, count: int) -> None:
        """Add workers, numbered on from the last."""
        numbers = range(len(self.workers), len(self.workers) + count)
        self.workers += [asyncio.ensure_future(self._take(number)) for number in numbers]
        await settle()

    async def pass_time(self, seconds: float) -> None:
        """Move the clock on and let the workers see it."""
        self.clock.advance(seconds)
        await settle()

    async def _take(self, number: int) -> None:
        self.grants[number] = await self.limiter.acquire()


@asynccontextmanager
async def queue(pacing: Pacing) -> AsyncIterator[Queue]:
    """Return a queue at a limiter; at the end everybody has gone home."""
    line = Queue(pacing)
    yield line
    line.limiter.close()
    await asyncio.wait_for(asyncio.gather(*line.workers, return_exceptions=True), 1)


def refusal(*, retry_after_s: float | None = None, limit: Limit | None = None) -> Throttled:
    """Return the answer to a throttled request."""
    return Throttled(reply=REPLY, retry_after_s=retry_after_s, limit=limit)


def test_it_is_a_throttler() -> None:
    """asyncio-throttle's class is the base, so that it stands wherever that one does."""
    assert issubclass(Limiter, Throttler)


def test_it_uses_nothing_from_inside_its_base() -> None:
    """No private attribute of the base is read or written, so that any version of it serves."""
    inside = {name for name in vars(Throttler(rate_limit=1)) if name.startswith("_")}
    assert inside
    assert not inside & set(re.findall(r"self\.(\w+)", inspect.getsource(Limiter)))


async def test_it_is_used_as_a_context_manager_like_its_base() -> None:
    """`async with` takes one grant."""
    async with queue(fixed(10.0)) as line:
        async with line.limiter:
            pass
        await line.join(1)
        assert line.grants == {}


async def test_the_first_may_go_at_once_and_the_others_one_interval_apart() -> None:
    """Requests are spread evenly: nobody waits at first, and there is no burst."""
    async with queue(fixed(10.0)) as line:
        await line.join(4)
        assert line.grants == {0: 0.0}
        await line.pass_time(3 * INTERVAL_S + 0.001)
        assert [line.grants[n] for n in range(4)] == pytest.approx(
            [n * INTERVAL_S for n in range(4)], abs=0.0011
        )


async def test_who_comes_first_goes_first() -> None:
    """Nobody overtakes, neither who comes later nor who comes at the very moment of a turn."""
    async with queue(fixed(10.0)) as line:
        await line.join(3)
        line.clock.time_s = INTERVAL_S
        await line.join(1)
        assert list(line.grants) == [0]
        await line.pass_time(1.0)
        assert list(line.grants) == [0, 1, 2, 3]


async def test_one_timer_serves_all_waiters() -> None:
    """However many wait, one alarm is set, and it is exact: nothing polls."""
    async with queue(fixed(10.0)) as line:
        await line.join(1000)
        assert [alarm.at for alarm in line.clock.alarms] == [pytest.approx(INTERVAL_S, abs=0.0011)]


async def test_a_late_timer_costs_no_grants() -> None:
    """At 1,000/s a timer that is 2 ms late finds several due: the long-run rate is kept."""
    async with queue(fixed(1000.0)) as line:
        line.clock.late_s = 0.002
        await line.join(3000)
        await line.pass_time(2.0)
        assert 0.99 * 2000 <= len(line.grants) <= 2000


async def test_at_a_slow_rate_what_is_late_is_not_made_up_for_in_a_hurry() -> None:
    """After a timer that is 20 ms late at 20/s the next request is at most a tenth of an interval early."""
    async with queue(fixed(20.0)) as line:
        await line.join(100)
        line.clock.late_s = 0.02
        await line.pass_time(0.08)
        line.clock.late_s = 0.0
        await line.pass_time(2.0)
        grants = [at for at in line.grants.values() if at is not None]
        assert grants[1] == pytest.approx(0.05 / PACE + 0.02, abs=0.0011)
        assert min(after - at for at, after in pairwise(grants)) >= 0.9 * 0.05
        assert len(grants) >= 40


async def test_a_suspended_process_releases_no_burst() -> None:
    """After a minute's sleep at 20/s two may go, not the twelve hundred that the minute had."""
    async with queue(fixed(20.0)) as line:
        await line.join(100)
        line.clock.leap(60.0)
        await settle()
        assert len(line.grants) <= 3


async def test_a_long_idle_saves_nothing_up() -> None:
    """After an hour without requests the first leaves at once, the second one interval later."""
    async with queue(fixed(10.0)) as line:
        await line.join(1)
        await line.pass_time(3600.0)
        await line.join(2)
        assert list(line.grants) == [0, 1]


async def test_a_rate_that_nothing_reaches_costs_no_waiting() -> None:
    """At 100,000/s a request in every 50 us leaves without an alarm or a turn of the loop."""
    clock = StillClock()
    limiter = Limiter(fixed(100_000.0), clock=clock)
    for _ in range(1000):
        clock.time_s += 50e-6
        with pytest.raises(StopIteration) as done:
            limiter.acquire().send(None)
        assert done.value.value == clock.time_s
    assert clock.alarms == []


async def test_a_refusal_holds_everybody() -> None:
    """While `Retry-After` lasts nobody goes; then they go on at the given rate."""
    async with queue(fixed(10.0)) as line:
        await line.join(5)
        line.limiter.refused(0.0, refusal(retry_after_s=30.0))
        await line.pass_time(29.9)
        assert list(line.grants) == [0]
        assert line.limiter.reason() == Wait(hold=Hold.PUSH_BACK, left_s=pytest.approx(0.1))
        await line.pass_time(0.1)
        assert line.grants[1] == pytest.approx(30.0)
        assert line.limiter.reason() == Wait(hold=Hold.RATE)
        await line.pass_time(INTERVAL_S - 0.002)
        assert list(line.grants) == [0, 1]
        await line.pass_time(1.0)
        assert len(line.grants) == 5


async def test_an_acceptance_ends_a_pause_only_when_it_left_after_it() -> None:
    """What was under way when the pause began does not end it."""
    async with queue(fixed(10.0)) as line:
        await line.join(2)
        line.limiter.refused(0.0, refusal(retry_after_s=30.0))
        line.limiter.accepted(0.0)
        await line.pass_time(20.0)
        assert list(line.grants) == [0]


async def test_acceptances_of_one_moment_are_learned_together_and_none_is_lost() -> None:
    """What comes next, a refusal as well, finds all of them counted; a later one is learned at once."""
    async with queue(fixed(1000.0)) as line:
        for _ in range(4):
            line.limiter.accepted(line.clock.monotonic())
        assert line.limiter.pacing.round_answers == 1
        line.limiter.refused(line.clock.monotonic(), refusal())
        assert line.limiter.pacing.round_answers == 5
        line.limiter.accepted(line.clock.monotonic())
        assert line.limiter.pacing.round_answers == 6


async def test_acceptances_that_are_apart_are_learned_one_by_one() -> None:
    """Nothing waits for the next one for longer than a moment."""
    async with queue(fixed(1000.0)) as line:
        for learned in (1, 2, 3):
            line.limiter.accepted(line.clock.monotonic())
            assert line.limiter.pacing.round_answers == learned
            await line.pass_time(2 * TOGETHER_S)


async def test_a_pause_holds_everybody_whatever_is_answered_meanwhile() -> None:
    """A server that is not available is left alone; what it still answers ends nothing."""
    async with queue(fixed(10.0)) as line:
        await line.join(5)
        line.limiter.refused(0.0, refusal())
        line.told.clear()
        for wait_s in (30.0, 29.0, 30.0):
            line.limiter.pause(wait_s)
        assert [pacing.paused_until_s for pacing in line.told] == [30.0], "said once"
        line.limiter.accepted(0.1)
        await line.pass_time(29.9)
        assert list(line.grants) == [0]
        await line.pass_time(0.1)
        assert line.grants[1] == pytest.approx(30.0)


async def test_a_pause_is_no_limit() -> None:
    """After it requests leave as fast as before."""
    async with queue(fixed(10.0)) as line:
        await line.join(5)
        line.limiter.pause(30.0)
        await line.pass_time(29.9)
        assert line.limiter.reason() == Wait(hold=Hold.PUSH_BACK, left_s=pytest.approx(0.1))
        await line.pass_time(0.1 + 4 * INTERVAL_S)
        assert len(line.grants) == 5
        assert line.limiter.pacing.rate_per_s == 10.0


async def test_a_rate_that_changes_moves_those_who_wait() -> None:
    """A cut to one a second, stated by the server, reaches the waiter whose turn was nearer."""
    minute = Limit(requests=60, window_s=60.0)
    slow = fixed(2.0)._replace(cycle_at=0.0, stated=minute, excess=9.0, answers=30, refused=15)
    async with queue(slow) as line:
        await line.join(3)
        line.limiter.accepted(0.0)
        assert line.limiter.pacing.rate_per_s == 1.0
        await line.pass_time(0.99)
        assert list(line.grants) == [0]
        await line.pass_time(1.2)
        assert list(line.grants) == [0, 1, 2]


async def test_a_rate_that_grows_lets_those_who_wait_go_sooner() -> None:
    """A waiter at 10/s whose rate doubles goes after half the interval."""
    growing = Pacing(cycle_at=0.0, round_at=0.0, round_answers=20)
    async with queue(growing) as line:
        line.clock.time_s = 1.0
        await line.join(2)
        line.limiter.accepted(1.0)
        assert line.limiter.rate_per_s == 20.0
        await line.pass_time(INTERVAL_S / 2)
        assert list(line.grants) == [0, 1]


@pytest.mark.parametrize("rate", [21.0, 19.0, 12.0, 3.0])
async def test_after_a_rate_that_sinks_no_two_are_closer_than_it_asks(rate: float) -> None:
    """What the new rate keeps from leaving at first, as too much left before, never leaves in a hurry.

    A bucket without burst at 20/s would refuse every other one of those that leave as before at 22/s.
    """
    async with queue(fixed(22.0)) as line:
        await line.join(100)
        await line.pass_time(1.5)
        line.limiter.cap(rate)
        await line.pass_time(2.5)
        grants = [at for at in line.grants.values() if at is not None and at > 1.5]
        assert len(grants) >= rate
        assert min(after - at for at, after in pairwise(grants)) >= 1 / rate


async def test_an_opening_lets_those_who_wait_go_at_once() -> None:
    """Who waited for the answer to a probe need not wait out the time between probes."""
    shut = Pacing(
        rate_per_s=200.0, growth=0.01, spacing_s=5.0, refusals=2,
        cut_at=-1.0, shut_at=-1.0, cycle_at=-100.0,
        pushed_back_until_s=0.0,
    )  # fmt: skip
    async with queue(shut) as line:
        await line.join(2)
        await line.pass_time(0.1)
        line.limiter.accepted(0.0)
        await settle()
        assert line.grants == {0: 0.0, 1: pytest.approx(0.1)}


async def test_probes_leave_one_by_one() -> None:
    """While a window is shut, the next request does not leave before the last could be answered."""
    shut = Pacing(rate_per_s=200.0, growth=0.01, spacing_s=0.5)
    async with queue(shut) as line:
        await line.join(3)
        await line.pass_time(0.9)
        assert list(line.grants) == [0, 1]


async def test_changes_of_hold_and_belief_are_told_and_nothing_else() -> None:
    """The listener hears what the display and the ledger say, not each acceptance."""
    async with queue(auto()) as line:
        line.limiter.accepted(0.0)
        line.limiter.refused(0.4, refusal())
        assert line.told == []
        line.limiter.refused(0.5, refusal(retry_after_s=1.0))
        assert line.told == [line.limiter.pacing]


async def test_a_cancelled_waiter_takes_nobodys_turn() -> None:
    """The next in line goes when the cancelled one would have gone; nobody is forgotten."""
    async with queue(fixed(10.0)) as line:
        await line.join(3)
        line.workers[1].cancel()
        await settle()
        await line.pass_time(INTERVAL_S)
        assert list(line.grants) == [0, 2]
        line.workers.pop(1)


async def test_a_queue_of_cancelled_waiters_leaves_no_alarm() -> None:
    """When nobody waits any more, nothing is set for them, and the next who comes is served."""
    async with queue(fixed(10.0)) as line:
        await line.join(2)
        line.workers.pop().cancel()
        await settle()
        await line.pass_time(1.0)
        assert line.clock.alarms == []
        await line.join(1)
        assert line.grants[1] == pytest.approx(1.0)


async def test_closing_lets_everybody_go_home() -> None:
    """Who waits and who comes later gets None at once, cancelled or not, and no alarm is left."""
    async with queue(fixed(1.0)) as line:
        await line.join(4)
        line.workers[2].cancel()
        line.limiter.close()
        await settle()
        await line.join(1)
        assert line.grants == {0: 0.0, 1: None, 3: None, 4: None}
        assert all(alarm.off for alarm in line.clock.alarms)
        line.limiter.close()


async def test_a_ceiling_is_kept_by_those_who_wait_already() -> None:
    """The timer of the first waiter is set anew, later and sooner, and what is in force is passed on."""
    async with queue(fixed(10.0)) as line:
        await line.join(3)
        line.limiter.cap(0.5)
        await line.pass_time(1.9)
        assert list(line.grants) == [0]
        await line.pass_time(0.2)
        assert list(line.grants) == [0, 1]
        line.limiter.cap(inf)
        await line.pass_time(0.2)
        assert list(line.grants) == [0, 1, 2]
        assert line.limiter.rate_per_s == 10.0
