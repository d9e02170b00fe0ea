"""Where a run stands, as one value: what `status`, `watch`, the live page, messages and metrics show.

It is made of what a ledger adds up to, the settings in force, the present time, and whether a process is at
work on the ledger; of nothing else. jobs/README.md has the table of its members as JSON.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from math import inf
from typing import assert_never

from bulk.errors import ExitCode
from bulk.ledger.chain import moment_s, timestamp
from bulk.ledger.decisions import Decided, StandingWord, decided
from bulk.ledger.progress import Progress, pace_key
from bulk.ledger.records import DecisionKind, Json, decision_of, pace_of, record_json, target_of
from bulk.ledger.run_waves import unsure_ruling
from bulk.ledger.stops import BrakeReason, exit_code, failures, not_as_asked
from bulk.model import Action, Hold, LaneName, RequestKind, Target, value
from bulk.pacing.describe import limit_text
from bulk.plan.guards import failures_max
from bulk.plan.waves import WaveStanding
from bulk.reports.report import SessionSummary, session_summaries
from bulk.reports.where import where_of
from bulk.reports.words import tallied
from bulk.settings import CAUTIOUS_RATE, Job
from bulk.text import duration

SILENT_S = 45.0
"""How long a run at work may write nothing before its estimates are no longer believed."""
SESSIONS_SHOWN = 100
DECISIONS_SHOWN = 100
_WITHOUT_END = frozenset({Hold.OPERATOR, Hold.JUDGE})
"""Holds of the whole run that last until somebody says a word."""
_FIRST = (
    Hold.OPERATOR, Hold.JUDGE, Hold.WINDOW, Hold.SOAK, Hold.WORKER, Hold.PUSH_BACK, Hold.BUDGET, Hold.KEY
)  # fmt: skip
"""Holds in the order in which a person wants to know of them; those of single rows come last."""


_FAR_S = 100 * 366 * 86_400.0
"""Longer than anybody waits: such a length is none that is known."""


class State(StrEnum):
    """What has become of a ledger."""

    INCOMPLETE = "incomplete"
    """The plan was never finished; there is nothing to apply."""
    PLANNED = "planned"
    RUNNING = "running"
    DIED = "died"
    """A session began and neither ended nor runs."""
    STOPPED = "stopped"
    FINISHED = "finished"


@value
class HoldStatus:
    """Something that is waited for."""

    hold: Hold
    who: str
    """What waits: `rows`, `reads` or `writes`."""
    text: str
    """What is waited for, in words."""
    row: int | None
    """The row that waits, or that is waited for."""
    since: str
    held_s: float
    until: str | None
    """Until when (UTC), where that is known."""
    left_s: float | None


@value
class WindowStatus:
    """The opening of the window that is open, else the next one; without times where none comes any more."""

    window: str
    """The window, and the blackout, as they are written."""
    is_open: bool
    opens_at: str | None = None
    """None where it has always been open."""
    stops_at: str | None = None
    """From when on nothing new begins."""
    closes_at: str | None = None
    """None where it never closes."""
    left_s: float | None = None
    """How long it takes until it closes or, where it is closed, until it opens."""
    fits: bool | None = None
    """Whether the run is expected to end before `stops_at`; None where nobody can say."""


@value
class BudgetStatus:
    """How many rows of the run may fail."""

    limit: int
    written: str
    """As the job has it: `5%`."""
    used: int
    """Rows that failed or are in conflict."""
    left: int


@value
class WaveStatus:
    """The wave under way, or the last one."""

    number: int
    of: int
    name: str
    rows: int
    left: int
    soak_ends_at: str | None
    """Until when (UTC) it is left alone, where its rows have ended as asked."""


@value
class LaneStatus:
    """The rows that share one rate limit at the API."""

    host: str
    region: str
    account: str
    rows: int
    """Services to change."""
    left: int
    """Those of them that have not ended."""
    rate_per_s: float
    """How fast PUTs may leave."""
    limit: str | None
    """The API's limit as it is believed to be: `60 per minute (user)`."""
    limit_per_s: float | None
    why: str | None
    """Where that belief comes from: `given`, `stated` or `found`."""
    noise: float
    """Share of requests that is refused whatever the rate."""
    left_s: float | None
    """How long its rows take at that rate; None where that is no time that anybody waits."""


