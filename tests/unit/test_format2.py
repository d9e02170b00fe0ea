"""What format 2 wrote otherwise, read as format 3 has it."""

from pathlib import Path

import orjson
import pytest

from bulk.ledger.digest import digest_for
from bulk.ledger.format2 import modern
from bulk.ledger.records import Json, change_of, pace_of
from bulk.model import Change, Hold, Limit, RequestKind, Why


def note(about: str, message: object) -> Json:
    """Return a note as a ledger has it."""
    return {"n": 7, "at": "2026-01-15T08:30:00.000Z", "type": "note", "about": about, "message": message}


@pytest.mark.parametrize(
    ("message", "rate_per_s", "limit", "why", "hold", "left_s"),
    [
        ("rate 10/s", 10, None, None, Hold.RATE, 0),
        ("rate 1e+05/s", 100_000, None, None, Hold.RATE, 0),
        ("rate 20/s; limit 20/s, given: 20 per second", 20, (20, 1.0, ""), Why.GIVEN, Hold.RATE, 0),
        (
            "rate 0.8/s; limit 1/s, stated: 4 per 4 s (ip); server push-back: limit 4 per 4 s (ip), 2 s left",
            0.8,
            (4, 4.0, "ip"),
            Why.STATED,
            Hold.PUSH_BACK,
            2,
        ),
        (
            "rate 0.5/s; limit 0.5/s, found: 30 per minute; server push-back: 12 s left",
            0.5,
            (30, 60.0, ""),
            Why.FOUND,
            Hold.PUSH_BACK,
            12,
        ),
    ],
)
def test_a_note_about_the_pace_becomes_a_record_of_it(
    message: str,
    rate_per_s: float,
    limit: tuple[int, float, str] | None,
    why: Why | None,
    hold: Hold,
    left_s: float,
) -> None:
    """Every form that version 0.1.0 wrote, of reads and of writes, at the place of the note."""
    for about, kind in (("pace", RequestKind.WRITES), ("pace of reads", RequestKind.READS)):
        record = modern(note(about, message))
        assert (record["n"], record["at"], record["type"]) == (7, "2026-01-15T08:30:00.000Z", "pace")
        pace = pace_of(record)
        assert (pace.kind, pace.rate_per_s, pace.why, pace.hold, pace.left_s) == (
            kind, rate_per_s, why, hold, left_s,
        )  # fmt: skip
        requests, window_s, policy = limit or (0, 0.0, "")
        assert pace.limit == (Limit(requests=requests, window_s=window_s, policy=policy) if limit else None)


@pytest.mark.parametrize(
    "other",
    [
        note("torn", "cut 3 bytes of an unfinished line"),
        note("doubt", "rate 10/s"),
        note("pace", "window shut"),
        note("pace", "rate 10/s; limit 20/s, dreamt: 20 per second"),
        note("pace", 7),
        {"n": 7, "at": "", "type": "note"},
    ],
)
def test_any_other_note_stays_what_it_is(other: Json) -> None:
    """Nothing is read into what does not say it, whatever a forger wrote."""
    assert modern(other) is other


@pytest.mark.parametrize("name", ["finished", "killed", "parked", "throttled"])
def test_a_plan_of_format_2_keeps_the_digest_that_was_approved(name: str) -> None:
    """It is made from the changes in their order, by the rule of its time."""
    ledger = Path(__file__).parents[1] / "ledgers" / "format-2" / f"{name}.ledger.jsonl"
    records = [orjson.loads(line) for line in ledger.read_bytes().splitlines()]
    plan = [change_of(record) for record in records if record["type"] == "change"]
    (stated,) = (record["digest"] for record in records if record["type"] == "planned")

    def digest(*changes: Change) -> str:
        made = digest_for(records[0])
        for change in changes:
            made.add(change)
        return made.under({})

    assert digest(*plan) == stated
    assert digest(*reversed(plan)) != stated
    assert digest(*plan[1:]) != stated
