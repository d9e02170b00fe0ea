"""Equal decisions are made once, and what they come to is what each by itself comes to."""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from bulk.app.planning import _PlanWriter
from bulk.ledger.records import ChangeRecord, Record, Run, record_json, target_json
from bulk.model import (
    ModifyBody,
    PlannedChange,
    Ports,
    Repeated,
    ServiceId,
    ServiceState,
    ServiceUpdate,
    Target,
    port_mapping,
)
from bulk.plan import alike as decisions
from bulk.plan import ordered, plan_target
from bulk.plan.decision import decide
from bulk.settings import Job, settings_json
from tests.values import LiveList

TARGET = Target("cn-north-4", "6e9dfd51d1124e8d8498dce894923a0d")
MAPS: tuple[Ports, ...] = (
    (),
    (port_mapping(80, 8080, "TCP"),),
    (port_mapping(80, 8080, "TCP"), port_mapping(443, 8443, "TCP")),
    (port_mapping(443, 8443, "TCP"), port_mapping(80, 8080, "TCP")),
    (port_mapping(53, 53, "UDP"), port_mapping(80, 9090, "TCP")),
)
TEXTS = (None, "", "x", 'a "quoted" \\ text ö\u2028\x07', ',"before":{}')


def a_state(dice: random.Random, number: int, odd: float, status: str) -> ServiceState:
    """Return a service that is like the others, but for a share of its fields."""
    plain = ServiceState(
        id=service_id(number),
        ports=MAPS[1],
        status=status,
        service_type="interface",
        server_type="LB",
        port_id=f"p{number}",
        connection_count=1,
    )
    fields: dict[str, tuple[Any, ...]] = {
        "ports": MAPS,
        "status": ("failed", "creating", ""),
        "service_type": (None, "gateway"),
        "server_type": (None, "VM", "odd"),
        "port_id": (None, "shared", "shared too"),
        "vip_port_id": TEXTS,
        "vpc_id": TEXTS,
        "service_name": (f"cn-north-4.x.{service_id(number)}", "x"),
        "description": TEXTS,
        "approval_enabled": (True, False),
        "tcp_proxy": ("close", "open"),
        "ip": ("10.0.0.1", "10.0.0.2"),
        "connection_count": (None, 0, 7),
        "updated_at": ("2026-01-15T08:30:00Z",),
        "error": ("no port", "no server"),
    }
    return replace(plain, **{n: dice.choice(each) for n, each in fields.items() if dice.random() < odd})


def an_update(dice: random.Random, row: int, bodies: list[ModifyBody]) -> ServiceUpdate:
    """Return a row that asks anything of a service that is perhaps not there."""
    edits: dict[str, Any] = {}
    if dice.random() < 0.2:
        edits = {name: dice.choice(MAPS) for name in ("add_ports", "remove_ports") if dice.random() < 0.5}
    body = dice.choice(bodies)
    return ServiceUpdate(
        row=row,
        place=f'job "ö".csv:{row + 1}',
        target=TARGET._replace(project_id=dice.choice(("", TARGET.project_id))),
        service_id=service_id(row),
        body=ModifyBody() if edits else body,
        expect_ports=dice.choice((*[None] * 9, *MAPS)),
        note=dice.choice(("", "", "why", 'a "note"')),
        **edits,
    )


def service_id(number: int) -> ServiceId:
    """Return the id of a service."""
    return ServiceId(f"4189d3c2-8882-4871-a3c2-{number:012}")


def some_bodies(dice: random.Random) -> list[ModifyBody]:
    """Return what the rows of one job ask; most ask for ports alone."""
    others = (
        {"approval_enabled": dice.choice((True, False))},
        {"tcp_proxy": "open"},
        {"ip": "10.0.0.2"},
        {"port_id": "shared"},
        {"vip_port_id": "x"},
        {"service_name": "x"},
        {"description": ""},
    )
    ports = [ModifyBody(ports=each) for each in MAPS]
    return [
        *ports,
        *(ModifyBody(ports=dice.choice((None, *MAPS)), **each) for each in dice.sample(others, 2)),
    ]


class Written:
    """A ledger that keeps what is written."""

    def __init__(self) -> None:
        """Begin without a record."""
        self.lines: list[bytes] = []

    def append(self, record: Record) -> None:
        """Keep a record."""
        rest = record.rest if isinstance(record, ChangeRecord) else b""
        self.lines.append(orjson.dumps(record_json(record))[:-1] + rest + b"}")

    async def commit(self, record: Record) -> None:
        """Keep a record."""
        self.append(record)

    async def flush(self) -> None:
        """Do nothing."""


def written(changes: Iterable[PlannedChange]) -> list[bytes]:
    """Return the lines of a plan, its digest and its footprint among them."""
    ledger, job = Written(), Job(rows="a.csv", name="a")
    options = settings_json(job) | {"endpoint": {"url": "", "seed": "", "fleet": ""}, "limit": []}
    run = Run(run_id="r", version="v", job="a", job_sha256="", options=options, targets=[target_json(TARGET)])

    async def write() -> None:
        writer = _PlanWriter(ledger, run)  # type: ignore[arg-type]
        await writer.write(changes, services=9)
        await writer.complete((), ())

    asyncio.run(write())
    return ledger.lines


@pytest.mark.parametrize("seed", range(30))
def test_a_plan_of_equal_decisions_is_the_plan_of_each(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line, byte for byte, the counts, the footprint and the digest, whatever is asked of whatever."""
    dice, repeated = random.Random(seed), 0
    for _ in range(20):
        monkeypatch.setattr(decisions, "KNOWN_MAX", dice.choice((0, 3, 4_096)))
        rows, bodies, odd = dice.choice((3, 60)), some_bodies(dice), dice.choice((0.02, 0.1, 0.5))
        status = dice.choice(("available", "available", "available", "failed"))
        live = LiveList([a_state(dice, n, odd, status) for n in range(rows)])
        updates = [an_update(dice, row, bodies) for row in range(1, rows + 1)]
        parking = dice.random() < 0.5
        one_by_one = [decide(update, live.get(update.service_id), TARGET) for update in updates]
        expected = written(ordered(one_by_one, live, allow_parking=parking))
        planned = list(plan_target(TARGET, updates, live, allow_parking=parking))
        assert written(planned) == expected
        repeated += sum(isinstance(change, Repeated) for change in planned)
    assert repeated > 20
