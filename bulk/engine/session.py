"""What one session works with."""

from collections.abc import Mapping
from dataclasses import dataclass

from bulk.core.model import Target
from bulk.engine.brake import Brake
from bulk.engine.interfaces import Fleet, Ledger, Pace
from bulk.engine.read import Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What reaches one target: its client, and the paces it shares with its account and region."""

    fleet: Fleet
    reads: Pace
    writes: Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a run may go."""

    workers: int
    """Requests in flight at most."""
    elastic: bool = False
    """As many workers as the rate needs (Little's law), fewer for a slow or failing server."""
    tries: int = 5
    """PUTs of one row that may fail before it counts as failed; throttled ones are free."""
    settle_s: float = 2.0
    """How long after it was sent a request may still take effect; reading sooner proves nothing."""
    failures_max: int | None = None
    canary_rows: int = 0
    """So many rows go first; the others only if all of them end as asked."""
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """All that a session needs: where to write, whom to ask, what stops it, time, and how far to go."""

    ledger: Ledger
    lanes: Mapping[Target, Lane]
    brake: Brake
    patience: Patience
    limits: Limits
