"""The report as one HTML file that needs no network: a page, its style, its script and the rows as JSON.

The page's own policy lets exactly this style and this script run (Content Security Policy Level 3, hashes), and
the script sets what comes from outside as text: a service's name cannot become markup.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from bulk.core.model import Action, Outcome, Ports
from bulk.core.reports.chart import chart_of
from bulk.core.reports.model import Report
from bulk.core.reports.row import Contrast, Row
from bulk.core.reports.status import STOPPED
from bulk.core.reports.summary import estimated
from bulk.core.reports.totals import Tally
from bulk.core.reports.words import PHRASE, SIGIL, counted, duration, figure

NOTES_SHOWN = 100
"""The last notes of the ledger that the page lists."""


def render(report: Report) -> Iterator[str]:
    """Give the page piece by piece; each row is held as its JSON until the totals above are known."""
    tally = Tally()
    places = {target: index for index, target in enumerate(report.targets)}
    rows = [_dumps(_cells(row, places.get(row.change.target, -1))) for row in tally.counting(report.rows)]
    totals = tally.totals()
    style, script = _file("report.css"), _file("report.js")
    return _page().generate(
        report=report,
        totals=totals,
        counts=totals.actions if totals.outcomes is None else totals.outcomes,
        attention=sum(_attention(totals.actions if totals.outcomes is None else totals.outcomes)),
        estimate=estimated(report.estimate) if report.estimate else "",
        latency=report.timeline.latency() if report.timeline else None,
        chart=chart_of(report.timeline) if report.timeline else None,
        notes=report.notes[-NOTES_SHOWN:],
        stopped=STOPPED,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        style_hash=_hash(style),
        script_hash=_hash(script),
        head=_dumps(_head(report)),
        rows=rows,
    )
