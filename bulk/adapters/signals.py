"""INT and TERM as calls: the first asks to stop, the second leaves at once."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(first: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `first` at the first INT or TERM, and cancel the current task at the second.

    What was installed before is in force again afterwards.
    """
    loop = asyncio.get_running_loop()
    leaving = asyncio.current_task()
    seen: list[signal.Signals] = []

    def arrived(number: signal.Signals) -> None:
        seen.append(number)
        if len(seen) == 1:
            first(number)
        elif leaving:
            leaving.cancel()

    caught = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in caught]
    for number in caught:
        loop.add_signal_handler(number, arrived, number)
    try:
        yield
    finally:
        for number, installed in zip(caught, before, strict=True):
            loop.remove_signal_handler(number)
            signal.signal(number, installed)
