"""Going on with a run that has begun: from the same rows, and under the settings that it began with."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bulk.app.jobs import Flags, given_in, job_of_ledger
from bulk.app.overruling import Despite
from bulk.app.sources import ApiAddress, R, UnreadSource
from bulk.errors import Refused
from bulk.ledger.edits import Edits, edits
from bulk.ledger.file import LedgerReader
from bulk.ledger.records import Note, target_of
from bulk.model import Target
from bulk.settings import SIMULATOR, Job, flag_of, values_of, variable_of, with_values
from bulk.vpcep.regions import parse_endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSession:
    """The settings of the next session on a ledger.

    * job, endpoint: what it works with
    * given: the settings that were given as flags or variables, now or before
    * approved: what the plan was approved with; a person may have allowed more failures since
    * notes: what is taken that the last session did not have
    * refusal: why it must not begin, where guards or where the rows are sent are not what they were
    """

    job: Job
    endpoint: ApiAddress
    given: frozenset[str]
    approved: Job
    notes: tuple[Note, ...] = ()
    refusal: Refused | None = None


def next_session(
    ledger: LedgerReader,
    flags: Flags,
    source: UnreadSource[R] | None,
    env: Mapping[str, str],
    *,
    despite: Sequence[Despite] = (),
) -> NextSession:
    """Return the settings of the next session on a ledger; those of a plan that never ran may be any.

    `source` is what the run was planned from, None where only the ledger was named; `flags` are those of the
    command, and those that are variables stand in `env` as well. A person who lifts a stop, by
    `despite`, may allow more failures. Raises Refused where the rows are not those of the run.
    """
    progress, given = ledger.progress, given_in(flags)
    if not progress.begun:
        job, endpoint = _first_of_a_plan(ledger, flags)
        return NextSession(job=job, endpoint=endpoint, given=given, approved=job)
    began, _ = job_of_ledger(progress, {}, at_first=True)
    in_force, endpoint_in_force = job_of_ledger(progress, {})
    before = frozenset(progress.sessions[-1].get("flags", ()))
    if source:
        asked = _with_flags(source.job, in_force, before - given)
    else:
        asked, _ = job_of_ledger(progress, flags)
    is_moved = asked.where.target not in (in_force.where.target, began.where.target)
    elsewhere = frozenset(_elsewhere(ledger, asked, source, is_moved=is_moved))
    is_lifting = bool(despite)
    found = edits(asked, in_force, began, progress.footprint, elsewhere=elsewhere, may_fail_more=is_lifting)
    lifting = _lifting(despite, found.job, in_force)
    command = f"`{without_variables(found.kept, env)}{endpoint_in_force.apply_command(ledger.path)}{lifting}`"
    if source:
        _must_be_of(source, ledger, command)
    _, endpoint = job_of_ledger(progress, {"endpoint": found.job.where.endpoint})
    notes = (Note(about="settings", message="; ".join(map(str, found.taken))),) if found.taken else ()
    refusal = _refusal(source, ledger, found, command) if found.refused else None
    given |= before
    return NextSession(
        job=found.job, endpoint=endpoint, given=given, approved=began, notes=notes, refusal=refusal
    )


def _with_flags(job: Job, in_force: Job, flags: Collection[str]) -> Job:
    """Return a job with these settings as in force, unless it has a value of its own.

    What was given as a flag holds also where the next command leaves it out.
    """
    values, unset = values_of(in_force), values_of(Job(rows=job.rows))
    has_none = {name for name, value in values_of(job).items() if value == unset[name]}
    return with_values(job, {name: values[name] for name in has_none.intersection(flags)})


def _lifting(despite: Sequence[Despite], job: Job, in_force: Job) -> str:
    """Return the flags that a command must not lose: those that lift stops and allow more failures."""
    words = [word for each in despite for word in ("--despite", f"{each.id}:{each.reason}")]
    if job.guards.max_failures != in_force.guards.max_failures:
        words += ["--max-failures", str(job.guards.max_failures)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def without_variables(settings: Iterable[str], env: Mapping[str, str]) -> str:
    """Return the prefix `env -u … ` of a command on a ledger that must not heed these settings' variables.

    Nor may it heed that of `--limit`, which a ledger is not combined with. Empty where none is set.
    """
    names = (variable_of(flag_of(setting)) for setting in (*settings, "limit"))
    variables = sorted(name for name in names if name in env)
    return " ".join(("env", *(f"-u {name}" for name in variables), "")) if variables else ""


def _must_be_of(source: UnreadSource[R], ledger: LedgerReader, command: str) -> None:
    """Raise Refused where an open run was planned from something else than the source is now."""
    run = ledger.progress.run
    is_same_limit = source.only == tuple(run["options"].get("limit", ()))
    if run["job_sha256"] != source.sha256 or not is_same_limit:
        what = source.origin if is_same_limit else "--limit"
        raise Refused(
            f"{source.name}: {what} is not the same as when {ledger.path} began; nothing was sent",
            hint=f"finish that run with {command}{source.way_out}",
        )


def _refusal(source: UnreadSource[R] | None, ledger: LedgerReader, found: Edits, command: str) -> Refused:
    """Return the refusal that names each setting which a run does not give up, and the ways out."""
    way_out = source.way_out if source else ", or leave it as it is and apply its job with --new-run"
    return Refused(
        f"{ledger.path} began with other settings ({'; '.join(map(str, found.refused))}); nothing was sent",
        hint=f"continue it as it began with {command}{way_out}",
    )


def _elsewhere(
    ledger: LedgerReader, asked: Job, source: UnreadSource[R] | None, *, is_moved: bool
) -> Iterator[str]:
    """Yield the settings that lead elsewhere than the plan; those of a target only where it `is_moved`."""
    run, url = ledger.progress.run, asked.where.endpoint
    hosts = {target["host"] for target in run["targets"] if "host" in target}  # format 2 named none
    if url == SIMULATOR:
        yield from ("endpoint", "simulator")
    elif hosts and (not url or hosts != {parse_endpoint(url).authority}):
        yield "endpoint"
    if is_moved and source:
        rows = source.whole.targets()
        is_planned = ledger.progress.is_planned  # rows that were added since are refused as such
        yield from _differing((target, ledger.change(row).target) for row, target in rows if is_planned(row))
    elif is_moved:
        yield from _differing((asked.where.target, target_of(json)) for json in run["targets"])


def _first_of_a_plan(plan: LedgerReader, flags: Flags) -> tuple[Job, ApiAddress]:
    """Return what the first session on a saved plan works with.

    Raises Refused where that is another target, or another key, than it was planned for.
    """
    asked, endpoint = job_of_ledger(plan.progress, flags)
    planned, _ = job_of_ledger(plan.progress, {})
    target, is_same = asked.where.target, asked.where.target == planned.where.target
    targets = () if is_same else map(target_of, plan.progress.run["targets"])
    if moved := dict.fromkeys(_differing((target, each) for each in targets)):
        names = ", ".join(map(flag_of, moved))
        raise Refused(
            f"{plan.path} was planned for another {', '.join(moved)}; nothing was sent",
            hint=f"leave out {names}, also as a variable, or plan the job anew with it",
        )
    return asked, endpoint


def _differing(pairs: Iterator[tuple[Target, Target]]) -> Iterator[str]:
    """Yield the members in which any two targets of a pair differ."""
    for asked, planned in pairs:
        yield from (name for name in Target._fields if getattr(asked, name) != getattr(planned, name))
