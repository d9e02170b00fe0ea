"""Runs, one line each: who ran which job when and how the run ended, by both ends of its ledger."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from bulk.errors import ExitCode
from bulk.jobfile.values import as_cell
from bulk.ledger.decisions import decided
from bulk.ledger.progress import Progress
from bulk.ledger.records import Json
from bulk.ledger.stops import BrakeReason, exit_code, not_as_asked
from bulk.model import Outcome, value
from bulk.reports.as_csv import Echo
from bulk.reports.headline import short_digest
from bulk.reports.remarks import reasons_of
from bulk.reports.run_status import State, state_of_run
from bulk.reports.words import Line, Span, Style, as_text
from bulk.text import figure, moment, printable

if TYPE_CHECKING:
    from bulk.ledger.ends import LedgerEnds

UNCOUNTED = "`bulk status` reads how its rows ended"
"""The remark on a run that was cut short, whose rows only the whole ledger could count."""


@value
class ListedRun:
    """What is known of one run, None for what is not; the line in jobs/README.md says what each member is."""

    began_at: str | None = None
    job: str | None = None
    by: str | None = None
    ticket: str | None = None
    rows: int | None = None
    applied: int | None = None
    not_as_asked: int | None = None
    state: State | None = None
    is_rolled_back: bool = False
    is_left: bool = False
    exit_code: ExitCode | None = None
    digest: str | None = None
    ledger: str
    remark: str = ""

    @property
    def fate(self) -> str:
        """Return the state in a word, or what a person has made of the run since."""
        if self.is_rolled_back:
            return "rolled back"
        return "left" if self.is_left else str(self.state or "?")


def by_ends(ledger: str, ends: "LedgerEnds", *, alive: bool) -> ListedRun:
    """Return a run as the ends of its ledger show it.

    How rows ended is stated by the end of a session, and how many there are by a plan as well; a ledger that
    ends with anything else does not say.
    """
    last, state = ends.last, _state(ends, alive=alive)
    known = _sums(_by_outcome(last["counts"])) if last["type"] == "end" else {"rows": last.get("rows")}
    ticket = last["settings"].get("ticket") if last["type"] == "session" else last.get("ticket")
    return ListedRun(
        ledger=ledger,
        **_who(ends.run),
        ticket=(ends.run["options"].get("ticket") if ticket is None else ticket) or None,
        state=state,
        is_rolled_back=ends.is_rolled_back,
        is_left=ends.is_left,
        exit_code=_exit_code(state, last),
        digest=last.get("digest"),
        **known,
    )


def by_progress(ledger: str, progress: Progress, *, alive: bool) -> ListedRun:
    """Return a run as all lines of its ledger add up."""
    known, state = decided(progress.decisions), state_of_run(progress, alive=alive)
    return ListedRun(
        ledger=ledger,
        **_who(progress.run),
        ticket=progress.ticket or None,
        state=state,
        is_rolled_back=known.rolled_back is not None,
        is_left=bool(known.left),
        exit_code=_exit_code(state, progress.ends[-1] if progress.ends else {}),
        digest=progress.digest or None,
        **(
            _sums(progress.counts())
            if progress.sessions
            else {"rows": progress.rows if progress.planned else None}
        ),
    )


def is_counted(run: ListedRun) -> bool:
    """Return whether it is known how the rows of a run ended, as far as they have."""
    return run.applied is not None or run.state in {State.PLANNED, State.INCOMPLETE}


def _who(run: Json) -> Json:
    return {"began_at": run["at"], "job": run["job"], "by": run.get("user") or None}


def _state(ends: "LedgerEnds", *, alive: bool) -> State:
    if alive:
        return State.RUNNING
    if not ends.has_begun:
        return State.PLANNED
    if ends.is_finished:
        return State.FINISHED
    return State.STOPPED if ends.last["type"] == "end" else State.DIED


def _sums(of: Mapping[Outcome, int]) -> Json:
    """Return how many rows there are, how many were changed, and how many are not as the job asks."""
    return {
        "rows": sum(of.values()),
        "applied": of[Outcome.APPLIED],
        "not_as_asked": sum(not_as_asked(of).values()),
    }


def _exit_code(state: State, end: Json) -> ExitCode | None:
    """Return what the last session ended with; None where it has not ended, or died."""
    if state not in {State.STOPPED, State.FINISHED}:
        return None
    return exit_code({*reasons_of(end)} - {BrakeReason.FINISHED}, _by_outcome(end["counts"]))


def _by_outcome(counts: Mapping[str, int]) -> dict[Outcome, int]:
    return {outcome: counts.get(outcome, 0) for outcome in Outcome}


HEADER = tuple(each.name for each in fields(ListedRun))
"""The columns of the CSV, which are the members of the JSON."""


def as_csv(runs: Iterable[ListedRun]) -> Iterator[str]:
    """Return the runs as CSV line by line; what is not known is a blank cell."""
    writer = csv.writer(Echo())
    yield writer.writerow(HEADER)
    for run in runs:
        yield writer.writerow(as_cell(printable(as_text(cell))) for cell in astuple(run))


_TITLES = (
    "began",
    "job",
    "by",
    "ticket",
    "rows",
    "applied",
    "not as asked",
    "state",
    "exit",
    "digest",
    "ledger",
)
_FIGURES = frozenset({"rows", "applied", "not as asked", "exit"})
_STYLES = {State.FINISHED: Style.GOOD, State.STOPPED: Style.BAD, State.DIED: Style.BAD}


def lines(runs: Sequence[ListedRun], zone: tzinfo = UTC) -> Iterator[Line]:
    """Return a line for each run below a line of titles, in columns; what is odd about a run comes last."""
    table = [_TITLES, *(tuple(map(printable, _cells(run, zone))) for run in runs)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    styles = (Style.FAINT, *(_STYLES.get(run.state or State.PLANNED, Style.PLAIN) for run in runs))
    remarks = ("", *(printable(run.remark) for run in runs))
    for cells, style, remark in zip(table, styles, remarks, strict=True):
        padded = [
            cell.rjust(width) if title in _FIGURES else cell.ljust(width)
            for title, cell, width in zip(_TITLES, cells, widths, strict=True)
        ]
        words = Span("  ".join(padded).rstrip(), style)
        yield (words, Span(f"  {remark}", Style.BAD)) if remark else (words,)


def _cells(run: ListedRun, zone: tzinfo) -> Iterator[str]:
    """Return the cells below the titles: `?` for what is not known, `-` for what is not there yet."""
    nothing = "-" if run.state else "?"
    yield moment(run.began_at, zone, seconds=False).partition(" (")[0] if run.began_at else "?"
    yield run.job or "?"
    yield run.by or "?"
    yield run.ticket or nothing
    yield "?" if run.rows is None else figure(run.rows)
    for count in (run.applied, run.not_as_asked):
        yield figure(count) if count is not None else nothing if is_counted(run) else "?"
    yield run.fate
    yield nothing if run.exit_code is None else str(run.exit_code.value)
    yield short_digest(run.digest) if run.digest else nothing
    yield run.ledger
