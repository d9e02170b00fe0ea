"""The services of one project as its list gave them: what a plan is made against.

A project may have a million services, of some 600 bytes each in memory. Beyond the first `KEPT_MAX` they go
into a file without a name, which the system removes by itself, and only their places stay in memory.
"""

from array import array
from collections.abc import Collection, Iterator
from functools import cached_property
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import orjson

from bulk.files.line_reader import Lines
from bulk.hashes import Hashes
from bulk.model import Listed, ServiceId, ServiceState, state_of

KEPT_MAX = 10_000
_BUFFER_BYTES = 1_048_576


class Snapshot:
    """Services by id, in the order in which they were added; a context manager, since it may hold a file.

    None is added any more once it has been asked which port_ids are shared.
    """

    def __init__(self) -> None:
        self._port_ids = Hashes()
        self._numbers: dict[int, int] = {}
        """The number of each service by the hash of its id, or by the next free one behind that."""
        self._kept: list[bytes] = []
        self._spilt: _Spilt | None = None

    def __enter__(self) -> Self:
        """Return this snapshot."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, which removes it."""
        if self._spilt:
            self._spilt.close()

    def add(self, service: Listed) -> None:
        """Add one service; one that was added before is replaced."""
        if service.port_id:
            self._port_ids.add(hash(service.port_id))
        key = hash(service.id)
        if key in self._numbers:
            key, _ = self._find(service.id)
        if len(self._kept) < KEPT_MAX:
            self._numbers[key] = len(self._kept)
            self._kept.append(service.json)
        else:
            self._spilt = self._spilt or _Spilt()
            self._numbers[key] = KEPT_MAX + self._spilt.add(service.json)

    def json(self, service_id: ServiceId) -> bytes | None:
        """Return a service as its list showed it; None where the project has none of this id."""
        return self._find(service_id)[1]

    def get(self, service_id: ServiceId) -> ServiceState | None:
        """Return a service; None where the project has none of this id."""
        found = self.json(service_id)
        return state_of(orjson.loads(found)) if found else None

    @cached_property
    def shared(self) -> Collection[str]:
        """Return the port_ids behind which more than one service stands."""
        repeated = self._port_ids.repeated
        port_ids = (state.port_id for state in (self if repeated else ()))
        return {port_id for port_id in port_ids if port_id and hash(port_id) in repeated}

    def _find(self, service_id: ServiceId) -> tuple[int, bytes | None]:
        """Return the key of a service with its JSON; of one that is not there the key that it would get."""
        key, start = hash(service_id), b'{"id":%b,' % orjson.dumps(service_id)
        while (number := self._numbers.get(key)) is not None:
            json = self._json(number)
            if json.startswith(start):
                return key, json
            key += 1  # another id has this hash: open addressing, in a dict from numbers to numbers
        return key, None

    def _json(self, number: int) -> bytes:
        return (
            self._kept[number] if number < KEPT_MAX or not self._spilt else self._spilt.at(number - KEPT_MAX)
        )

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self._numbers)

    def __iter__(self) -> Iterator[ServiceState]:
        """Yield every service."""
        return (state_of(orjson.loads(self._json(number))) for number in self._numbers.values())


class _Spilt:
    """Services in a file without a name, by number."""

    def __init__(self) -> None:
        self._places, self._end = array("Q"), 0
        self._file = TemporaryFile(buffering=_BUFFER_BYTES)  # noqa: SIM115 - who made this closes it
        self._line_at = Lines(self._file.fileno()).at
        self._is_flushed = False
        self.close = self._file.close

    def add(self, json: bytes) -> int:
        """Add a service and return its number."""
        self._file.write(json)
        self._file.write(b"\n")
        self._places.append(self._end)
        self._end += len(json) + 1
        self._is_flushed = False
        return len(self._places) - 1

    def at(self, number: int) -> bytes:
        """Return the service of a number."""
        if not self._is_flushed:
            self._file.flush()
            self._is_flushed = True
        return self._line_at(self._places[number])
