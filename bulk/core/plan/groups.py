"""Which rows have to be looked at together: those behind port_ids that several services share.

All other rows are planned as they come, the rows of a group once the last of them is there. So the plan of a
million rows holds few changes at a time, and the order of the file stays where nothing speaks against it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bulk.core.model import ModifyBody, ServiceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The port_ids that a row has to do with."""

    here: str | None = None
    """Where its service stands."""
    there: str | None = None
    """Where it moves to; None where it stays."""


def touch(body: ModifyBody, before: ServiceState | None) -> Touch:
    """Give the port_ids that a PUT has to do with; `before` None: there is no such service."""
    if before is None:
        return Touch()
    return Touch(here=before.port_id, there=None if body.port_id == before.port_id else body.port_id)


class Groups:
    """Port_ids behind which rows may be in each other's way, joined where a row moves from one to another."""

    def __init__(self, touches: Iterable[Touch], live: Collection[ServiceState]) -> None:
        self._joined: dict[str, str] = {}
        rows: Counter[str] = Counter()
        moved_to: set[str] = set()
        for touched in touches:
            rows.update(filter(None, [touched.here or touched.there]))
            moved_to.update(filter(None, [touched.there]))
            self._join(touched)
        contested = {self._root(port_id) for port_id in moved_to | _shared(live, rows)}
        self.rows: Counter[str] = Counter()
        """How many rows there are in each group."""
        for port_id, count in rows.items():
            if (root := self._root(port_id)) in contested:
                self.rows[root] += count
        self.neighbours: dict[str, list[ServiceState]] = defaultdict(list)
        """All services of each group, in the job or not."""
        for state in live:
            if state.port_id and (root := self._root(state.port_id)) in contested:
                self.neighbours[root].append(state)

    def of(self, touched: Touch) -> str | None:
        """Give the name of the group that a row belongs to; None where it is in nobody's way."""
        root = self._root(touched.here or touched.there or "")
        return root if root in self.rows else None

    def _root(self, port_id: str) -> str:
        while (next_id := self._joined.get(port_id)) is not None:
            self._joined[port_id] = self._joined.get(next_id, next_id)  # halves the way for the next caller
            port_id = next_id
        return port_id

    def _join(self, touched: Touch) -> None:
        if touched.here and touched.there:
            here, there = self._root(touched.here), self._root(touched.there)
            if here != there:
                self._joined[here] = there


def _shared(live: Iterable[ServiceState], touched: Collection[str]) -> set[str]:
    """Give the touched port_ids behind which more than one service stands."""
    seen: set[str] = set()
    shared: set[str] = set()
    for state in live:
        if state.port_id and state.port_id in touched:
            (shared if state.port_id in seen else seen).add(state.port_id)
    return shared
