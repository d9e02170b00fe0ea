"""The limiter: when the next request may leave, for all that share one account, region and kind.

It differs from asyncio-throttle's `Throttler`, its base class, in four ways: waiters wake exactly when
their turn comes (one timer, first come first served) instead of polling; requests are spread evenly
instead of leaving in one burst a period; the rate follows a pacing state that learns from what the
server answers; and it can be closed.

The schedule is a virtual clock (GCRA, ITU-T I.371): each grant moves it on by one interval, and a timer that
fires late (an event loop is some 1 ms late) finds several grants due, so that the long-run rate is kept.
Lateness beyond a credit is forgotten, all of it where the rate changes, and two windows are counted exactly
besides, so that neither an idle time, a change of rate nor a suspended process ever releases a burst.
"""

from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Callable
from math import ceil, inf
from typing import Protocol

from asyncio_throttle.throttler import Throttler

from bulk.clock import Timer
from bulk.model import Throttled, Wait
from bulk.pacing import Accepted, Capped, Event, Pacing, Paused, Throttling, reason, step

PACE = 0.992
"""Share of the rate that the schedule aims at: what is left absorbs 8 ms of jitter in each second."""
CREDIT_S, CREDIT_PER_S = 0.05, 200.0
"""Lateness that is made up for from this rate on; a longer stall is forgotten. Slower rates have less of it,
5 ms at 20/s: it is little there, and a limit without burst refuses what leaves too close to the last one."""
PERIOD_S, SLICE_S = 1.0, 0.1
"""The windows that are counted. A rate below one a second has a longer period: that of one request."""
TOGETHER_S = 0.005
"""Acceptances of so short a time are learned together where they say nothing new."""
TIMER_S_MIN = 0.001
"""Event loops count whole milliseconds; a shorter timer would only spin."""


