"""The page of `bulk watch --serve` in a real browser: what people see while a run goes on."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.app.environment import Environment, system
from bulk.app.watch_server import Address, Published, serving
from bulk.app.watching import Seen, Watch
from bulk.ledger.file import fold
from bulk.ledger.progress import changes_ended
from bulk.ledger.records import Intent, OutcomeRecord, Record
from bulk.model import Outcome, Reply
from bulk.reports.watch_view import View
from tests.browser import IS_NEEDED, Page, chromium, new_tab
from tests.fakes import FakeClock
from tests.forging import forged, ledger
from tests.values import change, end_record, planned, run_record, session_record

pytestmark = IS_NEEDED
HOSTILE = "<img src=x onerror=hacked=1></script><script>hacked=1</script>&amp;<!--\u202egnp"
ROWS = 12
RECORDER = """
const seen = [];
window.EventSource = class extends EventSource {
  set onmessage(take) {
    super.onmessage = (event) => {
      take(event);
      const {status} = JSON.parse(event.data);
      seen.push({n: Number(event.lastEventId), status, text: document.body.innerText});
    };
  }
};
let ahead = 0;
const now = performance.now.bind(performance);
performance.now = () => now() + ahead;
"""


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a running browser's DevTools."""
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
async def page(devtools: str) -> AsyncIterator[Page]:
    """Return a new tab that keeps what it was sent and showed, and that may cause no error."""
    async with new_tab(devtools) as socket:
        page = Page(socket)
        await page.call("Page.enable")
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=RECORDER)
        yield page
        assert not page.complaints()
        await page.call("Page.close")


@asynccontextmanager
async def served(page: Page, seen: Seen, **size: int) -> AsyncIterator[Published]:
    """Serve a run, with a tab that shows it."""
    published = Published((), has_metrics=False)
    published.show(seen)
    async with serving(published.server, Address(host="127.0.0.1", port=0)) as at:
        await page.load(str(at), **size)
        await shows(page, lambda each: each["n"] == seen.n)
        yield published


