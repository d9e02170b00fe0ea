"""When each service was looked at last, and on which page of the list it stood: a look does not last."""

from array import array
from math import inf
from typing import NamedTuple

from bulk.model import Target


class ListPage(NamedTuple):
    """A page of the list of a target's services, by the offset at which it begins."""

    target: Target
    offset: int


class Looks:
    """Twelve bytes for each row: when its last look was asked for (monotonic), and where the list has it."""

    def __init__(self, rows: int, max_age_s: float) -> None:
        self._asked_at = array("d", [-inf]) * (rows + 1)
        self._page_of = array("I", [0]) * (rows + 1)
        self._pages: list[ListPage | None] = [None]
        self._numbers: dict[ListPage, int] = {}
        self._max_age_s = max_age_s
        self._gap_at = -inf

    def seen(self, row: int, asked_at: float, page: ListPage | None = None) -> None:
        """Learn that a service is as planned, or as the run left it, by a look that was asked for then."""
        self._asked_at[row] = max(self._asked_at[row], asked_at)
        if page:
            if page not in self._numbers:
                self._numbers[page] = len(self._pages)
                self._pages.append(page)
            self._page_of[row] = self._numbers[page]

    def missed(self, row: int, asked_at: float) -> None:
        """Learn that a page does not show a service as left: no earlier look counts, no page has it."""
        if self._asked_at[row] <= asked_at:
            self._asked_at[row] = -inf
        self._page_of[row] = 0

    def page(self, row: int) -> ListPage | None:
        """Return the page of the list that showed a row's service last; None where none did."""
        return self._pages[self._page_of[row]]

    def place_in_list(self, row: int) -> int:
        """Return the number of the page that showed a row's service, counted as they came."""
        return self._page_of[row]

    def gap(self, now: float) -> None:
        """Learn that nobody knows what happened shortly before now: every earlier look has expired."""
        self._gap_at = now

    def is_stale(self, row: int, now: float) -> bool:
        """Return whether a service must be looked at again before its PUT may leave."""
        return self._asked_at[row] < max(now - self._max_age_s, self._gap_at)
