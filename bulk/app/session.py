"""One session on a plan: shown, confirmed, guarded, run, and summed up in an exit code."""

import os
import shlex
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC
from functools import partial
from itertools import chain
from math import inf
from pathlib import Path
from signal import SIGINT, Signals
from typing import Protocol

from bulk.app.attending import Attendant
from bulk.app.connections import Connections
from bulk.app.environment import Environment, RunAtWork, author
from bulk.app.forecast import WORKERS_MAX, forecast_of
from bulk.app.judge_client import Judge
from bulk.app.judge_file import judge_must_be_usable
from bulk.app.ledgers import plan_report, settle_s
from bulk.app.opening import Waiting, hours_of, shift_for
from bulk.app.overruling import stops_after
from bulk.app.retrying import RETRIED
from bulk.app.signals import stop_signals
from bulk.app.sources import ApiAddress
from bulk.app.telling import tell_command
from bulk.app.through_workers import where_asked
from bulk.errors import BulkError, CredentialsError, ExitCode, LedgerFailed, Refused
from bulk.ledger.decisions import decided
from bulk.ledger.file import LedgerFile
from bulk.ledger.progress import Progress
from bulk.ledger.records import Decision, End, Json, Note, PaceRecord, Session, target_of
from bulk.ledger.run_waves import wave_plan
from bulk.ledger.stated_opening import opening_json
from bulk.ledger.stops import BrakeReason, exit_code
from bulk.model import Action, Hold, LaneName, Outcome, RequestKind, ServiceState, Target, Wait
from bulk.pacing import Pacing, believed, reason
from bulk.pacing.learned_limits import LimitOwner
from bulk.pacing.limiter import Limiter
from bulk.plan.guards import failures_max
from bulk.reports.headline import question
from bulk.reports.overview import Overview
from bulk.reports.report import Report
from bulk.reports.stopped import ways_on, wrong_outcomes
from bulk.run.brake import Brake
from bulk.run.deadlines import Hours
from bulk.run.interfaces import LaneClient, Limits
from bulk.run.patience import refused_key
from bulk.run.pump import Pump, RunContext
from bulk.settings import Job, settings_json
from bulk.text import moment
from bulk.vpcep.client import Client

NOT_CONFIRMED = "not confirmed; nothing was sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A run at work, as a display sees it."""

    progress: Progress
    brake: Brake
    now: Callable[[], float]
    """Monotonic seconds."""
    paces: Mapping[LimitOwner, Limiter]
    row_holds: Callable[[], Iterator[Wait]]
    """Why rows wait right now, but for the pace."""
    lanes: Mapping[Target, LaneName] = field(default_factory=dict)
    """The lane of each target."""
    run: str = ""
    """The run, as a shell has it."""

    def of(self, lane: LaneName | None) -> "Watched":
        """Return the same run with the paces of one lane alone, or of none."""
        paces = {budget: pace for budget, pace in self.paces.items() if budget.lane == lane}
        return replace(self, paces=paces)

    def holds(self) -> Iterator[tuple[RequestKind, Wait]]:
        """Return why requests of a kind wait right now, but for those that only keep to the rate."""
        for budget, pace in self.paces.items():
            if (wait := pace.reason()).hold is not Hold.RATE:
                yield budget.kind, wait

    def waits(self) -> Iterator[tuple[str, Wait]]:
        """Return what waits, in words, and for what."""
        yield from self.holds()
        yield from (("rows", wait) for wait in self.row_holds())

    def rates_per_s(self) -> Iterator[float]:
        """Return how fast the writes may go now, lane by lane."""
        return (pace.rate_per_s for budget, pace in self.paces.items() if budget.kind is RequestKind.WRITES)

    def changes_by_lane(self, *, left: bool) -> Counter[LaneName]:
        """Return the number of changes of each lane: of all, or of those that have not ended."""
        counts = Counter[LaneName]()
        for target, rows in self.progress.rows_by_target({Action.UPDATE}, left=left).items():
            if lane := self.lanes.get(target):
                counts[lane] += rows
        return counts

    def left_s(self) -> float:
        """Return how long the changes that have not ended take at the rates of now, in the slowest lane."""
        writes = {
            budget.lane: pace for budget, pace in self.paces.items() if budget.kind is RequestKind.WRITES
        }
        left = self.changes_by_lane(left=True)
        return max((rows / writes[lane].rate_per_s for lane, rows in left.items()), default=0.0)

    def noises(self) -> Iterator[float]:
        """Return the shares of writes that are refused whatever the rate, of the lanes where any are."""
        writes = (pace for budget, pace in self.paces.items() if budget.kind is RequestKind.WRITES)
        return (pace.pacing.noise for pace in writes if pace.pacing.noise)


