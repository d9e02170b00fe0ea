"""Rehearsing a plan: the real engine, ledger and pacing on the plan's snapshot, against a simulator.

The snapshot holds, as the plan saw them, the services that the plan changes or keeps. What is not in it are
the services that no row names: those that share a `port_id` with one of the plan matter when the plan is
made, which is done by then. All targets stand behind one account, whatever their profiles are. A ledger that
has been run is rehearsed from its plan, as if it had not been.

Two stages, each with a copy of the plan and a simulator with its own fleet, in a temporary folder:

* the trial: one run from the first PUT to the last, with the faults and against the limit that were asked
  for; in real time against a limit, else as fast as it can, the job's rate being reckoned with on paper
* the crash: a real process killed by SIGKILL in the middle of its PUTs, the run then gone on with and then
  rolled back; with the faults, as fast as it can, without the limit

The given ledger is only read, and nothing here knows the real endpoint.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from bulk.adapters.ledger import LedgerReader, fold, records
from bulk.adapters.victim import kill_when
from bulk.app.applying import apply_ledger
from bulk.app.forecast import WORKERS_MAX
from bulk.app.jobs import Flags, job_of_ledger
from bulk.app.ledgers import reading
from bulk.app.rolling_back import roll_back
from bulk.app.session import Applied, Operator
from bulk.app.staging import Stage, staged
from bulk.app.surroundings import Surroundings
from bulk.core.errors import BulkError, ExitCode, UsageError
from bulk.core.job import DEFAULT_RATE, Job
from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import Json
from bulk.core.model import AS_ASKED, Action, Change, Outcome, ServiceId, ServiceState
from bulk.core.plan import steps
from bulk.core.rehearsal import (
    Check,
    Measure,
    Prediction,
    Rehearsal,
    Timetable,
    Trial,
    expected,
    predicted,
)
from bulk.core.reports.words import counted, tallied

_FULL_SPEED: Flags = {"rate": "1000000/s"}
_HELD_S = 3.0
"""How long the answer is held back during which the process is killed; less than a resume takes anyway."""
_VICTIM_PER_S_MIN = 10
_TOO_FAST = ("APIGW.0308", "EndPoint.0022")
_STRAYS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What the simulator does to a rehearsal; its own forms, see `bulk simulator --help`."""

    faults: Json
    limits: tuple[str, ...] = ()

    def flags(self) -> tuple[str, ...]:
        """Give the simulator's flags."""
        limits = (part for limit in self.limits for part in ("--limit", limit))
        return ("--faults", orjson.dumps(self.faults).decode(), *limits)


