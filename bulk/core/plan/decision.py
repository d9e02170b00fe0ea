"""What one row comes to against its live service: update, keep or refuse."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from bulk.core.model import (
    BODY_FIELDS,
    MAPPINGS_MAX,
    Action,
    Change,
    ModifyBody,
    PortMapping,
    Ports,
    Protocol,
    ServiceState,
    ServiceUpdate,
    Target,
)

CHANGEABLE_STATUS = "available"
CHANGEABLE_TYPE = "interface"
SERVER_TYPES = frozenset({"VM", "LB", "VIP", "BMS"})
"""The backends of a tenant's service; anything else is the operator's (API.md, section 7, trap 9)."""

_WAY_OUT = {
    "creating": "wait until it is available and plan again",
    "deleting": "it is going away: take the row out of the job",
    "failed": "mend or replace the service, then plan again",
}


def decide(update: ServiceUpdate, before: ServiceState | None, target: Target) -> Change:
    """Give the change that a row asks of a service, or why it is refused; `before` None: there is none.

    The body names the fields that the row names and no others; `ports` is the full list that the API wants
    (API.md, section 2.1), computed from the live one where the row only adds and removes.
    """
    if before is None:
        reason = f"there is no such service in {target}; check its id, region and project"
        return _change(update, target, None, Action.REFUSE, update.body, reason)
    live = before.ports
    body = _full_body(update, live)
    if reason := next(chain(_foreign(before), _unfit(update, live)), ""):
        return _change(update, target, before, Action.REFUSE, body, reason)
    # Before anything is expected of the live ports: an applied job, planned again, has nothing left to do.
    if before.confirms(body):
        return _change(update, target, before, Action.KEEP, body, "")
    if reason := next(chain(_unexpected(update, live), _unsendable(body.ports)), ""):
        return _change(update, target, before, Action.REFUSE, body, reason)
    return _change(update, target, before, Action.UPDATE, body, "; ".join(_warnings(before, body)))


def _change(
    update: ServiceUpdate,
    target: Target,
    before: ServiceState | None,
    action: Action,
    body: ModifyBody,
    reason: str,
) -> Change:
    return Change(
        row=update.row,
        place=update.place,
        target=target,
        service_id=update.service_id,
        action=action,
        body=body,
        before=before,
        reason=reason,
        note=update.note,
    )


def _full_body(update: ServiceUpdate, live: Ports) -> ModifyBody:
    """Give the body with the whole list of ports: what stays of the live one, then what is added."""
    if not (update.add_ports or update.remove_ports):
        return update.body
    left = [mapping for mapping in live if mapping not in update.remove_ports]
    added = [mapping for mapping in update.add_ports if mapping not in left]
    others = {name: getattr(update.body, name) for name in BODY_FIELDS if name != "ports"}
    return ModifyBody(ports=(*left, *added), **others)


def _foreign(before: ServiceState) -> Iterator[str]:
    """Say why a service is not one that a tenant may change now."""
    if before.service_type not in (None, CHANGEABLE_TYPE):
        yield (
            f"the service is of type {before.service_type}, and only {CHANGEABLE_TYPE} ones can be changed; "
            "take the row out of the job"
        )
    if before.server_type is not None and before.server_type not in SERVER_TYPES:
        yield (
            f"its server_type {before.server_type} is not that of a tenant's own service; "
            "take the row out of the job"
        )
    if before.status != CHANGEABLE_STATUS:
        way_out = _WAY_OUT.get(before.status, "see to it that it becomes available, then plan again")
        yield f"the service is {before.status}, and only an {CHANGEABLE_STATUS} one can be changed; {way_out}"


def _unfit(update: ServiceUpdate, live: Ports) -> Iterator[str]:
    """Say why what is to be added or removed does not fit what is there."""
    if update.add_ports or update.remove_ports:
        yield from _not_there(update, live)
        yield from _taken(update, live)


def _not_there(update: ServiceUpdate, live: Ports) -> Iterator[str]:
    """Say which mapping to remove has another meaning now; one that is gone altogether is as asked."""
    present = {_dialled(mapping): mapping for mapping in live if mapping not in update.add_ports}
    for mapping in update.remove_ports:
        found = present.get(_dialled(mapping), mapping)
        if mapping not in live and found != mapping:
            yield f"remove_ports names {mapping}, but the service has {found}; name the mapping that is there"


def _taken(update: ServiceUpdate, live: Ports) -> Iterator[str]:
    """Say which mapping to add would change the meaning of one that stays."""
    staying = {_dialled(mapping): mapping for mapping in live if mapping not in update.remove_ports}
    for mapping in update.add_ports:
        found = staying.get(_dialled(mapping), mapping)
        if found != mapping:
            yield f"add_ports names {mapping}, but the service has {found}; name that in remove_ports as well"


def _unexpected(update: ServiceUpdate, live: Ports) -> Iterator[str]:
    """Say that the service is not what the row was written for."""
    if update.expect_ports is not None and set(update.expect_ports) != set(live):
        yield (
            f"expect_ports says {_written(update.expect_ports)}, but there is {_written(live)}; "
            "find out who changed it, then correct the row"
        )


def _unsendable(ports: Ports | None) -> Iterator[str]:
    """Say why the API would not take this full list (API.md, sections 2.2 and 2.3)."""
    if ports is None:
        return
    if not ports:
        yield "no mapping would be left, and the API takes no empty list; leave at least one"
    if len(ports) > MAPPINGS_MAX:
        yield f"{len(ports)} mappings would result, and the API takes at most {MAPPINGS_MAX}; remove some"
    dialled = [_dialled(mapping) for mapping in ports]
    if len(set(dialled)) < len(dialled):
        [((client_port, protocol), count)] = Counter(dialled).most_common(1)
        yield (
            f"client_port {client_port}/{protocol} would stand in {count} mappings; "
            "name it once, so that its consumers reach one server_port"
        )


def _warnings(before: ServiceState, body: ModifyBody) -> Iterator[str]:
    """Say what a reviewer should look at twice."""
    removed = set(before.ports) - set(before.ports if body.ports is None else body.ports)
    if removed and before.connection_count:
        count = before.connection_count
        connected = "1 consumer is connected" if count == 1 else f"{count} consumers are connected"
        yield f"{connected} and may lose {_written(sorted(removed))}"
    if body.approval_enabled is False and before.approval_enabled is not False:
        yield "new consumers will be connected without approval"


def _dialled(mapping: PortMapping) -> tuple[int, Protocol]:
    return mapping.client_port, mapping.protocol


def _written(ports: Ports | list[PortMapping]) -> str:
    return " ".join(str(mapping) for mapping in ports) or "no mapping"
