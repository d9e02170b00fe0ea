"""What a plan or a run comes to: its headline, and its totals behind their labels."""

from collections.abc import Iterator

from bulk.ledger.records import DecidedBy, Ruling
from bulk.ledger.stops import not_as_asked
from bulk.model import Action, Outcome
from bulk.plan import Estimate
from bulk.reports.remarks import decision_text
from bulk.reports.report import Report, session_summaries
from bulk.reports.totals import Mappings, Totals
from bulk.reports.words import (
    NOT_LOOKED_AT_AGAIN,
    Line,
    Span,
    Style,
    about,
    parked_text,
    tallied,
    throttled,
    wrapped,
)
from bulk.text import counted, duration, figure, listed, moment, printable, weekday_moment

DIGEST_SHOWN = 16
"""Hex digits of a digest where a person reads it: as many as `--expect-digest` takes at least."""
WAVES_NAMED = 12
"""Waves of a plan that have a line each."""
_LABEL = 11
_READ_BACK = ", each read back after the run"


def headline(report: Report) -> str:
    """Return in one sentence what this is: what changes, or how the run stands."""
    job, totals = printable(report.job), report.totals
    if report.is_resumed:
        return f"{job}: {counted(report.left, 'service')} left of {figure(totals.rows)}. {_begun(report)}"
    if report.ran:
        return f"{job} {_ended(report)}"
    if report.moved:
        still = totals.rows - len(report.moved)
        since = "run" if report.progress.run.get("takes_back") else "plan"
        return (
            f"{figure(len(report.moved))} of {counted(totals.rows, 'service')} moved since the {since}; "
            f"{figure(still)} {'is' if still == 1 else 'are'} as planned. Nothing has been sent."
        )
    changes, refused = totals.actions[Action.UPDATE], totals.actions[Action.REFUSE]
    if not changes:
        return _nothing(report, refused)
    of = "" if changes == totals.rows else f"{figure(changes)} of "
    verb = "changes" if totals.rows == 1 else "change"
    return f"Plan of {job}: {of}{counted(totals.rows, 'service')} {verb}. Nothing has been sent."


def says_all(report: Report) -> bool:
    """Return whether the headline of a plan says all that there is: nothing changes, for one reason."""
    if report.ran or report.moved or report.totals.actions[Action.UPDATE]:
        return False
    return not report.totals.actions[Action.REFUSE] or bool(_only_reason(report))


def _nothing(report: Report, refused: int) -> str:
    rows, places = report.totals.rows, len(report.places)
    where = report.where.place(report.places) if places else "no project"
    if not refused:
        every = "the only service" if rows == 1 else f"all {counted(rows, 'service')}"
        return f"Nothing to change: {every} in {where} {'is' if rows == 1 else 'are'} as asked already."
    if reason := _only_reason(report):
        which = "the only row is" if rows == 1 else f"all {counted(rows, 'row')} are"
        return f"Nothing can be sent: {which} refused. {reason[0].upper()}{printable(reason[1:])}."
    right = totals_right(report.totals)
    rest = f", {counted(right, 'service')} already right" if right else ""
    return f"Nothing can be sent: {counted(refused, 'row')} refused{rest}."


def totals_right(totals: Totals) -> int:
    """Return how many services are as asked without any PUT."""
    return totals.actions[Action.KEEP]


def _only_reason(report: Report) -> str:
    """Return the reason that all rows of a plan of several are refused for; empty where there are more."""
    troubles = report.overview.troubles()
    rows = report.totals.rows
    is_one = rows > 1 and len(troubles) == 1 and troubles[0].count == rows and troubles[0].is_one_reason
    return troubles[0].rows[0].why if is_one else ""


def _begun(report: Report) -> str:
    last = session_summaries(report.progress)[-1]
    how = f"stopped at {moment(last.ended_at, report.zone)}: {last.why}" if last.ended_at else "died"
    return printable(
        f"The run by {last.user} on {last.host} began at {moment(last.began_at, report.zone)} and {how}."
    )


def _ended(report: Report) -> str:
    outcomes = report.totals.outcomes or {}
    rows, wrong = report.totals.rows, not_as_asked(outcomes)
    left, of = sum(wrong.values()), counted(rows, "service")
    if report.progress.finished and not outcomes.get(Outcome.IN_DOUBT):
        if not wrong:
            return f"is finished: {'the service is' if rows == 1 else f'all {of} are'} as asked."
        return f"is finished; {figure(left)} of {of} {'is' if left == 1 else 'are'} not as asked."
    return f"stands at {figure(sum(outcomes.values()) - left)} of {of} as asked; {tallied(wrong)}."


