"""Wanted against live: the changes of a job, in the order in which they may be sent."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from bulk.model import Change, PlannedChange, Repeated, ServiceUpdate, Target
from bulk.plan.alike import Decisions
from bulk.plan.decision import decide
from bulk.plan.estimate import Estimate, estimate_of, list_requests
from bulk.plan.groups import Groups, Live
from bulk.plan.order import arranged
from bulk.plan.sequence import Step, steps

__all__ = [
    "Estimate",
    "Live",
    "Step",
    "estimate_of",
    "list_requests",
    "ordered",
    "plan_target",
    "steps",
]


def plan_target(
    target: Target, updates: Collection[ServiceUpdate], live: Live, *, allow_parking: bool
) -> Iterator[PlannedChange]:
    """Yield one change for each row, each behind those that it waits for.

    `live` are all services of the target's project, from one list. Changes come as soon as they are known,
    so that they need not be kept. As for the order, see `ordered`.
    """
    groups = Groups(lambda: ((update.service_id, update.body) for update in updates), live)
    decisions = Decisions(target)

    def decided(update: ServiceUpdate) -> PlannedChange:
        if groups.of(update.service_id) is None:
            return decisions.decide(update, live.json(update.service_id))
        return decide(update, live.get(update.service_id), target)

    return _group_by_group(map(decided, updates), groups, allow_parking=allow_parking)


def ordered(changes: Collection[Change], live: Live, *, allow_parking: bool) -> Iterator[PlannedChange]:
    """Yield decided changes of one target, each behind those that it waits for.

    Changes in nobody's way keep their order; a group of them that may be in each other's way comes where its
    last one stands. `live` are all services of the target's project.
    """
    groups = Groups(lambda: ((change.service_id, change.body) for change in changes), live)
    return _group_by_group(changes, groups, allow_parking=allow_parking)


def _group_by_group(
    changes: Iterable[PlannedChange], groups: Groups, *, allow_parking: bool
) -> Iterator[PlannedChange]:
    waiting: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        group = groups.of(change.service_id)
        if group is None or isinstance(change, Repeated):
            yield change
            continue
        waiting[group].append(change)
        if len(waiting[group]) == groups.rows[group]:
            neighbours = groups.neighbours.pop(group, ())
            yield from arranged(waiting.pop(group), neighbours, allow_parking=allow_parking)
