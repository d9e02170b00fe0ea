"""The HTML report in a real browser: what a reviewer sees, clicks and prints."""

import re
import uuid
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.ledger.progress import Progress
from bulk.model import (
    Action,
    Change,
    ModifyBody,
    Outcome,
    PortMapping,
    Protocol,
    Reply,
    ServiceId,
    ServiceState,
    ServiceUpdate,
    Target,
)
from bulk.plan import Estimate
from bulk.reports import as_html, as_json
from bulk.reports.report import Report
from bulk.reports.report_row import Row
from tests.browser import IS_NEEDED, Page, chromium, new_tab
from tests.values import OneByOne

pytestmark = IS_NEEDED
TARGET = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")
HOSTILE = "<img src=x onerror=hacked=1></script><script>hacked=1</script>&amp;<!--"


# The browser


class ReportPage(Page):
    """A report in a tab."""

    folder = Path()

    async def open(self, report: Report, *, width: int = 1440, height: int = 900) -> None:
        """Load a report in a window of that size."""
        file = self.folder / "report.html"
        file.write_text("".join(as_html.render(report)))
        await self.load(file.as_uri(), width=width, height=height)

    async def type(self, words: str) -> None:
        """Fill in the filter."""
        await self.js(
            f"words.value = {orjson.dumps(words).decode()}; words.dispatchEvent(new Event('input'))"
        )

    async def sort(self, order: str) -> None:
        """Choose an order."""
        await self.js(
            f"order.value = {orjson.dumps(order).decode()}; order.dispatchEvent(new Event('change'))"
        )

    async def names(self) -> list[str]:
        """Return the names of the services drawn, top down."""
        return await self.js("[...document.querySelectorAll('#list .name')].map(name => name.textContent)")


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a running browser's DevTools."""
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
async def page(devtools: str, tmp_path: Path) -> AsyncIterator[ReportPage]:
    """Return a new tab; whatever a test does, the page may cause no error and ask for nothing but itself."""
    async with new_tab(devtools) as socket:
        page = ReportPage(socket)
        page.folder = tmp_path
        yield page
        assert not page.complaints()
        assert page.requests() <= {(tmp_path / "report.html").as_uri()}
        await page.call("Page.close")


# The reports


def mapping(port: int) -> PortMapping:
    """Return `port:port/TCP`."""
    return PortMapping(client_port=port, server_port=port, protocol=Protocol.TCP)


def row(number: int, action: Action, *, name: str = "", outcome: Outcome | None = None, **fields: Any) -> Row:
    """Return a row that changes mapping 80 to one of its own and keeps 22."""
    service_id = ServiceId(str(uuid.UUID(int=number)))
    before = ServiceState(
        id=service_id,
        ports=(mapping(22), mapping(80)),
        status="available",
        service_name=f"r.{name or f'web-{number}'}.i",
        description="old",
    )
    wanted = before.ports if action is Action.KEEP else (mapping(22), mapping(1000 + number % 9000))
    body = ModifyBody(ports=wanted, description=fields.pop("description", None))
    update = ServiceUpdate(
        row=number,
        place=f"services.csv:{number + 1}",
        target=TARGET,
        service_id=service_id,
        body=body,
        note=fields.pop("note", ""),
    )
    reason = fields.pop("reason", "")
    change = Change(update=update, target=TARGET, action=action, before=before, body=body, reason=reason)
    return Row(change=change, outcome=outcome, **fields)


def report(rows: list[Row], **fields: Any) -> Report:
    """Return a report of these rows; `run` and `notes` are what the ledger holds besides."""
    progress = Progress()
    progress.notes = fields.pop("notes", [])
    progress.planned = {"digest": "sha256:" + "cd" * 32, "at": "2026-01-15T08:30:00.123Z"}
    progress.run = {
        "job": "services",
        "job_sha256": "ab" * 32,
        "run_id": "0123456789abcdef",
        "version": "0.1.0",
        "targets": [{"region": TARGET.region, "project_id": TARGET.project_id, "profile": ""}],
    } | fields.pop("run", {})
    return Report(
        progress=progress, rows=OneByOne(rows), advice=lambda code: f"what to do about {code}", **fields
    )


