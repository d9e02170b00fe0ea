"""The waves of a run, as its plan and its settings make them."""

from dataclasses import replace

from bulk.ledger.folding import take_in
from bulk.ledger.progress import Progress
from bulk.ledger.records import target_json
from bulk.ledger.run_waves import wave_plan
from bulk.model import Target
from bulk.settings import Guards, Waves, WavesBy
from tests.forging import ledger
from tests.values import change, planned, run_record

NORTH, SOUTH = (
    Target(region="cn-north-4", project_id="1"),
    Target(region="cn-south-1", project_id="2", profile="p"),
)


def progress_of(*owners: dict[str, str]) -> Progress:
    """Return a plan of one row in each of two targets, with what is known of their owners."""
    changes = [replace(change(row), target=target) for row, target in enumerate((NORTH, SOUTH), 1)]
    progress, run = Progress(), replace(run_record(), targets=[target_json(NORTH), target_json(SOUTH)])
    for json in ledger(run, *changes, replace(planned(*changes), owners=list(owners))):
        take_in(progress, json, 1)
    return progress


def names(by: WavesBy, *owners: dict[str, str]) -> tuple[str, ...]:
    """Return the names of the waves of that plan."""
    plan = wave_plan(Guards(waves=Waves(by=by)), progress_of(*owners))
    assert plan
    return plan.names


def test_waves_by_target_are_called_what_their_rows_have_in_common() -> None:
    """An account by its name or, where that is not known, by its key, its profile, or as unknown."""
    assert names(WavesBy.REGION) == ("cn-north-4", "cn-south-1")
    assert names(WavesBy.ACCOUNT, {"account": "ann"}, {"key": "AK1"}) == ("ann", "AK1")
    assert names(WavesBy.ACCOUNT, {}, {}) == ("unknown", "p")
    assert names(WavesBy.ACCOUNT) == ("unknown", "p")
