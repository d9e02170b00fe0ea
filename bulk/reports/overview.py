"""What a reader has to know of a plan or a run, gathered while its rows stream past.

Memory goes with the number of kinds and targets, both bounded, and not with the number of rows.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappush, heappushpop

import orjson

from bulk.model import Action, Change, Outcome, PlannedChange, Target, state_of
from bulk.reports.kinds import Kind, families, kind_of
from bulk.reports.report_row import Row

NAMED_MAX = 8
"""Services of one kind that are kept, to be named."""
KINDS_MAX = 1_000
"""Kinds of change that are counted separately; a plan of more has the others in one."""
TROUBLES_MAX = 500
"""Reasons for which rows need a person that are counted separately."""
NOTES_MAX = 3
OTHER_KINDS = Kind(settings=("…",))
"""The kind that stands for all kinds beyond the limit."""

_UPDATE, _REFUSE = Action.UPDATE, Action.REFUSE  # looked up once, for a million changes


@dataclass(slots=True, kw_only=True)
class Services:
    """Services that are counted together, and the few of them that are named.

    Those with the most consumers come first, then those that the job has first.
    """

    services: int = 0
    losing: int = 0
    """Services with consumers connected and a client port that goes."""
    consumers: int = 0
    """Connected to them."""
    unknown: int = 0
    """Services of which a client port goes and the API does not show whether anybody is connected."""
    kept: list[tuple[int, int, PlannedChange]] = field(default_factory=list)
    """Some of them, with the number of their consumers and minus their place in this count."""

    @property
    def named(self) -> tuple[tuple[Change, int], ...]:
        """Return the services to be named, each with the number of its consumers that count here."""
        return tuple((_whole(change), consumers) for consumers, _, change in sorted(self.kept, key=_order))

    def add(self, consumers: int | None, times: int, some: Iterable[PlannedChange]) -> None:
        """Count services that are alike, of which some may be named.

        `consumers` are those of each that lose a port, None where it is not known.
        """
        if consumers:
            self.losing += times
            self.consumers += times * consumers
        elif consumers is None:
            self.unknown += times
        known = self.kept
        for place, change in enumerate(some, self.services + 1):
            if len(known) < NAMED_MAX:
                heappush(known, (consumers or 0, -place, change))
            elif (consumers or 0) > known[0][0]:
                heappushpop(known, (consumers or 0, -place, change))
        self.services += times

    def join(self, other: "Services") -> None:
        """Take in the services of another count."""
        self.services += other.services
        self.losing += other.losing
        self.consumers += other.consumers
        self.unknown += other.unknown
        self.kept = sorted([*self.kept, *other.kept], key=_order)[:NAMED_MAX]


def _whole(change: PlannedChange) -> Change:
    """Return a change with its own service and row, also of one that is like another."""
    if isinstance(change, Change):
        return change
    before = state_of(orjson.loads(change.before)) if change.before else None
    return replace(change.like, update=change.update, before=before)


def _order(kept: tuple[int, int, PlannedChange]) -> tuple[int, int]:
    """Return what named services are sorted by: most consumers first, then as the job has them."""
    return -kept[0], kept[2].update.row


@dataclass(slots=True, kw_only=True)
class KindGroup(Services):
    """The changes of one kind."""

    kind: Kind
    backend: int | None = None
    """The backend port of the first one's new mapping."""
    new_ports: tuple[int, ...] = ()
    """The client ports that the kind stands for with 0, sorted."""
    values: dict[str, str | None] = field(default_factory=dict)
    """What each setting becomes; None where that differs from service to service."""
    notes: dict[str, int] = field(default_factory=dict)
    """What the plan warns of, with the number of services."""

    @property
    def rank(self) -> tuple[int, int]:
        """Return what groups are sorted by: what takes most from most people first."""
        if self.consumers:
            return (0 if self.kind.gone else 1), -self.consumers
        return 2, -self.services


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Rows that need a person for one reason; of a few of them all is kept."""

    result: Action | Outcome
    text: str
    """The reason of the first one, or what all have in common."""
    code: str = ""
    rows: list[Row] = field(default_factory=list)
    count: int = 0
    is_one_reason: bool = True

    def add(self, rows: Sequence[Row], times: int, why: str) -> None:
        """Count rows that are alike, of which some may be named."""
        self.count += times
        self.is_one_reason &= why == (self.rows[0].why if self.rows else why)
        self.rows.extend(rows[: NAMED_MAX - len(self.rows)])


@dataclass(slots=True, kw_only=True)
class TargetGroup:
    """What there is in one project."""

    target: Target
    rows: int = 0
    changes: int = 0
    wrong: int = 0
    """Rows that need a person."""
    losing: int = 0
    consumers: int = 0


class Overview:
    """Gathers rows; `left_out` are the rows that nobody has looked at, because there are too many."""

    def __init__(self) -> None:
        self.left_out = 0
        self.parked = Services()
        """Services that are without some ports for a while, to break a cycle."""
        self.places: dict[Target, TargetGroup] = {}
        self._kinds: dict[Kind, KindGroup] = {}
        self._troubles: dict[tuple[str, str], Trouble] = {}

    def gathering(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Return the same rows, each taken in before it is passed on."""
        for row in rows:
            self.add(row)
            yield row

    def add(self, *some: Row, times: int = 1) -> None:
        """Take in a row of a plan or of a run, or so many that are like it: `some` of all these.

        What drifted is not sent, though it may have been to be changed: it is in no group of changes.
        """
        row = some[0]
        if row.outcome is Outcome.DRIFTED:
            place = self._place(row.change.target, times)
            place.changes += times if row.change.action is _UPDATE else 0
        else:
            place = self._change(row.change, times, [each.change for each in some])
        if row.wrong:
            self._trouble(some, times)
            place.wrong += times

    def add_change(self, change: Change, times: int, some: Sequence[PlannedChange]) -> None:
        """Take in a change as it was planned, and others that are like it: `some` of all these."""
        place = self._change(change, times, some)
        if change.action is _REFUSE:
            self._trouble([Row(change=_whole(each)) for each in some], times)
            place.wrong += times

    @property
    def rows(self) -> int:
        """Return the number of rows taken in."""
        return sum(place.rows for place in self.places.values())

    @property
    def losing(self) -> int:
        """Return the number of services that lose a client port while consumers are connected."""
        return sum(place.losing for place in self.places.values())

    @property
    def consumers(self) -> int:
        """Return the number of consumers connected to them."""
        return sum(place.consumers for place in self.places.values())

    def kinds(self) -> list[KindGroup]:
        """Return the kinds of change, what takes most from most people first."""
        known = [(kind, group.backend) for kind, group in self._kinds.items()]
        groups = [self._joined(kind, members) for kind, members in families(known).items()]
        return sorted(groups, key=lambda group: group.rank)

    def troubles(self) -> list[Trouble]:
        """Return what needs a person, the most frequent first."""
        return sorted(self._troubles.values(), key=lambda trouble: -trouble.count)

    def _place(self, target: Target, times: int) -> TargetGroup:
        """Return the group of a target, with so many more rows."""
        place = self.places.get(target)
        if place is None:
            place = self.places[target] = TargetGroup(target=target)
        place.rows += times
        return place

    def _change(self, change: Change, times: int, some: Sequence[PlannedChange]) -> TargetGroup:
        place = self._place(change.target, times)
        if change.action is not _UPDATE or change.before is None:
            return place
        place.changes += times
        kind = kind_of(change)
        group = self._kinds.get(kind) or self._begun(kind, change)
        consumers = change.before.connection_count if kind.takes else 0
        group.add(consumers, times, some)
        if consumers:
            place.losing += times
            place.consumers += times * consumers
        if change.parking is not None:
            self.parked.add(change.before.connection_count, times, some)
        if kind.settings or change.reason:
            _details(group, change, times)
        return place

    def _begun(self, kind: Kind, change: Change) -> KindGroup:
        """Return the group of a kind that has none yet; beyond the limit it is that of all others."""
        if len(self._kinds) >= KINDS_MAX:
            return self._kinds.setdefault(OTHER_KINDS, KindGroup(kind=OTHER_KINDS))
        added = change.added
        backend = added[0].server_port if len(kind.new) == 1 and len(added) == 1 else None
        group = self._kinds[kind] = KindGroup(kind=kind, backend=backend)
        return group

    def _joined(self, kind: Kind, members: list[Kind]) -> KindGroup:
        first, *others = (self._kinds[member] for member in members)
        if not others:
            return first
        group = KindGroup(kind=kind, new_ports=tuple(sorted(m.new[0].client_port for m in members)))
        for each in (first, *others):
            group.join(each)
            for name, value in each.values.items():
                group.values[name] = value if group.values.get(name, value) == value else None
            for note, services in each.notes.items():
                group.notes[note] = group.notes.get(note, 0) + services
        return group

    def _trouble(self, rows: Sequence[Row], times: int) -> None:
        row = rows[0]
        result, why = row.result, row.why
        match result:
            case Outcome.FAILED:
                shared = row.reply.cause
            case Action.REFUSE | Outcome.REFUSED:
                shared = row.change.cause or why
            case _:
                shared = ""
        key = (result.value, shared)
        if key not in self._troubles and len(self._troubles) >= TROUBLES_MAX:
            key = (result.value, "")
        trouble = self._troubles.get(key)
        if trouble is None:
            trouble = self._troubles[key] = Trouble(
                result=result,
                text=why if row.code or result is Outcome.FAILED else shared or why,
                code=row.code,
            )
        trouble.add(rows, times, why)


def _details(group: KindGroup, change: Change, times: int) -> None:
    """Take in the values of settings and the warnings of a change."""
    for setting in Row(change=change).settings:
        known = group.values.setdefault(setting.field, setting.after)
        if known != setting.after:
            group.values[setting.field] = None
    is_parked = change.parking is not None  # which `parked` says with the gap and who is connected
    if change.reason and not is_parked and (change.reason in group.notes or len(group.notes) < NOTES_MAX):
        group.notes[change.reason] = group.notes.get(change.reason, 0) + times


def overview_of(rows: Iterable[Row]) -> Overview:
    """Return the overview of rows."""
    overview = Overview()
    for row in rows:
        overview.add(row)
    return overview


def shared_names(changes: Iterable[Change]) -> frozenset[str]:
    """Return the names that several of these services have."""
    names = {change.service_id: change.before.short_name for change in changes if change.before}
    return frozenset(name for name, count in Counter(names.values()).items() if count > 1)