async def shows(page: Page, is_it: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Return what the tab has been sent once the last of it is as wanted."""
    for _ in range(500):
        events = await page.js("typeof seen === 'undefined' ? [] : seen")
        if events and is_it(events[-1]):
            return events
        await asyncio.sleep(0.02)
    raise AssertionError(events)


def at_a_minute_past(clock: FakeClock) -> Environment:
    """Return an environment at that time, in UTC."""
    return replace(system(), env={"TZ": "UTC"}, clock=clock)


def run_at_work() -> list[Record]:
    """Return the records of a run with an end of every kind."""
    changes = [change(row) for row in range(1, ROWS + 1)]
    records: list[Record] = [run_record(), *changes, planned(*changes), session_record(not_attempted=ROWS)]
    for row in range(1, ROWS):
        reply = Reply(http=400, code="EndPoint.3044", message=HOSTILE) if row % 4 == 0 else Reply(http=200)
        outcome = Outcome.FAILED if row % 4 == 0 else Outcome.APPLIED
        records += [Intent(row=row, attempt=1), OutcomeRecord(row=row, outcome=outcome, reply=reply)]
    return [*records, Intent(row=ROWS, attempt=1)]


async def test_the_figures_of_every_event_are_those_of_the_ledger_up_to_its_id(
    page: Page, tmp_path: Path
) -> None:
    """And what the page shows at it is the same."""
    path = tmp_path / "job-20260115T083000.000Z.ledger.jsonl"
    records = run_at_work()
    begun = next(n for n, record in enumerate(records) if isinstance(record, Intent))
    lines = forged(ledger(*records)).splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:begun]))
    watch = Watch(path, at_a_minute_past(FakeClock()))
    async with served(page, watch.look()) as published:
        for end in range(begun + 1, len(lines) + 1):
            path.write_bytes(b"".join(lines[:end]))
            published.show(watch.look())
            await shows(page, lambda each, end=end: each["n"] == end - 1)
        events = await page.js("seen")
    assert [event["n"] for event in events] == [*range(begun - 1, len(lines))]
    for event in events:
        path.write_bytes(b"".join(lines[: event["n"] + 1]))
        progress, status, text = fold(path), event["status"], event["text"]
        assert status["outcomes"] == {each.value: rows for each, rows in progress.counts().items()}
        assert (status["puts_sent"], status["ended"]) == (progress.sent, progress.ended)
        assert status["codes"] == dict(progress.codes)
        assert f"{changes_ended(progress)} of {ROWS}" in text
        for outcome in (Outcome.APPLIED, Outcome.FAILED):
            rows = status["outcomes"][outcome]
            assert (f"{outcome.facts.sigil} {rows} {outcome.facts.phrase}" in text) is (rows > 0)


def finished(tmp_path: Path, *, job: str = "services.csv") -> Seen:
    """Return a run that has finished."""
    changes = [change(row) for row in range(1, 3)]
    path = tmp_path / "job-20260115T083000.000Z.ledger.jsonl"
    rows: list[Record] = [
        record
        for row in (1, 2)
        for record in (Intent(row=row, attempt=1), OutcomeRecord(row=row, outcome=Outcome.APPLIED))
    ]
    records = [run_record(job), *changes, planned(*changes), session_record(), *rows, end_record(applied=2)]
    path.write_bytes(forged(ledger(*records)))
    return Watch(path, at_a_minute_past(FakeClock())).look()


def with_view(seen: Seen, **changed: Any) -> Seen:
    """Return a look with something else in its view."""
    return replace(seen, view=replace(seen.view, **changed))


def everywhere(view: View, words: str) -> dict[str, Any]:
    """Return all that a view has of foreign text, each replaced by these words."""
    lane = replace(view.lanes[0], name=words, more=words, limit=words)
    return {
        **dict.fromkeys(("job", "reason", "reason_more", "explained", "trouble", "window", "budget"), words),
        "who": (words,),
        "lanes": (lane,),
        "advice": (words,),
        "decisions": ((words, words),),
        "commands": ((words, words),),
        "counts": (("good", words),),
    }


async def test_hostile_names_are_text(page: Page, tmp_path: Path) -> None:
    """Wherever they stand: no element comes of them, and nothing of them runs."""
    seen = finished(tmp_path)
    async with served(page, with_view(seen, **everywhere(seen.view, HOSTILE))):
        assert await page.js("typeof hacked") == "undefined"
        assert await page.js("document.querySelectorAll('img').length") == 0
        assert await page.js("document.querySelectorAll('script').length") == 1
        for place in ("job", "reason", "who", "explained", "trouble"):
            assert await page.js(f"document.getElementById('{place}').textContent") == HOSTILE
        assert HOSTILE in await page.js("document.title")


async def test_a_new_event_is_spoken_only_where_the_reason_changes(page: Page, tmp_path: Path) -> None:
    """What is live for a screen reader is left alone while only figures and times change."""
    seen = finished(tmp_path)
    async with served(page, seen) as published:
        await page.js(
            "window.spoken = []; new MutationObserver(() => spoken.push(1)).observe("
            "document.querySelector('[aria-live]'), {childList: true, characterData: true, subtree: true})"
        )
        for n, changed in enumerate(({"done": 1}, {"reason_more": " in 3 min"}, {"left": "1 s"}), seen.n + 1):
            published.show(replace(with_view(seen, **changed), n=n))
        await shows(page, lambda each: each["n"] == seen.n + 3)
        assert await page.js("spoken.length") == 0
        published.show(replace(with_view(seen, reason="Waiting for the window"), n=99))
        await shows(page, lambda each: each["n"] == 99)
        assert await page.js("spoken.length") == 1
        assert await page.js("document.querySelectorAll('[aria-live]').length") == 1


async def test_what_nobody_has_heard_of_for_45_s_is_said_and_estimates_vanish(
    page: Page, tmp_path: Path
) -> None:
    """Of the run, and of the server of the page; both come back with the next event."""
    seen = with_view(finished(tmp_path), silent_s=1.0, left="about 9 s left", ends="ends about 9")
    async with served(page, seen) as published:
        assert re.fullmatch(r"live, \d s ago", await live(page))
        await page.js("ahead = 30000")
        assert re.fullmatch(r"live, 3\d s ago", await live(page))
        assert "about 9 s left" in await page.js("document.body.innerText")
        await page.js("ahead = 44000")
        assert re.fullmatch(r"no word for 4\d s", await live(page))
        text = await page.js("document.body.innerText")
        assert "about 9 s left" not in text
        assert "ends about 9" not in text
        published.show(replace(seen, n=99))
        await shows(page, lambda each: each["n"] == 99)
        assert re.fullmatch(r"live, \d s ago", await live(page))
        assert "about 9 s left" in await page.js("document.body.innerText")
    for _ in range(500):
        if (await live(page)).startswith("connection lost"):
            break
        await asyncio.sleep(0.02)
    await page.js("ahead += 60000")
    assert (await live(page)).startswith("no word for ")
    assert "No word from the server of this page" in await page.js("document.body.innerText")
    page.events.clear()  # the browser complains of the connection that was lost, as it should


async def live(page: Page) -> str:
    """Return how old the page says that it is, as of now."""
    return await page.js(
        "new Promise(said => setTimeout(() => said(document.getElementById('live').textContent), 1050))"
    )


@pytest.mark.parametrize("width", [390, 1440])
async def test_nothing_scrolls_sideways_or_has_a_style_of_its_own(
    page: Page, tmp_path: Path, width: int
) -> None:
    """At the width of a telephone as on a desk, with the longest words."""
    seen = finished(tmp_path)
    async with served(page, with_view(seen, **everywhere(seen.view, "x" * 90)), width=width):
        assert await page.js("document.documentElement.scrollWidth") <= width
        assert await page.js("document.querySelectorAll('[style]').length") == 0
        size = "parseFloat(getComputedStyle(document.getElementById('reason')).fontSize)"
        others = "[...document.querySelectorAll('main *, header p')].map(each => "
        others += "parseFloat(getComputedStyle(each).fontSize))"
        assert await page.js(f"{size} > Math.max(...{others})")


async def test_the_page_asks_for_itself_and_its_events_and_nothing_else(page: Page, tmp_path: Path) -> None:
    """Its own policy forbids all else, and that anybody frames it."""
    seen = finished(tmp_path)
    async with served(page, seen):
        paths = {"/" + url.split("/", 3)[3] for url in page.requests()}
        assert paths <= {"/", "/events", "/favicon.ico"}
        answer = await page.js("fetch('/').then(answer => answer.headers.get('content-security-policy'))")
        assert answer.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in answer
        assert "unsafe" not in answer
        event = orjson.loads(await page.js("fetch('/status.json').then(answer => answer.text())"))
        assert event == orjson.loads(orjson.dumps(seen.status))
