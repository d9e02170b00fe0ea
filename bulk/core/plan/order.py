"""Who frees a pair before who takes it: the order of changes around shared port_ids.

Services that share a port_id may not hold the same (server_port, protocol) (API.md, section 2.3), and
a PUT is judged by what the others hold at that moment. So a change waits for every change that frees a pair
which it takes. What can never be sent is refused, and so is, in turn, what waits for it:

* a pair is held by a service outside the job, or by one whose row keeps it or is refused;
* two rows newly take the same pair, and nothing says which is meant;
* rows wait for each other in a circle. With parking, one of them goes first with an intermediate PUT, which
  only takes away what others of the circle wait for.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from bulk.core.model import PORT_MAX, Action, Change, ModifyBody, Protocol, ServiceId, ServiceState
from bulk.core.plan.circles import Graph, fewest_breakers, knots, shortest_circle
from bulk.core.plan.pairs import Pair, by_pair, held, left_when_parked, wanted
from bulk.core.plan.sequence import sequenced

SHOWN_MAX = 8
"""Services of a circle that a reason shows; a circle may have thousands, and each of its rows a reason."""


def arranged(
    changes: Iterable[Change], neighbours: Iterable[ServiceState], *, allow_parking: bool
) -> Iterator[Change]:
    """Give all changes in an order in which they can be sent, or refused where they cannot.

    `neighbours` are all services behind the port_ids that the changes touch, in the job or not. Independent
    changes stay in the order of their rows. A change stands behind every one in its `after`; a parked one
    stands where its intermediate PUT is due.
    """
    contest = _Contest(changes, neighbours)
    contest.refuse_hopeless()
    contest.refuse_rivals()
    contest.untie(allow_parking=allow_parking)
    return sequenced(contest.changes())


class _Contest:
    """Services that want each other's pairs, while it is found out who gets them."""

    def __init__(self, changes: Iterable[Change], neighbours: Iterable[ServiceState]) -> None:
        self._changes = {change.service_id: change for change in sorted(changes, key=lambda c: c.row)}
        self._states = {state.id: state for state in neighbours}
        self._held = {service: held(state) for service, state in self._states.items()}
        self._wanted = {
            service: wanted(change)
            for service, change in self._changes.items()
            if change.action is Action.UPDATE
        }
        """Of the changes that can be sent, as far as is known yet."""
        self._holders = by_pair(self._held)
        self._takers = by_pair(self._wanted)
        self._spares: dict[tuple[str, Protocol], Iterator[int]] = {}

    def changes(self) -> Iterable[Change]:
        """Give the changes with what became of them, in the order of their rows."""
        return self._changes.values()

    # What can never be sent

    def refuse_hopeless(self) -> None:
        """Refuse what wants a pair that nobody is going to free."""
        obstacles = {service: self._obstacle(service) for service in self._wanted}
        self._refuse({service: obstacle for service, obstacle in obstacles.items() if obstacle})

    def refuse_rivals(self) -> None:
        """Refuse every change that takes a pair which another one takes, too.

        None of them has it already: beside a change that keeps the pair the others were hopeless.
        """
        reasons: dict[ServiceId, str] = {}
        for pair, takers in sorted(self._takers.items()):
            rivals = [taker for taker in takers if taker in self._wanted]
            for service in rivals if len(rivals) > 1 else ():
                other = next(self._row(rival) for rival in rivals if rival != service)
                reasons.setdefault(
                    service,
                    f"{pair} on port_id {pair.port_id} is also taken by row {other}, and only one service "
                    "may hold it; choose another server_port in all rows but one",
                )
        self._refuse(reasons)

    def _refuse(self, reasons: Mapping[ServiceId, str]) -> None:
        """Refuse services and, in turn, whoever wants what they hold."""
        queue = deque(reasons.items())
        while queue:
            service, reason = queue.popleft()
            if self._wanted.pop(service, None) is not None:
                self._become(service, action=Action.REFUSE, reason=reason)
                stranded = chain.from_iterable(map(self._takers_of, sorted(self._held.get(service, ()))))
                queue.extend((taker, self._obstacle(taker)) for taker in stranded)

    def _takers_of(self, pair: Pair) -> list[ServiceId]:
        return [taker for taker in self._takers.get(pair, ()) if taker in self._wanted]

    def _obstacle(self, service: ServiceId) -> str:
        """Say who holds a pair that the service wants and will not free it; empty where nobody does."""
        for pair in sorted(self._wanted[service]):
            for holder in self._holders.get(pair, ()):
                if holder != service and pair in self._wanted.get(holder, {pair}):
                    return (
                        f"{pair} on port_id {pair.port_id} is held by service {holder}, {self._why(holder)}"
                    )
        return ""

    def _why(self, holder: ServiceId) -> str:
        change = self._changes.get(holder)
        if change is None:
            return "which is not in this job; free it there first, or choose another server_port"
        if change.action is Action.REFUSE:
            return f"whose row {change.row} is refused; correct that row first"
        return f"whose row {change.row} leaves it there; choose another server_port"

    # What waits for what

    def untie(self, *, allow_parking: bool) -> None:
        """Say in each change what it waits for; refuse or break the circles."""
        waits = {service: self._freeing(service) for service in self._wanted}
        for knot in list(knots(waits)):
            if allow_parking:
                self._park(knot)
            else:
                self._refuse_circle(knot)
        for service in self._wanted:
            if waits[service]:
                first = self._changes[service].after_parked
                after = (self._row(holder) for holder in waits[service])
                self._become(service, after=tuple(row for row in after if row not in first))

    def _freeing(self, service: ServiceId) -> tuple[ServiceId, ...]:
        """Give the services whose pairs this one takes."""
        holders = chain.from_iterable(self._holders.get(pair, ()) for pair in self._wanted[service])
        return tuple(sorted({holder for holder in holders if holder != service}, key=self._row))

    def _refuse_circle(self, knot: Graph[ServiceId]) -> None:
        """Refuse one circle of a knot; everything else in the knot waits for it."""
        first = next(iter(knot))
        if first in self._wanted:  # else the knot waited for another one, and all of it is refused
            circle = shortest_circle(knot, first)
            way_out = "break the circle with --allow-parking, or free one of these pairs beforehand"
            reason = f"the rows wait for each other: {self._shown(circle)}; {way_out}"
            self._refuse(dict.fromkeys(circle, reason))

    def _park(self, knot: Graph[ServiceId]) -> None:
        """Break every circle of a knot by the fewest intermediate PUTs."""
        breakers = fewest_breakers(knot, {s: self._states[s].connection_count or 0 for s in knot})
        followers: dict[ServiceId, list[ServiceId]] = defaultdict(list)
        for follower, others in knot.items():
            ahead = [service for service in others if service in breakers]
            self._become(follower, after_parked=tuple(map(self._row, ahead)))
            for service in ahead:
                followers[service].append(follower)
        for service in sorted(breakers, key=self._row):
            self._send_twice(service, followers[service], shortest_circle(knot, service))

    def _send_twice(
        self, service: ServiceId, followers: list[ServiceId], circle: tuple[ServiceId, ...]
    ) -> None:
        """Let a change begin with an intermediate PUT; its last PUT must then name all ports."""
        change, state = self._changes[service], self._states[service]
        taken = self._held[service].intersection(chain.from_iterable(self._wanted[s] for s in followers))
        parking = ModifyBody(ports=left_when_parked(state, taken, self._spare))
        gone = " ".join(map(str, replace(change, parking=parking).out_of_service))
        warning = f"{gone} is out of service between two PUTs, which breaks {self._shown(circle)}"
        body = change.body if change.body.ports is not None else replace(change.body, ports=state.ports)
        reason = "; ".join(filter(None, [change.reason, warning]))
        self._become(service, parking=parking, body=body, reason=reason)

    def _spare(self, port_id: str, protocol: Protocol) -> int | None:
        """Give the highest server_port that nobody has, will have or was given here; None with all in use."""
        ports = self._spares.setdefault((port_id, protocol), iter(range(PORT_MAX, 0, -1)))
        pairs = (Pair(port_id, port, protocol) for port in ports)
        unused = (pair for pair in pairs if pair not in self._holders and pair not in self._takers)
        return next((pair.server_port for pair in unused), None)

    # Words and look-ups

    def _shown(self, circle: tuple[ServiceId, ...]) -> str:
        """Give `A 80/TCP -> B 443/TCP -> A`: B takes 80/TCP from A, and A takes 443/TCP from B."""
        first, *others = circle
        givers = [first, *reversed(others)]
        takers = [*givers[1:], first]
        gifts = [
            f"{giver} {min(self._held[giver] & self._wanted[taker])}"
            for giver, taker in islice(zip(givers, takers, strict=True), SHOWN_MAX)
        ]
        if len(circle) > SHOWN_MAX:
            gifts.append(f"{len(circle) - SHOWN_MAX} more")
        return " -> ".join([*gifts, first])

    def _row(self, service: ServiceId) -> int:
        return self._changes[service].row

    def _become(self, service: ServiceId, **what: Any) -> None:
        self._changes[service] = replace(self._changes[service], **what)
