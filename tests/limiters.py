"""Rate limiters of the kinds a server may have, and runs of the real limiter against them in virtual time.

A run of minutes takes a fraction of a second, and is the same every time.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import ceil, inf
from random import Random
from typing import Protocol

from bulk.clock import Timer
from bulk.model import Limit, Reply, Throttled
from bulk.pacing import Pacing
from bulk.pacing.limiter import Limiter

REFUSAL = Reply(http=429, code="APIGW.0308")
LATER = 200
"""Of so many late timers one is very late."""


class Server(Protocol):
    """A rate limiter as its clients see it."""

    def admit(self, now: float) -> bool:
        """Return whether a request that arrives now is taken."""
        ...

    def refusal(self, now: float) -> Throttled:
        """Return the answer to a throttled request."""
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
        """Return whether a request that arrives now is taken."""
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate(now))
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def refusal(self, now: float) -> Throttled:
        """Return the answer to a throttled request."""
        return Throttled(
            reply=REFUSAL,
            limit=Limit(requests=round(self.rate(now)), window_s=1.0, policy="api") if self.states else None,
        )


@dataclass(slots=True, kw_only=True)
class Window:
    """A fixed window: `requests` in each stretch of `window_s`, from `began_s` or the first request on."""

    requests: Callable[[float], float]
    window_s: float
    began_s: float | None = 0.0
    states: bool = False
    tells_when: bool = False
    _index: float = -1.0
    _used: int = 0

    def admit(self, now: float) -> bool:
        """Return whether a request that arrives now is taken."""
        if self.began_s is None:
            self.began_s = now
        index = (now - self.began_s) // self.window_s
        if index != self._index:
            self._index, self._used = index, 0
        self._used += 1
        return self._used <= self.requests(now)

    def refusal(self, now: float) -> Throttled:
        """Return the answer to a throttled request."""
        left_s = self.window_s - (now - (self.began_s or 0.0)) % self.window_s
        return Throttled(
            reply=REFUSAL,
            limit=Limit(requests=round(self.requests(now)), window_s=self.window_s, policy="user")
            if self.states
            else None,
            retry_after_s=float(int(left_s) + 1) if self.tells_when else None,
        )


@dataclass(slots=True, kw_only=True)
class Sliding:
    """A sliding window: never more than `requests` in any `window_s`; refusals may count as well."""

    requests: Callable[[float], float]
    window_s: float
    counts_refusals: bool = False
    states: bool = False
    tells_when: bool = False
    _log: deque[float] = field(default_factory=deque)

    def admit(self, now: float) -> bool:
        """Return whether a request that arrives now is taken."""
        while self._log and self._log[0] <= now - self.window_s:
            self._log.popleft()
        taken = len(self._log) < self.requests(now)
        if taken or self.counts_refusals:
            self._log.append(now)
        return taken

    def refusal(self, now: float) -> Throttled:
        """Return the answer to a throttled request."""
        return Throttled(
            reply=REFUSAL,
            limit=Limit(requests=round(self.requests(now)), window_s=self.window_s, policy="ip")
            if self.states
            else None,
            retry_after_s=float(ceil(self._log[0] + self.window_s - now)) if self.tells_when else None,
        )


@dataclass(slots=True, kw_only=True)
class Concurrency:
    """At most `requests` at the same time, each of which takes a time between those of `service_s`."""

    requests: int
    service_s: tuple[float, float]
    seed: int = 1
    _ends: list[float] = field(default_factory=list)
    _dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)

    def admit(self, now: float) -> bool:
        """Return whether a request that arrives now is taken."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        if len(self._ends) >= self.requests:
            return False
        heappush(self._ends, now + self._dice.uniform(*self.service_s))
        return True

    def refusal(self, now: float) -> Throttled:  # noqa: ARG002 - part of the interface
        """Return the answer to a throttled request."""
        return Throttled(reply=REFUSAL)


class Open:
    """No limit at all."""

    def admit(self, now: float) -> bool:  # noqa: ARG002 - part of the interface
        """Return whether a request that arrives now is taken."""
        return True

    def refusal(self, now: float) -> Throttled:  # noqa: ARG002 - part of the interface
        """Return the answer to a throttled request."""
        return Throttled(reply=REFUSAL)


@dataclass(slots=True, kw_only=True)
class Noisy:
    """A server that refuses a share of all requests at random, before its limiter sees them."""

    server: Server
    share: Callable[[float], float]
    seed: int = 1
    says: Throttled = field(default_factory=lambda: Throttled(reply=REFUSAL))
    """What those are told."""
    _is_noise: bool = False
    _dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)

    def admit(self, now: float) -> bool:
        """Return whether a request that arrives now is taken."""
        self._is_noise = self._dice.random() < self.share(now)
        return not self._is_noise and self.server.admit(now)

    def refusal(self, now: float) -> Throttled:
        """Return the answer to a throttled request."""
        return self.says if self._is_noise else self.server.refusal(now)


@dataclass(slots=True)
class Alarm:
    """A call to come, of a clock that only moves when told to."""

    at: float
    callback: Callable[[], None]
    off: bool = False

    def cancel(self) -> None:
        """Call it off."""
        self.off = True


