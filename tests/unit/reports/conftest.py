"""A ledger in memory, and the rows and reports that come of it."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bulk.ledger.chain import Chain
from bulk.ledger.change_line import alike_within
from bulk.ledger.folding import take_in
from bulk.ledger.progress import Progress
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    End,
    Intent,
    Json,
    Note,
    OutcomeRecord,
    PaceRecord,
    Planned,
    Record,
    Run,
    Session,
    record_json,
    record_type,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    Action,
    Change,
    LaneName,
    Limit,
    ModifyBody,
    Outcome,
    PortMapping,
    Ports,
    Protocol,
    Reply,
    RequestKind,
    ServiceId,
    ServiceState,
    ServiceUpdate,
    Target,
    Why,
)
from bulk.plan.footprint import Footprint
from bulk.reports.report import Report
from bulk.reports.report_row import Row, row_of
from bulk.reports.rows import Rows
from bulk.reports.timeline import Timeline
from bulk.reports.totals import Mappings

TARGET = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")


def ports(text: str) -> Ports:
    """Return mappings from `8081:22/TCP 8082:23/UDP`."""
    return tuple(
        PortMapping(client_port=int(client), server_port=int(server), protocol=Protocol(protocol))
        for client, server, protocol in (
            (*pair.split(":"), protocol) for pair, protocol in (word.split("/") for word in text.split())
        )
    )


@dataclass
class Written:
    """A ledger that a test writes, one second a record."""

    progress: Progress = field(default_factory=Progress)
    timeline: Timeline = field(default_factory=Timeline)
    records: list[Json] = field(default_factory=list)
    changes: dict[int, Change] = field(default_factory=dict)
    ended: dict[int, Json] = field(default_factory=dict)
    now: datetime = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)

    def put(self, *records: Record, after_s: float = 1.0) -> "Written":
        """Append records, each so long after the one before."""
        for record in records:
            self.now += timedelta(seconds=after_s)
            at = self.now.isoformat(timespec="milliseconds")[:-6] + "Z"
            head = {"n": len(self.records), "at": at, "type": record_type(record)}
            json = head | record_json(record)
            take_in(self.progress, json, len(self.records))
            self.timeline.step(json)
            self.records.append(json)
            if isinstance(record, Change):
                self.changes[record.row] = record
            elif isinstance(record, OutcomeRecord):
                self.ended[record.row] = json
        return self

    def planned(self, *changes: Change, targets: tuple[Target, ...] = (TARGET,)) -> "Written":
        """Append a whole plan."""
        run = Run(
            run_id="r-1",
            version="0.1.0",
            job="services.csv",
            job_sha256="ab" * 32,
            options={},
            targets=[{"region": t.region, "project_id": t.project_id, "profile": t.profile} for t in targets],
        )
        counts = {action.value: sum(c.action is action for c in changes) for action in Action}
        footprint = Footprint()
        for one in changes:
            footprint.add(one)
        digest, reached = "sha256:" + "cd" * 32, asdict(footprint)
        self.put(run, *changes, Planned(rows=len(changes), counts=counts, footprint=reached, digest=digest))
        return self

    def session(self, *, after_s: float = 1.0) -> "Written":
        """Append the start of a session."""
        digest, counts = self._standing()
        session = Session(host="bastion", pid=123, user="ops", settings={}, digest=digest, counts=counts)
        return self.put(session, after_s=after_s)

    def applied(self, row: int, *, ms: int = 30) -> "Written":
        """Append an intent and its good end."""
        reply = Reply(http=200, request_id=f"req-{row}", ms=ms)
        return self.put(
            Intent(row=row, attempt=1),
            OutcomeRecord(row=row, outcome=Outcome.APPLIED, reply=reply, attempts=1),
        )

    def throttled(self, row: int, *, hold_s: float = 0.0) -> "Written":
        """Append an intent and its refusal for going too fast."""
        reply = Reply(http=429, code="APIGW.0308", message="too fast", request_id="req-t", ms=3)
        attempt = Attempt(row=row, attempt=1, verdict=AttemptResult.THROTTLED, reply=reply, hold_s=hold_s)
        return self.put(Intent(row=row, attempt=1), attempt)

    def failed(self, row: int, code: str, message: str = "no") -> "Written":
        """Append an intent and the API's no."""
        reply = Reply(http=400, code=code, message=message, request_id=f"req-{row}", ms=12)
        return self.put(
            Intent(row=row, attempt=1),
            OutcomeRecord(row=row, outcome=Outcome.FAILED, reply=reply, attempts=1),
        )

    def unsent(
        self, row: int, outcome: Outcome, message: str = "", *, observed: ServiceState | None = None
    ) -> "Written":
        """Append the end of a row that no PUT was sent for."""
        code = "" if outcome is Outcome.ALREADY else outcome.value
        return self.put(
            OutcomeRecord(
                row=row, outcome=outcome, reply=Reply(code=code, message=message), observed=observed
            )
        )

    def end(self, *reasons: BrakeReason) -> "Written":
        """Append the end of the session; without a reason it is finished."""
        held = reasons or (BrakeReason.FINISHED,)
        digest, counts = self._standing()
        return self.put(End(reason=held[0], reasons=list(held), digest=digest, counts=counts))

    def _standing(self) -> tuple[str, dict[str, int]]:
        counts = {outcome.value: rows for outcome, rows in self.progress.counts().items()}
        return (self.progress.planned or {})["digest"], counts

    def paced(self, rate_per_s: float, limit: Limit | None = None, **fields: Any) -> "Written":
        """Append a change of pace of the lane in TARGET's region, of writes unless `fields` say otherwise."""
        lane = LaneName(host="simulator", region=TARGET.region, account="ops")
        given = {"lane": lane, "kind": RequestKind.WRITES, "why": Why.FOUND if limit else None} | fields
        return self.put(PaceRecord(rate_per_s=rate_per_s, limit=limit, **given))

    def noted(self, about: str, message: str, row: int | None = None) -> "Written":
        """Append a note."""
        return self.put(Note(about=about, message=message, row=row))

    def rows(self) -> Rows:
        """Return the rows in the order of the plan."""
        return Rows(self.progress, self._row, self._mappings_of, self._alike_text)

    def _alike_text(self, row: int) -> bytes:
        json = {"n": 0, "at": "", "type": "change", **record_json(self.changes[row])}
        return alike_within(Chain().add(json))

    def _mappings_of(self, rows: Iterable[int]) -> Mappings:
        changes = [self.changes[row] for row in rows]
        return Mappings(
            **{name: sum(len(getattr(one, name)) for one in changes) for name in ("added", "removed", "kept")}
        )

    def _row(self, row: int) -> Row:
        outcome = self.progress.outcome(row) if self.progress.sessions else None
        return row_of(self.changes[row], outcome, self.ended.get(row))

    def report(self, **more: Any) -> Report:
        """Return the report of what has been written."""
        return Report(
            progress=self.progress,
            rows=self.rows(),
            timeline=self.timeline if self.progress.sessions else None,
            advice=lambda code: f"what to do about {code}",
            **more,
        )


