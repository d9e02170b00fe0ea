"""The ledger's lines, each chained to the one before.

`sum` is BLAKE2b (RFC 7693) with 16 bytes over the previous line's `sum` and this line's own bytes up to
the `sum` member, so a lost, edited or re-ordered line shows. It is no signature: whoever can write the
file can forge it; what was reviewed is held by the plan's digest (`digest.py`), which the reviewer keeps.
"""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

import orjson

from bulk.errors import LedgerDamaged
from bulk.ledger.change_line import head_of_change
from bulk.ledger.records import Json

_SUM_HEX = 32
_blake2b = hashlib.blake2b
_TAIL = b',"sum":"%b"}\n'
_CONTENT = slice(-len(_TAIL % bytes(_SUM_HEX)))
GENESIS = b"0" * _SUM_HEX
"""What the first line's `sum` is chained to."""
_CHANGE = b'"type":"change"'
_TYPE_WITHIN = 80
"""Bytes within which a line shows its type: `n` and `at` stand before it."""


def timestamp(now: float) -> str:
    """Return wall-clock seconds as UTC with milliseconds: `2026-01-15T08:30:00.123Z`."""
    return _timestamp(round(now * 1_000_000) // 1000)


@lru_cache(4)
def _timestamp(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def moment_s(at: str) -> float:
    """Return the seconds since 1970 that a record's `at` names: what `timestamp` made text of."""
    return datetime.fromisoformat(at).timestamp()


def seal(json: Json, rest: bytes = b"", *, previous: bytes) -> tuple[bytes, bytes]:
    """Return the line (with its newline) of a whole record, and its `sum`; `rest` as for `Chain.add`."""
    content = orjson.dumps(json)[:-1] + rest  # without the last brace: `_TAIL`, which has it, is not summed
    total = _sum(previous, content)
    return content + _TAIL % total, total


def _sum(previous: bytes, content: bytes) -> bytes:
    return _blake2b(previous + content, digest_size=16).hexdigest().encode()


class Chain:
    """Reads lines in order and vouches that none is missing, edited or out of order.

    It begins with the first line, or behind those that end with record `n` - 1 and the sum `total`.
    """

    def __init__(
        self, n: int = 0, total: bytes = GENESIS, size_bytes: int = 0, *, is_fixed: bool = False
    ) -> None:
        self.n = n
        """Number of the next record."""
        self.size_bytes = size_bytes
        """Length of the lines so far."""
        self._sum = total
        self._is_fixed = is_fixed
        """Whether the plan is complete, so that no change may follow."""

    @property
    def sum(self) -> str:
        """Return what the next line is chained to."""
        return self._sum.decode()

    def unseal(self, line: bytes, *, whole: bool = True) -> Json:
        """Return the record of a whole line (with its newline); raise LedgerDamaged naming the line.

        Of a change it returns only the head unless `whole` is true, which takes three times as long.
        """
        total = _sum(self._sum, line[_CONTENT])
        if not line.endswith(_TAIL % total):
            raise self._damaged("does not follow from the lines before it")
        # Looked for in the bytes: of a change, most of a ledger, no more than its head is parsed.
        mark = -1 if self._is_fixed else line.find(_CHANGE, 0, _TYPE_WITHIN)
        try:
            json: Json = orjson.loads(line if whole or mark < 0 else head_of_change(line))
        except ValueError as error:  # only a forger who recomputes sums gets here
            raise self._damaged("is not JSON") from error
        kind = json.get("type")
        if json.get("n") != self.n:
            stated = json.get("n")
            raise self._damaged(
                f"has {f'number {stated}' if type(stated) is int else 'no number'}, not {self.n}"
            )
        if (mark >= 0) is not (kind == "change"):
            fixed = "adds a change to a fixed plan"
            raise self._damaged(fixed if self._is_fixed else "is not a record of this format")
        self._is_fixed |= kind == "planned"
        self.n, self._sum, self.size_bytes = self.n + 1, total, self.size_bytes + len(line)
        return json

    def add(self, json: Json, rest: bytes = b"") -> bytes:
        """Return the line of the next record, whose `n` must be this chain's, and count it in.

        `rest` are members that are JSON already, with a comma in front.
        """
        line, self._sum = seal(json, rest, previous=self._sum)
        self.n, self.size_bytes = self.n + 1, self.size_bytes + len(line)
        return line

    def _damaged(self, what: str) -> LedgerDamaged:
        return LedgerDamaged(f"line {self.n + 1} {what}")
