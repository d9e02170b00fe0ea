"""Valid nouns for tests: short to ask for, and as hypothesis strategies."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

import orjson
from hypothesis import strategies as st

from bulk.ledger.digest import PlanDigest, planned_terms
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    End,
    Held,
    Intent,
    Note,
    OutcomeRecord,
    PaceRecord,
    Planned,
    Purpose,
    Record,
    Ruling,
    Run,
    Session,
    record_json,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    Action,
    Change,
    Hold,
    LaneName,
    Limit,
    Listed,
    ModifyBody,
    Outcome,
    PlannedChange,
    PortMapping,
    Ports,
    Protocol,
    Repeated,
    Reply,
    RequestKind,
    ServiceId,
    ServiceState,
    ServiceUpdate,
    SideEffect,
    Target,
    Why,
    state_of,
)
from bulk.plan.footprint import Footprint
from bulk.reports.report_row import Row

PROJECT = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")


def ports(*server_ports: int) -> Ports:
    """Return TCP mappings `1000 + p -> p`."""
    return tuple(PortMapping(client_port=1000 + port, server_port=port) for port in server_ports)


def service_id(row: int) -> ServiceId:
    """Return the id of the service that a row changes."""
    return ServiceId(f"4189d3c2-8882-4871-a3c2-{row:012x}")


def state(row: int, *server_ports: int, status: str = "available") -> ServiceState:
    """Return a row's service with these ports."""
    return ServiceState(id=service_id(row), ports=ports(*server_ports), status=status)


def update(row: int, body: ModifyBody, **asked: Any) -> ServiceUpdate:
    """Return a row that asks its service for this body, and for what else is said."""
    place, service = f"services.csv:{row + 1}", service_id(row)
    return ServiceUpdate(row=row, place=place, target=PROJECT, service_id=service, body=body, **asked)


def change(row: int, *, action: Action = Action.UPDATE, after: tuple[int, ...] = ()) -> Change:
    """Return a row's change from server port 1 to server port 2."""
    body = ModifyBody(ports=ports(1 if action is Action.KEEP else 2))
    return Change(
        update=update(row, body),
        target=PROJECT,
        action=action,
        body=body,
        before=None if action is Action.REFUSE else state(row, 1),
        reason="no such service" if action is Action.REFUSE else "",
        after=after,
    )


def ring(size: int, first: int = 1) -> list[Change]:
    """Return services that each want the port of the next one; the first is parked for that."""
    rows = range(first, first + size)
    asks = {row: rows[(place + 1) % size] for place, row in enumerate(rows)}
    plain = [
        replace(change(row), before=state(row, row), body=ModifyBody(ports=ports(asks[row]))) for row in rows
    ]
    parked = replace(plain[0], parking=ModifyBody(ports=ports(9000 + first)), after=(rows[1],))
    last = replace(plain[-1], after_parked=(first,))
    middle = [replace(row, after=(row.row + 1,)) for row in plain[1:-1]]
    return [parked, last, *reversed(middle)]


def run_record(job: str = "services.csv") -> Run:
    """Return the first record of a ledger."""
    options: dict[str, Any] = {"rows": "services.csv", "endpoint": {"url": "", "seed": "", "fleet": ""}}
    return Run(run_id="r1", version="0", job=job, job_sha256="00", options=options, targets=[])


def session_record(pid: int = 4711, **counts: int) -> Session:
    """Return the record that a process writes when it begins to work; outcomes not given are 0."""
    return Session(
        host="bastion", pid=pid, user="ops", settings={}, digest="sha256:ab", counts=every_count(**counts)
    )


def end_record(*reasons: BrakeReason, **counts: int) -> End:
    """Return the end of a session that these reasons stopped; outcomes not given are 0."""
    held = reasons or (BrakeReason.FINISHED,)
    return End(reason=held[0], reasons=list(held), digest="sha256:ab", counts=every_count(**counts))


