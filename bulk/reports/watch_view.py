"""What `bulk watch` shows of a run: one object, of words and figures, for the terminal and the page.

The figures are those of `bulk status --output json`. Beside them stand what the last minute was like, the
rows that need a person, and the commands that a person may want next.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import tzinfo
from typing import NamedTuple, assert_never

from bulk.ledger.chain import moment_s
from bulk.ledger.decisions import decided
from bulk.ledger.progress import Progress, changes_ended
from bulk.ledger.records import DecisionKind, Json, Ruling, decision_of
from bulk.ledger.run_waves import unsure_ruling
from bulk.model import Hold, LaneName, Outcome, Sigil, value
from bulk.pacing.describe import noise_text
from bulk.reports.headline import short_digest
from bulk.reports.recent import SECONDS, Recent
from bulk.reports.remarks import decision_text
from bulk.reports.report_row import Row
from bulk.reports.run_status import SILENT_S, HoldStatus, LaneStatus, RunStatus, State, lanes_of
from bulk.reports.stopped import commands_awaited, ways_on
from bulk.reports.where import where_of
from bulk.reports.words import about
from bulk.text import counted, duration, figure, moment, per_second

SENDING_OVER_S = 5
"""A run that has sent something in so many seconds is sending, whatever some of its rows wait for."""
NOW_OVER_S = 10
"""Seconds over which the speed of now is the mean."""
ROWS_SHOWN, DECISIONS_SHOWN, CODES_SHOWN = 8, 6, 5


@value
class LaneView:
    """One lane: how many of its changes have ended, how fast it is, and its last minute, second by second."""

    name: str
    more: str
    done: int
    of: int
    now_per_s: float
    limit: str
    throttled: int
    sent: tuple[int, ...]
    throttled_each: tuple[int, ...]
    rates: tuple[tuple[int, float], ...]
    """The rate in force from a second on."""
    limits: tuple[tuple[int, float], ...]


@value
class RowView:
    """A row that needs a person, or is in doubt."""

    tone: str
    sigil: str
    name: str
    place: str
    why: str
    at: str


@value
class WaveView:
    """A wave and where it stands."""

    tone: str
    sigil: str
    name: str
    more: str


@value
class View:
    """The whole view. A tone is `good`, `bad`, `change` (it waits) or nothing."""

    job: str
    state: str
    tone: str
    who: tuple[str, ...]
    reason: str
    """Why it waits, or what it does: the headline, which changes only with the reason."""
    reason_more: str
    """Until when, or how long yet."""
    explained: str
    done: int
    of: int
    percent: str
    left: str
    ends: str
    bar: tuple[tuple[str, float], ...]
    counts: tuple[tuple[str, str], ...]
    trouble: str
    lanes: tuple[LaneView, ...]
    rows_title: str
    rows: tuple[RowView, ...]
    advice: tuple[str, ...]
    waves: tuple[WaveView, ...]
    budget: str
    budget_bar: tuple[tuple[str, float], ...]
    window: str
    window_more: str
    decisions: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
    leaving: str
    """How a terminal is left and what the run does then; empty where it has finished, which ends the view."""
    silent_s: float | None
    """How long ago the last record was written; None where nobody works on the run."""
    silent_max_s: float = SILENT_S
    seconds: int = SECONDS


@value
class SeenRow:
    """A row as its lines in the ledger show it, and when it came to that."""

    row: Row
    at: str


def view_of(
    status: RunStatus,
    progress: Progress,
    recent: Recent,
    rows: Sequence[SeenRow],
    asked: Sequence[str] = (),
    *,
    zone: tzinfo,
    run: str,
    ledger: str,
    advice: Callable[[str], str],
    trouble: str,
) -> View:
    """Return the view of a run at the moment of its status, its times in a zone and in UTC.

    `rows` are those that need a person or are in doubt, `asked` in words the commands that the run has not
    answered. As a shell has them, `run` names the run to `tell`, and `ledger` its ledger with its flag.
    """
    lanes = tuple(_lanes(status, progress, recent))
    top = _headline(status, progress, lanes, zone)
    return View(
        job=str(status.job),
        state=top.state,
        tone=top.tone,
        who=tuple(_who(status, progress, zone)),
        reason=top.words,
        reason_more=top.more,
        explained=top.explained,
        **_figures(status, progress, recent, zone),
        trouble=trouble,
        lanes=lanes,
        rows_title=_rows_title(status, progress, recent),
        rows=tuple(_row(each, zone) for each in rows),
        advice=tuple(_advice(status, advice)),
        **_kept_to(status, progress, zone),
        decisions=(*(("", words) for words in asked), *_decisions(progress, zone)),
        commands=tuple(_commands(status, progress, run, ledger)),
        leaving=_LEAVING.get(status.state, "Ctrl-C leaves"),
        silent_s=status.silent_s,
    )


_LEAVING = {State.RUNNING: "Ctrl-C leaves; the run goes on", State.FINISHED: ""}


def _is_silent(status: RunStatus) -> bool:
    """Return whether a run at work has written nothing for so long that nobody knows how it is."""
    return status.silent_s is not None and status.silent_s >= SILENT_S


# The headline


class Headline(NamedTuple):
    """The state in a word or two, and why it waits in words that need no knowledge of the tool."""

    state: str
    tone: str
    words: str
    more: str = ""
    explained: str = ""


def _headline(status: RunStatus, progress: Progress, lanes: Sequence[LaneView], zone: tzinfo) -> Headline:
    is_sending = any(sum(lane.sent[-SENDING_OVER_S:]) for lane in lanes)
    match status.state:
        case State.RUNNING if _is_silent(status):
            last = status.sessions[-1] if status.sessions else None
            whom = f"look at {last.process if last else 'its process'}"
            words = f"The run holds its ledger and writes nothing: {whom}. What is shown is as old as that."
            silent = f" for {duration(int(status.silent_s or 0))}"
            return Headline("no word", "bad", "No word from the run", silent, words)
        case State.RUNNING if status.hold and (status.hold.hold in _OF_ALL or not is_sending):
            return _held(status.hold, status, _awaited_go(status, progress), zone)
        case State.RUNNING if not status.sessions or status.ended_at:
            return Headline("opened", "", "Not begun yet", explained=status.reason)
        case State.RUNNING:
            return _sending(status)
        case State.PLANNED:
            return Headline("planned", "", "Planned, not begun", explained="Nothing has been sent.")
        case State.FINISHED:
            wrong = sum(status.outcomes[each] for each in Outcome if not each.facts.as_asked)
            if wrong:
                return Headline("finished", "bad", f"Finished: {counted(wrong, 'service')} not as asked")
            return Headline("finished", "good", "Finished: everything is as asked")
        case State.DIED:
            goes_on = f"{status.reason}; the command below goes on, and reads first what was in flight"
            return Headline("died", "bad", "The run died", explained=goes_on)
        case State.STOPPED | State.INCOMPLETE:
            return Headline(status.state.value, "bad", f"Stopped: {status.reason}")
        case _:
            assert_never(status.state)


def _awaited_go(status: RunStatus, progress: Progress) -> str:
    """Return which go of a person would let a run at work go on, as its judge is unsure; empty for none."""
    if status.state is not State.RUNNING or (unsure := unsure_ruling(progress)) is None:
        return ""
    wave = unsure[0].wave
    return f"a go {f'after wave {wave}' if wave else 'before the first PUT'}"


def _sending(status: RunStatus) -> Headline:
    limits = {lane.limit for lane in status.lanes if lane.left}
    if len(limits) == 1 and (limit := limits.pop()) and all(lane.why != "given" for lane in status.lanes):
        words = "It sends as fast as the API lets it; that is no error."
        return Headline("sending", "good", f"Sending at the API's limit: {limit}", explained=words)
    waits = f"{status.hold.text}; other services are being changed." if status.hold else ""
    return Headline("sending", "good", "Sending" if status.left else "Checking what was sent", "", waits)


_OF_ALL = frozenset({Hold.OPERATOR, Hold.WINDOW, Hold.SOAK, Hold.JUDGE})
"""Holds of the whole run; with any other some rows wait, and the rest may go on."""


_WAITS = {
    Hold.PUSH_BACK: "the API, which asked for a pause",
    Hold.PREDECESSOR: "services that have to be changed first",
    Hold.PARKING: "a port that another service gives up first",
    Hold.SETTLE: "services whose answer was lost: they are read",
    Hold.BACKOFF: "another try of what failed",
    Hold.BUDGET: "the failure budget: only as many are sent as may still fail",
    Hold.WAVE: "the end of this wave",
    Hold.SOAK: "the next wave, while this one proves itself",
    Hold.JUDGE: "the judge to rule on a wave",
    Hold.WINDOW: "the window to open",
    Hold.KEY: "the first change that this key may make",
    Hold.WORKER: "a worker, which signs and sends from another host",
}
"""What is waited for, for somebody who does not know the tool."""


def _held(hold: HoldStatus, status: RunStatus, go: str, zone: tzinfo) -> Headline:
    if hold.hold is Hold.JUDGE and go:
        return Headline("waiting", "bad", f"Waiting for {go}: the judge is unsure", "", hold.text)
    if hold.hold is Hold.OPERATOR:
        by = status.pause["by"] if status.pause else "a person"
        why = status.pause["reason"] if status.pause else ""
        length = f", for {about(hold.held_s)}"
        return Headline("paused", "change", f"Paused by {by}", length, why or hold.text)
    more = ""
    if hold.until and hold.left_s is not None:
        left = f"in {about(hold.left_s)}" if hold.left_s > 0 else "now"
        more = f": {moment(hold.until, zone, seconds=False, day=hold.left_s > _DAY_S)}, {left}"
    return Headline(
        "waiting", "change", f"Waiting for {_WAITS.get(hold.hold, hold.hold.words)}", more, hold.text
    )


_DAY_S = 43_200
"""How far ahead a time needs its day."""


def _who(status: RunStatus, progress: Progress, zone: tzinfo) -> Iterator[str]:
    where = where_of(progress)
    if status.sessions:
        last = status.sessions[-1]
        yield f"began {moment(last.began_at, zone)}"
        yield f"{last.user} on {last.host}, process {last.pid}"
    elif status.planned_at:
        yield f"planned {moment(status.planned_at, zone)}"
    if status.ticket:
        yield status.ticket
    yield ", ".join(where.facts)
    if status.digest:
        yield f"digest {short_digest(status.digest)}"


# Figures


def _figures(status: RunStatus, progress: Progress, recent: Recent, zone: tzinfo) -> Json:
    """Return how far it has come and, unless nobody knows that any more, how long it still takes."""
    done, of, is_silent = changes_ended(progress), status.changes, _is_silent(status)
    ends = "" if is_silent or not status.ends_at else f"ends about {moment(status.ends_at, zone, day=False)}"
    return {
        "done": done,
        "of": of,
        "percent": f"{100 * done // of} %" if of else "",
        "left": "" if is_silent else _left(status),
        "ends": ends,
        "bar": tuple(_bar(progress, of)),
        "counts": tuple(_counts(status, recent)),
    }


def _left(status: RunStatus) -> str:
    """Return how long it still takes; where nobody knows when it goes on, how long it takes from then."""
    if status.state is not State.RUNNING or not status.left_s:
        return ""
    length = about(status.left_s)
    return f"about {length} left" if status.ends_at else f"needs about {length}"


def _bar(progress: Progress, of: int) -> Iterator[tuple[str, float]]:
    counts = progress.counts()
    bad = (
        counts[Outcome.FAILED] + counts[Outcome.CONFLICT] + counts[Outcome.BLOCKED] + counts[Outcome.DRIFTED]
    )
    if of:
        yield "good", max(0, changes_ended(progress) - bad) / of
        yield "bad", min(bad, of) / of


_TONES = {Sigil.DONE: "good", Sigil.WRONG: "bad", Sigil.UNKNOWN: "change"}


def _doubts(status: RunStatus, recent: Recent) -> int:
    """Return how many rows are in doubt; what is in flight is that, once nobody waits for its answer."""
    in_flight = status.outcomes[Outcome.IN_DOUBT]
    return min(in_flight, len(recent.doubts)) if status.state is State.RUNNING else in_flight


def _counts(status: RunStatus, recent: Recent) -> Iterator[tuple[str, str]]:
    doubts = _doubts(status, recent)
    in_flight = status.outcomes[Outcome.IN_DOUBT] - doubts
    for outcome in Outcome:
        rows = doubts if outcome is Outcome.IN_DOUBT else status.outcomes[outcome]
        if rows and outcome is not Outcome.NOT_ATTEMPTED:
            facts = outcome.facts
            yield _TONES.get(facts.sigil, "faint"), f"{facts.sigil} {figure(rows)} {facts.phrase}"
    if in_flight:
        yield "faint", f"{counted(in_flight, 'PUT')} in flight"
    if status.refusals:
        yield "faint", f"throttled {figure(status.refusals)}"


def _lanes(status: RunStatus, progress: Progress, recent: Recent) -> Iterator[LaneView]:
    of_target, now = lanes_of(progress), moment_s(status.at)
    regions = Counter(lane.region for lane in status.lanes)
    for lane in status.lanes:
        name = LaneName(lane.host, lane.region, lane.account)
        numbers = [n for n, target in enumerate(progress.targets) if of_target.get(target) == name]
        counts, paces = recent.counts(numbers, now), recent.paces(name, now)
        yield LaneView(
            name=f"{lane.account}@{lane.region}" if regions[lane.region] > 1 else lane.region,
            more=_lane_more(lane, status),
            done=lane.rows - lane.left,
            of=lane.rows,
            now_per_s=sum(counts.sent[-NOW_OVER_S - 1 : -1]) / NOW_OVER_S,
            limit=f"{lane.limit}, {lane.why}" if lane.limit else "not known",
            throttled=sum(counts.throttled),
            sent=counts.sent,
            throttled_each=counts.throttled,
            rates=tuple((second, pace.rate_per_s) for second, pace in paces),
            limits=tuple((second, pace.limit.per_s) for second, pace in paces if pace.limit),
        )


def _lane_more(lane: LaneStatus, status: RunStatus) -> str:
    if not lane.left:
        return "done"
    by = f" (at most {status.rate['rate_per_s']:g}/s by {status.rate['by']})" if status.rate else ""
    parts = [f"may send {per_second(lane.rate_per_s)}{by}"]
    if lane.noise:
        parts.append(noise_text(lane.noise))
    if lane.left_s is not None and status.ends_at and not _is_silent(status):
        parts.append(f"about {about(lane.left_s)} left")
    return ", ".join(parts)


def _clock(at: str, zone: tzinfo) -> str:
    """Return the local time of a record: the head says which zone that is."""
    return moment(at, zone, day=False).partition(" ")[0]


# What needs a person


def _rows_title(status: RunStatus, progress: Progress, recent: Recent) -> str:
    wrong = [go] if (go := _awaited_go(status, progress)) else []
    wrong += [
        f"{figure(rows)} {each.facts.phrase}"
        for each in Outcome
        if (rows := status.outcomes[each]) and each.facts.sigil is Sigil.WRONG
    ]
    if doubts := _doubts(status, recent):
        wrong.append(f"{figure(doubts)} in doubt")
    return f"Needs a person: {', '.join(wrong) or 'nothing'}"


def _row(seen: SeenRow, zone: tzinfo) -> RowView:
    row, change = seen.row, seen.row.change
    is_doubt = row.outcome is Outcome.IN_DOUBT
    why = "in doubt: no answer came, and the service is read" if is_doubt else row.why
    return RowView(
        tone="change" if is_doubt else "bad",
        sigil=str(Sigil.UNKNOWN if is_doubt else Sigil.WRONG),
        name=row.name or change.service_id[:8],
        place=f"{change.target.region}, {change.update.place.rpartition('/')[2]}",
        why=why if is_doubt else " ".join(filter(None, (row.code, why))),
        at=_clock(seen.at, zone),
    )


def _advice(status: RunStatus, advice: Callable[[str], str]) -> Iterator[str]:
    for code, rows in Counter(status.codes).most_common(CODES_SHOWN):
        yield f"{code}, {counted(rows, 'row')}: {advice(code)}"


# What it keeps to


def _kept_to(status: RunStatus, progress: Progress, zone: tzinfo) -> Json:
    """Return waves, budget and window."""
    return {
        "waves": tuple(_waves(status, progress, zone)),
        **_budget(status),
        "window": _window(status, zone),
        "window_more": "" if _is_silent(status) else _window_more(status),
    }


def _waves(status: RunStatus, progress: Progress, zone: tzinfo) -> Iterator[WaveView]:
    """Yield the waves that were judged or let pass, and the one under way or last."""
    if (under_way := status.wave) is None:
        return
    known = decided(progress.decisions)
    yield from _judged(progress, known.passed, zone)
    if under_way.number in known.passed:
        return
    rows = f"{figure(under_way.rows - under_way.left)} of {counted(under_way.rows, 'service')}"
    soaks = f", soaks until {_clock(under_way.soak_ends_at, zone)}" if under_way.soak_ends_at else ""
    name = f", {under_way.name}" if under_way.name else ""
    sigil = Sigil.DONE if status.state is State.FINISHED else Sigil.TO_CHANGE  # nobody rules on the last one
    if any(stop.wave == under_way.number for stop in known.stops):
        sigil = Sigil.WRONG
    yield WaveView(
        tone="change" if sigil is Sigil.TO_CHANGE else _TONES[sigil],
        sigil=str(sigil),
        name=f"{under_way.number} of {under_way.of}{name}",
        more=f"{rows}{soaks}",
    )


_LIFTED = "passed, since a person lifted its stop"


def _judged(progress: Progress, passed: Collection[int], zone: tzinfo) -> Iterator[WaveView]:
    """Yield the waves on which there is a ruling, each with the last one, and those whose stop was lifted."""
    views = {
        number: WaveView(tone="bad", sigil=str(Sigil.WRONG), name=_wave_name(number), more=_LIFTED)
        for number in passed
    }
    for record in progress.decisions:
        decision = decision_of(record)
        if decision.what == DecisionKind.WAVE and decision.wave is not None:
            is_go = decision.ruling is Ruling.GO
            what = "passed" if is_go else decision.ruling
            lifted = f"; {_LIFTED}" if not is_go and decision.wave in passed else ""
            by = f" by {decision.user} on {decision.host}" if decision.user else ""
            why = f": {decision.reason}" if decision.reason else ""
            views[decision.wave] = WaveView(
                tone="good" if is_go else "bad",
                sigil=str(Sigil.DONE if is_go else Sigil.WRONG),
                name=_wave_name(decision.wave),
                more=f"{what} {_clock(record['at'], zone)}{by}{why}{lifted}",
            )
    yield from (views[number] for number in sorted(views))


def _wave_name(number: int) -> str:
    return str(number) if number else "0, before the first PUT"


def _budget(status: RunStatus) -> Json:
    if status.budget is None:
        return {"budget": "", "budget_bar": ()}
    used, limit = status.budget.used, status.budget.limit
    share = min(1.0, used / limit) if limit else float(used > 0)
    written = f" ({status.budget.written})" if status.budget.written.endswith("%") else ""
    return {
        "budget": f"{figure(used)} failed, {figure(limit)} may{written}",
        "budget_bar": (("bad" if used > limit else "change", share),),
    }


def _window(status: RunStatus, zone: tzinfo) -> str:
    if (window := status.window) is None:
        return ""
    if window.is_open:
        until = f" until {moment(window.closes_at, zone, seconds=False)}" if window.closes_at else ""
        return f"{window.window}: open{until}"
    return f"{window.window}: " + (
        f"opens {moment(window.opens_at, zone, seconds=False)}" if window.opens_at else "no opening is left"
    )


def _window_more(status: RunStatus) -> str:
    if (window := status.window) is None or window.left_s is None:
        return ""
    ends = f"the window {'closes' if window.is_open else 'opens'} in {about(window.left_s)}"
    fits = {True: ": the rest fits", False: ": the rest does not fit", None: ""}[window.fits]
    return ends + fits


def _decisions(progress: Progress, zone: tzinfo) -> Iterator[tuple[str, str]]:
    """Yield the last decisions, the newest first."""
    for record in reversed(progress.decisions[-DECISIONS_SHOWN:]):
        yield _clock(record["at"], zone), decision_text(record)


def _commands(status: RunStatus, progress: Progress, run: str, ledger: str) -> Iterator[tuple[str, str]]:
    """Yield what a person may want next, and the command for it."""
    if status.state is State.RUNNING:
        yield from commands_awaited(progress, run)
        others = ("stop",) if status.pause else ("pause", "stop")
        yield from ((word, f"bulk tell {run} {word}") for word in others)
        return
    if not status.rolled_back_by and status.state is not State.FINISHED:
        if status.stops:
            for words in ways_on(progress, ledger):
                what, _, command = words.partition(": ")
                yield what, command
            return
        if status.state is not State.INCOMPLETE:
            yield "go on" if status.sessions else "apply", f"bulk apply {ledger}"
    if status.outcomes[Outcome.APPLIED] and not status.rolled_back_by:
        yield "take back", f"bulk rollback {ledger}"
