"""The report as Markdown and as HTML, without a browser, and the timeline's drawing."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import orjson
import pytest

from bulk.model import Action, Limit, ModifyBody, Outcome, Target
from bulk.plan import Estimate
from bulk.reports import as_html, as_markdown
from bulk.reports.chart import Rect, chart_of
from bulk.reports.report import Commands
from bulk.reports.timeline import Timeline
from bulk.text import harmless

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bulk.model import Change
    from tests.unit.reports.conftest import Written

HOSTILE = "</script><b>|`*_"


def page(written: "Written", **more: "Any") -> str:
    """Return the HTML of what has been written."""
    return "".join(as_html.render(written.report(**more)))


def data(html: str) -> "Any":
    """Return what the page's script is given."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return orjson.loads(found[1])


# HTML


def test_the_page_of_a_plan_holds_its_figures_without_any_script(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Totals, digest, estimate and misfit stand in the page itself."""
    written.planned(
        change(1, "80:80/TCP", "81:81/TCP"), change(2, "1:1/TCP", "2:2/TCP", Action.REFUSE, reason="held")
    )
    written.progress.run |= {"user": "ann", "host": "bastion-1"}
    estimate = Estimate(requests=2, duration_s=3600, rate_per_s=1, window_s=60, window="02:00-02:01")
    commands = Commands(apply="bulk apply p.plan", rollback="bulk rollback p.plan")
    html = page(written, estimate=estimate, commands=commands)
    assert "1 row needs attention" in html
    assert "<span>2 requests at 1/s; 02:00-02:01; the run does not fit its 1 min</span>" in html
    for words in ("2 consumers", "connected to 1 service", "<strong>about 1 h</strong>", "held", "Ctrl-C"):
        assert words in html
    assert "<code>bulk apply p.plan --expect-digest cdcdcdcdcdcdcdcd</code>" in html
    assert "<code>bulk rollback p.plan</code>" in html
    assert "sha256:" + "cd" * 32 in html
    assert f"<code>{' '.join(['cdcd'] * 16)}</code>" in html
    assert "2026-01-15 08:30 UTC by ann on bastion-1" in html
    assert "The run</h2>" not in html
    local = "".join(as_html.render(replace(written.report(), zone=ZoneInfo("Asia/Shanghai"))))
    assert "2026-01-15 16:30 CST (08:30 UTC) by ann on bastion-1" in local


def test_the_page_of_a_run_shows_sessions_failures_and_the_timeline(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """How it ended, what failed and what to do, how fast it went, who ran it."""
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2, 3))).session()
    written.paced(10, Limit(requests=20, window_s=1.0)).applied(1).end().session().failed(2, "EndPoint.3044")
    html = page(written)
    for words in (
        "what to do about EndPoint.3044",
        "<svg",
        "still at work, or died",
        "Notes (1)",
        "Not ended",
    ):
        assert words in html
    assert len(re.findall(r'<rect class="accepted"', html)) == 2


def test_the_policy_of_the_page_lets_its_own_style_and_script_run_and_no_other(written: "Written") -> None:
    """The hashes are those of what stands between the tags."""
    html = page(written.planned())
    for tag in ("style", "script"):
        content = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert len(content) == (2 if tag == "style" else 1)
        for each in content:
            assert f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" in html
    assert "http:" not in html.replace("http://www.w3.org", "")
    assert "https:" not in html


def test_nothing_from_outside_can_end_the_data_element(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Markup in names and notes arrives as text, and no `<` stands in the data."""
    written.planned(
        change(1, "80:80/TCP", "81:81/TCP", note=HOSTILE, before={"service_name": f"r.{HOSTILE}.i"})
    )
    html = page(written)
    assert HOSTILE not in html
    told = data(html)
    row = told["rows"][0]
    assert row[4] == HOSTILE
    assert dict(zip(told["head"]["texts"], row[18], strict=True))["Note"] == HOSTILE


def test_the_data_names_each_target_once(written: "Written", change: "Callable[..., Change]") -> None:
    """Rows refer to their target by number, one outside the run's own list included."""
    strange = Target(region="cn-north-4", project_id="")
    written.planned(
        change(1, "1:1/TCP", "2:2/TCP"),
        change(2, "1:1/TCP", "2:2/TCP", target=strange),
        change(3, "1:1/TCP", "2:2/TCP"),
    )
    told = data(page(written))
    assert [told["head"]["targets"][row[2]].split("/")[1][:6] for row in told["rows"]] == [
        "6e9dfd",
        "(proje",
        "6e9dfd",
    ]


def test_a_job_of_many_targets_lists_only_the_first(written: "Written") -> None:
    """Ten thousand projects do not fill the head of the page."""
    targets = tuple(Target(region="cn-north-4", project_id=f"{n:032x}") for n in range(20))
    assert "and 8 more" in page(written.planned(targets=targets))


# Markdown


def test_markdown_begins_with_totals_then_what_is_wrong_then_every_change(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A ticket shows the sum first; a row that failed stands in both tables."""
    written.planned(
        change(1, "80:80/TCP", "81:81/TCP", body={"description": "new"}, before={"description": "old"}),
        change(2, "80:80/TCP 1:1/UDP", "80:80/TCP"),
        change(3, "80:80/TCP", "80:80/TCP", Action.KEEP),
        change(4, "80:80/TCP", "1:1/TCP", Action.REFUSE, reason="held"),
    )
    written.session().applied(1).failed(2, "EndPoint.3044", "ports clash").unsent(3, Outcome.ALREADY)
    written.unsent(4, Outcome.REFUSED, "held")
    told = "".join(as_markdown.render(written.report())).splitlines()
    assert told[0].startswith("# services.csv stands at 2 of 4 services as asked; 1 failed, 1 refused")
    assert told[2] == f"- Digest: `sha256:{'cd' * 32}`"
    assert "- Applied: 1, not yet looked at again; 1 already right, 1 failed, 1 refused" in told
    wrong = told.index("## Needs attention (2)")
    first, second = "00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000004"
    assert told[wrong + 4 : wrong + 6] == [
        f"| `!` failed | {first} | web-2 | services.csv:3 | EndPoint.3044: ports clash |",
        f"| `!` refused | {second} | web-4 | services.csv:5 | held |",
    ]
    changes = told.index("## Changes (2)")
    assert told[changes + 4] == (
        "| `+` applied | 00000000-0000-0000-0000-000000000001 | web-1 | `80:80/TCP` | `81:81/TCP` | 0 |"
        r" description: old -\> new | services.csv:2 |"
    )


def test_a_plan_in_which_all_is_right_has_no_tables(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Nothing to change, nothing wrong: only the totals."""
    written.planned(change(1, "80:80/TCP", "80:80/TCP", Action.KEEP))
    told = "".join(as_markdown.render(written.report()))
    assert told.startswith("# Nothing to change: the only service in ")
    assert "## What changes" not in told
    assert "## Changes" not in told


def test_markdown_of_any_job_fits_a_ticket_and_has_the_digest_at_its_beginning(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """What does not fit is counted, with the command that gives it; kinds and projects as well."""
    targets = tuple(Target(region=f"r-{n}", project_id=f"{n:032x}") for n in range(50))
    plan = [
        change(row, f"{row}:1/TCP", f"{1000 + row}:{row}/TCP", target=targets[row % 50])
        for row in range(1, 500)
    ]
    plan += [
        change(row, "1:1/TCP", "2:2/TCP", Action.REFUSE, reason="x" * 300, target=targets[0])
        for row in range(500, 700)
    ]
    written.planned(*plan, targets=targets)
    commands = Commands(rows="bulk plan `j` --output csv", apply="bulk apply j", rollback="bulk rollback j")
    whole = "".join(as_markdown.render(written.report(commands=commands)))
    assert len(whole) < 60_000
    assert f"sha256:{'cd' * 32}" in whole[:200]
    assert "more rows: ``bulk plan `j` --output csv``." in whole
    assert "And 459 more kinds of change, 459 services, of which 459 lose a port (" in whole
    assert "And 10 more projects, " in whole
    assert "- To apply exactly this plan: `bulk apply j --expect-digest cdcdcdcdcdcdcdcd`" in whole
    assert "| Approved | | | |" in whole
    swap = change(1, "80:80/TCP", "80:81/TCP", parking=ModifyBody(ports=()), reason="look")
    noted = change(2, "1:1/TCP", "1:2/TCP", reason="look")
    parked = "".join(as_markdown.render(type(written)().planned(swap, noted).report()))
    assert "note: look (1 service)" in parked
    assert "web-1 parked to break a cycle: no 80/TCP for a moment" in parked
    assert "no row" in "".join(as_markdown.render(type(written)().planned().report()))


def test_nothing_in_the_page_steers_a_terminal_that_shows_its_source(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Nor a target, which the page takes as it is and not as text."""
    target = Target(region="cn-north-4", project_id="p", profile="x\x9b31m\u202e")
    html = page(written.planned(replace(change(1, "1:1/TCP", "2:2/TCP"), target=target), targets=(target,)))
    assert "x31m@cn-north-4/p" in html
    assert harmless(html) == html


def test_the_page_has_the_first_rows_of_a_very_large_job_and_those_that_need_a_person(
    written: "Written", change: "Callable[..., Change]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are counted, with the command that gives them; groups are those of all."""
    monkeypatch.setattr(as_html, "ROWS_MAX", 3)
    monkeypatch.setattr(as_html, "GROUPS_MAX", 1)
    plan = [change(row, "1:1/TCP", f"{row}:{row}/TCP") for row in range(2, 12)]
    plan += [
        change(row, "1:1/TCP", "2:2/TCP", Action.REFUSE, reason=f"no {row % 2}") for row in range(12, 20)
    ]
    written.planned(*plan)
    html = page(written, commands=Commands(rows="bulk plan j --output csv"))
    assert [row[0] for row in data(html)["rows"]] == [2, 3, 4, 12, 13, 14]
    left_out = "The other 12 rows are counted above, and listed in the CSV report: "
    assert f"This page lists 6 rows. {left_out}<code>bulk plan j --output csv</code>." in html
    assert "And 9 more kinds of change, 9 services, of which 9 lose a port (18 connected consumers)." in html
    assert "And 1 more reason." in html


def test_the_rows_of_the_page_have_a_bounded_length(
    written: "Written", change: "Callable[..., Change]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row may have 200 mappings; what needs a person has room of its own."""
    monkeypatch.setattr(as_html, "CHARS_MAX", 400)
    plan = [change(row, "1:1/TCP", "2:2/TCP") for row in range(1, 10)]
    written.planned(*plan, change(10, "1:1/TCP", "2:2/TCP", Action.REFUSE, reason="no"))
    numbers = [row[0] for row in data(page(written))["rows"]]
    assert numbers[0] == 1
    assert numbers[-1] == 10
    assert len(numbers) < 10


def test_markdown_shows_hostile_text_as_it_is() -> None:
    """Pipes, backticks, emphasis, links and markup lose their meaning; breaks cannot end the table's row."""
    assert as_markdown.escaped("a|b`c\n<i>[x](y)_z_") == r"a\|b\`c \<i\>\[x\](y)\_z\_"


# The drawing


def test_bars_fill_the_box_and_refusals_stand_on_top(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Two seconds, one reply each: the upper edge is 1/s, and each bar is as high as the box."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP"), change(2, "1:1/TCP", "2:2/TCP")).session()
    written.applied(1).throttled(2)
    chart = chart_of(written.timeline)
    assert (chart.top_per_s, chart.length, chart.bar) == (1, "5.0 s", "1 s")
    assert chart.accepted == (Rect(x=412, y=0, width=176, height=100),)
    assert chart.refused == (Rect(x=812, y=0, width=176, height=100),)
    assert chart.pace == chart.limit == ""


def test_the_pace_is_a_staircase_and_no_line_leaves_the_box(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A rate holds until the next; a limit above the upper edge is drawn at the edge."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP")).session()
    fast = Limit(requests=400, window_s=1.0)
    written.paced(5, fast).paced(2, fast).end().session()
    chart = chart_of(written.timeline)
    assert chart.top_per_s == 5
    assert chart.pace == "M250.0 0.0H500.0V60.0H1000.0"
    assert chart.limit == "M250.0 0.0H500.0V0.0H1000.0"
    assert chart.sessions == (750,)


def test_a_run_without_replies_has_an_empty_drawing() -> None:
    """The axis still has an end."""
    chart = chart_of(Timeline())
    assert (chart.accepted, chart.refused, chart.top_per_s) == ((), (), 1)


@pytest.mark.parametrize(("minutes", "bar"), [(1, "1 s"), (600, "10 min")])
def test_the_width_of_a_bar_is_told(minutes: int, bar: str) -> None:
    """Seconds in short runs, minutes in long ones."""
    timeline = Timeline()
    for n, (kind, hour, minute) in enumerate((("session", 0, 0), ("end", minutes // 60, minutes % 60))):
        timeline.step({"n": n, "at": f"2026-01-15T{hour:02}:{minute:02}:00.000Z", "type": kind})
    assert chart_of(timeline).bar == bar
