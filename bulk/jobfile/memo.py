"""Results of a pure function, remembered: equal arguments give the same object."""

from collections.abc import Callable, Sized
from typing import TypeVar

_ARGUMENT_SIZE_MAX = 256

K = TypeVar("K", bound=Sized)
V = TypeVar("V")


class Memo(dict[K, V]):
    """A function as a mapping from argument to result, which keeps results while there is room.

    Those of long arguments are not kept. Unlike `lru_cache` it never evicts: a million different arguments
    then cost next to nothing.
    """

    def __init__(self, function: Callable[[K], V], *, room: int) -> None:
        super().__init__()
        self._function = function
        self._room = room

    def __missing__(self, argument: K) -> V:
        result = self._function(argument)
        if len(self) < self._room and len(argument) <= _ARGUMENT_SIZE_MAX:
            self[argument] = result
        return result
