"""Rolling back: a run's ledger as the source of a plan, which is the inverse of what the run applied."""

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from bulk.app.finding import rollbacks
from bulk.app.jobs import Flags, given_in, job_of_ledger
from bulk.app.ledgers import reading, settle_s
from bulk.app.sources import PlanSource
from bulk.errors import Refused, UsageError
from bulk.ledger.decisions import decided
from bulk.ledger.file import LedgerReader, kept_at_rest
from bulk.ledger.records import Left, Purpose, rows_sha256_of
from bulk.model import Action, Change, Outcome, PlannedChange, ServiceState, Target
from bulk.plan import Live, ordered
from bulk.plan.inverse import inverse, with_side_effects
from bulk.run.drift import drift
from bulk.settings import Guards, WhenSettings, settings_of

_TAKEN_BACK = {Outcome.APPLIED, Outcome.IN_DOUBT}
_MAY_HAVE_LANDED = {Outcome.FAILED, Outcome.CONFLICT}


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackSource(PlanSource[Change]):
    """A run to roll back; its rows are inverse changes, so that only their order needs the live fleet."""

    path: Path
    reader: LedgerReader

    origin: ClassVar[str] = "the run to roll back"

    def usable_rows(self) -> dict[Target, list[Change]]:
        """Return the inverse of each change that was, or may have been, applied; the last one first.

        What a PUT did that is in doubt, or that was answered otherwise, shows when the fleet is listed: a
        service that still is as before the run needs nothing. What failed in a run that has finished was as
        before in its last look: who changed it since was somebody else.
        """
        progress = self.reader.progress
        if any(row.parked or row.purpose is Purpose.PARK for row in progress.open.values()):
            raise Refused(
                "a service is parked between two PUTs of this run",
                hint=f"finish the run first: `{self.endpoint.apply_command(self.path)}`",
            )
        done = filter(None, map(self._done, reversed(progress.order)))
        applied = [change for change in done if not self.only or change.service_id in self.only]
        missing = set(self.only) - {change.service_id for change in applied}
        if missing or not applied:
            raise UsageError(
                f"nothing was applied to {', '.join(sorted(missing)) or 'any service'}",
                hint=f"`bulk report {shlex.quote(str(self.path))}` shows what the run did",
            )
        rows: dict[Target, list[Change]] = defaultdict(list)
        for number, change in enumerate(applied, 1):
            rows[change.target].append(inverse(change, row=number))
        return rows

    def _done(self, row: int) -> Change | None:
        """Return what a row did to its service, or may have done; None where it did nothing."""
        progress = self.reader.progress
        outcome, opened = progress.outcome(row), progress.open.get(row)
        if outcome in _TAKEN_BACK or (opened and opened.has_left):
            return self.reader.change(row)
        ended = (self.reader.outcome(row) or {}) if outcome in _MAY_HAVE_LANDED else {}
        if ended.get("left") == Left.PARKED:
            change = self.reader.change(row)
            return replace(change, body=change.parking or change.body)
        is_as_before = outcome is Outcome.FAILED and progress.finished  # the last look saw it so
        return self.reader.change(row) if ended.get("attempts") and not is_as_before else None

    def changes(self, target: Target, rows: Collection[Change], live: Live) -> Iterator[PlannedChange]:  # noqa: ARG002
        """Yield the inverse changes, each behind those that it waits for."""
        noticed = decided(self.reader.progress.decisions).noticed
        if noticed:
            rows = [with_side_effects(row, live.get(row.service_id), noticed) for row in rows]
        rows = [_unless_it_is_so(row, live.get(row.service_id)) for row in rows]
        for change in ordered(rows, live, allow_parking=self.job.allow_parking):
            if isinstance(change, Change) and _has_moved(change, live):  # what is refused by now is no change
                self.moved[change.row] = live.get(change.service_id)
            yield change


def _unless_it_is_so(inverted: Change, live: ServiceState | None) -> Change:
    """Return an inverse that is not sent where the service is as before the run."""
    is_so = live is not None and live.confirms(inverted.body) and inverted.action is Action.UPDATE
    return replace(inverted, action=Action.KEEP, before=live) if is_so else inverted


def _has_moved(inverted: Change, live: Live) -> bool:
    """Return whether a service is not what the run left, so that its inverse will not be sent."""
    service = live.get(inverted.service_id)
    is_meant = inverted.action is Action.UPDATE
    return is_meant and (service is None or drift(inverted, service, is_parked=False) is not None)


@contextmanager
def run_to_roll_back(
    path: Path, flags: Flags, *, only: frozenset[str], at_rest: bool
) -> Iterator[RollbackSource]:
    """Open the ledger of a run as the source of its rollback; `only` limits it to these service ids.

    With `at_rest` nobody can work on the run before a session begins on its rollback, and one that is at work
    is refused with LedgerBusy.
    Raises UsageError and LedgerDamaged.
    """
    # Held before the ledger is read: a run that goes on would leave rows that nobody has seen.
    held = kept_at_rest(path) if at_rest else nullcontext(lambda: None)
    with held as release, reading(path, by_summary=True) as reader:
        progress = reader.progress
        # What limited the run must not stand in the way of taking it back.
        job, endpoint = job_of_ledger(
            progress, flags, without=(*settings_of(Guards), *settings_of(WhenSettings))
        )
        runs, sha256 = rollbacks(path, progress.run)
        yield RollbackSource(
            job=job,
            endpoint=endpoint,
            runs=runs,
            sha256=sha256,
            rows_sha256=rows_sha256_of(progress.run),
            given=given_in(flags),
            only=tuple(sorted(only)),
            settle_s=settle_s(job, progress) if progress.open else 0.0,
            takes_back={
                "ledger": str(path.resolve()),
                "run_id": progress.run["run_id"],
                "puts": progress.sent + progress.never_left,
            },
            release=release,
            path=path,
            reader=reader,
        )
