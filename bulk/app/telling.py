"""Commands to a run at work: one line in a file beside its ledger, answered by a record of the ledger."""

import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from bulk.app.environment import Environment, author
from bulk.app.finding import rollback_of
from bulk.app.jobs import job_of_ledger
from bulk.errors import ExitCode, Refused, UsageError
from bulk.ledger.command_file import Answers, add, beside, waiting
from bulk.ledger.commands import (
    ANSWERS_MAX,
    RATE_PER_S_MAX,
    RATE_PER_S_MIN,
    WAVE_MAX,
    Command,
    may_wait,
    objection,
)
from bulk.ledger.decisions import Decided, decided
from bulk.ledger.file import is_live, state
from bulk.ledger.progress import Progress
from bulk.ledger.records import Decision, DecisionKind
from bulk.ledger.run_waves import unsure_ruling
from bulk.reports.remarks import pause_text, rate_text, stop_text
from bulk.reports.report import session_summaries
from bulk.settings.forms import RATE
from bulk.settings.quantities import Rate

ANSWER_S, LOOK_S = 10.0, 0.1
"""How long the answer is waited for, and how often it is looked for."""
ID_DIGITS = 8
"""Hexadecimal digits of a command's id, two more than those of a stop by a limit: no two are the same."""
WORDS = "pause, unpause, stop, rate 5/s, rate auto or go WAVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What came of a command."""

    exit_code: ExitCode
    message: str
    id: str
    decision: Decision | None = None
    """The answer of the run, where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person says."""

    what: DecisionKind
    rate_per_s: float = inf
    wave: int | None = None


def tell_command(ledger: Path, *words: str) -> str:
    """Return the command that says these words to the run of a ledger, as a shell takes it."""
    return shlex.join(["bulk", "tell", str(ledger), *words])


def asked(words: tuple[str, ...]) -> Asked:
    """Return what these words ask; raise UsageError where they are no command."""
    match words:
        case ("pause" | "unpause" | "stop" as what,):
            return Asked(what=DecisionKind(what))
        case ("rate", figure) if isinstance(rate := RATE.read(figure), Rate | None):
            per_s = rate.per_s if rate else inf
            if per_s == inf or RATE_PER_S_MIN <= per_s <= RATE_PER_S_MAX:
                return Asked(what=DecisionKind.RATE, rate_per_s=per_s)
        case ("go", figure) if re.fullmatch(r"[0-9]{1,5}", figure) and int(figure) <= WAVE_MAX:
            return Asked(what=DecisionKind.WAVE, wave=int(figure))
    raise UsageError(f"{shlex.join(words)!r} is no command to a run", hint=f"write {WORDS}")


def in_force(path: Path, environment: Environment) -> Iterator[str]:
    """Yield what persons and limits have said of a run that is in force, and what it has not heard yet."""
    progress, _ = state(path, every_byte=False)
    known, zone = decided(progress.decisions), environment.zone
    if known.pause:
        yield pause_text(known.pause, zone)
    if known.rate:
        yield rate_text(known.rate, zone)
    for stop in known.stops:
        yield stop_text(stop, zone)
    unsure = unsure_ruling(progress) if _is_at_work(path, progress) else None
    if unsure:
        ruling, _ = unsure
        words = f" ({ruling.reason})" if ruling.reason else ""
        go = tell_command(path, "go", str(ruling.wave))
        yield f"the judge is unsure of wave {ruling.wave}{words}; to let the run go on: {go}"
    if not (known.pause or known.rate or known.stops or unsure):
        yield "nothing is in force but the settings of the job"
    for command in waiting(path):
        if command.id not in known.ids:
            yield f"not answered yet: {command.words} by {command.user} on {command.host}"


async def tell(path: Path, asks: Asked, because: str, environment: Environment) -> CommandResult:
    """Return what a run answers to a command, or that it is kept; raise Refused where it cannot be taken."""
    progress, _ = state(path, every_byte=False)
    known = decided(progress.decisions)
    _must_be_open(path, progress, known)
    is_at_work = _is_at_work(path, progress)
    command = Command(
        id=_new_id(known.ids | {each.id for each in waiting(path)}, environment.dice.random()),
        what=asks.what,
        session=progress.begun + (not is_at_work),
        **author(),
        reason=because,
        rate_per_s=asks.rate_per_s,
        wave=asks.wave,
    )
    job, address = job_of_ledger(progress, {})
    own_per_s = job.pace.rate.per_s if job.pace.rate else inf
    if why := objection(command, known, session=command.session, own_per_s=own_per_s, awaits_go=command.wave):
        raise Refused(
            f"{why}; nothing was written", hint="write a lower one, or `rate auto` for the job's own"
        )
    if not is_at_work and not may_wait(command, known, own_per_s=own_per_s):
        raise Refused(
            f"no session is at work on {path}, so nobody would hear {command.words!r}; nothing was written",
            hint=f"nothing is sent now; begin a session with `{address.apply_command(path)}`, then repeat it",
        )
    answers = Answers(path)
    add(path, command)
    if not is_at_work:
        return CommandResult(
            exit_code=ExitCode.STOPPED_EARLY,
            message=f"no session is at work: kept for the next one: {command.words}",
            id=command.id,
        )
    return await _answered(path, command, answers, environment)


def _new_id(taken: Collection[str], roll: float) -> str:
    """Return an id that no command and no decision of a run has; `roll` is from 0 to 1, 1 excluded."""
    number = int(roll * 16**ID_DIGITS)
    while (named := f"{number:0{ID_DIGITS}x}") in taken:
        number = (number + 1) % 16**ID_DIGITS
    return named


async def _answered(
    path: Path, command: Command, answers: Answers, environment: Environment
) -> CommandResult:
    until = environment.clock.monotonic() + ANSWER_S
    while environment.clock.monotonic() < until:
        found = next((each for each in answers.new() if each.id == command.id), None)
        if found is None:
            await environment.clock.sleep(LOOK_S)
        elif found.what == DecisionKind.DECLINED:
            return CommandResult(
                exit_code=ExitCode.REFUSED, message=f"declined: {found.reason}", id=command.id, decision=found
            )
        else:
            return CommandResult(
                exit_code=ExitCode.OK, message=f"in force: {command.words}", id=command.id, decision=found
            )
    message = f"no answer within {ANSWER_S:g} s: {command.words} is kept in {beside(path)}"
    return CommandResult(exit_code=ExitCode.STOPPED_EARLY, message=message, id=command.id)


def _must_be_open(path: Path, progress: Progress, known: Decided) -> None:
    """Raise Refused where no session will ever work on a run, or none takes commands any more."""
    why = ""
    if not progress.planned:
        why = "its plan was never finished"
    elif progress.finished:
        why = "it has finished"
    elif known.left:
        why = f"it was left for good by {known.left}"
    elif rollback := rollback_of(path, progress):
        why = f"it was rolled back by {rollback}"
    elif len(progress.decisions) >= ANSWERS_MAX:
        why = f"{ANSWERS_MAX:,} decisions are on record, and it takes no more"
    if why:
        status = shlex.join(["bulk", "status", str(path)])
        raise Refused(
            f"nobody works on {path} any more: {why}; nothing was written",
            hint=f"see `{status}`",
        )


def _is_at_work(path: Path, progress: Progress) -> bool:
    """Return whether a session has begun and not ended; one that still asks for a yes has not begun."""
    return bool(progress.sessions) and not session_summaries(progress)[-1].ended_at and is_live(path)