class Operator(Protocol):
    """The person, or what stands in for one, who sees the plan, says yes or no, and watches the run."""

    def show_plan(self, report: Report) -> None:
        """Show what would be done."""
        ...

    def show_result(self, report: Report, ledger: Path) -> None:
        """Show how the run went."""
        ...

    def confirms(self, question: str) -> bool:
        """Ask whether to do it."""
        ...

    def watching(self, watched: Watched) -> AbstractContextManager[None]:
        """Show the run while the block runs."""
        ...

    def notify(self, message: str) -> None:
        """Show a message to whoever runs this."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a session ended, and what a person can do next."""

    ledger: Path
    endpoint: ApiAddress
    exit_code: ExitCode
    job: Job
    progress: Progress
    message: str = ""
    """Why the run stopped, where it did before its end."""
    ways_on: tuple[str, ...] = ()
    """What a person can do about stops that stand: no later session sends a new row before one lifts them."""
    wrong: tuple[Outcome, ...] = ()
    """The outcomes of rows that need a person."""
    has_window: bool = False
    """Whether the job has a window, in whose next opening the same command continues."""
    ticket: str = ""
    may_retry: bool = False
    """Whether the run has finished and left rows that may be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Facts with which a session begins, once a person, or a flag, has said yes.

    * given: the settings that a person gave to this session or to an earlier one besides the job's
    * is_first: whether the plan was made for it, and its ledger gets its name now
    * waits: whether it waits for the opening of the window
    * gathered, moved: what was gathered while the plan was made, and the rows whose service had moved before
    * decisions, notes: records to write once the answer is yes
    * on_yes: called once the answer is yes, before the session begins
    """

    given: Collection[str]
    is_first: bool = False
    waits: bool = False
    gathered: Overview | None = None
    moved: Mapping[int, ServiceState | None] = field(default_factory=dict)
    decisions: Sequence[Decision] = ()
    notes: Sequence[Note] = ()
    on_yes: Callable[[], Awaitable[None]] | None = None


async def work_on(
    ledger: LedgerFile,
    connections: Connections[Client],
    job: Job,
    start: Start,
    environment: Environment,
    operator: Operator,
) -> Ending:
    """Show the plan, ask, and work on it until it is done or something stops it."""
    progress, ended = ledger.progress, partial(_ended, ledger, job)
    judge = _judge(job, ledger, connections, environment)
    if not await _is_agreed(ledger, connections, job, start, environment, operator):
        return ended(ExitCode.STOPPED_EARLY, NOT_CONFIRMED)
    shift = shift_for(job, environment, waits=start.waits, pages=progress.pages)
    clients, brake = await _clients(progress, connections), Brake()
    waiting = Waiting(shift, ledger, brake, environment) if start.waits and shift else None
    if waiting and not start.is_first:  # of a new plan every key has just listed its services
        await _must_be_accepted(clients, environment)
    opening = opening_json(shift, environment.local_time().tzinfo or UTC) if shift else None
    await _begin(ledger, job, start, connections, clients, opening)
    if environment.announcer:
        await environment.announcer.began(ledger, job)
    context = RunContext(
        ledger=ledger,
        clients=clients,
        brake=brake,
        patience=environment.patience,
        limits=_limits(job, progress),
        drain_s=job.pace.drain_s,
        hours=hours_of(shift, environment),
        judge=judge,
    )
    if pause := decided(progress.decisions).pause:
        unpause = tell_command(ledger.path, "unpause")
        operator.notify(f"paused by {pause.who}: nothing begins before `{unpause}`")
    await _run_watched(context, waiting, ledger, connections, environment, operator, job)
    connections.keep_limits()
    operator.show_result(plan_report(ledger), ledger.path)
    return ended(exit_code(brake.reasons, progress.counts()), brake.message)


