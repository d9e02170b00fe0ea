"""Looks that are renewed by a page of the list, shortly before the turn of the rows that it shows."""

from collections.abc import Iterable
from functools import partial

from bulk.ledger.progress import hash_of
from bulk.model import LaneName, Listed
from bulk.run.course import Course
from bulk.run.drift import against_plan
from bulk.run.looks import ListPage
from bulk.run.renewal import ROWS_AHEAD_MAX
from bulk.run.stages import Place


class RenewedLooks:
    """What a page of the list says of the rows whose turn comes next."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._board = course.board

    def seen(self, key: LaneName, page: ListPage, services: Iterable[Listed], asked_at: float) -> None:
        """Learn what a page shows that was asked for then; one that could not be read shows nothing.

        It only confirms: a row that it does not show as it was left is looked at by itself. No other page
        is read before `rested`.
        """
        board, lane = self._board, self._course.lanes[key]
        lane.renewal.came()
        live = {hash_of(service.id): service for service in services}
        for row in lane.queue.ahead(2 * ROWS_AHEAD_MAX):
            if board.target(row) != page.target or board.place(row) is not Place.READY:
                continue
            found = live.get(self._board.progress.names[row - 1])
            look = partial(against_plan, is_parked=row in board.parked, noticed=self._course.gates.noticed)
            if found and look(board.plan, row, found) == (True, None):
                board.looks.seen(row, asked_at, page)
            elif found or board.looks.page(row) == page:
                board.looks.missed(row, asked_at)

    def rested(self, key: LaneName) -> None:
        """Learn that the next page of a lane may be read."""
        self._course.lanes[key].renewal.rested()
