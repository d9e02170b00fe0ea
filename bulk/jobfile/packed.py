"""The valid rows of a file in little memory: what each has for itself in arrays, what many ask only once."""

from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import fields
from heapq import merge
from operator import attrgetter
from typing import Any

from bulk.model import ASKED_FIELDS, ModifyBody, ServiceId, ServiceUpdate, Target

_ASKS_KNOWN_MAX = 65_536
_ID_BYTES = 16
_asked = attrgetter(*ASKED_FIELDS)
_NOTHING = tuple(each.default for each in fields(ServiceUpdate) if each.name in ASKED_FIELDS)


class Updates(Collection[ServiceUpdate]):
    """The rows of a file, in their order; each is made anew whenever it is asked for."""

    def __init__(self) -> None:
        self.by_target: dict[Target, PackedRows] = {}
        """The rows of each target, the targets in the order in which rows first name them."""
        self._asks = _Asks()

    def add(self, update: ServiceUpdate) -> None:
        """Add the next row."""
        rows = self.by_target.get(update.target)
        if rows is None:
            rows = self.by_target[update.target] = PackedRows(update.target, self._asks)
        rows.add(update)

    def only(self, is_kept: Callable[[ServiceUpdate], bool]) -> "Updates":
        """Return the rows for which `is_kept` is true."""
        kept = Updates()
        for update in filter(is_kept, self):
            kept.add(update)
        return kept

    @property
    def last_row(self) -> int:
        """Return the number of the last row; 0 without rows."""
        return max((rows.last_row for rows in self.by_target.values()), default=0)

    def __iter__(self) -> Iterator[ServiceUpdate]:
        """Yield every row."""
        # Each target has its rows in the order of the file, so that merging them restores that order.
        return merge(*self.by_target.values(), key=attrgetter("row"))

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self.by_target.values()))

    def __contains__(self, update: object) -> bool:
        """Return whether there is such a row."""
        return any(map(update.__eq__, self))


class PackedRows(Collection[ServiceUpdate]):
    """Rows of one target in their order, 28 bytes each."""

    def __init__(self, target: Target, asks: "_Asks") -> None:
        self._target = target
        self._asks = asks
        self._ids = bytearray()
        self._rows, self._lines, self._asked = array("I"), array("I"), array("I")

    def add(self, update: ServiceUpdate) -> None:
        """Add the next row."""
        file, _, line = update.place.rpartition(":")
        self._ids += bytes.fromhex(update.service_id.replace("-", ""))  # a UUID: 16 bytes, not 36 letters
        self._rows.append(update.row)
        self._lines.append(int(line))
        self._asked.append(self._asks.number(file, update))

    @property
    def last_row(self) -> int:
        """Return the number of the last row."""
        return self._rows[-1]

    def __iter__(self) -> Iterator[ServiceUpdate]:
        """Yield every row."""
        ids, target, asks, end = self._ids, self._target, self._asks.asks, 0
        for row, line, number in zip(self._rows, self._lines, self._asked, strict=True):
            begin, end = end, end + _ID_BYTES
            hexed = ids[begin:end].hex()
            file, body, asked = asks[number]
            yield ServiceUpdate(
                row=row,
                place=f"{file}:{line}",
                target=target,
                service_id=ServiceId(f"{hexed[:8]}-{hexed[8:12]}-{hexed[12:16]}-{hexed[16:20]}-{hexed[20:]}"),
                body=body,
                **(dict(zip(ASKED_FIELDS, asked, strict=True)) if asked else {}),
            )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __contains__(self, update: object) -> bool:
        """Return whether there is such a row."""
        return any(map(update.__eq__, self))


class _Asks:
    """What rows ask; of equal ones, as far as there are not too many, only the first is kept."""

    def __init__(self) -> None:
        self.asks: list[tuple[str, ModifyBody, tuple[Any, ...]]] = []
        """What rows ask: file, body, and the values of `ASKED_FIELDS`, none where a row has none of them."""
        self._numbers: dict[tuple[Any, ...], int] = {}

    def number(self, file: str, update: ServiceUpdate) -> int:
        """Return the number in `asks` of what a row asks."""
        body, asked = update.body, _asked(update)
        asked = () if asked == _NOTHING else asked
        key = (file, id(body), asked)  # the body is kept, so that no other one gets its id
        number = self._numbers.get(key)
        if number is None:
            number = len(self.asks)
            self.asks.append((file, body, asked))
            if number < _ASKS_KNOWN_MAX:
                self._numbers[key] = number
        return number
