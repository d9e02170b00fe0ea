"""Whatever is live, its export is a valid job that says what there is; edited, what the edit makes of it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bulk.app.exporting import UNCHANGED, row_of
from bulk.jobfile import Format, read_all, read_rows
from bulk.model import (
    Action,
    PortMapping,
    Ports,
    Protocol,
    ServiceId,
    ServiceState,
    ServiceUpdate,
    Target,
)
from bulk.plan import plan_target
from bulk.reports.as_job import head, row
from bulk.reports.fleet_rows import Layout, MapEdit
from tests.values import LiveList, whole

TARGETS = st.builds(
    Target,
    region=st.sampled_from(["cn-north-4", "ap-southeast-1"]),
    project_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    profile=st.sampled_from(["", "prod"]),
)
PORTS = st.integers(1, 9) | st.integers(1, 65535)
MAPPINGS = st.builds(PortMapping, client_port=PORTS, server_port=PORTS, protocol=st.sampled_from(Protocol))
MAPS = st.lists(MAPPINGS, min_size=1, max_size=6, unique_by=lambda m: (m.client_port, m.protocol)).map(tuple)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "=1+1",
        "+1",
        "-web",
        "@x",
        "'=1",
        "''-1",
        "'plain'",
        'a "quoted", cell',
        "a;b|c",
        "# no comment",
        "\t=x",
    ]
)
STATES = st.builds(
    ServiceState,
    id=st.uuids().map(str).map(ServiceId),
    ports=MAPS,
    status=st.just("available"),
    service_name=st.none() | NAMES | NAMES.map("cn-north-4.{}.id".format),
    description=NAMES,
)
FLEETS = st.lists(STATES, min_size=1, max_size=5, unique_by=lambda state: state.id)
EDITS = st.builds(
    MapEdit,
    add_ports=MAPS | st.just(()),
    remove_ports=st.just(()) | MAPS,
    server_ports=st.dictionaries(PORTS, PORTS, max_size=3),
)
FORMATS = {Layout.LONG: Format.CSV, Layout.WIDE: Format.CSV, Layout.JSONL: Format.JSONL}


def reread(updates: list[ServiceUpdate], layout: Layout) -> list[ServiceUpdate]:
    """Write rows as a job file, read that, and give the rows without their places; all must be valid."""
    content = head(layout) + "".join(row(update, layout) for update in updates)
    lines = content.encode().splitlines(keepends=True)
    nowhere = Target(region="", project_id="")
    sifted = read_all(read_rows(lines, name="export", format=FORMATS[layout], default=nowhere))
    assert sifted.issues == ()
    return [replace(update, place="live") for update in sifted.updates]


@given(FLEETS, TARGETS, st.sampled_from(Layout))
def test_an_export_reads_back_as_what_is_live_and_changes_nothing(
    fleet: list[ServiceState], target: Target, layout: Layout
) -> None:
    """Hostile names come back in the note as they were written, and the plan keeps every service."""
    updates = [row_of(state, target, MapEdit(), number=number) for number, state in enumerate(fleet, start=1)]
    rows = [update for update in updates if isinstance(update, ServiceUpdate)]
    assert len(rows) == len(fleet)
    assert reread(rows, layout) == rows
    changes = whole(plan_target(target, reread(rows, layout), LiveList(fleet), allow_parking=False))
    assert [change.action for change in changes] == [Action.KEEP] * len(fleet)


@given(FLEETS, TARGETS, EDITS, st.sampled_from(Layout))
def test_an_edited_export_asks_for_exactly_the_edit(
    fleet: list[ServiceState], target: Target, edit: MapEdit, layout: Layout
) -> None:
    """Each service is updated to what the edit makes of it, left as it is, or left out with the reason."""
    rows: list[ServiceUpdate] = []
    for state in fleet:
        update = row_of(state, target, edit, number=len(rows) + 1)
        wanted = edit.of(state.ports)
        if isinstance(update, ServiceUpdate):
            rows.append(update)
        elif edit:
            assert (update == UNCHANGED) == (set(wanted) == set(state.ports))
            assert update == UNCHANGED or not wanted or is_ambiguous(wanted)
        else:
            raise AssertionError(update)
    again = reread(rows, layout) if rows else []
    assert again == rows
    live = {state.id: state for state in fleet}
    for change in whole(plan_target(target, again, LiveList(fleet), allow_parking=False)):
        assert change.action is (Action.UPDATE if edit else Action.KEEP)
        assert change.body.ports == edit.of(live[change.service_id].ports)


def is_ambiguous(ports: Ports) -> bool:
    """Return whether a consumer's port leads to two places."""
    return len({(m.client_port, m.protocol) for m in ports}) < len(ports)
