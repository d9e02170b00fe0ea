"""What a plan will take: requests and time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

PAGE_SERVICES = 1_000
"""Services in one page of the list: the API's largest `limit` (API.md, section 1.3)."""


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
    soak_s: float = 0.0
    """How much of it waves are left alone, from the last outcome of each to the next wave."""
    wave_ends_s: tuple[float, ...] = ()
    """After how long each wave of the plan is expected to end, 0 for one that has; empty without waves."""
    wave_ends_at: tuple[str, ...] = ()
    """When that is (UTC), of a run that begins now or as its window opens; empty for one that has ended."""
    is_paced_by_failures: bool = False
    """Whether the limit of failures, which bounds the requests in flight, sets the pace and not the rate."""

    @property
    def fits(self) -> bool:
        """Return whether the run is expected to end within its window."""
        return self.window_s is None or self.duration_s <= self.window_s - self.spare_s


class GivenFacts(TypedDict, total=False):
    """Members of an estimate that are known beforehand, and only shown beside it."""

    window_s: float | None
    spare_s: float
    window: str
    zone: str
    opens_at: str
    closes_at: str
    is_auto: bool
    failures_share: str


def list_requests(services: int) -> int:
    """Return the requests that listing so many services of one target takes; an empty list takes one, too."""
    return max(1, -(-services // PAGE_SERVICES))


def estimate_of(
    *,
    lanes: Sequence[Load],
    rate_per_s: float,
    workers: int,
    latency_s: float,
    failures_max: int | None = None,
    waves: Sequence[Sequence[int]] = (),
    soak_s: float = 0.0,
    **given: Unpack[GivenFacts],
) -> Estimate:
    """Return what a run takes: its PUTs, and its list requests before and after them.

    Lanes are worked on side by side, each at `rate_per_s`: the longest one counts. Each worker has one PUT in
    flight, for `latency_s`; pages of a list come one after the other. Reads and writes are paced apart. Where
    only `failures_max` may fail, one more than that are in flight at most.

    `waves` has the PUTs of each wave, by lane. One begins once all lanes were looked at and the one before
    has ended, with its slowest answer, and was left alone for `soak_s`.
    """
    in_flight = workers if failures_max is None else min(workers, failures_max + 1)
    put_s, list_s = max(1 / rate_per_s, latency_s / in_flight), max(1 / rate_per_s, latency_s)
    looks_s = max((lane.lists * list_s for lane in lanes), default=0.0)
    together_s = max((lane.puts * put_s + lane.lists * list_s for lane in lanes), default=0.0)
    wave_ends_s = tuple(_wave_ends(waves, put_s, latency_s, begins_s=looks_s / 2, soak_s=soak_s))
    return Estimate(
        requests=sum(lane.puts + lane.lists for lane in lanes),
        duration_s=max(wave_ends_s) + looks_s / 2 if any(wave_ends_s) else together_s,
        rate_per_s=rate_per_s,
        lanes=max(1, sum(1 for lane in lanes if lane.puts)),
        failures_max=failures_max,
        soak_s=soak_s * max(0, sum(map(any, waves)) - 1),
        wave_ends_s=wave_ends_s,
        is_paced_by_failures=put_s > max(1 / rate_per_s, latency_s / workers),
        **given,
    )


def _wave_ends(
    waves: Sequence[Sequence[int]], put_s: float, latency_s: float, *, begins_s: float, soak_s: float
) -> Iterator[float]:
    """Yield after how long each wave ends; 0 for one that has nothing left to send."""
    now_s, rest_s = begins_s, 0.0
    for lanes in waves:
        if not any(lanes):
            yield 0.0
            continue
        now_s += rest_s + max(lanes) * put_s + latency_s
        rest_s = soak_s
        yield now_s
