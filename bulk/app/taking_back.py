"""What a rollback puts on record in the run that it takes back, before its first PUT.

Any later command on that run has to know: going on with it would make the changes again.
"""

import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bulk.app.environment import Environment, author
from bulk.app.overruling import put_on_record
from bulk.errors import CannotRun, LedgerFailed, Refused, UsageError
from bulk.ledger.decisions import decided
from bulk.ledger.ends import head_of
from bulk.ledger.file import LedgerFile
from bulk.ledger.progress import Progress
from bulk.ledger.records import DecidedBy, Decision, DecisionKind, Json, Note
from bulk.text import counted


async def mark_rolled_back(
    rollback: LedgerFile, environment: Environment, notify: Callable[[str], None]
) -> None:
    """Put on record in the run that this ledger takes back, if it takes one back, that it does.

    A ledger that is elsewhere or cannot be written does not stand in the way of a rollback: this is noted.
    Raises LedgerBusy where that run is at work, and Refused where it went on after the rollback was planned.
    """
    taken = rollback.progress.run.get("takes_back")
    if not taken:
        return
    path = _found(taken, beside=rollback.path)
    try:
        await put_on_record(path, environment, partial(_decisions, rollback, taken))
    except LedgerFailed:
        raise
    except (CannotRun, UsageError) as error:
        message = f"{error.message}; it is not on record there that it is rolled back: do not go on with it"
        rollback.append(Note(about="rollback", message=message))
        notify(message)


def _decisions(rollback: LedgerFile, taken: Json, ledger: LedgerFile) -> Iterator[Decision]:
    """Yield what is to be put on record in the run that is taken back, unless it is there already."""
    _must_be_as_planned(ledger, taken, rollback.progress)
    decision = _decision(rollback)
    known = decided(ledger.progress.decisions).rolled_back
    if not known or known.id != decision.id:
        yield decision


def _found(taken: Json, *, beside: Path) -> Path:
    """Return the ledger of the run that is taken back; it may have been moved together with the rollback."""
    stated = Path(taken["ledger"])
    places = (stated, beside.with_name(stated.name))
    return next((path for path in places if head_of(path).get("run_id") == taken["run_id"]), stated)


def _must_be_as_planned(ledger: LedgerFile, taken: Json, rollback: Progress) -> None:
    """Raise Refused where the run sent PUTs that the plan of its rollback knows nothing of.

    Once the rollback has begun, nobody goes on with the run.
    """
    puts = ledger.progress.sent + ledger.progress.never_left - taken["puts"]
    if ledger.progress.run["run_id"] != taken["run_id"]:
        raise CannotRun(f"{ledger.path} is another run's ledger")
    if puts > 0 and not rollback.begun:
        raise Refused(
            f"{ledger.path} went on after this rollback was planned, by {counted(puts, 'PUT')}; "
            "nothing was sent",
            hint=f"plan the rollback anew: `bulk rollback {shlex.quote(str(ledger.path))} --out FILE`",
        )


def _decision(rollback: LedgerFile) -> Decision:
    run = rollback.progress.run
    is_whole = not run["options"].get("limit")
    return Decision(
        by=DecidedBy.OPERATOR,
        what=DecisionKind.ROLLED_BACK,
        reason="all of it" if is_whole else f"{counted(rollback.progress.rows, 'service')} of it",
        **author(),
        id=run["run_id"],
        ledger=str(rollback.path.resolve()),
    )
