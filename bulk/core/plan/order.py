"""Who frees a pair before who takes it: the order of changes around shared port_ids.

Services that share a port_id may not hold the same (server_port, protocol) (API document, section 2.3), and a
PUT is judged by what the others hold at that moment. So a change waits for every change that frees a pair which
it takes. What can never be sent is refused, and so is, in turn, what waits for it:

* a pair is held by a service outside the job, or by one whose row keeps it or is refused;
* two rows take the same pair, and nothing says which is meant;
* rows wait for each other in a circle. With parking one of them goes first with an intermediate PUT, which only
  takes away what others of the circle wait for.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import NamedTuple

from bulk.core.model import (
    Action,
    Change,
    ModifyBody,
    PortMapping,
    Ports,
    Protocol,
    ServiceId,
    ServiceState,
)
from bulk.core.plan.knots import fewest_breakers, knots, shortest_circle

PORT_MAX = 65_535


class Pair(NamedTuple):
    """What only one service may hold: one server_port and protocol behind one port_id."""

    port_id: str
    server_port: int
    protocol: Protocol

    def __str__(self) -> str:
        """Give `443/TCP`."""
        return f"{self.server_port}/{self.protocol}"


def arranged(
    changes: Iterable[Change], neighbours: Iterable[ServiceState], *, allow_parking: bool
) -> Iterator[Change]:
    """Give all changes in an order in which they can be sent, or refused where they cannot.

    `neighbours` are all services behind the port_ids that the changes touch, in the job or not. A change stands
    behind every one in its `after`, but a parked one, which stands where its intermediate PUT is to be sent.
    """
    contest = _Contest(changes, neighbours)
    contest.settle(allow_parking=allow_parking)
    return contest.in_order()


class _Contest:
    """Services that want each other's pairs, while it is found out who gets them and when."""

    def __init__(self, changes: Iterable[Change], neighbours: Iterable[ServiceState]) -> None:
        in_file_order = sorted(changes, key=lambda change: change.row)
        self._changes = {change.service_id: change for change in in_file_order}
        self._held = {state.id: _pairs(state.port_id, state.ports) for state in neighbours}
        self._wanted = {
            change.service_id: _wanted(change) for change in in_file_order if change.action is Action.UPDATE
        }
        """Of each change that may be sent, in file order; a refused one is taken out."""
        self._holders = _by_pair(self._held)
        self._takers = _by_pair(self._wanted)
        self._refusals: dict[ServiceId, str] = {}
        self._waits: dict[ServiceId, tuple[ServiceId, ...]] = {}
        self._parkings: dict[ServiceId, _Parking] = {}

    # Who can be sent at all

    def settle(self, *, allow_parking: bool) -> None:
        """Refuse what cannot be sent and find out what the rest waits for."""
        self._refuse({service: reason for service in self._wanted if (reason := self._obstacle(service))})
        self._refuse(dict(self._rivals()))
        self._waits = {service: self._freeing(service) for service in self._wanted}
        for knot in list(knots(self._waits)):
            if allow_parking:
                self._park(knot)
            else:
                way_out = "allow parking, or free one of these pairs in a job of its own"
                circle = shortest_circle(knot, next(iter(knot)))
                reason = f"the rows wait for each other: {self._shown(circle)}; {way_out}"
                self._refuse(dict.fromkeys(circle, reason))

    def _refuse(self, reasons: Mapping[ServiceId, str]) -> None:
        """Refuse services and, in turn, whoever wants what they hold."""
        queue = deque(reasons.items())
        while queue:
            service, reason = queue.popleft()
            if self._wanted.pop(service, None) is None:
                continue
            self._refusals[service] = reason
            for pair in sorted(self._held.get(service, ())):
                for taker in self._takers.get(pair, ()):
                    if taker in self._wanted and (obstacle := self._obstacle(taker)):
                        queue.append((taker, obstacle))

    def _obstacle(self, service: ServiceId) -> str:
        """Say who holds a pair that the service wants and will not free it; empty where nobody does."""
        for pair in sorted(self._wanted[service]):
            for holder in self._holders.get(pair, ()):
                if holder != service and pair in self._wanted.get(holder, {pair}):
                    return f"{pair} on port_id {pair.port_id} is held by service {holder}, {self._why(holder)}"
        return ""

    def _why(self, holder: ServiceId) -> str:
        change = self._changes.get(holder)
        if change is None:
            return "which is not in this job; free it there first, or choose another server_port"
        if holder in self._refusals or change.action is Action.REFUSE:
            return f"whose row {change.row} is refused; correct that row first"
        return f"whose row {change.row} leaves it there; choose another server_port"

    def _rivals(self) -> Iterator[tuple[ServiceId, str]]:
        """Give the services that newly take a pair which another row newly takes, too."""
        for pair, takers in sorted(self._takers.items()):
            rivals = [s for s in takers if s in self._wanted and pair not in self._held.get(s, ())]
            for service in rivals if len(rivals) > 1 else ():
                rows = ", ".join(str(self._changes[rival].row) for rival in rivals if rival != service)
                yield (
                    service,
                    f"{pair} on port_id {pair.port_id} is also taken by row {rows}, and only one service may hold "
                    "it; choose another server_port in all rows but one",
                )

    def _freeing(self, service: ServiceId) -> tuple[ServiceId, ...]:
        """Give the services whose pairs this one takes."""
        holders = chain.from_iterable(self._holders.get(pair, ()) for pair in self._wanted[service])
        return tuple(sorted({holder for holder in holders if holder != service}, key=self._row))

    # Parking

    def _park(self, knot: Graph[ServiceId]) -> None:
        """Break every circle of a knot by the fewest intermediate PUTs."""
        cost = {service: self._consumers(service) for service in knot}
        parked = fewest_breakers(knot, cost)
        for service in sorted(parked, key=self._row):
            followers = tuple(other for other, others in knot.items() if service in others)
            circle = shortest_circle(knot, service, parked)
            
    def _row(self, service: ServiceId) -> int:
        return self._changes[service].row
