"""What a rehearsed run shows of its own speed, from its ledger's records and the simulator's counts."""

from collections.abc import Iterable, Mapping

from bulk.ledger.chain import moment_s
from bulk.ledger.records import AttemptResult, Json
from bulk.ledger.row_life import never_left
from bulk.rehearsal.findings import Measurement
from bulk.reports.timeline import Timeline

_TOO_FAST = ("APIGW.0308", "EndPoint.0022")


def measured(records: Iterable[Json], stats: Json, *, rate_per_s: float | None) -> Measurement:
    """Return what a run took; without a rate of its own, it was held to the pace that it reached."""
    timeline = Timeline()
    sent, puts, held_s = 0, 0, 0.0
    began_s: dict[int, float] = {}
    parked_s: dict[int, float] = {}
    gap_s: dict[int, float] = {}
    for record in records:
        timeline.step(record)
        now_s = moment_s(record["at"])
        sent -= record["type"] == "attempt" and never_left(record)
        match record:
            case {"type": "intent", "row": row}:
                sent += 1
                began_s.setdefault(row, now_s)
                continue
            case {"type": "attempt", "row": row, "verdict": AttemptResult.PARKED}:
                parked_s[row] = now_s
            case {"type": "outcome", "row": row} if row in began_s:
                if row in parked_s:
                    gap_s[row] = now_s - parked_s.pop(row)
            case _:
                continue
        held_s += now_s - began_s.pop(row)
        puts += 1
    reached_per_s = sent / timeline.length_s if sent and timeline.length_s else 1.0
    requests: Mapping[str, int] = stats["requests"]
    return Measurement(
        duration_s=timeline.length_s,
        rate_per_s=rate_per_s or reached_per_s,
        puts=puts,
        sent=sent,
        lists=requests.get("list", 0),
        requests=sum(requests.values()),
        refusals=sum(stats["refusals"].get(code, 0) for code in _TOO_FAST),
        hold_s=held_s / puts if puts else 0.0,
        latency=timeline.latency(),
        faults=stats["faults"],
        gap_s=gap_s,
    )
