"""What a change means to those who dial a service, and which changes are of one kind.

A consumer dials a client port. What a PUT takes and gives is paired to say what becomes of each:

    moved     -443:9000/TCP +8443:9000/TCP   another client port reaches the same or another backend port
    rerouted  -443:9002/TCP +443:9001/TCP    the same client port reaches another backend port
    gone      -7777:7777/TCP                 nothing takes its place
    new       +5300:53/UDP                   nobody used it yet

Changes of one kind mean the same at the same client ports. Backend ports differ from service to service and
are no part of a kind; a client port that somebody can lose always is.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bulk.model import BODY_FIELDS, Change, PortMapping, Ports, Protocol
from bulk.reports.words import limited
from bulk.text import counted


class Moved(NamedTuple):
    """Consumers have to dial another client port."""

    old: int
    new: int
    protocol: Protocol
    same_backend: bool


class Dialled(NamedTuple):
    """A port that consumers dial; the client port is 0 where a kind stands for several."""

    client_port: int
    protocol: Protocol

    def __str__(self) -> str:
        """Return `443/TCP`."""
        return f"{self.client_port}/{self.protocol._value_}"


class Kind(NamedTuple):
    """What changes of one kind have in common; `settings` are the fields besides `ports` that change."""

    moved: tuple[Moved, ...] = ()
    rerouted: tuple[Dialled, ...] = ()
    gone: tuple[Dialled, ...] = ()
    new: tuple[Dialled, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def takes(self) -> bool:
        """Return whether changes of this kind take a client port away that somebody may use."""
        return bool(self.moved or self.gone)


_OTHERS = tuple(name for name in BODY_FIELDS if name != "ports")


def kind_of(change: Change) -> Kind:
    """Return the kind of a change to be sent."""
    removed, added, settings = change.removed, change.added, _settings(change)
    if len(removed) == len(added) == 1:  # as most changes are
        return _exchange(removed[0], added[0], settings)
    return _paired(removed, added, settings)


def lost(change: Change) -> tuple[Dialled, ...]:
    """Return what can be dialled before a change and not after it, in the order of the service's ports."""
    if not change.removed:
        return ()
    after = {(mapping[0], mapping[2]) for mapping in change.body.ports or ()}
    return tuple(Dialled(m[0], m[2]) for m in change.removed if (m[0], m[2]) not in after)


def losses(change: Change) -> str:
    """Return what the consumers of a service lose: `4 consumers lose 443`; empty where nobody loses.

    The API does not show which port a consumer uses: each of them may use one that goes.
    """
    count = (change.before.connection_count or 0) if change.before else 0
    ports = lost(change) if count else ()
    return (
        f"{counted(count, 'consumer')} {'loses' if count == 1 else 'lose'} {ports_text(ports)}"
        if ports
        else ""
    )


PORTS_SHOWN = 4


def ports_text(ports: Sequence[Dialled]) -> str:
    """Return client ports as they are said: `443`, and `53/UDP` where it is not TCP; of many the first."""
    names = [str(port.client_port) if port.protocol is Protocol.TCP else str(port) for port in ports]
    return limited(names[:PORTS_SHOWN], len(names))


def _settings(change: Change) -> tuple[str, ...]:
    body, before = change.body, change.before
    return tuple(
        [
            name
            for name in _OTHERS
            if (wanted := getattr(body, name)) is not None
            and before is not None
            and wanted != (before.short_name if name == "service_name" else getattr(before, name))
        ]
    )


def _exchange(one: PortMapping, other: PortMapping, settings: tuple[str, ...]) -> Kind:
    """Return the kind of a change that takes one mapping and gives one."""
    if one[2] is not other[2]:
        return Kind(gone=(Dialled(one[0], one[2]),), new=(Dialled(other[0], other[2]),), settings=settings)
    if one[0] == other[0]:
        return Kind(rerouted=(Dialled(one[0], one[2]),), settings=settings)
    return Kind(moved=(Moved(one[0], other[0], one[2], one[1] == other[1]),), settings=settings)


def _paired(removed: Ports, added: Ports, settings: tuple[str, ...]) -> Kind:
    """Pair by client port first, then by backend port, then what is left if it is one of each.

    The client port comes first: a client that calls 443 and still gets an answer there has lost nothing.
    """
    gone, new = sorted(removed), sorted(added)
    rerouted = _pairs(gone, new, lambda m: (m[0], m[2]))
    moved = _pairs(gone, new, lambda m: m[1:])
    if len(gone) == len(new) == 1:
        moved += _pairs(gone, new, lambda m: m[2])
    return Kind(
        moved=tuple(Moved(a[0], b[0], a[2], a[1] == b[1]) for a, b in sorted(moved)),
        rerouted=tuple(Dialled(a[0], a[2]) for a, _ in rerouted),
        gone=tuple(Dialled(m[0], m[2]) for m in gone),
        new=tuple(Dialled(m[0], m[2]) for m in new),
        settings=settings,
    )


def _pairs(
    gone: list[PortMapping], new: list[PortMapping], by: Callable[[PortMapping], object]
) -> list[tuple[PortMapping, PortMapping]]:
    """Take the mappings that agree by `by` out of both lists, and return them in pairs."""
    partners = {by(mapping): mapping for mapping in reversed(new)}
    pairs = []
    for mapping in list(gone):
        if partner := partners.pop(by(mapping), None):
            pairs.append((mapping, partner))
            gone.remove(mapping)
            new.remove(partner)
    return pairs


ALIKE_MIN = 3
"""From so many kinds on, different only in the client port of one new mapping, they are shown as one."""


def families(kinds: Iterable[tuple[Kind, int | None]]) -> dict[Kind, list[Kind]]:
    """Return each kind to be shown with the kinds that it stands for.

    `kinds` come with the backend port of their one new mapping. Those that differ only in its client port
    are one, in which that port is 0.
    """
    alike: dict[tuple[Kind, int | None], list[Kind]] = {}
    for kind, backend in kinds:
        is_one = len(kind.new) == 1
        key = kind._replace(new=(Dialled(0, kind.new[0].protocol),)) if is_one else kind
        alike.setdefault((key, backend if is_one else None), []).append(kind)
    shown: dict[Kind, list[Kind]] = {}
    for (key, _), members in alike.items():
        if len(members) >= ALIKE_MIN:
            shown.setdefault(key, []).extend(members)
        else:
            shown.update({kind: [kind] for kind in members})
    return shown
