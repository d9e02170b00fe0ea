"""The waves of a run, by its plan and the guards of a job: by size, by target, or as rows name them."""

from bulk.ledger.progress import Progress
from bulk.ledger.records import Decision, DecisionKind, Ruling, decision_of, owners_of
from bulk.model import Action, Owner, Target
from bulk.plan.guards import waves_in_figures
from bulk.plan.waves import WavePlan
from bulk.settings import Guards, WavesBy


def wave_plan(guards: Guards, progress: Progress) -> WavePlan | None:
    """Return how the rows of a plan fall into waves; None where they do not.

    Where there is a judge they do, since it rules before the first one begins. Regions and accounts go in the
    order of the plan.
    """
    canary = (guards.canary,) if guards.canary else ()
    waves = waves_in_figures(guards, progress.footprint.changes)
    if guards.waves is None or not isinstance(waves, str):
        sizes = (*canary, *(waves or ()))
        shares = guards.waves.sizes if guards.waves else ()
        names = (*("" for _ in canary), *(str(share) if share.is_percent else "" for share in shares))
        return WavePlan(names=names, sizes=sizes) if sizes or guards.judge else None
    if guards.names_waves:
        return WavePlan(sizes=canary, is_named=True)
    targets = progress.rows_by_target({Action.UPDATE})
    groups = {target: _name(guards.waves.by, target, progress) for target in targets}
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups.values()), 1)}
    return WavePlan(
        names=(*("" for _ in canary), *numbers),
        sizes=canary,
        of_target={target: numbers[name] for target, name in groups.items()},
    )


def unsure_ruling(progress: Progress) -> tuple[Decision, str] | None:
    """Return the ruling of a judge that is unsure, by which its wave waits, and when (UTC); None for none.

    In each session the judge is asked anew, and nothing waits any more once a wave passed or the run stopped.
    """
    since = progress.sessions[-1]["n"] if progress.sessions else 0
    for record in reversed(progress.decisions):
        if record["n"] < since or record["what"] == DecisionKind.STOP:
            return None
        if record["what"] == DecisionKind.WAVE:
            return (decision_of(record), record["at"]) if record["ruling"] == Ruling.UNSURE else None
    return None


def _name(by: WavesBy | None, target: Target, progress: Progress) -> str:
    """Return what the wave of a target is called."""
    if by is WavesBy.REGION:
        return target.region
    owner = owners_of(progress.run, progress.planned or {}).get(target, Owner())
    return owner.name(target.profile) or "unknown"
