"""Making a plan: every fleet listed once, every change of a source written to a ledger."""

import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from itertools import chain
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bulk import __version__
from bulk.app.approving import must_be_approved
from bulk.app.connections import Connections
from bulk.app.environment import Environment, author
from bulk.app.fleets import open_fleets
from bulk.app.forecast import Forecast, forecast_of
from bulk.app.lacking import lacking
from bulk.app.ledgers import plan_report
from bulk.app.sources import PlanSource, R
from bulk.errors import BulkError
from bulk.ledger.digest import PlanDigest, covered, planned_terms
from bulk.ledger.file import LedgerFile, OnRecord
from bulk.ledger.records import Alike, Json, Planned, Record, Run, record_json, target_json
from bulk.model import Change, Owner, PlannedChange, Repeated, Target
from bulk.plan import list_requests
from bulk.plan.footprint import Footprint
from bulk.plan.openings import next_shift
from bulk.plan.snapshot import Snapshot
from bulk.reports.overview import NAMED_MAX, Overview
from bulk.reports.report import Report
from bulk.run.patience import in_turn, list_services
from bulk.settings import settings_json
from bulk.text import counted
from bulk.vpcep.client import ReadClient
from bulk.vpcep.edition_limits import beyond_limits

C = TypeVar("C", bound=ReadClient)

_COMMIT_CHANGES = 2_000
"""Changes of one commit, whatever targets they belong to."""


async def plan_from(
    source: PlanSource[R],
    environment: Environment,
    out: Path | None,
    shown: Callable[[Report], None],
    on_record: OnRecord = lambda *_: None,
    *,
    expect_digest: str = "",
) -> Forecast:
    """Make a plan with a client that cannot write, show it, and save it to `out`.

    A plan that is not saved leaves nothing behind; one with another digest than the expected one is shown,
    but not saved, and Refused is raised.
    """
    next_shift(source.job, environment.local_time)  # raises before anything is read where no window is usable
    for words in lacking(source.job, environment.env):
        environment.notify(words)
    with TemporaryDirectory(prefix="bulk-") as folder:
        path = out or Path(folder) / "plan"
        async with new_plan(ReadClient, source, path, environment, on_record) as (ledger, clients, gathered):
            local_time, begins_per_s = environment.local_time, clients.writes_per_s
            ahead = forecast_of(ledger, source.job, local_time, begins_per_s=begins_per_s)
            waves, moved = ahead.waves.waves, source.moved
            shown(plan_report(ledger, estimate=ahead.estimate, waves=waves, gathered=gathered, moved=moved))
            must_be_approved(ledger.progress.digest, expect_digest)
            if out:
                await ledger.publish()
            return ahead


@asynccontextmanager
async def new_plan(
    kind: type[C], source: PlanSource[R], path: Path, environment: Environment, on_record: OnRecord
) -> AsyncIterator[tuple[LedgerFile, Connections[C], Overview]]:
    """Make a plan in a new ledger; the ledger and the clients that planned stay open for what follows.

    The ledger has no name until it is published; without that it leaves nothing behind. Raises what the
    source raises where it has no usable rows, and what reading a fleet raises.
    """
    rows = source.usable_rows()
    async with open_fleets(kind, source.job, source.endpoint, environment) as connections:
        ledger = LedgerFile.create(path, now=environment.clock.now, on_record=on_record)
        try:
            async with ledger:
                gathered = await _write(ledger, source, rows, connections, environment)
                yield ledger, connections, gathered
        finally:
            ledger.discard()


async def _write(
    ledger: LedgerFile,
    source: PlanSource[R],
    rows: Mapping[Target, Collection[R]],
    connections: Connections[C],
    environment: Environment,
) -> Overview:
    """List every fleet that the rows name, and write their changes in the order of sending.

    Returns the changes in groups.
    """
    connections.foresee({source.job.where.target, *rows})
    by_target = await _by_target(rows, connections)
    for target, its_rows in by_target.items():
        edition = (await connections.client_of(target)).client.edition
        for warning in beyond_limits(edition, its_rows):
            environment.notify(warning)
    hosts = zip(by_target, await connections.hosts(by_target), strict=True)
    run = _run_of(source, [target_json(target) | {"host": host} for target, host in hosts])
    ledger.append(run)
    writer = _PlanWriter(ledger, run)

    async def ask(target: Target) -> Snapshot:
        target_client, live = await connections.client_of(target), Snapshot()
        client, reads = target_client.client, target_client.reads
        with _naming_rows(by_target, target):
            await list_services(target, client, reads, environment.patience, live.add)
        return live

    async def use(target: Target, live: Snapshot) -> None:
        with live:
            await writer.write(source.changes(target, by_target[target], live), services=len(live))

    await environment.clock.sleep(source.settle_s)
    await in_turn(ask, by_target, use)
    await writer.complete(source.unusable(), await connections.owners(by_target))
    return writer.overview


