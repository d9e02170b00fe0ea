"""Equal decisions are made once: a job asks the same of many services, and most of these are alike."""

from operator import attrgetter
from typing import Any

import orjson
from msgspec import Raw, defstruct
from msgspec.json import Decoder

from bulk.model import (
    ASKED_FIELDS,
    Change,
    PlannedChange,
    Repeated,
    ServiceUpdate,
    Target,
    state_of,
)
from bulk.plan.decision import decide

KNOWN_MAX = 4_096
"""Decisions that are kept; those beyond are made row by row."""
_OWN = frozenset({"port_id", "vip_port_id", "service_name", "description"})
"""Fields of a body that are compared with what each service has for itself."""
_DECISIVE = (
    "status",
    "service_type",
    "server_type",
    "approval_enabled",
    "tcp_proxy",
    "ip",
    "connection_count",
    "error",
)
"""What of a service, besides its ports, a decision about any other body depends on."""
_Facts = defstruct("_Facts", [("ports", Raw), *((name, Any, None) for name in _DECISIVE)], gc=False)
_facts_in = Decoder(_Facts).decode
_facts_of = attrgetter(*_DECISIVE)
_asked = attrgetter(*(name for name in ASKED_FIELDS if name != "note"))


class Decisions:
    """The decisions about the rows of one target that are in nobody's way."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[tuple[Any, ...], Change] = {}

    def decide(self, update: ServiceUpdate, before: bytes | None) -> PlannedChange:
        """Decide about a row; `before` is its service as the list shows it, None where there is none."""
        facts: Any = _facts_in(before) if before else None
        of_service = facts and (bytes(facts.ports), *_facts_of(facts))
        asked = (id(update.body), _asked(update))
        like = self._known.get((asked, of_service))
        if like is None:
            like = decide(update, state_of(orjson.loads(before)) if before else None, self._target)
            if len(self._known) == KNOWN_MAX or not _OWN.isdisjoint(update.body.given()):
                return like
            self._known[asked, of_service] = like  # which keeps the body, so that no other one gets its id
        return Repeated(like, update, before)
