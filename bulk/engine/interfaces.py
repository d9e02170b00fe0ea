"""What the engine needs from outside: a fleet to read, a fleet to write, a pace, a ledger, a clock, dice.

Reading and writing are two types: `plan` and the other verbs that promise to change nothing hold a client
that has no method to write with, so that no flag, branch or mistake can break the promise.
"""

import asyncio
from typing import Protocol

from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import Json, Record
from bulk.core.model import (
    Change,
    ListVerdict,
    ModifyBody,
    ServiceId,
    ServiceState,
    ShowVerdict,
    Throttled,
    Verdict,
)


class FleetReader(Protocol):
    """The services of one target, to be read only; one call is one request, never a retry."""

    async def list_page(self, *, offset: int, limit: int) -> ListVerdict:
        """Give one page of the list, oldest service first."""
        ...

    async def show(self, service_id: ServiceId) -> ShowVerdict:
        """Give one service as the detail request tells it."""
        ...


class Fleet(FleetReader, Protocol):
    """The services of one target, to be read and changed."""

    async def modify(self, service_id: ServiceId, body: ModifyBody) -> Verdict:
        """Send one PUT and say what its answer, or the lack of one, means."""
        ...


class Pace(Protocol):
    """When the next request may leave, for everything that shares one account, region and kind."""

    async def acquire(self) -> float | None:
        """Return when one request may leave: the grant's time, or None once the pace is closed.

        First come, first served. The grant's time (monotonic seconds) goes back with what the
        server made of the request.
        """
        ...

    def accepted(self, granted_at: float) -> None:
        """Learn that the server took the request of this grant."""
        ...

    def refused(self, granted_at: float, throttled: Throttled) -> None:
        """Learn that the server refused the request of this grant for going too fast."""
        ...

    @property
    def rate_per_s(self) -> float:
        """Give the rate now."""
        ...

    def close(self) -> None:
        """Let every waiting and every later `acquire` return None at once."""
        ...


class PlanReader(Protocol):
    """A plan and what became of it, to be read only."""

    @property
    def progress(self) -> Progress:
        """Give what the durable records add up to."""
        ...

    def change(self, row: int) -> Change:
        """Give the planned change of a row."""
        ...

    def saw(self, row: int, state: ServiceState) -> bool:
        """Say whether the plan saw the row's service exactly so; False does not say that it has moved."""
        ...


class Ledger(PlanReader, Protocol):
    """Where everything is written down before it counts."""

    async def write(self, record: Record) -> None:
        """Return once the record is durable; raise LedgerFailed if it cannot be made so."""
        ...

    def put(self, record: Record) -> None:
        """Queue a record that nobody waits for; it is durable before any later `write` returns."""
        ...

    async def flush(self) -> None:
        """Return once everything queued is durable; raise LedgerFailed if it cannot be."""
        ...

    def outcome(self, row: int) -> Json | None:
        """Give the last `outcome` record of a row; None while it has none."""
        ...

    def asks_for_ports_of(self, row: int, state: ServiceState) -> bool:
        """Say whether a row asks of this service for the ports it has, and for nothing else.

        False does not say otherwise.
        """
        ...


class Clock(Protocol):
    """Time, as an argument."""

    def now(self) -> float:
        """Give the wall clock: seconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds from a fixed but unknown start, never going back."""
        ...

    async def sleep(self, wait_s: float, *, wake: asyncio.Event | None = None) -> None:
        """Return `wait_s` seconds later, or as soon as `wake` is set."""
        ...


class Dice(Protocol):
    """Randomness, as an argument."""

    def random(self) -> float:
        """Give a number from 0 (included) to 1 (excluded)."""
        ...
