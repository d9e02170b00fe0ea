"""What a plan will take: requests and time."""

from collections.abc import Sequence
from dataclasses import dataclass

PAGE_SERVICES = 1_000
"""Services in one page of the list (API.md, section 1.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a lane has to send: PUTs, the intermediate ones too, and list requests before and after them."""

    puts: int
    lists: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What applying a plan is expected to take, if nothing is refused or lost."""

    requests: int
    duration_s: float
    rate_per_s: float
    window_s: float | None = None
    """How long the change window is open; None without one."""
    window: str = ""
    """The window as it was written."""
    spare_s: float = 0.0
    """The last part of it, in which nothing new begins."""
    zone: str = ""
    """The zone in which the window is meant where it names none: `UTC+08:00 (CST)`."""
    opens_at: str = ""
    """When the window opens (UTC); empty where it is open, is over, or there is none."""
    closes_at: str = ""
    """When the window closes (UTC) that is open, or opens next; empty where it is over, or there is none."""
    lanes: int = 1
    """Regions and accounts that have a rate of their own and are worked on side by side."""
    is_auto: bool = False
    """Whether the rate is the one that a search begins with, and not one that a person gave."""
    failures_max: int | None = None
    """How many of the changes may fail; None where no limit is set."""
    failures_share: str = ""
    """The limit of failures as it was written: `5%` or `9`."""
    is_paced_by_failures: bool = False
    """Whether the limit of failures, which bounds the requests in flight, sets the pace and not the rate."""

    @property
    def fits(self) -> bool:
        """Return whether the run is expected to end within its window."""
        return self.window_s is None or self.duration_s <= self.window_s - self.spare_s


def list_requests(services: int) -> int:
    """Return the requests that listing so many services of one target takes; an empty list takes one, too."""
    return max(1, -(-services // PAGE_SERVICES))


def estimate_of(
    *,
    lanes: Sequence[Load],
    rate_per_s: float,
    workers: int,
    latency_s: float,
    window_s: float | None = None,
    spare_s: float = 0.0,
    window: str = "",
    zone: str = "",
    opens_at: str = "",
    closes_at: str = "",
    is_auto: bool = False,
    failures_max: int | None = None,
    failures_share: str = "",
) -> Estimate:
    """Return what a run takes: its PUTs, and its list requests before and after them.

    Lanes are worked on side by side, each at `rate_per_s`: the longest one counts. Each worker has one PUT in
    flight, for `latency_s`; pages of a list come one after the other. Reads and writes are paced apart. Where
    only `failures_max` may fail, one more than that are in flight at most.
    """
    in_flight = workers if failures_max is None else min(workers, failures_max + 1)
    put_s, list_s = max(1 / rate_per_s, latency_s / in_flight), max(1 / rate_per_s, latency_s)
    return Estimate(
        requests=sum(lane.puts + lane.lists for lane in lanes),
        duration_s=max((lane.puts * put_s + lane.lists * list_s for lane in lanes), default=0.0),
        rate_per_s=rate_per_s,
        window_s=window_s,
        spare_s=spare_s,
        window=window,
        zone=zone,
        opens_at=opens_at,
        closes_at=closes_at,
        lanes=max(1, sum(1 for lane in lanes if lane.puts)),
        is_auto=is_auto,
        failures_max=failures_max,
        failures_share=failures_share,
        is_paced_by_failures=put_s > max(1 / rate_per_s, latency_s / workers),
    )
