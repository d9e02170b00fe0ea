"""What one row means for its live service: update, keep or refuse."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from bulk.model import (
    AVAILABLE,
    MAPPINGS_MAX,
    USUAL_NAME_CHARS_MAX,
    Action,
    Caution,
    Change,
    ModifyBody,
    PlanRefusal,
    PortMapping,
    Ports,
    Protocol,
    ServiceState,
    ServiceUpdate,
    Target,
    has_udp,
)

CHANGEABLE_TYPE = "interface"
SERVER_TYPES = frozenset({"VM", "LB", "VIP", "BMS"})
"""The backends of a tenant's service; anything else is the operator's (API.md, section 7, trap 9)."""

_WAY_OUT = {
    "creating": "wait until it is available, then plan again",
    "deleting": "take the row out of the job",
    "failed": "repair or replace it, then plan again",
    "unreadable": "report it to the cloud's support, or take the row out of the job",
}


def decide(update: ServiceUpdate, before: ServiceState | None, target: Target) -> Change:
    """Return the change that a row asks of a service, or why it is refused; `before` None: no such service.

    The body names the fields that the row names and no others; `ports` is the full list that the API wants
    (API.md, section 2.1), computed from the live one where the row only adds and removes.
    """
    if before is None:
        reason = f"no such service in {target}; check its id, region and project"
        return Change(update=update, target=target, action=Action.REFUSE, body=update.body, reason=reason)
    body = _full_body(update, before.ports)
    action, (reason, cause) = _decision(update, before, body)
    return Change(
        update=update,
        target=target,
        action=action,
        body=body,
        before=before,
        reason=reason,
        cause=cause,
    )


def _decision(update: ServiceUpdate, before: ServiceState, body: ModifyBody) -> tuple[Action, PlanRefusal]:
    """Return the action for a service that exists, and why it is refused or what to look at twice."""
    live = before.ports
    if refusal := next(chain(_foreign(before), _unfit(update, live)), None):
        return Action.REFUSE, refusal
    # Before anything is expected of the live ports: an applied job, planned again, has nothing left to do.
    if before.confirms(body):
        return Action.KEEP, _NONE
    if refusal := next(chain(_unexpected(update, live), _unsendable(body.ports)), None):
        return Action.REFUSE, refusal
    warning = "; ".join(_warnings(before, body))
    return Action.UPDATE, PlanRefusal(warning) if warning else _NONE


_NONE = PlanRefusal("")


def _full_body(update: ServiceUpdate, live: Ports) -> ModifyBody:
    """Return the body with the whole list of ports: what stays of the live one, then what is added."""
    if not (update.add_ports or update.remove_ports):
        return update.body
    left = [mapping for mapping in live if mapping not in update.remove_ports]
    added = [mapping for mapping in update.add_ports if mapping not in left]
    return replace(update.body, ports=(*left, *added))


def _foreign(before: ServiceState) -> Iterator[PlanRefusal]:
    """Yield why a service is not one that a tenant may change now."""
    if before.service_type not in (None, CHANGEABLE_TYPE):
        yield PlanRefusal(
            f"type is {before.service_type}, only {CHANGEABLE_TYPE} services change; "
            "take the row out of the job"
        )
    if before.server_type is not None and before.server_type not in SERVER_TYPES:
        yield PlanRefusal(
            f"server_type is {before.server_type}, which no service of a tenant has; "
            "take the row out of the job"
        )
    if before.status != AVAILABLE:
        way_out = _WAY_OUT.get(before.status, "make it available, then plan again")
        rest = f"only {AVAILABLE} services change; {way_out}"
        cause = f"status is {before.status}, {rest}" if before.error else ""
        yield PlanRefusal(f"status is {before.standing}, {rest}", cause)


def _unfit(update: ServiceUpdate, live: Ports) -> Iterator[PlanRefusal]:
    """Yield why the mappings to add or remove do not fit the live ones."""
    add, remove = update.add_ports, update.remove_ports
    for mapping, found in _led_elsewhere(remove, live, besides=add) if remove else ():
        if mapping not in live:
            yield PlanRefusal(
                f"remove_ports names {mapping}, found {found}; name the mapping that the service has",
                "remove_ports names a mapping that is another one; name the mapping that the service has",
            )
    for mapping, found in _led_elsewhere(add, live, besides=remove) if add else ():
        yield PlanRefusal(
            f"add_ports names {mapping}, found {found}; name {found} in remove_ports as well",
            "add_ports names a client port that leads elsewhere; name what is there in remove_ports as well",
        )


def _led_elsewhere(
    mappings: Ports, live: Ports, *, besides: Ports
) -> Iterator[tuple[PortMapping, PortMapping]]:
    """Return each mapping whose client port leads elsewhere now, with where; one that leads nowhere is none.

    Live mappings that are `besides` do not count: the row itself adds or removes them.
    """
    present = {_dialled(mapping): mapping for mapping in live if mapping not in besides}
    return ((m, found) for m in mappings if (found := present.get(_dialled(m), m)) != m)


def _unexpected(update: ServiceUpdate, live: Ports) -> Iterator[PlanRefusal]:
    """Yield that the service is not what the row was written for."""
    if update.expect_ports is not None and set(update.expect_ports) != set(live):
        yield PlanRefusal(
            f"expect_ports says {_written(update.expect_ports)}, found {_written(live)}; "
            "find out who changed it, then correct the row",
            "expect_ports is not what was found; find out who changed it, then correct the row",
        )


def _unsendable(ports: Ports | None) -> Iterator[PlanRefusal]:
    """Yield why the API would refuse this full list (API.md, sections 2.2 and 2.3)."""
    if ports is None:
        return
    if not ports:
        yield PlanRefusal("no mapping would be left, the API accepts no empty list; keep at least one")
    if len(ports) > MAPPINGS_MAX:
        yield PlanRefusal(
            f"{len(ports)} mappings would result, the API accepts {MAPPINGS_MAX}; remove some as well",
            f"more than {MAPPINGS_MAX} mappings would result; remove some as well",
        )
    dialled = [_dialled(mapping) for mapping in ports]
    if len(set(dialled)) < len(dialled):
        [((client_port, protocol), count)] = Counter(dialled).most_common(1)
        yield PlanRefusal(
            f"client_port {client_port}/{protocol} would be in {count} mappings, "
            "and its consumers can reach only one server_port; keep one of them",
            "a client_port would be in several mappings; keep one of them",
        )


def _warnings(before: ServiceState, body: ModifyBody) -> Iterator[str]:
    """Yield what a reviewer should look at twice."""
    if body.approval_enabled is False and before.approval_enabled is not False:
        yield "new consumers will be connected without approval"
    if "vip_port_id" in before.unshown(body):
        yield str(Caution.VIP_PORT_ID)
    if has_udp(body.ports or ()) and not has_udp(before.ports):
        yield str(Caution.UDP)
    if len(body.service_name or "") > USUAL_NAME_CHARS_MAX >= len(before.short_name):
        yield str(Caution.LONG_NAME)


def _dialled(mapping: PortMapping) -> tuple[int, Protocol]:
    return mapping.client_port, mapping.protocol


def _written(ports: Ports) -> str:
    return " ".join(str(mapping) for mapping in ports) or "no mapping"
