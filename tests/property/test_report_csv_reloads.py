"""The CSV report of any plan, read as a job file, asks for the same again."""

from hypothesis import given
from hypothesis import strategies as st

from bulk.core.ledger.progress import Progress
from bulk.core.model import (
    Action,
    Change,
    ModifyBody,
    Outcome,
    PortMapping,
    Protocol,
    Reply,
    ServiceId,
    ServiceUpdate,
    Target,
)
from bulk.core.reports import as_csv
from bulk.core.reports.model import Report
from bulk.core.reports.row import Row
from bulk.core.rows import Format, read_rows

OUTSIDE = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=30) | st.sampled_from(
    ["=1+1", "+1", "-web", "@x", "'=1", "''-1", "'plain'", 'a "quoted", cell', "a;b|c"]
)
TEXTS = OUTSIDE.map(str.strip)
PORTS = st.lists(
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
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,16}", fullmatch=True)
BODIES = st.builds(
    ModifyBody,
    ports=PORTS,
    approval_enabled=st.none() | st.booleans(),
    service_name=st.none() | NAMES,
    description=st.none() | TEXTS.filter(lambda text: text and not {"<", ">"} & set(text)),
    tcp_proxy=st.none() | st.sampled_from(["close", "toa_open", "proxy_open"]),
)
TARGETS = st.builds(
    Target,
    region=st.sampled_from(["cn-north-4", "ap-southeast-1"]),
    project_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    profile=st.sampled_from(["", "prod"]),
)
UPDATES = st.builds(
    ServiceUpdate,
    row=st.just(0),
    place=TEXTS,
    target=TARGETS,
    service_id=st.uuids().map(str).map(ServiceId),
    body=st.just(ModifyBody()),
    add_ports=PORTS,
    expect_ports=PORTS,
    note=TEXTS,
)
ROWS = st.builds(
    Row,
    change=st.builds(
        Change, update=UPDATES, target=TARGETS, action=st.sampled_from(Action), body=BODIES, reason=TEXTS
    ),
    outcome=st.sampled_from([None, *Outcome]),
    reply=st.builds(Reply, code=TEXTS, message=OUTSIDE, request_id=TEXTS, ms=st.integers(0, 10**6)),
    attempts=st.integers(0, 9),
)


@given(rows=st.lists(ROWS, min_size=1, max_size=5, unique_by=lambda row: row.change.service_id))
def test_a_csv_report_reloads_as_the_job_it_reports_on(rows: list[Row]) -> None:
    """Targets, bodies and notes come back as planned, hostile cells too; the outcome is passed over."""
    report = Report(progress=Progress(), rows=rows, advice=str)
    lines = "".join(as_csv.render(report)).encode().splitlines(keepends=True)
    read = list(read_rows(lines, name="r.csv", format=Format.CSV, default=Target(region="", project_id="")))
    assert [type(row) for row in read] == [ServiceUpdate] * len(rows), read
    for row, update in zip(rows, read, strict=True):
        assert isinstance(update, ServiceUpdate)
        change = row.change
        asked = ServiceUpdate(
            row=update.row,
            place=update.place,
            target=change.target,
            service_id=change.service_id,
            body=change.body,
            note=change.update.note,
        )
        assert update == asked
