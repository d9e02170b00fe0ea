"""What a run did in its last minute, lane by lane, and its last rows that need a person.

Records are taken in one by one, as a ledger is followed. Of each second there are a few counts, and of rows
no more than are shown, so that memory does not grow with the run.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import compress
from typing import NamedTuple

from bulk.ledger.chain import moment_s
from bulk.ledger.progress import Progress
from bulk.ledger.records import AttemptResult, Json, PaceRecord, pace_of
from bulk.ledger.row_life import OUTCOME_OF, Stage, never_left
from bulk.model import LaneName, Outcome, RequestKind, Sigil

SECONDS = 60
"""How far back the counts go."""
ROWS_KEPT = 20
_IS_WRONG = bytes(
    (outcome := OUTCOME_OF.get(stage)) is not None and outcome.facts.sigil is Sigil.WRONG for stage in Stage
).ljust(256, b"\0")


class Counts(NamedTuple):
    """PUTs that left, and requests that were throttled, in each second; the last one is the present."""

    sent: tuple[int, ...]
    throttled: tuple[int, ...]


class Recent:
    """The last minute of a run, and its last rows that need a person."""

    def __init__(self) -> None:
        self._seconds: dict[int, Counter[tuple[int, bool]]] = {}
        """For each second since 1970: how many by number of the target, and whether they were throttled."""
        self._in_flight: dict[int, int] = {}
        """The second in which the PUT of a row left that has no answer yet."""
        self._paces: dict[LaneName, list[tuple[int, PaceRecord]]] = {}
        self._wrong: dict[int, None] = {}
        self.doubts: dict[int, str] = {}
        """Rows whose reply was lost, or says that the PUT may have taken effect, and since when."""

    def begin(self, progress: Progress) -> None:
        """Learn which rows need a person, of a run that is not followed from its beginning."""
        wrong = compress(range(1, len(progress.stages) + 1), progress.stages.translate(_IS_WRONG))
        newest = sorted(wrong, key=lambda row: progress.outcome_at[row - 1])[-ROWS_KEPT:]
        self._wrong = dict.fromkeys(newest)
        for record in progress.notes:
            if record["type"] == "pace":
                self._pace(record)

    def take(self, progress: Progress, record: Json) -> None:
        """Take in the next record, which `progress` has taken in already."""
        match record["type"]:
            case "intent":
                self.doubts.pop(record["row"], None)
                self._in_flight[record["row"]] = self._count(progress, record, throttled=False)
            case "attempt":
                self._attempt(progress, record)
            case "outcome":
                self._outcome(record)
            case "pace":
                self._pace(record)
            case _:
                pass

    def wrong(self) -> Iterator[int]:
        """Return the rows that need a person, the newest first."""
        return reversed(self._wrong)

    def counts(self, targets: Collection[int], now: float) -> Counts:
        """Return the counts of the targets with these numbers, up to `now` (seconds since 1970)."""
        last = int(now)
        seconds = [self._seconds.get(second, Counter()) for second in range(last - SECONDS + 1, last + 1)]
        sent, throttled = (
            tuple(sum(second[target, kind] for target in targets) for second in seconds)
            for kind in (False, True)
        )
        return Counts(sent, throttled)

    def lanes(self) -> Collection[LaneName]:
        """Return the lanes whose pace is known."""
        return self._paces

    def paces(self, lane: LaneName, now: float) -> tuple[tuple[int, PaceRecord], ...]:
        """Return the paces of a lane in these seconds, each with the second from which on it held."""
        first, paces = int(now) - SECONDS + 1, self._paces.get(lane, [])
        return tuple((max(0, second - first), pace) for second, pace in paces)

    def _count(self, progress: Progress, record: Json, *, throttled: bool) -> int:
        """Count a record in its second, and return that."""
        second = int(moment_s(record["at"]))
        if second not in self._seconds:
            self._seconds[second] = Counter()
            for old in [each for each in self._seconds if each <= second - SECONDS]:
                del self._seconds[old]
        self._seconds[second][progress.target_of[record["row"] - 1], throttled] += 1
        return second

    def _attempt(self, progress: Progress, record: Json) -> None:
        row, verdict = record["row"], record["verdict"]
        second = self._in_flight.pop(row, -1)
        if never_left(record) and second in self._seconds:
            self._seconds[second][progress.target_of[row - 1], False] -= 1
        if verdict == AttemptResult.DOUBT:
            self.doubts[row] = record["at"]
        else:
            self.doubts.pop(row, None)
        if verdict == AttemptResult.THROTTLED:
            self._count(progress, record, throttled=True)

    def _outcome(self, record: Json) -> None:
        row = record["row"]
        self._in_flight.pop(row, None)
        self.doubts.pop(row, None)
        self._wrong.pop(row, None)
        if Outcome(record["outcome"]).facts.sigil is Sigil.WRONG:
            self._wrong[row] = None
            for old in [*self._wrong][:-ROWS_KEPT]:
                del self._wrong[old]

    def _pace(self, record: Json) -> None:
        pace, second = pace_of(record), int(moment_s(record["at"]))
        if pace.kind is not RequestKind.WRITES:
            return
        known = self._paces.setdefault(pace.lane, [])
        known.append((second, pace))
        while len(known) > 1 and known[1][0] <= second - SECONDS:
            del known[0]