def plan() -> Report:
    """Return a plan of 40 rows: updates, one already right, and two refusals far down."""
    rows = [row(number, Action.UPDATE, name=f"n-{41 - number:02}") for number in range(1, 37)]
    rows += [row(37, Action.KEEP, name="kept")]
    rows += [row(38, Action.REFUSE, name="cycle", reason="A 80/TCP -> B 443/TCP -> A")]
    rows += [row(39, Action.REFUSE, name="held", reason="80/TCP is held by another service")]
    rows += [row(40, Action.UPDATE, name="last", description="new", note="ticket NET-7")]
    return report(rows, estimate=Estimate(requests=41, duration_s=4.1, rate_per_s=10, window_s=60))


def ran() -> Report:
    """Return a run of five rows: failed, drifted and refused ones among them."""
    failed = Reply(http=400, code="EndPoint.3044", message="ports clash", request_id="req-2", ms=77)
    found = ServiceState(id=ServiceId(str(uuid.UUID(int=3))), ports=(mapping(9),), status="available")
    moved = Reply(code="drifted", message="moved since the plan: ports")
    rows = [
        row(1, Action.UPDATE, outcome=Outcome.APPLIED, reply=Reply(http=200, ms=20), attempts=1),
        row(2, Action.UPDATE, outcome=Outcome.FAILED, reply=failed, attempts=1),
        row(3, Action.UPDATE, outcome=Outcome.DRIFTED, reply=moved, observed=found),
        row(4, Action.KEEP, outcome=Outcome.ALREADY),
        row(5, Action.REFUSE, name="held", outcome=Outcome.REFUSED, reason="80/TCP is held"),
    ]
    applied = report(rows)
    who = {"host": "bastion", "pid": 7, "user": "ops", "settings": {}}
    applied.progress.sessions = [{"n": 9, "at": "2026-01-15T08:31:00.000Z", **who}]
    applied.progress.last_at = "2026-01-15T08:32:00.000Z"
    applied.progress.worked_at = applied.progress.last_at
    applied.progress.ends = [{"n": 20, "at": "2026-01-15T08:32:00.000Z", "reason": "finished"}]
    applied.progress.sent = 2
    return applied


# What holds


async def test_refusals_and_cycles_come_first_with_their_reason(page: ReportPage) -> None:
    """Wherever they stand in the job, a reviewer meets them at the top, open."""
    await page.open(plan())
    assert (await page.names())[:3] == ["cycle", "held", "n-40"]
    assert await page.js("list.firstChild.open") is True
    assert await page.js("list.firstChild.querySelector('.why').textContent") == "A 80/TCP -> B 443/TCP -> A"
    await page.open(ran())
    assert (await page.names())[:3] == ["held", "web-2", "web-3"]


async def test_a_removed_mapping_is_red_and_has_its_sigil(page: ReportPage) -> None:
    """Before and after stand side by side; what goes is told by colour and by sign, what stays by neither."""
    await page.open(plan())
    await page.type("NET-7")
    await page.js("list.firstChild.open = true; new Promise(requestAnimationFrame)")
    cells = "[...list.querySelectorAll('.ports tbody tr')].map(tr => [...tr.cells].map(td => td.textContent))"
    assert await page.js(cells) == [
        ["=", "port", "22:22/TCP", "22:22/TCP"],
        ["−", "port", "80:80/TCP", "none"],
        ["+", "port", "none", "1040:1040/TCP"],
        ["~", "description", "old", "new"],
    ]
    colours = await page.js("['.gone', '.new'].map(cell => getComputedStyle(list.querySelector(cell)).color)")
    assert colours == ["rgb(177, 32, 26)", "rgb(26, 107, 54)"]


