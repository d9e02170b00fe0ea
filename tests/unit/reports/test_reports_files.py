"""The report as CSV and as JSON."""

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest

from bulk.jobfile.values import as_cell, as_written
from bulk.model import Action, Outcome
from bulk.plan import Estimate
from bulk.reports import as_csv, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from bulk.model import Change, ServiceState
    from bulk.reports.report_row import Row
    from tests.unit.reports.conftest import Written


def cells(written: "Written") -> list[dict[str, str]]:
    """Return the CSV report as dictionaries by column."""
    return list(csv.DictReader(io.StringIO("".join(as_csv.render(written.report())))))


def test_csv_has_the_columns_of_a_wide_job_and_then_those_of_the_outcome(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """The report of a run can be edited and applied again; the place comes back."""
    first = change(
        1,
        "80:80/TCP",
        "81:81/TCP 82:82/UDP",
        body={"description": "a, b", "approval_enabled": True},
        note="n1",
    )
    written.planned(first, change(2, "80:80/TCP", "81:81/TCP")).session().applied(1, ms=31)
    written.failed(2, "EndPoint.3044", "ports clash")
    one, two = cells(written)
    assert one == dict.fromkeys(as_csv.HEADER, "") | {
        "service_id": str(first.service_id),
        "ports": "81:81/TCP 82:82/UDP",
        "expect_ports": "81:81/TCP 82:82/UDP",
        "region": first.target.region,
        "project_id": first.target.project_id,
        "approval_enabled": "true",
        "description": "a, b",
        "note": "n1",
        "outcome": "applied",
        "request_id": "req-1",
        "attempts": "1",
        "ms": "31",
        "place": "services.csv:2",
    }
    assert (two["outcome"], two["code"], two["message"]) == ("failed", "EndPoint.3044", "ports clash")
    assert two["expect_ports"] == "80:80/TCP"


def test_csv_of_a_plan_tells_the_action_as_outcome(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Before the run the outcome column holds what is going to happen, the message why not."""
    written.planned(
        change(1, "80:80/TCP", "81:81/TCP"), change(2, "80:80/TCP", "1:1/TCP", Action.REFUSE, reason="held")
    )
    assert [(row["outcome"], row["message"]) for row in cells(written)] == [
        ("update", "2 consumers lose 80"),
        ("refuse", "held"),
    ]


@pytest.mark.parametrize(
    ("cell", "written_as"),
    [
        ("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0"),
        ("+1", "'+1"),
        ("-web", "'-web"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("'=1", "''=1"),
        ("plain", "plain"),
        ("'quoted'", "'quoted'"),
        ("", ""),
        ("#N/A", "'#N/A"),
        (" @x", "' @x"),
        ("＝1", "'＝1"),
        (" ", "' "),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_made_text(cell: str, written_as: str) -> None:
    """One apostrophe in front makes it text, and taking one away gives the cell back."""
    assert as_cell(cell) == written_as
    assert as_written(written_as) == cell


def test_every_text_cell_of_the_csv_is_made_safe(written: "Written", change: "Callable[..., Change]") -> None:
    """Notes, settings and messages come from outside: none of them becomes a formula."""
    hostile = "=1+1"
    written.planned(
        change(1, "80:80/TCP", "81:81/TCP", note=hostile, body={"description": hostile}, reason=hostile)
    )
    (row,) = cells(written)
    assert (row["note"], row["description"], row["message"]) == (
        "'=1+1",
        "'=1+1",
        "2 consumers lose 80; =1+1",
    )


def json_of(written: "Written", **more: "Any") -> "Any":
    """Return the JSON report, read back."""
    return orjson.loads("".join(as_json.render(written.report(**more))))


def test_json_of_a_plan_holds_head_rows_and_totals(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """What a machine needs of a plan: digest, counts, each row whole; nothing of a run."""
    written.planned(
        change(1, "80:80/TCP 81:81/TCP", "81:81/TCP 82:82/UDP", after=(2,)),
        change(2, "80:80/TCP", "80:80/TCP", Action.KEEP),
    )
    estimate = Estimate(requests=3, duration_s=1.5, rate_per_s=2, window_s=1)
    told = json_of(written, estimate=estimate)
    assert (told["kind"], told["job"], told["digest"]) == ("plan", "services.csv", "sha256:" + "cd" * 32)
    assert told["estimate"]["fits"] is False
    assert told["totals"]["actions"] == {"update": 1, "keep": 1, "refuse": 0}
    assert told["totals"]["outcomes"] is None
    assert told["totals"]["mappings_planned"] == {"added": 1, "removed": 1, "kept": 1}
    assert told["timeline"] is None
    first = told["rows"][0]
    assert first["removed"] == [{"client_port": 80, "server_port": 80, "protocol": "TCP"}]
    assert first["body"]["ports"][1] == {"client_port": 82, "server_port": 82, "protocol": "UDP"}
    assert first["before"]["connection_count"] == 2
    assert (first["outcome"], first["after"], first["observed"]) == (None, [2], None)


def test_json_of_a_run_accounts_for_every_row(
    written: "Written", change: "Callable[..., Change]", service: "Callable[..., ServiceState]"
) -> None:
    """The outcomes sum to the rows; failures carry their advice; the timeline is there."""
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2, 3))).session()
    written.applied(1).failed(2, "EndPoint.3044").unsent(
        3, Outcome.DRIFTED, observed=service(3, "9:9/TCP")
    ).end()
    told = json_of(written)
    assert told["kind"] == "run"
    assert sum(told["totals"]["outcomes"].values()) == told["totals"]["rows"] == 3
    assert told["totals"]["mappings_applied"] == {"added": 1, "removed": 1, "kept": 0}
    assert told["failures"] == [
        {"code": "EndPoint.3044", "rows": 1, "advice": "what to do about EndPoint.3044"}
    ]
    assert told["rows"][2]["observed"]["ports"][0]["client_port"] == 9
    assert told["timeline"]["latency"]["replies"] == 2
    assert told["sessions"][0]["reason"] == "finished"


def test_json_without_rows_is_still_json(written: "Written") -> None:
    """An empty plan gives an empty list."""
    assert json_of(written.planned())["rows"] == []


@pytest.mark.parametrize("renderer", [as_csv, as_json])
def test_rows_are_rendered_as_they_come(
    written: "Written", change: "Callable[..., Change]", renderer: "Any"
) -> None:
    """A million rows never stand in memory: after each piece at most one row has been drawn ahead."""
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in range(1, 6)))
    drawn = 0

    def stream() -> "Iterator[Row]":
        nonlocal drawn
        for row in written.rows():
            drawn += 1
            yield row

    pieces = renderer.render(replace(written.report(), rows=stream()))
    seen = [drawn for _ in pieces]
    assert seen[:6] == [0, 1, 2, 3, 4, 5]