class LimiterClock(Protocol):
    """What the limiter needs of a clock."""

    def monotonic(self) -> float:
        """Return seconds from a fixed but unknown start, never going back."""
        ...

    def call_later(self, wait_s: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` `wait_s` seconds from now, unless the timer is cancelled before."""
        ...


class Limiter(Throttler):
    """Grants requests one by one at the rate of its pacing state; satisfies `Pace` of `bulk.run`.

    Guaranteed of the times of its grants, whatever happens to the clock, the rate and the waiters:
    never more than the rate (rounded up) in any one second, never more than a tenth of the rate plus
    one in any 100 ms, and never two within the period of a rate below one a second.
    """

    def __init__(
        self, pacing: Pacing, *, clock: LimiterClock, changed: Callable[[Pacing], None] = lambda _pacing: None
    ) -> None:
        """Take the pacing state to start from, the clock, and a callback for changes of hold or belief."""
        super().__init__(rate_limit=ceil(pacing.rate_per_s), period=PERIOD_S)
        self.pacing = pacing
        self._clock = clock
        self._changed = changed
        self._grants: deque[float] = deque()
        self._last = -inf
        self._waiters: deque[Future[float | None]] = deque()
        self._timer: Timer | None = None
        self._closed = False
        self._taken, self._taken_at, self._learned_at = 0, -inf, -inf
        """Acceptances not learned yet, the grant of the last of them, and when something was learned last."""

    async def acquire(self) -> float | None:
        """Return when one request may leave: the grant's time (monotonic s), or None once closed."""
        if self._closed:
            return None
        if not self._waiters and self._next_at() <= (now := self._clock.monotonic()):
            return self._grant(now, scheduled_s=now - TIMER_S_MIN)
        turn: Future[float | None] = get_running_loop().create_future()
        self._waiters.append(turn)
        if self._timer is None:
            self._serve()
        return await turn

    def accepted(self, granted_at: float) -> None:
        """Learn that the server took the request of this grant."""
        now = self._clock.monotonic()
        if now < self._learned_at + TOGETHER_S and granted_at > self.pacing.cut_at and self.pacing.is_calm:
            self._taken, self._taken_at = self._taken + 1, granted_at
        else:
            self._learn(Accepted(granted_at=granted_at))

    def refused(self, granted_at: float, throttled: Throttled) -> None:
        """Learn that the server refused the request of this grant for going too fast."""
        self._learn(Throttling(granted_at=granted_at, throttled=throttled))

    def pause(self, wait_s: float) -> None:
        """Let nothing leave for so long, as the server asks for it."""
        self._learn(Paused(wait_s=wait_s))

    def cap(self, most_per_s: float) -> None:
        """Let requests leave no faster than this; infinity lets them leave as fast as the job may."""
        self._learn(Capped(most_per_s=most_per_s))

    @property
    def rate_per_s(self) -> float:
        """Return the rate now."""
        return self.pacing.rate_per_s

    def close(self) -> None:
        """Let every waiting and every later `acquire` return None at once."""
        self._closed = True
        self._disarm()
        while self._waiters:
            if not (turn := self._waiters.popleft()).done():
                turn.set_result(None)

    def reason(self) -> Wait:
        """Return what the next request waits for: the rate, or the server's push-back with its end."""
        return reason(self.pacing, self._clock.monotonic())

    def _learn(self, event: Event) -> None:
        if self._taken:
            taken, self._taken = self._taken, 0
            self._learn(Accepted(granted_at=self._taken_at, count=taken))
        now = self._learned_at = self._clock.monotonic()
        before, after = self.pacing, step(self.pacing, event, now)
        self.pacing = after
        is_paused = before.paused_until_s <= now < after.paused_until_s  # said once, not for each reply
        held = is_paused or after.pushed_back_until_s != before.pushed_back_until_s
        if held or (after.limit, after.noise, after.cap_per_s) != (
            before.limit,
            before.noise,
            before.cap_per_s,
        ):
            self._changed(after)
        if is_new := after.rate_per_s != before.rate_per_s:
            # The windows hold back at first what is slower now, which is no lateness to be made up for.
            self._last = max(self._last, max(self._paced_at(), now) - self._interval_s())
        if held or is_new:
            self._disarm()
            self._serve()

    def _serve(self) -> None:
        """Grant what is due, and set the timer for the first waiter whose turn has not come."""
        self._timer = None
        while self._waiters:
            if self._waiters[0].done():  # its caller was cancelled
                self._waiters.popleft()
                continue
            now = self._clock.monotonic()
            if (wait_s := self._next_at() - now) > 0:
                self._timer = self._clock.call_later(max(wait_s, TIMER_S_MIN), self._serve)
                return
            self._waiters.popleft().set_result(self._grant(now, scheduled_s=now - self._credit_s()))

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next_at(self) -> float:
        return max(self._paced_at(), self.pacing.held_until_s)

    def _paced_at(self) -> float:
        rate_per_s = self.pacing.rate_per_s
        period_s = max(PERIOD_S, 1 / rate_per_s)
        # The schedule may catch up after a late timer; the two counted windows bound what leaves at once.
        return max(
            self._last + self._interval_s(),
            self._grants_ago(ceil(rate_per_s * period_s)) + period_s,
            self._grants_ago(int(rate_per_s * SLICE_S) + 1) + SLICE_S,
        )

    def _interval_s(self) -> float:
        return max(1 / (self.pacing.rate_per_s * PACE), self.pacing.spacing_s)

    def _credit_s(self) -> float:
        return CREDIT_S * min(1.0, self.pacing.rate_per_s / CREDIT_PER_S)

    def _grants_ago(self, count: int) -> float:
        return self._grants[-count] if len(self._grants) >= count else -inf

    def _grant(self, now: float, *, scheduled_s: float) -> float:
        # Counted from the schedule, not from now: a late timer does not lower the rate in the long run.
        self._last = max(self._last + self._interval_s(), self.pacing.held_until_s, scheduled_s)
        self._grants.append(now)
        while self._grants[0] <= now - PERIOD_S:
            self._grants.popleft()
        return now
