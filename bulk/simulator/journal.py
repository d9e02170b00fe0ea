"""The record of what changed: the fleet file, the applied log, and the PUTs of this process."""

from dataclasses import dataclass, field

import orjson

from bulk.simulator.calls import AppliedPut
from bulk.simulator.fleet import Service
from bulk.simulator.fleet_lines import to_line
from bulk.simulator.store import LineFile


@dataclass(slots=True, kw_only=True)
class Journal:
    """Where each change is written down before its answer leaves; either file may be missing."""

    fleet_file: LineFile | None = None
    applied_log: LineFile | None = None
    applied: list[AppliedPut] = field(default_factory=list)

    def changed(self, service_id: str, service: Service | None) -> None:
        """Write down a service as it is now, None for one that is gone."""
        if self.fleet_file is not None:
            line = {"id": service_id, "deleted": True} if service is None else to_line(service)
            self.fleet_file.append(orjson.dumps(line))

    def took_effect(self, record: AppliedPut) -> None:
        """Write down a PUT that took effect."""
        self.applied.append(record)
        if self.applied_log is not None:
            self.applied_log.append(record.line())
