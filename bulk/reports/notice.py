"""What somebody is notified of: one line that says what happened, and the command to type next."""

import shlex
from collections.abc import Mapping

from bulk.errors import ExitCode
from bulk.ledger.progress import Progress
from bulk.ledger.records import Json
from bulk.ledger.stops import BrakeReason, exit_code
from bulk.model import Outcome
from bulk.reports.remarks import reasons_of
from bulk.reports.stopped import ways_on, wrong_outcomes
from bulk.reports.words import tallied
from bulk.text import printable

NEEDS_PERSON = frozenset(
    {
        ExitCode.CANNOT_RUN,
        ExitCode.USAGE,
        ExitCode.INVALID,
        ExitCode.SOME_FAILED,
        ExitCode.SAFETY_LIMIT,
        ExitCode.REFUSED,
    }
)
GOES_ON = frozenset({ExitCode.STOPPED_EARLY, ExitCode.WINDOW_ENDED, ExitCode.IN_DOUBT})
"""The same command goes on: a person is needed only where it gets nowhere."""
IDLE_SESSIONS = 3
"""After so many sessions in a row that ended so with no row done, and after as many again."""
_NOT_DONE = frozenset({Outcome.IN_DOUBT, Outcome.NOT_ATTEMPTED})
_LINE_CHARS_MAX = 1_000


def needs_person(code: ExitCode, progress: Progress) -> bool:
    """Return whether somebody must act on a session that ended with this exit code."""
    idle = idle_sessions(progress)
    return code in NEEDS_PERSON or (code in GOES_ON and idle > 0 and idle % IDLE_SESSIONS == 0)


def idle_sessions(progress: Progress) -> int:
    """Return how many of the last sessions, in a row, are to go on and have done no row."""
    idle, until = 0, float("inf")
    for session in reversed(progress.sessions):
        end = next((end for end in progress.ends if session["n"] < end["n"] < until), None)
        if (
            end is None
            or _code_of(end) not in GOES_ON
            or _done(session.get("counts", {})) < _done(end["counts"])
        ):
            break
        idle, until = idle + 1, session["n"]
    return idle


def _code_of(end: Json) -> ExitCode:
    reasons = [reason for reason in reasons_of(end) if reason is not BrakeReason.FINISHED]
    return exit_code(reasons, {outcome: end["counts"].get(outcome, 0) for outcome in Outcome})


def _done(counts: Mapping[str, int]) -> int:
    return sum(rows for outcome, rows in counts.items() if outcome not in _NOT_DONE)


def notice(*parts: str, command: str, job: str, ticket: str = "", host: str = "", at: str = "") -> str:
    """Return a message: a line of these parts about a job, and the command to type next.

    `at` is the time of what it says, since messages may arrive late or in another order.
    """
    where = " ".join(word for text, name in (("on", host), ("at", at)) if name for word in (text, name))
    about = " ".join(filter(None, ("bulk:", job, f"({ticket})" if ticket else "", where)))
    line = printable(f"{about}: {'; '.join(filter(None, parts))}")
    return f"{line[:_LINE_CHARS_MAX]}\n{printable(command)}"


def end_parts(code: ExitCode, progress: Progress, message: str) -> tuple[str, ...]:
    """Return what is said of a session that ended: why, and in figures how its run stands."""
    words = {
        ExitCode.OK: "finished, every row is as asked",
        ExitCode.SOME_FAILED: "finished, some rows are not as asked",
        ExitCode.IN_DOUBT: "rows in doubt remain",
    }
    idle = idle_sessions(progress) if code in GOES_ON else 0
    nowhere = f"the last {idle} sessions have done no row" if idle >= IDLE_SESSIONS else ""
    why = f"stopped: {message}" if message else words.get(code, "stopped early")
    return f"{why} (exit code {code.value})", nowhere, tallied(progress.counts())


def next_command(code: ExitCode, progress: Progress, ledger: str, *, flag: str, resume: str) -> str:
    """Return the command to type after a session: look at what is wrong, lift a stop, or go on.

    `ledger` is the ledger's path, `flag` names the API where a person has to, `resume` continues the run.
    """
    path = shlex.quote(ledger)
    if way := next(ways_on(progress, path, flag), ""):
        return way.partition(": ")[2]
    wrong = wrong_outcomes(progress)
    if wrong and code in NEEDS_PERSON:
        return f"bulk report {path} --only {','.join(wrong)} --output csv"
    if code in {ExitCode.OK, ExitCode.SOME_FAILED, ExitCode.REFUSED}:
        return f"bulk report {path}"
    return resume


def command_after(code: ExitCode, verb: str, argument: str) -> str:
    """Return the command to type where no session began: it shows what is wrong, or tries again."""
    argument = shlex.quote(argument)
    match code:
        case ExitCode.INVALID:
            return f"bulk check {argument}"
        case ExitCode.REFUSED if verb == "apply":
            return f"bulk plan {argument}"
        case ExitCode.SAFETY_LIMIT:
            return f"bulk status {argument}"
        case ExitCode.USAGE:
            return f"bulk {verb} --help"
        case _:
            return f"bulk {verb} {argument}"
