"""What a run needs from outside: a fleet to read, a fleet to write, a pace, a ledger, a clock, dice, limits.

Reading and writing are two types: `plan` and the other verbs that promise to change nothing hold a client
that has no method to write with, so that no flag, branch or mistake can break the promise.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bulk.ledger.progress import Progress
from bulk.ledger.records import Json, Record, Ruling
from bulk.model import (
    Change,
    LaneName,
    Listed,
    ListVerdict,
    PutVerdict,
    ServiceId,
    ShowVerdict,
    SideEffect,
    Throttled,
)
from bulk.plan.waves import WavePlan
from bulk.puts import Put

if TYPE_CHECKING:
    import asyncio


class FleetReader(Protocol):
    """The services of one target, to be read only; one call is one request, never a retry."""

    async def list_page(self, *, offset: int, limit: int) -> ListVerdict:
        """Return one page of the list, oldest service first."""
        ...

    async def show(self, service_id: ServiceId) -> ShowVerdict:
        """Return one service as the detail request shows it."""
        ...


class Fleet(FleetReader, Protocol):
    """The services of one target, to be read and changed."""

    def send(
        self,
        put: Put,
        tell: Callable[[PutVerdict], object],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """Send one PUT; `tell` gets what its answer, or the lack of one, means, once and later.

        What has to be awaited for that is given to `spawn`.
        """
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

    def pause(self, wait_s: float) -> None:
        """Let nothing leave for so long, as the server asks for it."""
        ...

    def cap(self, most_per_s: float) -> None:
        """Let requests leave no faster than this; infinity lets them leave as fast as the job may."""
        ...

    @property
    def rate_per_s(self) -> float:
        """Return the rate now."""
        ...

    def close(self) -> None:
        """Let every waiting and every later `acquire` return None at once."""
        ...


class PlanReader(Protocol):
    """A plan and what became of it, to be read only."""

    @property
    def progress(self) -> Progress:
        """Return what the durable records add up to."""
        ...

    def change(self, row: int) -> Change:
        """Return the planned change of a row."""
        ...

    def plain_put(self, row: int) -> Put | None:
        """Return the PUT of a row that stands by itself; None where the whole `change` must be read."""
        ...

    def matches_snapshot(self, row: int, live: Listed) -> bool:
        """Return whether the plan surely saw the row's service exactly so; False may also mean unknown."""
        ...

    def outcome(self, row: int) -> Json | None:
        """Return the last `outcome` record of a row; None while it has none."""
        ...


class Ledger(PlanReader, Protocol):
    """Where everything is written down before it counts."""

    def append(self, record: Record) -> None:
        """Queue a record; it is durable before any later `flush` returns."""
        ...

    async def flush(self) -> None:
        """Return once everything queued is durable; raise LedgerFailed if it cannot be."""
        ...

    def shows_as_asked(self, row: int, live: Listed) -> bool:
        """Return whether a service is surely as its row asks, and else as planned; False may mean unknown."""
        ...


class WaveJudge(Protocol):
    """Who rules on each wave, outside of the run."""

    async def ask(self, wave: int, rows: Sequence[int]) -> tuple[Ruling, str]:
        """Return the ruling on a wave of these rows, all of which are as asked, and its last words.

        Whatever is started for it has ended by then, also where the call is cancelled.
        """
        ...


class Clock(Protocol):
    """Time, as an argument."""

    def now(self) -> float:
        """Return the wall clock: seconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from a fixed but unknown start, never going back."""
        ...

    async def sleep(self, wait_s: float, *, wake: "asyncio.Event | None" = None) -> None:
        """Return `wait_s` seconds later, or as soon as `wake` is set."""
        ...


class Dice(Protocol):
    """Randomness, as an argument."""

    def random(self) -> float:
        """Return a number from 0 (included) to 1 (excluded)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneClient:
    """The client of one target, with the lane and paces that it shares with others."""

    fleet: Fleet
    lane: LaneName
    reads: Pace
    writes: Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a run may go."""

    workers: int
    """Requests of a lane in flight at most."""
    elastic: bool = False
    """Whether as many are in flight as the rate needs (Little's law), fewer for a slow or failing server."""
    tries: int = 5
    """PUTs of one row that may fail before it counts as failed; throttled ones are free."""
    settle_s: float = 2.0
    """How long after it was sent a request may still take effect; reading sooner proves nothing."""
    failures_max: int | None = None
    max_look_age_s: float = 60.0
    """How old a look at a service may be when its PUT leaves."""
    waves: WavePlan | None = None
    """The parts in which the rows go, each only if all rows of the one before ended as asked."""
    soak_s: float = 0.0
    """How long after its last outcome a wave is left alone before it passes."""
    judge_within_s: float | None = None
    """How long an unsure judge is asked again; None where a run has no judge."""
    strict: bool = False
    allowed: frozenset[SideEffect] = frozenset()
    """Side effects that a person allowed in this run."""
