"""The promises of a run, asked of thousands of worlds; and planted mistakes, to see that they are asked."""

from collections import Counter
from collections.abc import Iterable

import pytest

from bulk.errors import LedgerDamaged
from bulk.run.stages import Place
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.world import World

TELLING = (34, 63, 130, 16, 169, 135, 237, 6, 1464, 30, 133, 308, 21, 27, 31, 44, 111, 125, 150, 275, 2812)
"""Worlds that together show all planted mistakes; they come first, so that none is looked for long. Which
they are changes with the code: a mistake that they miss is looked for in the others."""
WORLDS_FOR_A_MUTANT = 4000
"""A minute of worlds: the most that a planted mistake may live."""

MET = {
    ("UNSEEN", "seen"),
    ("READY", "seen"),  # again, before its wave
    *(("LOOKING", f"shown {verdict}") for verdict in ("Done", "Reject", "Throttled", "Abort")),
    ("NOTED", "durable"),
    *(
        ("FLYING", f"answered {v}")
        for v in ("Done", "AsAsked", "Doubt", "Retry", "Throttled", "Reject", "Denied", "Abort")
    ),
    *((place, "due") for place in ("SETTLING", "RESTING", "SUSPECT", "LEFT")),
    *(("LEFT", f"shown {verdict}") for verdict in ("Done", "Reject", "Throttled", "Abort")),
    *(("READING", f"shown {verdict}") for verdict in ("Done", "Reject", "Throttled", "Abort")),
    *((place, f"shown {verdict}") for place in ("PROVING", "LEFT") for verdict in ("Done", "Missing")),
    *(("CHECKING", f"shown {verdict}") for verdict in ("Done", "Reject", "Throttled", "Abort")),
    ("LEFT", "seen"),  # what comes after the drain
    ("LEFT", "durable"),
    *(("LEFT", f"answered {v}") for v in ("Done", "Doubt", "Retry", "Throttled")),
    *(("LEFT", f"answered {verdict}") for verdict in ("Reject", "Denied", "Abort")),
    ("DONE", "suspect"),
    ("ENDED", "suspect"),
    *((place.name, event) for place in Place for event in ("stop", "cut", "drained")),
}
"""What can meet a row at which place; nothing else ever does."""


def lived(seeds: Iterable[int]) -> tuple[int, Counter[tuple[str, str]]]:
    """Live through some worlds; return how many events they had, and which met a row at which place."""
    events, pairs = 0, Counter[tuple[str, str]]()
    for seed in seeds:
        world = World(seed)
        try:
            world.live_out()
        except Exception as broken:
            broken.add_note(f"in World({seed})")
            raise
        events += world.events
        pairs += world.pairs
    return events, pairs


def test_every_promise_holds_in_every_world() -> None:
    """Whatever is lost, refused, killed, stopped, overwritten: nothing is lost, doubled or left parked."""
    events, pairs = lived(range(1, 801))
    assert events > 100_000
    assert pairs.keys() <= MET


def test_no_row_goes_to_the_ports_of_a_service_that_is_about_to_be_restored() -> None:
    """A world in which a parked row's successor was taken up between the restore's intent and its end."""
    World(22_448).live_out()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_promise_holds_in_many_more_worlds() -> None:
    """And every event meets a row at every place where it can."""
    _, pairs = lived(range(1_000, 41_000))
    assert pairs.keys() == MET


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_simulation_notices_a_planted_mistake(mutant: Mutant) -> None:
    """Within a minute of worlds, for each promise that the machine keeps."""
    with mutant.planted(), pytest.raises((AssertionError, LedgerDamaged)):
        lived((*TELLING, *range(1, WORLDS_FOR_A_MUTANT)))
