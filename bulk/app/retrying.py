"""Trying again: the rows that a finished run left not as asked, as the source of a plan of their own."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from bulk.app.jobs import Flags, endpoint_of_ledger, given_in, guards_must_be_usable, job_of_ledger
from bulk.app.ledgers import reading
from bulk.app.sources import JobRuns, RowsSource
from bulk.errors import Refused, UsageError
from bulk.ledger.decisions import decided
from bulk.ledger.file import LedgerReader
from bulk.ledger.records import FORMAT, rows_sha256_of
from bulk.model import Outcome, ServiceUpdate, Target

RETRIED = frozenset({Outcome.FAILED, Outcome.DRIFTED, Outcome.CONFLICT, Outcome.BLOCKED})
"""How rows ended that are tried again; what a plan refused needs another row, or another service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySource(RowsSource):
    """What rows of a finished run asked for, to be compared with the live fleet anew."""

    updates: tuple[ServiceUpdate, ...]

    origin: ClassVar[str] = "the run to retry"

    def usable_rows(self) -> Mapping[Target, Collection[ServiceUpdate]]:
        """Return the rows by target, in the order of the run's plan."""
        targets = dict.fromkeys(update.target for update in self.updates)
        return {target: [row for row in self.updates if row.target == target] for target in targets}


def rows_to_retry(path: Path, flags: Flags, *, only: frozenset[str]) -> RetrySource:
    """Return the rows of a finished run that are not as asked; `only` limits them to these service ids.

    Raises Refused where the run is open, was taken back or is a rollback, UsageError where a service id is
    none of theirs, and LedgerDamaged.
    """
    with reading(path) as reader:
        _must_be_finished(path, reader)
        updates = tuple(update for update in _left_wrong(reader) if not only or update.service_id in only)
        if missing := only - {update.service_id for update in updates}:
            raise UsageError(
                f"no row of {', '.join(sorted(missing))} is to be tried again",
                hint="leave it out of --limit; of each service `bulk why` shows how it ended",
            )
        progress = reader.progress
        run = progress.run
        job, endpoint = job_of_ledger(progress, flags)
        guards_must_be_usable(job)
        return RetrySource(
            job=job,
            endpoint=endpoint,
            runs=JobRuns(folder=path.parent, job=f"{run['job']}-retry", file=run.get("file", "")),
            sha256=hashlib.sha256(f"retry {run['run_id']}".encode()).hexdigest(),
            rows_sha256=rows_sha256_of(run),
            given=given_in(flags),
            only=tuple(sorted(only)),
            updates=tuple(replace(update, row=row) for row, update in enumerate(updates, 1)),
        )


def _left_wrong(reader: LedgerReader) -> Iterator[ServiceUpdate]:
    """Yield what each row to be tried again asks, with the project that was looked up for the run."""
    progress = reader.progress
    for row in progress.order:
        if progress.outcome(row) in RETRIED:
            change = reader.change(row)
            yield replace(change.update, target=change.target)


def _must_be_finished(path: Path, reader: LedgerReader) -> None:
    """Raise Refused where the outcome of a run's rows is not known yet, or is not to be tried again."""
    progress = reader.progress
    command = endpoint_of_ledger(progress).apply_command(path)
    if back := progress.run.get("takes_back"):
        raise Refused(
            f"{path} is a rollback, which --retry is not for; nothing was sent",
            hint=f"to take back what is left: bulk rollback {back['ledger']}",
        )
    if decided(progress.decisions).rolled_back:
        raise Refused(
            f"{path} was rolled back; nothing was sent",
            hint="to make the changes after all, apply the job",
        )
    if not progress.finished:
        raise Refused(
            f"{path} is not finished, and --retry is for what a finished run left; nothing was sent",
            hint=f"finish it first: {command}",
        )
    if progress.run["format"] < FORMAT:
        raise Refused(
            f"{path} is of format {progress.run['format']}, which does not keep what every row asked for",
            hint="apply the job: what is as asked already gets no PUT",
        )
