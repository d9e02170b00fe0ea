"""The report on the terminal."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from bulk.ledger.records import Intent, OutcomeRecord
from bulk.ledger.stops import BrakeReason
from bulk.model import Action, Change, ModifyBody, Outcome, Reply, ServiceId, ServiceUpdate, Target
from bulk.plan import Estimate
from bulk.plan.waves import Wave
from bulk.reports import as_markdown
from bulk.reports import report as model
from bulk.reports.as_json import row_json, totals_json
from bulk.reports.as_table import EACH_MAX, KINDS_SHOWN, lines, row_line
from bulk.reports.headline import question
from bulk.reports.overview import Overview, overview_of
from bulk.reports.report import Commands, Report
from bulk.reports.rows import Rows
from bulk.reports.totals import Tally
from bulk.reports.words import Span, Style, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulk.model import ServiceState
    from tests.unit.reports.conftest import Written

OTHER = Target(region="cn-north-4", project_id="0a1b2c3d4e5f60718293a4b5c6d7e8f9")
LIVE = "22:22/TCP 443:9000/TCP"
MOVED = "22:22/TCP 8443:9000/TCP"


def shown(report: Report, *, each: bool = False, width: int = 80) -> list[str]:
    """Return the lines without their styles."""
    commands = Commands(each="bulk plan L --all", rows="bulk report L --output csv")
    return [plain(line) for line in lines(replace(report, commands=commands), width=width, each=each)]


def planned(report: Report) -> Report:
    """Return the report of a plan that has just been made."""
    return replace(report, is_new=True, gathered=overview_of(report.rows))


def labelled(page: list[str], label: str) -> str:
    """Return what stands behind a label, its lines joined."""
    at = next(n for n, line in enumerate(page) if line.startswith(f"  {label}"))
    more = []
    for line in page[at + 1 :]:
        if not line.startswith(" " * 13):
            break
        more.append(line.strip())
    return " ".join([page[at][13:], *more])


def test_a_plan_answers_where_how_many_who_loses_what_is_refused_and_how_long(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """In this order, in less than 24 lines of at most 80 columns, however many changes there are."""
    updates = [change(row, LIVE, MOVED) for row in range(1, 297)]
    refused = change(
        297, LIVE, MOVED, Action.REFUSE, reason="status is failed, only available services change"
    )
    written.planned(*updates, refused, change(298, LIVE, LIVE, Action.KEEP))
    written.progress.run["targets"][0]["host"] = "vpcep.cn-north-4.myhuaweicloud.com"
    estimate = Estimate(
        requests=298, duration_s=29.8, rate_per_s=10, window_s=7200, window="02:00-04:00", is_auto=True
    )
    page = shown(planned(written.report(estimate=estimate)))
    assert page == [
        "Plan of services.csv: 296 of 298 services change. Nothing has been sent.",
        "  Where      vpcep.cn-north-4.myhuaweicloud.com",
        "             cn-north-4 6e9dfd51d1124e8d8498dce894923a0d (298 services)",
        "",
        "~ 296 services  -443 +8443/TCP, same backend",
        "      592 consumers of 296 services must dial 8443 instead of 443",
        "      most: web-1 (2), web-2 (2), web-3 (2), web-4 (2) and 292 more",
        "!   1 refused  status is failed, only available services change",
        "      web-297 00000000 (services.csv:298)",
        "",
        "  Mappings   296 added, 296 removed, 296 kept",
        "  Consumers  592 connected to 296 services lose a port that they may use",
        "  Refused    1; the others are sent, and the run ends with exit code 4",
        "  Unchanged  1 service already right; nothing is sent to them",
        "  Takes      about 30 s: 298 requests at 10/s, the rate to begin with",
        "  Window     02:00-04:00; the run fits its 2 h",
        "  Digest     cdcdcdcdcdcdcdcd",
        "  Each row   bulk plan L --all",
    ]


def test_a_few_changes_have_a_line_each_with_those_that_take_a_port_first(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A job of twelve fits a screen; the place in the file stands where there is room for it."""
    safe = change(1, LIVE, "22:22/TCP 443:9001/TCP", before={"service_name": None})
    most = change(13, LIVE, MOVED, before={"connection_count": 5})
    written.planned(safe, *(change(row, LIVE, MOVED) for row in range(2, 12)), most)
    page = shown(planned(written.report()))
    rows = [line for line in page if line.startswith("~")]
    assert rows[:2] == [
        "~ web-13 00000000  -443:9000/TCP +8443:9000/TCP  5 consumers lose 443",
        "~ web-2  00000000  -443:9000/TCP +8443:9000/TCP  2 consumers lose 443",
    ]
    assert rows[-1] == "~ 00000000  -443:9000/TCP +443:9001/TCP  (services.csv:2)"
    assert len(rows) == 12
    assert len(page) + 2 <= 24
    assert not any("--all" in line for line in page)