@value
class RunStatus:
    """Where a run stands; the table in jobs/README.md says what each member is."""

    at: str
    state: State
    exit_code: ExitCode
    reason: str
    reasons: tuple[BrakeReason, ...] = ()
    job: str | None = None
    run_id: str | None = None
    ticket: str | None = None
    digest: str | None = None
    via: str | None = None
    rolled_back_by: str | None = None
    planned_at: str | None = None
    began_at: str | None = None
    ended_at: str | None = None
    last_at: str = ""
    silent_s: float | None = None
    ends_at: str | None = None
    left_s: float | None = None
    rows: int = 0
    changes: int = 0
    ended: int = 0
    left: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    parked: Sequence[int] = ()
    puts_sent: int = 0
    refusals: int = 0
    hold: HoldStatus | None = None
    holds: tuple[HoldStatus, ...] = ()
    window: WindowStatus | None = None
    budget: BudgetStatus | None = None
    wave: WaveStatus | None = None
    lanes: tuple[LaneStatus, ...] = ()
    begun: int = 0
    sessions: tuple[SessionSummary, ...] = ()
    decisions: tuple[Json, ...] = ()
    stops: tuple[Json, ...] = ()
    pause: Json | None = None
    rate: Json | None = None

    def json(self) -> Json:
        """Return it as JSON: times in UTC, lengths in seconds, null for what is not known or not there."""
        return asdict(self)


def run_status(
    progress: Progress,
    job: Job | None,
    *,
    now: datetime,
    alive: bool,
    waves: Sequence[WaveStanding] = (),
    outcome_at: str = "",
    rolled_back_by: str = "",
) -> RunStatus:
    """Return where a run stands at a moment, which has the zone of this machine.

    `job` has the settings in force, None where they cannot be read; `alive` means that a process holds the
    ledger's lock; `waves` are those of the plan, and `outcome_at` is when the last outcome was written.
    """
    state, known, at_s = state_of_run(progress, alive=alive), decided(progress.decisions), now.timestamp()
    summaries = session_summaries(progress)
    silent_s = max(0.0, at_s - moment_s(progress.last_at)) if alive and progress.last_at else None
    is_at_work = alive and bool(summaries) and not summaries[-1].ended_at
    soak = _soak(progress, job, waves, outcome_at, at_s) if is_at_work else None
    holds = tuple(_holds(progress, known, soak, at_s)) if is_at_work else ()
    lanes, wave = tuple(_lanes(progress, job, known)), _wave(waves, known, holds)
    left_s = _left_s(lanes, job, wave)
    ends_at = _ends_at(holds, left_s, at_s) if is_at_work and (silent_s or 0.0) <= SILENT_S else None
    return RunStatus(
        at=timestamp(at_s),
        state=state,
        exit_code=_exit_code(state, progress, known, rolled_back_by),
        reason=_reason(state, progress, known, holds, rolled_back_by=rolled_back_by, silent_s=silent_s),
        rolled_back_by=rolled_back_by or None,
        **_facts(progress, summaries),
        silent_s=_rounded(silent_s),
        ends_at=ends_at,
        left_s=_rounded(left_s),
        **_waited_for(holds),
        **_kept_to(progress, job, now, ends_at),
        wave=wave,
        lanes=lanes,
        **_decisions(progress, known),
    )


def within(standing: RunStatus, age_s: float) -> RunStatus:
    """Return where a run stands for who asks of the last seconds alone: as no run, where none worked in them.

    A start that failed before it recorded anything leaves the former run as the latest one. What a person has
    to lift stays, since the next start ends with it as well.
    """
    earliest_s = moment_s(standing.at) - age_s
    worked_at = standing.ended_at or standing.last_at
    needs_a_word = standing.exit_code in {ExitCode.SAFETY_LIMIT, ExitCode.REFUSED}
    if standing.state is State.RUNNING or needs_a_word or (worked_at and earliest_s <= moment_s(worked_at)):
        return standing
    reason = f"no run was at work in the last {duration(age_s)}; before, {standing.reason}"
    return replace(standing, exit_code=ExitCode.STOPPED_EARLY, reason=reason)


def state_of_run(progress: Progress, *, alive: bool) -> State:
    """Return the state of a run; `alive` means that a process holds the ledger's lock."""
    if alive:
        return State.RUNNING
    if progress.planned is None:
        return State.INCOMPLETE
    if not progress.sessions:
        return State.PLANNED
    if progress.finished:
        return State.FINISHED
    return State.STOPPED if session_summaries(progress)[-1].ended_at else State.DIED