def question(report: Report, changes: int) -> str:
    """Return what a person is asked before the first PUT: how many, where, who loses a port."""
    return report.where.question(
        report.progress.rows_by_target({Action.UPDATE}, left=report.is_resumed),
        changes,
        consumers=report.overview.consumers,
        goes_on=report.is_resumed,
        ticket=report.ticket,
        judge=report.judge,
    )


def totals_of(report: Report, width: int) -> Iterator[Line]:
    """Return the totals, one behind each label, in lines of a terminal of this width."""
    for label, words, style in facts_of(report):
        yield from labelled(label, words, width, style)


def facts_of(report: Report) -> Iterator[tuple[str, str, Style]]:
    """Return what a plan or a run comes to: label, words, style."""
    if report.ran and not report.is_resumed:
        yield from _run_facts(report)
    else:
        yield from _plan_facts(report)
    if ticket := report.ticket:
        yield "Ticket", ticket, Style.PLAIN
    for decision in report.progress.decisions:
        if decision["by"] != DecidedBy.LIMIT or decision.get("ruling") != Ruling.GO:  # a good wave is no news
            yield (
                "Decision",
                f"{moment(decision['at'], report.zone)}: by {decision_text(decision)}",
                Style.PLAIN,
            )
    yield "Digest", short_digest(report.progress.digest), Style.PLAIN


def short_digest(digest: str) -> str:
    """Return the first hex digits of a digest, by which a person tells it from others."""
    return digest.partition(":")[2][:DIGEST_SHOWN]


def _plan_facts(report: Report) -> Iterator[tuple[str, str, Style]]:
    totals = report.totals
    if not report.is_resumed:
        yield "Mappings", mappings_text(totals.planned), Style.PLAIN
    yield "Consumers", consumers_text(report), Style.LOSS if report.overview.consumers else Style.PLAIN
    if not report.is_resumed:  # of a run that goes on these rows have ended
        yield from _unsent_facts(report)
    if report.estimate:
        yield "Takes", takes_text(report.estimate), Style.PLAIN
        if report.estimate.window:
            yield (
                "Window",
                window_text(report, report.estimate),
                Style.PLAIN if report.estimate.fits else Style.BAD,
            )
        if report.waves:
            yield from waves_of(report)
        if report.judge:
            yield "Judge", judge_text(report), Style.PLAIN
        if budget := failure_budget(report):
            yield "May fail", budget, Style.PLAIN


def _unsent_facts(report: Report) -> Iterator[tuple[str, str, Style]]:
    """Return what is not going to be sent."""
    refused = report.totals.actions[Action.REFUSE]
    yield "Refused", refused_text(report), Style.BAD if refused else Style.PLAIN
    if right := totals_right(report.totals):
        yield "Unchanged", f"{counted(right, 'service')} already right; nothing is sent to them", Style.PLAIN


def _run_facts(report: Report) -> Iterator[tuple[str, str, Style]]:
    totals = report.totals
    outcomes = totals.outcomes or {}
    applied = figure(outcomes.get(Outcome.APPLIED, 0))
    if outcomes.get(Outcome.APPLIED):
        applied += _READ_BACK if report.progress.finished else NOT_LOOKED_AT_AGAIN
    rest = dict(outcomes)
    rest.pop(Outcome.APPLIED, None)
    yield "Applied", "; ".join(filter(None, (applied, tallied(rest)))), Style.GOOD
    if parked := report.progress.parked:
        yield "Parked", parked_text(parked), Style.BAD
    yield "Mappings", mappings_text(totals.applied), Style.PLAIN
    yield "Took", effort(report), Style.PLAIN
    if report.stopped:
        yield "Stopped", report.stopped, Style.BAD
    for field, rows in totals.unconfirmed.items():
        what = f"no reply shows {field} of {counted(rows, 'applied row')}: look whether it is as asked"
        yield "Unconfirmed", what, Style.CHANGE


def consumers_text(report: Report) -> str:
    """Return who loses a port."""
    overview = report.overview
    seen = f"of the first {counted(overview.rows, 'row')}, " if overview.left_out else ""
    if not overview.consumers:
        return f"{seen}none loses a port"
    one = overview.consumers == 1
    return (
        f"{seen}{figure(overview.consumers)} connected to {counted(overview.losing, 'service')} "
        f"{'loses' if one else 'lose'} a port that {'it' if one else 'they'} may use"
    )


def refused_text(report: Report) -> str:
    """Return how many rows the plan refuses, and what that means for the others."""
    refused = report.totals.actions[Action.REFUSE]
    if not refused:
        return "none"
    if report.progress.run.get("options", {}).get("strict"):
        return f"{figure(refused)}; with --strict nothing is sent"
    if not report.totals.actions[Action.UPDATE]:
        return figure(refused)
    return f"{figure(refused)}; the others are sent, and the run ends with exit code 4"


