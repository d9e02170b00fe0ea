"""Ledgers of runs that stopped half-way, made without sending anything, over the fleet of the benchmarks."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import orjson

from bulk import __version__
from bulk.ledger.chain import Chain, timestamp
from bulk.ledger.digest import PlanDigest, planned_terms
from bulk.ledger.file import LedgerFile
from bulk.ledger.records import (
    End,
    Intent,
    OutcomeRecord,
    Planned,
    Record,
    Run,
    Session,
    record_json,
    record_type,
    target_json,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import Action, Change, ModifyBody, Outcome, Reply, ServiceId, ServiceUpdate, Target
from bulk.plan.footprint import Footprint
from bulk.settings import Job, read_settings, settings_json
from bulk.vpcep.services import listed_service
from tests.benchmarks.fleet import BEFORE, BODY, REGION, project_id, service_id, service_json

EPOCH_S = 1_768_465_800.0
"""When these runs began: 2026-01-15T08:30:00Z."""
_REPLY = Reply(http=200, request_id="0f6c1d9a5b7e4c2f8a3d1e0b9c8f7a65", ms=87)


def write_run(path: Path, job: Path, url: str, rows: int, *, done: int, is_finished: bool = False) -> Path:
    """Write the ledger of a run of this job, in one project, of which the first rows are done."""
    chain = Chain()
    with path.open("wb") as file:
        for n, record in enumerate(_records(job, url, rows, done, is_finished=is_finished)):
            at = timestamp(EPOCH_S + n / 1000)
            file.write(chain.add({"n": n, "at": at, "type": record_type(record), **record_json(record)}))
    return path


def _records(job: Path, url: str, rows: int, done: int, *, is_finished: bool) -> Iterator[Record]:
    target = Target(region=REGION, project_id=project_id(0))
    settings = read_settings(Job, {"rows": job.name, "region": REGION, "endpoint": url}, flags={})
    assert isinstance(settings, Job), settings
    run = Run(
        run_id="f" * 16,
        version=__version__,
        job=job.stem,
        job_sha256=hashlib.sha256(job.read_bytes()).hexdigest(),
        options=settings_json(settings) | {"endpoint": {"url": url, "seed": "", "fleet": ""}, "limit": []},
        targets=[target_json(target) | {"host": url.rpartition("/")[2]}],
    )
    yield run
    footprint, digest = Footprint(), PlanDigest()
    for change in _changes(target, rows):
        footprint.add(change)
        digest.add(change)
        yield change
    plan = Planned(
        rows=rows,
        counts={Action.UPDATE.value: rows},
        footprint=asdict(footprint),
        pages=[-(-rows // 1000)],
        digest=digest.under(planned_terms(record_json(run), changes=rows)),
    )
    yield plan
    counts = dict.fromkeys((outcome.value for outcome in Outcome), 0)
    counts["not_attempted"] = rows
    yield Session(host="h", pid=1, user="ops", settings={}, digest=plan.digest, counts=counts)
    for row in range(1, done + 1):
        yield Intent(row=row, attempt=1)
        yield OutcomeRecord(row=row, outcome=Outcome.APPLIED, reply=_REPLY, attempts=1)
    if is_finished:
        counts = counts | {"not_attempted": rows - done, "applied": done}
        reason = BrakeReason.FINISHED
        yield End(reason=reason, reasons=[reason.value], digest=plan.digest, counts=counts)


def _changes(target: Target, rows: int) -> Iterator[Change]:
    body = ModifyBody(ports=listed_service(orjson.loads(service_json(0, 0, BODY[9:-1]))).ports)
    for row in range(1, rows + 1):
        update = ServiceUpdate(
            row=row,
            place=f"scale.csv:{row + 1}",
            target=target,
            service_id=ServiceId(service_id(row - 1)),
            body=body,
        )
        before = listed_service(orjson.loads(service_json(row - 1, 0, BEFORE)))
        yield Change(update=update, target=target, action=Action.UPDATE, body=body, before=before)


def summarise(ledger: Path) -> None:
    """Write the summary of a ledger, as a run does at its end."""

    async def work() -> None:
        async with LedgerFile.open(ledger, now=lambda: EPOCH_S):
            pass

    asyncio.run(work())
