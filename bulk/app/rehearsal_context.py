"""What all parts of a rehearsal share: the plan, the faults, and a ledger's statements about its fleet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from bulk.app.applying import ApplyRequest, apply_ledger
from bulk.app.environment import Environment
from bulk.app.jobs import Flags
from bulk.app.ledgers import reading
from bulk.app.sandbox import Sandbox
from bulk.app.session import Ending
from bulk.app.watched import Operator
from bulk.errors import UsageError
from bulk.ledger.file import LedgerReader, OnRecord
from bulk.ledger.records import Json
from bulk.model import DRIFT_FIELDS, Action, Change, ServiceId
from bulk.rehearsal import expected
from bulk.settings import Job, Rate
from bulk.text import counted

FULL = Rate(requests=1_000_000, period_s=1)
"""Rate without a limit, in effect: faster than anything on one machine can be."""
FULL_SPEED: Flags = {"rate": str(FULL)}
_SHOWN_MAX = 5
_FAULTS_BYTES_MAX = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedFaults:
    """The simulator's faults and limits in a rehearsal, in its own forms: see `bulk simulator --help`."""

    faults: Json
    limits: tuple[str, ...] = ()

    def flags(self) -> tuple[str, ...]:
        """Return the simulator's flags."""
        limits = (part for limit in self.limits for part in ("--limit", limit))
        return ("--faults", orjson.dumps(self.faults).decode(), *limits)


def read_faults(faults: str, limits: tuple[str, ...]) -> RehearsedFaults:
    """Return the faults of `--faults`, a JSON object or the name of a file with one; raises UsageError."""
    try:
        plan = orjson.loads(faults if faults.lstrip().startswith("{") else _beginning(Path(faults)))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--faults {faults[:80]}: {error}",
            hint='write {"rates": {"error_500": 0.05}} or name a file of it',
        ) from error
    return RehearsedFaults(faults=plan, limits=limits)


def _beginning(path: Path) -> bytes:
    """Return what a file holds, as far as that can be a plan of faults."""
    with path.open("rb") as file:
        return file.read(_FAULTS_BYTES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalContext:
    """What all parts of a rehearsal share."""

    plan: Path
    reader: LedgerReader
    folder: Path
    job: Job
    environment: Environment
    operator: Operator
    on_record: OnRecord

    def updates(self) -> Iterator[Change]:
        """Return the changes to send, in the order of the plan."""
        changes = map(self.reader.change, self.reader.progress.order)
        return (change for change in changes if change.action is Action.UPDATE)

    def request(self, stage: Sandbox) -> ApplyRequest:
        """Return the request to work on a stage."""
        return ApplyRequest(stage.environment, self.operator, self.on_record)


async def applied_on(context: RehearsalContext, stage: Sandbox, flags: Flags) -> Ending:
    """Run the plan of a stage, or continue its run."""
    return await apply_ledger(stage.ledger, flags, context.request(stage))


def mismatches(stage: Sandbox) -> list[ServiceId]:
    """Return the services that are not as the ledger states."""
    live = stage.fleet()
    with reading(stage.ledger) as reader:
        outcome = reader.progress.outcome
        changes = (reader.change(row) for row in reader.progress.order)
        return [
            change.service_id
            for change in changes
            if change.action is not Action.REFUSE
            and (state := expected(change, outcome(change.row)))
            and state.differences(live[change.service_id], DRIFT_FIELDS)
        ]


def broken(mismatched: Sequence[ServiceId], duplicates: int) -> str:
    """Return what is not as promised, to be appended to what went well; empty where all is."""
    problems = ""
    if mismatched:
        few = ", ".join(mismatched[:_SHOWN_MAX])
        problems += f"; {counted(len(mismatched), 'service')} not as the ledger states: {few}"
    if duplicates:
        problems += f"; {counted(duplicates, 'PUT')} sent again after taking effect"
    return problems
