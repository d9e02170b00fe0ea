"""Rate limiters of the kinds a server may have, and a run of a pacing state against one, without a clock.

Everything is virtual time: a run of minutes takes a fraction of a second and is the same every time.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Protocol

from bulk.core.model import Limit, Reply, Throttled
from bulk.core.pacing import Accepted, Pacing, Refused, step

REFUSAL = Reply(http=429, code="APIGW.0308")
LIMITER_PACE = 0.995
"""What the limiter makes of a state's rate; a test holds it to the limiter's own figure."""


class Server(Protocol):
    """A rate limiter as its clients see it."""

    def admit(self, now: float) -> bool:
        """Say whether a request that arrives now is taken."""
        ...

    def refusal(self, now: float) -> Throttled:
        """Give what a refused request is told."""
        ...


@dataclass(slots=True, kw_only=True)
class Bucket:
    """A token bucket: `rate` a second, and `burst` at once when it is full."""

    rate: Callable[[float], float]
    burst: float
    states: bool = False
    _tokens: float = field(default=inf)
    _at: float = 0.0

    def admit(self, now: float) -> bool:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate(now))
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def refusal(self, now: float) -> Throttled:
        return Throttled(
            reply=REFUSAL, limit=Limit(requests=round(self.rate(now)), window_s=1.0, policy="api") if self.states else None
        )


@dataclass(slots=True, kw_only=True)
class Window:
    """A fixed window: `requests` in each stretch of `window_s`; the first began at `began_s`, or with the first request."""

    requests: Callable[[float], float]
    window_s: float
    began_s: float | None = 0.0
    states: bool = False
    tells_when: bool = False
    _index: float = -1.0
    _used: int = 0

    def admit(self, now: float) -> bool:
        if self.began_s is None:
            self.began_s = now
        index = (now - self.began_s) // self.window_s
        if index != self._index:
            self._index, self._used = index, 0
        self._used += 1
        return self._used <= self.requests(now)

    def refusal(self, now: float) -> Throttled:
        left_s = self.window_s - (now - (self.began_s or 0.0)) % self.window_s
        return Throttled(
            reply=REFUSAL,
            limit=Limit(requests=round(self.requests(now)), window_s=self.window_s, policy="user") if self.states else None,
            retry_after_s=float(int(left_s) + 1) if self.tells_when else None,
        )


@dataclass(slots=True, kw_only=True)
class Sliding:
    """A sliding window: never more than `requests` in any `window_s`; refusals may count as well."""

    requests: Callable[[float], float]
    window_s: float
    counts_refusals: bool = False
    states: bool = False
    _log: deque[float] = field(default_factory=deque)

    def admit(self, now: float) -> bool:
        while self._log and self._log[0] <= now - self.window_s:
            self._log.popleft()
        taken = len(self._log) < self.requests(now)
        if taken or self.counts_refusals:
            self._log.append(now)
        return taken

    def refusal(self, now: float) -> Throttled:
        return Throttled(
            reply=REFUSAL,
            limit=Limit(requests=round(self.requests(now)), window_s=self.window_s, policy="ip") if self.states else None,
        )


@dataclass(slots=True, kw_only=True)
class Concurrency:
    """At most `requests` at the same time, each of which takes `service_s`."""

    requests: int
    service_s: float
    _ends: deque[float] = field(default_factory=deque)

    def admit(self, now: float) -> bool:
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        if len(self._ends) >= self.requests:
            return False
        self._ends.append(now + self.service_s)
        return True

    def refusal(self, now: float) -> Throttled:  # noqa: ARG002 - part of the interface
        return Throttled(reply=REFUSAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request of a run, in the order of arrival."""

    at: float
    taken: bool
    rate_per_s: float


def run(
    pacing: Pacing,
    server: Server,
    *,
    seconds: float,
    latency_s: float = 0.03,
    jitter_s: float = 0.01,
    seed: int = 1,
    neighbour: Iterator[float] = iter(()),
    demand_per_s: float = inf,
) -> tuple[list[Answer], Pacing]:
    """Send requests as fast as the pacing state allows; give every answer and the last state."""
    dice = Random(seed)
    answers: list[Answer] = []
    pending: list[tuple[float, float, bool, Throttled | None]] = []
    last = -inf
    now = 0.0
    other = next(neighbour, inf)
    while now < seconds:
        due = max(last + 1 / min(pacing.rate_per_s * LIMITER_PACE, demand_per_s), pacing.hold.until_s, now)
        if pending and pending[0][0] <= due:
            now, granted_at, taken, refusal = heappop(pending)
            if refusal is None:
                event = Accepted(granted_at=granted_at)
            else:
                event = Refused(granted_at=granted_at, throttled=refusal)
            pacing = step(pacing, event, now)
            continue
        now = last = due
        arrives = now + latency_s / 2 + dice.random() * jitter_s / 2
        while other <= arrives:
            server.admit(other)
            other = next(neighbour, inf)
        taken = server.admit(arrives)
        answers.append(Answer(at=arrives, taken=taken, rate_per_s=pacing.rate_per_s))
        back = arrives + latency_s / 2 + dice.random() * jitter_s / 2
        heappush(pending, (back, now, taken, None if taken else server.refusal(arrives)))
    return answers, pacing


def steady(value: float) -> Callable[[float], float]:
    """Give a limit that never changes."""
    return lambda _now: value


def stepped(*steps: tuple[float, float]) -> Callable[[float], float]:
    """Give a limit that has each value from its time on; the steps are in order of time."""
    return lambda now: next(value for since, value in reversed(steps) if now >= since)
