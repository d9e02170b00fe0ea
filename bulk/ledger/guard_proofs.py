"""What a ledger proves of the guards of its run: stops, the budget of failures, waves, the window.

Judged is what is on record, by the settings of each session and by the ledger's own stamps. Rows that a
parked service waits for are free of all four. What format 2 did not record is not judged, which is said.
"""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from datetime import UTC
from math import inf

from bulk.ledger.chain import moment_s
from bulk.ledger.decisions import Decided, decided
from bulk.ledger.progress import Progress
from bulk.ledger.promises import Promise
from bulk.ledger.records import (
    FORMAT,
    AttemptResult,
    DecidedBy,
    DecisionKind,
    Json,
    Purpose,
    Ruling,
    settings_of_run,
)
from bulk.ledger.row_life import SENT, Stage
from bulk.ledger.run_waves import wave_plan
from bulk.ledger.stated_opening import opening_json
from bulk.model import Action, Change, Outcome
from bulk.operations.windows import Calendar, NotReadable, read_zone
from bulk.plan.guards import failures_max
from bulk.plan.openings import Shift
from bulk.plan.waves import WaveFacts, WavePlan, assigned
from bulk.settings import Job, read_settings
from bulk.text import counted

_NO_GUARD = frozenset(
    {DecisionKind.PAUSE, DecisionKind.UNPAUSE, DecisionKind.RATE, DecisionKind.DECLINED, DecisionKind.LEAVE}
)
"""Decisions that neither stop a run nor let it go on."""


_NEVER = "~"
"""Behind every time as it is written."""


