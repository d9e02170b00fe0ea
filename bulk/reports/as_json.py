"""The report as one JSON object, each row on a line of its own, so that it streams and can be grepped."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import orjson

from bulk.ledger.records import Json, decision_of, record_json, target_json
from bulk.model import Action, Outcome, ports_json, state_json
from bulk.reports.report import Report, session_summaries
from bulk.reports.report_row import Row
from bulk.reports.timeline import Timeline
from bulk.reports.totals import Tally, Totals

FORMAT = 1
"""Version of this JSON; members are only ever added within one."""


def render(report: Report) -> Iterator[str]:
    """Return the JSON piece by piece: the head, the rows, then `totals` and other sums over the rows."""
    tally = Tally()
    yield f'{_dumps(head_json(report))[:-1]},\n"rows":['
    separator = "\n"
    for row in tally.counting(report.rows):
        yield separator + _dumps(row_json(row))
        separator = ",\n"
    yield f"\n],\n{_dumps(totals_json(report, tally.totals()))[1:]}\n"


def head_json(report: Report) -> Json:
    """Return the head of the report: its job, its state, its targets."""
    progress = report.progress
    return {
        "format": FORMAT,
        "kind": "run" if report.ran else "plan",
        **{name: progress.run[name] for name in ("job", "job_sha256", "run_id", "version", "targets")},
        "digest": progress.digest,
        "ticket": report.ticket or None,
        "planned_at": progress.planned_at,
        "sessions": [asdict(session) for session in session_summaries(progress)],
        "decisions": [{"at": json["at"], **record_json(decision_of(json))} for json in progress.decisions],
        "waves": [wave._asdict() for wave in report.waves],
        "judge": report.judge or None,
        "via": report.where.via or None,
        "workers": report.where.workers,
        "estimate": report.estimate and {**asdict(report.estimate), "fits": report.estimate.fits},
    }


def totals_json(report: Report, totals: Totals) -> Json:
    """Return the totals of the rows, and how the run went."""
    return {
        "totals": {
            "rows": totals.rows,
            "actions": _named(totals.actions),
            "outcomes": None if totals.outcomes is None else _named(totals.outcomes),
            "mappings_planned": asdict(totals.planned),
            "mappings_applied": asdict(totals.applied),
            "consumers": totals.consumers,
            "parked": totals.parked,
            "unconfirmed": totals.unconfirmed,
            "puts_sent": report.progress.sent,
            "refusals": report.progress.refusals,
        },
        "failures": [
            {"code": code, "rows": rows, "advice": report.advice(code)} for code, rows in totals.codes.items()
        ],
        "timeline": timeline_json(report.timeline) if report.timeline else None,
    }


def row_json(row: Row) -> Json:
    """Return one row whole."""
    change, reply = row.change, row.reply
    return {
        "row": change.row,
        "place": change.update.place,
        "target": target_json(change.target),
        "service_id": change.service_id,
        "name": row.name,
        "action": change.action,
        "outcome": row.outcome,
        "reason": change.reason,
        "after": change.after,
        "after_parked": change.after_parked,
        "parking": change.parking.named() if change.parking else None,
        "out_of_service": ports_json(change.out_of_service),
        **row.texts,
        "before": state_json(change.before) if change.before else None,
        "body": change.body.named(),
        "added": ports_json(change.added),
        "removed": ports_json(change.removed),
        "kept": ports_json(change.kept),
        "http": reply.http,
        "code": reply.code,
        "message": reply.message,
        "request_id": reply.request_id,
        "encoded_authorization_message": reply.encoded_authorization_message,
        "attempts": row.attempts,
        "ms": reply.ms,
        "observed": state_json(row.observed) if row.observed else None,
        "unconfirmed": row.unconfirmed,
    }


def timeline_json(timeline: Timeline) -> Json:
    """Return the course of the run over time."""
    latency = timeline.latency()
    return {
        "length_s": round(timeline.length_s, 3),
        "bar_s": timeline.bar_s,
        "bars": [asdict(bar) for bar in timeline.bars()],
        "pace": [
            {"at_s": point.at_s, "limit_per_s": point.limit_per_s, **record_json(point.pace)}
            for point in timeline.pace
        ],
        "sessions_at_s": timeline.sessions,
        "latency": asdict(latency) if latency else None,
    }


def _named(counts: Mapping[Action, int] | Mapping[Outcome, int]) -> Json:
    return {result.value: rows for result, rows in counts.items()}


def _dumps(json: Json) -> str:
    return orjson.dumps(json).decode()