def _run_of(source: PlanSource[R], targets: list[Json]) -> Run:
    return Run(
        run_id=secrets.token_hex(8),
        version=__version__,
        job=source.name,
        job_sha256=source.sha256,
        rows_sha256=source.rows_sha256,
        runs=str(source.runs.folder.resolve()),
        file=source.runs.file,
        options=settings_json(source.job) | {"endpoint": asdict(source.endpoint), "limit": list(source.only)},
        targets=targets,
        **author(),
        takes_back=source.takes_back,
    )


async def _by_target(
    rows: Mapping[Target, Collection[R]], connections: Connections[C]
) -> Mapping[Target, Collection[R]]:
    """Return rows by their target, its project looked up; in the order of the source, as are the targets.

    Some rows may name a project that others leave to be looked up; they are of one target.
    """
    found: dict[Target, list[Collection[R]]] = defaultdict(list)
    for target, its_rows in rows.items():
        with _naming_rows(rows, target):
            found[(await connections.client_of(target)).target].append(its_rows)
    return {
        target: parts[0] if len(parts) == 1 else sorted(chain(*parts), key=attrgetter("row"))
        for target, parts in found.items()
    }


@contextmanager
def _naming_rows(by_target: Mapping[Target, Collection[R]], target: Target) -> Iterator[None]:
    """Name, in what is raised, the rows of the target that is in the way, where there are several targets."""
    try:
        yield
    except BulkError as error:
        if len(by_target) > 1:
            its_rows = by_target[target]
            more = len(its_rows) - 1
            besides = f" and {counted(more, 'more row')}" if more else ""
            error.message += f" ({next(iter(its_rows)).place}{besides})"
        raise


class _PlanWriter:
    """Writes the changes of a plan, target by target, and what they add up to."""

    def __init__(self, ledger: LedgerFile, run: Run) -> None:
        self._ledger = ledger
        self._run = run
        self._digest = PlanDigest()
        self._counts: Counter[str] = Counter()
        self._footprint = Footprint()
        self.overview = Overview()
        self._pages: list[int] = []
        self._waiting: list[Record] = []
        """Changes that are not in the ledger yet."""

    async def write(self, changes: Iterable[PlannedChange], *, services: int) -> None:
        """Write the changes of the next target, whose list named this many services."""
        self._pages.append(list_requests(services))
        await self._write(changes)

    async def _write(self, changes: Iterable[PlannedChange]) -> None:
        alike: dict[int, _Alike] = {}
        for change in changes:
            if isinstance(change, Repeated):
                others = alike.get(id(change.like))
                if others is None:
                    others = alike[id(change.like)] = _Alike(change.like)
                    self._count(change.like, 0)  # so that actions are counted in the order of the plan
                others.rows += 1
                if len(others.some) < NAMED_MAX:
                    others.some.append(change)
                self._waiting.append(others.line.record(change))
                self._digest.add_one_like(others.covered, change.update.row, change.service_id)
            else:
                self._waiting.append(change)
                self._digest.add(change)
                self._count(change)
            if len(self._waiting) == _COMMIT_CHANGES:
                await self._commit()
        for others in alike.values():
            self._count(others.like, others.rows, others.some)

    async def _commit(self) -> None:
        """Write the waiting changes in one commit, so that the disk is not waited for at each target."""
        for record in self._waiting:
            self._ledger.append(record)
        self._waiting.clear()
        await self._ledger.flush()

    def _count(self, change: Change, times: int = 1, some: Sequence[PlannedChange] = ()) -> None:
        self._counts[change.action.value] += times
        self._footprint.add(change, times)
        if times:
            self.overview.add_change(change, times, some or (change,))

    async def complete(self, unusable: Iterable[Change], owners: Iterable[Owner]) -> None:
        """Write the changes that no target was listed for, and that the plan is complete."""
        await self._write(unusable)
        await self._commit()
        terms = planned_terms(record_json(self._run), changes=self._footprint.changes)
        await self._ledger.commit(
            Planned(
                rows=self._footprint.rows,
                counts=dict(self._counts),
                footprint=asdict(self._footprint),
                pages=self._pages,
                owners=[{n: value for n, value in owner._asdict().items() if value} for owner in owners],
                digest=self._digest.under(terms),
            )
        )


class _Alike:
    """Changes that are like one another, counted, and what is made once for all of them."""

    def __init__(self, like: Change) -> None:
        self.like = like
        self.line = Alike(like)
        self.covered = covered(like)
        self.rows = 0
        self.some: list[PlannedChange] = []
        """The first of them, to be named."""
