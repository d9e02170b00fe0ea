"""Rows of a report that add up to the same are added up once, and come to what each by itself comes to."""

import random
from collections import defaultdict

import pytest

from bulk.ledger.chain import Chain
from bulk.ledger.change_line import alike_within
from bulk.ledger.records import record_json
from bulk.model import Change
from bulk.plan import ordered
from bulk.plan.decision import decide
from bulk.reports.overview import Overview
from bulk.reports.report_row import Row
from bulk.reports.totals import Tally
from tests.property.test_equal_decisions import TARGET, a_state, an_update, some_bodies
from tests.values import LiveList, whole


def summed(change: Change) -> tuple[object, ...]:
    """Return what a change adds to a report."""
    tally, overview = Tally(), Overview()
    tally.count(Row(change=change))
    overview.add(Row(change=change))
    kinds = [
        (group.kind, group.backend, group.losing, group.consumers, group.unknown, group.values, group.notes)
        for group in overview.kinds()
    ]
    return tally.totals(), overview.places, kinds, overview.parked.services


@pytest.mark.parametrize("seed", range(20))
def test_changes_whose_lines_are_alike_add_the_same_to_a_report(seed: int) -> None:
    """Mappings, consumers, kinds, settings and warnings, whatever texts stand in the line."""
    dice, alike = random.Random(seed), 0
    groups = defaultdict[bytes, list[Change]](list)
    for _ in range(10):
        rows, bodies, odd = 60, some_bodies(dice), dice.choice((0.02, 0.1, 0.5))
        live = LiveList([a_state(dice, n, odd, "available") for n in range(rows)])
        updates = [an_update(dice, row, bodies) for row in range(1, rows + 1)]
        decided = [decide(update, live.get(update.service_id), TARGET) for update in updates]
        for change in whole(ordered(decided, live, allow_parking=dice.random() < 0.5)):
            line = Chain().add({"n": 0, "at": "", "type": "change", **record_json(change)})
            groups[alike_within(line)].append(change)
    for changes in groups.values():
        first, *others = map(summed, changes)
        assert all(other == first for other in others)
        alike += len(others)
    assert alike > 50