def _exit_code(state: State, progress: Progress, known: Decided, rolled_back_by: str) -> ExitCode:
    """Return what `apply` of this run would end with, or has, as far as the ledger shows.

    A session that died left nothing that the same command does not continue from; one that wrote no end
    because of a full disk or a bug looks the same.
    """
    if state is State.RUNNING:
        return ExitCode.BUSY
    if rolled_back_by or known.left:
        return ExitCode.REFUSED
    if known.stops:
        return ExitCode.SAFETY_LIMIT
    match state:
        case State.INCOMPLETE:
            return ExitCode.CANNOT_RUN
        case State.PLANNED | State.DIED:
            return ExitCode.STOPPED_EARLY
        case State.STOPPED | State.FINISHED:
            reasons = {*session_summaries(progress)[-1].reasons} - {BrakeReason.FINISHED}
            return exit_code(reasons, progress.counts())
        case _:
            assert_never(state)


def _reason(
    state: State,
    progress: Progress,
    known: Decided,
    holds: Collection[HoldStatus],
    *,
    rolled_back_by: str,
    silent_s: float | None,
) -> str:
    """Return why the run is where it is, in words."""
    if state is State.RUNNING:
        return _at_work(progress, holds, silent_s or 0.0)
    if rolled_back_by:
        return f"it was rolled back by {rolled_back_by}"
    if known.left:
        return f"it was left for good by {known.left}"
    if known.stops:
        return "; ".join(f"{stop.why} (stop {stop.id})" for stop in known.stops)
    match state:
        case State.INCOMPLETE:
            return "the plan was never finished"
        case State.PLANNED:
            return "no session has begun"
        case State.DIED:
            last = session_summaries(progress)[-1]
            return f"{last.process} died"
        case State.STOPPED:
            return session_summaries(progress)[-1].why
        case State.FINISHED:
            return f"it finished; {tallied(not_as_asked(progress.counts())) or 'every row is as asked'}"
        case _:
            assert_never(state)


def _at_work(progress: Progress, holds: Collection[HoldStatus], silent_s: float) -> str:
    """Return what a process does that holds the lock."""
    if not progress.sessions or session_summaries(progress)[-1].ended_at:
        return "a process holds the ledger; its session has not begun"
    if silent_s > SILENT_S:
        return f"no word for {duration(silent_s)}"
    return min(holds, key=_rank).text if holds else "sending"


def _facts(progress: Progress, summaries: Sequence[SessionSummary]) -> Json:
    """Return which run it is, who did what when, and what has become of the rows."""
    run = progress.run
    return {
        "job": run.get("job"),
        "run_id": run.get("run_id"),
        "ticket": progress.ticket or None,
        "digest": progress.digest or None,
        "via": where_of(progress).via or None,
        "planned_at": progress.planned_at or None,
        "began_at": summaries[0].began_at if summaries else None,
        "ended_at": summaries[-1].ended_at or None if summaries else None,
        "last_at": progress.last_at,
        "reasons": summaries[-1].reasons if summaries else (),
        "begun": progress.begun,
        "sessions": summaries[-SESSIONS_SHOWN:],
        "rows": progress.rows,
        "changes": progress.footprint.changes,
        "ended": progress.ended,
        "left": progress.rows - progress.ended,
        "outcomes": {outcome.value: rows for outcome, rows in progress.counts().items()},
        "codes": dict(+progress.codes),
        "parked": progress.parked,
        "puts_sent": progress.sent,
        "refusals": progress.refusals,
    }


# What is waited for


def _waited_for(holds: Collection[HoldStatus]) -> Json:
    """Return all holds, and the one that a person wants to know of first."""
    return {"hold": min(holds, key=_rank, default=None), "holds": holds}


def _holds(progress: Progress, known: Decided, soak: HoldStatus | None, at_s: float) -> Iterator[HoldStatus]:
    """Yield what this session has noted that it waits for, and has not noted the end of.

    A pause, an unsure judge and a soak count at once: they are noted only seconds later.
    """
    since = progress.sessions[-1]["n"]
    held: dict[tuple[str, str, int | None], Json] = {}
    for note in progress.notes:
        if note["n"] > since and (noted := note.get("held")):
            key = (noted["who"], noted["hold"], note.get("row"))
            held.pop(key, None)
            if not noted.get("is_over") and not (noted["until"] and moment_s(noted["until"]) <= at_s):
                held[key] = noted
    for (who, hold, row), noted in held.items():
        yield _hold(Hold(hold), who, noted, row, at_s)
    if known.pause and not any(hold == Hold.OPERATOR for _, hold, _ in held):
        said = {"since": known.pause.at, "detail": f"paused by {known.pause.who}"}
        yield _hold(Hold.OPERATOR, "rows", said, None, at_s)
    if (unsure := unsure_ruling(progress)) and not any(hold == Hold.JUDGE for _, hold, _ in held):
        ruling, at = unsure
        detail = f"unsure about wave {ruling.wave}{f' ({ruling.reason})' if ruling.reason else ''}"
        yield _hold(Hold.JUDGE, "rows", {"since": at, "detail": detail}, None, at_s)
    if soak and not any(hold == Hold.SOAK for _, hold, _ in held):
        yield soak


