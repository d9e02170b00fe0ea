"""Why a run is stopping; workers look at it, nothing is ever cancelled by it."""

import asyncio
from collections.abc import Callable

from bulk.core.ledger.records import BrakeReason


class Brake:
    """Pulled once, by the first reason that comes; later reasons change nothing."""

    def __init__(self) -> None:
        self.pulled = asyncio.Event()
        """Set from the pull on; sleeps that need not last wake by it."""
        self.reason = BrakeReason.FINISHED
        self.message = ""
        self._is_pulled = False
        self._released: list[Callable[[], object]] = []

    def on_pull(self, release: Callable[[], object]) -> None:
        """Have `release` called at the pull, to wake those who wait for something else; now, if that was."""
        self._released.append(release)
        if self._is_pulled:
            release()

    def pull(self, reason: BrakeReason, message: str) -> None:
        """Stop the run: what is in flight ends and is recorded, nothing new begins."""
        if self._is_pulled:
            return
        self.reason, self.message, self._is_pulled = reason, message, True
        self.pulled.set()
        for release in self._released:
            release()

    def __bool__(self) -> bool:
        """Say whether it has been pulled."""
        return self._is_pulled
