"""Whether a plan may run, and whether a PUT did what was asked and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bulk.core.footprint import Footprint
from bulk.core.model import ModifyBody, ServiceState


class Cap(Protocol):
    """A count, or a percentage of something that is known later."""

    def of(self, total: int) -> int:
        """Give the count that this is of `total`, rounded down."""
        ...


class Caps(Protocol):
    """How far a plan may reach; None where nothing is said."""

    @property
    def max_changes(self) -> Cap | None:
        """Most services to change; a percentage is of the rows."""
        ...

    @property
    def max_removed(self) -> Cap | None:
        """Most mappings to remove; a percentage is of those that the changed services have."""
        ...

    @property
    def max_consumers(self) -> int | None:
        """Most endpoints connected to changed services."""
        ...

    @property
    def strict(self) -> bool:
        """One refused row stops everything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What stands against a plan."""

    what: str
    figure: int
    limit: int
    flag: str
    """What lifts the limit."""

    def __str__(self) -> str:
        """Give the one line that a person reads."""
        return f"the plan has {self.figure} {self.what}, and {self.limit} may be; to lift this: {self.flag}"


def findings(footprint: Footprint, caps: Caps) -> tuple[Finding, ...]:
    """Give every limit that a plan exceeds; empty where it may run."""
    return tuple(finding for finding in _measured(footprint, caps) if finding.figure > finding.limit)


def _measured(footprint: Footprint, caps: Caps) -> Iterator[Finding]:
    if caps.max_changes is not None:
        limit = caps.max_changes.of(footprint.rows)
        yield _finding("services to change", footprint.changes, limit, "--max-changes")
    if caps.max_removed is not None:
        limit = caps.max_removed.of(footprint.mappings)
        yield _finding("mappings to remove", footprint.removed, limit, "--max-removed")
    if caps.max_consumers is not None:
        what = "consumers connected to services to change"
        yield _finding(what, footprint.consumers, caps.max_consumers, "--max-consumers")
    if caps.strict:
        refused = footprint.refused
        yield Finding(
            what="refused rows", figure=refused, limit=0, flag="correct them, or go without --strict"
        )


def _finding(what: str, figure: int, limit: int, option: str) -> Finding:
    return Finding(what=what, figure=figure, limit=limit, flag=f"{option} {figure}")


def side_effects(before: ServiceState, after: ServiceState, body: ModifyBody) -> tuple[str, ...]:
    """Name the fields that a PUT changed although its body does not name them.

    `after` is the service as the reply shows it. Names count by the part that a PUT may change, since replies
    give them with or without region and id (API.md, section 1.1); `status` belongs to nobody's row.
    """
    return tuple(
        name
        for name in before.differences(after)
        if name != "status"
        and getattr(body, name, None) is None
        and not (name == "service_name" and before.short_name == after.short_name)
    )
