"""An event loop in virtual time: whatever is waited for has come, so that minutes of a run take seconds."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from bulk.clock import SystemClock
from tests.fakes import STARTED_AT

T = TypeVar("T")


class _NoWaiting(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Waits for nothing: the time that it was to wait passes at once."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Let the time pass."""
        self.passed_s += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only while nothing is to be done; no other thread may be waited for."""

    def __init__(self) -> None:
        self._waiting = _NoWaiting()
        super().__init__(self._waiting)

    def time(self) -> float:
        """Return the seconds that were waited for."""
        return self._waiting.passed_s


class VirtualClock(SystemClock):
    """The clock of a virtual loop."""

    def now(self) -> float:
        """Return the wall clock."""
        return STARTED_AT + self.monotonic()

    def monotonic(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