def _soak(
    progress: Progress, job: Job | None, waves: Sequence[WaveStanding], outcome_at: str, at_s: float
) -> HoldStatus | None:
    """Return the soak that began with the last outcome of this session; it is noted only seconds later."""
    known, soak = decided(progress.decisions), job.guards.soak if job else None
    wave = _under_way(waves, known)
    if not (soak and wave) or wave.left or wave is waves[-1] or known.stops:
        return None
    if outcome_at < progress.sessions[-1]["at"] or (until_s := moment_s(outcome_at) + soak.seconds) <= at_s:
        return None
    said = {"since": outcome_at, "until": timestamp(until_s), "detail": f"wave {wave.number}"}
    return _hold(Hold.SOAK, "rows", said, None, at_s)


def _hold(hold: Hold, who: str, noted: Json, row: int | None, at_s: float) -> HoldStatus:
    detail, until = noted.get("detail", ""), noted.get("until", "")
    return HoldStatus(
        hold=hold,
        who=who,
        text=f"{who} wait for {hold.words}{f': {detail}' if detail else ''}",
        row=row,
        since=noted["since"],
        held_s=round(max(0.0, at_s - moment_s(noted["since"])), 3),
        until=until or None,
        left_s=round(moment_s(until) - at_s, 3) if until else None,
    )


def _rank(hold: HoldStatus) -> int:
    return _FIRST.index(hold.hold) if hold.hold in _FIRST else len(_FIRST)


def _ends_at(holds: Iterable[HoldStatus], left_s: float | None, at_s: float) -> str | None:
    """Return when the run is expected to end, which may wait now; None where nobody can say."""
    if left_s is None or any(hold.hold in _WITHOUT_END for hold in holds):
        return None
    return timestamp(max((moment_s(hold.until) for hold in holds if hold.until), default=at_s) + left_s)


# What a run keeps to


def _kept_to(progress: Progress, job: Job | None, now: datetime, ends_at: str | None) -> Json:
    """Return window and failure budget."""
    return {"window": _window(job, progress.pages, now, ends_at), "budget": _budget(progress, job)}


def _window(job: Job | None, pages: int, now: datetime, ends_at: str | None) -> WindowStatus | None:
    if job is None or (calendar := job.when.calendar) is None:
        return None
    at_s = now.timestamp()
    opening = calendar.next_opening(at_s, now.tzinfo or UTC)
    if opening is None:
        return WindowStatus(window=str(calendar), is_open=False)
    is_open = opening.opens_at <= at_s
    left_s = (opening.closes_at if is_open else opening.opens_at) - at_s
    stops_s = opening.closes_at - job.spare_s(pages)
    return WindowStatus(
        window=str(calendar),
        is_open=is_open,
        opens_at=_at(opening.opens_at),
        stops_at=_at(stops_s),
        closes_at=_at(opening.closes_at),
        left_s=_rounded(left_s),
        fits=moment_s(ends_at) <= stops_s if ends_at else None,
    )


def _budget(progress: Progress, job: Job | None) -> BudgetStatus | None:
    limit = failures_max(job.guards, progress.footprint.changes) if job else None
    if job is None or limit is None:
        return None
    used = failures(progress.counts())
    return BudgetStatus(
        limit=limit, written=str(job.guards.max_failures), used=used, left=max(0, limit - used)
    )


def _wave(waves: Sequence[WaveStanding], known: Decided, holds: Iterable[HoldStatus]) -> WaveStatus | None:
    if (under_way := _under_way(waves, known)) is None:
        return None
    soak = next((hold.until for hold in holds if hold.hold is Hold.SOAK), None)
    return WaveStatus(**under_way._asdict(), of=waves[-1].number, soak_ends_at=soak)


