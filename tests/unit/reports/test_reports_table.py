"""The report on the terminal."""

from dataclasses import replace
from typing import TYPE_CHECKING

from bulk.core.ledger.records import Intent, OutcomeRecord
from bulk.core.model import Action, Change, ModifyBody, Outcome, Reply, ServiceId, ServiceUpdate, Target
from bulk.core.plan import Estimate
from bulk.core.reports import as_markdown
from bulk.core.reports.as_json import row_json, totals_json
from bulk.core.reports.as_table import ROWS_SHOWN, lines, row_line
from bulk.core.reports.model import Report
from bulk.core.reports.rows import Rows
from bulk.core.reports.totals import Tally
from bulk.core.reports.words import Span, Style, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulk.core.model import ServiceState
    from tests.unit.reports.conftest import Written

OTHER = Target(region="cn-north-4", project_id="0a1b2c3d4e5f60718293a4b5c6d7e8f9")


def shown(report: Report) -> list[str]:
    """Give the lines without their styles."""
    return [plain(line) for line in lines(report, more="bulk report L --output csv")]


def test_a_plan_shows_each_row_behind_its_sigil_with_what_it_removes_adds_and_keeps(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """`~` changes, `=` stays, `!` is refused with its reason; place and short name are there."""
    written.planned(
        change(1, "80:80/TCP 81:81/TCP", "80:80/TCP 82:82/UDP"),
        change(2, "80:80/TCP", "80:80/TCP", Action.KEEP),
        change(3, "80:80/TCP", "90:90/TCP", Action.REFUSE, reason="its status is failed"),
    )
    assert shown(written.report())[:3] == [
        (
            "~ 00000000-0000-0000-0000-000000000001  web-1            "
            " -81:81/TCP +82:82/UDP =1 kept  (services.csv:2)"
        ),
        "= 00000000-0000-0000-0000-000000000002  web-2              (services.csv:3)",
        (
            "! 00000000-0000-0000-0000-000000000003  web-3            "
            " refuse: its status is failed  (services.csv:4)"
        ),
    ]


def test_a_removed_mapping_is_red_and_also_marked_by_a_minus(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """What goes away is never told by colour alone."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"))
    first = next(lines(written.report(), more=""))
    assert Span(" -80:80/TCP", Style.BAD) in first
    assert Span(" +81:81/TCP", Style.GOOD) in first


def test_the_summary_of_a_plan_counts_rows_mappings_and_consumers(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """The totals are those of the rows, the digest is the planned one."""
    written.planned(
        change(1, "80:80/TCP 81:81/TCP", "80:80/TCP 82:82/UDP"),
        change(2, "80:80/TCP", "80:80/TCP", Action.KEEP),
        change(3, "1:1/TCP", "2:2/TCP", before={"connection_count": None}),
    )
    assert shown(written.report())[4:] == [
        "Plan: 2 to update, 1 already right of 3 rows in 1 target",
        "Mappings: 2 to be added, 2 to be removed, 1 kept",
        "Consumers: 2 endpoints connected to services that change",
        "Digest: sha256:" + "cd" * 32,
    ]


def test_a_setting_that_the_api_does_not_show_is_a_question_mark(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """In the plan nobody knows what it was; after the run nobody knows whether it took effect."""
    ports = "80:80/TCP"
    written.planned(
        *(change(row, ports, ports, body={"vip_port_id": "V"}) for row in (1, 2)),
        change(3, ports, ports, body={"description": "new"}, before={"description": "?"}),
    )
    told = shown(written.report())
    assert ' vip_port_id ? -> "V"  (' in told[0]
    assert ' description "?" -> "new"  (' in told[2]
    assert "| vip\\_port\\_id: ? -\\> V |" in "".join(as_markdown.render(written.report()))
    written.session()
    for row in (1, 2):
        written.put(
            Intent(row=row, attempt=1),
            OutcomeRecord(row=row, outcome=Outcome.APPLIED, attempts=1, unconfirmed=("vip_port_id",)),
        )
    written.applied(3).end()
    report = written.report()
    told = shown(report)
    assert " note: no reply shows vip_port_id: look whether it is as asked  (" in told[0]
    assert "Unconfirmed: no reply shows vip_port_id of 2 applied rows: look whether it is as asked" in told
    tally = Tally()
    first, _, last = tally.counting(report.rows)
    assert (row_json(first)["unconfirmed"], row_json(last)["unconfirmed"]) == (("vip_port_id",), ())
    assert tally.totals() == report.rows.glance(9).totals
    assert totals_json(report, tally.totals())["totals"]["unconfirmed"] == {"vip_port_id": 2}


def test_an_estimate_that_does_not_fit_its_window_says_so_in_red(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A reviewer sees the misfit; without a window nothing is said of one."""
    written.planned(change(1, "80:80/TCP", "80:80/TCP", Action.KEEP))
    for window_s, end in (
        (60.0, "; does not fit the window of 1 min"),
        (3600.0, "; fits the window of 1 h"),
        (None, "/s"),
    ):
        estimate = Estimate(requests=1234, duration_s=123.4, rate_per_s=10, window_s=window_s)
        line = next(
            x for x in lines(written.report(estimate=estimate), more="") if plain(x).startswith("Est")
        )
        assert plain(line).startswith("Estimate: 1,234 requests, about 2 min 03 s at 10/s")
        assert plain(line).endswith(end)
        assert (line[1].style is Style.BAD) == (window_s == 60)


def test_the_plan_says_in_figures_how_many_changes_may_fail(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """And whether that, and not the rate, sets the pace."""
    written.planned(*(change(row, "80:80/TCP", f"{row}:{row}/TCP") for row in (1, 2)))
    estimate = Estimate(requests=3, duration_s=5, rate_per_s=10, failures_max=1, is_paced_by_failures=True)
    for share, line in (("5%", "5% = 1 of 2 changes"), ("1", "1 of 2 changes")):
        said = shown(written.report(estimate=replace(estimate, failures_share=share)))
        assert f"Budget: {line} may fail" in said
        assert "Estimate: 3 requests, about 5.0 s at 10/s; max_failures, not the rate, sets the pace" in said


def test_after_the_run_each_row_tells_how_it_ended(
    written: "Written", change: "Callable[..., Change]", service: "Callable[..., ServiceState]"
) -> None:
    """Every outcome has its sigil; what is wrong says why, with code and request id."""
    written.planned(*(change(row, "80:80/TCP", f"{row}:{row}/TCP") for row in range(1, 9)), targets=(OTHER,))
    written.session().applied(1).unsent(2, Outcome.ALREADY).failed(3, "EndPoint.3044", "ports clash")
    written.unsent(4, Outcome.DRIFTED, "moved since the plan: ports", observed=service(4, "9:9/TCP"))
    written.unsent(5, Outcome.BLOCKED, "row 3, which must go first, did not end as asked")
    written.applied(7).put(
        OutcomeRecord(
            row=7, outcome=Outcome.CONFLICT, reply=Reply(code="unverified"), observed=service(7, "8:8/TCP")
        )
    )
    written.put(Intent(row=6, attempt=1))
    told = shown(written.report())
    assert [line[0] for line in told[:8]] == ["+", "=", "!", "!", "!", "?", "!", "-"]
    assert " failed EndPoint.3044: ports clash [request req-3]  (" in told[2]
    assert ' drifted: moved since the plan: ports; found ports "9:9/TCP", expected "80:80/TCP"  (' in told[3]
    assert " blocked: row 3, which must go first" in told[4]
    assert (
        " in_doubt: a PUT was sent and its answer is unknown; the next session finds out by reading  ("
        in told[5]
    )
    assert ' conflict unverified: found ports "8:8/TCP", expected "7:7/TCP"  (' in told[6]
    assert told[9:] == [
        (
            "Rows: 1 applied, 1 already right, 1 failed, 1 drifted, 1 in conflict, 1 in doubt, 1 blocked,"
            " 1 not attempted of 8 rows in 1 target"
        ),
        "Mappings: 1 added, 1 removed, 0 kept",
        "Sent: 4 PUTs, throttled 0 times, in 11 s",
        "! EndPoint.3044: 1 row; what to do about EndPoint.3044",
        "Digest: sha256:" + "cd" * 32,
    ]


def test_settings_other_than_ports_are_shown_before_and_after(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A change of name or description is as visible as one of ports."""
    body = {"service_name": "api", "description": "new", "approval_enabled": True}
    before = {"description": "old", "approval_enabled": False}
    written.planned(change(1, "80:80/TCP", "80:80/TCP", body=body, before=before))
    assert (
        ' =1 kept approval_enabled "false" -> "true" service_name "web-1" -> "api" description "old" -> "new"'
        in shown(written.report())[0]
    )


def test_warnings_and_predecessors_are_part_of_a_planned_row(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Who has to go first, and what the plan warns of, stands on the row's line."""
    others = (change(row, "80:80/TCP", "81:80/TCP") for row in (7, 9))
    warned = change(1, "80:80/TCP", "81:80/TCP", after=(7, 9), reason="12 consumers are connected")
    written.planned(warned, *others)
    assert " after row 7, 9 note: 12 consumers are connected  (" in shown(written.report())[0]
    written.session().applied(1)
    assert "consumers" not in shown(written.report())[0]


def test_a_parked_service_shows_what_is_out_of_service_and_who_waits_for_it(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A broken cycle is visible in the plan: the intermediate step, its gap, and the rows that use it."""
    free = ModifyBody(ports=())
    written.planned(
        change(1, "80:80/TCP", "81:81/TCP", parking=free, after=(2,)),
        change(2, "81:81/TCP", "80:80/TCP", after_parked=(1,)),
    )
    told = shown(written.report())
    assert " after row 2; parked first, so that 80:80/TCP is out of service until then  (" in told[0]
    assert " after row 1 is parked  (" in told[1]
    assert "Parking: 1 service without some mappings for a while, to break cycles" in told


def test_rows_of_several_targets_name_theirs(written: "Written", change: "Callable[..., Change]") -> None:
    """With one target its name would be noise; with two it is needed."""
    first = change(1, "80:80/TCP", "81:80/TCP")
    written.planned(first, change(2, "80:80/TCP", "81:80/TCP", target=OTHER), targets=(first.target, OTHER))
    told = shown(written.report())
    assert f"(services.csv:3, {OTHER})" in told[1]
    assert told[3].endswith("in 2 targets")


def test_a_long_plan_is_cut_to_what_changes_and_what_is_wrong(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Of 400 rows the terminal shows 50 that change, and refused ones last; it says where the rest is."""
    keep = (change(row, "80:80/TCP", "80:80/TCP", Action.KEEP) for row in range(1, 201))
    refuse = (change(row, "80:80/TCP", "1:1/TCP", Action.REFUSE, reason="no") for row in range(201, 203))
    update = (change(row, "80:80/TCP", "81:81/TCP") for row in range(203, 401))
    written.planned(*keep, *refuse, *update)
    told = shown(written.report())
    assert [line[0] for line in told[: ROWS_SHOWN + 2]] == ["~"] * ROWS_SHOWN + ["!"] * 2
    assert told[ROWS_SHOWN + 2] == "and 348 more rows: bulk report L --output csv"


def test_the_totals_of_a_glance_are_those_of_going_through_every_row(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Whatever the rows came to, and whether most were applied or few: it reads few rows and counts all."""
    plan = [change(row, "80:80/TCP 81:81/TCP", "81:81/TCP 82:82/TCP 83:83/TCP") for row in range(1, 9)]
    kept = change(9, "80:80/TCP", "80:80/TCP", Action.KEEP)
    written.planned(*plan, kept)
    assert_same_totals(written.rows())
    written.session().unsent(9, Outcome.ALREADY).failed(1, "EndPoint.3044").failed(2, "EndPoint.3044")
    for row in range(3, 8):
        assert_same_totals(written.rows())
        written.applied(row)
    assert_same_totals(written.rows())


def assert_same_totals(rows: Rows) -> None:
    """Compare with the sum over every row."""
    tally = Tally()
    for _ in tally.counting(rows):
        pass
    assert rows.glance(3).totals == tally.totals()


def test_a_row_with_many_mappings_is_cut_unless_all_is_asked_for(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Two hundred mappings are told by their first six and a count."""
    many = " ".join(f"{port}:{port}/TCP" for port in range(1, 201))
    written.planned(change(1, many, "500:500/TCP"))
    assert " -6:6/TCP -194 more +500:500/TCP" in shown(written.report())[0]
    whole = row_line(next(iter(written.rows())), many_targets=False, mappings_shown=None)
    assert " -200:200/TCP +500:500/TCP" in plain(whole)


def test_names_and_reasons_cannot_steer_the_terminal(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Escape sequences, line breaks and reversed text from the API or the job are taken out."""
    hostile = "x\x1b[31m\nred\u202eflip\x9b2J"
    bad = change(
        1, "80:80/TCP", "81:81/TCP", Action.REFUSE, reason=hostile, before={"service_name": f"r.{hostile}.i"}
    )
    written.planned(bad)
    told = shown(written.report())[0]
    assert "x[31m redflip2J" in told
    assert all(character.isprintable() for character in told)


def test_a_service_that_was_not_found_is_shown_without_a_name(written: "Written") -> None:
    """A refused row without a live service still has its line."""
    body = ModifyBody()
    update = ServiceUpdate(
        row=1, place="services.csv:2", target=OTHER, service_id=ServiceId("nonsense"), body=body
    )
    unknown = Change(update=update, target=OTHER, action=Action.REFUSE, body=body, reason="no such service")
    written.planned(unknown)
    assert shown(written.report())[0].startswith("! nonsense   ")
    [row] = written.report().rows
    assert row.settings == ()
