"""Wanted against live: the changes of a job, in the order in which they may be sent."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from bulk.core.model import Change, ServiceState, ServiceUpdate, Target
from bulk.core.plan.decision import decide
from bulk.core.plan.estimate import Effort, effort, list_requests
from bulk.core.plan.groups import Groups, touch
from bulk.core.plan.order import arranged
from bulk.core.plan.sequence import Step, steps

__all__ = ["Effort", "Step", "effort", "list_requests", "ordered", "plan_target", "steps"]


def plan_target(
    target: Target,
    updates: Collection[ServiceUpdate],
    live: Collection[ServiceState],
    *,
    allow_parking: bool,
) -> Iterator[Change]:
    """Give one change for each row, each behind those that it waits for.

    `live` are all services of the target's project, from one list. `updates` are gone through twice, and
    changes are given as soon as they are known: so neither need be held. As for the order, see `ordered`.
    """
    services = {state.id: state for state in live}
    groups = Groups((touch(update.body, services.get(update.service_id)) for update in updates), live)
    changes = (decide(update, services.get(update.service_id), target) for update in updates)
    return _group_by_group(changes, groups, allow_parking=allow_parking)


def ordered(
    changes: Collection[Change], live: Collection[ServiceState], *, allow_parking: bool
) -> Iterator[Change]:
    """Give decided changes of one target, each behind those that it waits for.

    Changes in nobody's way keep their order; a group of them that may be in each other's way comes where its
    last one stands. `live` are all services of the target's project.
    """
    groups = Groups((touch(change.body, change.before) for change in changes), live)
    return _group_by_group(changes, groups, allow_parking=allow_parking)


def _group_by_group(changes: Iterable[Change], groups: Groups, *, allow_parking: bool) -> Iterator[Change]:
    waiting: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        group = groups.of(touch(change.body, change.before))
        if group is None:
            yield change
            continue
        waiting[group].append(change)
        if len(waiting[group]) == groups.rows[group]:
            neighbours = groups.neighbours.pop(group, ())
            yield from arranged(waiting.pop(group), neighbours, allow_parking=allow_parking)
