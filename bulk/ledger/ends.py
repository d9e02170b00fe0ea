"""The two ends of a ledger, which show where its run stands without the lines between them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from bulk.errors import LedgerDamaged
from bulk.ledger.chain import Chain
from bulk.ledger.members import checked
from bulk.ledger.records import LINE_BYTES_MAX, DecisionKind, Json
from bulk.ledger.stops import BrakeReason
from bulk.model import Outcome

SHORT_TAIL_BYTES, TAIL_BYTES = 4_096, 65_536
"""What is read of the end; the longer one where the shorter one does not show how far the run has come."""
_CHUNK_BYTES = 1_048_576
_SESSION = b'"type":"session"'
_TELLING = frozenset({"planned", "session", "intent", "attempt", "outcome", "end"})
"""Types of the records that show how far a run has come."""
_LEFT = (Outcome.IN_DOUBT, Outcome.NOT_ATTEMPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEnds:
    """What the first record of a ledger, whose plan is complete, and its last ones show.

    * run: the first record
    * last: the last record that shows how far the run has come; empty where all of the ledger was read
    * has_begun: whether a session has begun
    * is_finished: whether the last session recorded its end, with no row left
    * is_left: whether a person left the run for good
    * is_rolled_back: whether its rollback has begun, as far as it is on record
    * rollback: the ledger of its rollback, likewise; empty for none
    """

    run: Json
    last: Json = field(default_factory=dict)
    has_begun: bool
    is_finished: bool
    is_left: bool
    is_rolled_back: bool
    rollback: str = ""

    @property
    def is_open(self) -> bool:
        """Return whether the run has begun, and neither finished nor been left for good."""
        return self.has_begun and not self.is_finished and not self.is_left


def ends_of(path: Path) -> LedgerEnds | None:
    """Return the ends of a ledger; None where they are damaged, or do not show how far its run has come."""
    run = head_of(path)
    if run.get("type") != "run":
        return None
    for tail_bytes in (SHORT_TAIL_BYTES, TAIL_BYTES):
        with suppress(OSError, ValueError, TypeError, AttributeError, LookupError, LedgerDamaged):
            last, behind = _last_telling(path, tail_bytes)
            return LedgerEnds(
                run=run,
                last=last,
                has_begun=last["type"] != "planned",
                is_finished=_is_finished(last),
                is_left=DecisionKind.LEAVE in behind,
                is_rolled_back=DecisionKind.ROLLED_BACK in behind,
                rollback=behind.get(DecisionKind.ROLLED_BACK, {}).get("ledger", ""),
            )
    return None


def _is_finished(last: Json) -> bool:
    if last["type"] != "end":
        return False
    return last["reason"] == BrakeReason.FINISHED and not any(map(last["counts"].get, _LEFT))


def _last_telling(path: Path, tail_bytes: int) -> tuple[Json, dict[str, Json]]:
    """Return the last record that shows how far the run has come, and the last decision of each kind behind.

    Raises LookupError where there is none in the tail, and what reading a damaged one raises.
    """
    behind: dict[str, Json] = {}
    for record in reversed([*_last_records(path, tail_bytes)]):
        if record["type"] in _TELLING:
            return record, behind
        if record["type"] == "decision":
            behind.setdefault(record["what"], record)
    raise LookupError


def head_of(path: Path) -> Json:
    """Return the first record of a ledger as it stands there; empty where it cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for somebody who writes to it
            return {}
        with path.open("rb") as file:
            return _record(file.readline(LINE_BYTES_MAX + 1))
    except (OSError, ValueError, LedgerDamaged):
        return {}


def _last_records(path: Path, tail_bytes: int) -> Iterator[Json]:
    """Yield the last records, each of which follows from the one before; a torn last line is passed over."""
    with path.open("rb") as file:
        begin = max(0, os.fstat(file.fileno()).st_size - tail_bytes)
        file.seek(begin)
        lines = file.read().splitlines(keepends=True)
    chain = Chain()
    if begin:  # what the first whole line follows from is not read
        first = orjson.loads(lines[1])
        chain = Chain(n=first["n"] + 1, total=first["sum"].encode())
        del lines[:2]
    yield from (checked(chain.unseal(line, whole=False)) for line in lines if line.endswith(b"\n"))


def last_session(path: Path, begin: int = 0) -> Json | None:
    """Return the last `session` record from byte `begin` on, searched for from the end; None for none."""
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        while end > begin:
            at = max(begin, end - _CHUNK_BYTES)
            chunk = os.pread(file.fileno(), end - at + len(_SESSION), at)
            if (found := chunk.rfind(_SESSION)) >= 0:
                return _session_around(file.fileno(), at + found)
            end = at
    return None


def _session_around(fd: int, at: int) -> Json | None:
    """Return the `session` record whose line has this byte; None where it is none, or is damaged."""
    before = os.pread(fd, min(at, _CHUNK_BYTES), max(0, at - _CHUNK_BYTES))
    begin = at - len(before) + before.rfind(b"\n") + 1
    line = os.pread(fd, LINE_BYTES_MAX, begin).partition(b"\n")[0]
    try:
        record = _record(line)
    except (ValueError, LedgerDamaged):
        return None
    return record if record["type"] == "session" else None


def _record(line: bytes) -> Json:
    """Return the record of a line that nothing vouches for; raise ValueError or LedgerDamaged."""
    json = orjson.loads(line)
    if type(json) is not dict or type(json.get("n")) is not int:
        raise ValueError
    return checked(json)
