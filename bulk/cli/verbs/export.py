"""`bulk export`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulk.cli import options, output
from bulk.cli.command import place_of
from bulk.cli.verbs.shared import environment
from bulk.errors import ExitCode, UsageError
from bulk.model import Issue
from bulk.reports.fleet_rows import Layout
from bulk.settings import SETTINGS

if TYPE_CHECKING:
    from bulk.app.exporting import Exported
    from bulk.model import Ports
    from bulk.reports.fleet_rows import MapEdit

_REASONS_SHOWN_MAX = 10
_NAMES_SHOWN_MAX = 5


@options.takes(*(name for name in options.WHERE if name != "region"), *options.READING)
def export(
    name: options.NamePattern = "*",
    port: options.Port = "",
    regions: options.Regions = None,
    all_projects: options.AllProjects = False,
    add_ports: options.AddPorts = "",
    remove_ports: options.RemovePorts = "",
    server_ports: options.ServerPorts = None,
    layout: options.ExportFormat = Layout.LONG,
    out: options.ExportOut = "",
    bom: options.Bom = False,
    quiet: options.Quiet = False,
    **flags: Any,
) -> int:
    """Write the live fleet as a job file, to edit and apply; or with the edit already made.

    Each row has the service's name first, and expects the ports that the service has now.
    """
    from bulk.app import exporting
    from bulk.cli import running
    from bulk.reports.fleet_rows import Selection

    wanted = exporting.Export(
        regions=_regions(regions or [], flags, all_projects=all_projects),
        all_projects=all_projects,
        selection=Selection(name=name, port=_port(place_of(port, "--port"), port) if port else None),
        edit=_edit(add_ports, remove_ports, server_ports or []),
        layout=layout,
        bom=bom,
    )
    here, path = environment(flags, can_ask=sys.stdin.isatty()), Path(out) if out else None
    use_case = exporting.export_fleet(
        wanted, flags, environment=here, out=path, shown=lambda text: output.write([text])
    )
    return _conclude(running.run(use_case), quiet=quiet)


def _conclude(exported: "Exported", *, quiet: bool) -> ExitCode:
    """Write on stderr what was exported and what was left out; return the exit code."""
    if not quiet:
        _sum_up(exported)
    for project, error in exported.unread.items():
        output.complain(f"left out project {project}: {error.message}", error.hint)
    return ExitCode.SOME_FAILED if exported.unread else ExitCode.OK


def _regions(texts: list[str], flags: dict[str, Any], *, all_projects: bool) -> tuple[str, ...]:
    """Return the regions of `--region`, each once; a project that is named must be the only one meant.

    Without the flag it is the region of the credentials, which is the empty one.
    """
    found: dict[str, None] = {}
    for text in texts:
        for region in filter(None, map(str.strip, text.split(","))):
            if isinstance(issue := SETTINGS["region"].form.read(region), Issue):
                raise UsageError(f"{place_of(text, '--region')}: {issue.message}", hint=issue.hint)
            found[region] = None
    if not (found or all_projects):
        if texts:
            raise UsageError("no region is named", hint="write --region cn-north-4, or --all-projects")
        found[""] = None
    if project_id := flags["project_id"]:
        place = place_of(project_id, "--project-id")
        if all_projects and place == "--project-id":
            raise UsageError("--project-id names one project, --all-projects all", hint="keep one of the two")
        if all_projects:
            flags["project_id"] = None  # what is typed now beats a variable
        elif len(found) > 1:
            raise UsageError(
                f"{place} names the project of one region, --region {len(found)} regions",
                hint="leave the project out: each region then has its own; or add --all-projects",
            )
    return tuple(found)


def _edit(add_ports: str, remove_ports: str, server_ports: list[str]) -> "MapEdit":
    from bulk.reports.fleet_rows import MapEdit

    edit = MapEdit(
        add_ports=_ports(place_of(add_ports, "--add-ports"), add_ports),
        remove_ports=_ports(place_of(remove_ports, "--remove-ports"), remove_ports),
        server_ports=_renumbering(server_ports),
    )
    if both := set(edit.add_ports) & set(edit.remove_ports):
        added, removed = place_of(add_ports, "--add-ports"), place_of(remove_ports, "--remove-ports")
        raise UsageError(f"{min(both)} is in {added} and in {removed}", hint="keep one of the two")
    return edit


def _ports(flag: str, text: str) -> "Ports":
    from bulk.jobfile.mappings import ports_of_text
    from bulk.jobfile.values import Wrong

    ports = ports_of_text(text)
    if isinstance(ports, Wrong):
        problem = ports.problems[0]
        raise UsageError(f"{flag}: {problem.message}", hint=problem.hint)
    return ports


def _renumbering(pairs: list[str]) -> dict[int, int]:
    numbers: dict[int, int] = {}
    for pair in pairs:
        old, _, new = pair.partition("=")
        place = place_of(pair, "--map")
        old_port, new_port = _port(place, old, "22=2222"), _port(place, new, "22=2222")
        if numbers.setdefault(old_port, new_port) != new_port:
            raise UsageError(f"{place} gives port {old_port} two new numbers", hint="keep one of them")
    return numbers


def _port(place: str, text: str, example: str = "22") -> int:
    from bulk.model import PORT_MAX

    digits = text.strip()
    if digits.isascii() and digits.isdigit() and 1 <= int(digits[:6]) <= PORT_MAX:
        return int(digits)
    hint = f"write whole numbers from 1 to {PORT_MAX}, such as {example}"
    raise UsageError(f"{place}: {text!r} is not a port", hint=hint)


def _what_is_in_it(exported: "Exported") -> str:
    from bulk.text import counted, figure

    services, rows = counted(exported.rows, "service"), exported.projects
    if len(rows) == 1:
        return f"{services} of project {next(iter(rows))} exported"
    each = ", ".join(f"{name} {figure(count)}" for name, count in rows.items())
    return f"{services} of {counted(len(rows), 'project')} exported: {each}"


def _some(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN_MAX
    return ", ".join(names[:_NAMES_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _sum_up(exported: "Exported") -> None:
    from bulk.text import counted

    output.notify(_what_is_in_it(exported))
    if exported.others:
        others = f"{counted(len(exported.others), 'more project')} ({_some(exported.others)})"
        output.notify(f"left out {others}, which the credentials see in the same region: --all-projects")
    if exported.elsewhere:
        projects = f"{counted(len(exported.elsewhere), 'project')} ({_some(exported.elsewhere)})"
        output.notify(f"left out {projects}: of no region")
    reasons = sorted(exported.left_out.items(), key=lambda reason: -len(reason[1]))
    for reason, services in reasons[:_REASONS_SHOWN_MAX]:
        which = services[0] if len(services) == 1 else f"{services[0]} and others"
        output.notify(f"left out {counted(len(services), 'service')} ({which}): {reason}")
    if more := sum(len(services) for _, services in reasons[_REASONS_SHOWN_MAX:]):
        output.notify(f"left out {counted(more, 'service')} for other reasons")
