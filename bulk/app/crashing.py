"""Rehearsing the worst: a real process killed in the middle of its PUTs, the resume, the rollback."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL

from bulk.app.applying import apply_from
from bulk.app.ledgers import reading
from bulk.app.rehearsal_context import (
    FULL_SPEED,
    RehearsalContext,
    RehearsedFaults,
    applied_on,
    broken,
    mismatches,
)
from bulk.app.rolling_back import run_to_roll_back
from bulk.app.sandbox import Sandbox, staged
from bulk.errors import BulkError
from bulk.ledger.file import fold
from bulk.ledger.records import Json
from bulk.model import DRIFT_FIELDS, Outcome, ServiceId, ServiceState
from bulk.rehearsal import TriedPromise
from bulk.rehearsal.victim import kill_when
from bulk.reports.words import tallied
from bulk.text import counted

_HELD_S = 2.0
"""How long the answer is held back during which the process is killed; less than a resume takes anyway."""
_VICTIM_PER_S_MIN = 10


async def crash(context: RehearsalContext, faults: RehearsedFaults) -> tuple[TriedPromise, ...]:
    """Kill a run in its middle, continue it, roll it back."""
    puts = sum(2 if change.parking else 1 for change in context.updates())
    if not puts:
        nothing = "nothing has to be sent"
        return tuple(
            TriedPromise(name=name, held=None, detail=nothing) for name in ("kill and resume", "rollback")
        )
    middle = puts // 2 + 1
    flags = replace(faults, faults=_holding_back(faults.faults, middle), limits=()).flags()
    async with staged(
        context.plan, context.folder / "crash", context.job, context.environment, flags=flags
    ) as stage:
        snapshot = stage.fleet()
        context.operator.notify("rehearsing a kill -9 and the resume")
        resume = await _resume(context, stage, await _killed(stage, middle, puts))
        context.operator.notify("rehearsing the rollback")
        return resume, await _rollback(context, stage, snapshot)


def _holding_back(faults: Json, nth: int) -> Json:
    """Add to a plan of faults that the n-th PUT takes effect and its answer comes late."""
    rule = {"kind": "slow", "after": True, "delay_s": _HELD_S, "method": "PUT", "nth": nth}
    return {**faults, "rules": [rule, *faults.get("rules", ())]}


async def _killed(stage: Sandbox, nth: int, puts: int) -> str:
    """Kill a process once its n-th PUT is with the server; return what happened, "" if it ended before."""

    async def is_time() -> bool:
        return int((await stage.practice.stats())["requests"].get("modify", 0)) >= nth

    rate = max(_VICTIM_PER_S_MIN, 2 * puts)
    words = ("apply", str(stage.ledger), "--yes", "--quiet", "--rate", f"{rate}/s")
    if await kill_when(words, env=stage.environment.env, is_time=is_time) != -SIGKILL:
        return ""
    in_doubt = fold(stage.ledger).counts()[Outcome.IN_DOUBT]
    return f"killed at PUT {nth} of {puts} with {counted(in_doubt, 'row')} in doubt"


async def _resume(context: RehearsalContext, stage: Sandbox, killed: str) -> TriedPromise:
    name = "kill and resume"
    try:
        applied = await applied_on(context, stage, {})
    except BulkError as error:
        return TriedPromise(
            name=name, held=False, detail=f"{killed}; {error.message}", exit_code=error.exit_code
        )
    mismatched, duplicates = mismatches(stage), (await stage.practice.stats())["duplicates"]
    counts = fold(stage.ledger).counts()
    holds = not mismatched and not duplicates and not counts[Outcome.IN_DOUBT]
    return TriedPromise(
        name=name,
        held=holds if killed or not holds else None,
        detail=f"{killed or 'the run had ended before it could be killed'}; continued: {tallied(counts)}"
        + broken(mismatched, duplicates),
        exit_code=applied.exit_code,
    )


async def _rollback(
    context: RehearsalContext, stage: Sandbox, snapshot: Mapping[ServiceId, ServiceState]
) -> TriedPromise:
    name = "rollback"
    if not fold(stage.ledger).counts()[Outcome.APPLIED]:
        return TriedPromise(name=name, held=None, detail="nothing was applied, so nothing can be rolled back")
    try:
        with run_to_roll_back(stage.ledger, FULL_SPEED, only=frozenset(), at_rest=True) as source:
            applied = await apply_from(source.as_unread(), FULL_SPEED, context.request(stage))
    except BulkError as error:
        return TriedPromise(name=name, held=False, detail=error.message, exit_code=error.exit_code)
    live = stage.fleet()
    changed = {id_ for id_, before in snapshot.items() if before.differences(live[id_], DRIFT_FIELDS)}
    mismatched = changed - _not_as_asked(stage.ledger) - _not_as_asked(applied.ledger)
    same = counted(len(snapshot) - len(changed), "service")
    return TriedPromise(
        name=name,
        held=not mismatched,
        detail=f"{same} of {len(snapshot):,} as in the snapshot, field by field"
        + broken(sorted(mismatched), 0),
        exit_code=applied.exit_code,
    )


def _not_as_asked(ledger: Path) -> set[ServiceId]:
    with reading(ledger) as reader:
        progress = reader.progress
        rows = (row for row in progress.order if not progress.outcome(row).facts.as_asked)
        return {reader.change(row).service_id for row in rows}
