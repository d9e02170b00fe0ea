"""The report as one HTML file that needs no network: a page, its style, its script and the rows as JSON.

The page's own policy lets exactly this style and this script run (Content Security Policy Level 3, hashes),
and the script sets what comes from outside as text: a service's name cannot become markup.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from bulk.core.model import Action, Outcome, Target
from bulk.core.reports.chart import chart_of
from bulk.core.reports.model import Report, sittings_of
from bulk.core.reports.remarks import remark
from bulk.core.reports.row import TEXTS, Contrast, Row
from bulk.core.reports.summary import estimated, failure_budget
from bulk.core.reports.totals import Tally, Totals
from bulk.core.reports.words import as_text, counted, duration, figure, harmless, style_of

NOTES_SHOWN = 100
"""The last notes of the ledger that the page lists."""

TARGETS_SHOWN = 12


def render(report: Report) -> Iterator[str]:
    """Return the page piece by piece; each row is held as its JSON until the totals above are known."""
    tally = Tally()
    targets: dict[Target, int] = {}
    rows = [_json(_cells(row, targets)) for row in tally.counting(report.rows)]
    head = _json(
        {
            "ran": report.ran,
            "targets": list(map(str, targets)),
            "results": _results(),
            "texts": [name.replace("_", " ").capitalize() for name in TEXTS],
        }
    )
    return (
        _environment()
        .get_template("report.html")
        .generate(
            report=report,
            **_figures(report, tally.totals()),
            **_own("style", "report.css"),
            **_own("script", "report.js"),
            head=head,
            rows=rows,
        )
    )


def _figures(report: Report, totals: Totals) -> dict[str, Any]:
    """Return the facts that the page shows above the list of services."""
    counts: Mapping[Any, int] = totals.actions if totals.outcomes is None else totals.outcomes
    return {
        "progress": report.progress,
        "sittings": sittings_of(report.progress),
        "totals": totals,
        "counts": counts,
        "attention": sum(rows for result, rows in counts.items() if result.facts.needs_person),
        "estimate": estimated(report.estimate) if report.estimate else "",
        "budget": failure_budget(report),
        "chart": chart_of(report.timeline) if report.timeline else None,
        "latency": report.timeline.latency() if report.timeline else None,
        "notes": report.progress.notes[-NOTES_SHOWN:],
        "targets_shown": TARGETS_SHOWN,
    }


def _cells(row: Row, targets: dict[Target, int]) -> list[Any]:
    """Return one row in the form that the script reads; `targets` numbers each target at first sight."""
    change, reply = row.change, row.reply
    return [
        change.row,
        change.update.place,
        targets.setdefault(change.target, len(targets)),
        change.service_id,
        row.name,
        row.result,
        change.action is Action.UPDATE,
        *map(as_text, (change.kept, change.removed, change.added)),
        _contrasts(row.settings),
        row.why,
        row.code,
        reply.http,
        reply.request_id,
        row.attempts,
        reply.ms,
        row.turn,
        list(row.texts.values()),
        _contrasts(row.moved),
    ]


def _contrasts(contrasts: tuple[Contrast, ...]) -> list[list[str]]:
    return [[contrast.field, contrast.was, contrast.after] for contrast in contrasts]


def _results() -> dict[str, list[str]]:
    """Return sigil, phrase and class of each result, those that need a person first."""
    every: list[Action | Outcome] = [*Action, *Outcome]
    return {
        result.value: [result.facts.sigil, result.facts.phrase, _tone(result)]
        for result in sorted(every, key=lambda result: not result.facts.needs_person)
    }


def _tone(result: Action | Outcome) -> str:
    """Return the page's class for a result."""
    return style_of(result).name.lower()


def _json(value: object) -> str:
    """Return JSON that can stand in a script element: without `<` nothing in it ends the element."""
    text = orjson.dumps(value).decode().replace("<", "\\u003c")
    return text if text.isascii() else harmless(text)


def _own(name: str, file: str) -> dict[str, str]:
    """Return one of our own files unchanged, and the hash by which the page's policy admits it."""
    content = files(__package__).joinpath("page", file).read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return {name: content, f"{name}_hash": digest}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: harmless(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure,
        "counted": counted,
        "duration": duration,
        "moment": lambda at: f"{at[:10]} {at[11:19]} UTC",
        "remark": remark,
        "tone": _tone,
    }
    return environment
