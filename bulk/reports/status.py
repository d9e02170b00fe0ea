"""Where a run stands, from its ledger alone: live, dead or finished."""

from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any

from bulk.ledger.decisions import Decided, decided
from bulk.ledger.progress import Progress
from bulk.ledger.stops import not_as_asked
from bulk.model import Outcome
from bulk.reports.remarks import pause_text, rate_text, remark, stop_text
from bulk.reports.report import session_summaries
from bulk.reports.run_status import RunStatus, State, state_of_run
from bulk.reports.stopped import LETS_GO_ON, commands_awaited, ways_on
from bulk.reports.where import where_of
from bulk.reports.words import (
    NOT_LOOKED_AT_AGAIN,
    Line,
    Span,
    Style,
    parked_text,
    style_of,
    text,
    throttled,
)
from bulk.text import counted, figure, moment, printable

_STYLE = {
    State.INCOMPLETE: Style.BAD,
    State.PLANNED: Style.STRONG,
    State.RUNNING: Style.STRONG,
    State.DIED: Style.BAD,
    State.STOPPED: Style.BAD,
    State.FINISHED: Style.GOOD,
}


def lines(
    progress: Progress,
    *,
    alive: bool,
    ledger: str,
    flag: str = "",
    rolled_back_by: str = "",
    zone: tzinfo = UTC,
    standing: RunStatus | None = None,
) -> Iterator[Line]:
    """Return the status line by line, its times in a zone and in UTC.

    Ledgers are written as a shell has them, `flag` names the API; of a run at work `standing` says what it
    waits for, and how far it is.
    """
    state = state_of_run(progress, alive=alive)
    yield (
        Span(printable(progress.run.get("job", "unknown job")), Style.STRONG),
        Span(": "),
        Span(state.value, _STYLE[state]),
        Span(printable(_since(progress, state, zone))),
    )
    if progress.planned:
        yield from _counts(progress, state)
        yield from _where(progress)
        yield from _codes(progress)
        if parked := progress.parked:
            yield text(f"! {parked_text(parked)}", Style.BAD)
        yield from _last_word(progress, state, zone)
    if standing and state is State.RUNNING:
        yield from _at_work(standing, zone)
    known = decided(progress.decisions)
    if state is not State.FINISHED:
        yield from _words(known, zone)
    yield from _stops(known, zone)
    yield from _ways(progress, state, (ledger, flag), rolled_back_by, zone)
    if standing and standing.holds:
        yield from (text(f"{LETS_GO_ON} {command}") for _, command in commands_awaited(progress, ledger))


def _ways(
    progress: Progress, state: State, run: tuple[str, str], rolled_back_by: str, zone: tzinfo
) -> Iterator[Line]:
    """Return what there is to do with a run: its ledger, and the flag that names the API."""
    known, (ledger, flag) = decided(progress.decisions), run
    if rolled_back_by:
        how_much = f" ({known.rolled_back.reason})" if known.rolled_back else ""
        yield text(printable(f"rolled back{how_much}: bulk status {rolled_back_by}"), Style.STRONG)
    elif known.left:
        yield text(printable(f"left for good by {known.left} at {moment(known.left_at, zone)}"), Style.STRONG)
    elif known.stops:
        yield from map(text, ways_on(progress, ledger, flag))
    else:
        yield from _next(state, f"bulk apply {ledger}{flag}")


def _at_work(standing: RunStatus, zone: tzinfo) -> Iterator[Line]:
    """Return what a run at work waits for, what is left of wave and budget, and when it may end."""
    hold, wave, budget, window = standing.hold, standing.wave, standing.budget, standing.window
    until = f", until {moment(hold.until, zone)}" if hold and hold.until else ""
    yield text(printable(f"  {standing.reason}{until}"), Style.STRONG if hold else Style.PLAIN)
    if wave:
        left = f"{figure(wave.left)} of {counted(wave.rows, 'row')} left"
        yield text(f"  wave {wave.number} of {wave.of}: {left}", Style.FAINT)
    if budget:
        yield text(f"  {figure(budget.left)} of {counted(budget.limit, 'failure')} left", Style.FAINT)
    if standing.ends_at:
        fits = {True: "; it fits the window", False: "; it does not fit the window", None: ""}
        closes = fits[window.fits if window else None]
        at = moment(standing.ends_at, zone)
        yield text(f"  expected to end at {at}{closes}", Style.BAD if "not" in closes else Style.FAINT)


