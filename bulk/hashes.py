"""Hashes of many texts in little memory: how many different ones there are, and which came more than once."""

from array import array
from collections import Counter

_BUCKETS = 64


class Hashes:
    """Hashes as they come, 8 bytes each; compared in parts, since a set of all takes ten times that."""

    def __init__(self) -> None:
        self._buckets = tuple(array("q") for _ in range(_BUCKETS))

    def add(self, hashed: int) -> None:
        """Take in one more."""
        self._buckets[hashed % _BUCKETS].append(hashed)

    @property
    def distinct(self) -> int:
        """Return how many different ones there are."""
        return sum(len(set(bucket)) for bucket in self._buckets)

    @property
    def repeated(self) -> set[int]:
        """Return those that came more than once."""
        suspects = (bucket for bucket in self._buckets if len(set(bucket)) < len(bucket))
        return {hashed for bucket in suspects for hashed, times in Counter(bucket).items() if times > 1}