def trouble(faults: str, limits: tuple[str, ...]) -> Trouble:
    """Read `--faults`, a JSON object or the name of a file with one; raises UsageError."""
    try:
        text = faults if faults.lstrip().startswith("{") else Path(faults).read_bytes()
        plan = orjson.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--faults {faults[:80]}: {error}",
            hint='write {"rates": {"error_500": 0.05}} or name a file of it',
        ) from error
    return Trouble(faults=plan, limits=limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Play:
    """What all parts of a rehearsal share."""

    plan: Path
    reader: LedgerReader
    folder: Path
    job: Job
    around: Surroundings
    operator: Operator

    def updates(self) -> Iterator[Change]:
        """Give the changes to send, in the order of the plan."""
        changes = map(self.reader.change, self.reader.progress.order)
        return (change for change in changes if change.action is Action.UPDATE)


async def rehearse(
    plan: Path, flags: Flags, *, trouble: Trouble, around: Surroundings, operator: Operator
) -> Rehearsal:
    """Rehearse the plan of a ledger and say what the real run would take and what has held.

    Raises what `apply` would raise for this plan before its first PUT (Refused, JobInvalid), UsageError for
    faults and limits that the simulator does not know, and LedgerDamaged.
    """
    with reading(plan) as reader, TemporaryDirectory(prefix="bulk-") as folder:
        job, _ = job_of_ledger(reader.progress, flags)
        play = _Play(plan=plan, reader=reader, folder=Path(folder), job=job, around=around, operator=operator)
        operator.told("rehearsing the run")
        trial, counts, run = await _trial(play, trouble)
        checks = [run]
        if run.exit_code not in {ExitCode.INTERRUPTED, ExitCode.TERMINATED}:
            checks += await _crash(play, trouble)
        return Rehearsal(
            job=reader.progress.run["job"],
            digest=(reader.progress.planned or {})["digest"],
            counts=counts,
            trial=trial,
            limited=bool(trouble.limits),
            prediction=_predicted(play, trial, limited=bool(trouble.limits)),
            parked=tuple(change for change in play.updates() if change.parking),
            checks=tuple(checks),
        )


def _predicted(play: _Play, trial: Trial, *, limited: bool) -> Prediction:
    workers = play.job.concurrency or min(WORKERS_MAX, max(1, play.reader.progress.rows))

    def on_paper(rate_per_s: float, hold_s: float) -> Timetable:
        puts = steps(play.updates(), lambda _: False)
        return Timetable(puts, rate_per_s=rate_per_s, workers=workers, hold_s=hold_s)

    rate_per_s = (play.job.rate or DEFAULT_RATE).per_s
    return predicted(trial, rate_per_s=rate_per_s, limited=limited, timetable=on_paper)


# The trial


async def _trial(play: _Play, trouble: Trouble) -> tuple[Trial, Mapping[Outcome, int], Check]:
    flags = {} if trouble.limits else _FULL_SPEED
    async with staged(
        play.plan, play.folder / "trial", play.job, play.around, flags=trouble.flags()
    ) as stage:
        applied = await _apply(play, stage, flags)
        stats = await stage.practice.stats()
        strays = _strays(stage)
    progress = fold(stage.ledger)
    told = tallied(progress.counts()) + (f"; {applied.message}" if applied.message else "")
    check = Check(
        name="run",
        held=not strays and not stats["duplicates"],
        told=told + _broken(strays, stats["duplicates"]),
        exit_code=applied.exit_code,
    )
    return _measured(stage.ledger, progress, stats), progress.counts(), check


def _measured(ledger: Path, progress: Progress, stats: Json) -> Trial:
    measure = Measure()
    for _, record in records(ledger):
        measure.step(record)
    requests: Mapping[str, int] = stats["requests"]
    return Trial(
        duration_s=measure.duration_s,
        puts=measure.puts,
        sent=progress.sent,
        lists=requests.get("list", 0),
        requests=sum(requests.values()),
        refusals=sum(stats["refusals"].get(code, 0) for code in _TOO_FAST),
        hold_s=measure.hold_s,
        latency=measure.latency,
        faults=stats["faults"],
        gap_s=measure.gap_s,
    )


async def _apply(play: _Play, stage: Stage, flags: Flags) -> Applied:
    return await apply_ledger(stage.ledger, flags, around=stage.around, operator=play.operator, told=_unheard)


# The crash


async def _crash(play: _Play, trouble: Trouble) -> tuple[Check, ...]:
    """Kill a run in its middle, go on with it, roll it back."""
    puts = sum(2 if change.parking else 1 for change in play.updates())
    if not puts:
        nothing = "there is nothing to send"
        return tuple(Check(name=name, held=None, told=nothing) for name in ("kill and resume", "rollback"))
    middle = puts // 2 + 1
    flags = replace(trouble, faults=_holding_back(trouble.faults, middle), limits=()).flags()
    async with staged(play.plan, play.folder / "crash", play.job, play.around, flags=flags) as stage:
        snapshot = stage.fleet()
        play.operator.told("rehearsing a kill -9 and the resume")
        resume = await _resume(play, stage, await _killed(stage, middle, puts))
        play.operator.told("rehearsing the rollback")
        return resume, await _rollback(play, stage, snapshot)


def _holding_back(faults: Json, nth: int) -> Json:
    """Add to a plan of faults that the n-th PUT takes effect and its answer comes late."""
    rule = {"kind": "slow", "after": True, "delay_s": _HELD_S, "method": "PUT", "nth": nth}
    return {**faults, "rules": [rule, *faults.get("rules", ())]}


async def _killed(stage: Stage, nth: int, puts: int) -> str:
    """Let a process work until its n-th PUT is with the server, and kill it; say how that went, "" if not."""

    async def is_time() -> bool:
        return int((await stage.practice.stats())["requests"].get("modify", 0)) >= nth

    rate = max(_VICTIM_PER_S_MIN, 2 * puts)
    words = ("apply", str(stage.ledger), "--yes", "--quiet", "--rate", f"{rate}/s")
    victim = await kill_when(words, env=stage.around.env, is_time=is_time)
    if not victim.killed:
        return ""
    in_doubt = fold(stage.ledger).counts()[Outcome.IN_DOUBT]
    return f"killed at PUT {nth} of {puts} with {counted(in_doubt, 'row')} in doubt"


async def _resume(play: _Play, stage: Stage, killed: str) -> Check:
    name = "kill and resume"
    try:
        applied = await _apply(play, stage, _FULL_SPEED)
    except BulkError as error:
        return Check(name=name, held=False, told=f"{killed}; {error.message}", exit_code=error.exit_code)
    strays, duplicates = _strays(stage), (await stage.practice.stats())["duplicates"]
    counts = fold(stage.ledger).counts()
    holds = not strays and not duplicates and not counts[Outcome.IN_DOUBT]
    return Check(
        name=name,
        held=holds if killed or not holds else None,
        told=f"{killed or 'the run had ended before it could be killed'}; gone on with: {tallied(counts)}"
        + _broken(strays, duplicates),
        exit_code=applied.exit_code,
    )


async def _rollback(play: _Play, stage: Stage, snapshot: Mapping[ServiceId, ServiceState]) -> Check:
    name = "rollback"
    if not fold(stage.ledger).counts()[Outcome.APPLIED]:
        return Check(name=name, held=None, told="nothing was applied that could be taken back")
    try:
        applied = await roll_back(
            stage.ledger,
            _FULL_SPEED,
            around=stage.around,
            operator=play.operator,
            told=_unheard,
            only=frozenset(),
        )
    except BulkError as error:
        return Check(name=name, held=False, told=error.message, exit_code=error.exit_code)
    live = stage.fleet()
    changed = {id_ for id_, before in snapshot.items() if before.differences(live[id_])}
    strays = changed - _not_as_asked(stage.ledger) - _not_as_asked(applied.ledger)
    same = counted(len(snapshot) - len(changed), "service")
    return Check(
        name=name,
        held=not strays,
        told=f"{same} of {len(snapshot):,} as in the snapshot, field by field" + _broken(sorted(strays), 0),
        exit_code=applied.exit_code,
    )


# What became of the fleet


def _strays(stage: Stage) -> list[ServiceId]:
    """Give the services that are not what the ledger says of them."""
    live = stage.fleet()
    with reading(stage.ledger) as reader:
        outcome = reader.progress.outcome
        changes = (reader.change(row) for row in reader.progress.order)
        return [
            change.service_id
            for change in changes
            if change.action is not Action.REFUSE
            and (state := expected(change, outcome(change.row)))
            and state.differences(live[change.service_id])
        ]


def _not_as_asked(ledger: Path) -> set[ServiceId]:
    with reading(ledger) as reader:
        progress = reader.progress
        return {
            reader.change(row).service_id for row in progress.order if progress.outcome(row) not in AS_ASKED
        }


def _broken(strays: Sequence[ServiceId], duplicates: int) -> str:
    """Say what is not as promised; nothing where all is."""
    told = ""
    if strays:
        few = ", ".join(strays[:_STRAYS_SHOWN])
        told += f"; {counted(len(strays), 'service')} not as the ledger says: {few}"
    if duplicates:
        told += f"; {counted(duplicates, 'PUT')} that had landed sent again"
    return told


def _unheard(_: Json) -> None:
    """Hear a record and say nothing: a rehearsal's log is no news."""
