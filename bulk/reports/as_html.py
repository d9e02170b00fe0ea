"""The report as one HTML file that needs no network: a page, its style, its script and the rows as JSON.

The page's own policy lets exactly this style and this script run (Content Security Policy Level 3, hashes),
and the script sets what comes from outside as text: a service's name cannot become markup.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from bulk.model import Action, Outcome, Target
from bulk.reports import meaning
from bulk.reports.chart import chart_of
from bulk.reports.headline import (
    facts_of,
    headline,
    mappings_text,
    short_digest,
    takes_text,
    window_text,
)
from bulk.reports.overview import Overview, shared_names
from bulk.reports.recent import SECONDS
from bulk.reports.remarks import remark
from bulk.reports.report import Report, session_summaries
from bulk.reports.report_row import TEXTS, Contrast, Row
from bulk.reports.totals import Tally
from bulk.reports.words import as_text, style_of
from bulk.text import counted, duration, figure, harmless, moment

NOTES_SHOWN = 100
"""The last notes of the ledger that the page lists."""

TARGETS_SHOWN = 12


ROWS_MAX = 10_000
"""Rows in the page that need a person, and rows besides; what there are more is counted."""
CHARS_MAX = 4_000_000
"""Characters of the rows that need a person, and of those besides."""
GROUPS_MAX = 100
"""Kinds of change, reasons and projects that the page lists."""
NAMED = 8
"""Services that are named in a group."""


def render(report: Report) -> Iterator[str]:
    """Return the page piece by piece; each row is held as its JSON until the totals above are known."""
    tally, overview = Tally(), Overview()
    targets: dict[Target, int] = {}
    rows, for_wrong, for_others = list[str](), _Room(), _Room()
    for some, times in report.rows.grouped(ROWS_MAX):
        row = some[0]
        tally.count(row, times)
        overview.add(*some, times=times)
        room = for_wrong if row.wrong else for_others
        if times == 1 and room.is_left:
            rows.append(_json(_cells(row, targets)))
            room.take(len(rows[-1]))
    whole = replace(report, gathered=overview, summed=tally.totals())
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
            report=whole,
            **_figures(whole),
            **_own("style", "base.css", "report.css"),
            **_foot(whole),
            **_own("script", "base.js", "report.js"),
            head=head,
            rows=rows,
            beyond=whole.totals.rows - len(rows),
        )
    )


def watch_page() -> tuple[str, str]:
    """Return the page of `bulk watch`, which gets all that it shows as events, and the policy for it."""
    own = {**_own("style", "base.css", "watch.css"), **_own("script", "base.js", "watch.js")}
    policy = (
        f"default-src 'none'; style-src 'sha256-{own['style_hash']}'; "
        f"script-src 'sha256-{own['script_hash']}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return _environment().get_template("watch.html").render(own, seconds=SECONDS), policy


class _Room:
    """The room that the page has for rows of one kind."""

    def __init__(self) -> None:
        self._rows, self._chars = ROWS_MAX, CHARS_MAX

    @property
    def is_left(self) -> bool:
        """Return whether there is room for one more row."""
        return self._rows > 0 and self._chars > 0

    def take(self, chars: int) -> None:
        """Learn that a row of so many characters was put there."""
        self._rows -= 1
        self._chars -= chars


def _figures(report: Report) -> dict[str, Any]:
    """Return the facts that the page shows above the list of services."""
    totals, overview = report.totals, report.overview
    counts: Mapping[Any, int] = totals.actions if totals.outcomes is None else totals.outcomes
    groups, troubles = overview.kinds(), overview.troubles()
    named = [change for group in groups for change, _ in group.named]
    places = list(overview.places.values())
    return {
        "progress": report.progress,
        "sessions": session_summaries(report.progress),
        "totals": totals,
        "counts": counts,
        "attention": sum(rows for result, rows in counts.items() if result.facts.needs_person),
        "overview": overview,
        "groups": groups[:GROUPS_MAX],
        "more_groups": groups[GROUPS_MAX:],
        "troubles": troubles[:GROUPS_MAX],
        "more_troubles": len(troubles[GROUPS_MAX:]),
        "places": places[:GROUPS_MAX],
        "more_places": len(places[GROUPS_MAX:]),
        "shared": shared_names([*named, *(row.change for trouble in troubles for row in trouble.rows)]),
        "facts": [fact for fact in facts_of(report) if report.ran or fact[0] not in _IN_TILES],
        "apply": _apply(report),
        "chart": chart_of(report.timeline) if report.timeline else None,
        "latency": report.timeline.latency() if report.timeline else None,
        "notes": report.progress.notes[-NOTES_SHOWN:],
        "targets_shown": TARGETS_SHOWN,
    }


_IN_TILES = frozenset({"Digest", "Mappings", "Consumers", "Refused", "Unchanged"})
"""What the page of a plan has said before."""


def _apply(report: Report) -> str:
    command = report.commands.apply
    return f"{command} --expect-digest {short_digest(report.progress.digest)}" if command else ""


def _foot(report: Report) -> dict[str, str]:
    """Return the style of what stands at the foot of each printed page; of the digest hex digits only."""
    digits = "".join(each for each in short_digest(report.progress.digest) if each in "0123456789abcdef")
    kind = "run" if report.ran else "plan"
    content = (
        "@page { size: A4; margin: 12mm 12mm 14mm; font: 8pt sans-serif; } "
        f'@page {{ @bottom-left {{ content: "bulk {kind}, digest {in_fours(digits)}"; }} '
        '@bottom-right { content: counter(page) " of " counter(pages); } }'
    )
    return {"foot": content, "foot_hash": _hash(content)}


def in_fours(digits: str) -> str:
    """Return hex digits in groups of four, as people compare them."""
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


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


def _own(name: str, *parts: str) -> dict[str, str]:
    """Return some of our own files unchanged, as one, and the hash by which the page's policy admits it."""
    content = "".join(files(__package__).joinpath("page", part).read_text(encoding="utf-8") for part in parts)
    return {name: content, f"{name}_hash": _hash(content)}


def _hash(content: str) -> str:
    return b64encode(hashlib.sha256(content.encode()).digest()).decode()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if hasattr(value, "__html__") else harmless(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure,
        "counted": counted,
        "duration": duration,
        "moment": moment,
        "remark": remark,
        "tone": _tone,
        "look": lambda span: span.style.name.lower(),
        "in_fours": in_fours,
    }
    environment.globals |= {
        "meaning": meaning,
        "named_max": NAMED,
        "headline": headline,
        "takes_text": takes_text,
        "window_text": window_text,
        "mappings_text": mappings_text,
    }
    return environment