async def _is_agreed(
    ledger: LedgerFile,
    connections: Connections[Client],
    job: Job,
    start: Start,
    environment: Environment,
    operator: Operator,
) -> bool:
    """Show the plan, and return whether it may be worked on; raise Refused where it exceeds a limit."""
    progress = ledger.progress
    where = await where_asked(progress, job, connections)
    ahead = forecast_of(ledger, job, environment.local_time, begins_per_s=connections.writes_per_s)
    is_resumed = bool(progress.sessions)
    shown = plan_report(
        ledger,
        estimate=ahead.estimate,
        waves=ahead.waves.waves,
        gathered=start.gathered,
        moved=start.moved,
        left_only=is_resumed,
    )
    plan = replace(shown, asked_ticket=job.ticket, asked_where=where)
    operator.show_plan(plan)
    if ahead.findings:
        raise Refused("; ".join(ahead.findings), hint="nothing was sent")
    changes = len(progress.open) if stops_after(progress, start.decisions) else progress.unsent
    if changes:
        shift_for(job, environment, waits=start.waits, pages=progress.pages)
    await environment.clock.sleep(0)  # a signal that came meanwhile is heard before the question
    return not changes or operator.confirms(question(plan, changes - len(start.moved)))


def _judge(
    job: Job, ledger: LedgerFile, connections: Connections[Client], environment: Environment
) -> Judge | None:
    """Return the judge of a job; raise JobInvalid where it must not be asked, UsageError for its proxy."""
    if (setting := job.guards.judge) is None:
        return None
    runs = ledger.progress.run.get("runs")
    folder = Path(runs).parent if runs else None
    judge_must_be_usable(job, folder)
    return Judge(
        setting,
        folder or Path(),
        ledger,
        clock=environment.clock,
        env=environment.env,
        hide=connections.hide,
    )


async def _must_be_accepted(clients: Mapping[Target, LaneClient], environment: Environment) -> None:
    """Raise CredentialsError where a key may list nothing: at the opening nobody may be awake to see it."""
    for target, client in {client.lane: (target, client) for target, client in clients.items()}.values():
        if refusal := await refused_key(target, client.fleet, client.reads, environment.patience):
            raise CredentialsError(f"{refusal}; nothing was sent", hint="check the credentials")


async def _begin(
    ledger: LedgerFile,
    job: Job,
    start: Start,
    connections: Connections[Client],
    clients: Mapping[Target, LaneClient],
    opening: Json | None,
) -> None:
    """Write down that a session begins, and what was decided for it."""
    if start.on_yes:
        await start.on_yes()
    records: tuple[Decision | Note, ...] = (*start.decisions, *start.notes)
    for record in records:
        ledger.append(record)
    await ledger.commit(_session(ledger, job, start.given, clients, opening))
    for worker in connections.way.workers() if connections.way else ():
        ledger.append(Note(about="worker", message=worker))
    if start.is_first:
        await ledger.publish()


