"""How a session begins on a run that has come half-way: with the services that are left."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bulk.ledger.file import LedgerFile
from bulk.ledger.records import Intent, OutcomeRecord, record_json
from bulk.model import Outcome
from tests.fakes import FakeClock, FastDisk, fleet_of, inline
from tests.forging import forged, ledger
from tests.sessions import Session
from tests.values import change, planned, run_record, session_record

ROWS = 3_001


def half_done(path: Path, done: int, pages: list[int]) -> Path:
    """Write a run over a fleet of `ROWS` services, of which the first ones are applied."""
    changes = [change(row) for row in range(1, ROWS + 1)]
    run = replace(run_record(), targets=[record_json(changes[0])["target"]])
    told = [run, *changes, replace(planned(*changes), pages=pages), session_record()]
    for row in range(1, done + 1):
        told += [Intent(row=row, attempt=1), OutcomeRecord(row=row, outcome=Outcome.APPLIED)]
    path.write_bytes(forged(ledger(*told)))
    return path


@pytest.mark.parametrize(
    ("done", "pages", "first"),
    [(0, [4], 0), (2_000, [4], 2_000), (3_000, [4], 3_000), (2_000, [], 0)],
)
async def test_a_resume_begins_where_the_rows_are_that_are_left(
    done: int, pages: list[int], first: int, tmp_path: Path
) -> None:
    """Their page of the list is read first, and the first PUT waits for no other."""
    clock, path = FakeClock(), half_done(tmp_path / "ledger", done, pages)
    changes = [change(row) for row in range(1, ROWS + 1)]
    file = inline(LedgerFile.open(path, now=clock.now, disk=FastDisk()))
    fleet = fleet_of(changes)
    for row in range(done):
        service = changes[row]
        assert service.before
        fleet.services[service.service_id] = replace(service.before, ports=service.body.ports or ())
    before_first: list[int] = []
    fleet.on_put = lambda _: before_first.extend([] if before_first else [len(fleet.pages)])
    session = Session(ledger=file, fleet=fleet, clock=clock)
    async with file, asyncio.timeout(60):
        await session.pump()()
    assert fleet.pages[0] == first
    assert before_first[0] <= 4
    assert set(session.outcomes) == {Outcome.APPLIED}
    assert len(fleet.asked) == ROWS - done
