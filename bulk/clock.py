"""The machine's clocks, its timer and its dice: what a run and the limiter take as arguments.

asyncio is imported where it is used: it brings ssl with it, and asking for the time needs neither.
"""

import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio


class Timer(Protocol):
    """A call that is to come and can be called off."""

    def cancel(self) -> None:
        """Call it off; harmless when it has happened."""
        ...


class SystemClock:
    """The wall clock, the monotonic clock and the running event loop's timer."""

    __slots__ = ()

    def now(self) -> float:
        """Return the wall clock: seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds from a fixed but unknown start, never going back."""
        return time.monotonic()

    def boottime(self) -> float:
        """Return seconds since the machine booted: a monotonic clock that goes on while it sleeps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()

    async def sleep(self, wait_s: float, *, wake: "asyncio.Event | None" = None) -> None:
        """Return `wait_s` seconds later, or as soon as `wake` is set."""
        import asyncio  # noqa: PLC0415 - see above

        if wake is None:
            await asyncio.sleep(wait_s)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), wait_s)

    def call_later(self, wait_s: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` `wait_s` seconds from now, unless the timer is cancelled before."""
        import asyncio  # noqa: PLC0415 - see above

        return asyncio.get_running_loop().call_later(wait_s, callback)


class SystemDice(random.SystemRandom):
    """Numbers that nobody can foretell: backoff jitter must differ between machines."""
