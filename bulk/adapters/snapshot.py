"""The services of one project as its list gave them: what a plan is made against.

A project may have a million services, of some 600 bytes each in memory. Beyond the first `KEPT_MAX` they go
into a file without a name, which the system removes by itself, and only their places stay in memory.
"""

from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import orjson

from bulk.adapters.lines import Lines
from bulk.core.model import Listed, ServiceId, ServiceState, state_of

KEPT_MAX = 10_000
_BUFFER_BYTES = 1_048_576


class Snapshot:
    """Services by id, in the order in which they were added; a context manager, since it may hold a file."""

    def __init__(self) -> None:
        self.shared: set[str] = set()
        """The port_ids behind which more than one service stands."""
        self._port_ids: set[int] = set()
        """The hash of each port_id: eight bytes distinguish a million of them well enough to look closer."""
        self._kept: dict[ServiceId, Listed] = {}
        self._places: dict[ServiceId, int] = {}
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
        if port_id := service.port_id:
            if hash(port_id) in self._port_ids:
                self.shared.add(port_id)
            self._port_ids.add(hash(port_id))
        if service.id in self._kept or len(self._kept) < KEPT_MAX:
            self._kept[service.id] = service
            return
        self._spilt = self._spilt or _Spilt()
        self._places[service.id] = self._spilt.add(service.json)

    def get(self, service_id: ServiceId) -> ServiceState | None:
        """Return a service; None where the project has none of this id."""
        if (service := self._kept.get(service_id)) is not None:
            return service.state
        offset = self._places.get(service_id)
        return self._spilt.at(offset) if self._spilt and offset is not None else None

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self._kept) + len(self._places)

    def __iter__(self) -> Iterator[ServiceState]:
        """Yield every service."""
        yield from (service.state for service in self._kept.values())
        if self._spilt:
            yield from map(self._spilt.at, self._places.values())


class _Spilt:
    """Services in a file without a name."""

    def __init__(self) -> None:
        self._end = 0
        self._file = TemporaryFile(buffering=_BUFFER_BYTES)  # noqa: SIM115 - who made this closes it
        self._line_at = Lines(self._file.fileno()).at
        self.close = self._file.close

    def add(self, json: bytes) -> int:
        """Add a service and return its place."""
        line, place = json + b"\n", self._end
        self._file.write(line)
        self._end += len(line)
        return place

    def at(self, place: int) -> ServiceState:
        """Return the service at a place."""
        self._file.flush()
        return state_of(orjson.loads(self._line_at(place)))
