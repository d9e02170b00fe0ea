"""What a ledger holds for a person to read, each in one line: notes, changes of pace, decisions, stops."""

from collections.abc import Iterable
from datetime import tzinfo

from bulk.ledger.decisions import StandingStop, StandingWord
from bulk.ledger.records import DecisionKind, Json, PaceRecord, decision_of, pace_of
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, Outcome, Wait
from bulk.pacing.describe import limit_text, noise_text, wait_text
from bulk.reports.words import tallied
from bulk.text import counted, moment


def remark(record: Json) -> str:
    """Return a `note`, a `pace`, a `decision`, a `session` or an `end` in one line."""
    match record["type"]:
        case "pace":
            pace = pace_of(record)
            return f"pace of {pace.kind}{_lane_text(pace)}: {pace_text(pace)}"
        case "decision":
            return f"decision of {decision_text(record)}"
        case "session":
            return f"{record['user']} on {record['host']} (process {record['pid']}) works on it"
        case "end":
            counts = {outcome: record["counts"].get(outcome, 0) for outcome in Outcome}
            return f"{end_text(record)}: {tallied(counts)}"
        case _:
            return f"{record['about']}: {record['message']}"


def pace_text(pace: PaceRecord) -> str:
    """Return `1.98/s; limit 4 per 2 s, stated; 6 % throttled whatever the rate; …`."""
    parts = [f"{pace.rate_per_s:.4g}/s"]
    if pace.limit:
        parts.append(f"limit {limit_text(pace.limit)}, {pace.why}")
    if pace.noise:
        parts.append(noise_text(pace.noise))
    if pace.hold is not Hold.RATE:
        parts.append(wait_text(Wait(hold=pace.hold, left_s=pace.left_s)))
    return "; ".join(parts)


def reasons_of(end: Json) -> tuple[BrakeReason, ...]:
    """Return every reason that an `end` record names; in format 2 it names one."""
    return tuple(map(BrakeReason, end.get("reasons", (end["reason"],))))


def end_text(end: Json) -> str:
    """Return why a session stopped; one that nothing stopped may have left rows in doubt."""
    reasons, doubts = reasons_of(end), end.get("counts", {}).get(Outcome.IN_DOUBT, 0)
    if reasons == (BrakeReason.FINISHED,) and doubts:
        return f"{counted(doubts, 'row')} in doubt could not be read; the same command reads again"
    return reasons_text(reasons)


def reasons_text(reasons: Iterable[BrakeReason]) -> str:
    """Return why a session stopped."""
    return "; ".join(reason.facts.words for reason in reasons)


def stop_text(stop: StandingStop, zone: tzinfo) -> str:
    """Return `stopped by limit: 4 services failed, … (2026-01-15 09:30:00 UTC, stop 4f0c12)`."""
    return f"{stop.whole} ({moment(stop.at, zone)}, stop {stop.id})"


def pause_text(pause: StandingWord, zone: tzinfo) -> str:
    """Return `paused by ann on bastion1 (bridge call) at 2026-01-15 09:30:00 UTC`."""
    return f"paused by {pause.who} at {moment(pause.at, zone)}"


def rate_text(rate: StandingWord, zone: tzinfo) -> str:
    """Return `at most 5/s by ann on bastion1 at 2026-01-15 09:30:00 UTC`."""
    return f"at most {rate.rate_per_s:g}/s by {rate.who} at {moment(rate.at, zone)}"


def _lane_text(pace: PaceRecord) -> str:
    """Return the lane of a pace; empty where format 2 did not state it."""
    lane = pace.lane
    return f" ({lane.region} at {lane.host}, account {lane.account})" if lane.host else ""


def decision_text(record: Json) -> str:
    """Return a `decision` as `operator ann on bastion1: pause (bridge call) [c7f2]`."""
    decision = decision_of(record)
    is_stop = decision.what == DecisionKind.STOP
    figure = "" if decision.wave is None else f"{', wave' if is_stop else ''} {decision.wave}"
    if decision.what == DecisionKind.RATE:
        figure = " auto" if decision.rate_per_s is None else f" {decision.rate_per_s:g}/s"
    reason = "; ".join(filter(None, (decision.reason, decision.ledger)))
    return (
        f"{decision.by}{decision.user and f' {decision.user}'}{decision.host and f' on {decision.host}'}: "
        f"{decision.what}{figure}{f', {decision.ruling}' if decision.ruling and not is_stop else ''}"
        f"{reason and f' ({reason})'}"
        f"{decision.id and f' [{decision.id}]'}"
    )
