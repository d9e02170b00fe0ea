"""Rehearsing a plan: the real engine, ledger and pacing on the plan's snapshot, against a simulator.

The snapshot holds, as the plan saw them, the services that the plan changes or keeps. What is not in it are
the services that no row names: those that share a `port_id` with one of the plan matter when the plan is
made, which is done by then. All targets stand behind one account, whatever their profiles are. A ledger that
has been run is rehearsed from its plan, as if it had not been.

Two stages, each with a copy of the plan and a simulator with its own fleet, in a temporary folder:

* the trial: one run from the first PUT to the last, with the faults and against the limit that were asked
  for; in real time against a limit, else as fast as it can, the job's rate being reckoned with on paper
* the crash: a real process killed by SIGKILL in the middle of its PUTs, the run then continued and then
  rolled back; with the faults, as fast as it can, without the limit

Waves go one after the other there as well; their soak, and the window, are reckoned with on paper alone.

The given ledger is only read, and nothing here knows the real endpoint.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bulk.app.crashing import crash
from bulk.app.environment import Environment
from bulk.app.forecast import WORKERS_MAX, forecast_of
from bulk.app.jobs import Flags, job_of_ledger
from bulk.app.ledgers import reading
from bulk.app.rehearsal_context import (
    FULL,
    FULL_SPEED,
    RehearsalContext,
    RehearsedFaults,
    applied_on,
    broken,
    mismatches,
)
from bulk.app.sandbox import staged
from bulk.app.watched import Operator
from bulk.errors import ExitCode
from bulk.ledger.file import OnRecord, fold, records
from bulk.model import Outcome
from bulk.pacing.pool import sizing, workers
from bulk.plan import steps
from bulk.plan.sequence import Step
from bulk.rehearsal import Measurement, Prediction, Rehearsal, Timetable, TriedPromise, measured, predicted
from bulk.reports.words import tallied
from bulk.settings import CAUTIOUS_RATE, Job


async def rehearse(
    plan: Path,
    flags: Flags,
    *,
    faults: RehearsedFaults,
    environment: Environment,
    operator: Operator,
    on_record: OnRecord = lambda *_: None,
) -> Rehearsal:
    """Rehearse the plan of a ledger; return the real run's expected duration and what has held.

    Raises what `apply` would raise for this plan before its first PUT (Refused, JobInvalid), UsageError for
    faults and limits that the simulator does not know, and LedgerDamaged.
    """
    with reading(plan) as reader, TemporaryDirectory(prefix="bulk-") as folder:
        job, _ = job_of_ledger(reader.progress, flags)
        context = RehearsalContext(
            plan=plan,
            reader=reader,
            folder=Path(folder),
            job=job,
            environment=environment,
            operator=operator,
            on_record=on_record,
        )
        operator.notify(f"rehearsing the run{_not_judged(job)}")
        trial, counts, run = await _trial(context, faults)
        checks = [run]
        if run.exit_code not in {ExitCode.INTERRUPTED, ExitCode.TERMINATED}:
            checks += await crash(context, faults)
        return _rehearsal(context, trial, counts, checks, limited=bool(faults.limits))


def _rehearsal(
    context: RehearsalContext,
    trial: Measurement,
    counts: Mapping[Outcome, int],
    checks: Sequence[TriedPromise],
    *,
    limited: bool,
) -> Rehearsal:
    """Return what was found, with what it predicts for the real run."""
    progress = context.reader.progress
    ahead = forecast_of(context.reader, context.job, context.environment.local_time)
    return Rehearsal(
        job=progress.run["job"],
        digest=progress.digest,
        counts=counts,
        trial=trial,
        limited=limited,
        prediction=_predicted(context, trial, ahead.waves.of),
        waves=ahead.waves.waves,
        window=ahead.estimate if ahead.estimate.window else None,
        parked=tuple(change for change in context.updates() if change.parking),
        checks=tuple(checks),
    )


def _not_judged(job: Job) -> str:
    if job.guards.judge is None:
        return ""
    return f"; the judge {job.guards.judge} is not asked, and each wave goes as if it had said go"


def _predicted(context: RehearsalContext, trial: Measurement, wave_of: Sequence[int]) -> Prediction:
    soak = context.job.guards.soak
    answered_s = trial.latency.p50_ms / 1000 if trial.latency else 0.0

    def on_paper(rate_per_s: float, slower_s: float) -> Timetable:
        known = sizing(WORKERS_MAX)._replace(latency_s=answered_s + slower_s)
        return Timetable(
            *_in_waves(steps(context.updates(), lambda _: False), wave_of),
            rate_per_s=rate_per_s,
            workers=context.job.pace.concurrency or workers(known, rate_per_s),
            hold_s=trial.hold_s + slower_s,
            soak_s=soak.seconds if soak else 0.0,
        )

    at_full_speed = trial.rate_per_s == FULL.per_s
    asked = context.job.pace.rate or (CAUTIOUS_RATE if at_full_speed else None)
    return predicted(trial, rate_per_s=asked.per_s if asked else trial.rate_per_s, timetable=on_paper)


def _in_waves(puts: Iterator[Step], wave_of: Sequence[int]) -> Iterator[Iterable[Step]]:
    """Yield the PUTs of each wave, which come in the order of the plan; all at once without waves."""
    if not wave_of:
        yield puts
        return
    waves = defaultdict[int, list[Step]](list)
    for put in puts:
        waves[wave_of[put.change.row]].append(put)
    yield from (waves[wave] for wave in sorted(waves))


async def _trial(
    context: RehearsalContext, faults: RehearsedFaults
) -> tuple[Measurement, Mapping[Outcome, int], TriedPromise]:
    flags = {} if faults.limits else FULL_SPEED
    async with staged(
        context.plan, context.folder / "trial", context.job, context.environment, flags=faults.flags()
    ) as stage:
        applied = await applied_on(context, stage, flags)
        stats = await stage.practice.stats()
        mismatched = mismatches(stage)
    progress = fold(stage.ledger)
    ended = tallied(progress.counts()) + (f"; {applied.message}" if applied.message else "")
    check = TriedPromise(
        name="run",
        held=not mismatched and not stats["duplicates"],
        detail=ended + broken(mismatched, stats["duplicates"]),
        exit_code=applied.exit_code,
    )
    rate = context.job.pace.rate if faults.limits else FULL
    run = (record for _, record in records(stage.ledger))
    return measured(run, stats, rate_per_s=rate.per_s if rate else None), progress.counts(), check
