"""A person's word about a run that was stopped: go on despite the stop, or leave the run for another."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from bulk.app.environment import Environment, author
from bulk.errors import CannotRun, LedgerFailed, Refused, Stopped, UsageError
from bulk.ledger.decisions import StandingStop, decided
from bulk.ledger.file import LedgerFile
from bulk.ledger.progress import Progress
from bulk.ledger.records import DecidedBy, Decision, DecisionKind
from bulk.plan.guards import failures_max
from bulk.reports.stopped import failures_to_allow, flags_for
from bulk.reports.words import tallied
from bulk.settings import Job
from bulk.text import moment


class Despite(NamedTuple):
    """What a person writes: the id of a stop, as it was printed, and why it shall not count."""

    id: str
    reason: str


def lifting(progress: Progress, job: Job, despite: Sequence[Despite], zone: tzinfo) -> tuple[Decision, ...]:
    """Return the decisions that lift stops of a run; raise Refused where one cannot be lifted like this."""
    known = decided(progress.decisions)
    if known.left:
        raise Refused(
            f"this run was left for good by {known.left} at {moment(known.left_at, zone)}; nothing was sent",
            hint="apply the job: it finds its latest run, or begins one",
        )
    most = failures_max(job.guards, progress.footprint.changes)
    return tuple(_lifting(progress, most, despite))


def _lifting(progress: Progress, most: int | None, despite: Sequence[Despite]) -> Iterator[Decision]:
    for each, stop in _named(decided(progress.decisions).stops, despite):
        _must_allow_more(stop, progress, most)
        yield _decision(DecisionKind.DESPITE, each, most)


def stops_after(progress: Progress, decisions: Sequence[Decision]) -> tuple[StandingStop, ...]:
    """Return the stops of a run that stand once these decisions are made."""
    lifted = {decision.id for decision in decisions if decision.what == DecisionKind.DESPITE}
    return tuple(stop for stop in decided(progress.decisions).stops if stop.id not in lifted)


async def put_on_record(
    path: Path, environment: Environment, decide: Callable[[LedgerFile], Iterable[Decision]]
) -> Progress:
    """Append decisions to the ledger of another run, under its lock, and return where that stands.

    Raises LedgerBusy where the run is at work, LedgerFailed where they did not reach the disk, and CannotRun
    or UsageError where the ledger cannot be written.
    """
    async with LedgerFile.open(path, now=environment.clock.now) as ledger:
        for decision in decide(ledger):
            ledger.append(decision)
        await ledger.flush()
        return ledger.progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """The open runs of a job that a person leaves for another one, with the decisions that say so.

    Those of a stop belong to the runs that it stopped, `plain` to those that no stop stands in.
    """

    runs: Mapping[Path, tuple[StandingStop, ...]]
    decisions: tuple[Decision, ...]
    plain: Decision

    async def on_yes(self, environment: Environment, notify: Callable[[str], None]) -> None:
        """Put on record in each run that it is left for good, and say what it leaves."""
        for path, stops in self.runs.items():
            ids = {stop.id for stop in stops}
            mine = [each for each in self.decisions if each.id in ids] or [self.plain]
            try:
                left = await put_on_record(path, environment, lambda _: mine)  # noqa: B023 - called at once
            except LedgerFailed:
                raise
            except (CannotRun, UsageError) as error:
                notify(f"{error.message}; it is not on record there that it is left: move it elsewhere")
            else:
                notify(f"leaving {path} for good: {tallied(left.counts())}")


def leaving(
    stopped: Mapping[Path, Progress], despite: Sequence[Despite], words: str, opened: Iterable[Path] = ()
) -> Leaving:
    """Return how these runs, of which some are stopped, are left for another one; raise Stopped or Refused.

    `words` are what the command needs besides the flags that name the stops.
    """
    standing = {path: decided(progress.decisions).stops for path, progress in stopped.items()}
    stops = [stop for each in standing.values() for stop in each]
    if stops and not despite:
        raise Stopped(
            f"the open run of this job, {', '.join(map(str, stopped))}, was stopped: "
            + "; ".join(stop.why for stop in stops),
            hint=f"to leave it for good, add {flags_for(stops)}{words}",
        )
    named = _named(stops, despite)
    return Leaving(
        runs={**dict.fromkeys(opened, ()), **standing},
        decisions=tuple(_decision(DecisionKind.LEAVE, each, None) for each, _ in named),
        plain=_decision(DecisionKind.LEAVE, Despite("", "a new run of its job was begun"), None),
    )


def _named(
    stops: Sequence[StandingStop], despite: Sequence[Despite]
) -> Iterator[tuple[Despite, StandingStop]]:
    standing = {stop.id: stop for stop in stops}
    missing = [stop for stop in stops if stop.id not in {each.id for each in despite}]
    if despite and standing and missing and all(each.id in standing for each in despite):
        raise Refused(
            f"{len(standing)} stops stand in this run, and --despite names only some; nothing was sent",
            hint=f"add {flags_for(missing)}",
        )
    for each in {each.id: each for each in despite}.values():
        if each.id not in standing:
            raise Refused(
                f"no stop {each.id} stands in this run; nothing was sent",
                hint=f"stops that stand: {', '.join(standing)}" if standing else "leave --despite out",
            )
        yield each, standing[each.id]


def _must_allow_more(stop: StandingStop, progress: Progress, most: int | None) -> None:
    least = failures_to_allow([stop], progress)
    if least is not None and (most is None or most < least):
        raise Refused(
            f"stop {stop.id} is about failures ({stop.reason}); nothing was sent",
            hint=f"add --max-failures {least} or more",
        )


def _decision(what: DecisionKind, despite: Despite, most: int | None) -> Decision:
    return Decision(
        by=DecidedBy.OPERATOR,
        what=what,
        reason=despite.reason,
        **author(),
        id=despite.id,
        failures_max=most,
    )