class Ties:
    """What the rows of a plan wait for, and the waves that they name, of those that do."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._needs: dict[int, tuple[int, ...]] = {}
        self._named = array("H")
        """The wave that a row names, by row; empty where none names one."""

    def add(self, change: Change) -> None:
        """Take in a change of the plan."""
        needed, named = WaveFacts.of(change)
        if needed:
            self._needs[change.row] = tuple(needed)
        if named is not None:
            self._named.frombytes(bytes(max(0, change.row + 1 - len(self._named)) * self._named.itemsize))
            self._named[change.row] = named

    def facts(self, row: int) -> WaveFacts:
        """Return what the wave of a row depends on."""
        named = self._named[row] if row < len(self._named) else 0
        return WaveFacts(self._needs.get(row, ()), named or None)

    def must_finish(self, row: int) -> bool:
        """Return whether a service that is parked, or may be, waits for a row."""
        progress = self._progress
        waiting = [
            each
            for each, known in progress.open.items()
            if known.parked or (known.purpose is Purpose.PARK and progress.stage(each) is Stage.IN_FLIGHT)
        ]
        found = set[int]()
        while waiting:
            if (needed := waiting.pop()) not in found:
                found.add(needed)
                waiting += self._needs.get(needed, ())
        return row in found


class _Known:
    """What is known of a run as far as its records were read."""

    def __init__(self, progress: Progress, ties: Ties) -> None:
        self.progress = progress
        self.ties = ties
        self.job = Job(rows="")
        """The settings of the session."""
        self._in_force: Decided | None = None

    def decide(self) -> None:
        """Learn that a decision was added that stops the run, or lets it go on."""
        self._in_force = None

    @property
    def in_force(self) -> Decided:
        """Return what the decisions so far have in force."""
        if self._in_force is None:
            self._in_force = decided(self.progress.decisions)
        return self._in_force


class _Guard(ABC):
    """A guard of a run, held against its records one by one."""

    promise: Promise

    def __init__(self, known: _Known) -> None:
        self._known = known
        self._progress = known.progress
        self._ties = known.ties

    def begin(self, _: Json) -> Iterator[str]:
        """Take in the next session; yield what is wrong with it."""
        yield from ()

    @abstractmethod
    def intent(self, record: Json) -> str:
        """Return what is wrong with a PUT, before its intent is taken in; empty where nothing is."""
        ...

    def other(self, _: Json) -> Iterator[str]:
        """Take in any other record of a session; yield what is wrong with it."""
        yield from ()

    @abstractmethod
    def fact(self) -> str:
        """Return what was kept to, with its figures."""
        ...


class GuardProofs:
    """Holds the records of a run against its guards, in their order."""

    def __init__(self, progress: Progress, ties: Ties) -> None:
        self._known = known = _Known(progress, ties)
        self._guards = (_StopGuard(known), _BudgetGuard(known), _WaveGuard(known), _WindowGuard(known))
        self._is_judged = False
        self._unjudged = 0

    def intent(self, record: Json) -> Iterator[tuple[Promise, str]]:
        """Yield what is wrong with a PUT, before its intent is taken in."""
        if self._is_judged:
            for guard in self._guards:
                if wrong := guard.intent(record):
                    yield guard.promise, wrong

    def other(self, record: Json) -> Iterator[tuple[Promise, str]]:
        """Yield what is wrong with any other record, once it was taken in."""
        if record["type"] == "decision" and record["what"] not in _NO_GUARD:
            self._known.decide()
        if record["type"] == "session":
            yield from self._begin(record)
            return
        for guard in self._guards:
            for wrong in guard.other(record):
                yield guard.promise, wrong

    def _begin(self, session: Json) -> Iterator[tuple[Promise, str]]:
        self._is_judged = session.get("format", 0) >= FORMAT
        self._unjudged += not self._is_judged
        if not self._is_judged:
            return
        stored = {**settings_of_run(self._known.progress.run), **session["settings"]}
        job = read_settings(Job, stored, flags={})
        if isinstance(job, Job):
            self._known.job = job
            for guard in self._guards:
                for wrong in guard.begin(session):
                    yield guard.promise, wrong
        else:
            yield Promise.SESSION, f"has settings that cannot be read: {'; '.join(map(str, job))}"

    def facts(self) -> dict[Promise, str]:
        """Return what was kept to, by promise."""
        what = f"; not judged: {counted(self._unjudged, 'session')} of format 2" if self._unjudged else ""
        return {guard.promise: guard.fact() + what for guard in self._guards}


class _StopGuard(_Guard):
    promise = Promise.STOP

    def intent(self, record: Json) -> str:
        """Object to a new row after a stop that stands."""
        stops = self._known.in_force.stops
        if not stops or self._ties.must_finish(record["row"]):
            return ""
        return f"sends row {record['row']}, although stop {stops[0].id} stands"

    def fact(self) -> str:
        """Return how many stops there were, and how many stand."""
        known = decided(self._progress.decisions)
        if not known.stop_ids:
            return "nothing stopped the run for good"
        stands = f", {len(known.stops)} not lifted" if known.stops else ", all lifted by a person"
        return f"{counted(len(known.stop_ids), 'stop')}{stands}; nothing new was sent after one that stood"


class _BudgetGuard(_Guard):
    promise = Promise.BUDGET

    def __init__(self, known: _Known) -> None:
        super().__init__(known)
        self._most: int | None = None
        self._has_begun = False
        self._raised = -1
        """The limit that a person gave as they lifted a stop; -1 where nobody did since the last session."""

    def begin(self, _: Json) -> Iterator[str]:
        """Object to a larger limit that nobody gave who lifted a stop."""
        most = failures_max(self._known.job.guards, self._progress.footprint.changes)
        before = self._most
        if self._has_begun and before is not None and (most is None or most > max(before, self._raised)):
            figure = "no limit of failures" if most is None else f"max_failures {most}"
            yield f"works with {figure}, where max_failures {before} was in force and no person raised it"
        self._most, self._has_begun, self._raised = most, True, -1

    def intent(self, record: Json) -> str:
        """Object to a PUT that may be one failure too many."""
        if self._most is None:
            return ""
        tally = self._progress.tally
        risk = sum(tally[stage] for stage in (Stage.FAILED, Stage.CONFLICT, Stage.IN_FLIGHT, Stage.PARKED))
        if risk <= self._most or self._ties.must_finish(record["row"]):
            return ""
        rows = counted(risk, "row")
        return f"sends row {record['row']} while {rows} had failed or might, and {self._most or 'none'} may"

    def other(self, record: Json) -> Iterator[str]:
        """Learn that a person allowed more failures."""
        if record["type"] == "decision" and record["what"] == DecisionKind.DESPITE:
            most = record.get("failures_max")
            self._raised = max(self._raised, -1 if most is None else most)
        yield from ()

    def fact(self) -> str:
        """Return the limit of the last session."""
        if self._most is None:
            return "the run has no limit of failures"
        return f"no PUT left while more than {self._most} had failed or might have"


class _WaveGuard(_Guard):
    """The wave of a row follows from the plan, and from how rows ended before the first PUT of a session.

    What is found so is never a later wave than the one in which the run had the row: one that drifted between
    its look and the first PUT counts for the run and not here.
    """

    promise = Promise.WAVE

    def __init__(self, known: _Known) -> None:
        super().__init__(known)
        self._plan: WavePlan | None = None
        self._of: array[int] | None = None
        """The wave of each row, by row; None before the first PUT of a session."""
        self._present: list[int] = []
        self._due: float = inf
        self._passed: frozenset[int] | None = None
        self._begun: list[int] = []
        """Rows that had begun as the session did."""
        self._unsent = 0
        """Rows that ended without a PUT before the first one of the session."""
        self._rulings = 0

    def begin(self, _: Json) -> Iterator[str]:
        """Learn the waves, which count anew in each session."""
        self._plan = wave_plan(self._known.job.guards, self._progress)
        self._of, self._passed, self._unsent = None, None, 0
        self._begun = [*self._progress.open]
        yield from ()

    def intent(self, record: Json) -> str:
        """Object to a row of a wave while one in front of it has not passed."""
        if self._plan is None:
            return ""
        in_force = self._known.in_force
        if self._of is None:
            self._of = self._assigned(self._plan, in_force.passed)
            has_judge = self._known.job.guards.judge is not None  # which rules on wave 0 before the first PUT
            self._present = sorted({*self._of} - (set() if has_judge else {0}))
        if self._passed is not in_force.passed:
            self._passed = in_force.passed
            self._due = min({*self._present} - in_force.passed, default=inf)
        row = record["row"]
        if self._of[row] <= self._due or self._ties.must_finish(row):
            return ""
        return f"sends row {row} of wave {self._of[row]} before wave {self._due:g} has passed"

    def _assigned(self, plan: WavePlan, passed: frozenset[int]) -> "array[int]":
        progress = self._progress
        return assigned(
            plan,
            filter(self._is_sent, progress.order),
            rows_max=max(progress.order, default=0),
            target=progress.target,
            facts=self._ties.facts,
            is_tied=progress.footprint.parked > 0,
            begun=[row for row in self._begun if self._is_sent(row)],
            passed=passed,
        ).of

    def _is_sent(self, row: int) -> bool:
        outcome = self._progress.outcome(row)
        is_open = outcome in {Outcome.NOT_ATTEMPTED, Outcome.IN_DOUBT}
        return self._progress.action(row) is Action.UPDATE and (is_open or outcome in SENT)

    def other(self, record: Json) -> Iterator[str]:
        """Object to a wave that passes by itself while rows of it have not ended as asked."""
        if record["type"] == "outcome" and self._of is None:
            self._unsent += record["outcome"] not in SENT
        is_go = record["type"] == "decision" and record.get("ruling") == Ruling.GO
        if not is_go or record["what"] != DecisionKind.WAVE:
            return
        self._rulings += 1
        wave = record.get("wave")
        if self._of is None or record["by"] != DecidedBy.LIMIT:
            return
        outcome = self._progress.outcome
        undone = sum(of == wave and not outcome(row).facts.as_asked for row, of in enumerate(self._of) if of)
        if undone > self._unsent:
            yield f"lets wave {wave} pass, of which {counted(undone, 'row')} had not ended as asked"

    def fact(self) -> str:
        """Return how many waves passed."""
        if self._plan is None:
            return "the run has no waves"
        return f"{counted(self._rulings, 'ruling')} that let the next wave go; no row of it was sent before"


class _WindowGuard(_Guard):
    promise = Promise.WINDOW

    def __init__(self, known: _Known) -> None:
        super().__init__(known)
        self._calendar: Calendar | None = None
        self._hours: tuple[str, str, str] | None = None
        """When the opening begins, nothing new begins any more, and it ends; None where it is not judged."""
        self._doubtful: dict[int, tuple[str, bool, bool]] = {}
        """By row each PUT outside the hours: what it is, whether it must finish, whether that is noted."""
        self._begun = 0
        self._late = 0
        self._unstated: list[str] = []

    def begin(self, session: Json) -> Iterator[str]:
        """Object to an opening that the window does not have."""
        self._begun = self._progress.begun
        self._doubtful = {row: (where, must, True) for row, (where, must, _) in self._doubtful.items()}
        self._calendar, self._hours = self._known.job.when.calendar, None
        opening = session.get("opening")
        if self._calendar is None:
            return
        if opening is None:
            self._unstated.append(f"session {self._begun} does not state its opening")
            return
        self._hours = (
            opening["opens_at"] or "",
            opening["stops_at"] or _NEVER,
            opening["closes_at"] or _NEVER,
        )
        if self._calendar.is_local and not opening["zone"]:
            self._unstated.append(f"session {self._begun} does not name the zone of its machine")
        elif opening != self._meant(self._calendar, opening, moment_s(session["at"])):
            yield f"states an opening that the window {self._calendar} does not have"

    def _meant(self, calendar: Calendar, stated: Json, at: float) -> Json | None:
        """Return the opening of a window that is open at the beginning of a stated one, or at a moment."""
        try:
            zone = read_zone(stated["zone"]) if stated["zone"] else UTC
        except NotReadable:
            return None
        begins = moment_s(stated["opens_at"]) if stated["opens_at"] else at
        opening = calendar.next_opening(begins, zone)
        spare_s = self._known.job.spare_s(self._progress.pages)
        return opening_json(Shift(opening=opening, spare_s=spare_s), zone) if opening else None

    def intent(self, record: Json) -> str:
        """Remember a PUT outside the hours: its answer shows whether it left."""
        if self._hours and not self._hours[0] <= record["at"] < self._hours[1]:
            is_spare = self._hours[1] <= record["at"] < self._hours[2]
            where = "in the spare of its window" if is_spare else "outside its window"
            row = record["row"]
            text = f"row {row} was sent by line {record['n'] + 1} at {record['at']}, {where}"
            self._doubtful[row] = (text, self._ties.must_finish(row), is_spare)
        return ""

    def other(self, record: Json) -> Iterator[str]:
        """Object to an answer that shows that a PUT left outside the hours."""
        row = record.get("row")
        if row not in self._doubtful:
            return
        where, must_finish, is_noted = self._doubtful[row]
        if record["type"] == "note":
            self._doubtful[row] = (where, must_finish, is_noted or record["about"] == "window")
            return
        del self._doubtful[row]
        if not _has_left(record):
            return
        self._late += 1
        if not must_finish:
            yield f"shows that {where}"
        elif not is_noted:
            yield f"shows that {where}, and no note calls it late"

    def fact(self) -> str:
        """Return how many PUTs left outside the hours, and what was not judged."""
        if self._calendar is None and not self._unstated:
            return "the run has no window"
        late = f", but {self._late} that a parked service waited for" if self._late else ""
        open_ends = (
            f"; {counted(len(self._doubtful), 'PUT')} whose end is not known" if self._doubtful else ""
        )
        unstated = f"; not judged: {', '.join(self._unstated)}" if self._unstated else ""
        return f"no PUT left outside the openings of the window{late}{open_ends}{unstated}"


def _has_left(record: Json) -> bool:
    """Return whether an answer shows that its PUT left."""
    if record["type"] == "attempt":
        return record["verdict"] not in {AttemptResult.NOT_SENT, AttemptResult.UNAPPLIED}
    return record["http"] is not None or record["outcome"] == Outcome.APPLIED