def _stops(known: Decided, zone: tzinfo) -> Iterator[Line]:
    """Return a line for each stop that stands."""
    for stop in known.stops:
        yield text(printable(stop_text(stop, zone)), Style.BAD)


def _words(known: Decided, zone: tzinfo) -> Iterator[Line]:
    """Yield the pause and the rate that a person has in force."""
    if known.pause:
        yield text(printable(pause_text(known.pause, zone)), Style.BAD)
    if known.rate:
        yield text(printable(rate_text(known.rate, zone)), Style.STRONG)


def _where(progress: Progress) -> Iterator[Line]:
    where = where_of(progress)
    if where.every_host:
        words = ", ".join(where.facts)
        yield text(printable(f"  at {words}"), Style.FAINT)
    if ticket := progress.ticket:
        yield text(printable(f"  ticket {ticket}"), Style.FAINT)


def _since(progress: Progress, state: State, zone: tzinfo) -> str:
    if not progress.sessions:
        return _planned(progress, state, zone)
    last = session_summaries(progress)[-1]
    who = f", {last.process} since {moment(last.began_at, zone)}"
    match state:
        case State.STOPPED:
            return f" at {moment(last.ended_at, zone)}: {last.why}"
        case State.FINISHED:
            return f" at {moment(last.ended_at, zone)}; {_as_asked(progress)}"
        case _:
            return f"{who}, last written {moment(progress.last_at, zone)}"


def _planned(progress: Progress, state: State, zone: tzinfo) -> str:
    if state is not State.PLANNED:
        return f", last written {moment(progress.last_at, zone)}" if progress.last_at else ""
    run = progress.run
    who = f" by {run['user']} on {run['host']}" if run.get("user") else ""
    return f" at {moment(progress.planned_at, zone)}{who}, not begun"


def _as_asked(progress: Progress) -> str:
    wrong = sum(not_as_asked(progress.counts()).values())
    rows = counted(progress.rows, "service")
    if wrong:
        return f"{figure(wrong)} of {rows} {'is' if wrong == 1 else 'are'} not as asked"
    return f"{rows} as asked"


def _counts(progress: Progress, state: State) -> Iterator[Line]:
    """Return what the plan decided or how rows ended, and how much has been sent."""
    counts: Mapping[Any, int]
    if state is State.PLANNED:
        counts = progress.actions_counted()
    else:
        counts = progress.counts()
        share = f" ({100 * progress.ended // progress.rows} %)" if progress.rows else ""
        sent = f"{counted(progress.sent, 'PUT')} sent, {throttled(progress.refusals)}"
        yield text(f"  {figure(progress.ended)} of {counted(progress.rows, 'row')} done{share}; {sent}")
    known = [(result, rows) for result, rows in counts.items() if rows]
    has_ended = state in {State.STOPPED, State.DIED}
    yield tuple(
        Span(
            f"  {result.facts.sigil} {figure(rows)} {result.facts.phrase}"
            f"{NOT_LOOKED_AT_AGAIN if has_ended and result is Outcome.APPLIED else ''}",
            style_of(result),
        )
        for result, rows in known
    )


def _codes(progress: Progress) -> Iterator[Line]:
    for code, rows in (+progress.codes).most_common():  # without those that the last look put right
        yield text(printable(f"! {code}: {counted(rows, 'row')}"), Style.BAD)


def _last_word(progress: Progress, state: State, zone: tzinfo) -> Iterator[Line]:
    """Return the latest note or change of pace, but for holds: those that last are shown by themselves."""
    noted = [note for note in progress.notes if note.get("about") != "hold"]
    if noted and state is not State.FINISHED:
        last = noted[-1]
        yield text(printable(f"  {moment(last['at'], zone)}: {remark(last)}"), Style.FAINT)


def _next(state: State, resume: str) -> Iterator[Line]:
    match state:
        case State.PLANNED:
            yield text(f"to apply: {resume}")
        case State.DIED | State.STOPPED:
            yield text(f"to continue: {resume}")
        case State.INCOMPLETE:
            yield text("the plan is incomplete and cannot be applied; plan anew")
        case _:
            return
