"""What only several rows together show: one service in two rows, one backend port wanted by two.

A file has to be read to its end before this is known. Kept until then are 24 bytes for each row,
and 43 for each server port of a row that names its port_id.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID
from zlib import crc32

from bulk.jobfile.drafts import Draft, issue_at
from bulk.jobfile.values import Problem
from bulk.model import InvalidRow, PortMapping, Protocol

_ID_BYTES = 16
_SPOT_BYTES = 8
_COLUMN_BITS = 8
_COLUMN_MAX = (1 << _COLUMN_BITS) - 1
_LINE_BITS = 28
_BUCKETS = 256


class Spot(NamedTuple):
    """Where a value of a row stands."""

    row: int
    line: int
    column: int


def packed_spot(row: int, line: int, column: int) -> bytes:
    """Return eight bytes: 28 bits each for row and line, 8 for the column, which is 255 where it is more."""
    shown = min(column, _COLUMN_MAX)
    return ((row << _LINE_BITS | line) << _COLUMN_BITS | shown).to_bytes(_SPOT_BYTES)


def unpacked_spot(packed: bytes) -> Spot:
    """Return the spot that was packed."""
    rest, column = divmod(int.from_bytes(packed), 1 << _COLUMN_BITS)
    row, line = divmod(rest, 1 << _LINE_BITS)
    return Spot(row=row, line=line, column=column)


class Duplicates:
    """Finds the keys that were added more than once; only their bytes are in memory."""

    def __init__(self, *, key_bytes: int, entry_bytes: int) -> None:
        self._key_bytes = key_bytes
        self._entry_bytes = entry_bytes
        self._buckets = tuple(bytearray() for _ in range(_BUCKETS))

    def add(self, key: bytes, rest: bytes) -> None:
        """Remember a key and what goes with it."""
        # Equal keys share a bucket, so that `groups` takes the entries of one bucket apart at a time.
        self._buckets[crc32(key) % _BUCKETS].extend(key + rest)

    def groups(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """Return each key that was added more than once, with its values, in order."""
        for bucket in self._buckets:
            entries = [
                bytes(bucket[at : at + self._entry_bytes]) for at in range(0, len(bucket), self._entry_bytes)
            ]
            keys = [entry[: self._key_bytes] for entry in entries]
            if len(set(keys)) == len(keys):
                continue
            groups = defaultdict(list)
            for key, entry in zip(keys, entries, strict=True):
                groups[key].append(entry[self._key_bytes :])
            yield from ((key, rests) for key, rests in groups.items() if len(rests) > 1)


class Conflicts:
    """Watches the rows of one file, and returns at its end those that conflict with each other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._services = Duplicates(key_bytes=_ID_BYTES, entry_bytes=_ID_BYTES + _SPOT_BYTES)
        claim_bytes = _ID_BYTES + 3
        self._claims = Duplicates(key_bytes=claim_bytes, entry_bytes=claim_bytes + _SPOT_BYTES + _ID_BYTES)

    def watch(self, draft: Draft) -> None:
        """Remember what a row names and claims, as far as that part of it is valid."""
        values = draft.values
        if "service_id" not in values:
            return
        key = _packed_id(values["service_id"])
        spot = packed_spot(draft.row, draft.line, draft.column)
        self._services.add(key, spot)
        if "port_id" in values:
            for claim in _claims(values):
                self._claims.add(claim, spot + key)

    def withdrawn(self) -> Iterator[InvalidRow]:
        """Return every row that conflicts with another, each with the place of the other."""
        for key, rests in self._services.groups():
            service_id = _unpacked_id(key)
            wants = [(unpacked_spot(rest), service_id) for rest in rests]
            yield from self._opposed(wants, "service_id", "the service is also named", _JOIN)
        for claim, rests in self._claims.groups():
            wants = [(unpacked_spot(rest[:_SPOT_BYTES]), _unpacked_id(rest[_SPOT_BYTES:])) for rest in rests]
            if len({service_id for _, service_id in wants}) > 1:
                yield from self._opposed(wants, "port_id", f"{_claim_text(claim)} is also wanted", _PART)

    def _opposed(
        self, wants: list[tuple[Spot, str]], field: str, message: str, hint: str
    ) -> Iterator[InvalidRow]:
        more = f", and {len(wants) - 2} more" if len(wants) > 2 else ""  # noqa: PLR2004 - beyond a pair
        for spot, service_id in wants:
            other = wants[1][0] if spot == wants[0][0] else wants[0][0]
            there = f"{self._name}:{other.line}:{other.column}"
            problem = Problem(message=f"{message} at {there}{more}", hint=hint)
            issue = issue_at(self._name, spot.line, spot.column, field, problem)
            place = f"{self._name}:{spot.line}"
            yield InvalidRow(row=spot.row, place=place, service_id=service_id, issues=(issue,))


_JOIN = (
    "one service is one row (in the long layout, lines that follow each other): join them, for which the "
    "sheet may be sorted by service_id, or delete one"
)
_PART = "services on one port_id cannot share a server port: give one of them another"


def _packed_id(service_id: str) -> bytes:
    return bytes.fromhex(service_id.replace("-", ""))


def _unpacked_id(packed: bytes) -> str:
    return str(UUID(bytes=packed))


def _claims(values: dict[str, Any]) -> Iterator[bytes]:
    """Return the claims of the row's mappings on its port_id: id, server port, protocol, each once."""
    port_id = _packed_id(values["port_id"])
    mappings: tuple[PortMapping, ...] = values.get("ports", ()) + values.get("add_ports", ())
    for server_port, protocol in {(m.server_port, m.protocol) for m in mappings}:
        yield port_id + server_port.to_bytes(2) + (b"U" if protocol is Protocol.UDP else b"T")


def _claim_text(claim: bytes) -> str:
    protocol = Protocol.UDP if claim.endswith(b"U") else Protocol.TCP
    port = int.from_bytes(claim[_ID_BYTES:-1])
    return f"server port {port}/{protocol} on {_unpacked_id(claim[:_ID_BYTES])}"
