"""What was decided about a run, and what of that is in force: stops, and side effects that are allowed."""

from collections.abc import Iterable

from bulk.ledger.records import (
    DecidedBy,
    Decision,
    DecisionKind,
    Json,
    Ruling,
    decision_of,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import SideEffect, value

CANARY_WAVE = 1


@value
class StandingStop:
    """A stop that no person has lifted: no new row is sent before one does."""

    id: str
    at: str
    by: DecidedBy
    cause: BrakeReason
    reason: str
    failures_max: int | None
    """The limit of failures that was in force."""


@value
class Decided:
    """What the decisions about a run have in force."""

    stops: tuple[StandingStop, ...] = ()
    stop_ids: frozenset[str] = frozenset()
    """Of every stop, of lifted ones too."""
    noticed: frozenset[SideEffect] = frozenset()
    """Every side effect of a PUT of this run that was noticed."""
    allowed: frozenset[SideEffect] = frozenset()
    """Those of them that a person allowed."""
    is_canary_passed: bool = False
    left: str = ""
    """Who left the run for another one, and why; empty where nobody did."""
    left_at: str = ""
    """When, in UTC."""
    rolled_back: Decision | None = None
    """The last rollback of the run that began."""


def decided(records: Iterable[Json]) -> Decided:
    """Return what the `decision` records of a run, in their order, have in force."""
    stops: dict[str, StandingStop] = {}
    effects: dict[str, frozenset[SideEffect]] = {}
    allowed: frozenset[SideEffect] = frozenset()
    is_canary_passed, left, left_at, rolled_back = False, "", "", None
    for record in records:
        decision = decision_of(record)
        match decision.what:
            case DecisionKind.STOP if decision.cause:
                effects[decision.id] = frozenset(decision.effects)
                stops[decision.id] = _stop(decision, decision.cause, record["at"])
            case DecisionKind.DESPITE if lifted := stops.pop(decision.id, None):
                allowed |= effects[decision.id]
                is_canary_passed |= lifted.cause is BrakeReason.CANARY
            case DecisionKind.LEAVE if not decision.id or decision.id in stops:
                left, left_at = f"{decision.user} on {decision.host} ({decision.reason})", record["at"]
            case DecisionKind.WAVE if decision.wave == CANARY_WAVE:
                is_canary_passed |= decision.ruling is Ruling.GO
            case DecisionKind.ROLLED_BACK:
                rolled_back = decision
            case _:
                pass
    return Decided(
        stops=tuple(stops.values()),
        stop_ids=frozenset(effects),
        noticed=frozenset().union(*effects.values()),
        allowed=allowed,
        is_canary_passed=is_canary_passed,
        left=left,
        left_at=left_at,
        rolled_back=rolled_back,
    )


def _stop(decision: Decision, cause: BrakeReason, at: str) -> StandingStop:
    return StandingStop(
        id=decision.id,
        at=at,
        by=decision.by,
        cause=cause,
        reason=decision.reason,
        failures_max=decision.failures_max,
    )
