"""The CSV report of a plan or run, read as a job file, asks for the same again, of the same services."""

import io
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bulk.jobfile import Format, read_rows
from bulk.jobfile.values import CONTROLS
from bulk.ledger.progress import Progress
from bulk.ledger.records import Left
from bulk.model import (
    Action,
    ModifyBody,
    Outcome,
    PortMapping,
    Ports,
    Protocol,
    Reply,
    ServiceId,
    ServiceState,
    ServiceUpdate,
    Target,
)
from bulk.plan.decision import decide
from bulk.reports import as_csv
from bulk.reports.report import Report
from bulk.reports.report_row import Row

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cn"), exclude_characters="\0"), max_size=30) | (
    st.sampled_from(
        [
            *("=1+1", "+1", "-web", "@x", "'=1", "''-1", "'plain'", "\t=x", "\r=x", "\n=x", "＝1"),
            *(
                'a "quoted", cell',
                "a;b|c",
                "a\rb",
                "a\r\nb\n",
                " ",
                "'",
                "''",
                "' ",
                " \u00a0\u200b\ufeff",
                " x ",
            ),
            *("#N/A", "#REF!", "'#N/A", "####", "# x", "Err:508"),
        ]
    )
)
MAPS = st.lists(
    st.builds(
        PortMapping,
        client_port=st.integers(1, 65535),
        server_port=st.integers(1, 65535),
        protocol=st.sampled_from(Protocol),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda mapping: (mapping.client_port, mapping.protocol),
).map(tuple)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{0,16}", fullmatch=True)
DESCRIPTIONS = TEXTS.filter(lambda text: not re.search(f"[<>{CONTROLS}]", text))
TARGETS = st.builds(
    Target,
    region=st.sampled_from(["cn-north-4", "ap-southeast-1"]),
    project_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    profile=st.sampled_from(["", "prod"]),
)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Draw a row of a report: what a row of a job asks of a service that has some map, and how it ended."""
    edits = draw(st.booleans())
    add = draw(MAPS) if edits else ()
    remove = tuple(m for m in draw(MAPS) if m not in add) if edits else ()
    body = ModifyBody(
        ports=None if edits else draw(st.none() | MAPS),
        approval_enabled=draw(st.none() | st.booleans()),
        service_name=draw(st.none() | NAMES),
        description=draw(st.none() | DESCRIPTIONS),
        tcp_proxy=draw(st.sampled_from(["close", "toa_open", "proxy_open"])),
    )
    update = ServiceUpdate(
        row=1,
        place=draw(TEXTS),
        target=Target(region="cn-north-4", project_id=""),
        service_id=ServiceId(str(draw(st.uuids()))),
        body=body,
        add_ports=add,
        remove_ports=remove,
        expect_ports=draw(st.none() | MAPS | st.just(())),
        note=draw(TEXTS),
    )
    live = ServiceState(id=update.service_id, ports=draw(MAPS | st.just(())), status="available")
    change = decide(update, draw(st.none() | st.just(live)), draw(TARGETS))
    ends = [Outcome.REFUSED] if change.action is Action.REFUSE else [*Outcome]
    message = draw(TEXTS | st.just("a\0b"))
    reply = Reply(code=draw(TEXTS), message=message, request_id=draw(TEXTS))
    return Row(change=change, outcome=draw(st.sampled_from([None, *ends])), reply=reply)


REPORTS = st.lists(rows(), min_size=1, max_size=5, unique_by=lambda row: row.change.service_id)


def reloaded(report_rows: list[Row]) -> list[ServiceUpdate]:
    """Write the report of some rows as CSV, and read that as a job file, all of whose rows must be valid."""
    report = Report(progress=Progress(), rows=report_rows, advice=str)
    lines = io.BytesIO("".join(as_csv.render(report)).encode())
    read = list(read_rows(lines, name="r.csv", format=Format.CSV, default=Target(region="", project_id="")))
    updates = [row for row in read if isinstance(row, ServiceUpdate)]
    assert updates == read
    return updates


@given(REPORTS)
def test_a_csv_report_reloads_as_the_job_it_reports_on(report_rows: list[Row]) -> None:
    """Maps, edits, settings and notes come back as asked, hostile cells too, of the project looked up."""
    for row, update in zip(report_rows, reloaded(report_rows), strict=True):
        here = {"row": update.row, "place": update.place, "target": row.change.target}
        assert update == replace(row.change.update, **here, expect_ports=row.expected_ports)


@given(REPORTS, MAPS)
def test_a_reloaded_row_holds_only_for_the_map_that_the_service_should_have(
    report_rows: list[Row], another: Ports
) -> None:
    """What ended as asked is kept, the rest asks for the same again; but not where somebody changed it."""
    for row, update in zip(report_rows, reloaded(report_rows), strict=True):
        before = row.change.before
        if before is None:
            assert update.expect_ports == row.change.update.expect_ports
            continue
        again = decide(update, before, update.target)
        if row.outcome is not None and row.outcome.facts.as_asked:
            now = replace(before, **row.change.body.given())
            assert decide(update, now, update.target).action is Action.KEEP
            assert update.expect_ports == now.ports
        else:
            assert (again.action, again.body) == (row.change.action, row.change.body)
        expected = update.expect_ports
        assert expected is not None
        elsewhere = decide(update, replace(before, ports=another), update.target)
        if set(another) != set(expected) and elsewhere.action is not Action.KEEP:
            assert elsewhere.action is Action.REFUSE


def test_a_service_left_parked_should_have_what_it_was_parked_with() -> None:
    """Only so can its row be sent again."""
    asked, parked = (PortMapping(client_port=1, server_port=1),), (PortMapping(client_port=2, server_port=2),)
    update = ServiceUpdate(
        row=1,
        place="s.csv:2",
        target=Target(region="", project_id=""),
        service_id=ServiceId("4189d3c2-8882-4871-a3c2-d380272eed83"),
        body=ModifyBody(ports=asked),
    )
    live = ServiceState(id=update.service_id, ports=asked, status="available")
    change = replace(decide(update, live, update.target), parking=ModifyBody(ports=parked))
    row = Row(change=change, outcome=Outcome.FAILED)
    assert row.expected_ports == asked
    assert replace(row, left=Left.PARKED).expected_ports == parked