def ended_before(
    ledger: LedgerFile, job: Job, decisions: Sequence[Decision], environment: Environment, operator: Operator
) -> Ending | None:
    """Return how a run ends again that ended before, with its result shown; None where there is work to do.

    What has finished stays as it is on record: the services may have been changed since by others. What was
    stopped stays so where none of these decisions lifts the stop, but for what is in doubt or parked.
    """
    progress = ledger.progress
    stops = stops_after(progress, decisions)
    if not progress.finished and (not stops or _is_unsettled(progress)):
        return None
    if progress.finished:
        operator.notify(f"{ledger.path} has finished before: nothing was read or sent")
    operator.show_result(plan_report(ledger), ledger.path)
    message = "; ".join(f"{stop.why} ({moment(stop.at, environment.zone)}, stop {stop.id})" for stop in stops)
    if message:
        message += ". It stays so until a person says why it may go on; nothing was sent"
    return _ended(ledger, job, exit_code([stop.cause for stop in stops], progress.counts()), message)


def _ended(ledger: LedgerFile, job: Job, code: ExitCode, message: str) -> Ending:
    endpoint, wrong = ApiAddress(url=job.where.endpoint), wrong_outcomes(ledger.progress)
    return Ending(
        ledger=ledger.path,
        endpoint=endpoint,
        exit_code=code,
        job=job,
        progress=ledger.progress,
        message=message,
        ways_on=tuple(ways_on(ledger.progress, shlex.quote(str(ledger.path)), endpoint.flag)),
        wrong=wrong,
        has_window=job.when.calendar is not None,
        ticket=job.ticket,
        may_retry=_may_retry(ledger.progress, wrong),
    )


def _may_retry(progress: Progress, wrong: Collection[Outcome]) -> bool:
    """Return whether `--retry failed` takes rows of a run; of a rollback it does not."""
    return progress.finished and not RETRIED.isdisjoint(wrong) and not progress.run.get("takes_back")


async def _clients(progress: Progress, connections: Connections[Client]) -> dict[Target, LaneClient]:
    """Return, for each target of a run, its client with the lane and the paces that it shares."""
    clients = [await connections.client_of(target_of(json)) for json in progress.run["targets"]]
    return {
        each.target: LaneClient(
            fleet=each.client,
            lane=each.lane,
            reads=each.reads,
            writes=each.writes,
        )
        for each in clients
    }


def _session(
    ledger: LedgerFile,
    job: Job,
    given: Iterable[str],
    clients: Mapping[Target, LaneClient],
    opening: Json | None,
) -> Session:
    return Session(
        **author(),
        pid=os.getpid(),
        settings=settings_json(job),
        flags=sorted(given),
        opening=opening,
        digest=ledger.progress.digest,
        counts=_counts(ledger.progress),
        lanes=[client.lane._asdict() for client in clients.values()],
    )


async def _run_watched(
    context: RunContext,
    waiting: Waiting | None,
    ledger: LedgerFile,
    connections: Connections[Client],
    environment: Environment,
    operator: Operator,
    job: Job,
) -> None:
    """Run to the end, or until a signal, while the operator looks on."""
    brake, now = context.brake, environment.clock.monotonic
    first = waiting or Pump(context)
    connections.note = lambda message: ledger.append(Note(about="worker", message=message))
    connections.notify = lambda budget, pacing: ledger.append(_pace(budget, pacing, now()))
    watched = Watched(
        progress=ledger.progress,
        brake=brake,
        now=now,
        paces=connections.paces,
        row_holds=lambda: chain(_worker_holds(connections), attendant.holds()),  # which comes below
        lanes={target: client.lane for target, client in context.clients.items()},
        run=shlex.quote(str(ledger.path)),
    )
    attendant = Attendant(
        first,
        ledger,
        brake,
        now=now,
        wall=environment.clock.now,
        waits=watched.waits,
        own_per_s=job.pace.rate.per_s if job.pace.rate else inf,
        has_window=job.when.calendar is not None,
    )
    onlookers: list[Callable[[], object]] = [attendant]
    if environment.announcer:
        at_work = _at_work(watched, attendant, context.hours, waiting, environment)
        onlookers.append(environment.announcer.onlooker(at_work))
    with stop_signals(lambda number: _interrupt(brake, number)), operator.watching(watched):
        await _run(first, context, attendant, onlookers, ledger)


