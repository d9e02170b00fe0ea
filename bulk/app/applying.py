"""Applying: continue the open run of a source, begin a new one, or run exactly a saved plan."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bulk.app.approving import ledger_must_be_approved, must_be_approved
from bulk.app.continuing import next_session, without_variables
from bulk.app.environment import Environment
from bulk.app.finding import FoundRuns, find_runs, must_be_free, rollback_of, stopped_runs
from bulk.app.fleets import open_fleets
from bulk.app.jobs import Flags
from bulk.app.lacking import lacking, must_have_metrics
from bulk.app.ledgers import must_name_its_targets
from bulk.app.opening import shift_for
from bulk.app.overruling import Despite, Leaving, leaving, lifting
from bulk.app.planning import new_plan
from bulk.app.session import Ending, Start, ended_before, work_on
from bulk.app.sources import ApiAddress, JobRuns, R, UnreadSource
from bulk.app.taking_back import mark_rolled_back
from bulk.app.watched import Operator
from bulk.errors import LedgerDamaged, Refused
from bulk.jobfile.files import ledger_path
from bulk.ledger.file import LedgerFile, OnRecord, only_run, only_run_of
from bulk.ledger.progress import Progress
from bulk.ledger.records import rows_sha256_of
from bulk.pacing.learned_limits import state_folder
from bulk.settings import Job
from bulk.vpcep.client import Client


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """What a person asks for besides the rows and the settings, and what is needed to carry it out.

    * on_record: gets each record of the ledger once it is durable
    * expect_digest: the hex digits with which the digest of the plan has to begin; empty for any
    * despite: the stops of an open run that it lifts
    * waits: whether it waits for the opening of the window
    """

    environment: Environment
    operator: Operator
    on_record: OnRecord
    expect_digest: str = ""
    despite: Sequence[Despite] = ()
    waits: bool = False


async def apply_from(
    source: UnreadSource[R],
    flags: Flags,
    asked: ApplyRequest,
    *,
    new_run: bool = False,
    ledger: Path | None = None,
) -> Ending:
    """Continue the open run of this source, whose rows are not read then; or plan, show, ask and run.

    `new_run` leaves an open run for good; `ledger` is where the run is recorded, if not in its folder.
    Raises Refused where the open run was planned from something else, LedgerBusy where it is at work, Stopped
    where a stop stands, WindowClosed where nothing may be sent now.
    """
    with only_run(source.runs.folder, source.runs.lock, ledger):
        found = _found(source, ledger, asked.environment, is_left=new_run)
        if found.latest and found.is_open and not new_run:
            for other in found.others:
                asked.operator.notify(
                    f"{other} is an open run of this job as well, an earlier one by its stamp"
                )
            return await apply_ledger(found.latest, flags, asked, source=source)
        shift_for(source.job, asked.environment, waits=asked.waits)
        now, others = asked.environment.clock.now(), filter(None, [ledger])
        stopped = stopped_runs(source.runs, now, *others, is_same=source.whole.is_of)
        words = " to --new-run" if new_run else " --new-run"
        return await _begin(source, ledger, leaving(stopped, asked.despite, words, found.open), asked)


async def _begin(source: UnreadSource[R], ledger: Path | None, left: Leaving, asked: ApplyRequest) -> Ending:
    """Plan a source into a new ledger, show the plan, ask, and run it; `left` are the runs left for it."""
    _must_not_lack(source.job, asked)
    environment, whole = asked.environment, source.whole
    path = ledger or ledger_path(source.runs.folder, source.name, environment.utc())
    with _alone(whole.rows_sha256 or whole.sha256, whole.endpoint, environment):
        planning = new_plan(Client, whole, path, environment, asked.on_record)
        async with planning as (plan, connections, gathered):
            must_be_approved(plan.progress.digest, asked.expect_digest)
            start = Start(
                given=source.given,
                is_first=True,
                waits=asked.waits,
                gathered=gathered,
                moved=whole.moved,
                decisions=left.decisions,
                on_yes=partial(_put_on_record, plan, left, source, asked),
            )
            return await work_on(plan, connections, source.job, start, environment, asked.operator)


def _must_not_lack(job: Job, asked: ApplyRequest) -> None:
    """Raise UsageError where this machine lacks what a job cannot do without; name what else it lacks."""
    must_have_metrics(job)
    for words in lacking(job, asked.environment.env):
        asked.operator.notify(words)


def _doubtful(found: FoundRuns, source: UnreadSource[R], environment: Environment) -> Refused:
    """Return the refusal of a job with an open run and a finished one that is later by its stamp.

    Where a clock was wrong, or a run was begun beside an open one, only a person knows which was the last.
    """
    names = ", ".join(map(str, found.others))
    unset, command = without_variables((), environment.env), source.endpoint.apply_command
    ways = ", ".join(f"`{unset}{command(path)}`" for path in found.others)
    return Refused(
        f"{names} is open, and {found.latest} has finished and is later by its stamp; nothing was sent",
        hint=f"if the open one is the later one, go on with it with {ways}{source.way_out}",
    )


async def _put_on_record(
    ledger: LedgerFile,
    left: Leaving | None,
    source: UnreadSource[R] | None,
    asked: ApplyRequest,
) -> None:
    """Write down in the ledgers of other runs what becomes of them as a session begins on this one."""
    if source:
        source.release()
    await mark_rolled_back(ledger, asked.environment, asked.operator.notify)
    if left:
        await left.on_yes(asked.environment, asked.operator.notify)


def _alone(rows_sha256: str, endpoint: ApiAddress, environment: Environment) -> AbstractContextManager[None]:
    """Return the lock against other runs of the same rows; each folder's simulator is an API of its own."""
    where = f"{endpoint.url} {endpoint.fleet}"
    return only_run_of(rows_sha256, where, state_folder(environment.env, environment.home))