async def test_words_filter_on_every_field_and_all_must_match(page: ReportPage) -> None:
    """Name, id, place, port, code and note are searched, in any case."""
    await page.open(plan())
    for words, names in (
        ("NET-7", ["last"]),
        ("n-0 1035:1035", ["n-06"]),
        ("SERVICES.CSV:38", ["kept"]),
        ("held another", ["held"]),
        ("nowhere", []),
    ):
        await page.type(words)
        assert await page.names() == names
        assert await page.js("shown.textContent") == f"{len(names)} of 40 services"
    await page.type("")
    assert await page.js("shown.textContent") == "40 services"


async def test_outcomes_can_be_hidden_and_shown(page: ReportPage) -> None:
    """Each button hides its outcome and says so to a screen reader; pressed again it brings it back."""
    await page.open(plan())
    button = "document.querySelector('#results button[value=update]')"
    await page.js(f"{button}.click()")
    assert await page.names() == ["cycle", "held", "kept"]
    assert await page.js(f"{button}.getAttribute('aria-pressed')") == "false"
    await page.js(f"{button}.click()")
    assert len(await page.names()) == 40


async def test_services_sort_by_what_is_chosen(page: ReportPage) -> None:
    """By name, by the plan's order, by the slowest reply after a run."""
    await page.open(plan())
    await page.sort("service name")
    assert (await page.names())[:4] == ["cycle", "held", "kept", "last"]
    await page.sort("order of the plan")
    assert (await page.names())[-4:] == ["kept", "cycle", "held", "last"]
    await page.open(ran())
    await page.sort("slowest reply")
    assert (await page.names())[:2] == ["web-2", "web-1"]


async def test_all_services_expand_and_collapse(page: ReportPage) -> None:
    """One click opens every service drawn with its table, another closes all."""
    await page.open(plan())
    await page.js("expand.click()")
    assert await page.js("[...list.children].every(service => service.open)")
    assert await page.js("list.querySelectorAll('.ports').length") == 40
    await page.js("collapse.click()")
    assert not await page.js("[...list.children].some(service => service.open)")


async def test_a_run_shows_code_request_and_what_was_found(page: ReportPage) -> None:
    """The failed row has what the cloud's support asks for; the drifted one both states."""
    await page.open(ran())
    told = await page.js("list.innerText")
    for words in ("400 EndPoint.3044", "req-2", "77 ms", "ports clash", "moved since the plan"):
        assert words in told
    found = (
        "[...list.querySelectorAll('th')].map(th => th.textContent).filter(text => text === 'Found').length"
    )
    assert await page.js(found) == 1
    assert "what to do about EndPoint.3044" in await page.js("document.body.innerText")


@pytest.mark.parametrize("make", [plan, ran])
async def test_figures_are_those_of_the_json_report(page: ReportPage, make: Any) -> None:
    """Tiles, buttons and mappings say what the JSON says."""
    await page.open(make())
    totals = orjson.loads("".join(as_json.render(make())))["totals"]
    counts = totals["outcomes"] or totals["actions"]
    buttons = "[...results.querySelectorAll('button')].map(b => [b.value, b.textContent.split(' ').at(-1)])"
    assert dict(await page.js(buttons)) == {name: str(rows) for name, rows in counts.items() if rows}
    tiles = await page.js("[...document.querySelectorAll('.tiles strong')].map(tile => tile.textContent)")
    if totals["outcomes"]:
        assert tiles[1:] == [str(rows) for rows in counts.values() if rows]
        mappings = totals["mappings_applied"]
    else:
        refused = f"{counts['refuse']} rows"
        assert tiles == ["cn-north-4", f"{counts['update']} services", "nobody", refused, "about 4 s"]
        mappings = totals["mappings_planned"]
    expected = f"{mappings['added']} added, {mappings['removed']} removed, {mappings['kept']} kept"
    assert expected in await page.js("document.querySelector('main').innerText")


