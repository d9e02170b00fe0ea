"""What a 403 says: something about one service, or that the key may change nothing at all.

A policy may deny single services, by their tags or enterprise project (API.md, section 1). One answer cannot
tell which it is; what other PUTs of the same key were answered can.
"""

from collections import Counter
from enum import Enum, auto

ABORT_AT = 3
"""Denied PUTs of a key of which none has been accepted that show that it may change nothing."""
PROBE_AT = 10
"""Denied PUTs in a row after which it is asked whether the key may still do anything."""


class Denial(Enum):
    """What a denied PUT says of the others of its key."""

    NOTHING = auto()
    KEY_MAY_NOTHING = auto()
    """None was ever accepted: no other will be."""
    ASK = auto()
    """Many in a row: permissions may have been taken away in the middle of the run."""


class Denials:
    """What the API answered to the PUTs of each key, which is named by the account of its lanes."""

    def __init__(self) -> None:
        self._accepted: set[str] = set()
        self._in_a_row: Counter[str] = Counter()
        self.probing: set[str] = set()
        """Keys of which it is being asked whether they may still do anything."""

    def is_accepted(self, account: str) -> bool:
        """Return whether a PUT of a key has been accepted in this run."""
        return account in self._accepted

    def accept(self, account: str) -> bool:
        """Learn that a PUT was accepted; return whether it is the first one of its key."""
        self._in_a_row.pop(account, None)
        is_first = account not in self._accepted
        self._accepted.add(account)
        return is_first

    def deny(self, account: str) -> Denial:
        """Learn that a PUT was denied, and return what that says of the others."""
        self._in_a_row[account] += 1
        if account not in self._accepted:
            return Denial.KEY_MAY_NOTHING if self._in_a_row[account] >= ABORT_AT else Denial.NOTHING
        if self._in_a_row[account] < PROBE_AT or account in self.probing:
            return Denial.NOTHING
        self.probing.add(account)
        return Denial.ASK

    def probed(self, account: str) -> None:
        """Learn that a key was asked about."""
        self.probing.discard(account)
        self._in_a_row.pop(account, None)
