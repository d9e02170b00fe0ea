"""What a plan or a run comes to, in a few lines of the terminal."""

from collections.abc import Iterator

from bulk.core.plan import Estimate
from bulk.core.reports.model import Report
from bulk.core.reports.remarks import remark
from bulk.core.reports.totals import Mappings, Totals
from bulk.core.reports.words import Line, Span, Style, counted, duration, figure, printable, tallied


def summary(report: Report, totals: Totals) -> Iterator[Line]:
    """Return rows, mappings, effort or estimate, failures by code, and the digest."""
    of = f" of {counted(totals.rows, 'row')} in {counted(len(report.targets), 'target')}"
    if totals.outcomes is None:
        yield _titled("Plan", tallied(totals.actions) + of)
        yield _mappings_line(totals.planned, to_come=True)
        if totals.consumers:
            yield _titled(
                "Consumers", f"{counted(totals.consumers, 'endpoint')} connected to services that change"
            )
        if totals.parked:
            gap = f"{counted(totals.parked, 'service')} without some mappings for a while, to break cycles"
            yield (Span("Parking: ", Style.STRONG), Span(gap, Style.CHANGE))
    else:
        yield _titled("Rows", tallied(totals.outcomes) + of)
        yield _mappings_line(totals.applied, to_come=False)
        yield _titled("Sent", effort(report))
        if report.stopped:
            yield (Span("Stopped: ", Style.STRONG), Span(report.stopped, Style.BAD))
        yield from failures(report, totals.codes)
        yield from _unconfirmed(totals)
    for decision in report.progress.decisions:
        yield (Span(printable(f"{decision['at']} {remark(decision)}")),)
    if report.estimate:
        yield _estimate_line(report.estimate)
        if budget := failure_budget(report):
            yield _titled("Budget", budget)
    yield _titled("Digest", report.progress.digest)


def effort(report: Report) -> str:
    """Return how many PUTs the run sent, how often it was throttled, and how long it worked."""
    progress = report.progress
    sent = f"{counted(progress.sent, 'PUT')}, throttled {counted(progress.refusals, 'time')}"
    return f"{sent}, in {duration(progress.work_s)}" if report.ran else sent


def estimated(estimate: Estimate) -> str:
    """Return the expected requests and duration of the run, and whether they fit the window."""
    text = (
        f"{counted(estimate.requests, 'request')}, about {duration(estimate.duration_s)} "
        f"at {estimate.rate_per_s:g}/s"
    )
    if estimate.is_paced_by_failures:
        text += "; max_failures, not the rate, sets the pace"
    if estimate.window_s is None:
        return text
    fit = "fits" if estimate.fits else "does not fit"
    return f"{text}; {fit} the window of {duration(estimate.window_s)}"


def failure_budget(report: Report) -> str:
    """Return `5% = 9 of 186 changes may fail`; empty where there is no estimate or no limit."""
    if report.estimate is None or (most := report.estimate.failures_max) is None:
        return ""
    written = report.estimate.failures_share
    share = f"{written} = " if written.endswith("%") else ""
    return f"{share}{figure(most)} of {counted(report.progress.footprint.changes, 'change')} may fail"


def failures(report: Report, codes: dict[str, int]) -> Iterator[Line]:
    """Return each error code with the number of its failed rows and the advice for it."""
    for code, rows in codes.items():
        yield (
            Span(f"! {printable(code) or 'no code'}: ", Style.BAD),
            Span(f"{counted(rows, 'row')}; {report.advice(code)}"),
        )


def _unconfirmed(totals: Totals) -> Iterator[Line]:
    """Return each field that no reply shows, with the number of rows that were to set it."""
    for field, rows in totals.unconfirmed.items():
        what = f"no reply shows {field} of {counted(rows, 'applied row')}: look whether it is as asked"
        yield (Span("Unconfirmed: ", Style.STRONG), Span(printable(what), Style.CHANGE))


def _titled(title: str, text: str) -> Line:
    return (Span(f"{title}: ", Style.STRONG), Span(text))


def _estimate_line(estimate: Estimate) -> Line:
    style = Style.PLAIN if estimate.fits else Style.BAD
    return (Span("Estimate: ", Style.STRONG), Span(estimated(estimate), style))


def _mappings_line(mappings: Mappings, *, to_come: bool) -> Line:
    tense = " to be" if to_come else ""
    removed = Style.BAD if mappings.removed else Style.PLAIN
    return (
        Span("Mappings: ", Style.STRONG),
        Span(f"{figure(mappings.added)}{tense} added, "),
        Span(f"{figure(mappings.removed)}{tense} removed", removed),
        Span(f", {figure(mappings.kept)} kept"),
    )
