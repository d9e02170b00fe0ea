"""What a plan comes to, by its ledger alone."""

from dataclasses import replace

import pytest

from bulk.app.forecast import forecast
from bulk.app.surroundings import system
from bulk.core.job import Job
from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import Planned, Run, record_json, record_type, target_json
from bulk.core.model import Action
from tests.nouns import PROJECT, change, planned, run_record

OTHER = PROJECT._replace(project_id="b" * 32)


def progress_of(pages: list[int]) -> Progress:
    """Return the progress of a ledger that changes one service and keeps one of another project.

    Without pages, its `planned` record is one of a version that did not know them.
    """
    changes = (change(1), replace(change(2, action=Action.KEEP), target=OTHER))
    run: Run = replace(run_record(), targets=[target_json(PROJECT), target_json(OTHER)])
    plan: Planned = replace(planned(*changes), pages=pages)
    progress = Progress()
    for number, record in enumerate((run, *changes, plan)):
        head = {"n": number, "at": "2026-01-15T08:30:00.000Z", "type": record_type(record)}
        members = {name: value for name, value in record_json(record).items() if name != "pages" or value}
        progress.step(head | members, number)
    return progress


@pytest.mark.parametrize(("pages", "requests"), [([3, 2], 3 + 2 + 1 + 3), ([], 1 + 1 + 1 + 1)])
def test_the_estimate_counts_the_pages_of_each_look(pages: list[int], requests: int) -> None:
    """A target with changes is listed twice, one without once; pages that are not known count one."""
    assert forecast(progress_of(pages), Job(rows="x"), system()).estimate.requests == requests
