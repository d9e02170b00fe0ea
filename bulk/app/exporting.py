"""Exporting a live fleet as a job file: one list, a row for each service that a job could change."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from bulk.adapters.http import ReadClient
from bulk.adapters.new_file import new_file
from bulk.adapters.snapshot import Snapshot
from bulk.app.jobs import Flags, endpoint_of
from bulk.app.reach import open_fleets
from bulk.app.surroundings import Surroundings
from bulk.core.errors import JobInvalid, UsageError
from bulk.core.exports import Edit, Layout, Selection
from bulk.core.job import FleetSettings, SimulatorSettings, read_settings
from bulk.core.model import Action, ModifyBody, ServiceId, ServiceState, ServiceUpdate, Target
from bulk.core.plan.decision import decide
from bulk.core.reports.as_job import head, row, row_json
from bulk.core.reports.words import printable
from bulk.core.rows.columns import COLUMNS
from bulk.core.rows.values import Wrong
from bulk.core.text import BYTE_ORDER_MARK
from bulk.run.reading import list_services

UNCHANGED = "the edit does not change it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is to be exported, and how."""

    selection: Selection = field(default_factory=Selection)
    edit: Edit = field(default_factory=Edit)
    layout: Layout = Layout.LONG
    bom: bool = False
    """Whether a CSV begins with a byte order mark."""


@dataclass(slots=True, kw_only=True)
class Exported:
    """What an export came to."""

    rows: int = 0
    left_out: dict[str, list[ServiceId]] = field(default_factory=dict)
    """Services that no row could be written for, by the reason."""


async def export_fleet(
    export: Export,
    flags: Flags,
    *,
    around: Surroundings,
    out: Path | None,
    shown: Callable[[str], object],
) -> Exported:
    """Write the services of one target as a job file, with a client that cannot write to the fleet.

    It goes to the new file `out` or, without one, to `shown` piece by piece. Raises what reading a fleet
    raises, UsageError where `out` exists, and JobInvalid for flags that cannot be used.
    """
    settings = _settings(flags)
    endpoint = endpoint_of(settings.where.endpoint, SimulatorSettings(), Path())
    with new_file(out) if out else nullcontext(shown) as write:
        async with open_fleets(ReadClient, settings.pace, endpoint, around) as reach:
            contact = await reach.contact(settings.where.target)
            with Snapshot() as live:
                await list_services(contact.target, contact.client, contact.reads, around.patience, live.add)
                return _write(live, contact.target, export, write)


def _write(
    services: Iterable[ServiceState], target: Target, export: Export, write: Callable[[str], object]
) -> Exported:
    exported = Exported()
    if export.bom and export.layout is not Layout.JSONL:
        write(BYTE_ORDER_MARK)
    write(head(export.layout))
    for state in services:
        if not export.selection.takes(state):
            continue
        update = row_of(state, target, export.edit, number=exported.rows + 1)
        if isinstance(update, ServiceUpdate):
            exported.rows += 1
            write(row(update, export.layout))
        else:
            exported.left_out.setdefault(update, []).append(state.id)
    return exported


def _settings(flags: Flags) -> FleetSettings:
    settings = read_settings(FleetSettings, {}, flags=flags)
    if not isinstance(settings, FleetSettings):
        raise JobInvalid(settings)
    if not settings.where.region:
        raise UsageError("no region is named", hint="add --region, such as --region cn-north-4")
    return settings


def row_of(state: ServiceState, target: Target, edit: Edit, *, number: int) -> ServiceUpdate | str:
    """Return the row that edits a service, or the reason why it gets no row.

    An edited row holds only while the map is the one that the edit was made from.
    """
    update = ServiceUpdate(
        row=number,
        place="live",
        target=target,
        service_id=state.id,
        body=ModifyBody(ports=edit.of(state.ports)),
        expect_ports=state.ports if edit else None,
        note=printable(state.short_name).strip(),
    )
    change = decide(update, state, target)
    if change.action is Action.REFUSE:
        return change.reason
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
