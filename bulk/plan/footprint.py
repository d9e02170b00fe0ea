"""What a plan reaches: the figures that limits are held against and that a summary shows."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from bulk.model import Action, Change

_REFUSE, _UPDATE = Action.REFUSE, Action.UPDATE  # looked up once, for a million changes


@dataclass(slots=True, kw_only=True)
class Footprint:
    """What a plan reaches, added up while its changes stream past."""

    rows: int = 0
    changes: int = 0
    refused: int = 0
    parked: int = 0
    """Changes that are sent twice."""
    mappings: int = 0
    """Mappings that the services to change have now."""
    added: int = 0
    removed: int = 0
    consumers: int = 0
    """Endpoints connected to the services to change."""

    @property
    def kept(self) -> int:
        """Return the number of mappings that the services to change keep as they are."""
        return self.mappings - self.removed

    def add(self, change: Change, times: int = 1) -> None:
        """Count one more change of the plan, or so many that are like it."""
        self.rows += times
        self.refused += times * (change.action is _REFUSE)
        if change.action is _UPDATE and change.before is not None:
            self.changes += times
            self.parked += times * (change.parking is not None)
            self.mappings += times * len(change.before.ports)
            self.added += times * len(change.added)
            self.removed += times * len(change.removed)
            self.consumers += times * (change.before.connection_count or 0)


_FIGURES = tuple(figure.name for figure in fields(Footprint))


def footprint_of(json: Mapping[str, int]) -> Footprint:
    """Return a footprint read back from JSON; members that this version does not know are passed over."""
    return Footprint(**{name: json[name] for name in _FIGURES if name in json})
