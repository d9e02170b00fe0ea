"""Exporting live fleets as a job file: one list a project, a row for each service that a job could change."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from bulk.app.connections import Connections, TargetClient
from bulk.app.environment import Environment
from bulk.app.fleets import open_fleets
from bulk.app.jobs import Flags, endpoint_of
from bulk.errors import CannotRun, CredentialsError, JobInvalid, UsageError
from bulk.files.new_file import new_file
from bulk.jobfile.columns import COLUMNS
from bulk.jobfile.values import Wrong
from bulk.model import Action, Issue, ModifyBody, ServiceId, ServiceState, ServiceUpdate, Target
from bulk.plan.decision import decide
from bulk.plan.snapshot import Snapshot
from bulk.reports.as_job import head, row, row_json
from bulk.reports.fleet_rows import Layout, MapEdit, Selection
from bulk.run.patience import in_turn, list_services
from bulk.settings import FleetSettings, SimulatorSettings, read_settings
from bulk.settings.forms import REGION
from bulk.text import BYTE_ORDER_MARK, printable
from bulk.vpcep.client import ReadClient

UNCHANGED = "not changed by the edit"
NO_PORTS = "no port mappings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is to be exported, and how.

    * regions: those whose own projects are exported; with `all_projects` all projects in them, or, where none
      is named, in every region
    * bom: whether a CSV begins with a byte order mark
    """

    regions: tuple[str, ...]
    all_projects: bool = False
    selection: Selection = field(default_factory=Selection)
    edit: MapEdit = field(default_factory=MapEdit)
    layout: Layout = Layout.LONG
    bom: bool = False


@dataclass(slots=True, kw_only=True)
class Exported:
    """What an export came to; projects are named, or have their id where nobody states the name.

    * projects: the number of rows of each project that could be listed
    * unread: projects that could not be listed, with the reason
    * others: projects in the same regions that were not asked for
    * elsewhere: projects that are of no region, such as that of object storage
    * left_out: services that no row could be written for, by the reason
    """

    rows: int = 0
    projects: dict[str, int] = field(default_factory=dict)
    unread: dict[str, CannotRun | UsageError] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    left_out: dict[str, list[ServiceId]] = field(default_factory=dict)


async def export_fleet(
    export: Export,
    flags: Flags,
    *,
    environment: Environment,
    out: Path | None,
    shown: Callable[[str], object],
) -> Exported:
    """Write the services of one or more projects as a job file, with clients that cannot write to a fleet.

    It goes to the new file `out` or, without one, to `shown` piece by piece. A project that cannot be listed
    is left out. Raises what reading a fleet raises where none can be listed, UsageError where `out` exists,
    and JobInvalid for flags that cannot be used.
    """
    settings = read_settings(FleetSettings, {}, flags=flags)
    if not isinstance(settings, FleetSettings):
        raise JobInvalid(settings)
    endpoint = endpoint_of(settings.where.endpoint, SimulatorSettings(), Path())
    with new_file(out) if out else nullcontext(shown) as write:
        async with open_fleets(ReadClient, settings, endpoint, environment) as connections:
            exporter = _Exporter(export, connections, environment, write)
            await exporter.export(await exporter.targets(settings.where.target))
            return exporter.exported


_Listed = tuple[TargetClient[ReadClient], Snapshot]


