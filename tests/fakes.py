"""The outside world in a few lines each: what the engine meets when it is tested."""

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from bulk.ledger.file import Disk, LedgerFile
from bulk.ledger.records import body_of
from bulk.model import (
    Abort,
    Change,
    Done,
    Doubt,
    Listed,
    ListVerdict,
    Missing,
    ModifyBody,
    Page,
    Reject,
    Reply,
    Retry,
    ServiceId,
    ServiceState,
    ShowVerdict,
    Throttled,
    Verdict,
)
from bulk.puts import Put
from tests.values import planned, run_record, session_record

OK = Reply(http=200, request_id="req-1", ms=5)
LOST = Reply(code="timeout", message="no answer")
TOO_FAST = Reply(http=429, code="APIGW.0308")
UNAVAILABLE = Reply(http=503, code="APIGW.0613")
NO = Reply(http=400, code="EndPoint.3043", message="bad port")
LOCKED = Reply(http=401, code="APIGW.0301", message="signature does not match")
CLASH = Reply(http=400, code="EndPoint.3044", message="another service holds the port")
UNREACHED = Reply(code="connect_failed")
CROWDED = Retry(reply=Reply(code="local_limit", message="Too many open files"), is_local=True)
BUSY = Reply(http=409, code="busy", message="try again")

STARTED_AT = 1_768_465_800.0
"""2026-01-15T08:30:00Z"""


class FakeClock:
    """Time that jumps: whoever sleeps has slept."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.slept_s: list[float] = []

    def now(self) -> float:
        """Return the wall clock."""
        return STARTED_AT + self.elapsed_s

    def monotonic(self) -> float:
        """Return the seconds slept so far."""
        return self.elapsed_s

    async def sleep(self, wait_s: float, *, wake: asyncio.Event | None = None) -> None:
        """Jump, unless woken already."""
        if not (wake and wake.is_set()):
            self.slept_s.append(wait_s)
            self.elapsed_s += wait_s
        await asyncio.sleep(0)


class FixedDice:
    """Dice that always show the same."""

    def __init__(self, roll: float = 0.5) -> None:
        self.roll = roll

    def random(self) -> float:
        """Return the roll."""
        return self.roll


class FakePace:
    """A pace that never waits, counts, and can be closed or held."""

    def __init__(self) -> None:
        self.granted = 0
        self.took: list[float] = []
        self.refusals: list[float] = []
        self.pauses: list[float] = []
        self.closed = asyncio.Event()
        self.caps: list[float] = []
        self.held = False
        self.wanted = asyncio.Event()
        """Set once somebody wants a grant."""

    rate_per_s = 1000.0

    async def acquire(self) -> float | None:
        """Return the next grant's number; while held, nothing but the closing."""
        self.wanted.set()
        await (self.closed.wait() if self.held else asyncio.sleep(0))
        if self.closed.is_set():
            return None
        self.granted += 1
        return float(self.granted)

    def accepted(self, granted_at: float) -> None:
        """Note the grant."""
        self.took.append(granted_at)

    def refused(self, granted_at: float, throttled: Throttled) -> None:  # noqa: ARG002 - part of the interface
        """Note the grant."""
        self.refusals.append(granted_at)

    def pause(self, wait_s: float) -> None:
        """Note the wait."""
        self.pauses.append(wait_s)

    def cap(self, most_per_s: float) -> None:
        """Note the ceiling."""
        self.caps.append(most_per_s)

    def close(self) -> None:
        """Let everybody go."""
        self.closed.set()


Answer = Callable[["FakeFleet", ServiceId, ModifyBody], Verdict]
"""How the fleet takes one PUT."""