def takes_text(estimate: Estimate) -> str:
    """Return how long the run is expected to take, and at which rate."""
    text = f"about {about(estimate.duration_s)}: {counted(estimate.requests, 'request')} at {_rate(estimate)}"
    if estimate.is_auto:
        text += ", the rate to begin with"
    if estimate.is_paced_by_failures:
        text += "; max_failures, not the rate, sets the pace"
    return text


def _rate(estimate: Estimate) -> str:
    lanes = f" in each of {estimate.lanes} regions" if estimate.lanes > 1 else ""
    return f"{estimate.rate_per_s:g}/s{lanes}"


def window_text(report: Report, estimate: Estimate) -> str:
    """Return the window, when it opens or closes, how long it is open for the run, and if that is enough."""
    zone, year = report.zone, int(report.progress.planned_at[:4])
    window = f"{estimate.window}, {estimate.zone}" if estimate.zone else estimate.window
    closes = weekday_moment(estimate.closes_at, zone, year=year) if estimate.closes_at else ""
    if estimate.opens_at:
        window += f"; opens {weekday_moment(estimate.opens_at, zone, year=year)}"
        window += f", closes {closes}" if closes else ""
    elif closes:
        window += f"; open until {closes}"
    if estimate.window_s is None:
        return window
    if not estimate.window_s:
        return f"{window}; it is over, and nothing would be sent"
    fit = "fits" if estimate.fits else "does not fit"
    spare = f", of which the last {duration(estimate.spare_s)} are for finishing" if estimate.spare_s else ""
    return f"{window}; the run {fit} its {duration(estimate.window_s)}{spare}"


def effort(report: Report) -> str:
    """Return how long the run worked, how many PUTs it sent, and how often the API throttled it."""
    progress = report.progress
    sessions = f" of work in {counted(progress.begun, 'session')}" if progress.begun > 1 else ""
    sent = f"{counted(progress.sent, 'PUT')}, {throttled(progress.refusals)}"
    return f"{duration(progress.work_s)}{sessions}, {sent}"


def failure_budget(report: Report) -> str:
    """Return `5% = 9 of 186 changes may fail`; empty where there is no estimate or no limit."""
    if report.estimate is None or (most := report.estimate.failures_max) is None:
        return ""
    written = report.estimate.failures_share
    share = f"{written} = " if written.endswith("%") else ""
    return f"{share}{figure(most)} of {counted(report.progress.footprint.changes, 'change')}"


def waves_of(report: Report) -> Iterator[tuple[str, str, Style]]:
    """Return when a wave begins and, wave by wave, how many services it has and when it is over."""
    soak = report.progress.run.get("options", {}).get("soak")
    then = f", {soak} after its last outcome" if soak else ""
    yield "Waves", f"each only if all rows of the one before ended as asked{then}", Style.PLAIN
    *first, last = report.waves
    ends_s = report.estimate.wave_ends_s if report.estimate else ()
    ends = [f", over after about {about(end_s)}" if end_s else "" for end_s in ends_s]
    named = [*zip(report.waves, ends or [""] * len(report.waves), strict=True)]
    for wave, end in named[:WAVES_NAMED]:
        rest = "the other " if wave is last and first else ""
        name = f" ({wave.name})" if wave.name else ""
        yield f"Wave {wave.number}", f"{rest}{counted(wave.rows, 'service')}{name}{end}", Style.PLAIN
    if more := named[WAVES_NAMED:]:
        rows = counted(sum(wave.rows for wave, _ in more), "service")
        yield "More waves", f"{figure(len(more))} with {rows}{named[-1][1]}", Style.PLAIN
    if forward := sum((wave.forward for wave in first), ()):
        came = f"{listed('row', forward)} came forward, since another row of that wave waits for it"
        yield "Forward", came, Style.PLAIN


def judge_text(report: Report) -> str:
    """Return who rules on the waves, when it is asked, and what becomes of an unsure ruling."""
    when = "before the first PUT" + (" and after each wave but the last" if report.waves else "")
    within = report.progress.run["options"].get("judge_within")
    return f"{report.judge} is asked {when}; where it is unsure for {within}, a person has to say go"


def mappings_text(mappings: Mappings) -> str:
    """Return `296 added, 297 removed, 296 kept`."""
    return f"{figure(mappings.added)} added, {figure(mappings.removed)} removed, {figure(mappings.kept)} kept"


def labelled(label: str, words: str, width: int, style: Style = Style.PLAIN) -> Iterator[Line]:
    """Return words behind their label, in lines that begin below each other."""
    head = f"  {label:{_LABEL}}" if len(label) < _LABEL else f"  {label} "
    yield from wrapped((Span(head, Style.FAINT), Span(printable(words), style)), width, hang=_LABEL + 2)