def _under_way(waves: Sequence[WaveStanding], known: Decided) -> WaveStanding | None:
    """Return the first wave that has not passed, else the last one; None where there are no waves."""
    return next((wave for wave in waves if wave.number not in known.passed), waves[-1] if waves else None)


def _lanes(progress: Progress, job: Job | None, known: Decided) -> Iterator[LaneStatus]:
    """Yield the lanes of the services to change, in the order of the plan."""
    of_target = lanes_of(progress)
    rows, left = (
        _by_lane(progress.rows_by_target({Action.UPDATE}, left=is_left), of_target)
        for is_left in (False, True)
    )
    own = (job.pace.rate if job else None) or CAUTIOUS_RATE
    for lane, changes in rows.items():
        record = progress.paces.get(pace_key(lane._asdict(), RequestKind.WRITES))
        pace = pace_of(record) if record else None
        rate_per_s = min(pace.rate_per_s if pace else own.per_s, known.rate_per_s)
        limit = pace.limit if pace else None
        yield LaneStatus(
            **lane._asdict(),
            rows=changes,
            left=left[lane],
            rate_per_s=rate_per_s,
            limit=limit_text(limit) if limit else None,
            limit_per_s=limit.per_s if limit else None,
            why=pace.why if pace else None,
            noise=pace.noise if pace else 0.0,
            left_s=_rounded(left[lane] / rate_per_s if rate_per_s else None),
        )


def lanes_of(progress: Progress) -> dict[Target, LaneName]:
    """Return the lane of each target: as the last session has it, before any as far as the plan shows it."""
    targets = [target_of(json) for json in progress.run.get("targets", ())]
    known = progress.sessions[-1].get("lanes", ()) if progress.sessions else ()
    if len(known) == len(targets):
        return {
            target: LaneName(**{name: lane[name] for name in LaneName._fields})
            for target, lane in zip(targets, known, strict=True)
        }
    where = where_of(progress)
    return {target: where.lane(target) for target in targets}


def _by_lane(rows: Mapping[Target, int], of_target: Mapping[Target, LaneName]) -> Counter[LaneName]:
    counts = Counter[LaneName]()
    for target, number in rows.items():
        counts[of_target.get(target, LaneName("", target.region, target.profile))] += number
    return counts


def _left_s(lanes: Iterable[LaneStatus], job: Job | None, wave: WaveStatus | None) -> float | None:
    """Return how long the rows take that are left: lanes side by side, waves apart; None for no end."""
    each = [lane.left_s for lane in lanes]
    if None in each:
        return None
    soak = job.guards.soak if job else None
    soaks_s = soak.seconds * (wave.of - wave.number) if soak and wave else 0
    longest_s = max(filter(None, each), default=0.0)
    return longest_s + soaks_s if longest_s else 0.0


# What was decided


def _decisions(progress: Progress, known: Decided) -> Json:
    """Return what persons, judges and limits have in force."""
    in_force = (record for record in progress.decisions if _is_in_force(record, known))
    return {
        "decisions": tuple({"at": record["at"], **record_json(decision_of(record))} for record in in_force)[
            -DECISIONS_SHOWN:
        ],
        "stops": tuple(
            {"id": stop.id, "at": stop.at, "by": stop.by, "cause": stop.cause, "reason": stop.reason}
            for stop in known.stops
        ),
        "pause": _word(known.pause),
        "rate": _word(known.rate),
    }


def _is_in_force(record: Json, known: Decided) -> bool:
    """Return whether a decision counts now: one that was lifted, or followed by another, does not."""
    decision = decision_of(record)
    match decision.what:
        case DecisionKind.STOP:
            return any(stop.id == decision.id for stop in known.stops)
        case DecisionKind.PAUSE:
            return known.pause is not None and known.pause.at == record["at"]
        case DecisionKind.RATE:
            return known.rate is not None and known.rate.at == record["at"]
        case DecisionKind.WAVE:
            return decision.wave in known.passed
        case DecisionKind.UNPAUSE | DecisionKind.DECLINED:
            return False
        case _:
            return True


def _word(word: StandingWord | None) -> Json | None:
    """Return what a person has in force; of a rate with its figure."""
    if word is None:
        return None
    rate = {} if word.rate_per_s == inf else {"rate_per_s": word.rate_per_s}
    return {"by": word.by, "at": word.at, "reason": word.reason, **rate}


def _at(moment: float) -> str | None:
    return timestamp(moment) if abs(moment) < inf else None


def _rounded(length_s: float | None) -> float | None:
    return None if length_s is None or length_s > _FAR_S else round(length_s, 3)
