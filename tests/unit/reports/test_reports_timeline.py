"""How a run went over time."""

from typing import TYPE_CHECKING

from bulk.ledger.records import Attempt, AttemptResult, Intent, OutcomeRecord
from bulk.ledger.stops import BrakeReason
from bulk.model import Limit, Outcome, Reply, RequestKind
from bulk.reports.timeline import Latency, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulk.model import Change
    from tests.unit.reports.conftest import Written


def test_accepted_and_refused_replies_are_counted_where_they_came(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A reply counts in the second in which it was written down."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP"), change(2, "1:1/TCP", "2:2/TCP")).session()
    written.applied(1).throttled(2).applied(2).end()
    bars = written.timeline.bars()
    assert [bar.accepted_per_s for bar in bars] == [0, 0, 1, 0, 0, 0, 1, 0]
    assert [bar.refused_per_s for bar in bars] == [0, 0, 0, 0, 1, 0, 0, 0]
    assert written.timeline.length_s == 7


def test_the_pause_between_two_sessions_takes_no_room(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Resumed the next morning, the run is as long as it worked."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP"), change(2, "1:1/TCP", "2:2/TCP")).session()
    written.applied(1).end(BrakeReason.INTERRUPTED).session(after_s=40_000).applied(2).end()
    assert written.timeline.length_s == 6
    assert written.timeline.sessions == [0, 3]


def test_a_long_run_gets_wider_bars(written: "Written", change: "Callable[..., Change]") -> None:
    """At most 120 bars, of a width that a person can divide by; a bar tells replies per second."""
    written.planned(*(change(row, "1:1/TCP", "2:2/TCP") for row in range(1, 301))).session()
    for row in range(1, 301):
        written.applied(row)
    assert written.timeline.bar_s == 10
    bars = written.timeline.bars()
    assert len(bars) == 61
    assert bars[5].accepted_per_s == 0.5


def test_a_run_of_years_is_still_drawn() -> None:
    """Beyond the widths that a person divides by, a bar is as many days as it takes."""
    timeline = Timeline()
    for n, at in enumerate(("2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z")):
        timeline.step({"n": n, "at": at, "type": "session" if n == 0 else "end"})
    assert timeline.bar_s == 4 * 86400
    assert len(timeline.bars()) == 92
    timeline.step({"n": 2, "at": "9999-01-01T00:00:00.000Z", "type": "end"})
    assert len(timeline.bars()) <= 121


def test_the_pace_of_writes_gives_rate_and_limit(written: "Written", change: "Callable[..., Change]") -> None:
    """The pace of reads does not move the line; one before the first session comes before time begins."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP")).paced(5).session()
    written.paced(18.5, Limit(requests=40, window_s=2.0)).paced(10).paced(1, kind=RequestKind.READS)
    points = [(point.at_s, point.pace.rate_per_s, point.limit_per_s) for point in written.timeline.pace]
    assert points == [(1, 18.5, 20), (2, 10, None)]


def test_latency_percentiles_are_of_the_nearest_rank(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Of 1 to 100 ms the median is 50 and the 99th percentile 99."""
    written.planned(*(change(row, "1:1/TCP", "2:2/TCP") for row in range(1, 101))).session()
    assert written.timeline.latency() is None
    for row in range(1, 101):
        written.applied(row, ms=101 - row)
    assert written.timeline.latency() == Latency(replies=100, p50_ms=50, p90_ms=90, p99_ms=99, max_ms=100)


def test_a_doubt_settled_by_reading_is_one_reply(written: "Written", change: "Callable[..., Change]") -> None:
    """The 502 counts once, though its outcome repeats it; a lost reply has no latency."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP"), change(2, "1:1/TCP", "2:2/TCP")).session()
    reply = Reply(http=502, ms=40)
    written.put(
        Intent(row=1, attempt=1),
        Attempt(row=1, attempt=1, verdict=AttemptResult.DOUBT, reply=reply),
        OutcomeRecord(row=1, outcome=Outcome.APPLIED, reply=reply, attempts=1),
    )
    lost = Reply(code="timeout")
    written.put(Intent(row=2, attempt=1), Attempt(row=2, attempt=1, verdict=AttemptResult.DOUBT, reply=lost))
    latency = written.timeline.latency()
    assert latency is not None
    assert latency.replies == 1
