"""Whether the cloud accepts a secret: one request shows it before others follow."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from bulk.model import Abort
from bulk.vpcep.replies import Answer, Lost, succeeded

_FREE: AbstractAsyncContextManager[None] = nullcontext()


class KeyProbe:
    """What is known of one secret.

    More than five refused signatures in a row lock a key for five minutes (API.md, section 4.2).
    Therefore, until an answer shows that it is accepted, requests with it leave one after the other,
    whatever their region; once it was refused, none leaves.
    """

    def __init__(self) -> None:
        self.refusal: Abort | None = None
        """The cloud's answer when it did not accept the secret."""
        self._lock = asyncio.Lock()
        self._is_over = False

    @property
    def is_passed(self) -> bool:
        """Return whether any number of requests may leave with the secret."""
        return self._is_over and self.refusal is None

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return the lock that a request holds until it is answered; none once the secret is known."""
        return _FREE if self._is_over else self._lock

    def answered(self, got: Answer | Lost, refusal: Abort | None) -> None:
        """Learn what came back; a gateway that is busy, or broken, has not looked at the signature."""
        self.refusal = refusal or self.refusal
        self._is_over = (
            self._is_over or self.refusal is not None or (isinstance(got, Answer) and succeeded(got))
        )
