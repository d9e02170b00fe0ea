"""The waves of a plan under the guards of a job, as a person is shown them and as they are reckoned with."""

from collections import Counter
from collections.abc import Sequence

from bulk.ledger.file import LedgerReader
from bulk.ledger.run_waves import wave_plan
from bulk.model import Action, value
from bulk.plan.waves import Assigned, Wave, WaveFacts, WavePlan, WaveStanding, assigned, listed_waves
from bulk.settings import Guards


@value
class WavesAhead:
    """The waves of a plan, none where all rows go together, and the number of that of each row, by row."""

    waves: tuple[Wave, ...] = ()
    of: Sequence[int] = ()


def planned_waves(guards: Guards, reader: LedgerReader) -> WavesAhead:
    """Return the waves of a plan with the number of their rows."""
    if (plan := wave_plan(guards, reader.progress)) is None:
        return WavesAhead()
    found = _assigned(plan, reader)
    waves = listed_waves(plan, found)
    return WavesAhead(waves=waves, of=found.of) if len(waves) > 1 else WavesAhead()


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
