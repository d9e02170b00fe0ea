"""The report as lines of a terminal: where, what changes in groups, the riskiest first, and what it comes to.

A plan of up to `EACH_MAX` changes has a line for each. `grep '^!'` finds what needs a person.
"""

from collections.abc import Iterator

from bulk.model import Action, Outcome, Ports
from bulk.reports import meaning
from bulk.reports.headline import headline, labelled, says_all, totals_of
from bulk.reports.kinds import losses
from bulk.reports.overview import KindGroup, Trouble, shared_names
from bulk.reports.report import Report
from bulk.reports.report_row import Row
from bulk.reports.words import Line, Span, Style, limited, style_of, text, wrapped
from bulk.text import counted, figure, printable

WIDTH = 80
"""Columns where no terminal says how many there are."""
EACH_MAX = 30
"""Changes of which each has a line; more are grouped."""
KINDS_SHOWN = 12
TROUBLES_SHOWN = 12
PARKED_SHOWN = 4
_MAPPINGS_SHOWN = 6
_NAME_WIDTH = 16
"""The API's longest service_name (API.md, section 1.1)."""
_INDENT = 6


def lines(report: Report, *, width: int = WIDTH, each: bool = False) -> Iterator[Line]:
    """Return the report line by line, its totals last.

    With `each` every row has one line, whatever its length, so that a search finds rows.
    """
    yield from wrapped((Span(headline(report), Style.STRONG),), width, hang=2)
    if says_all(report) and not each:
        return
    if not report.ran or report.is_resumed:
        yield from _head(report, width)
    yield text()
    body = list(every_row(report) if each else _body(report, width))
    yield from body
    if body:
        yield text()
    yield from totals_of(report, width)
    if report.commands.each and not each and not report.ran and not report.rows.changing(EACH_MAX):
        yield from labelled("Each row", report.commands.each, width)


def _head(report: Report, width: int) -> Iterator[Line]:
    """Return where it happens and, of a plan that was made before, who planned it when."""
    where, places = report.where, report.places
    if where.is_simulator:
        hosts = "the bundled simulator; nothing leaves this machine"
    else:
        hosts = ", ".join(filter(None, (where.hosts_text, where.account)))
    yield from labelled("Where", hosts, width)
    projects = where.projects(places, "service")  # of a plan without rows there is one sentence and no head
    yield from labelled("", limited(projects[:PROJECTS_SHOWN], len(projects)), width)
    if where.via:
        yield from labelled("Through", where.through, width)
    if not report.is_new:
        yield from labelled("Planned", report.planned_text, width)


PROJECTS_SHOWN = 12


def _body(report: Report, width: int) -> Iterator[Line]:
    """Return what changes and what needs a person, the riskiest first."""
    overview = report.overview
    groups = [] if report.ran and not report.is_resumed else overview.kinds()
    troubles = overview.troubles()
    named = [change for group in groups for change, _ in group.named]
    shared = shared_names([*named, *(row.change for trouble in troubles for row in trouble.rows)])
    if rows := [row for row in report.rows.changing(EACH_MAX) if not row.wrong] if groups else ():
        losing = [row for row in rows if losses(row.change)]
        yield from _rows(sorted(losing, key=_consumers, reverse=True), report, width)
        yield from _troubles(troubles, shared, report, width, 1)
        yield from _rows([row for row in rows if not losses(row.change)], report, width)
    else:
        shown = groups[:KINDS_SHOWN]
        digits = max((len(figure(each.services)) for each in shown), default=1)
        yield from _groups([group for group in shown if group.consumers], shared, width, digits)
        yield from _troubles(troubles, shared, report, width, digits)
        yield from _parked(report, width)
        yield from _groups([group for group in shown if not group.consumers], shared, width, digits)
        if rest := groups[KINDS_SHOWN:]:
            yield from _hint(f"{meaning.others(rest)}: {report.commands.each}", width)
    if overview.left_out:
        what = f"{counted(overview.left_out, 'more row')} not looked at here"
        yield from _hint(f"{what}: {report.commands.rows}", width)


def _consumers(row: Row) -> int:
    return (row.change.before.connection_count or 0) if row.change.before else 0


def _hint(words: str, width: int) -> Iterator[Line]:
    return wrapped(text(f"  {words}", Style.FAINT), width, hang=_INDENT)


def _groups(groups: list[KindGroup], shared: frozenset[str], width: int, digits: int) -> Iterator[Line]:
    for group in groups:
        effect = printable(meaning.effect(group))
        few = group.services <= meaning.NAMED_WHOLE_MAX
        names = printable(meaning.examples(group, shared))
        style = Style.LOSS if group.consumers else Style.CHANGE
        noun = "service " if group.services == 1 else "services"
        line = [
            Span("~ ", style),
            Span(f"{figure(group.services):>{digits}}", Style.STRONG),
            Span(f" {noun}  "),
            *meaning.written(group),
        ]
        if few and not group.consumers:
            line.append(Span(f": {names}"))
        if effect and not group.consumers:
            line.append(Span(f", {effect}", Style.FAINT))
        yield from wrapped(tuple(line), width, hang=_INDENT)
        if group.consumers:
            yield from wrapped(text(" " * _INDENT + effect, Style.LOSS), width, hang=_INDENT + 2)
            if group.services > 1:
                yield from wrapped(text(" " * _INDENT + names, Style.FAINT), width, hang=_INDENT + 2)
        for note, services in group.notes.items():
            what = note if services == group.services else f"{note} ({counted(services, 'service')})"
            yield from wrapped(
                text(f"{' ' * _INDENT}note: {printable(what)}", Style.CHANGE), width, hang=_INDENT + 2
            )


