"""How a service differs from what the plan, or the run, left: what is not so any more is not sent."""

from dataclasses import replace
from typing import NamedTuple

from bulk.model import DRIFT_FIELDS, Change, Listed, ServiceState, SideEffect
from bulk.run.interfaces import PlanReader


def before_last(change: Change) -> ServiceState | None:
    """Return the service as the last PUT of a change finds it."""
    if change.before and change.parking and change.parking.ports is not None:
        return replace(change.before, ports=change.parking.ports)
    return change.before


class Drift(NamedTuple):
    """A service that is not as the plan saw it, or as the run left it."""

    observed: ServiceState | None
    """The service as it is now; None where it does not exist any more."""
    moved: tuple[str, ...] = ()
    as_asked: bool = False
    """Whether it is what the row asks for: somebody else made the change."""


def drift(
    change: Change, live: ServiceState, *, is_parked: bool, noticed: frozenset[SideEffect] = frozenset()
) -> Drift | None:
    """Return how a service differs from what the plan, or the run, left; None where it does not.

    A parked service may have what PUTs of the run were `noticed` to change unasked: nobody else wrote that.
    """
    before = before_last(change) if is_parked else change.before
    moved = before.differences(live, DRIFT_FIELDS) if before else ()
    moved = without(noticed, live, moved) if is_parked else moved
    return Drift(live, moved, as_asked=live.confirms(change.body) and live.is_sound) if moved else None


def without(noticed: frozenset[SideEffect], live: ServiceState, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return fields but for those whose value was noticed as a side effect of this run."""
    return tuple(name for name in fields if SideEffect(name, getattr(live, name)) not in noticed)


def against_plan(
    reader: PlanReader, row: int, live: Listed, *, is_parked: bool, noticed: frozenset[SideEffect]
) -> tuple[bool, Drift | None]:
    """Return whether this is a row's service, and its drift from what the plan, or the run, left."""
    if not is_parked and reader.matches_snapshot(row, live):
        return True, None
    change = reader.change(row)
    if change.service_id != live.id:
        return False, None
    return True, drift(change, live.state, is_parked=is_parked, noticed=noticed)
