"""The first PUT of each target, and of each key, goes alone.

Bad credentials then cost one PUT, however many lanes share the key: five bad signatures lock it
(API.md, section 4.2).
"""

from math import inf

from bulk.model import Target

KEY_WAIT_S = 5.0
"""How long lanes wait for the first PUT of their key; one that hangs in its region keeps no other waiting."""


class FirstPuts:
    """Since when the first PUT of each target, and of each account, is under way (monotonic)."""

    def __init__(self) -> None:
        self._begun_at: dict[Target | str, float] = {}
        """Minus infinity once it was answered; a name that had no PUT is not in it."""

    def begin(self, target: Target, account: str, now: float) -> None:
        """Learn that a PUT is about to leave."""
        self._begun_at.setdefault(target, now)
        self._begun_at.setdefault(account, now)

    def withdraw(self, target: Target, account: str) -> None:
        """Learn that a PUT did not leave."""
        for name in (target, account):
            if self._begun_at.get(name, -inf) > -inf:
                del self._begun_at[name]

    def answered(self, target: Target, account: str) -> None:
        """Learn that a PUT was answered, or will not be."""
        self._begun_at[target] = self._begun_at[account] = -inf

    def is_awaited(self, target: Target, account: str, now: float) -> bool:
        """Return whether a PUT has to wait for the first one of its target, or of its key."""
        begun_at = self._begun_at.get
        return begun_at(target, -inf) > -inf or begun_at(account, -inf) > now - KEY_WAIT_S
