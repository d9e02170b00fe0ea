"""Whether a plan may run, and whether a PUT did what was asked and nothing else."""

from dataclasses import dataclass

from bulk.core.footprint import Footprint
from bulk.core.job import Guards
from bulk.core.model import SIDE_EFFECT_FIELDS, ModifyBody, ServiceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A limit that a plan exceeds, and what to add to the command so that it may."""

    what: str
    figure: int
    limit: int
    remedy: str

    def __str__(self) -> str:
        """Return the line that a person reads."""
        return (
            f"the plan has {self.figure} {self.what}, the limit is {self.limit}; to go ahead: {self.remedy}"
        )


def findings(footprint: Footprint, guards: Guards) -> tuple[Finding, ...]:
    """Return every limit that a plan exceeds; empty where it may run."""
    changes = guards.max_changes.of(footprint.rows) if guards.max_changes else None
    removed = guards.max_removed.of(footprint.mappings) if guards.max_removed else None
    consumers, refused = guards.max_consumers, 0 if guards.strict else None
    measured = (
        ("services to change", footprint.changes, changes, f"--max-changes {footprint.changes}"),
        ("mappings to remove", footprint.removed, removed, f"--max-removed {footprint.removed}"),
        (_CONNECTED, footprint.consumers, consumers, f"--max-consumers {footprint.consumers}"),
        ("refused rows", footprint.refused, refused, "correct them, or add --no-strict"),
    )
    return tuple(
        Finding(what=what, figure=figure, limit=limit, remedy=remedy)
        for what, figure, limit, remedy in measured
        if limit is not None and figure > limit
    )


_CONNECTED = "consumers connected to services to change"


def side_effects(before: ServiceState, after: ServiceState, body: ModifyBody) -> tuple[str, ...]:
    """Return the fields that a PUT changed although its body does not name them.

    `after` is the service as the reply shows it. Names count by the part that a PUT may change, since replies
    give them with or without region and id (API.md, section 1.1).
    """
    return tuple(
        name
        for name in before.differences(after, SIDE_EFFECT_FIELDS)
        if getattr(body, name, None) is None
        and not (name == "service_name" and before.short_name == after.short_name)
    )
