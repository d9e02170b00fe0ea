"""The audit of the guards, held against the ledgers of simulated worlds: what the machine does, it proves."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from bulk.errors import LedgerDamaged
from bulk.ledger.folding import take_in
from bulk.ledger.guard_proofs import GuardProofs, Ties
from bulk.ledger.progress import Progress
from bulk.ledger.promises import Promise
from bulk.ledger.records import FORMAT, Json
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import AT, World

CALM_FAILURES = 10_000


class AuditedWorld(World):
    """A world that remembers with which settings each of its sessions began, and behind which record."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.began: dict[int, Json] = {}

    def session(self, kill_at: int | None, stop_at: float | None) -> bool:
        """Live through one session."""
        settings: dict[str, Any] = {}
        if (most := self.limits.failures_max) is not None:
            settings["max_failures"] = str(most)
        if self.limits.waves and self.limits.waves.sizes:
            settings["waves"] = ",".join(map(str, self.limits.waves.sizes))
        self.began[len(self.ledger.durable) + len(self.ledger.pending)] = settings
        return super().session(kill_at, stop_at)

    def breaches(self) -> Iterator[tuple[Promise, str]]:
        """Yield what the audit objects to in what was written."""
        progress = Progress()
        ties = Ties(progress)
        for change in self.changes:
            ties.add(change)
        guards = GuardProofs(progress, ties)
        for number, json in enumerate((*self.ledger.durable, *self.ledger.pending)):
            if settings := self.began.get(number):
                if settings.get("max_failures") == str(CALM_FAILURES):
                    yield from guards.other({"type": "decision", "what": "despite", "failures_max": 10_000})
                yield from guards.other({"type": "session", "at": AT, "format": FORMAT, "settings": settings})
            if json["type"] == "intent":
                yield from guards.intent(json)
            take_in(progress, json, 1)
            if json["type"] in {"attempt", "outcome", "note", "decision"}:
                yield from guards.other(json)


def test_the_audit_objects_to_nothing_that_the_machine_does() -> None:
    """Over kills, doubts, drift, parked services, stops and what lifts them."""
    for seed in range(1, 200):
        world = AuditedWorld(seed)
        world.live_out()
        assert not [*world.breaches()], f"in World({seed})"


NOTICED = {
    "failures are not counted": Promise.BUDGET,
    "earlier sessions do not count": Promise.BUDGET,
    "what is in flight does not count": Promise.BUDGET,
    "a parked ring does not count": Promise.BUDGET,
    "a stop that stands is forgotten": Promise.STOP,
    "that of a person stops nothing": Promise.STOP,
    "the others do not wait": Promise.WAVE,
    "a bad one stops nothing": Promise.WAVE,
    "the next one goes as well": Promise.WAVE,
}
"""Planted mistakes that a ledger alone shows, and the promise that it then breaks."""


@pytest.mark.parametrize("mistake", NOTICED)
def test_the_ledger_alone_shows_a_planted_mistake(mistake: str) -> None:
    """Whatever the process said of itself: each breaks the promise that it is about."""
    [mutant] = [each for each in MUTANTS if each.mistake == mistake]
    with mutant.planted():
        for seed in range(1, 2000):
            world = AuditedWorld(seed)
            with suppress(AssertionError, LedgerDamaged):
                world.live_out()
            if found := next(world.breaches(), None):
                assert found[0] is NOTICED[mistake]
                return
    raise AssertionError("not noticed")
