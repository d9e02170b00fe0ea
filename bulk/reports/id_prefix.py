"""Which service a person means who gives its id, or the beginning of it."""

from collections.abc import Iterable
from heapq import nlargest

NEAREST_MAX = 4
"""Ids to choose from at most."""
LIKENESS_MIN = 4
"""Characters that an id must share with what was given, counted from both ends, to be worth naming."""


def service_meant(given: str, ids: Iterable[str]) -> str | tuple[str, ...]:
    """Return the id that equals `given`, or the only one that begins with it; else the nearest, best first.

    `ids` are gone through once, and only the nearest are kept.
    """
    wanted = given.strip().lower()
    nearest = nlargest(
        NEAREST_MAX, ids, key=lambda id_: (id_ == wanted, id_.startswith(wanted), _likeness(id_, wanted))
    )
    beginning_so = {id_ for id_ in nearest if wanted and id_.startswith(wanted)}
    if wanted in beginning_so:
        return wanted
    if len(beginning_so) == 1:
        return beginning_so.pop()
    return tuple(id_ for id_ in nearest if _likeness(id_, wanted) >= LIKENESS_MIN)


def _likeness(one: str, other: str) -> int:
    """Return the number of characters that agree from the front and from the back."""
    return _common(one, other) + _common(one[::-1], other[::-1])


def _common(one: str, other: str) -> int:
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return place
    return min(len(one), len(other))