@dataclass
class FakeFleet:
    """Services in a dict; each PUT is answered by the next answer of its service, at last by landing."""

    services: dict[ServiceId, ServiceState]
    answers: dict[ServiceId, list[Answer]] = field(default_factory=dict)
    reads: dict[ServiceId, list[ShowVerdict]] = field(default_factory=dict)
    """Answers to detail requests that come before the truth."""
    lists: list[ListVerdict] = field(default_factory=list)
    """Answers to list requests that come before the truth."""
    asked: list[ServiceId] = field(default_factory=list)
    """Every PUT that arrived."""
    landed: list[ServiceId] = field(default_factory=list)
    """Every PUT that took effect."""
    shown: list[ServiceId] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    """The offset of every list request."""
    alive: list[ServiceId] = field(default_factory=list)
    """PUTs on their way."""
    alive_max: int = 0
    shares_ports: bool = False
    """All services share one `port_id`, so no two may hold one server port."""
    room: int = 10**9
    """PUTs at a time that this machine has connections for."""
    on_list: Callable[[], object] = lambda: None
    """What else happens when a page is asked for."""
    on_put: Callable[[ServiceId], object] = lambda _: None
    """What else happens when a PUT arrives."""

    async def list_page(self, *, offset: int, limit: int) -> ListVerdict:
        """Return a page in order of creation."""
        await asyncio.sleep(0)
        self.on_list()
        self.pages.append(offset)
        if self.lists:
            return self.lists.pop(0)
        states = list(self.services.values())
        listed = tuple(map(Listed.of, states[offset : offset + limit]))
        return Page(reply=OK, services=listed, total_count=len(states))

    async def show(self, service_id: ServiceId) -> ShowVerdict:
        """Return one service."""
        await asyncio.sleep(0)
        self.shown.append(service_id)
        if self.reads.get(service_id):
            return self.reads[service_id].pop(0)
        live = self.services.get(service_id)
        return Done(reply=OK, state=live) if live else Missing(reply=Reply(http=404, code="EndPoint.0005"))

    def send(
        self,
        put: Put,
        tell: Callable[[Verdict], object],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """Take one PUT in a task of its own."""

        async def arrive() -> None:
            tell(await self.modify(put.service_id, body_of(orjson.loads(put.content))))

        spawn(arrive())

    async def modify(self, service_id: ServiceId, body: ModifyBody) -> Verdict:
        """Take one PUT; never two of one service at once."""
        assert service_id not in self.alive, "two PUTs of one row alive"
        self.alive.append(service_id)
        self.alive_max = max(self.alive_max, len(self.alive))
        try:
            if len(self.alive) > self.room:
                return CROWDED
            self.on_put(service_id)
            self.asked.append(service_id)
            await asyncio.sleep(0)
            if self.shares_ports and self._clashes(service_id, body):
                return Reject(reply=CLASH)
            answers = self.answers.get(service_id)
            return (answers.pop(0) if answers else lands)(self, service_id, body)
        finally:
            self.alive.remove(service_id)

    def _clashes(self, service_id: ServiceId, body: ModifyBody) -> bool:
        others = (state for state in self.services.values() if state.id != service_id)
        return any(set(state.ports) & set(body.ports or ()) for state in others)

    def land(self, service_id: ServiceId, body: ModifyBody) -> ServiceState:
        """Let a PUT take effect."""
        named = {name: value for name in body.named() if (value := getattr(body, name)) is not None}
        self.services[service_id] = replace(self.services[service_id], **named)
        self.landed.append(service_id)
        return self.services[service_id]


def lands(fleet: FakeFleet, service_id: ServiceId, body: ModifyBody) -> Verdict:
    """Take effect and say so."""
    return Done(reply=OK, state=fleet.land(service_id, body))


def lands_unheard(fleet: FakeFleet, service_id: ServiceId, body: ModifyBody) -> Verdict:
    """Take effect, and lose the answer."""
    fleet.land(service_id, body)
    return Doubt(reply=LOST)


def lands_with_a_wrong_echo(fleet: FakeFleet, service_id: ServiceId, body: ModifyBody) -> Verdict:
    """Take effect, and show the state before."""
    before = fleet.services[service_id]
    fleet.land(service_id, body)
    return Done(reply=OK, state=before)


def shows_the_state_before(fleet: FakeFleet, service_id: ServiceId, _: ModifyBody) -> Verdict:
    """Say 200 and do nothing."""
    return Done(reply=OK, state=fleet.services[service_id])


def breaks(fleet: FakeFleet, service_id: ServiceId, body: ModifyBody) -> Verdict:
    """Take effect, and leave the service broken."""
    fleet.services[service_id] = replace(fleet.land(service_id, body), status="failed", error="no port")
    return Done(reply=OK, state=fleet.services[service_id])


def lands_refused(fleet: FakeFleet, service_id: ServiceId, body: ModifyBody) -> Verdict:
    """Take effect, and say no."""
    fleet.land(service_id, body)
    return Reject(reply=NO)


def lands_half_refused(fleet: FakeFleet, service_id: ServiceId, body: ModifyBody) -> Verdict:
    """Take half of its effect, and say no."""
    fleet.services[service_id] = replace(fleet.land(service_id, body), ports=())
    return Reject(reply=NO)


def is_lost(*_: Any) -> Verdict:
    """Take no effect, and lose the answer."""
    return Doubt(reply=LOST)


def is_throttled(*_: Any) -> Verdict:
    """Refuse for going too fast."""
    return Throttled(reply=TOO_FAST, retry_after_s=3.0)


def is_unavailable(*_: Any) -> Verdict:
    """Take no effect, perhaps, and ask for a pause."""
    return Doubt(reply=UNAVAILABLE, retry_after_s=60.0)


def is_shut(*_: Any) -> Verdict:
    """Take no effect, perhaps, and ask to be left alone for years."""
    return Doubt(reply=UNAVAILABLE, shut_until="2057-01-15 08:30:00 UTC")


def is_throttled_for_years(*_: Any) -> Verdict:
    """Refuse for going too fast, and ask to be left alone for years."""
    return Throttled(reply=TOO_FAST, shut_until="2057-01-15 08:30:00 UTC")


def is_unreached(*_: Any) -> Verdict:
    """Refuse the connection: surely not applied."""
    return Retry(reply=UNREACHED)


def is_crowded(*_: Any) -> Verdict:
    """Find no room on this machine for one more connection."""
    return CROWDED


def is_busy(*_: Any) -> Verdict:
    """Refuse for now: surely not applied."""
    return Retry(reply=BUSY)


def is_renewed(*_: Any) -> Verdict:
    """Refuse an expired token, which has been renewed."""
    return Retry(reply=LOCKED, counts=False)


def is_rejected(*_: Any) -> Verdict:
    """Say no to this row."""
    return Reject(reply=NO)


def is_aborted(*_: Any) -> Verdict:
    """Say no to every row."""
    return Abort(reply=LOCKED, hint="check the secret key")


def meets_another_writer(state: ServiceState) -> Answer:
    """Return an answer that is lost while somebody else makes the service `state`."""

    def answer(fleet: FakeFleet, service_id: ServiceId, _: ModifyBody) -> Verdict:
        fleet.services[service_id] = state
        return Doubt(reply=LOST)

    return answer


class FastDisk:
    """The real file, without waiting for the device; remembers what is down and what only written."""

    def __init__(self) -> None:
        self.written_bytes = 0
        self.synced_bytes = 0
        self.syncs = 0
        self.full = False

    def write(self, fd: int, content: bytes) -> int:
        """Write all of it, unless there is no room."""
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = os.write(fd, content)
        self.written_bytes += written
        return written

    def sync(self, fd: int) -> None:  # noqa: ARG002 - part of the interface
        """Call everything written down."""
        self.synced_bytes = self.written_bytes
        self.syncs += 1


class Inline(Executor):
    """Runs what is submitted at once, so that a run has one order of effects."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


def inline(ledger: LedgerFile) -> LedgerFile:
    """Return the ledger, committing without its thread."""
    ledger._thread = Inline()  # type: ignore[assignment]
    return ledger


async def write_plan(ledger: LedgerFile, changes: Iterable[Change]) -> None:
    """Write a whole plan into a new ledger and give it its name."""
    ledger.append(run_record())
    changes = list(changes)
    for change in changes:
        ledger.append(change)
    await ledger.flush()
    await ledger.commit(planned(*changes))
    await ledger.publish()


async def planned_ledger(
    folder: Path, changes: Iterable[Change], *, clock: FakeClock | None = None, disk: Disk | None = None
) -> LedgerFile:
    """Return a ledger with a published plan, in a session of this process."""
    now = (clock or FakeClock()).now
    ledger = inline(LedgerFile.create(folder / "run.ledger.jsonl", now=now, disk=disk or FastDisk()))
    await write_plan(ledger, changes)
    await ledger.commit(session_record(os.getpid()))
    return ledger


def fleet_of(changes: Iterable[Change], answers: Mapping[int, list[Answer]] | None = None) -> FakeFleet:
    """Return a fleet as the plan saw it, with answers by row."""
    planned = {change.row: change for change in changes}
    return FakeFleet(
        services={c.service_id: c.before for c in planned.values() if c.before},
        answers={planned[row].service_id: list(given) for row, given in (answers or {}).items()},
    )
