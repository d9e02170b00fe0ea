"""Looks are renewed before they are needed: by one page of the list where it serves several rows."""

from collections import Counter
from collections.abc import Iterable
from math import inf

from bulk.run.looks import ListPage, Looks

AHEAD_S = 5.0
"""Rows that will be granted within this time are looked at again beforehand, where need be."""
ROWS_AHEAD_MAX = 1000
"""Rows whose looks are considered at a time, however fast they go: as many as a page has."""
_SERVED_MIN = 2
"""Rows for which a page is read; a single one is looked at by itself."""
_PAUSE_S = 0.25
"""Between two looks over the rows ahead, while the next of them may go."""


class Renewal:
    """Which page of the list a lane reads next, one at a time."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._coming: ListPage | None = None
        """The page that is being read."""
        self._is_resting = False
        """Whether the reads are left to others for a while, since a page was read just now."""
        self._over_at = -inf
        """When the rows ahead are looked over again."""

    def is_due(self, now: float) -> bool:
        """Return whether the rows ahead are to be looked over."""
        return now >= self._over_at

    def next_page(self, ahead: Iterable[int], now: float) -> ListPage | None:
        """Return the page to be read now: the first that several of these rows need; None for none."""
        if self._coming or self._is_resting:
            return None
        self._over_at = now + _PAUSE_S
        needed = Counter(self._looks.page(row) for row in ahead if self._needs(row, now))
        self._coming = next((page for page, rows in needed.items() if page and rows >= _SERVED_MIN), None)
        return self._coming

    def will_serve(self, row: int, ahead: Iterable[int], now: float) -> bool:
        """Return whether a page is being read, or will be read, that the row shares with others of these."""
        page = self._looks.page(row)
        if page is None or page == self._coming:
            return page is not None
        others = (other for other in ahead if other != row and self._looks.page(other) == page)
        return any(self._needs(other, now) for other in others)

    def _needs(self, row: int, now: float) -> bool:
        return self._looks.is_stale(row, now + AHEAD_S)

    def came(self) -> None:
        """Learn that the page has come, or will not come; the next one has to wait for a while."""
        self._coming, self._is_resting = None, True

    def rested(self) -> None:
        """Learn that the next page may be read."""
        self._is_resting, self._over_at = False, -inf
