"""The whole simulator but its socket, and the ways to alter it while it runs."""

from collections import deque
from typing import Any

from pydantic import BaseModel, ConfigDict

from bulk.simulator.auth import Key, Keyring
from bulk.simulator.faults import FaultPlan, Faults
from bulk.simulator.fleet import Service, SimulatedFleet
from bulk.simulator.fleet_lines import from_line, project_id_of, to_line
from bulk.simulator.iam_server import Iam, Identity
from bulk.simulator.journal import Journal
from bulk.simulator.limits import RequestLimits, parse_limits
from bulk.simulator.operations import Vpcep
from bulk.simulator.problems import explained
from bulk.simulator.projects import Projects
from bulk.simulator.smn_server import KEPT_MAX
from bulk.simulator.switches import Switches


class SwitchRequest(BaseModel):
    """The body of `POST /_simulator/switches`; each member is optional and leaves the rest as it is.

    `switches` names the switches to change. `limits` and `faults` replace what is in force. `services` are
    lines of a fleet file: they change fields of a known service, add an unknown one, remove with
    `"deleted": true`.
    """

    model_config = ConfigDict(extra="forbid")

    switches: dict[str, Any] = {}
    limits: list[str] | None = None
    faults: FaultPlan | None = None
    services: list[dict[str, Any]] = []
    expire_tokens: bool = False


class World:
    """The service, its account, its gateway's limits and its faults, with the record of applied PUTs."""

    def __init__(
        self,
        *,
        identity: Identity,
        projects: Projects,
        switches: Switches,
        limits: RequestLimits,
        faults: FaultPlan,
        journal: Journal,
    ) -> None:
        key = Key(ak=identity.ak, sk=identity.sk)
        self.keyring = Keyring(keys={key.ak: key})
        self.iam = Iam(user=identity, keyring=self.keyring, projects=projects)
        self.vpcep = Vpcep(fleet=SimulatedFleet(), projects=projects, journal=journal, switches=switches)
        self.limits = limits
        self.faults = Faults(faults)
        self.journal = journal
        self.published = deque[dict[str, Any]](maxlen=KEPT_MAX)
        """The messages that were published to topics of SMN."""
        self._line_count = 0

    def change_switches(self, changes: dict[str, Any]) -> None:
        """Change the named switches; raises ValueError, which a pydantic ValidationError is."""
        self.vpcep.switches = Switches.model_validate(self.vpcep.switches.model_dump() | changes)

    def edit(self, line: dict[str, Any]) -> None:
        """Change, add or remove a service as a fleet file's line says, past every rule; raises ValueError."""
        self.journal.changed(str(line.get("id")), self.load(line))

    def load(self, line: dict[str, Any]) -> Service | None:
        """Do what `edit` does and write nothing down; return the service, None when it was removed.

        Raises ValueError (of pydantic; `problems.explained` has it in one line).
        """
        known = self.vpcep.fleet.get(str(line.get("id")))
        if line.get("deleted") is True:
            if known is not None:
                self.vpcep.fleet.drop(known.id)
            return None
        before = to_line(known) if known is not None else {"project_id": self._project_id_default()}
        service = from_line(before | line, region=self._region(line, known), number=self._line_count)
        self._line_count += 1
        if not self.vpcep.projects.knows(service.project_id):
            self.vpcep.projects.add(service.project_id)
        self.vpcep.fleet.put(service)
        return service

    def obey(self, body: bytes) -> str | None:
        """Change what a request of the side routes asks for; return what is wrong with it, or None.

        What stands before the mistake may be changed already.
        """
        try:
            request = SwitchRequest.model_validate_json(body)
            self.change_switches(request.switches)
            if request.limits is not None:
                self.limits = parse_limits(request.limits)
            for line in request.services:
                self.edit(line)
        except ValueError as error:
            return explained(error)
        if request.faults is not None:
            self.faults = Faults(request.faults)
        if request.expire_tokens:
            self.keyring.expire_tokens()
        return None

    def _project_id_default(self) -> str:
        first = next(iter(self.vpcep.projects), None)
        return project_id_of(self.vpcep.projects.region_default) if first is None else first.id

    def _region(self, line: dict[str, Any], known: Service | None) -> str:
        projects = self.vpcep.projects
        default = known.project_id if known else self._project_id_default()
        project_id = str(line.get("project_id") or default)
        return projects.region(project_id) if projects.knows(project_id) else projects.region_default