async def test_names_that_try_to_be_markup_stay_names(page: ReportPage) -> None:
    """Names, notes, reasons, codes and the job's own name are shown letter by letter and never run."""
    hostile = [
        row(1, Action.UPDATE, name=HOSTILE, note=HOSTILE, description=HOSTILE),
        row(2, Action.REFUSE, reason=HOSTILE),
        row(
            3,
            Action.UPDATE,
            outcome=Outcome.FAILED,
            reply=Reply(http=400, code=HOSTILE, message=HOSTILE, request_id=HOSTILE),
        ),
    ]
    await page.open(
        report(
            hostile,
            run={"job": HOSTILE},
            notes=[{"at": "", "type": "note", "about": HOSTILE, "message": HOSTILE}],
        )
    )
    await page.js("expand.click()")
    assert await page.js("typeof hacked") == "undefined"
    assert await page.js("document.images.length") == 0
    assert await page.js("document.scripts.length") == 2
    assert HOSTILE in await page.names()
    assert HOSTILE in await page.js("document.querySelector('h1').textContent")
    whys = await page.js("[...list.querySelectorAll('.why')].map(why => why.textContent)")
    assert whys == [HOSTILE, HOSTILE]


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("make", [plan, ran])
async def test_the_page_never_scrolls_sideways(page: ReportPage, width: int, make: Any) -> None:
    """On a phone and on a laptop, with everything open and text that has no blank to break at."""
    unbroken = row(99, Action.REFUSE, name="x" * 128, reason="y" * 500, note="z" * 500, description="w" * 128)
    whole = make()
    await page.open(replace(whole, rows=OneByOne([*whole.rows, unbroken])), width=width)
    await page.js("expand.click()")
    assert await page.js("document.documentElement.scrollWidth") <= width
    for media in ("print", "screen"):
        await page.call("Emulation.setEmulatedMedia", media=media)
        assert await page.js("document.documentElement.scrollWidth") <= width


async def test_paper_has_one_line_for_each_service_and_no_tools(page: ReportPage) -> None:
    """Printing draws what scrolling would have drawn, opens what needs a person, has no tools."""
    rows = [row(number, Action.UPDATE) for number in range(1, 296)]
    await page.open(report([*rows, row(296, Action.REFUSE, reason="held")]))
    assert await page.js("list.children.length") == 100
    printed = await page.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
    paper = b64decode(printed["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) <= 12
    assert await page.js("list.children.length") == 296
    assert await page.js("[...list.querySelectorAll('details[open] .why')].map(why => why.textContent)") == [
        "held"
    ]
    await page.call("Emulation.setEmulatedMedia", media="print")
    assert await page.js("getComputedStyle(tools).display") == "none"
    heights = (
        "new Set([...list.children].slice(1).map(each => Math.round(each.getBoundingClientRect().height)))"
    )
    assert await page.js(f"Math.max(...{heights})") <= 20


async def test_ten_thousand_services_are_drawn_as_they_are_needed(page: ReportPage) -> None:
    """A file of a few megabytes opens with the first hundred; scrolling and filtering reach all others."""
    await page.open(report([row(number, Action.UPDATE) for number in range(1, 10_001)]))
    assert (page.folder / "report.html").stat().st_size < 6_000_000
    assert await page.js("list.children.length") == 100
    await page.js("scrollTo(0, document.body.scrollHeight); new Promise(requestAnimationFrame)")
    await page.js("new Promise(requestAnimationFrame)")
    assert await page.js("list.children.length") == 200
    await page.type("web-9999")
    assert await page.names() == ["web-9999"]


async def test_without_javascript_the_totals_still_stand(page: ReportPage) -> None:
    """The figures are in the page itself; the list says what it needs and what to use instead."""
    await page.call("Emulation.setScriptExecutionDisabled", value=True)
    file = page.folder / "report.html"
    file.write_text("".join(as_html.render(plan())))
    await page.call("Page.enable")
    await page.call("Page.navigate", url=file.as_uri())
    while not any(event["method"] == "Page.loadEventFired" for event in page.events):
        page.events.append(orjson.loads((await page.socket.receive()).data))
    document = await page.call("DOM.getDocument", depth=-1)
    html = (await page.call("DOM.getOuterHTML", nodeId=document["root"]["nodeId"]))["outerHTML"]
    assert "<strong>37 services</strong>" in html
    assert "needs JavaScript" in html
