"""The order of changes around shared port_ids: a port is released before another service takes it.

Services that share a port_id may not hold the same (server_port, protocol), a *port claim* (API.md,
section 2.3), and a PUT is judged by what the others hold at that moment. A change therefore waits for every
change that releases a claim which it takes. What can never be sent is refused, and so is, in turn, what waits
for it:

* a claim is held by a service outside the job, or by one whose row keeps it or is refused;
* two rows newly take the same claim, and nothing says which is meant;
* rows wait for each other in a cycle. With parking, one of them goes first with an intermediate PUT, which
  only takes away what others of the cycle wait for.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from bulk.model import PORT_MAX, Action, Change, ModifyBody, PlanRefusal, Protocol, ServiceId, ServiceState
from bulk.plan.cycles import Graph, fewest_breakers, shortest_cycle, strong_components
from bulk.plan.port_claims import PortClaim, by_claim, held, left_when_parked, wanted
from bulk.plan.sequence import sequenced

SHOWN_MAX = 8
"""How many services of a cycle a reason shows; a cycle may have thousands, and each of its rows a reason."""


def arranged(
    changes: Iterable[Change], neighbours: Iterable[ServiceState], *, allow_parking: bool
) -> Iterator[Change]:
    """Return all changes in an order in which they can be sent, or refused where they cannot.

    `neighbours` are all services behind the port_ids that the changes touch, in the job or not. Independent
    changes stay in the order of their rows. A change stands behind every one in its `after`; a parked one
    stands where its intermediate PUT is due.
    """
    conflicts = _PortConflicts(changes, neighbours)
    conflicts.refuse_unavailable()
    conflicts.refuse_contested()
    conflicts.untie(allow_parking=allow_parking)
    return sequenced(conflicts.changes.values())


class _PortConflicts:
    """The claims of services that want what others hold, until it is clear who gets what."""

    def __init__(self, changes: Iterable[Change], neighbours: Iterable[ServiceState]) -> None:
        self.changes = {change.service_id: change for change in sorted(changes, key=lambda c: c.row)}
        """The changes as decided so far, in the order of their rows."""
        self._states = {state.id: state for state in neighbours}
        self._held = {service: held(state) for service, state in self._states.items()}
        self._wanted = {
            service: wanted(change)
            for service, change in self.changes.items()
            if change.action is Action.UPDATE
        }
        """The claims wanted by the changes that can be sent, as far as is known yet."""
        self._holders = by_claim(self._held)
        self._takers = by_claim(self._wanted)
        self._spares: dict[tuple[str, Protocol], Iterator[int]] = {}

    # What can never be sent

    def refuse_unavailable(self) -> None:
        """Refuse each change that wants a claim which its holder is not going to release."""
        obstacles = {service: self._obstacle(service) for service in self._wanted}
        self._refuse({service: obstacle for service, obstacle in obstacles.items() if obstacle})

    def refuse_contested(self) -> None:
        """Refuse every change that takes a claim which another change takes as well.

        None of them holds it now: beside a change that keeps it, the others are refused as unavailable.
        """
        reasons: dict[ServiceId, PlanRefusal] = {}
        for claim, takers in sorted(self._takers.items()):
            contenders = [taker for taker in takers if taker in self._wanted]
            for service in contenders if len(contenders) > 1 else ():
                other = next(self._row(contender) for contender in contenders if contender != service)
                reasons.setdefault(
                    service,
                    PlanRefusal(
                        f"{claim} on port_id {claim.port_id} is also taken by row {other}, and only one "
                        "service can hold it; choose another server_port in all rows but one",
                        "several rows take one server_port on the same port_id; keep it in one of them",
                    ),
                )
        self._refuse(reasons)

    def _refuse(self, reasons: Mapping[ServiceId, PlanRefusal]) -> None:
        """Refuse services and, in turn, every service that wants what they hold."""
        queue = deque(reasons.items())
        while queue:
            service, (reason, cause) = queue.popleft()
            if self._wanted.pop(service, None) is not None:
                self._become(service, action=Action.REFUSE, reason=reason, cause=cause)
                claims = sorted(self._held.get(service, ()))
                takers = chain.from_iterable(self._takers.get(claim, ()) for claim in claims)
                still = (taker for taker in takers if taker in self._wanted)
                queue.extend((taker, obstacle) for taker in still if (obstacle := self._obstacle(taker)))

    def _obstacle(self, service: ServiceId) -> PlanRefusal | None:
        """Return who holds, and will not release, a claim that the service wants; None where nobody does."""
        for claim in sorted(self._wanted[service]):
            for holder in self._holders.get(claim, ()):
                if holder != service and claim in self._wanted.get(holder, {claim}):
                    what, rest = self._why(holder)
                    return PlanRefusal(
                        f"{claim} of the same port_id is held by service {self._named(holder)}, {rest}",
                        f"the server_port is held on the same port_id by {what}",
                    )
        return None

    def _why(self, holder: ServiceId) -> tuple[str, str]:
        """Return what kind of service holds a claim, and that of this one, with what to do about it."""
        change = self.changes.get(holder)
        if change is None:
            way_out = "free it there first, or choose another server_port"
            return f"a service that is not in this job; {way_out}", f"which is not in this job; {way_out}"
        if change.action is Action.REFUSE:
            way_out = "is refused; correct that row first"
            return f"a service whose row {way_out}", f"whose row {change.row} {way_out}"
        way_out = "keeps it; choose another server_port"
        return f"a service whose row {way_out}", f"whose row {change.row} {way_out}"

    # What waits for what

    def untie(self, *, allow_parking: bool) -> None:
        """Set in each change what it waits for; refuse or break the cycles.

        In the order of service ids: which one is parked must not depend on the order of the rows.
        """
        waits = {service: self._freeing(service) for service in sorted(self._wanted)}
        for component in list(strong_components(waits)):
            if allow_parking:
                self._park(component)
            else:
                self._refuse_cycle(component)
        for service in self._wanted:
            if waits[service]:
                first = self.changes[service].after_parked
                after = tuple(row for row in self._rows(waits[service]) if row not in first)
                self._become(service, after=after)

    def _freeing(self, service: ServiceId) -> tuple[ServiceId, ...]:
        """Return the services whose claims this one takes."""
        holders = chain.from_iterable(self._holders.get(claim, ()) for claim in self._wanted[service])
        return tuple(sorted({holder for holder in holders if holder != service}))

    def _refuse_cycle(self, component: Graph[ServiceId]) -> None:
        """Refuse one cycle of a component; everything else in the component waits for it."""
        first = next(iter(component))
        if first in self._wanted:  # else the component waited for another one, and all of it is refused
            cycle = shortest_cycle(component, first)
            way_out = (
                "break the cycle with --allow-parking, which takes one of them out of service for a moment, "
                "or free one of these ports beforehand"
            )
            reason = f"services want each other's server_port: {self._shown(cycle)}; {way_out}"
            cause = f"services want each other's server_port, in several cycles; {way_out}"
            self._refuse(dict.fromkeys(cycle, PlanRefusal(reason, cause)))

    def _park(self, component: Graph[ServiceId]) -> None:
        """Break every cycle of a component by the fewest intermediate PUTs."""
        breakers = fewest_breakers(component, {s: self._states[s].connection_count or 0 for s in component})
        followers: dict[ServiceId, list[ServiceId]] = defaultdict(list)
        for follower, others in component.items():
            ahead = [service for service in others if service in breakers]
            self._become(follower, after_parked=self._rows(ahead))
            for service in ahead:
                followers[service].append(follower)
        for service in sorted(breakers):
            self._send_twice(service, followers[service], shortest_cycle(component, service))

    def _send_twice(
        self, service: ServiceId, followers: list[ServiceId], cycle: tuple[ServiceId, ...]
    ) -> None:
        """Let a change begin with an intermediate PUT; its last PUT must then name all ports."""
        change, state = self.changes[service], self._states[service]
        taken = self._held[service].intersection(chain.from_iterable(self._wanted[s] for s in followers))
        parking = ModifyBody(ports=left_when_parked(state, taken, self._spare))
        gone = " ".join(map(str, replace(change, parking=parking).out_of_service))
        warning = f"{gone} is out of service for a moment, to break the cycle {self._shown(cycle)}"
        body = change.body if change.body.ports is not None else replace(change.body, ports=state.ports)
        reason = "; ".join(filter(None, [change.reason, warning]))
        self._become(service, parking=parking, body=body, reason=reason)

    def _spare(self, port_id: str, protocol: Protocol) -> int | None:
        """Return the highest server_port that nobody has, will have or was given; None with all in use."""
        ports = self._spares.setdefault((port_id, protocol), iter(range(PORT_MAX, 0, -1)))
        claims = (PortClaim(port_id, port, protocol) for port in ports)
        unused = (claim for claim in claims if claim not in self._holders and claim not in self._takers)
        return next((claim.server_port for claim in unused), None)

    # Words and look-ups

    def _shown(self, cycle: tuple[ServiceId, ...]) -> str:
        """Return `web 80/TCP -> db 443/TCP -> web`: db takes 80/TCP from web, and web takes 443/TCP from db.

        A service whose name is not its own in the cycle, or that has none, is its id.
        """
        first, *others = cycle
        names = Counter(self._states[service].short_name for service in cycle)
        shown = {s: name if names[name := self._states[s].short_name] == 1 and name else s for s in cycle}
        givers = [first, *reversed(others)]
        takers = [*givers[1:], first]
        gifts = [
            f"{shown[giver]} {min(self._held[giver] & self._wanted[taker])}"
            for giver, taker in islice(zip(givers, takers, strict=True), SHOWN_MAX)
        ]
        if len(cycle) > SHOWN_MAX:
            gifts.append(f"{len(cycle) - SHOWN_MAX} more")
        return " -> ".join([*gifts, shown[first]])

    def _named(self, service: ServiceId) -> str:
        """Return the id of a service, and its name where it has one."""
        name = self._states[service].short_name
        return f"{service} ({name})" if name else service

    def _row(self, service: ServiceId) -> int:
        return self.changes[service].row

    def _rows(self, services: Iterable[ServiceId]) -> tuple[int, ...]:
        return tuple(sorted(map(self._row, services)))

    def _become(self, service: ServiceId, **what: Any) -> None:
        self.changes[service] = replace(self.changes[service], **what)
