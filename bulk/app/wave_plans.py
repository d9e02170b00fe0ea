"""The waves of a plan under the guards of a job, as a person is shown them."""

from bulk.ledger.file import LedgerReader
from bulk.ledger.run_waves import wave_plan
from bulk.model import Action
from bulk.plan.waves import Wave, WaveFacts, assigned, listed_waves
from bulk.settings import Guards


def planned_waves(guards: Guards, reader: LedgerReader) -> tuple[Wave, ...]:
    """Return the waves of a plan with the number of their rows; none where all rows go together."""
    progress = reader.progress
    if (plan := wave_plan(guards, progress)) is None:
        return ()
    waves = listed_waves(
        plan,
        assigned(
            plan,
            (row for row in progress.order if progress.action(row) is Action.UPDATE),
            rows_max=max(progress.order, default=0),
            target=progress.target,
            facts=lambda row: WaveFacts.of(reader.change(row)),
            is_tied=progress.footprint.parked > 0,
        ),
    )
    return waves if len(waves) > 1 else ()
