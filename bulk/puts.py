"""A PUT as it is sent, and what a reply to it shows where everything went well."""

from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from bulk.model import (
    BODY_FIELDS,
    SIDE_EFFECT_FIELDS,
    Change,
    ModifyBody,
    Ports,
    ServiceId,
    Target,
)

_SOMETIMES_SHOWN = frozenset({"ip", "vip_port_id", "enable_policy", "public_border_group"})
"""Members that the list may show and the reply to a PUT may not (API.md, sections 1.1 and 1.3)."""
ALWAYS_SHOWN = tuple(name for name in SIDE_EFFECT_FIELDS if name not in _SOMETIMES_SHOWN)
UNTOUCHED = ("status", *(name for name in ALWAYS_SHOWN if name != "ports"))
"""The members of a service that a PUT of ports leaves as they were, and that its reply shows."""
UNTOUCHED_IF_SHOWN = tuple(name for name in SIDE_EFFECT_FIELDS if name in _SOMETIMES_SHOWN)
_untouched, _untouched_if_shown = attrgetter(*UNTOUCHED), attrgetter(*UNTOUCHED_IF_SHOWN)
_besides = attrgetter(*(name for name in BODY_FIELDS if name != "ports"))
_NOTHING = _besides(ModifyBody())


class Expected(NamedTuple):
    """What the reply to a PUT of ports shows where nothing else has changed."""

    ports: Ports
    untouched: tuple[Any, ...]
    """The values of `UNTOUCHED`, before the PUT; None where the service did not show one."""
    untouched_if_shown: tuple[Any, ...]
    """The values of `UNTOUCHED_IF_SHOWN`, before the PUT."""


class Put(NamedTuple):
    """One PUT of a row."""

    row: int
    target: Target
    service_id: ServiceId
    content: bytes
    """The body, as it is signed and sent."""
    expected: Expected | None
    """None where every reply has to be read as a whole: the PUT sets more than ports, say."""


def put_of(change: Change, body: ModifyBody) -> Put:
    """Return the PUT of a change with this body: its own, or that of an intermediate step."""
    before, expected = change.before, None
    if body.ports is not None and before and before.is_sound and _besides(body) == _NOTHING:
        expected = Expected(body.ports, _untouched(before), _untouched_if_shown(before))
    return Put(change.row, change.target, change.service_id, orjson.dumps(body.named()), expected)