def every_count(**counts: int) -> dict[str, int]:
    """Return the number of rows by outcome; those not given are 0."""
    return dict.fromkeys((outcome.value for outcome in Outcome), 0) | counts


# Strategies

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
counts = st.integers(0, 2**31)
rows = st.integers(1, 10**6)
port_mappings = st.builds(
    PortMapping,
    client_port=st.integers(1, 65535),
    server_port=st.integers(1, 65535),
    protocol=st.sampled_from(Protocol),
)
port_maps = st.lists(port_mappings, max_size=4).map(tuple)
_maybe_text = st.none() | texts
_maybe_flag = st.none() | st.booleans()
targets = st.builds(Target, region=texts, project_id=texts, profile=texts)
replies = st.builds(
    Reply,
    http=st.none() | st.integers(100, 599),
    code=texts,
    message=texts,
    request_id=texts,
    ms=counts,
    encoded_authorization_message=texts,
)
bodies = st.builds(
    ModifyBody,
    ports=st.none() | port_maps,
    approval_enabled=_maybe_flag,
    port_id=_maybe_text,
    vip_port_id=_maybe_text,
    service_name=_maybe_text,
    description=_maybe_text,
    tcp_proxy=_maybe_text,
    ip=_maybe_text,
)
states = st.builds(
    ServiceState,
    id=texts,
    ports=port_maps,
    status=texts,
    service_type=_maybe_text,
    server_type=_maybe_text,
    port_id=_maybe_text,
    vip_port_id=_maybe_text,
    vpc_id=_maybe_text,
    project_id=_maybe_text,
    service_name=_maybe_text,
    description=_maybe_text,
    approval_enabled=_maybe_flag,
    tcp_proxy=_maybe_text,
    ip=_maybe_text,
    connection_count=st.none() | counts,
    created_at=_maybe_text,
    updated_at=_maybe_text,
    error=_maybe_text,
)
updates = st.builds(
    ServiceUpdate,
    row=rows,
    place=texts,
    target=targets,
    service_id=texts,
    body=bodies,
    add_ports=st.just(()) | port_maps,
    remove_ports=st.just(()) | port_maps,
    expect_ports=st.none() | port_maps,
    note=texts,
)
changes = st.builds(
    lambda update, **fields: Change(update=update, target=update.target, **fields),
    update=updates,
    action=st.sampled_from(Action),
    body=bodies,
    before=st.none() | states,
    reason=texts,
    after=st.lists(rows, max_size=3).map(tuple),
    parking=st.none() | bodies,
    after_parked=st.lists(rows, max_size=3).map(tuple),
)
_spans = st.floats(0, 3600)
_jsons = st.dictionaries(texts, st.none() | st.booleans() | counts | texts, max_size=3)
_tallies = st.dictionaries(st.sampled_from([outcome.value for outcome in Outcome]), counts, max_size=9)
RECORDS: dict[type[Record], st.SearchStrategy[Record]] = {
    Run: st.builds(
        Run,
        run_id=texts,
        version=texts,
        job=texts,
        job_sha256=texts,
        rows_sha256=texts,
        options=_jsons,
        targets=st.lists(_jsons, max_size=2),
    ),
    Change: changes,
    Planned: st.builds(
        Planned, rows=counts, counts=_tallies, pages=st.lists(counts, max_size=3), digest=texts
    ),
    Session: st.builds(
        Session, host=texts, pid=counts, user=texts, settings=_jsons, digest=texts, counts=_tallies
    ),
    Intent: st.builds(Intent, row=rows, attempt=counts, purpose=st.sampled_from(Purpose)),
    Attempt: st.builds(
        Attempt,
        row=rows,
        attempt=counts,
        verdict=st.sampled_from(AttemptResult),
        reply=replies,
        hold_s=_spans,
    ),
    OutcomeRecord: st.builds(
        OutcomeRecord,
        row=rows,
        outcome=st.sampled_from(Outcome),
        reply=replies,
        attempts=counts,
        observed=st.none() | states,
        unconfirmed=st.lists(texts, max_size=2).map(tuple),
    ),
    Note: st.builds(
        Note,
        about=texts,
        message=texts,
        row=st.none() | rows,
        held=st.none()
        | st.builds(
            Held,
            hold=st.sampled_from(Hold),
            who=texts,
            since=st.just("2026-01-15T08:30:00.123Z"),
            until=st.sampled_from(["", "2026-01-15T08:31:00.123Z"]),
            detail=texts,
            is_over=st.booleans(),
        ),
    ),
    PaceRecord: st.builds(
        PaceRecord,
        lane=st.builds(LaneName, host=texts, region=texts, account=texts),
        kind=st.sampled_from(RequestKind),
        rate_per_s=_spans,
        limit=st.none() | st.builds(Limit, requests=counts, window_s=_spans, policy=texts),
        why=st.none() | st.sampled_from(Why),
        hold=st.sampled_from(Hold),
        noise=st.floats(0, 1),
        left_s=_spans,
    ),
    Decision: st.builds(
        Decision,
        by=st.sampled_from(DecidedBy),
        what=texts,
        reason=texts,
        user=texts,
        host=texts,
        id=texts,
        wave=st.none() | counts,
        ruling=st.none() | st.sampled_from(Ruling),
        cause=st.none() | st.sampled_from(BrakeReason),
        effects=st.lists(
            st.builds(SideEffect, st.just("description"), texts)
            | st.builds(SideEffect, st.just("ports"), port_maps),
            max_size=2,
            unique_by=lambda effect: effect.field,
        ).map(tuple),
        failures_max=st.none() | counts,
    ),
    End: st.builds(
        End,
        reason=st.sampled_from(BrakeReason),
        reasons=st.lists(st.sampled_from(BrakeReason), max_size=2),
        digest=texts,
        counts=_tallies,
    ),
}
"""Any record of each type."""


