"""How a run went over time: replies, refusals, the pace and the latency, added up from the ledger's records.

Time counts only while a session is at work: sessions stand side by side, the pauses between them left out.
"""

from array import array
from collections import Counter
from dataclasses import dataclass
from math import ceil

from bulk.ledger.chain import moment_s
from bulk.ledger.records import AttemptResult, Json, PaceRecord, pace_of
from bulk.model import RequestKind

_BARS_MAX = 120
_BAR_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Widths that a person can divide by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The replies of one stretch of time, per second."""

    accepted_per_s: float
    refused_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PacePoint:
    """From this moment on a lane's PUTs were meant to leave so fast."""

    at_s: float
    pace: PaceRecord

    @property
    def limit_per_s(self) -> float | None:
        """Return the server's limit as it was believed to be then."""
        limit = self.pace.limit
        return limit.per_s if limit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles (nearest rank) of the time from sending to the end of the reply."""

    replies: int
    p50_ms: int
    p90_ms: int
    p99_ms: int
    max_ms: int


class Timeline:
    """Takes in a ledger's records one by one; memory grows by the second and by 4 bytes a reply."""

    def __init__(self) -> None:
        self._accepted: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._ms = array("I")
        self._asked: set[int] = set()
        self._earlier_s = 0.0
        self._began = 0.0
        self._last_s = 0.0
        self.sessions: list[float] = []
        """When each session began, in seconds of work."""
        self.pace: list[PacePoint] = []

    def step(self, record: Json) -> None:
        """Take in the next record."""
        match record["type"]:
            case "session":
                self._session(record)
            case "intent":
                self._asked.add(record["row"])
                self._move_on(record)
            case "attempt" | "outcome" if record["row"] in self._asked:
                self._asked.remove(record["row"])
                self._reply(record)
            case "pace" if self.sessions:
                self._pace(record)
            case "end":
                self._move_on(record)
            case _:
                pass

    @property
    def length_s(self) -> float:
        """Return the seconds that sessions have been at work."""
        return self._last_s

    @property
    def bar_s(self) -> int:
        """Return the seconds of a bar, long enough that a reader can take in all bars."""
        fitting = (width for width in _BAR_S if self._last_s / width < _BARS_MAX)
        return next(fitting, _BAR_S[-1] * ceil(self._last_s / _BAR_S[-1] / _BARS_MAX))

    def bars(self) -> tuple[Bar, ...]:
        """Return replies per second, from the first session's start to the last record."""
        accepted, refused = (self._in_bars(counts) for counts in (self._accepted, self._refused))
        return tuple(
            Bar(accepted_per_s=accepted[bar] / self.bar_s, refused_per_s=refused[bar] / self.bar_s)
            for bar in range(int(self._last_s // self.bar_s) + 1)
        )

    def latency(self) -> Latency | None:
        """Return the percentiles of the replies' times; None without a reply."""
        ranked = sorted(self._ms)
        if not ranked:
            return None
        p50, p90, p99, last = (ranked[-(-len(ranked) * percent // 100) - 1] for percent in (50, 90, 99, 100))
        return Latency(replies=len(ranked), p50_ms=p50, p90_ms=p90, p99_ms=p99, max_ms=last)

    def _in_bars(self, counts: Counter[int]) -> Counter[int]:
        bars: Counter[int] = Counter()
        for second, count in counts.items():
            bars[second // self.bar_s] += count
        return bars

    def _session(self, record: Json) -> None:
        self._earlier_s = self._last_s
        self._began = moment_s(record["at"])
        self._asked.clear()
        self.sessions.append(self._earlier_s)

    def _reply(self, record: Json) -> None:
        second = int(self._move_on(record))
        refused = record.get("verdict") == AttemptResult.THROTTLED
        if record["http"] is not None:
            (self._refused if refused else self._accepted)[second] += 1
            self._ms.append(record["ms"])

    def _pace(self, record: Json) -> None:
        pace = pace_of(record)
        if pace.kind is RequestKind.WRITES:
            self.pace.append(PacePoint(at_s=self._move_on(record), pace=pace))

    def _move_on(self, record: Json) -> float:
        self._last_s = max(self._last_s, self._earlier_s + moment_s(record["at"]) - self._began)
        return self._last_s
