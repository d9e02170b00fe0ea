"""A group of equal changes, or of rows that need a person, in words that terminal and pages share."""

from collections.abc import Collection, Iterator

from bulk.model import Change
from bulk.reports.kinds import PORTS_SHOWN, Dialled, Kind, ports_text
from bulk.reports.overview import OTHER_KINDS, KindGroup, Trouble
from bulk.reports.words import Line, Span, Style, limited
from bulk.text import counted, figure, printable

ID_DIGITS = 8
"""Digits of an id where a person reads it: `bulk why` takes them."""
NAMED_WHOLE_MAX = 4
"""Number of services up to which all of a group are named."""


def name_of(change: Change, shared: Collection[str] = ()) -> str:
    """Return the name of a service; with digits of its id where others `shared` it, those alone without."""
    name = printable(change.before.short_name) if change.before else ""
    digits = printable(change.service_id)[:ID_DIGITS]
    if not name:
        return digits
    return f"{name}@{digits[:4]}" if name in shared else name


def written(group: KindGroup) -> Line:
    """Return what the changes of a kind take and give: `-443 +8443/TCP, same backend`."""
    kind = group.kind
    if kind == OTHER_KINDS:
        return (Span("changes of other kinds"),)
    parts = list(_parts(group))
    shown = parts[: 2 * PORTS_SHOWN]
    more = len(parts) - len(shown)
    spans = [span for part in shown for span in (*part, Span(" "))][:-1]
    if more:
        spans.append(Span(f" and {figure(more)} more"))
    return (*spans, *_backend(kind))


def _parts(group: KindGroup) -> Iterator[Line]:
    kind = group.kind
    for port in kind.gone:
        yield (Span(f"-{port}", Style.BAD),)
    for moved in kind.moved:
        yield (Span(f"-{moved.old}", Style.LOSS), Span(f" +{moved.new}/{moved.protocol}", Style.GOOD))
    for port in kind.rerouted:
        yield (Span(f"~{port}", Style.CHANGE),)
    for port in kind.new:
        several = group.new_ports
        name = f"{several[0]}..{several[-1]}" if several else str(port.client_port)
        yield (Span(f"+{name}/{port.protocol}", Style.GOOD),)
    for field in kind.settings:
        value = group.values.get(field)
        shown = "" if value is None else f' -> "{printable(value)}"'
        yield (Span(f"{field}{shown}", Style.CHANGE),)


def _backend(kind: Kind) -> Line:
    if kind.moved and all(moved.same_backend for moved in kind.moved):
        return (Span(", same backend"),)
    return (Span(", another backend port"),) if kind.moved or kind.rerouted else ()


def effect(group: KindGroup) -> str:
    """Return what the changes of a kind mean for consumers; empty where they take nothing from anybody."""
    kind = group.kind
    if not kind.takes and not group.consumers:
        return ""
    unknown = f"whether anybody is connected to {counted(group.unknown, 'service')} is not known"
    if not group.consumers:
        return unknown if group.unknown else "no consumer connected"
    who = f"{counted(group.consumers, 'consumer')} of {_of_services(group)}"
    many = group.consumers != 1
    parts = []
    if kind.gone:
        parts.append(f"{'lose' if many else 'loses'} {ports_text(kind.gone)} for good")
    if kind.moved:
        new = ports_text([Dialled(moved.new, moved.protocol) for moved in kind.moved])
        old = ports_text([Dialled(moved.old, moved.protocol) for moved in kind.moved])
        parts.append(f"must dial {new} instead of {old}")
    text = f"{who} {' and '.join(parts) or 'lose a port'}"
    return f"{text}; {unknown}" if group.unknown else text


def others(groups: Collection[KindGroup]) -> str:
    """Return how many kinds of change are not shown, and what they take: `3 more kinds of change, …`."""
    services = counted(sum(group.services for group in groups), "service")
    text = f"{counted(len(groups), 'more kind')} of change, {services}"
    consumers = sum(group.consumers for group in groups)
    if not consumers:
        return text
    losing = sum(group.losing for group in groups)
    verb = "loses" if losing == 1 else "lose"
    return f"{text}, of which {figure(losing)} {verb} a port ({counted(consumers, 'connected consumer')})"


def _of_services(group: KindGroup) -> str:
    if group.services == 1:
        [(change, _)] = group.named
        return name_of(change)
    return counted(group.losing, "service")


def examples(group: KindGroup, shared: Collection[str], shown: int = NAMED_WHOLE_MAX) -> str:
    """Return the names of a few services: where any lose a port, of those with the most consumers."""
    if group.consumers:
        named = [
            f"{name_of(change, shared)} ({figure(consumers)})"
            for change, consumers in group.named[:shown]
            if consumers
        ]
        return ("most: " if group.losing > 1 else "") + limited(named, group.losing)
    return limited([name_of(change, shared) for change, _ in group.named[:shown]], group.services)


def gap(change: Change, consumers: int) -> str:
    """Return how long a parked service is without which ports."""
    missing = " ".join(f"{m.client_port}/{m.protocol}" for m in change.out_of_service)
    connected = f", with {counted(consumers, 'consumer')} connected" if consumers else ""
    return f"parked to break a cycle: no {missing} for a moment{connected}"


def trouble_text(trouble: Trouble) -> str:
    """Return why rows need a person: `EndPoint.3044 the ports clash`, or the plan's reason."""
    words = "" if trouble.code else trouble.text
    if trouble.is_one_reason:
        words = trouble.rows[0].why
    return printable(" ".join(filter(None, (trouble.code, words))))


def troubled(trouble: Trouble, shared: Collection[str]) -> Iterator[str]:
    """Return the rows of a trouble: each with its place and reason where these are few, else some names."""
    few = trouble.count <= NAMED_WHOLE_MAX
    if not few:
        names = [name_of(row.change, shared) for row in trouble.rows]
        yield limited(names, trouble.count)
        return
    for row in trouble.rows:
        change = row.change
        name = name_of(change)
        digits = printable(change.service_id)[:ID_DIGITS]
        named = name if name == digits else f"{name} {digits}"
        found = [f'found {each.field} "{each.after}", expected "{each.before}"' for each in row.moved]
        own = [] if trouble.is_one_reason else [row.why]
        request = [f"request {row.reply.request_id}"] if row.reply.request_id else []
        more = "; ".join(filter(None, [*own, *found, *request]))
        yield printable(f"{named} ({change.update.place}){more and f': {more}'}")
