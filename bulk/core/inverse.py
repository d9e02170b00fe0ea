"""Taking an applied change back.

The inverse of a change starts from what was written. A run sends nothing to a service that is not what its
plan saw; a service that somebody edited since is therefore `drifted` and stays as it is.
"""

from dataclasses import replace
from typing import Any

from bulk.core.model import MAY_BE_EMPTY, Action, Change, ModifyBody, ServiceState


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
    if name == "service_name" and before.service_name is not None:
        return before.short_name
    return getattr(before, name)


def _stored_name(before: ServiceState, short_name: str) -> str:
    """Return the name in the form in which the service's name came: `region.name.id`, `region.id` or bare."""
    region, dot, _ = (before.service_name or "").partition(".")
    if not dot:
        return short_name
    return f"{region}.{short_name}.{before.id}" if short_name else f"{region}.{before.id}"
