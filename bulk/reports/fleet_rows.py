"""The live fleet as the rows of a job: which services, and with which edit already made to their maps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from bulk.model import Ports, ServiceState


class Layout(StrEnum):
    """The three layouts of a job file that is exported."""

    LONG = "long"
    """CSV, one mapping a line."""
    WIDE = "wide"
    """CSV, one service a line."""
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which services are exported; the default is all."""

    name: str = "*"
    """A pattern for the short name: `*`, `?` and `[…]` as in a shell, upper and lower case differ."""
    port: int | None = None
    """A client or server port that one of the mappings must have."""

    def takes(self, state: ServiceState) -> bool:
        """Return whether a service is exported."""
        has_port = self.port is None or any(self.port in (m.client_port, m.server_port) for m in state.ports)
        return has_port and fnmatchcase(state.short_name, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEdit:
    """What is changed in every map: some mappings go, then server ports are renumbered, then some come."""

    add_ports: Ports = ()
    remove_ports: Ports = ()
    server_ports: Mapping[int, int] = field(default_factory=dict)
    """The new number of a server port, by its old one; all at once, so that two may change places."""

    def __bool__(self) -> bool:
        """Return whether anything is changed at all."""
        return bool(self.add_ports or self.remove_ports or self.server_ports)

    def of(self, ports: Ports) -> Ports:
        """Return the whole map after the edit, in the order of the live one."""
        left = [
            mapping._replace(server_port=self.server_ports.get(mapping.server_port, mapping.server_port))
            for mapping in ports
            if mapping not in self.remove_ports
        ]
        return (*left, *(mapping for mapping in self.add_ports if mapping not in left))