def service(row: int, live: str, **fields: Any) -> ServiceState:
    """Return a live service, `live` being its ports."""
    service_id = ServiceId(str(uuid.UUID(int=row)))
    known = {"status": "available", "service_name": f"cn-north-4.web-{row}.{service_id}", **fields}
    return ServiceState(id=service_id, ports=ports(live), **known)


def change(
    row: int,
    live: str,
    wanted: str,
    action: Action = Action.UPDATE,
    *,
    target: Target = TARGET,
    **fields: Any,
) -> Change:
    """Return a change of row's service from `live` ports to `wanted` ones."""
    before = service(row, live, **{"connection_count": 2} | fields.pop("before", {}))
    body = ModifyBody(ports=ports(wanted), **fields.pop("body", {}))
    update = ServiceUpdate(
        row=row,
        place=f"services.csv:{row + 1}",
        target=target,
        service_id=before.id,
        body=body,
        note=fields.pop("note", ""),
    )
    return Change(update=update, target=target, action=action, before=before, body=body, **fields)


@pytest.fixture
def written() -> Written:
    """Return an empty ledger."""
    return Written()


@pytest.fixture(name="change")
def change_maker() -> Callable[..., Change]:
    """Return what makes changes."""
    return change


@pytest.fixture(name="service")
def service_maker() -> Callable[..., ServiceState]:
    """Return what makes live services."""
    return service
