"""How many workers there should be."""

from collections.abc import Iterable

from bulk.core.concurrency import Answered, Failed, sizing, step, workers
from bulk.core.model import Reply
from bulk.engine.interfaces import Pace
from bulk.engine.session import Limits

SERVER_ERROR = 500


class Crew:
    """The number of workers wanted, as the answers suggest."""

    def __init__(self, limits: Limits, paces: Iterable[Pace]) -> None:
        self._limits = limits
        self._paces = tuple({id(pace): pace for pace in paces}.values())
        self._sizing = sizing(limits.workers)

    def heard(self, reply: Reply) -> None:
        """Learn how a request was answered."""
        if not self._limits.elastic:
            return
        failed = reply.http is None or reply.http >= SERVER_ERROR
        self._sizing = step(self._sizing, Failed() if failed else Answered(latency_s=reply.ms / 1000))

    @property
    def wanted(self) -> int:
        """Give how many workers there should be now."""
        if not self._limits.elastic:
            return self._limits.workers
        return workers(self._sizing, sum(pace.rate_per_s for pace in self._paces))
