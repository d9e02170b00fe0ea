"""What a rehearsed run shows of its own speed, from its ledger's records."""

from datetime import datetime

from bulk.core.ledger.records import Json, Verb
from bulk.core.reports.timeline import Latency, Timeline


class Measure:
    """Takes in a ledger's records one by one."""

    def __init__(self) -> None:
        self.gap_s: dict[int, float] = {}
        """For each parked row: from the answer to its intermediate PUT to its outcome."""
        self.puts = 0
        """PUTs brought to their end, however often they were sent."""
        self.sent = 0
        """PUTs sent, with those sent again."""
        self._timeline = Timeline()
        self._since_s: dict[int, float] = {}
        self._parked_s: dict[int, float] = {}
        self._held_s = 0.0

    def step(self, record: Json) -> None:
        """Take in the next record."""
        self._timeline.step(record)
        match record:
            case {"type": "intent", "row": row}:
                self.sent += 1
                self._since_s.setdefault(row, _seconds(record))
            case {"type": "attempt", "row": row, "verdict": Verb.PARKED}:
                self._parked_s[row] = self._done(row, record)
            case {"type": "outcome", "row": row} if row in self._since_s:
                now_s = self._done(row, record)
                if row in self._parked_s:
                    self.gap_s[row] = now_s - self._parked_s.pop(row)
            case _:
                pass

    @property
    def duration_s(self) -> float:
        """Give how long sessions were at work."""
        return self._timeline.length_s

    @property
    def reached_per_s(self) -> float:
        """Give how many PUTs were sent in a second."""
        return self.sent / self.duration_s if self.sent and self.duration_s else 1.0

    @property
    def hold_s(self) -> float:
        """Give how long a PUT had its worker on average: with its repeats, waits and reads."""
        return self._held_s / self.puts if self.puts else 0.0

    @property
    def latency(self) -> Latency | None:
        """Give the percentiles of the answers' times; None without an answer."""
        return self._timeline.latency()

    def _done(self, row: int, record: Json) -> float:
        now_s = _seconds(record)
        self._held_s += now_s - self._since_s.pop(row)
        self.puts += 1
        return now_s


def _seconds(record: Json) -> float:
    return datetime.fromisoformat(record["at"]).timestamp()
