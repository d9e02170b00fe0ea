"""Port claims: what services that share a port_id compete for."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bulk.model import Change, Ports, Protocol, ServiceId, ServiceState


class PortClaim(NamedTuple):
    """What only one service may hold: a server_port and protocol behind one port_id (API.md, section 2.3)."""

    port_id: str
    server_port: int
    protocol: Protocol

    def __str__(self) -> str:
        """Return `443/TCP`."""
        return f"{self.server_port}/{self.protocol}"


def held(state: ServiceState) -> frozenset[PortClaim]:
    """Return the claims that a service holds; none where it does not stand on a port_id."""
    return _claims(state.port_id, state.ports)


def wanted(change: Change) -> frozenset[PortClaim]:
    """Return the claims that a service will hold after the change; none where there is no service."""
    body, before = change.body, change.before
    if before is None:
        return frozenset()
    return _claims(body.port_id or before.port_id, before.ports if body.ports is None else body.ports)


def by_claim(claims: Mapping[ServiceId, frozenset[PortClaim]]) -> dict[PortClaim, list[ServiceId]]:
    """Return the services of each claim, in the order in which the services are given."""
    services: dict[PortClaim, list[ServiceId]] = defaultdict(list)
    for service, its_claims in claims.items():
        for claim in its_claims:
            services[claim].append(service)
    return dict(services)


def left_when_parked(
    state: ServiceState, taken: frozenset[PortClaim], spare: Callable[[str, Protocol], int | None]
) -> Ports:
    """Return the mappings of a service without those to the claims that are `taken` from it.

    The API probably takes no empty list (API.md, section 2.2): where nothing would be left, one mapping
    stays and leads to a server_port that nobody uses. `spare` returns one for a port_id and protocol; with
    all in use the mapping stays as it is, and it is for the API to refuse that.
    """
    left = tuple(mapping for mapping in state.ports if not taken & _claims(state.port_id, (mapping,)))
    if left:
        return left
    first = state.ports[0]
    return (first._replace(server_port=spare(state.port_id or "", first.protocol) or first.server_port),)


def _claims(port_id: str | None, ports: Ports) -> frozenset[PortClaim]:
    if port_id is None:
        return frozenset()
    return frozenset(PortClaim(port_id, mapping.server_port, mapping.protocol) for mapping in ports)