def _troubles(
    troubles: list[Trouble], shared: frozenset[str], report: Report, width: int, digits: int
) -> Iterator[Line]:
    for trouble in troubles[:TROUBLES_SHOWN]:
        facts = trouble.result.facts
        head = (
            Span(f"{facts.sigil} {figure(trouble.count):>{digits}} {facts.phrase}", Style.BAD),
            Span(f"  {meaning.trouble_text(trouble)}"),
        )
        yield from wrapped(head, width, hang=_INDENT)
        if trouble.result is Outcome.FAILED:
            advice = f"{' ' * _INDENT}{printable(report.advice(trouble.rows[0].reply.cause))}"
            yield from wrapped(text(advice), width, hang=_INDENT + 2)
        for named in meaning.troubled(trouble, shared):
            yield from wrapped(text(" " * _INDENT + named, Style.FAINT), width, hang=_INDENT + 2)
    if rest := troubles[TROUBLES_SHOWN:]:
        rows = sum(trouble.count for trouble in rest)
        yield text(f"! {counted(len(rest), 'more reason')}, {counted(rows, 'row')}", Style.BAD)


def _parked(report: Report, width: int) -> Iterator[Line]:
    parked = report.overview.parked
    for change, consumers in parked.named[:PARKED_SHOWN]:
        what = f"      {meaning.name_of(change)} {meaning.gap(change, consumers)}"
        yield from wrapped(text(what, Style.CHANGE), width, hang=_INDENT + 2)
    if parked.services > PARKED_SHOWN:
        yield text(
            f"      and {counted(parked.services - PARKED_SHOWN, 'more service')} parked", Style.CHANGE
        )


# Row by row


def _rows(rows: list[Row], report: Report, width: int) -> Iterator[Line]:
    """Return a line for each of a few changes."""
    longest = max((len(meaning.name_of(row.change)) for row in rows), default=0)
    many = len(report.targets) > 1
    for row in rows:
        change = row.change
        name, digits = meaning.name_of(change), printable(change.service_id)[: meaning.ID_DIGITS]
        loss = losses(change)
        style = Style.LOSS if loss else Style.CHANGE
        line: list[Span] = [
            Span("~ ", style),
            Span(f"{name:{longest}} "),
            Span("" if name == digits else f"{digits} ", Style.FAINT),
            *_difference(row, _MAPPINGS_SHOWN, kept=False),
        ]
        if loss:
            line.append(Span(f"  {loss}", Style.LOSS))
        if change.parking and change.before:
            gap = meaning.gap(change, change.before.connection_count or 0)
            line.append(Span(f"  {gap}", Style.CHANGE))
        else:
            line.append(Span(f"  {row.turn}" if row.turn else "", Style.FAINT))
            line.append(Span(printable(f"  note: {change.reason}") if change.reason else "", Style.CHANGE))
        place = f"  ({change.update.place}{f', {report.where.project(change.target)}' if many else ''})"
        length = sum(len(span.text) for span in line)
        if length + len(place) <= width:
            line.append(Span(printable(place), Style.FAINT))
        yield from wrapped(tuple(line), width, hang=_INDENT)


def every_row(report: Report) -> Iterator[Line]:
    """Return a line for each row, whatever its length."""
    many = len(report.targets) > 1
    for row in report.rows:
        yield row_line(row, many_targets=many)


def row_line(row: Row, *, many_targets: bool, mappings_shown: int | None = _MAPPINGS_SHOWN) -> Line:
    """Return one row: sigil, service, name, what changes, why, and where it stands in the job file."""
    change, style = row.change, style_of(row.result)
    place = change.update.place + (f", {change.target}" if many_targets else "")
    return (
        Span(f"{row.result.facts.sigil} ", style),
        Span(f"{printable(change.service_id):36}", style if row.wrong else Style.PLAIN),
        Span(f"  {printable(row.name):{_NAME_WIDTH}} "),
        *_difference(row, mappings_shown),
        *_explanation(row),
        Span(printable(f"  ({place})"), Style.FAINT),
    )


def _difference(row: Row, shown: int | None, *, kept: bool = True) -> Iterator[Span]:
    change = row.change
    if change.action is not Action.UPDATE:
        return
    yield from _mappings("-", change.removed, shown, Style.BAD)
    yield from _mappings("+", change.added, shown, Style.GOOD)
    if kept and change.kept:
        yield Span(f" ={len(change.kept)} kept", Style.FAINT)
    for setting in row.settings:
        before = setting.was if setting.before is None else f'"{setting.before}"'
        yield Span(printable(f' {setting.field} {before} -> "{setting.after}"'), Style.CHANGE)


def _mappings(sigil: str, ports: Ports, shown: int | None, style: Style) -> Iterator[Span]:
    for mapping in ports[:shown]:
        yield Span(f" {sigil}{mapping}", style)
    if shown is not None and len(ports) > shown:
        yield Span(f" {sigil}{len(ports) - shown} more", style)


def _explanation(row: Row) -> Iterator[Span]:
    """Return the explanation of how the row ended, where one is needed."""
    if row.turn and row.outcome is None:
        yield Span(f" {row.turn}", Style.CHANGE if row.change.parking else Style.FAINT)
    if row.wrong:
        yield Span(printable(f" {row.result.value} {row.code}".rstrip() + ": "), style_of(row.result))
        yield Span(printable(row.why) or ("" if row.moved else "no reason was recorded"))
        found = [f'found {each.field} "{each.after}", expected "{each.before}"' for each in row.moved]
        yield Span(printable("; ".join(["", *found] if row.why else found)), Style.CHANGE)
        if row.reply.request_id:
            yield Span(printable(f" [request {row.reply.request_id}]"), Style.FAINT)
    elif row.why:
        yield Span(printable(f" note: {row.why}"), Style.CHANGE)
