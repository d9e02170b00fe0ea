"""What was decided about a run, and what of that is in force: stops, and side effects that are allowed."""

from collections.abc import Iterable
from math import inf

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
    wave: int | None = None
    """The wave that did not end as it should."""
    who: str = ""
    """The person who stopped it, and why: `ann on bastion1 (no go)`; empty where a limit or a judge did."""

    @property
    def why(self) -> str:
        """Return why the run stopped: `4 services failed, …`, or `by ann on bastion1 (no go)`."""
        return f"by {self.who}" if self.who else self.reason

    @property
    def whole(self) -> str:
        """Return the same with who decided, whoever that was: `stopped by limit: 4 services failed, …`."""
        return f"stopped {self.why}" if self.who else f"stopped by {self.by}: {self.reason}"


@value
class StandingWord:
    """A person's pause or rate, in force until another word."""

    by: str
    """`ann on bastion1`."""
    at: str
    reason: str
    rate_per_s: float = inf
    """The most PUTs a second in a lane."""

    @property
    def who(self) -> str:
        """Return `ann on bastion1 (bridge call)`."""
        return f"{self.by} ({self.reason})" if self.reason else self.by


def word_of(decision: Decision, at: str = "") -> StandingWord:
    """Return the pause or the rate that a decision puts in force."""
    rate_per_s = inf if decision.rate_per_s is None else decision.rate_per_s
    by = f"{decision.user} on {decision.host}"
    return StandingWord(by=by, at=at, reason=decision.reason, rate_per_s=rate_per_s)


@value
class Decided:
    """What the decisions about a run have in force."""

    stops: tuple[StandingStop, ...] = ()
    stop_ids: frozenset[str] = frozenset()
    """The ids of all stops, of lifted ones too."""
    noticed: frozenset[SideEffect] = frozenset()
    """Every side effect of a PUT of this run that was noticed."""
    allowed: frozenset[SideEffect] = frozenset()
    """Side effects that a person allowed."""
    passed: frozenset[int] = frozenset()
    """Waves that the next one may follow, by number."""
    left: str = ""
    """Who left the run for another one, and why; empty where nobody did."""
    left_at: str = ""
    """When, in UTC."""
    rolled_back: Decision | None = None
    """The last rollback of the run that began."""
    pause: StandingWord | None = None
    rate: StandingWord | None = None
    ids: frozenset[str] = frozenset()
    """The ids that decisions have, also those of commands that were declined."""

    @property
    def rate_per_s(self) -> float:
        """Return the most PUTs a second that a person allows in a lane; infinity where nobody said."""
        return self.rate.rate_per_s if self.rate else inf


def decided(records: Iterable[Json]) -> Decided:
    """Return what the `decision` records of a run, in their order, have in force."""
    stops: dict[str, StandingStop] = {}
    effects: dict[str, frozenset[SideEffect]] = {}
    allowed: frozenset[SideEffect] = frozenset()
    passed, left, left_at, rolled_back = set[int](), "", "", None
    decisions = [(decision_of(record), record["at"]) for record in records]
    for decision, at in decisions:
        match decision.what:
            case DecisionKind.STOP if decision.cause:
                effects[decision.id] = frozenset(decision.effects)
                stops[decision.id] = _stop(decision, decision.cause, at)
            case DecisionKind.DESPITE if lifted := stops.pop(decision.id, None):
                allowed |= effects[decision.id]
                passed |= set() if lifted.wave is None else {lifted.wave}
            case DecisionKind.LEAVE if not decision.id or decision.id in stops:
                left, left_at = f"{decision.user} on {decision.host} ({decision.reason})", at
            case DecisionKind.WAVE if decision.wave is not None and decision.ruling is Ruling.GO:
                passed.add(decision.wave)
            case DecisionKind.ROLLED_BACK:
                rolled_back = decision
            case _:
                pass
    return Decided(
        stops=tuple(stops.values()),
        stop_ids=frozenset(effects),
        noticed=frozenset().union(*effects.values()),
        allowed=allowed,
        passed=frozenset(passed),
        left=left,
        left_at=left_at,
        rolled_back=rolled_back,
        ids=frozenset(decision.id for decision, _ in decisions),
        **_words(decisions),
    )


def _words(decisions: Iterable[tuple[Decision, str]]) -> dict[str, StandingWord | None]:
    """Return the pause and the rate that are in force; of two pauses the first, since it began then."""
    pause: StandingWord | None = None
    rate: StandingWord | None = None
    for decision, at in decisions:
        match decision.what:
            case DecisionKind.PAUSE:
                pause = pause or word_of(decision, at)
            case DecisionKind.UNPAUSE:
                pause = None
            case DecisionKind.RATE:
                rate = None if decision.rate_per_s is None else word_of(decision, at)
            case _:
                pass
    return {"pause": pause, "rate": rate}


def _stop(decision: Decision, cause: BrakeReason, at: str) -> StandingStop:
    return StandingStop(
        id=decision.id,
        at=at,
        by=decision.by,
        cause=cause,
        reason=decision.reason,
        failures_max=decision.failures_max,
        who=word_of(decision).who if decision.by is DecidedBy.OPERATOR else "",
        wave=1 if decision.wave is None and cause is BrakeReason.WAVE else decision.wave,  # 0.1.0 had one
    )
