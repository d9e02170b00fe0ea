"""The first PUT of each target, and of each key, goes alone.

Bad credentials then cost one PUT, however many lanes share the key: five bad signatures lock it
(API.md, section 4.2).
"""

from collections.abc import Hashable


class FirstPuts:
    """Whether the first PUT of each name, a target or an account, was answered."""

    def __init__(self) -> None:
        self._is_answered: dict[Hashable, bool] = {}
        """A name that had no PUT is not in it."""

    def begin(self, *names: Hashable) -> None:
        """Learn that a PUT of these names is about to leave."""
        for name in names:
            self._is_answered.setdefault(name, False)

    def withdraw(self, *names: Hashable) -> None:
        """Learn that a PUT of these names did not leave."""
        for name in names:
            if self._is_answered.get(name) is False:
                del self._is_answered[name]

    def answered(self, *names: Hashable) -> None:
        """Learn that a PUT of these names was answered, or will not be."""
        self._is_answered |= dict.fromkeys(names, True)

    def is_awaited(self, *names: Hashable) -> bool:
        """Return whether the first PUT of one of these names is under way."""
        return any(self._is_answered.get(name) is False for name in names)
