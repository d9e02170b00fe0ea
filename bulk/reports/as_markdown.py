"""The report as Markdown for a ticket: the digest, totals, groups, then the rows that fit.

It stays under `CHARS_MAX` characters whatever the job: what does not fit is counted, with the command that
gives it. A ticket takes 65,536.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from bulk.model import Action, Ports
from bulk.reports import meaning
from bulk.reports.headline import facts_of, headline
from bulk.reports.overview import Overview, shared_names
from bulk.reports.report import Report
from bulk.reports.report_row import Row
from bulk.reports.totals import Tally
from bulk.reports.words import plain
from bulk.text import counted, figure, printable

CHARS_MAX = 60_000
_WRONG_MAX = 24_000
"""Characters of `CHARS_MAX` for rows that need a person."""
_GROUPS_MAX = 40
_TARGETS_MAX = 40
_REST = 1_500
"""Characters left for what stands between the tables."""
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~@!&])")
_WRONG_HEAD = "| | Service | Name | Place | Why |\n|---|---|---|---|---|\n"
_CHANGE_HEAD = (
    "| | Service | Name | Removed | Added | Kept | Settings | Place |\n|---|---|---|---|---|---:|---|---|\n"
)


class _Table:
    """Lines of a table as long as they fit, and how many there were."""

    def __init__(self, chars_max: int) -> None:
        self.lines: list[str] = []
        self.rows = 0
        self.chars = 0
        self._chars_max = chars_max

    def add(self, line: Callable[[], str]) -> None:
        """Take in a line, which is only made as long as all before it did fit."""
        self.rows += 1
        if len(self.lines) == self.rows - 1 and self.chars + len(made := line()) <= self._chars_max:
            self.lines.append(made)
            self.chars += len(made)


def render(report: Report) -> Iterator[str]:
    """Return the Markdown piece by piece; the rows that fit are held until the totals above are known."""
    tally, overview = Tally(), Overview()
    wrong, changes = _Table(_WRONG_MAX), _Table(CHARS_MAX)
    for row in overview.gathering(tally.counting(report.rows)):
        if row.wrong:
            wrong.add(partial(_wrong_line, row))
        if row.change.action is Action.UPDATE:
            changes.add(partial(_change_line, row))
    report = replace(report, gathered=overview, summed=tally.totals())
    head = "".join(_head(report))
    yield head
    needs = "".join(_section("Needs attention", _WRONG_HEAD, wrong.lines, wrong.rows, report))
    yield needs
    foot = "".join(_foot(report))
    room = CHARS_MAX - len(head) - len(needs) - len(foot) - _REST
    fitting = _Table(room)
    for line in changes.lines:
        fitting.add(partial(str, line))
    yield foot
    yield from _section("Changes", _CHANGE_HEAD, fitting.lines, changes.rows, report)


def escaped(foreign: str) -> str:
    """Return text from the API or the job escaped, so that Markdown shows it unchanged."""
    return _MARKUP.sub(r"\\\1", printable(foreign))


def _head(report: Report) -> Iterator[str]:
    yield f"# {escaped(headline(report))}\n\n"
    yield f"- Digest: `{report.progress.digest}`\n"
    where = report.where
    hosts = "; ".join(where.facts)
    yield f"- Where: {escaped(hosts)}; {escaped(where.place(report.places)) if report.places else 'no row'}\n"
    yield f"- Planned: {escaped(report.planned_text)}\n"
    for label, words, _ in facts_of(report):
        if label != "Digest":
            yield f"- {label}: {escaped(words)}\n"
    yield from _kinds(report.overview)
    yield from _places(report)


def _kinds(overview: Overview) -> Iterator[str]:
    groups = overview.kinds()
    if not groups:
        return
    yield "\n## What changes\n\n| Services | Change | Consumers | Examples |\n|---:|---|---|---|\n"
    shared = shared_names(change for group in groups for change, _ in group.named)
    for group in groups[:_GROUPS_MAX]:
        notes = [f"note: {note} ({counted(number, 'service')})" for note, number in group.notes.items()]
        cells = (
            f"`{plain(meaning.written(group)).replace('`', chr(39)).replace('|', '/')}`",
            escaped("; ".join(filter(None, (meaning.effect(group), *notes)))),
            escaped(meaning.examples(group, shared)),
        )
        yield f"| {figure(group.services)} | {' | '.join(cells)} |\n"
    if rest := groups[_GROUPS_MAX:]:
        yield f"\nAnd {meaning.others(rest)}.\n"
    for change, consumers in overview.parked.named:
        yield f"\n{escaped(f'{meaning.name_of(change)} {meaning.gap(change, consumers)}')}\n"


def _places(report: Report) -> Iterator[str]:
    places = list(report.overview.places.values())
    if not places:
        return
    yield (
        "\n## Where\n\n| Region | Project | Services | Change | Need a person | Lose a port | Consumers |\n"
        "|---|---|---:|---:|---:|---:|---:|\n"
    )
    for place in places[:_TARGETS_MAX]:
        target = place.target
        numbers = (place.rows, place.changes, place.wrong, place.losing, place.consumers)
        names = f"{escaped(target.region)} | {escaped(report.where.project(target))}"
        yield f"| {names} | {' | '.join(map(figure, numbers))} |\n"
    if rest := places[_TARGETS_MAX:]:
        rows = counted(sum(place.rows for place in rest), "service")
        yield f"\nAnd {counted(len(rest), 'more project')}, {rows}.\n"


def _foot(report: Report) -> Iterator[str]:
    """Return the commands and, of a plan, a line for those who approve it."""
    commands = report.commands
    digest = report.progress.digest.partition(":")[2]
    asked = [("To take it back", commands.rollback)]
    if not report.ran and commands.apply:
        apply = f"{commands.apply} --expect-digest {digest[:16]}"
        stop = "Ctrl-C: nothing new is sent, the same command goes on"
        asked = [("To apply exactly this plan", apply), ("To stop it", stop), *asked]
    if given := [(label, words) for label, words in asked if words]:
        yield "\n## How to go on\n\n"
        for label, words in given:
            yield f"- {label}: {words if words.startswith('Ctrl') else _code(words)}\n"
    if not report.ran:
        yield "\n## Approval\n\n| | Name | Date and time | Signature |\n|---|---|---|---|\n"
        yield "| Reviewed | | | |\n| Approved | | | |\n"


def _code(command: str) -> str:
    """Return a command as code, whatever is in it."""
    fence = "``" if "`" in command else "`"
    return f"{fence}{printable(command)}{fence}"


def _section(title: str, head: str, lines: Iterable[str], total: int, report: Report) -> Iterator[str]:
    shown = list(lines)
    if not total:
        return
    yield f"\n## {title} ({total:,})\n\n{head}"
    yield from shown
    if more := total - len(shown):
        where = f": {_code(report.commands.rows)}" if report.commands.rows else ""
        yield f"\nAnd {counted(more, 'more row')}{where}.\n"


def _wrong_line(row: Row) -> str:
    why = f"{row.code}: {row.why}" if row.code else row.why
    return _line(row, escaped(row.change.update.place), escaped(why))


def _change_line(row: Row) -> str:
    change = row.change
    settings = "; ".join(f"{c.field}: {c.was} -> {c.after}" for c in row.settings)
    cells = (_mappings(change.removed), _mappings(change.added), str(len(change.kept)), escaped(settings))
    return _line(row, *cells, escaped(change.update.place))


def _line(row: Row, *cells: str) -> str:
    facts = row.result.facts
    service = (f"`{facts.sigil}` {facts.phrase}", escaped(row.change.service_id), escaped(row.name))
    return f"| {' | '.join((*service, *cells))} |\n"


def _mappings(ports: Ports) -> str:
    return " ".join(f"`{mapping}`" for mapping in ports)
