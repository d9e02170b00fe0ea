"""When each service was looked at last: a look does not last."""

from array import array
from math import inf


class Looks:
    """Eight bytes for each row: the monotonic second at which its last look was asked for."""

    def __init__(self, rows: int, max_age_s: float) -> None:
        self._asked_at = array("d", [-inf]) * (rows + 1)
        self._max_age_s = max_age_s
        self._gap_at = -inf

    def seen(self, row: int, asked_at: float) -> None:
        """Learn that a service is as planned, or as the run left it, by a look that was asked for then."""
        self._asked_at[row] = asked_at

    def gap(self, now: float) -> None:
        """Learn that nobody knows what happened shortly before now: every earlier look has expired."""
        self._gap_at = now

    def is_stale(self, row: int, now: float) -> bool:
        """Return whether a service must be looked at again before its PUT may leave."""
        return self._asked_at[row] < max(now - self._max_age_s, self._gap_at)
