"""What format 2 wrote otherwise: the pace stood in notes, as prose; a plan's digest was of its lines.

This may go once no run that version 0.1.0 began is left to be read, with `2` in `records.READABLE`.
"""

import re
from hashlib import sha256

import orjson

from bulk.ledger.records import Json, PaceRecord, record_json
from bulk.model import Change, Hold, LaneName, Limit, RequestKind, Why

_KINDS = {"pace": RequestKind.WRITES, "pace of reads": RequestKind.READS}
_WINDOWS_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?(?:e[+-]\d\d)?"
_WINDOW = rf"(?=[0.]*[1-9]){_NUMBER}"
_PACE = re.compile(
    rf"rate (?P<rate>{_NUMBER})/s"
    rf"(?:; limit \S+/s, (?P<why>{'|'.join(Why)}): (?P<requests>\d{{1,9}}) per"
    rf" (?:(?P<window>{_WINDOW}) s|(?P<unit>{'|'.join(_WINDOWS_S)}))(?: \((?P<policy>\w+)\))?)?"
    r"(?:; server push-back: .*?(?P<left>\d{1,9}) s left)?"
)


def modern(note: Json) -> Json:
    """Return a note as format 3 has it: one of format 2 about the pace becomes a `pace`."""
    kind, found = _KINDS.get(str(note.get("about"))), _PACE.fullmatch(str(note.get("message")))
    if kind is None or found is None:
        return note
    limit = None
    if found["why"]:
        window_s = float(found["window"]) if found["window"] else _WINDOWS_S[found["unit"]]
        limit = Limit(requests=int(found["requests"]), window_s=window_s, policy=found["policy"] or "")
    pace = PaceRecord(
        lane=LaneName(host="", region="", account=""),  # the note did not say
        kind=kind,
        rate_per_s=float(found["rate"]),
        limit=limit,
        why=Why(found["why"]) if found["why"] else None,
        hold=Hold.PUSH_BACK if found["left"] else Hold.RATE,
        left_s=float(found["left"] or 0),
    )
    return {**{name: note[name] for name in ("n", "at")}, "type": pace.type, **record_json(pace)}


class LineDigest:
    """The digest of a plan of format 2: over all that its `change` records say, in their order."""

    def __init__(self) -> None:
        self._total = sha256()

    def add(self, change: Change) -> None:
        """Take in the next change."""
        self._total.update(b",%b\n" % orjson.dumps(record_json(change))[1:-1])

    def under(self, _: Json) -> str:
        """Return the digest of the changes so far; it did not cover the terms of a plan."""
        return f"sha256:{self._total.hexdigest()}"