class _Exporter:
    """Lists projects and writes their rows, one project after the other."""

    def __init__(
        self,
        export: Export,
        connections: Connections[ReadClient],
        environment: Environment,
        write: Callable[[str], object],
    ) -> None:
        self.exported = Exported()
        self._wanted = export
        self._connections = connections
        self._environment = environment
        self._write = write
        self._names: dict[str, str] = {}

    async def targets(self, where: Target) -> Sequence[Target]:
        """Return the projects to export; where IAM is asked for them, by name."""
        regions = self._wanted.regions
        if not self._wanted.all_projects:
            return [where._replace(region=region) for region in regions]
        every = await self._connections.projects(Target("".join(regions[:1]), "", where.profile))
        placed = [project for project in every if not isinstance(REGION.read(project.region), Issue)]
        self.exported.elsewhere = sorted(project.name for project in every if project not in placed)
        found = [project for project in placed if not regions or project.region in regions]
        if not found:
            raise CredentialsError(
                f"these credentials see no project in {', '.join(regions) or 'any region'}",
                hint="check the account and --region",
            )
        self._names = {project.id: project.name for project in found}
        found.sort(key=lambda project: project.name)
        return [Target(project.region, project.id, where.profile) for project in found]

    async def export(self, targets: Sequence[Target]) -> None:
        """Write the rows of each project; raise the reason where none can be listed."""
        self._connections.foresee(targets)
        await in_turn(self._list, targets, self._take)
        if not self.exported.projects:
            raise next(iter(self.exported.unread.values()))

    async def _list(self, target: Target) -> _Listed | CannotRun | UsageError:
        live = Snapshot()
        try:
            target_client = await self._connections.client_of(target)
            await list_services(
                target_client.target,
                target_client.client,
                target_client.reads,
                self._environment.patience,
                live.add,
            )
        except (CannotRun, UsageError) as error:
            with live:
                return error
        return target_client, live

    async def _take(self, target: Target, listed: _Listed | CannotRun | UsageError) -> None:
        if isinstance(listed, CannotRun | UsageError):
            self.exported.unread[self._names.get(target.project_id, str(target))] = listed
            return
        target_client, live = listed
        name, rows_before = await self._name(target_client), self.exported.rows
        if not self.exported.projects:
            self._begin()
        with live:
            for state in filter(self._wanted.selection.takes, live):
                self._write_row(state, target_client.target)
        self.exported.projects[name] = self.exported.rows - rows_before

    def _begin(self) -> None:
        """Write what comes before the rows, now that there are some: a failed export leaves nothing."""
        if self._wanted.bom and self._wanted.layout is not Layout.JSONL:
            self._write(BYTE_ORDER_MARK)
        self._write(head(self._wanted.layout))

    async def _name(self, target_client: TargetClient[ReadClient]) -> str:
        """Return the name of a project; learn which others its region has, unless all were asked for."""
        project_id = target_client.target.project_id
        if not self._wanted.all_projects:
            beside = [
                one
                for one in await target_client.client.projects()
                if one.region == target_client.target.region
            ]
            self._names |= {one.id: one.name for one in beside}
            self.exported.others += [one.name for one in beside if one.id != project_id]
        return self._names.get(project_id, project_id)

    def _write_row(self, state: ServiceState, target: Target) -> None:
        update = row_of(state, target, self._wanted.edit, number=self.exported.rows + 1)
        if isinstance(update, ServiceUpdate):
            self.exported.rows += 1
            self._write(row(update, self._wanted.layout))
        else:
            self.exported.left_out.setdefault(update, []).append(state.id)


def row_of(state: ServiceState, target: Target, edit: MapEdit, *, number: int) -> ServiceUpdate | str:
    """Return the row that edits a service, or the reason why it gets no row.

    It holds only while the map is the live one, whatever is made of the row later.
    """
    update = ServiceUpdate(
        row=number,
        place="live",
        target=target,
        service_id=state.id,
        body=ModifyBody(ports=edit.of(state.ports)),
        expect_ports=state.ports,
        note=printable(state.short_name).strip(),
    )
    change = decide(update, state, target)
    if change.action is Action.REFUSE:
        return (change.cause or change.reason).partition("; ")[0]  # what follows is for the rows of a job
    if not update.body.ports:
        return NO_PORTS
    if change.action is Action.KEEP and edit:
        return UNCHANGED
    return _unwritable(update) or update


def _unwritable(update: ServiceUpdate) -> str:
    """Return the reason why no job file could hold a row; empty where one can."""
    readings = ((name, COLUMNS[name].form.of_json(value)) for name, value in row_json(update).items())
    problems = (
        f"{name}: {problem.message}"
        for name, value in readings
        if isinstance(value, Wrong)
        for problem in value.problems
    )
    return "; ".join(problems)