@dataclass(slots=True)
class StillClock:
    """A clock that only moves when told to, and rings every alarm that it passes, in order."""

    time_s: float = 0.0
    late_s: float = 0.0
    """How late its alarms ring."""
    alarms: list[Alarm] = field(default_factory=list)

    def monotonic(self) -> float:
        """Return the time it was moved to."""
        return self.time_s

    def call_later(self, wait_s: float, callback: Callable[[], None]) -> Timer:
        """Ring when the clock is moved past that time."""
        self.alarms.append(alarm := Alarm(self.time_s + wait_s, callback))
        return alarm

    def advance(self, seconds: float) -> None:
        """Move on, ringing on the way."""
        end = self.time_s + seconds
        while due := [alarm for alarm in self.alarms if not alarm.off and alarm.at + self.late_s <= end]:
            first = min(due, key=lambda alarm: alarm.at)
            self.alarms.remove(first)
            self.time_s = max(self.time_s, first.at + self.late_s)
            first.callback()
        self.time_s = end

    def leap(self, seconds: float) -> None:
        """Move on at once, as for a process that was suspended: alarms ring only afterwards."""
        self.time_s += seconds
        self.advance(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request of a run, in the order of arrival."""

    at: float
    taken: bool
    rate_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """How requests travel: a round trip of `latency_s`, each way longer by up to half of `jitter_s`."""

    latency_s: float = 0.02
    jitter_s: float = 0.005
    seed: int = 1
    demand_per_s: float = inf
    """How fast the sender could go at most."""
    in_flight: float = inf
    """How many requests may be on their way at a time."""
    late_s: float = 0.0
    """How late timers ring at most, but for one in `LATER`, which is ten times as late; 0: none is late."""


class Travelling:
    """Requests on their way to the server and back; they and their answers may overtake each other."""

    def __init__(self, server: Server, path: Path, neighbour: Iterable[float], dice: Random) -> None:
        self.answers: list[Answer] = []
        self.next_at = inf
        """When the next of them arrives, or is back."""
        self._server, self._path, self._dice = server, path, dice
        self._others = iter(neighbour)
        self._other = next(self._others, inf)
        self._sent = 0
        self._ways: list[tuple[float, int, float, float, Throttled | None]] = []
        """When each ends, its number (negative on the way back), its grant, the rate then, the refusal."""

    def is_full(self) -> bool:
        """Return whether no more may be on their way."""
        return len(self._ways) >= self._path.in_flight

    def send(self, now: float, rate_per_s: float) -> None:
        """Let one more leave."""
        self._sent += 1
        self._go(now, self._sent, now, rate_per_s, None)

    def go_on(self, limiter: Limiter) -> None:
        """Let the next of them arrive, or tell the limiter what came of it."""
        now, number, granted_at, rate_per_s, refusal = heappop(self._ways)
        if number > 0:
            self._arrive(now, number, granted_at, rate_per_s)
            return
        self.next_at = self._ways[0][0] if self._ways else inf
        if refusal is None:
            limiter.accepted(granted_at)
        else:
            limiter.refused(granted_at, refusal)

    def _arrive(self, now: float, number: int, granted_at: float, rate_per_s: float) -> None:
        while self._other <= now:
            self._server.admit(self._other)
            self._other = next(self._others, inf)
        taken = self._server.admit(now)
        self.answers.append(Answer(at=now, taken=taken, rate_per_s=rate_per_s))
        self._go(now, -number, granted_at, rate_per_s, None if taken else self._server.refusal(now))

    def _go(
        self, now: float, number: int, granted_at: float, rate_per_s: float, refusal: Throttled | None
    ) -> None:
        way_s = (self._path.latency_s + self._dice.random() * self._path.jitter_s) / 2
        heappush(self._ways, (now + way_s, number, granted_at, rate_per_s, refusal))
        self.next_at = self._ways[0][0]


def run(
    pacing: Pacing,
    server: Server,
    *,
    seconds: float,
    path: Path = Path(),
    neighbour: Iterable[float] = (),
) -> tuple[list[Answer], Pacing]:
    """Send requests as the real limiter allows for `seconds`; give every answer and the last state."""
    dice = Random(path.seed)
    clock = StillClock()
    limiter = Limiter(pacing, clock=clock)
    travelling = Travelling(server, path, neighbour, dice)
    late_s = 0.0
    while clock.time_s < seconds:
        due = max(limiter._next_at() + late_s, limiter._last + 1 / path.demand_per_s, clock.time_s)
        if travelling.next_at <= due or travelling.is_full():
            clock.time_s = travelling.next_at
            travelling.go_on(limiter)
            continue
        clock.time_s = due
        limiter._grant(due, scheduled_s=due - limiter._credit_s() if path.late_s else due)
        late_s = path.late_s and path.late_s * (10 if dice.random() < 1 / LATER else dice.random())
        travelling.send(due, limiter.pacing.rate_per_s)
    return travelling.answers, limiter.pacing


def steady(value: float) -> Callable[[float], float]:
    """Return a limit that never changes."""
    return lambda _now: value


def stepped(*steps: tuple[float, float]) -> Callable[[float], float]:
    """Return a limit that has each value from its time on; the steps are in order of time."""
    return lambda now: next(value for since, value in reversed(steps) if now >= since)
