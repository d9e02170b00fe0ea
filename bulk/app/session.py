"""One session on a plan: shown, confirmed, guarded, run, and summed up in an exit code."""

import os
import shlex
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from itertools import chain
from math import inf
from pathlib import Path
from signal import SIGINT, Signals

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
from bulk.app.watched import Operator, Watched
from bulk.errors import BulkError, CredentialsError, ExitCode, LedgerFailed, Refused
from bulk.ledger.decisions import decided
from bulk.ledger.file import LedgerFile
from bulk.ledger.progress import Progress
from bulk.ledger.records import Decision, End, Note, PaceRecord, Session, target_of
from bulk.ledger.run_waves import wave_plan
from bulk.ledger.stated_opening import opening_json
from bulk.ledger.stops import BrakeReason, exit_code
from bulk.model import Hold, Outcome, ServiceState, Target, Wait
from bulk.pacing import Pacing, believed, reason
from bulk.pacing.learned_limits import LimitOwner
from bulk.plan.guards import failures_max
from bulk.plan.openings import Shift
from bulk.reports.headline import question
from bulk.reports.overview import Overview
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
    return await _Work(ledger, connections, job, start, environment, operator).carry_out()


@dataclass(frozen=True, slots=True)
class _Work:
    """One session on the plan of a ledger, and what it works with."""

    ledger: LedgerFile
    connections: Connections[Client]
    job: Job
    start: Start
    environment: Environment
    operator: Operator

    async def carry_out(self) -> Ending:
        """Show the plan, ask, work on it, and return how that ended."""
        ledger, environment, start, progress = self.ledger, self.environment, self.start, self.ledger.progress
        judge = self._judge()
        if not await self._is_agreed():
            return _ended(ledger, self.job, ExitCode.STOPPED_EARLY, NOT_CONFIRMED)
        shift = shift_for(self.job, environment, waits=start.waits, pages=progress.pages)
        clients, brake = await self._clients(), Brake()
        waiting = Waiting(shift, ledger, brake, environment) if start.waits and shift else None
        if waiting and not start.is_first:  # of a new plan every key has just listed its services
            await _must_be_accepted(clients, environment)
        await self._begin(clients, shift)
        context = RunContext(
            ledger=ledger,
            clients=clients,
            brake=brake,
            patience=environment.patience,
            limits=_limits(self.job, progress),
            drain_s=self.job.pace.drain_s,
            hours=hours_of(shift, environment),
            judge=judge,
        )
        if pause := decided(progress.decisions).pause:
            unpause = tell_command(ledger.path, "unpause")
            self.operator.notify(f"paused by {pause.who}: nothing begins before `{unpause}`")
        await self._run_watched(context, waiting)
        self.connections.keep_limits()
        self.operator.show_result(plan_report(ledger), ledger.path)
        return _ended(ledger, self.job, exit_code(brake.reasons, progress.counts()), brake.message)

    def _judge(self) -> Judge | None:
        """Return the judge; raise JobInvalid where it must not be asked, UsageError for its proxy."""
        if (setting := self.job.guards.judge) is None:
            return None
        runs = self.ledger.progress.run.get("runs")
        folder = Path(runs).parent if runs else None
        judge_must_be_usable(self.job, folder)
        environment = self.environment
        return Judge(
            setting,
            folder or Path(),
            self.ledger,
            clock=environment.clock,
            env=environment.env,
            hide=self.connections.hide,
        )

    async def _is_agreed(self) -> bool:
        """Show the plan, and return whether it may be worked on; raise Refused where it exceeds a limit."""
        ledger, job, start, environment = self.ledger, self.job, self.start, self.environment
        progress, begins_per_s = ledger.progress, self.connections.writes_per_s
        where = await where_asked(progress, job, self.connections)
        ahead = forecast_of(ledger, job, environment.local_time, begins_per_s=begins_per_s)
        shown = plan_report(
            ledger,
            estimate=ahead.estimate,
            waves=ahead.waves.waves,
            gathered=start.gathered,
            moved=start.moved,
            left_only=bool(progress.sessions),
        )
        plan = replace(shown, asked_ticket=job.ticket, asked_where=where)
        self.operator.show_plan(plan)
        if ahead.findings:
            raise Refused("; ".join(ahead.findings), hint="nothing was sent")
        changes = len(progress.open) if stops_after(progress, start.decisions) else progress.unsent
        if changes:
            shift_for(job, environment, waits=start.waits, pages=progress.pages)
        await environment.clock.sleep(0)  # a signal that came meanwhile is heard before the question
        return not changes or self.operator.confirms(question(plan, changes - len(start.moved)))

    async def _clients(self) -> dict[Target, LaneClient]:
        """Return, for each target of the run, its client with the lane and the paces that it shares."""
        targets = map(target_of, self.ledger.progress.run["targets"])
        clients = [await self.connections.client_of(target) for target in targets]
        return {
            each.target: LaneClient(fleet=each.client, lane=each.lane, reads=each.reads, writes=each.writes)
            for each in clients
        }

    async def _begin(self, clients: Mapping[Target, LaneClient], shift: Shift | None) -> None:
        """Write down that a session begins, and what was decided for it."""
        ledger, start, environment = self.ledger, self.start, self.environment
        if start.on_yes:
            await start.on_yes()
        records: tuple[Decision | Note, ...] = (*start.decisions, *start.notes)
        for record in records:
            ledger.append(record)
        session = Session(
            **author(),
            pid=os.getpid(),
            settings=settings_json(self.job),
            flags=sorted(start.given),
            opening=opening_json(shift, environment.local_time().tzinfo or UTC) if shift else None,
            digest=ledger.progress.digest,
            counts=_counts(ledger.progress),
            lanes=[client.lane._asdict() for client in clients.values()],
        )
        await ledger.commit(session)
        for worker in self.connections.way.workers() if self.connections.way else ():
            ledger.append(Note(about="worker", message=worker))
        if start.is_first:
            await ledger.publish()
        if environment.announcer:
            await environment.announcer.began(ledger, self.job)

    async def _run_watched(self, context: RunContext, waiting: Waiting | None) -> None:
        """Run to the end, or until a signal, while the operator looks on."""
        ledger, connections, environment = self.ledger, self.connections, self.environment
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
            own_per_s=self.job.pace.rate.per_s if self.job.pace.rate else inf,
            has_window=self.job.when.calendar is not None,
        )
        onlookers: list[Callable[[], object]] = [attendant]
        if environment.announcer:
            at_work = _at_work(watched, attendant, context.hours, waiting, environment)
            onlookers.append(environment.announcer.onlooker(at_work))
        with stop_signals(lambda number: _interrupt(brake, number)), self.operator.watching(watched):
            await _run(first, context, attendant, onlookers, ledger)


async def _must_be_accepted(clients: Mapping[Target, LaneClient], environment: Environment) -> None:
    """Raise CredentialsError where a key may list nothing: at the opening nobody may be awake to see it."""
    for target, client in {client.lane: (target, client) for target, client in clients.items()}.values():
        if refusal := await refused_key(target, client.fleet, client.reads, environment.patience):
            raise CredentialsError(f"{refusal}; nothing was sent", hint="check the credentials")


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


def _worker_holds(connections: Connections[Client]) -> Iterator[Wait]:
    """Yield that rows wait for a worker, where a run through workers lacks one."""
    if connections.way and (missed := connections.way.missed()):
        yield Wait(hold=Hold.WORKER, detail=missed)


def _at_work(
    watched: Watched, attendant: Attendant, hours: Hours, waiting: Waiting | None, environment: Environment
) -> RunAtWork:
    """Return the run as its announcer sees it."""
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
