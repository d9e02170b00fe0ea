"""What a ledger proves offline: every promise of its run, or the first broken one with its line.

Which steps a row may take is `Progress`'s to judge; its refusals get the name of the promise that they
break. Beside them stands what a fold passes over: who was sent, the numbers of the PUTs, the counts.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from bulk.errors import LedgerDamaged
from bulk.ledger.decisions import decided
from bulk.ledger.digest import Digest, PlanDigest, digest_for, planned_terms
from bulk.ledger.folding import take_in
from bulk.ledger.guard_proofs import GuardProofs, Ties
from bulk.ledger.progress import Progress
from bulk.ledger.promises import Promise
from bulk.ledger.records import FORMAT, DecisionKind, Json, change_of
from bulk.ledger.row_life import MAY_END_AGAIN, NOT_IN_FLIGHT, Stage
from bulk.model import Action
from bulk.plan.footprint import Footprint
from bulk.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """The first broken promise of a ledger."""

    promise: Promise
    line: int
    """Number of its line, from 1."""
    message: str
    """`line 7 …`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A promise that was kept."""

    promise: Promise
    fact: str
    """The fact that shows it, with its figures."""


# Looked up once: an audit takes a million steps.
_UNPLANNED, _UPDATE = Stage.UNPLANNED, Action.UPDATE.value
_GUARDED = frozenset({"session", "attempt", "outcome", "note", "decision"})


class Audit:
    """Holds a ledger's records against the promises, one by one; about 65 bytes a row."""

    def __init__(self) -> None:
        self.progress = Progress()
        self._lines = 0
        self._actions: Counter[str] = Counter()
        self._footprint = Footprint()
        self._digest: Digest = PlanDigest()
        self._is_update = bytearray()
        """At row - 1: 1 where the plan changes the service."""
        self._ties = Ties(self.progress)
        self._guards = GuardProofs(self.progress, self._ties)
        self._is_paused = False
        self._pauses = 0
        self._sessions_ended = 0
        self._in_session = False

    def step(self, record: Json, offset: int) -> Breach | None:
        """Take in the next record, which stands at byte `offset`; return the promise that it breaks."""
        self._lines += 1
        try:
            broken = next(self._objections(record, offset), None)
        except LedgerDamaged as damaged:
            is_record = damaged.__cause__ is None
            return self._breach(self._broken_by(record) if is_record else Promise.CHAIN, damaged.message)
        except (KeyError, TypeError, ValueError) as error:  # only a forger who recomputes sums gets here
            what = f"is not a record of this format ({type(error).__name__}: {error})"
            broken = Promise.CHAIN, what
        return self._breach(broken[0], f"line {self._lines} {broken[1]}") if broken else None

    def breach_at_end(self) -> Breach | None:
        """Return the promise that a ledger breaks by ending here."""
        if self.progress.planned:
            return None
        return self._breach(
            Promise.PLAN, f"the ledger ends after {counted(self._lines, 'line')}, before its plan is complete"
        )

    def proofs(self) -> Iterator[Proof]:
        """Return the proofs of a ledger without a breach."""
        progress = self.progress
        counts = [
            f"{count:,} {outcome.facts.phrase}" for outcome, count in progress.counts().items() if count
        ]
        rows, endless = counted(progress.rows, "row"), progress.begun - self._sessions_ended
        sessions = [
            f"{number:,} {how}"
            for number, how in (
                (self._sessions_ended, "ended with the right counts"),
                (endless, "without an end (died, or still at work)"),
            )
            if number
        ]
        rollback = decided(progress.decisions).rolled_back
        facts = {
            Promise.CHAIN: f"{counted(self._lines, 'line')}, none missing, edited or out of order",
            Promise.PLAN: f"{rows}, recorded before anything was sent, with the digest {progress.digest}",
            Promise.INTENT: f"{counted(progress.sent, 'PUT')} sent, each recorded before it left",
            Promise.ALONE: "no row had two PUTs in flight at once",
            Promise.NUMBER: "the PUTs of each row are numbered 1, 2, 3 …, and so are answers and outcomes",
            Promise.OUTCOME: f"the outcomes add up to {rows}: {', '.join(counts) or 'none'}",
            Promise.PAUSE: f"{counted(self._pauses, 'pause')}, in which nothing else began"
            if self._pauses
            else "nobody paused the run",
            **self._guards.facts(),
            Promise.SESSION: ": ".join(
                filter(None, [counted(progress.begun, "session"), ", ".join(sessions)])
            )
            + (f"; rolled back by {rollback.ledger}, {rollback.reason}" if rollback else ""),
        }
        return (Proof(promise=promise, fact=facts[promise]) for promise in Promise)

    def _breach(self, promise: Promise, message: str) -> Breach:
        return Breach(promise=promise, line=max(self._lines, 1), message=message)

    # What a fold passes over

    def _objections(self, record: Json, offset: int) -> Iterator[tuple[Promise, str]]:
        """Take the step, then yield each promise that it breaks nevertheless."""
        opened = self.progress.open.get(record.get("row", 0))
        sent = opened.attempts if opened else 0
        had_ended = self._stage_of(record) in MAY_END_AGAIN
        is_barred = (
            self._is_paused and record["type"] == "intent" and not self._ties.must_finish(record["row"])
        )
        if record["type"] == "intent":  # before it counts itself
            yield from self._guards.intent(record)
        take_in(self.progress, record, offset)
        match record["type"]:
            case "run":
                self._digest = digest_for(record)
            case "change":
                self._remember(record)
            case "planned":
                yield from self._planned(record)
            case "session":
                self._in_session = True
                if record.get("format", 0) >= FORMAT:  # earlier ones did not state digest and counts
                    yield from self._repeated(record)
            case "intent" | "attempt" | "outcome" | "end" if not self._in_session:
                yield Promise.SESSION, f"holds a record `{record['type']}` outside a session"
            case "intent":
                yield from self._intent(record, sent, is_barred=is_barred)
            case "decision":
                self._decision(record)
            case "attempt" if record["attempt"] != sent:
                yield Promise.NUMBER, f"answers PUT {record['attempt']} of row {record['row']}, not {sent}"
            case "outcome" if not had_ended:  # else the last look has found something else
                yield from _outcome(record, sent)
            case "end":
                yield from self._end(record)
            case _:
                pass
        if record["type"] in _GUARDED:
            yield from self._guards.other(record)

    def _remember(self, change: Json) -> None:
        row, action = change["row"], change["action"]
        self._actions[action] += 1
        planned = change_of(change)
        self._footprint.add(planned)
        self._digest.add(planned)
        if row > len(self._is_update):
            self._is_update.extend(bytes(row - len(self._is_update)))
        self._is_update[row - 1] = action == _UPDATE
        self._ties.add(planned)

    def _decision(self, record: Json) -> None:
        if record["what"] in {DecisionKind.PAUSE, DecisionKind.UNPAUSE}:
            begins = record["what"] == DecisionKind.PAUSE
            self._pauses += begins and not self._is_paused
            self._is_paused = begins

    def _planned(self, record: Json) -> Iterator[tuple[Promise, str]]:
        if Counter(record["counts"]) != self._actions:
            yield Promise.PLAN, _differ(record["counts"], self._actions)
        reached = asdict(self._footprint)
        if Counter(record["footprint"]) != Counter(reached):
            yield Promise.PLAN, _differ(record["footprint"], reached)
        digest = self._digest.under(planned_terms(self.progress.run, changes=self._footprint.changes))
        if record["digest"] != digest:
            yield Promise.PLAN, f"states the digest {record['digest']}, but the plan before it has {digest}"

    def _intent(self, record: Json, sent: int, *, is_barred: bool) -> Iterator[tuple[Promise, str]]:
        row = record["row"]
        if not self._is_update[row - 1]:
            yield Promise.PLAN, f"sends row {row}, which the plan does not change"
        if record["attempt"] != sent + 1:
            yield Promise.NUMBER, f"is PUT {record['attempt']} of row {row}, not {sent + 1}"
        if is_barred:
            yield Promise.PAUSE, f"sends row {row} while a person has paused the run"

    def _end(self, record: Json) -> Iterator[tuple[Promise, str]]:
        self._in_session = False
        self._sessions_ended += 1
        yield from self._repeated(record)

    def _repeated(self, record: Json) -> Iterator[tuple[Promise, str]]:
        """Yield each wrong statement about the run in a `session` or `end` record."""
        counts = {outcome.value: rows for outcome, rows in self.progress.counts().items()}
        if Counter(record["counts"]) != Counter(counts):
            yield Promise.SESSION, _differ(record["counts"], counts)
        digest = self.progress.digest
        if record.get("digest", digest) != digest:  # format 2 did not name it here
            yield Promise.SESSION, f"names the plan {record['digest']}, not {digest}"

    def _stage_of(self, record: Json) -> Stage:
        row = record.get("row") or 0  # a note names one or none
        is_planned = self.progress.planned is not None and 1 <= row <= len(self._is_update)
        return self.progress.stage(row) if is_planned else _UNPLANNED

    # What a fold refuses

    def _broken_by(self, record: Json) -> Promise:
        """Name the promise that a record breaks by a step that it may not take."""
        stage = self._stage_of(record)
        match record["type"]:
            case "run" | "note" | "pace" | "decision":
                return Promise.CHAIN
            case _ if stage is Stage.UNPLANNED:
                return Promise.PLAN
            case "attempt":
                return Promise.INTENT
            case "intent" if stage is Stage.IN_FLIGHT:
                return Promise.ALONE
            case "outcome" if stage in NOT_IN_FLIGHT:
                return Promise.INTENT
            case _:
                return Promise.OUTCOME


def _outcome(record: Json, sent: int) -> Iterator[tuple[Promise, str]]:
    attempts = record["attempts"]
    if not sent and (attempts or record["http"] is not None):
        yield Promise.INTENT, f"reports a PUT of row {record['row']} that was never recorded"
    if attempts not in (0, sent):
        yield Promise.NUMBER, f"states {counted(attempts, 'PUT')} of row {record['row']}, not {sent}"


def _differ(stated: Mapping[str, int], written: Mapping[str, int]) -> str:
    return f"counts {_as_text(stated)}, but the lines before it have {_as_text(written)}"


def _as_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{rows} {outcome}" for outcome, rows in counts.items() if rows) or "nothing"
