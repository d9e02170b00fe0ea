"""The waves of a plan under the guards of a job, as a person is shown them."""

from collections import Counter

from bulk.ledger.file import LedgerReader
from bulk.ledger.run_waves import wave_plan
from bulk.model import Action
from bulk.plan.waves import Assigned, Wave, WaveFacts, WavePlan, WaveStanding, assigned, listed_waves
from bulk.settings import Guards


def planned_waves(guards: Guards, reader: LedgerReader) -> tuple[Wave, ...]:
    """Return the waves of a plan with the number of their rows; none where all rows go together."""
    if (plan := wave_plan(guards, reader.progress)) is None:
        return ()
    waves = listed_waves(plan, _assigned(plan, reader))
    return waves if len(waves) > 1 else ()


def wave_standings(guards: Guards, reader: LedgerReader) -> tuple[WaveStanding, ...]:
    """Return how far the waves of a run have come; none where all rows go together."""
    if (plan := wave_plan(guards, reader.progress)) is None:
        return ()
    of_row = _assigned(plan, reader).of
    rows, left = Counter(of_row), Counter(of_row[row] for row in reader.progress.unended())
    waves = (WaveStanding(wave, plan.name(wave), rows[wave], left[wave]) for wave in sorted(rows) if wave)
    return tuple(waves) if len({*rows} - {0}) > 1 else ()


def _assigned(plan: WavePlan, reader: LedgerReader) -> Assigned:
    """Return the wave of each row that needs a PUT."""
    progress = reader.progress
    return assigned(
        plan,
        (row for row in progress.order if progress.action(row) is Action.UPDATE),
        rows_max=max(progress.order, default=0),
        target=progress.target,
        facts=lambda row: WaveFacts.of(reader.change(row)),
        is_tied=progress.footprint.parked > 0,
    )