def _found(
    source: UnreadSource[R], ledger: Path | None, environment: Environment, *, is_left: bool
) -> FoundRuns:
    """Return the runs of a source; a damaged ledger stands in the way only of going on with it."""
    try:
        found = find_runs(source.runs, environment.clock.now(), ledger, by_ends_only=is_left)
    except LedgerDamaged as damaged:
        if ledger:
            way_out = ", or name another file with --ledger"
        else:
            way_out = source.way_out or ", or move it to another folder, and run the same command"
        raise LedgerDamaged(damaged.message, hint=f"restore it from a copy{way_out}") from damaged
    if found.is_doubtful and not is_left:
        raise _doubtful(found, source, environment)
    if found.rollback and not found.is_open and not is_left:
        must_be_free(found.rollback)
        raise Refused(
            f"{found.rollback}, the rollback of {found.latest}, has not finished; nothing was sent",
            hint=f"finish it with `{source.endpoint.apply_command(found.rollback)}`"
            + (", or make the changes after all with --new-run" if source.way_out else ""),
        )
    return found


async def apply_ledger(
    path: Path, flags: Flags, asked: ApplyRequest, *, source: UnreadSource[R] | None = None
) -> Ending:
    """Run exactly a saved plan, or continue a run, from its ledger and nothing else.

    `source` is what the run is found by, if it is not named. Raises Refused where that has changed.
    """
    environment, operator, despite = asked.environment, asked.operator, asked.despite
    async with LedgerFile.open(path, now=environment.clock.now, on_record=asked.on_record) as ledger:
        must_name_its_targets(ledger)
        progress = ledger.progress
        _must_not_be_rolled_back(path, progress)
        session = next_session(ledger, flags, source, environment.env, despite=despite)
        left = _left_for(ledger, despite, environment)
        decisions = left.decisions if left else lifting(progress, session.job, despite, environment.zone)
        if source:
            operator.notify(f"continuing with {path}")
        if ended := ended_before(ledger, session.job, decisions, environment, operator):
            return ended
        if session.refusal:
            raise session.refusal
        _must_not_lack(session.job, asked)
        shift_for(session.job, environment, waits=asked.waits)
        for note in session.notes:
            operator.notify(f"taken from here on: {note.message}")
        with _alone(rows_sha256_of(progress.run), session.endpoint, environment):
            async with open_fleets(Client, session.job, session.endpoint, environment) as connections:
                await ledger_must_be_approved(ledger, asked.expect_digest, session.approved, connections)
                start = Start(
                    given=session.given,
                    waits=asked.waits,
                    decisions=decisions,
                    notes=session.notes,
                    on_yes=partial(_put_on_record, ledger, left, source, asked),
                )
                return await work_on(ledger, connections, session.job, start, environment, operator)


def _must_not_be_rolled_back(path: Path, progress: Progress) -> None:
    """Raise Refused where an open run is taken back: what it goes on with would be in force again."""
    if progress.begun and not progress.finished and (rollback := rollback_of(path, progress)):
        raise Refused(
            f"{path} was rolled back by {rollback}; nothing was sent",
            hint="to make the changes after all, apply the job with --new-run",
        )


def _left_for(plan: LedgerFile, despite: Sequence[Despite], environment: Environment) -> Leaving | None:
    """Return the leaving of the job's stopped runs for a plan that never ran; None for a plan that has."""
    run = plan.progress.run
    if plan.progress.begun:
        return None
    stopped = {}
    if folder := run.get("runs"):
        runs = JobRuns(folder=Path(folder), job=run["job"], file=run.get("file", ""))
        stopped = stopped_runs(runs, environment.clock.now(), plan.path)
    return leaving(stopped, despite, "")