def _worker_holds(connections: Connections[Client]) -> Iterator[Wait]:
    """Yield that rows wait for a worker, where a run through workers lacks one."""
    if connections.way and (missed := connections.way.missed()):
        yield Wait(hold=Hold.WORKER, detail=missed)


def _at_work(
    watched: Watched, attendant: Attendant, hours: Hours, waiting: Waiting | None, environment: Environment
) -> RunAtWork:
    """Return what whoever announces a run may see and do."""
    return RunAtWork(
        has_waited=waiting is not None and waiting.left_s > 0,
        now=watched.now,
        waits=watched.waits,
        left_s=watched.left_s,
        window_left_s=lambda: hours.stops_at - environment.clock.now(),
        append=attendant.append,
    )


def _is_unsettled(progress: Progress) -> bool:
    """Return whether a PUT is in doubt or a service parked: a stopped run goes on for these alone."""
    return bool(progress.counts()[Outcome.IN_DOUBT]) or any(row.parked for row in progress.open.values())


def _pace(budget: LimitOwner, pacing: Pacing, now: float) -> PaceRecord:
    """Return the `pace` record of a pacing state at `now` (monotonic seconds)."""
    limit, why = believed(pacing) or (None, None)
    wait = reason(pacing, now)
    return PaceRecord(
        lane=budget.lane,
        kind=budget.kind,
        rate_per_s=round(pacing.rate_per_s, 3),
        limit=limit,
        why=why,
        noise=round(pacing.noise, 3),
        hold=wait.hold,
        left_s=round(wait.left_s, 3),
    )


async def _run(
    first: Waiting | Pump,
    context: RunContext,
    attendant: Attendant,
    onlookers: Iterable[Callable[[], object]],
    ledger: LedgerFile,
) -> None:
    run, brake = first, context.brake
    try:
        if isinstance(run, Waiting):
            await run.until_open(attendant)
            if not brake:
                run = Pump(context)  # which knows what was decided meanwhile
                attendant.attend(run)
        if isinstance(run, Pump):  # before its opening not even a parked service is brought back
            for onlooker in onlookers:
                run.on_tick(onlooker)
            await run()
    except LedgerFailed:
        raise
    except BulkError as error:
        brake.pull(BrakeReason.ABORTED, f"{error.message}; {error.hint}")
    await ledger.flush()  # so that the counts are those of all that was written
    await ledger.commit(_end(brake, ledger))


def _end(brake: Brake, ledger: LedgerFile) -> End:
    reasons = brake.reasons or (BrakeReason.FINISHED,)
    return End(
        reason=reasons[0],
        reasons=[reason.value for reason in reasons],
        ticket=ledger.progress.ticket,
        digest=ledger.progress.digest,
        counts=_counts(ledger.progress),
    )


def _counts(progress: Progress) -> dict[str, int]:
    return {outcome.value: rows for outcome, rows in progress.counts().items()}


def _limits(job: Job, progress: Progress) -> Limits:
    pace, guards = job.pace, job.guards
    return Limits(
        workers=pace.concurrency or WORKERS_MAX,
        elastic=pace.concurrency is None,
        tries=pace.attempts,
        settle_s=settle_s(job, progress),
        failures_max=failures_max(guards, progress.footprint.changes),
        waves=wave_plan(guards, progress),
        soak_s=guards.soak.seconds if guards.soak else 0.0,
        judge_within_s=guards.judge_within.seconds if guards.judge else None,
        strict=guards.strict,
    )


def _interrupt(brake: Brake, number: Signals) -> None:
    reason = BrakeReason.INTERRUPTED if number == SIGINT else BrakeReason.TERMINATED
    brake.pull(reason, f"{number.name}: nothing new was sent, requests in flight were waited for")
