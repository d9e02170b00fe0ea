"""Why a run is to stop, said from outside or by the run; it is looked at, nothing is ever cancelled by it."""

from collections.abc import Callable

from bulk.ledger.stops import BrakeReason, ranked

_SIGNALS = frozenset({BrakeReason.INTERRUPTED, BrakeReason.TERMINATED})


class Brake:
    """Stops the run at the first pull; a later one only adds its reason.

    Of each reason the first message is kept.
    """

    def __init__(self) -> None:
        self._messages: dict[BrakeReason, str] = {}
        self._listeners: list[Callable[[], object]] = []

    @property
    def reasons(self) -> tuple[BrakeReason, ...]:
        """Return every reason that it was pulled for, in the order in which they are reported."""
        return ranked(self._messages)

    @property
    def message(self) -> str:
        """Return what stopped the run, reason by reason; nothing where nothing did."""
        return "; ".join(self._messages[reason] for reason in self.reasons)

    def on_pull(self, listener: Callable[[], object]) -> None:
        """Have `listener` called at the first pull; at once if that was earlier."""
        self._listeners.append(listener)
        if self:
            listener()

    def pull(self, reason: BrakeReason, message: str) -> None:
        """Stop the run: what is in flight ends and is recorded, nothing new begins."""
        is_first = not self
        self._messages.setdefault(reason, message)
        if is_first:
            for listener in self._listeners:
                listener()

    def release(self) -> None:
        """Forget why it was pulled: nothing was left that this kept from being done."""
        self._messages.clear()

    @property
    def is_signalled(self) -> bool:
        """Return whether a signal was among the reasons."""
        return not _SIGNALS.isdisjoint(self._messages)

    def add_to_signal(self, message: str) -> None:
        """Add to the message of a signal what it has ended."""
        for reason in _SIGNALS & self._messages.keys():
            self._messages[reason] += f"; {message}"

    def __bool__(self) -> bool:
        """Return whether it has been pulled."""
        return bool(self._messages)
