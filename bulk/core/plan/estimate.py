"""What a plan will take: requests and time."""

from dataclasses import dataclass

PAGE_SERVICES = 1_000
"""Services in one page of the list (API.md, section 1.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What applying a plan is expected to take, if nothing is refused or lost."""

    requests: int
    duration_s: float
    rate_per_s: float
    window_s: float | None = None
    """How long the change window is open; None without one."""
    failures_max: int | None = None
    """How many of the changes may fail; None where no limit is set."""
    failures_share: str = ""
    """That limit as it was written: `5%` or `9`."""
    is_paced_by_failures: bool = False
    """Whether the limit of failures, which bounds the requests in flight, sets the pace and not the rate."""

    @property
    def fits(self) -> bool:
        """Return whether the run is expected to end within its window."""
        return self.window_s is None or self.duration_s <= self.window_s


def list_requests(services: int) -> int:
    """Return the requests that listing so many services of one target takes; an empty list takes one, too."""
    return max(1, -(-services // PAGE_SERVICES))


def estimate_of(
    *,
    puts: int,
    lists: int,
    rate_per_s: float,
    workers: int,
    latency_s: float,
    window_s: float | None = None,
    failures_max: int | None = None,
    failures_share: str = "",
) -> Estimate:
    """Return what a run takes: its PUTs, and its list requests before and after them.

    `puts` counts the intermediate ones too. Each worker has one PUT in flight, for `latency_s`; pages of a
    list come one after the other. Reads and writes are paced apart, each at `rate_per_s`. Where only
    `failures_max` may fail, one more than that are in flight at most.
    """
    in_flight = workers if failures_max is None else min(workers, failures_max + 1)
    put_s = max(1 / rate_per_s, latency_s / in_flight)
    list_s = max(1 / rate_per_s, latency_s)
    return Estimate(
        requests=puts + lists,
        duration_s=puts * put_s + lists * list_s,
        rate_per_s=rate_per_s,
        window_s=window_s,
        failures_max=failures_max,
        failures_share=failures_share,
        is_paced_by_failures=put_s > max(1 / rate_per_s, latency_s / workers),
    )
