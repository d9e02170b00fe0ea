"""Whether the cloud accepts a secret: one request shows it before others follow."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from bulk.core.model import Abort

UNAUTHORIZED = 401
_FREE: AbstractAsyncContextManager[None] = nullcontext()


class Trial:
    """What is known of one secret.

    More than five refused signatures in a row lock a key for five minutes (API.md, section 4.2).
    Therefore, until one request with it is answered, the others wait; once it was refused, none leaves.
    """

    def __init__(self) -> None:
        self.refusal: Abort | None = None
        """The cloud's answer when it did not accept the secret."""
        self._lock = asyncio.Lock()
        self._is_over = False

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return the lock that a request holds until it is answered; none once an answer is known."""
        return _FREE if self._is_over else self._lock

    def answered(self, verdict: object) -> None:
        """Learn what the answer to a request with this secret means."""
        self._is_over = True
        if isinstance(verdict, Abort) and verdict.reply.http == UNAUTHORIZED:
            self.refusal = verdict
