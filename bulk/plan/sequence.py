"""The order of a plan whose changes say what they wait for, and the PUTs that it comes to.

A parked change is sent twice but has one place in the plan, that of its intermediate PUT. Its last PUT is due
once every row of its `after` has been sent; `steps` finds that place again from the plan alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush

from bulk.model import Change, ModifyBody, value


@value
class Step:
    """One PUT of a plan."""

    change: Change
    body: ModifyBody
    """What this PUT sends."""
    is_last: bool
    """False for the intermediate PUT of a parked change."""


def sequenced(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield changes in the order of their rows, as far as what they wait for lets them.

    `changes` come in the order of their rows and wait for one another only. A parked change comes just before
    the first that waits for its intermediate PUT.
    """
    by_row = {change.row: change for change in changes}
    placed: set[int] = set()
    for row in _turns(by_row):
        change = by_row[row]
        for due in change.after_parked if change.parking else (*change.after_parked, row):
            if due not in placed:
                placed.add(due)
                yield by_row[due]


def _turns(changes: dict[int, Change]) -> Iterator[int]:
    """Yield the rows in the order of their last PUTs: each behind those that it waits for."""
    followers: dict[int, list[int]] = defaultdict(list)
    for row, change in changes.items():
        for holder in change.after:
            followers[holder].append(row)
    missing = {row: len(change.after) for row, change in changes.items()}
    ready = [row for row in changes if not missing[row]]
    while ready:
        row = heappop(ready)
        yield row
        for follower in followers[row]:
            missing[follower] -= 1
            if not missing[follower]:
                heappush(ready, follower)


def steps(changes: Iterable[Change], has_ended: Callable[[int], bool]) -> Iterator[Step]:
    """Yield the PUTs of changes that come in the order of their plan, each behind those it waits for.

    Rows that have ended may be left out. The last PUT of a parked change is left out where a row that it
    waits for is neither among the changes nor has ended; it therefore never comes too early.
    """
    begun, given = _Rows(), _Rows()
    parked: list[Change] = []

    def is_due(change: Change) -> bool:
        first = all(row in begun or has_ended(row) for row in change.after_parked)
        return first and all(row in given or has_ended(row) for row in change.after)

    for change in changes:
        begun.add(change.row)
        if change.parking is None:
            yield Step(change=change, body=change.body, is_last=True)
            given.add(change.row)
        else:
            yield Step(change=change, body=change.parking, is_last=False)
            parked.append(change)
        while parked and (due := next(filter(is_due, parked), None)):
            yield Step(change=due, body=due.body, is_last=True)
            given.add(due.row)
            parked.remove(due)


class _Rows:
    """A set of rows, one byte for each row up to the highest."""

    def __init__(self) -> None:
        self._is_in = bytearray()

    def __contains__(self, row: int) -> bool:
        return row < len(self._is_in) and bool(self._is_in[row])

    def add(self, row: int) -> None:
        if row >= len(self._is_in):
            self._is_in.extend(bytes(row + 1024 - len(self._is_in)))
        self._is_in[row] = True
