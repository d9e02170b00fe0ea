"""Taking an applied change back.

The inverse of a change starts from what was written. A run sends nothing to a service that is not what its
plan saw; a service that somebody edited since is therefore `drifted` and stays as it is.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from bulk.model import (
    BODY_FIELDS,
    MAPPINGS_MAX,
    MAY_BE_EMPTY,
    Action,
    Change,
    ModifyBody,
    ServiceState,
    SideEffect,
)


def inverse(change: Change, *, row: int) -> Change:
    """Return the change, as row `row` of a rollback, that takes an applied change back.

    It is refused where a field had no value before that a PUT could bring back.
    """
    restored = {name: _value(change.before, name) for name in change.body.given()}
    reason = "; ".join(
        f"no PUT can bring back {name}, which had no value before or was not shown; set it by hand"
        for name, value in restored.items()
        if value is None or (value in ("", ()) and name not in MAY_BE_EMPTY)
    )
    if (mappings := len(restored.get("ports") or ())) > MAPPINGS_MAX:
        reason = f"no PUT can bring back more than {MAPPINGS_MAX} mappings; the service had {mappings}"
    body = ModifyBody(**restored)
    return replace(
        change,
        update=replace(change.update, row=row, body=body, add_ports=(), remove_ports=(), expect_ports=None),
        action=Action.REFUSE if reason else Action.UPDATE,
        before=written(change),
        body=body,
        reason=reason,
        after=(),
        parking=None,
        after_parked=(),
    )


def with_side_effects(inverted: Change, live: ServiceState | None, noticed: Collection[SideEffect]) -> Change:
    """Return an inverse that takes back, too, what PUTs of the run were noticed to change unasked.

    Only of a service that has such a value now, and only what a PUT can bring back.
    """
    before = inverted.before
    if before is None or live is None or inverted.action is not Action.UPDATE:
        return inverted
    restored = {
        name: _value(before, name)
        for name, value in noticed
        if name in BODY_FIELDS
        and name not in inverted.body.given()
        and getattr(live, name) == value != getattr(before, name) is not None
    }
    if not restored:
        return inverted
    body = replace(inverted.body, **restored)
    return replace(
        inverted,
        update=replace(inverted.update, body=body),
        before=replace(before, **{name: getattr(live, name) for name in restored}),
        body=body,
    )


def written(change: Change) -> ServiceState | None:
    """Return the service as an applied change left it; None where there was no service."""
    before = change.before
    if before is None:
        return None
    named = change.body.given()
    if "service_name" in named:
        named["service_name"] = _stored_name(before, named["service_name"])
    return replace(before, **named)


def _value(before: ServiceState | None, name: str) -> Any:
    if before is None:
        return None
    if name == "ports":
        return tuple(dict.fromkeys(before.ports))  # no PUT may name a mapping twice, as a service may show it
    if name == "service_name" and before.service_name is not None:
        return before.short_name
    return getattr(before, name)


def _stored_name(before: ServiceState, short_name: str) -> str:
    """Return the name in the form in which the service's name came: `region.name.id`, `region.id` or bare."""
    region, dot, _ = (before.service_name or "").partition(".")
    if not dot:
        return short_name
    return f"{region}.{short_name}.{before.id}" if short_name else f"{region}.{before.id}"
