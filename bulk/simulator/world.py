"""Everything that a simulator is but its socket, and the hands that alter it while it runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict

from .auth import Key, Keyring
from .calls import Applied, Journal
from .faults import FaultPlan, Faults
from .fleet import Fleet, Service
from .iam import Iam, User
from .limits import Limits, parse_limits
from .lines import from_line, project_id_of, to_line
from .problems import explained
from .projects import Projects
from .store import LineFile
from .switches import Switches
from .vpcep import Vpcep


class Orders(BaseModel):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who may come in: one permanent key, one IAM user. The defaults are for practice, not secret."""

    ak: str = "AKSIMULATOR000000001"
    sk: str = "skSimulator00000000000000000000000000001"
    user: str = "simulator"
    password: str = "simulator-password"  # noqa: S105 -- opens a practice server on loopback
    domain: str = "simulator-domain"


@dataclass(slots=True, kw_only=True)
class World:
    """The service, its account, its gateway's limits and its faults, with the record of applied PUTs."""

    vpcep: Vpcep
    iam: Iam
    keyring: Keyring
    limits: Limits
    faults: Faults
    applied: list[Applied]
    _line_count: int = 0

    @classmethod
    def make(
        cls,
        *,
        identity: Identity,
        projects: Projects,
        switches: Switches,
        fleet_file: LineFile | None,
        applied_log: LineFile | None,
    ) -> Self:
        """Return a world with an empty fleet; changes go to the files given."""
        applied: list[Applied] = []
        key = Key(ak=identity.ak, sk=identity.sk)
        keyring = Keyring(keys={key.ak: key})
        user = User(name=identity.user, password=identity.password, domain=identity.domain)
        journal = _journal(applied, fleet_file, applied_log)
        logged_count = sum(1 for _ in applied_log.lines()) if applied_log is not None else 0
        return cls(
            vpcep=Vpcep(
                fleet=Fleet(),
                projects=projects,
                journal=journal,
                switches=switches,
                applied_count=logged_count,
            ),
            iam=Iam(user=user, keyring=keyring, projects=projects),
            keyring=keyring,
            limits=Limits(),
            faults=Faults(),
            applied=applied,
        )

    def change_switches(self, changes: dict[str, Any]) -> None:
        """Change the named switches; raises ValueError, which a pydantic ValidationError is."""
        self.vpcep.switches = Switches.model_validate(self.vpcep.switches.model_dump() | changes)

    def change_limits(self, specs: Iterable[str]) -> None:
        """Put other limits in force, fresh ones; raises ValueError."""
        self.limits = parse_limits(specs)

    def edit(self, line: dict[str, Any]) -> None:
        """Change, add or remove a service as a fleet file's line says, past every rule; raises ValueError."""
        service = self.load(line)
        self.vpcep.journal.changed(str(line.get("id")), service)

    def load(self, line: dict[str, Any]) -> Service | None:
        """Do what `edit` does and write nothing down; return the service, None when it was removed."""
        known = self.vpcep.fleet.get(str(line.get("id")))
        if line.get("deleted") is True:
            if known is not None:
                self.vpcep.fleet.drop(known.id)
            return None
        before = to_line(known) if known is not None else {"project_id": self._project_id_default()}
        service = from_line(before | line, region=self._region(line, known), number=self._line_count)
        if isinstance(service, str):
            raise ValueError(service)  # noqa: TRY004 -- a wrong value, not a wrong type
        self._line_count += 1
        if not self.vpcep.projects.knows(service.project_id):
            self.vpcep.projects.add(service.project_id)
        self.vpcep.fleet.put(service)
        return service

    def expire_tokens(self) -> None:
        """End every token and temporary key now."""
        self.keyring.expire_tokens()

    def obey(self, body: bytes) -> str | None:
        """Follow orders; return what is wrong with them, and then some may have been followed."""
        try:
            orders = Orders.model_validate_json(body)
            self.change_switches(orders.switches)
            if orders.limits is not None:
                self.change_limits(orders.limits)
            for line in orders.services:
                self.edit(line)
        except ValueError as error:
            return explained(error)
        if orders.faults is not None:
            self.faults = Faults(orders.faults)
        if orders.expire_tokens:
            self.expire_tokens()
        return None

    def applied_json(self) -> bytes:
        """Return `{"applied": [...]}`, the lines of the applied log."""
        return b'{"applied":[' + b",".join(applied.line() for applied in self.applied) + b"]}"

    def fleet_json(self) -> bytes:
        """Return `{"services": [...]}`, the lines of the fleet file as they stand."""
        return orjson.dumps({"services": [to_line(service) for service in self.vpcep.fleet]})

    def _project_id_default(self) -> str:
        first = next(iter(self.vpcep.projects), None)
        return project_id_of(self.vpcep.projects.region_default) if first is None else first.id

    def _region(self, line: dict[str, Any], known: Service | None) -> str:
        projects = self.vpcep.projects
        default = known.project_id if known else self._project_id_default()
        project_id = str(line.get("project_id") or default)
        return projects.region(project_id) if projects.knows(project_id) else projects.region_default


def _journal(applied: list[Applied], fleet_file: LineFile | None, applied_log: LineFile | None) -> Journal:
    """Return a journal over the files: the fleet file first, for it is the truth."""

    def changed(service_id: str, service: Service | None) -> None:
        if fleet_file is not None:
            line = {"id": service_id, "deleted": True} if service is None else to_line(service)
            fleet_file.append(orjson.dumps(line))

    def took_effect(record: Applied) -> None:
        applied.append(record)
        if applied_log is not None:
            applied_log.append(record.line())

    return Journal(changed=changed, applied=took_effect)
