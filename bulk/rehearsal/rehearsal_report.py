"""A rehearsal as lines of a terminal and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict

from bulk.ledger.records import Json
from bulk.model import Change
from bulk.plan import Estimate
from bulk.rehearsal.findings import Prediction, Rehearsal, TriedPromise
from bulk.reports.words import Line, Span, Style, as_text, tallied, text
from bulk.text import counted, duration, figure, printable

_WINDOW = ("window", "zone", "opens_at", "closes_at", "window_s", "spare_s")
_VERDICT = {
    True: ("+", "held", Style.GOOD),
    False: ("!", "DID NOT HOLD", Style.BAD),
    None: ("-", "not rehearsed", Style.FAINT),
}


def lines(rehearsal: Rehearsal) -> Iterator[Line]:
    """Return what was found, the prediction first."""
    yield text(f"{printable(rehearsal.job)}: rehearsal of the plan {rehearsal.digest}", Style.STRONG)
    yield _titled("Predicted duration", _predicted(rehearsal.prediction))
    if rehearsal.waves:
        yield _titled("Waves", _waves(rehearsal))
    if rehearsal.window:
        yield _titled("Window", _window(rehearsal.window, rehearsal.prediction))
    yield _titled("Rehearsed", _rehearsed(rehearsal))
    yield _titled("Rows", tallied(rehearsal.counts) or "none")
    for change in rehearsal.parked:
        yield _gap(rehearsal, change)
    yield text()
    yield from map(_check, rehearsal.checks)


def as_json(rehearsal: Rehearsal) -> Json:
    """Return the same facts for machines; durations in seconds, `held` null for what was not rehearsed."""
    trial, prediction = rehearsal.trial, rehearsal.prediction
    return {
        "job": rehearsal.job,
        "digest": rehearsal.digest,
        "predicted": {
            "rate_per_s": prediction.rate_per_s,
            "at_least_s": prediction.at_least_s,
            "expected_s": prediction.expected_s,
            "at_most_s": prediction.at_most_s,
            "soaked_s": prediction.soaked_s,
        },
        "waves": [
            {"number": wave.number, "name": wave.name, "rows": wave.rows, "expected_end_s": end_s}
            for wave, end_s in zip(rehearsal.waves, prediction.wave_ends_s, strict=True)
        ],
        "window": rehearsal.window
        and {
            **{name: getattr(rehearsal.window, name) for name in _WINDOW},
            "fits": _fits(rehearsal.window, prediction.expected_s),
            "fits_at_most": _fits(rehearsal.window, prediction.at_most_s),
        },
        "rehearsed": {
            "against_a_limit": rehearsal.limited,
            "duration_s": trial.duration_s,
            "requests": trial.requests,
            "puts": trial.puts,
            "puts_sent": trial.sent,
            "refusals": trial.refusals,
            "faults": dict(trial.faults),
            "latency": asdict(trial.latency) if trial.latency else None,
        },
        "rows": {outcome.value: count for outcome, count in rehearsal.counts.items()},
        "gaps": [_gap_json(rehearsal, change) for change in rehearsal.parked],
        "checks": [
            {"name": check.name, "held": check.held, "detail": check.detail} for check in rehearsal.checks
        ],
        "exit_code": int(rehearsal.exit_code),
    }


def _predicted(prediction: Prediction) -> str:
    least, most = duration(prediction.at_least_s), duration(prediction.at_most_s)
    return (
        f"{duration(prediction.expected_s)} at {round(prediction.rate_per_s, 1):g}/s"
        f" ({least} to {most}; answers taken to last 0.1 s, 0 to 1 s)"
    )


def _waves(rehearsal: Rehearsal) -> str:
    """Return `1: 3 services, over after 12 s; 2: 29 services, over after 3 min 10 s`."""
    ends_s, soaked_s = rehearsal.prediction.wave_ends_s, rehearsal.prediction.soaked_s
    texts = (
        f"{wave.number}: {counted(wave.rows, 'service')}, over after {duration(end_s)}"
        for wave, end_s in zip(rehearsal.waves, ends_s, strict=True)
    )
    return "; ".join(texts) + (f"; {duration(soaked_s)} of it between waves" if soaked_s else "")


def _fits(window: Estimate, takes_s: float) -> bool:
    return window.window_s is None or takes_s <= window.window_s - window.spare_s


def _window(window: Estimate, prediction: Prediction) -> str:
    """Return whether the run fits the window that is open, or opens next."""
    if window.window_s is None:
        return f"{window.window}; it has no end"
    open_s = max(0.0, window.window_s - window.spare_s)
    if _fits(window, prediction.at_most_s):
        fits = "the run fits"
    elif _fits(window, prediction.expected_s):
        fits = "the run fits as expected, and not with the slowest answers,"
    else:
        fits = "the run does not fit"
    return f"{window.window}; {fits} the {duration(open_s)} in which it may send"


def _rehearsed(rehearsal: Rehearsal) -> str:
    trial = rehearsal.trial
    how = "against the limit" if rehearsal.limited else "at full speed"
    parts = [
        f"{duration(trial.duration_s)} {how}",
        counted(trial.requests, "request"),
        f"{counted(trial.sent, 'PUT')} for {figure(trial.puts)}",
        f"throttled {counted(trial.refusals, 'time')}",
    ]
    if trial.faults:
        parts.append(
            "faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(trial.faults.items()))
        )
    return ", ".join(parts)


def _gap(rehearsal: Rehearsal, change: Change) -> Line:
    """Return how long the mappings of a parked service are out of order."""
    expected_s, most_s, rehearsed_s = _gap_s(rehearsal, change.row)
    rehearsed = f"; {duration(rehearsed_s)} in the rehearsal" if rehearsed_s is not None else ""
    return (
        Span("~ parked ", Style.CHANGE),
        Span(f"{change.service_id}: {as_text(change.out_of_service)} out of service for "),
        Span(f"{duration(expected_s)}, at most {duration(most_s)}", Style.STRONG),
        Span(rehearsed),
    )


def _gap_json(rehearsal: Rehearsal, change: Change) -> Json:
    expected_s, most_s, rehearsed_s = _gap_s(rehearsal, change.row)
    return {
        "service_id": change.service_id,
        "out_of_service": list(map(str, change.out_of_service)),
        "expected_s": expected_s,
        "at_most_s": most_s,
        "rehearsed_s": rehearsed_s,
    }


def _gap_s(rehearsal: Rehearsal, row: int) -> tuple[float, float, float | None]:
    prediction = rehearsal.prediction
    return prediction.gap_s[row], prediction.gap_s_max[row], rehearsal.trial.gap_s.get(row)


def _check(check: TriedPromise) -> Line:
    sigil, verdict, style = _VERDICT[check.held]
    return (Span(f"{sigil} {check.name}: {verdict}", style), Span(f"; {printable(check.detail)}"))


def _titled(title: str, words: str) -> Line:
    return (Span(f"{title}: ", Style.STRONG), Span(words))
