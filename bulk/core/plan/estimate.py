"""What a plan will take: requests and time."""

from dataclasses import dataclass

PAGE_SERVICES = 1_000
"""Services in one page of the list (API.md, section 1.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What applying a plan takes, if nothing is refused or lost."""

    requests: int
    duration_s: float


def list_requests(services: int) -> int:
    """Give the requests that listing so many services of one target takes; an empty list takes one, too."""
    return max(1, -(-services // PAGE_SERVICES))


def effort(*, puts: int, pages: int, rate_per_s: float, workers: int, latency_s: float) -> Effort:
    """Give the requests and the time of a run: the drift sweep, the PUTs, the verify sweep.

    `puts` counts the intermediate ones too; `pages` are the list requests of one sweep over all targets.
    Each worker has one PUT in flight, for `latency_s`; pages come one after the other. Reads and writes are
    paced apart, each at `rate_per_s`.
    """
    put_s = max(1 / rate_per_s, latency_s / workers)
    page_s = max(1 / rate_per_s, latency_s)
    return Effort(requests=puts + 2 * pages, duration_s=puts * put_s + 2 * pages * page_s)