def digest_of(*changes: Change, run: Run | None = None) -> str:
    """Return the digest of a plan of these changes."""
    digest, footprint = PlanDigest(), Footprint()
    for one in changes:
        digest.add(one)
        footprint.add(one)
    return digest.under(planned_terms(record_json(run or run_record()), changes=footprint.changes))


def planned(*changes: Change, rows: int | None = None) -> Planned:
    """Return the record that ends a plan of these changes."""
    footprint = Footprint()
    for one in changes:
        footprint.add(one)
    counts = Counter(one.action.value for one in changes)
    return Planned(
        rows=len(changes) if rows is None else rows,
        counts=dict(counts),
        footprint=asdict(footprint),
        digest=digest_of(*changes),
    )


class OneByOne(list[Row]):
    """Rows of a report, each by itself."""

    def grouped(self, _: int) -> Iterator[tuple[list[Row], int]]:
        """Yield each row as a group."""
        return (([row], 1) for row in self)


def whole(changes: Iterable[PlannedChange]) -> list[Change]:
    """Return the changes of a plan, each of them whole."""
    return [_whole(change) if isinstance(change, Repeated) else change for change in changes]


def _whole(change: Repeated) -> Change:
    before = state_of(orjson.loads(change.before)) if change.before else None
    return replace(change.like, update=change.update, before=before)


class LiveList:
    """A fleet as a plan is made against it, out of a list."""

    def __init__(self, states: Iterable[ServiceState]) -> None:
        """Keep the states."""
        self._states = {state.id: state for state in states}
        port_ids = Counter(state.port_id for state in self._states.values() if state.port_id)
        self.shared = {port_id for port_id, services in port_ids.items() if services > 1}

    def get(self, service_id: ServiceId) -> ServiceState | None:
        """Return one."""
        return self._states.get(service_id)

    def json(self, service_id: ServiceId) -> bytes | None:
        """Return one as a list shows it."""
        return Listed.of(self._states[service_id]).json if service_id in self._states else None

    def __iter__(self) -> Iterator[ServiceState]:
        """Return all."""
        return iter(self._states.values())
