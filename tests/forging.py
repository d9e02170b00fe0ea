"""Ledgers as somebody makes them who may write the file: other records, and sums that fit."""

import random
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import orjson

from bulk.ledger.chain import GENESIS, seal
from bulk.ledger.digest import digest_for, planned_terms
from bulk.ledger.records import Json, Record, change_of, record_json, record_type
from bulk.plan.footprint import Footprint


def records_of(content: bytes) -> list[Json]:
    """Return the records of a ledger without their sums."""
    return [
        {name: value for name, value in orjson.loads(line).items() if name != "sum"}
        for line in content.splitlines()
    ]


LATER = "2026-01-15T08:30:{:02}.000Z"


def ledger(*some: Record) -> list[Json]:
    """Return the records of a ledger, a second apart, as they are read."""
    times = map(LATER.format, cycle(range(60)))
    lines = zip(times, some, strict=False)
    return records_of(forged({"at": at, "type": record_type(one), **record_json(one)} for at, one in lines))


def forged(records: Iterable[Json], *, renumbered: bool = True, digest: bool = True) -> bytes:
    """Return a ledger of these records with right sums; its numbers and its digest as they must be."""
    records = list(records)
    right = _digest(records) if digest else ""
    previous, lines = GENESIS, []
    for n, record in enumerate(records):
        json = {"n": n, **record, **({"n": n} if renumbered else {})}
        if right and "digest" in json:
            json = {**json, "digest": right}
        line, previous = seal(json, previous=previous)
        lines.append(line)
    return b"".join(lines)


def _digest(records: list[Json]) -> str:
    """Return the digest of the plan in these records; none where they are too spoilt to have one."""
    try:
        digest, footprint = digest_for(records[0]), Footprint()
        for record in records:
            if record["type"] == "change":
                footprint.add(change := change_of(record))
                digest.add(change)
        return digest.under(planned_terms(records[0], changes=footprint.changes))
    except Exception:  # noqa: BLE001 - they may be anything
        return ""


def forge(ledger: Path, records: Iterable[Json]) -> None:
    """Write a ledger of these records."""
    ledger.write_bytes(forged(records))


ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 80, 65_535, 65_536, 2_000_001, 2**31, 2**40, 2**63, 0.5, 1e308,
    "", "0", "x", "TCP", "update", "applied", "park", "finished", "é" * 300, "m" * 5_000, "../../etc/passwd",
    "\x1b[2J\x1b]0;x\x07", "\u202egnp.exe", "\x9b31m", "a\nb\tc\x00", "2026-01-15T08:30:00.000Z", "9" * 400,
    [], [1], [[]], ["x"], {}, {"x": 1}, {"x": {"y": [{"z": 1}]}},
)  # fmt: skip
"""Values that a member hardly ever has, and some that others have."""


def spoilt(dice: random.Random, json: Any) -> Any:
    """Return JSON with one thing about it changed, somewhere: an odd value, a missing or a further member."""
    if not json or not isinstance(json, dict | list) or dice.random() < 0.05:
        return nested(dice) if dice.random() < 0.02 else dice.choice(ODD)
    keys = list(json) if isinstance(json, dict) else list(range(len(json)))
    key, copy = dice.choice(keys), json.copy()
    match dice.randrange(8):
        case 0:
            del copy[key]
        case 1 if isinstance(json, dict):
            copy[dice.choice(("later", "x", "row", "ports", "error"))] = dice.choice(ODD)
        case 1:
            copy.append(copy[key])
        case 2:
            copy[key] = copy[dice.choice(keys)]
        case _:
            copy[key] = spoilt(dice, json[key])
    return copy


def nested(dice: random.Random) -> Any:
    """Return something deep, though not too deep to be written."""
    json: Any = dice.choice(ODD)
    for _ in range(dice.choice((3, 60, 200))):
        json = dice.choice(([json], {"error": json}, {"x": json}))
    return json
