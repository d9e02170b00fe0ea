"""The opening of a window as a `session` states it, so that its ledger alone shows when it could send."""

from datetime import tzinfo
from math import isinf

from bulk.ledger.chain import timestamp
from bulk.ledger.records import Json
from bulk.plan.openings import Shift


def opening_json(shift: Shift, local: tzinfo) -> Json:
    """Return when an opening begins and ends, and from when on nothing new begins; null where it never does.

    `zone` is the name of the machine's zone, in which a window is meant that names none; empty where the
    machine has no name for it.
    """
    opening = shift.opening
    return {
        "opens_at": _at(opening.opens_at),
        "stops_at": _at(shift.stops_at),
        "closes_at": _at(opening.closes_at),
        "zone": str(getattr(local, "key", "")),
    }


def _at(moment: float) -> str | None:
    return None if isinf(moment) else timestamp(moment)
