"""Wanted against live: the changes of a job, in the order in which they may be sent."""

from collections.abc import Collection, Iterator, Sequence

from bulk.core.model import Change, ServiceState, ServiceUpdate, Target
from bulk.core.plan.decide import decide

__all__ = ["plan_target"]


def plan_target(
    target: Target,
    updates: Sequence[ServiceUpdate],
    live: Collection[ServiceState],
    *,
    allow_parking: bool,
) -> Iterator[Change]:
    """Give the changes of one target."""
    services = {state.id: state for state in live}
    for update in updates:
        yield decide(update, services.get(update.service_id), target)
