"""The shapes a limit may have. Pure: time is an argument."""

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Protocol


class Shape(Protocol):
    """Something that lets a request pass, or returns how long it would have to wait."""

    def admit(self, now_s: float) -> float | None:
        """Return None and count the request, or return the seconds after which one would pass."""
        ...

    def charge(self, now_s: float) -> None:
        """Count a refused request as well: third parties report that they count (API.md, section 3.5)."""
        ...

    def release(self) -> None:
        """Learn that an admitted request has been answered."""
        ...


@dataclass(slots=True, kw_only=True)
class TokenBucket:
    """`burst` tokens at most, refilled evenly at `rate_per_s`; a request takes one."""

    rate_per_s: float
    burst: float
    _taken: float = 0.0
    _at_s: float = 0.0

    def admit(self, now_s: float) -> float | None:
        """Take a token, or return when one will be there."""
        self._refill(now_s)
        left = self.burst - self._taken
        if left >= 1 - 1e-9:  # a refill to just under one is a whole token
            self._taken += 1
            return None
        return (1 - left) / self.rate_per_s

    def charge(self, now_s: float) -> None:
        """Take a token if there is one."""
        self._refill(now_s)
        self._taken = min(self.burst, self._taken + 1)

    def release(self) -> None:
        """Do nothing: tokens come back by time alone."""

    def _refill(self, now_s: float) -> None:
        self._taken = max(0.0, self._taken - (now_s - self._at_s) * self.rate_per_s)
        self._at_s = now_s


@dataclass(slots=True, kw_only=True)
class FixedWindow:
    """`count` requests in each window; the first window opens with the first request."""

    count: int
    period_s: float
    _opened_at_s: float = -inf
    _used: int = 0

    def admit(self, now_s: float) -> float | None:
        """Count the request, or return when the window ends."""
        self._turn(now_s)
        if self._used < self.count:
            self._used += 1
            return None
        return self._opened_at_s + self.period_s - now_s

    def charge(self, now_s: float) -> None:
        """Count the refusal into the window."""
        self._turn(now_s)
        self._used += 1

    def release(self) -> None:
        """Do nothing: the count goes back with the window."""

    def _turn(self, now_s: float) -> None:
        if self._opened_at_s == -inf:
            self._opened_at_s = now_s
        windows = (now_s - self._opened_at_s) // self.period_s
        if windows >= 1:
            self._opened_at_s += windows * self.period_s
            self._used = 0


@dataclass(slots=True, kw_only=True)
class SlidingWindow:
    """`count` requests in any stretch of `period_s`."""

    count: int
    period_s: float
    _times_s: deque[float] = field(default_factory=deque)

    def admit(self, now_s: float) -> float | None:
        """Count the request, or return when the oldest that matters leaves."""
        while self._times_s and self._times_s[0] <= now_s - self.period_s:
            self._times_s.popleft()
        if len(self._times_s) < self.count:
            self._times_s.append(now_s)
            return None
        return self._times_s[-self.count] + self.period_s - now_s

    def charge(self, now_s: float) -> None:
        """Count the refusal at its moment."""
        self._times_s.append(now_s)

    def release(self) -> None:
        """Do nothing: requests leave by time alone."""


@dataclass(slots=True, kw_only=True)
class Concurrency:
    """`count` requests at the same time; nobody knows when the next one may come."""

    count: int
    _in_flight: int = 0

    def admit(self, now_s: float) -> float | None:  # noqa: ARG002 -- the interface has a clock, this shape needs none
        """Take a place, or name a guess."""
        if self._in_flight < self.count:
            self._in_flight += 1
            return None
        return 1.0

    def charge(self, now_s: float) -> None:
        """Do nothing: a refused request is not in flight."""

    def release(self) -> None:
        """Free the place."""
        self._in_flight -= 1
