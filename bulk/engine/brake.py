"""Why a run is stopping; workers look at it, nothing is ever cancelled by it."""

import asyncio
from collections.abc import Callable

from bulk.core.ledger.stops import BrakeReason, ranked


class Brake:
    """Stops the run at the first pull; a later one only adds its reason.

    Of each reason the first message is kept.
    """

    def __init__(self) -> None:
        self.pulled = asyncio.Event()
        """Set from the first pull on; sleeps that need not last wake by it."""
        self._messages: dict[BrakeReason, str] = {}
        self._released: list[Callable[[], object]] = []

    @property
    def reasons(self) -> tuple[BrakeReason, ...]:
        """Return every reason that it was pulled for, in the order in which they are reported."""
        return ranked(self._messages)

    @property
    def message(self) -> str:
        """Return what stopped the run, reason by reason; nothing where nothing did."""
        return "; ".join(self._messages[reason] for reason in self.reasons)

    def on_pull(self, release: Callable[[], object]) -> None:
        """Have `release` called at the pull, to wake those who wait for something else; now, if that was."""
        self._released.append(release)
        if self:
            release()

    def pull(self, reason: BrakeReason, message: str) -> None:
        """Stop the run: what is in flight ends and is recorded, nothing new begins."""
        is_first = not self
        self._messages.setdefault(reason, message)
        if is_first:
            self.pulled.set()
            for release in self._released:
                release()

    def __bool__(self) -> bool:
        """Return whether it has been pulled."""
        return bool(self._messages)
