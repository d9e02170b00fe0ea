"""INT, TERM and HUP: they end a command at once; within a session the first only asks it to stop.

A command heeds them from its beginning to its end (`heeding`). The part of it that has requests in flight
(`stop_signals`) lets them be answered and recorded. USR1 ends nothing: a run shows where it stands
(`shown_at_usr1`).
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from bulk.errors import Interrupted

T = TypeVar("T")


@contextmanager
def _caught() -> Iterator[tuple[signal.Signals, ...]]:
    """Yield the signals to catch in the block; the handlers before it are in force again afterwards.

    HUP, that the terminal is gone, is one of them unless `nohup` has it ignored.
    """
    is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    caught = (signal.SIGINT, signal.SIGTERM, *(() if is_ignored else (signal.SIGHUP,)))
    before = [signal.getsignal(number) for number in caught]
    try:
        yield caught
    finally:
        for number, handler in zip(caught, before, strict=True):
            signal.signal(number, handler)


class _Signals:
    """The signals that have come, and what the next one does."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        self._task = task
        self.last: signal.Signals | None = None
        self.ask: Callable[[signal.Signals], None] | None = None
        """Is called by the next one, and by no other after it."""
        self.show: Callable[[], object] = lambda: None
        """Is called by each USR1."""

    def arrived(self, number: signal.Signals) -> None:
        """Ask to stop, or end the task."""
        self.last = number
        ask, self.ask = self.ask, None
        if ask:
            ask(number)
        elif self._task:
            self._task.cancel()

    def asked_to_show(self) -> None:
        """Show where the run stands."""
        self.show()


_heeded: ContextVar[_Signals] = ContextVar("_heeded")


async def heeding(command: Coroutine[Any, Any, T]) -> T:
    """Return what a command returns; raise Interrupted where a signal has ended it."""
    with _installed() as signals:
        try:
            return await command
        except asyncio.CancelledError:
            if signals.last is None:
                raise
            raise Interrupted(signals.last) from None


@contextmanager
def stop_signals(first: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `first` at the first signal while the block runs; the second cancels the current task."""
    signals = _heeded.get(None)
    if signals is None:
        with _installed(), stop_signals(first):
            yield
        return
    signals.ask = first
    try:
        yield
    finally:
        signals.ask = None


@contextmanager
def shown_at_usr1(show: Callable[[], object]) -> Iterator[None]:
    """Call `show` at each USR1 while the block runs; it does not end anything before or after, either."""
    if (signals := _heeded.get(None)) is None:
        yield
        return
    before, signals.show = signals.show, show
    try:
        yield
    finally:
        signals.show = before


@contextmanager
def _installed() -> Iterator[_Signals]:
    """Let signals arrive while the block runs."""
    loop, signals = asyncio.get_running_loop(), _Signals(asyncio.current_task())
    before = signal.getsignal(signal.SIGUSR1)
    with _caught() as caught:
        loop.add_signal_handler(signal.SIGUSR1, signals.asked_to_show)
        for number in caught:
            loop.add_signal_handler(number, signals.arrived, number)
        token = _heeded.set(signals)
        try:
            yield signals
        finally:
            _heeded.reset(token)
            for number in (*caught, signal.SIGUSR1):
                loop.remove_signal_handler(number)
            signal.signal(signal.SIGUSR1, before)


@contextmanager
def raising_signals(meaning: str) -> Iterator[None]:
    """Let these signals raise Interrupted while the block waits for something outside the loop."""

    def raised(number: int, _: object) -> None:
        if heeded := _heeded.get(None):
            heeded.ask = lambda _: None  # the loop, too, hears of it later, and must not end the cleaning up
        raise Interrupted(signal.Signals(number), meaning)

    with _caught() as caught:
        for number in caught:
            signal.signal(number, raised)
        yield
