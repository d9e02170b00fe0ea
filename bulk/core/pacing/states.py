"""The states and events of pacing; every time is in monotonic seconds."""

from math import inf
from typing import NamedTuple, TypeAlias

from bulk.core.model import Limit, Throttled, Why, noun

START_PER_S = 10.0
"""First rate of a search: slow enough for anybody, and doubled each second past 1,000/s within seven."""
RAMP = 1.0
"""Growth a round until the first cut: doubling."""
GROWTH_MIN = 0.01
"""Growth in the first round of a climb."""
OWED_MAX = 14.0
"""The most refusals that have to be made good by acceptances before the next climb."""


@noun
class PushBack:
    """The server's push-back: a stretch of time in which nothing may leave."""

    until_s: float = -inf
    """When it ends."""
    refusals: int = 0
    """Refusals in a row, with nothing accepted between, that led to it."""


class Trial(NamedTuple):
    """A slower rate is tried: a limit refuses less of it, noise does not care."""

    rate_per_s: float
    """The rate before, its growth, and the share of it that was refused."""
    growth: float
    share: float
    answers: int = 0
    refused: int = 0


class Pacing(NamedTuple):
    """A rate that finds the server's limit and stays just under it; a new one comes of every answer."""

    rate_per_s: float = START_PER_S
    cap_per_s: float = inf
    """The rate that a person gave, never exceeded; infinite where it is to be found."""
    hold: PushBack = PushBack()
    paused_until_s: float = -inf
    """When it ends that the server, not at its limit but not available, asked to be left alone."""
    limit: Limit | None = None
    """The limit believed in as a window; None where only a rate is known."""
    why: Why = Why.FOUND
    stated: Limit | None = None
    """The limit that a refusal stated last, whether believed or not."""
    noise: float = 0.0
    """Share of requests that is refused whatever the rate; forgotten at `noise_until_s`, since it changes."""
    noise_until_s: float = inf

    excess: float = 0.0
    """Refusals lately beyond what noise and tolerance explain, and the answers since it last left 0."""
    answers: int = 0
    refused: int = 0
    trial: Trial | None = None

    cycle_at: float = -inf
    """When the present window opened, or the first answer came, as far as is known."""
    cycle_accepted: int = 0
    outage_accepted: int = 0
    """What was accepted before the latest shut time that fitted no window."""

    round_at: float = -inf
    round_answers: int = 0
    growth: float = RAMP
    """Share by which the next round is faster."""
    ground_per_s: float = 0.0
    """Rate that the present climb started from; 0 where there is none to go back to."""
    below_per_s: float = 0.0
    """Rate before the latest step; 0 where it is not known."""
    top_per_s: float = inf
    """Rate that was too fast when it was tried last."""
    owed: float = 0.0
    """Refusals still to be made good by acceptances before the next climb."""

    refusals: int = 0
    """Refusals in a row, echoes not counted; the first of them was granted at `shut_at`."""
    is_shut: bool = False
    """Whether nothing is accepted any more, as far as is known."""
    cut_at: float = -inf
    """Requests granted until then knew nothing of the latest cut."""
    shut_at: float = -inf
    spacing_s: float = 0.0
    """Least time between two requests, whatever the rate: probes leave one by one."""

    @property
    def held_until_s(self) -> float:
        """Return when the next request may leave, as far as that is the server's wish."""
        return max(self.hold.until_s, self.paused_until_s)


@noun
class Accepted:
    """The server took the request that was granted at `granted_at`.

    Where the state is calm (`search.is_calm`) several may be one event: `count` of them, the last one granted
    then.
    """

    granted_at: float
    count: int = 1


@noun
class Refused:
    """The server refused the request that was granted at `granted_at` for going too fast."""

    granted_at: float
    throttled: Throttled


@noun
class Paused:
    """The server, not at its limit but not available, asks to be left alone for so long."""

    wait_s: float


Event: TypeAlias = Accepted | Refused | Paused
