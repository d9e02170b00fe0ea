"""Results of a pure function, remembered: equal arguments give the same object."""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Known(dict[K, V]):
    """A function as a mapping from argument to result, which keeps results while there is room.

    Unlike `lru_cache` it never evicts: a million different arguments then cost next to nothing.
    """

    def __init__(self, function: Callable[[K], V], *, room: int) -> None:
        super().__init__()
        self._function = function
        self._room = room

    def __missing__(self, argument: K) -> V:
        result = self._function(argument)
        if len(self) < self._room:
            self[argument] = result
        return result
