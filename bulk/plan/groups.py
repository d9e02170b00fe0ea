"""Which rows have to be looked at together: those behind port_ids that several services share.

All other rows are planned as they come, the rows of a group once the last of them is there. So the plan of a
million rows holds few changes at a time, and the order of the file stays where nothing speaks against it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from bulk.model import ModifyBody, ServiceId, ServiceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The port_ids that a row has to do with."""

    here: str | None = None
    """The port_id of its service."""
    there: str | None = None
    """The port_id that its service moves to; None where it stays."""


def touch(body: ModifyBody, before: ServiceState) -> Touch:
    """Return the port_ids that a PUT has to do with."""
    return Touch(here=before.port_id, there=None if body.port_id == before.port_id else body.port_id)


class Live(Protocol):
    """All services of a target's project, from one list."""

    @property
    def shared(self) -> Collection[str]:
        """Return the port_ids behind which more than one service stands."""
        ...

    def json(self, service_id: ServiceId) -> bytes | None:
        """Return a service as its list showed it; None where the project has none of this id."""
        ...

    def get(self, service_id: ServiceId) -> ServiceState | None:
        """Return a service; None where the project has none of this id."""
        ...

    def __iter__(self) -> Iterator[ServiceState]:
        """Yield every service."""
        ...


Want: TypeAlias = tuple[ServiceId, ModifyBody]


class Groups:
    """Port_ids behind which rows may be in each other's way, joined where a row moves from one to another."""

    def __init__(self, wants: Callable[[], Iterable[Want]], live: Live) -> None:
        """Read the rows' services and bodies from `wants()`, perhaps twice, and the fleet."""
        self._joined: dict[str, str] = {}
        self._members: dict[ServiceId, str] = {}
        """The group of each service that is in one, in the job or not."""
        self.rows: Counter[str] = Counter()
        """How many rows there are in each group."""
        self.neighbours: dict[str, list[ServiceState]] = defaultdict(list)
        """All services of each group, in the job or not."""
        moves = {
            service_id: touch(body, before)
            for service_id, body in wants()
            if body.port_id is not None and (before := live.get(service_id))
        }
        for move in moves.values():
            if move.here and move.there:
                here, there = self._root(move.here), self._root(move.there)
                if here != there:
                    self._joined[here] = there
        contested = set(live.shared) | {move.there for move in moves.values() if move.there}
        contested = {self._root(port_id) for port_id in contested}
        if contested:
            members = self._members
            self._gather(contested, live)
            roots = {service: self._root(move.here or move.there or "") for service, move in moves.items()}
            members |= {service: root for service, root in roots.items() if root in contested}
            self.rows.update(members[service_id] for service_id, _ in wants() if service_id in members)
            for root in self.neighbours.keys() - self.rows.keys():
                del self.neighbours[root]

    def _gather(self, contested: Collection[str], live: Iterable[ServiceState]) -> None:
        """Collect the services of each group."""
        for state in live:
            if state.port_id and (root := self._root(state.port_id)) in contested:
                self.neighbours[root].append(state)
                self._members[state.id] = root

    def of(self, service_id: ServiceId) -> str | None:
        """Return the name of the group that a service belongs to; None where it is in nobody's way."""
        return self._members.get(service_id)

    def _root(self, port_id: str) -> str:
        while (next_id := self._joined.get(port_id)) is not None:
            self._joined[port_id] = self._joined.get(next_id, next_id)  # halves the way for the next caller
            port_id = next_id
        return port_id