def test_no_line_is_broken_inside_a_word(written: "Written", change: "Callable[..., Change]") -> None:
    """At 80 columns and at 40: what is wider stands on a line of its own."""
    reason = f"9005/TCP on port_id {'0' * 36} is held by service {'1' * 36}, which is not in this job"
    written.planned(
        *(change(row, LIVE, MOVED, Action.REFUSE, reason=reason) for row in (1, 2)),
        *(change(row, LIVE, MOVED) for row in range(3, 50)),
    )
    report = planned(written.report())
    words = " ".join(shown(report, width=10_000)).split()
    for width in (40, 80):
        page = shown(report, width=width)
        assert " ".join(page).split() == words
        assert all(len(line) <= width or " " not in line.strip() for line in page)


def test_with_all_every_row_has_one_line_behind_its_sigil(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Id, name, what it removes, adds and keeps, why, and its place, so that a search finds rows."""
    written.planned(
        change(1, "80:80/TCP 81:81/TCP", "80:80/TCP 82:82/UDP"),
        change(2, "80:80/TCP", "80:80/TCP", Action.KEEP),
        change(3, "80:80/TCP", "90:90/TCP", Action.REFUSE, reason="its status is failed"),
    )
    assert [line for line in shown(written.report(), each=True) if line[:1] in {"~", "=", "!"}] == [
        (
            "~ 00000000-0000-0000-0000-000000000001  web-1            "
            " -81:81/TCP +82:82/UDP =1 kept note: 2 consumers lose 81  (services.csv:2)"
        ),
        "= 00000000-0000-0000-0000-000000000002  web-2              (services.csv:3)",
        (
            "! 00000000-0000-0000-0000-000000000003  web-3            "
            " refuse: its status is failed  (services.csv:4)"
        ),
    ]


def test_what_is_lost_is_red_and_also_marked_by_a_sign(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """What goes away is not marked by colour alone."""
    written.planned(*(change(row, LIVE, MOVED) for row in range(1, EACH_MAX + 2)))
    spans = [span for line in lines(written.report()) for span in line]
    assert Span("-443", Style.LOSS) in spans
    assert Span("+8443/TCP", Style.GOOD) in spans
    few = next(line for line in lines(written.report(), each=True) if plain(line).startswith("~"))
    assert Span(" -443:9000/TCP", Style.BAD) in few


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        ([Action.KEEP], "Nothing to change: the only service in {} is as asked already."),
        ([Action.KEEP] * 2, "Nothing to change: all 2 services in {} are as asked already."),
        ([Action.REFUSE] * 2, "Nothing can be sent: all 2 rows are refused. No such service."),
        ([], "Nothing to change: all 0 services in no project are as asked already."),
    ],
)
def test_nothing_to_do_is_one_sentence(
    plan: list[Action], line: str, written: "Written", change: "Callable[..., Change]"
) -> None:
    """As is a whole job in the wrong project."""
    written.planned(
        *(
            change(row, LIVE, LIVE, action, reason="no such service" * (action is Action.REFUSE))
            for row, action in enumerate(plan, 1)
        )
    )
    page = shown(planned(written.report()))
    assert " ".join(" ".join(page).split()) == line.format(
        "cn-north-4, project 6e9dfd51d1124e8d8498dce894923a0d"
    )


def test_what_cannot_be_sent_says_why(written: "Written", change: "Callable[..., Change]") -> None:
    """One refused row, or several for several reasons, beside what is right already."""
    one = change(1, LIVE, MOVED, Action.REFUSE, reason="held")
    written.planned(one)
    page = shown(planned(written.report()))
    assert page[0] == "Nothing can be sent: 1 row refused."
    assert labelled(page, "Refused") == "1"
    assert labelled(page, "Consumers") == "none loses a port"
    both = planned(type(written)().planned(one, change(2, LIVE, LIVE, Action.KEEP)).report())
    assert shown(both)[0] == "Nothing can be sent: 1 row refused, 1 service already right."


def test_with_strict_a_refused_row_keeps_all_others(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """The total says what will happen, not only how many there are."""
    written.planned(change(1, LIVE, MOVED, Action.REFUSE, reason="held"), change(2, LIVE, MOVED))
    written.progress.run["options"]["strict"] = True
    assert labelled(shown(written.report()), "Refused") == "1; with --strict nothing is sent"


def test_a_kept_plan_says_who_planned_it_when(written: "Written", change: "Callable[..., Change]") -> None:
    """As far as its ledger says."""
    written.planned(change(1, LIVE, MOVED))
    assert labelled(shown(written.report()), "Planned") == "2026-01-15 08:30 UTC"
    written.progress.run |= {"user": "ann", "host": "bastion-1"}
    assert labelled(shown(written.report()), "Planned") == "2026-01-15 08:30 UTC by ann on bastion-1"
    local = shown(replace(written.report(), zone=ZoneInfo("Asia/Shanghai")))
    assert labelled(local, "Planned") == "2026-01-15 16:30 CST (08:30 UTC) by ann on bastion-1"


def test_the_simulator_and_many_projects_are_named(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Nothing leaves this machine; of many projects the first ones are listed."""
    targets = tuple(Target(region=f"r-{n}", project_id=f"{n:032x}") for n in range(14))
    written.planned(
        *(change(n + 1, LIVE, MOVED, target=target) for n, target in enumerate(targets)), targets=targets
    )
    for json in written.progress.run["targets"]:
        json["host"] = "simulator"
    page = shown(written.report())
    assert labelled(page, "Where").startswith("the bundled simulator; nothing leaves this machine r-0 ")
    assert labelled(page, "Where").endswith("(1) and 2 more")
    assert any("(services.csv:2, 0000" in line for line in shown(written.report(), width=200))


def test_a_setting_that_the_api_does_not_show_is_a_question_mark(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """In the plan nobody knows what it was; after the run nobody knows whether it took effect."""
    ports = "80:80/TCP"
    written.planned(
        *(change(row, ports, ports, body={"vip_port_id": "V"}) for row in (1, 2)),
        change(3, ports, ports, body={"description": "new"}, before={"description": "?"}),
    )
    page = [line for line in shown(written.report(), each=True) if line.startswith("~")]
    assert ' vip_port_id ? -> "V"  (' in page[0]
    assert ' description "?" -> "new"  (' in page[2]
    assert "| vip\\_port\\_id: ? -\\> V |" in "".join(as_markdown.render(written.report()))
    written.session()
    for row in (1, 2):
        written.put(
            Intent(row=row, attempt=1),
            OutcomeRecord(row=row, outcome=Outcome.APPLIED, attempts=1, unconfirmed=("vip_port_id",)),
        )
    written.applied(3).end()
    report = written.report()
    page = shown(report, each=True)
    assert any(" note: no reply shows vip_port_id: look whether it is as asked  (" in line for line in page)
    assert labelled(page, "Unconfirmed ").startswith(" no reply shows vip_port_id of 2 applied rows: look")
    tally = Tally()
    first, _, last = tally.counting(report.rows)
    assert (row_json(first)["unconfirmed"], row_json(last)["unconfirmed"]) == (("vip_port_id",), ())
    assert tally.totals() == report.totals
    assert totals_json(report, tally.totals())["totals"]["unconfirmed"] == {"vip_port_id": 2}


def test_a_window_that_the_run_does_not_fit_is_red(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A reviewer sees the misfit; without a window nothing is said of one."""
    written.planned(change(1, LIVE, MOVED))
    estimate = Estimate(requests=1234, duration_s=123.4, rate_per_s=10, window="02:00-04:00")
    for window_s, words in (
        (0.0, "02:00-04:00; it is over, and nothing would be sent"),
        (60.0, "02:00-04:00; the run does not fit its 1 min"),
        (3600.0, "02:00-04:00; the run fits its 1 h"),
        (None, "02:00-04:00"),
    ):
        report = written.report(estimate=replace(estimate, window_s=window_s))
        page = shown(report)
        assert labelled(page, "Takes") == "about 2 min 03 s: 1,234 requests at 10/s"
        assert labelled(page, "Window") == words
        spans = [span for line in lines(report, width=99) for span in line if span.style is Style.BAD]
        assert any("fit" in span.text for span in spans) == (window_s == 60)
    assert not any("Window" in line for line in shown(written.report(estimate=replace(estimate, window=""))))


@pytest.mark.parametrize(("member", "words"), [("opens_at", "opens"), ("closes_at", "open until")])
def test_the_plan_says_when_the_window_opens_or_closes(
    written: "Written", change: "Callable[..., Change]", member: str, words: str
) -> None:
    """In the zone of the reader, with UTC beside it."""
    written.planned(change(1, LIVE, MOVED))
    when: dict[str, Any] = {member: "2026-01-15T18:00:00.000Z"}
    estimate = Estimate(
        requests=1, duration_s=1.0, rate_per_s=1, window="02:00-04:00", window_s=7200.0, **when
    )
    report = written.report(estimate=estimate, zone=ZoneInfo("Asia/Shanghai"))
    at = "Fri 16 Jan 02:00 CST (Thu 18:00 UTC)"
    assert labelled(shown(report), "Window") == f"02:00-04:00; {words} {at}; the run fits its 2 h"


def test_each_wave_of_a_plan_is_a_line_with_its_services_its_name_and_its_end(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Twelve of them, and the others in one; ends are left out where nobody can say."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"))
    written.progress.run["options"]["soak"] = "2m"
    waves = (*(Wave(number, "10%", 2, ()) for number in range(1, 15)), Wave(15, "", 1, ()))
    ends_s = (*(60.0 * number for number in range(1, 15)), 900.0)
    estimate = Estimate(requests=1, duration_s=900.0, rate_per_s=10.0, wave_ends_s=ends_s)
    page = shown(written.report(estimate=estimate, waves=waves))
    rule = "each only if all rows of the one before ended as asked, 2m after its last outcome"
    assert labelled(page, "Waves") == rule
    assert labelled(page, "Wave 1") == "2 services (10%), over after about 1 min"
    assert labelled(page, "Wave 12") == "2 services (10%), over after about 12 min"
    assert labelled(page, "More waves") == "3 with 5 services, over after about 15 min"
    few = (Wave(1, "", 2, (3, 4)), Wave(2, "b", 1, ()))
    page = shown(written.report(estimate=replace(estimate, wave_ends_s=()), waves=few))
    assert labelled(page, "Wave 1") == "2 services"
    assert labelled(page, "Wave 2") == "the other 1 service (b)"
    assert labelled(page, "Forward").startswith("rows 3, 4 came forward")
    one = shown(written.report(estimate=replace(estimate, wave_ends_s=()), waves=few[1:]))
    assert labelled(one, "Wave 2") == "1 service (b)"


def test_the_plan_says_how_many_changes_may_fail_and_in_how_many_regions_it_sends(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """And whether that, and not the rate, sets the pace."""
    written.planned(*(change(row, "80:80/TCP", f"{row}:{row}/TCP") for row in (1, 2)))
    estimate = Estimate(
        requests=3, duration_s=0.2, rate_per_s=10, failures_max=1, is_paced_by_failures=True, lanes=3
    )
    for share, words in (("5%", "5% = 1 of 2 changes"), ("1", "1 of 2 changes")):
        page = shown(written.report(estimate=replace(estimate, failures_share=share)))
        assert labelled(page, "May fail") == words
        assert labelled(page, "Takes") == (
            "about 1 s: 3 requests at 10/s in each of 3 regions; max_failures, not the rate, sets the pace"
        )


def ended(
    written: "Written", change: "Callable[..., Change]", service: "Callable[..., ServiceState]"
) -> None:
    """Write a run with a row of every outcome."""
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


def test_after_the_run_each_row_tells_how_it_ended(
    written: "Written", change: "Callable[..., Change]", service: "Callable[..., ServiceState]"
) -> None:
    """Every outcome has its sigil; what is wrong says why, with code and request id."""
    ended(written, change, service)
    page = [line for line in shown(written.report(), each=True) if line[:2].strip() and line[1] == " "]
    assert [line[0] for line in page[:8]] == ["+", "=", "!", "!", "!", "?", "!", "-"]
    assert " failed EndPoint.3044: ports clash [request req-3]  (" in page[2]
    assert ' drifted: moved since the plan: ports; found ports "9:9/TCP", expected "80:80/TCP"  (' in page[3]
    assert " blocked: row 3, which must go first" in page[4]
    assert (
        " in_doubt: a PUT was sent and its answer is unknown; the next session finds out by reading  ("
        in page[5]
    )
    assert ' conflict unverified: found ports "8:8/TCP", expected "7:7/TCP"  (' in page[6]


def test_after_the_run_only_what_needs_a_person_is_shown_and_the_totals(
    written: "Written", change: "Callable[..., Change]", service: "Callable[..., ServiceState]"
) -> None:
    """Nothing that stood in the plan is printed again."""
    ended(written, change, service)
    page = shown(written.report())
    assert page[0].startswith("services.csv stands at 2 of 8 services as asked; 1 failed, 1 drifted,")
    assert [line[:13] for line in page if line[:1] in {"~", "+", "=", "!", "?", "-"}] == [
        "! 1 failed  E",
        "! 1 drifted  ",
        "! 1 blocked  ",
        "? 1 in doubt ",
        "! 1 in confli",
    ]
    assert (
        page[page.index("! 1 failed  EndPoint.3044 ports clash") + 1].strip()
        == "what to do about EndPoint.3044"
    )
    assert any('web-4 00000000 (services.csv:5): found ports "9:9/TCP"' in line for line in page)
    assert labelled(page, "Applied").startswith(
        "1, not yet looked at again; 1 already right, 1 failed, 1 drifted"
    )
    assert labelled(page, "Mappings") == "1 added, 1 removed, 0 kept"
    assert labelled(page, "Took") == "10 s, 4 PUTs, never throttled"


def test_a_finished_run_says_whether_all_is_as_asked(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """One service or several; and that each was read back."""
    written.planned(change(1, LIVE, MOVED)).session().throttled(1).applied(1).end()
    page = shown(written.report())
    assert page[0] == "services.csv is finished: the service is as asked."
    assert labelled(page, "Applied") == "1, each read back after the run"
    assert labelled(page, "Took").endswith("throttled once")
    again = type(written)().planned(*(change(row, LIVE, MOVED) for row in (1, 2, 3))).session()
    again.throttled(1).throttled(2).end(BrakeReason.INTERRUPTED).session().applied(1).failed(2, "E.1").failed(
        3, "E.1", "other"
    )
    assert "Stopped" not in " ".join(shown(again.report()))
    again.end()
    page = shown(again.report())
    assert page[0] == "services.csv is finished; 2 of 3 services are not as asked."
    assert "! 2 failed  E.1" in page
    assert "of work in 2 sessions" in labelled(page, "Took")
    assert labelled(page, "Took").endswith("throttled 2 times")
    all_well = (
        type(written)().planned(*(change(row, LIVE, MOVED) for row in (1, 2))).session().applied(1).applied(2)
    )
    assert shown(all_well.end().report())[0] == "services.csv is finished: all 2 services are as asked."
    one_bad = type(written)().planned(*(change(row, LIVE, MOVED) for row in (1, 2))).session().applied(1)
    one_bad.failed(2, "E.1")
    assert shown(one_bad.end().report())[0] == "services.csv is finished; 1 of 2 services is not as asked."


def test_on_a_resume_only_what_is_left_is_shown(written: "Written", change: "Callable[..., Change]") -> None:
    """With how the last session ended, or that it died."""
    written.planned(*(change(row, LIVE, MOVED) for row in range(1, 41))).session().applied(1)

    def resumed() -> list[str]:
        rows = Rows(written.progress, written._row, written._mappings_of, written._alike_text, left_only=True)
        return shown(replace(written.report(), rows=rows, is_resumed=True))

    page = resumed()
    assert " ".join(" ".join(page[:2]).split()).startswith(
        "services.csv: 39 services left of 40. The run by ops on bastion began at 2026-01-15 08:30:43 UTC and"
    )
    assert "died" in " ".join(page[:3])
    assert "~ 39 services  -443 +8443/TCP, same backend" in page
    assert not any(line.startswith(("  Mappings", "  Refused")) for line in page)
    assert labelled(page, "Where").endswith("(39 services)")
    written.end(BrakeReason.INTERRUPTED)
    assert "stopped at 2026-01-15" in " ".join(resumed()[:3])


def test_a_saved_plan_says_how_many_moved_since(
    written: "Written", change: "Callable[..., Change]", service: "Callable[..., ServiceState]"
) -> None:
    """And which, with what was found."""
    written.planned(*(change(row, LIVE, MOVED) for row in (1, 2)))
    found = service(2, "9:9/TCP")

    def row_at(row: int) -> "object":
        as_planned = written._row(row)
        return replace(as_planned, outcome=Outcome.DRIFTED, observed=found) if row == 2 else as_planned

    moved = {2: found}
    report = replace(
        written.report(),
        rows=Rows(written.progress, row_at, written._mappings_of, written._alike_text, moved),
        moved=moved,
    )
    page = shown(report)
    assert page[0] == "1 of 2 services moved since the plan; 1 is as planned. Nothing has been sent."
    assert any(line.startswith("! 1 drifted") for line in page)
    assert (report.totals.outcomes or {})[Outcome.DRIFTED] == 1
    written.session()
    assert (report.rows.totals().outcomes or {})[Outcome.NOT_ATTEMPTED] == 1
    both = {1: found, 2: found}
    rows = Rows(written.progress, row_at, written._mappings_of, written._alike_text, both)
    assert shown(replace(report, rows=rows, moved=both, progress=written.progress, is_resumed=False))


def test_settings_other_than_ports_are_shown_before_and_after(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A change of name or description is as visible as one of ports."""
    body = {"service_name": "api", "description": "new", "approval_enabled": True}
    before = {"description": "old", "approval_enabled": False}
    written.planned(change(1, "80:80/TCP", "80:80/TCP", body=body, before=before))
    for each in (False, True):
        page = " ".join(" ".join(shown(written.report(), each=each)).split())
        assert (
            'approval_enabled "false" -> "true" service_name "web-1" -> "api" description "old" -> "new"'
            in page
        )


def test_warnings_and_predecessors_are_part_of_a_planned_row(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Who has to go first, and what the plan warns of, stands on the row's line."""
    others = [change(row, "80:80/TCP", "81:80/TCP") for row in (7, 9)]
    warned = change(1, "80:80/TCP", "81:80/TCP", after=(7, 9), reason="look twice")
    written.planned(warned, *others, change(10, "80:80/TCP", "81:80/TCP", reason="look thrice"))
    first = next(line for line in shown(written.report(), each=True) if line.startswith("~"))
    assert " after row 7, 9 note: 2 consumers lose 80; look twice  (" in first
    page = " ".join(shown(written.report()))
    assert "after row 7, 9" in page
    assert "note: look twice" in " ".join(page.split())
    assert "note: look thrice" in " ".join(page.split())
    many = [change(row, "80:80/TCP", "81:80/TCP", reason="look" * (row > 11)) for row in range(11, 60)]
    grouped = type(written)().planned(*many)
    assert "      note: look (48 services)" in shown(grouped.report())
    written.session().applied(1)
    first = next(line for line in shown(written.report(), each=True) if line.startswith("+"))
    assert "look" not in first


def test_a_parked_service_shows_what_is_out_of_service(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A broken cycle is visible in the plan: its gap, and who is connected meanwhile."""
    free = ModifyBody(ports=())
    swap = [
        change(1, "80:80/TCP", "80:81/TCP", parking=free, after=(2,)),
        change(2, "80:81/TCP", "80:80/TCP", after_parked=(1,)),
    ]
    written.planned(*swap)
    page = " ".join(" ".join(shown(written.report())).split())
    assert "parked to break a cycle: no 80/TCP for a moment, with 2 consumers connected" in page
    assert "after row 1 is parked" in page
    nobody = [
        change(row, "80:80/TCP", "80:81/TCP", parking=free, before={"connection_count": 0})
        for row in range(1, 41)
    ]
    page = shown(type(written)().planned(*nobody).report())
    assert "      web-1 parked to break a cycle: no 80/TCP for a moment" in page
    assert "      and 36 more services parked" in page


def test_rows_of_several_targets_name_theirs(written: "Written", change: "Callable[..., Change]") -> None:
    """With one target its name would be noise; with two it is needed."""
    first = change(1, "80:80/TCP", "81:80/TCP")
    written.planned(first, change(2, "80:80/TCP", "81:80/TCP", target=OTHER), targets=(first.target, OTHER))
    page = shown(written.report(), each=True)
    assert any(f"(services.csv:3, {OTHER})" in line for line in page)


def test_more_kinds_than_fit_are_counted_with_the_command_that_shows_them(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """As are reasons for which rows are refused."""
    kinds = [change(row, f"{row}:1/TCP", f"{500 + row}:{row}/TCP") for row in range(1, 41)]
    reasons = [change(row, LIVE, MOVED, Action.REFUSE, reason=f"reason {row}") for row in range(41, 61)]
    written.planned(*kinds, *reasons)
    page = shown(written.report())
    assert sum(line.startswith("~") for line in page) == KINDS_SHOWN
    rest = "28 more kinds of change, 28 services, of which 28 lose a port (56 connected consumers): bulk"
    assert rest in " ".join(" ".join(page).split())
    assert "! 8 more reasons, 8 rows" in page


def test_of_very_many_rows_the_first_are_looked_at_and_all_that_need_a_person(
    written: "Written", change: "Callable[..., Change]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how many were not, and that the figures are those of the others."""
    monkeypatch.setattr(model, "LOOKED_AT_MAX", 40)
    rows = [change(row, LIVE, MOVED) for row in range(1, 61)]
    written.planned(*rows, change(61, LIVE, MOVED, Action.REFUSE, reason="held"))
    page = shown(written.report())
    assert "! 1 refused" in " ".join(" ".join(page).split())
    assert "  21 more rows not looked at here: bulk report L --output csv" in page
    assert labelled(page, "Consumers").startswith("of the first 40 rows, 78 connected to 39 services")
    written.session()
    for row in range(1, 61):
        written.failed(row, "E.1")
    assert "  20 more rows not looked at here: bulk report L --output csv" in shown(written.report())


def test_the_totals_are_those_of_going_through_every_row(
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
    assert rows.totals() == tally.totals()
    assert in_groups(rows, each_max=0) == in_groups(rows, each_max=3) == in_groups(rows, each_max=99)


def in_groups(rows: Rows, each_max: int) -> tuple[object, ...]:
    """Return what rows in groups add up to."""
    tally, overview = Tally(), Overview()
    for some, times in rows.grouped(each_max):
        assert len(some) <= times
        tally.count(some[0], times)
        overview.add(*some, times=times)
    kinds = [
        (group.kind, group.services, group.losing, group.consumers, group.notes) for group in overview.kinds()
    ]
    return tally.totals(), overview.places, kinds, [(each.text, each.count) for each in overview.troubles()]


def test_a_group_of_few_services_names_all_and_says_if_nobody_is_connected(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Beside a larger one that takes a port; the question says what is lost in all."""
    alone = change(41, "7:7/TCP 8:8/TCP", "8:8/TCP", before={"connection_count": 0})
    written.planned(*(change(row, LIVE, MOVED) for row in range(1, 41)), alone)
    report = planned(written.report())
    assert "~  1 service   -7/TCP: web-41, no consumer connected" in shown(report)
    assert question(report, 41).endswith(" at an unknown host? 80 consumers lose a port.")


def test_a_row_with_many_mappings_is_cut_unless_all_is_asked_for(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Two hundred mappings are shown by their first six and a count."""
    many = " ".join(f"{port}:{port}/TCP" for port in range(1, 201))
    written.planned(change(1, many, "500:500/TCP"))
    assert any(" -6:6/TCP -194 more +500:500/TCP" in line for line in shown(written.report(), each=True))
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
    for each in (False, True):
        page = shown(written.report(), each=each)
        assert any("x[31m redflip2J" in line for line in page)
        assert all(character.isprintable() for line in page for character in line)


def test_a_service_that_was_not_found_is_shown_without_a_name(written: "Written") -> None:
    """A refused row without a live service still has its line."""
    body = ModifyBody()
    update = ServiceUpdate(
        row=1, place="services.csv:2", target=OTHER, service_id=ServiceId("nonsense"), body=body
    )
    unknown = Change(update=update, target=OTHER, action=Action.REFUSE, body=body, reason="no such service")
    written.planned(unknown)
    assert any(line.startswith("! nonsense   ") for line in shown(written.report(), each=True))
    assert "      nonsense (services.csv:2)" in shown(written.report())
    [row] = written.report().rows
    assert row.settings == ()


def test_rows_beyond_the_groups_that_are_told_apart_come_one_by_one(
    written: "Written", change: "Callable[..., Change]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """However different the rows of a plan are, memory goes with the groups; each row counts once."""
    monkeypatch.setattr("bulk.reports.rows.GROUPS_MAX", 1)
    monkeypatch.setattr("bulk.reports.rows._NAMED_MAX", 2)
    plan = [change(row, "1:1/TCP", f"{max(row, 6)}:1/TCP") for row in range(2, 9)]
    written.planned(*plan)
    groups = [([row.change.row for row in some], times) for some, times in written.rows().grouped(1)]
    assert groups == [([2], 1), ([7], 1), ([8], 1), ([3, 4], 4)]
